"""How much a workspace may hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipex_core.adapters.workspace import trees
from pipex_core.errors import StepError


class Quota:
    """Counts a workspace once, then goes on counting by what is written.

    It is shared by all views of one workspace. Other programs may write too; after a command the count
    is taken anew.

    Args:
        max_files: Regular files at most.
        max_bytes: Bytes of all of them at most.
    """

    def __init__(self, *, max_files: int = 10_000, max_bytes: int = 1 << 30) -> None:
        self.max_files = max_files
        self.max_bytes = max_bytes
        self._used: trees.Usage | None = None

    def forget(self) -> None:
        """Count again before the next write."""
        self._used = None

    @contextmanager
    def room(self, folder: Path, *, new: bool, grown: int) -> Iterator[None]:
        """Take room for a write that happens inside the block.

        Args:
            folder: The workspace.
            new: Whether the write makes a further file.
            grown: Bytes that it adds; negative when it frees some.

        Raises:
            StepError: ``limit_exceeded``; nothing was written.
        """
        if self._used is None:
            self._used = _counted(folder)
        files, size_bytes = self._used.files + new, self._used.size_bytes + grown
        if new and files > self.max_files:
            raise StepError(f"the workspace may hold {self.max_files} files", code="limit_exceeded")
        if grown > 0 and size_bytes > self.max_bytes:
            raise StepError(f"the workspace may hold {self.max_bytes} bytes", code="limit_exceeded")
        self._used = None  # unknown, should the write fail half-way
        yield
        self._used = trees.Usage(files=files, size_bytes=size_bytes)


def _counted(folder: Path) -> trees.Usage:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return trees.usage(descriptor)
    finally:
        os.close(descriptor)
