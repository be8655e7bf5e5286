"""A blob store that a test breaks: refused writes, and values that change while they lie there."""

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import StoreError


class BreakableBlobs(MemoryBlobs):
    """Blobs in memory.

    Attributes:
        refuse: Code of the error that writes raise; empty while they work.
        refuse_below: Start of the keys whose writes it raises; empty for all.
        flip: Whether a write keeps its bytes with one of them changed.
        puts: Keys in the order in which they were written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuse = ""
        self.refuse_below = ""
        self.flip = False
        self.puts: list[str] = []

    def put(self, key: str, data: bytes) -> None:
        if self.refuse and key.startswith(self.refuse_below):
            raise StoreError("the store refuses", code=self.refuse)
        super().put(key, bytes([data[0] ^ 1]) + data[1:] if self.flip else data)
        self.puts.append(key)

    def change(self, key: str) -> None:
        """Flip a bit in the middle of a stored value."""
        data = bytearray(self.get(key))
        data[len(data) // 2] ^= 1
        super().put(key, bytes(data))
