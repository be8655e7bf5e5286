"""The call cache: answers of models by request key, in any blob store, each with its digest."""

from pipex_core.errors import StoreError
from pipex_core.jsonvalue import canonical_bytes, digest, parse
from pipex_core.llm.provider import Response
from pipex_core.ports import BlobStore


class BlobCallCache:
    """Answers under ``calls/<first two digits>/<key>.json``; a damaged entry is a miss.

    Attributes:
        damaged: Keys of entries that were not what was stored, for a warning.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.damaged: list[str] = []

    def get(self, key: str) -> Response | None:
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
        place = _place(key)
        if key not in self.damaged and self._blobs.exists(place):
            return
        reply = response.to_json()
        self._blobs.put(place, canonical_bytes({"reply": reply, "sha256": digest(reply)}))


def _place(key: str) -> str:
    return f"calls/{key[:2]}/{key}.json"
