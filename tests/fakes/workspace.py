"""A workspace in memory."""

import posixpath
from collections.abc import Mapping

from pipex_core.errors import StepError


class MemoryWorkspace:
    """Files by path, read from one map and written into another.

    Attributes:
        outputs: What was written, by path below the output directory.
    """

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        self._files = dict(files or {})
        self.outputs: dict[str, str] = {}

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        text = self._files.get(_inside(path))
        if text is None:
            raise StepError(f"there is no file {path}", code="file_not_found")
        if max_bytes is not None and len(text.encode(encoding)) > max_bytes:
            raise StepError(f"{path} is larger than {max_bytes} bytes", code="limit_exceeded")
        return text

    def write_output(self, path: str, text: str) -> str:
        self.outputs[_inside(path)] = text
        return _inside(path)


def _inside(path: str) -> str:
    plain = posixpath.normpath(path)
    if not path or "\0" in path or plain == "." or plain.startswith(("/", "..")):
        raise StepError(f"{path!r} is outside", code="path_denied")
    return plain
