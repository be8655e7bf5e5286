"""A workspace in memory."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pipex_core.errors import StepError
from pipex_core.ports import FileEntry


class MemoryWorkspace:
    """Files by path; outputs are written into a map of their own. Folders exist where files do.

    Attributes:
        files: Of the workspace, by relative path.
        outputs: What was written by ``write_output``, by path below the output directory.
        max_files: More files than this are refused.
        recounts: How often ``recount`` was called.
        executable: Files that may be run.
    """

    def __init__(self, files: Mapping[str, str] | None = None, *, max_files: int = 10_000) -> None:
        self.files = {path: text.encode() for path, text in (files or {}).items()}
        self.outputs: dict[str, str] = {}
        self.max_files = max_files
        self.recounts = 0
        self.executable: set[str] = set()
        self._prefix = ""

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        try:
            return self.read_bytes(path, max_bytes=max_bytes).decode(encoding)
        except (UnicodeDecodeError, LookupError) as exc:
            raise StepError(f"{path} is not text in {encoding}", code="type_error") from exc

    def write_output(self, path: str, text: str) -> str:
        self.outputs[_inside(path)] = text
        return _inside(path)

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        data = self.files.get(self._prefix + _inside(path))
        if data is None:
            raise _missing(path)
        if max_bytes is not None and len(data) > max_bytes:
            raise StepError(f"{path} is larger than {max_bytes} bytes", code="limit_exceeded")
        return data

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        inside = _inside(path)
        whole = self._prefix + inside
        if self._is_folder(whole):
            raise StepError(f"{path} is a folder", code="path_denied")
        if whole not in self.files and len(self.files) >= self.max_files:
            raise StepError("too many files", code="limit_exceeded")
        self.files[whole] = data
        if is_executable is not None:
            self.executable.discard(whole)
        if is_executable:
            self.executable.add(whole)
        return inside

    def stat(self, path: str) -> FileEntry | None:
        inside = _inside(path, whole=True)
        whole = self._prefix + inside
        if whole in self.files:
            return FileEntry(
                path=inside,
                size_bytes=len(self.files[whole]),
                is_executable=whole in self.executable,
            )
        is_folder = inside == "." or self._is_folder(whole)
        return FileEntry(path=inside, is_folder=True) if is_folder else None

    def list(self, path: str = ".", *, recursive: bool = False) -> Sequence[FileEntry]:
        inside = _inside(path, whole=True)
        if inside != "." and not self._is_folder(self._prefix + inside):
            raise _missing(path)
        start = self._prefix + ("" if inside == "." else f"{inside}/")
        found: dict[str, FileEntry] = {}
        for file, data in self.files.items():
            if file.startswith(start):
                parts = file.removeprefix(start).split("/")
                shown = file.removeprefix(self._prefix)
                head = shown[: len(shown) - len("/".join(parts))]
                for depth in range(1, len(parts)):
                    folder = head + "/".join(parts[:depth])
                    found[folder] = FileEntry(path=folder, is_folder=True)
                found[shown] = FileEntry(
                    path=shown, size_bytes=len(data), is_executable=file in self.executable
                )
        entries = [found[name] for name in sorted(found)]
        depth = 0 if inside == "." else inside.count("/") + 1
        return [e for e in entries if recursive or e.path.count("/") == depth]

    def delete(self, path: str) -> Sequence[str]:
        gone = self._below(path)
        for file in gone:
            del self.files[self._prefix + file]
        return gone

    def copy(self, source: str, destination: str) -> Sequence[str]:
        start, target = _inside(source), _inside(destination)
        found = self._below(source)
        if found != [start] and f"{target}/".startswith(f"{start}/"):
            raise StepError(f"{source} cannot be copied into itself", code="path_denied")
        return sorted(
            self.write(target + file.removeprefix(start), self.read_bytes(file)) for file in found
        )

    def move(self, source: str, destination: str) -> Sequence[str]:
        _inside(destination)
        found = self._below(source)
        made = self.copy(source, destination)
        for file in found:
            del self.files[self._prefix + file]
        return made

    def narrowed(self, path: str) -> "MemoryWorkspace":
        inside = _inside(path, whole=True)
        view = MemoryWorkspace(max_files=self.max_files)
        view.files, view.outputs = self.files, self.outputs
        view.executable = self.executable
        view._prefix = self._prefix + ("" if inside == "." else f"{inside}/")
        return view

    @contextmanager
    def folder(self) -> Iterator[int]:
        yield -1

    def recount(self) -> None:
        self.recounts += 1

    def _is_folder(self, whole: str) -> bool:
        return any(file.startswith(f"{whole}/") for file in self.files)

    def _below(self, path: str) -> Sequence[str]:
        whole = self._prefix + _inside(path)
        found = [file for file in self.files if file == whole or file.startswith(f"{whole}/")]
        if not found:
            raise _missing(path)
        return sorted(file.removeprefix(self._prefix) for file in found)


def _inside(path: str, *, whole: bool = False) -> str:
    plain = posixpath.normpath(path)
    if whole and path and plain == ".":
        return plain
    if not path or "\0" in path or plain == "." or plain.startswith(("/", "..")):
        raise StepError(f"{path!r} is outside", code="path_denied")
    return plain


def _missing(path: str) -> StepError:
    return StepError(f"there is no file {path}", code="file_not_found")
