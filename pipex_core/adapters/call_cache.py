"""The call cache: answers of models by request key, in any blob store, each with its digest.

Answers are stored by a thread of its own: a call never waits for a disk that it does not depend on.
"""

from concurrent.futures import ThreadPoolExecutor

from pipex_core.errors import StoreError
from pipex_core.jsonvalue import canonical_bytes, digest, parse
from pipex_core.llm.provider import Response
from pipex_core.ports import BlobStore


class BlobCallCache:
    """Answers under ``calls/<first two digits>/<key>.json``; a damaged entry is a miss.

    What waits to be stored is found already, and is stored before the process ends. An answer that
    cannot be stored is an answer all the same.

    Attributes:
        damaged: Keys of entries that were not what was stored, for a warning.
        failed: The last error of the store, or None; the answers of its calls are not kept.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.damaged: list[str] = []
        self.failed: StoreError | None = None
        self._waiting: dict[str, Response] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="call-cache")

    def get(self, key: str) -> Response | None:
        waiting = self._waiting.get(key)
        if waiting is not None:
            return waiting
        place = _place(key)
        if not self._blobs.exists(place):
            return None
        try:
            entry = parse(self._blobs.get(place).decode())
            found = Response.from_json(entry["reply"])
            is_whole = entry["sha256"] == digest(entry["reply"])
        except (ValueError, KeyError, TypeError, AttributeError, StoreError):
            is_whole = False
        if is_whole:
            return found
        self.damaged.append(key)
        return None

    def put(self, key: str, response: Response) -> None:
        if key not in self._waiting:
            self._waiting[key] = response
            self._thread.submit(self._store, key, response)

    def flush(self) -> None:
        """Return when everything that was put is stored."""
        self._thread.submit(lambda: None).result()

    def _store(self, key: str, response: Response) -> None:
        place = _place(key)
        try:
            if key in self.damaged or not self._blobs.exists(place):
                reply = response.to_json()
                self._blobs.put(place, canonical_bytes({"reply": reply, "sha256": digest(reply)}))
        except StoreError as exc:
            self.failed = exc
        finally:
            del self._waiting[key]


def _place(key: str) -> str:
    return f"calls/{key[:2]}/{key}.json"
