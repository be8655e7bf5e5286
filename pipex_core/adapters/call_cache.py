"""The call cache: answers of models by request key, in any blob store, each with its digest.

Answers are stored by a thread of its own: a call never waits for a disk that it does not depend on.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipex_core.errors import StoreError
from pipex_core.jsonvalue import canonical_bytes, digest, parse
from pipex_core.llm.provider import Response
from pipex_core.ports import BlobStore, Clock


class BlobCallCache:
    """Answers under ``calls/<first two digits>/<key>.json``; a damaged entry is a miss.

    The age of an answer goes by the wall clock, because processes share no other.

    What waits to be stored is found already, and is stored before the process ends. An answer that
    cannot be stored is an answer all the same.

    Attributes:
        damaged: Keys of entries that were not what was stored, for a warning.
        failed: The last error of the store, or None; the answers of its calls are not kept.
    """

    def __init__(self, blobs: BlobStore, *, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._replaced: set[str] = set()
        self.damaged: list[str] = []
        self.failed: StoreError | None = None
        self._waiting: dict[str, _Kept] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="call-cache")

    def get(self, key: str, *, max_age_s: float | None = None) -> Response | None:
        kept = self._waiting.get(key) or self._stored(key)
        if kept is None:
            return None
        age_s = self._clock.now().timestamp() - kept.at_s
        if max_age_s is None or age_s < max_age_s:
            return kept.response
        self._replaced.add(key)
        return None

    def put(self, key: str, response: Response) -> None:
        if key not in self._waiting or key in self._replaced:
            at_s = self._clock.now().timestamp()
            self._waiting[key] = _Kept(response=response, at_s=at_s)
            self._thread.submit(self._store, key, self._waiting[key])

    def _stored(self, key: str) -> "_Kept | None":
        place = _place(key)
        if not self._blobs.exists(place):
            return None
        try:
            entry = parse(self._blobs.get(place).decode())
            # Entries of earlier versions have no time: they are as old as can be.
            kept = _Kept(response=Response.from_json(entry["reply"]), at_s=entry.get("at", 0))
            if entry["sha256"] == digest(entry["reply"]):
                return kept
        except (ValueError, KeyError, TypeError, AttributeError, StoreError):
            pass
        self.damaged.append(key)
        self._replaced.add(key)
        return None

    def flush(self) -> None:
        """Return when everything that was put is stored."""
        self._thread.submit(lambda: None).result()

    def _store(self, key: str, kept: "_Kept") -> None:
        place = _place(key)
        try:
            if key in self._replaced or not self._blobs.exists(place):
                reply = kept.response.to_json()
                entry = {"reply": reply, "sha256": digest(reply), "at": round(kept.at_s, 3)}
                self._blobs.put(place, canonical_bytes(entry))
                self._replaced.discard(key)
        except StoreError as exc:
            self.failed = exc
        finally:
            if self._waiting.get(key) is kept:
                del self._waiting[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An answer, and when it was given: Unix seconds."""

    response: Response
    at_s: float


def _place(key: str) -> str:
    return f"calls/{key[:2]}/{key}.json"
