"""Files confined to roots: whatever a path says, nothing outside of them is read or written.

A path is first taken as words, which say in which root it may lie; then the root is opened and the rest is
resolved below its descriptor. What was checked is what was opened.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipex_core.adapters.workspace import trees
from pipex_core.adapters.workspace.beneath import (
    OpenBeneath,
    best_opener,
    folder_flags,
    opened,
    read_flags,
)
from pipex_core.adapters.workspace.quota import Quota
from pipex_core.errors import StepError
from pipex_core.ports import FileEntry

largest_text_bytes = 10_000_000
denied_errors = frozenset(
    {errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENXIO}
)
absent_errors = frozenset({errno.ENOENT, errno.ENOTDIR})
look_flags = os.O_PATH | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder that may be used: a fixed path, and a way below it that is resolved at every use."""

    base: Path
    inside: str = "."

    @property
    def path(self) -> Path:
        return Path(os.path.normpath(self.base / self.inside))

    def open(self, stack: ExitStack, open_beneath: OpenBeneath) -> int:
        base = opened(stack, os.open(self.base, folder_flags))
        return opened(stack, open_beneath(base, self.inside, folder_flags))


class ConfinedWorkspace:
    """A ``Workspace`` over folders of this machine.

    Args:
        workspace: Read and written by steps and tools; relative paths start here. Made when needed.
        output_dir: Where ``write_output`` writes; made when the first file is written.
        beside: Folder of the pipeline file, read only; tried after the workspace by ``read_text``.
        allowed: Further folders that may be read.
        open_beneath: How to open below a descriptor; the kernel's way where it has one when None.
        quota: What the workspace may hold; 10 000 files and 1 GiB when None.
    """

    def __init__(
        self,
        *,
        workspace: str | os.PathLike[str],
        output_dir: str | os.PathLike[str],
        beside: str | os.PathLike[str] | None = None,
        allowed: Sequence[str | os.PathLike[str]] = (),
        open_beneath: OpenBeneath | None = None,
        quota: Quota | None = None,
    ) -> None:
        self._root = _Root(_plain(workspace))
        self._beside = [] if beside is None else [_Root(_plain(beside))]
        self._allowed = [_Root(_plain(root)) for root in allowed]
        self._output = _Root(_plain(output_dir))
        self._open = open_beneath or best_opener()
        self._quota = quota or Quota()

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        limit = largest_text_bytes if max_bytes is None else max_bytes
        data = self._read(path, limit, bases=[self._root, *self._beside])
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError) as exc:
            raise StepError(f"{path} is not text in {encoding}: {exc}", code="type_error") from exc

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        limit = largest_text_bytes if max_bytes is None else max_bytes
        return self._read(path, limit, bases=[self._root])

    def write_output(self, path: str, text: str) -> str:
        relative = _below(self._output, path)
        self._output.base.mkdir(parents=True, exist_ok=True)
        with _confinement(path), ExitStack() as stack:
            root = self._output.open(stack, self._open)
            parent = opened(stack, self._folder(root, relative.parent))
            self._replaced(root, parent, relative)
            trees.replace(parent, relative.name, [text.encode("utf-8")], trees.plain_mode)
        return relative.as_posix()

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        relative = _below(self._root, path)
        with _confinement(path), ExitStack() as stack:
            root = self._opened(stack)
            parent = opened(stack, self._folder(root, relative.parent))
            old = self._replaced(root, parent, relative)
            with self._quota.room(self._base, new=old is None, grown=len(data) - _size(old)):
                trees.replace(
                    parent, relative.name, [data], _mode(old, is_executable=is_executable)
                )
        return relative.as_posix()

    def stat(self, path: str) -> FileEntry | None:
        root, relative = self._where(path)
        if self._is_unmade(root, relative):
            return FileEntry(path=relative, is_folder=True)
        with _confinement(path), ExitStack() as stack:
            try:
                folder = root.open(stack, self._open)
                found = opened(stack, self._open(folder, relative, look_flags))
            except OSError as exc:
                if exc.errno in absent_errors:
                    return None
                raise
            return trees.entry_of(self._shown(root, relative), found)

    def list(self, path: str = ".", *, recursive: bool = False) -> Sequence[FileEntry]:
        root, relative = self._where(path)
        if self._is_unmade(root, relative):
            return ()
        with _reading(path), ExitStack() as stack:
            top = root.open(stack, self._open)
            folder = opened(stack, self._open(top, relative, folder_flags))
            shown = self._shown(root, relative)
            prefix = "" if shown == "." else f"{shown.rstrip('/')}/"
            outer = "" if root == self._root else f"{root.path.as_posix().rstrip('/')}/"

            def resolve(found: str) -> int:
                return self._open(top, found.removeprefix(outer), look_flags)

            with trees.listing(folder) as inside:
                return trees.entries(inside, prefix, recursive=recursive, resolve=resolve)

    def delete(self, path: str) -> Sequence[str]:
        relative = _below(self._root, path)
        with _reading(path), ExitStack() as stack:
            parent = self._parent(self._opened(stack), relative, stack)
            os.stat(relative.name, dir_fd=parent, follow_symlinks=False)
            gone = trees.remove(parent, relative.name, relative.as_posix())
            trees.sync(parent)
        self._quota.forget()
        return sorted(gone)

    def copy(self, source: str, destination: str) -> Sequence[str]:
        origin, target = _below(self._root, source), _below(self._root, destination)
        found = self.stat(source)
        if found is None:
            raise StepError(f"there is no file {source}", code="file_not_found")
        if not found.is_folder:
            return [self._copied(origin, target)]
        if target.is_relative_to(origin):
            raise StepError(f"{source} cannot be copied into itself", code="path_denied")
        files = [
            Path(entry.path) for entry in self.list(source, recursive=True) if not entry.is_folder
        ]
        return sorted(self._copied(file, target / file.relative_to(origin)) for file in files)

    def move(self, source: str, destination: str) -> Sequence[str]:
        origin, target = _below(self._root, source), _below(self._root, destination)
        with _reading(source), ExitStack() as stack:
            root = self._opened(stack)
            parent = self._parent(root, origin, stack)
            kind = os.stat(origin.name, dir_fd=parent, follow_symlinks=False).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
                raise _denied(source)
            if target.is_relative_to(origin):
                raise StepError(f"{source} cannot be moved into itself", code="path_denied")
            with _confinement(destination):
                goal = opened(stack, self._folder(root, target.parent))
                self._replaced(root, goal, target)
                os.rename(origin.name, target.name, src_dir_fd=parent, dst_dir_fd=goal)
            trees.sync(parent)
            trees.sync(goal)
        self._quota.forget()
        if stat.S_ISDIR(kind):
            inside = self.list(target.as_posix(), recursive=True)
            return [entry.path for entry in inside if not entry.is_folder]
        return [target.as_posix()]

    def narrowed(self, path: str) -> "ConfinedWorkspace":
        relative = Path() if _is_whole(self._root, path) else _below(self._root, path)
        with _confinement(path), ExitStack() as stack:
            opened(stack, self._folder(self._opened(stack), relative))
        view = object.__new__(ConfinedWorkspace)
        view.__dict__.update(self.__dict__)
        view._root = _Root(self._root.base, (Path(self._root.inside) / relative).as_posix())
        return view

    @contextmanager
    def folder(self) -> Iterator[int]:
        with _confinement("."), ExitStack() as stack:
            yield self._opened(stack)

    def recount(self) -> None:
        self._quota.forget()

    @property
    def _base(self) -> Path:
        return self._root.base

    def _opened(self, stack: ExitStack) -> int:
        """The workspace's folder, made when missing."""
        self._base.mkdir(parents=True, exist_ok=True)
        return self._root.open(stack, self._open)

    def _read(self, path: str, limit: int, *, bases: Sequence[_Root]) -> bytes:
        is_denied = True
        for root, relative in self._candidates(path, bases):
            try:
                return self._read_beneath(root, relative, limit, shown=path)
            except OSError as exc:
                if exc.errno not in denied_errors | absent_errors:
                    raise StepError(f"cannot read {path}: {exc.strerror}") from exc
                if exc.errno in denied_errors:
                    raise _denied(path) from exc
                is_denied = False
        if is_denied:
            raise _denied(path)
        where = " in the workspace or beside the pipeline" if len(bases) > 1 else ""
        raise StepError(f"there is no file {path}{where}", code="file_not_found")

    def _candidates(self, path: str, bases: Sequence[_Root]) -> Iterator[tuple[_Root, str]]:
        """Roots and paths in them that ``path`` may mean, in the order in which they are tried."""
        _check_words(path)
        for base in bases:
            whole = Path(os.path.normpath(base.path / path))
            for root in [base, *bases, *self._allowed]:
                if whole.is_relative_to(root.path):
                    yield root, whole.relative_to(root.path).as_posix()
                    break

    def _where(self, path: str) -> tuple[_Root, str]:
        """The root and the path in it that ``read_bytes`` would read.

        Raises:
            StepError: ``path_denied``, there is none.
        """
        found = next(self._candidates(path, [self._root]), None)
        if found is None:
            raise _denied(path)
        return found

    def _is_unmade(self, root: _Root, relative: str) -> bool:
        """Whether this is the workspace itself and nobody wrote in it yet: it is empty, not missing."""
        return root == self._root and relative == "." and not self._base.exists()

    def _shown(self, root: _Root, relative: str) -> str:
        return relative if root == self._root else (root.path / relative).as_posix()

    def _read_beneath(self, root: _Root, relative: str, limit: int, *, shown: str) -> bytes:
        with ExitStack() as stack:
            folder = root.open(stack, self._open)
            descriptor = opened(
                stack, trees.regular(lambda flags: self._open(folder, relative, flags), shown)
            )
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(limit + 1)
        if len(data) > limit:
            raise StepError(f"{shown} is larger than {limit} bytes", code="limit_exceeded")
        return data

    def _copied(self, origin: Path, target: Path) -> str:
        """Copy one file; gives the path of the copy."""
        with _reading(origin.as_posix()), ExitStack() as stack:
            root = self._opened(stack)
            shown = origin.as_posix()
            file = opened(stack, trees.regular(lambda flags: self._open(root, shown, flags), shown))
            kind = os.fstat(file)
            with _confinement(target.as_posix()):
                parent = opened(stack, self._folder(root, target.parent))
                old = self._replaced(root, parent, target)
                grown = kind.st_size - _size(old)
                with self._quota.room(self._base, new=old is None, grown=grown):
                    trees.replace(parent, target.name, trees.blocks_of(file), _mode(kind))
        return target.as_posix()

    def _parent(self, root: int, relative: Path, stack: ExitStack) -> int:
        return opened(stack, self._open(root, relative.parent.as_posix(), folder_flags))

    def _folder(self, root: int, relative: Path) -> int:
        """Descriptor of a folder below the root, made with its parents where it is missing."""
        parts = [part for part in relative.parts if part != "."]
        for depth in range(1, len(parts) + 1):
            prefix, name = "/".join(parts[: depth - 1]) or ".", parts[depth - 1]
            parent = self._open(root, prefix, folder_flags)
            try:
                os.mkdir(name, dir_fd=parent)
            except FileExistsError:
                pass
            finally:
                os.close(parent)
        return self._open(root, "/".join(parts) or ".", folder_flags)

    def _replaced(self, root: int, parent: int, relative: Path) -> os.stat_result | None:
        """What a write takes the place of; refuses what is no plain file of its own, and links out."""
        try:
            found = os.stat(relative.name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(found.st_mode):
            with suppress(FileNotFoundError):
                os.close(self._open(root, relative.as_posix(), read_flags))
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise _denied(relative.as_posix())
        return found


def _plain(path: str | os.PathLike[str]) -> Path:
    """Absolute and without ``..``; links are left to the kernel, which follows them inside a root."""
    return Path(os.path.normpath(Path(path).absolute()))


def _check_words(path: str) -> None:
    if not path or "\0" in path or not trees.is_text(path):
        raise _denied(path)


def _is_whole(root: _Root, path: str) -> bool:
    _check_words(path)
    return Path(os.path.normpath(root.path / path)) == root.path


def _below(root: _Root, path: str) -> Path:
    """The path inside of ``root`` that ``path`` means; not the root itself."""
    _check_words(path)
    target = Path(os.path.normpath(root.path / path))
    if target == root.path or not target.is_relative_to(root.path):
        raise _denied(path)
    return target.relative_to(root.path)


def _size(old: os.stat_result | None) -> int:
    return 0 if old is None else old.st_size


def _mode(old: os.stat_result | None, *, is_executable: bool | None = None) -> int:
    """Permissions of a file that takes the place of ``old``: it stays executable, nothing more."""
    mode = trees.plain_mode if old is None else stat.S_IMODE(old.st_mode) & 0o777
    if is_executable is None:
        return mode
    return mode | 0o111 if is_executable else mode & ~0o111


@contextmanager
def _confinement(path: str) -> Iterator[None]:
    """Errors of the operating system on the way to a file that is written as ours."""
    try:
        yield
    except OSError as exc:
        if exc.errno in denied_errors | absent_errors | {errno.EISDIR, errno.ENOTEMPTY}:
            raise _denied(path) from exc
        raise StepError(f"cannot write {path}: {exc.strerror}") from exc


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Errors of the operating system on the way to something that must be there as ours."""
    try:
        yield
    except OSError as exc:
        if exc.errno in denied_errors:
            raise _denied(path) from exc
        if exc.errno in absent_errors:
            raise StepError(f"there is no file {path}", code="file_not_found") from exc
        raise StepError(f"cannot use {path}: {exc.strerror}") from exc


def _denied(path: str) -> StepError:
    return StepError(
        f"{path!r} is outside of the folders that this run may use, or no plain file;"
        " move the file into the workspace or allow its folder with --allow-path",
        code="path_denied",
    )
