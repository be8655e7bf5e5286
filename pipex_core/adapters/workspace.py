"""Files confined to roots: whatever a path says, nothing outside of them is read or written.

The kernel does the resolving (``openat2`` beneath a root's descriptor, Linux 5.6); where it cannot, the
path is walked component by component without following links that lead out. Checks are made on the
opened object, never on a name beforehand, so nothing can be swapped in between.
"""

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from pipex_core.errors import StepError

largest_text_bytes = 10_000_000
most_links = 40  # as the kernel's own limit
openat2_number = 437  # the same on every architecture
resolve_beneath = 0x08
resolve_no_magiclinks = 0x02
denied_errors = frozenset(
    {errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENXIO}
)
absent_errors = frozenset({errno.ENOENT, errno.ENOTDIR})
read_flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
folder_flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

OpenBeneath = Callable[[int, str, int], int]


class ConfinedWorkspace:
    """A ``Workspace`` over folders of this machine.

    Args:
        workspace: Read and written by steps; relative paths start here.
        output_dir: Where ``write_output`` writes; made when the first file is written.
        beside: Folder of the pipeline file, read only; tried after the workspace.
        allowed: Further folders that may be read.
        open_beneath: How to open below a descriptor; the kernel's way where it has one when None.
    """

    def __init__(
        self,
        *,
        workspace: str | os.PathLike[str],
        output_dir: str | os.PathLike[str],
        beside: str | os.PathLike[str] | None = None,
        allowed: Sequence[str | os.PathLike[str]] = (),
        open_beneath: OpenBeneath | None = None,
    ) -> None:
        bases = [workspace] if beside is None else [workspace, beside]
        self._bases = [_plain(base) for base in bases]
        self._roots = [*self._bases, *(_plain(root) for root in allowed)]
        self._output = _plain(output_dir)
        self._open = open_beneath or (open_by_kernel if kernel_has_openat2() else open_by_walking)

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        data = self._read(path, largest_text_bytes if max_bytes is None else max_bytes)
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError) as exc:
            raise StepError(f"{path} is not text in {encoding}: {exc}", code="type_error") from exc

    def write_output(self, path: str, text: str) -> str:
        _check_words(path)
        target = Path(os.path.normpath(self._output / path))
        if target == self._output or not target.is_relative_to(self._output):
            raise _denied(path)
        relative = target.relative_to(self._output)
        self._output.mkdir(parents=True, exist_ok=True)
        with _confinement(path), ExitStack() as stack:
            root = _opened(stack, os.open(self._output, folder_flags))
            parent = _opened(stack, self._folder(root, relative.parent))
            self._check_target(root, parent, relative)
            _replace(parent, relative.name, text.encode("utf-8"))
        return relative.as_posix()

    def _read(self, path: str, limit: int) -> bytes:
        _check_words(path)
        is_denied = True
        for root, relative in self._candidates(path):
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
        raise StepError(f"there is no file {path}", code="file_not_found")

    def _candidates(self, path: str) -> Iterator[tuple[Path, str]]:
        """Roots and paths in them that ``path`` may mean, in the order in which they are tried."""
        for base in self._bases:
            whole = Path(os.path.normpath(base / path))
            for root in [base, *self._roots]:
                if whole.is_relative_to(root):
                    yield root, whole.relative_to(root).as_posix()
                    break

    def _read_beneath(self, root: Path, relative: str, limit: int, *, shown: str) -> bytes:
        with ExitStack() as stack:
            folder = _opened(stack, os.open(root, folder_flags))
            descriptor = _opened(stack, self._open(folder, relative, read_flags))
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(kind):
                raise StepError(f"{shown} is a folder", code="file_not_found")
            if not stat.S_ISREG(kind):
                raise _denied(shown)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(limit + 1)
        if len(data) > limit:
            raise StepError(f"{shown} is larger than {limit} bytes", code="limit_exceeded")
        return data

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

    def _check_target(self, root: int, parent: int, relative: Path) -> None:
        """Refuse to replace what is no plain file of its own, or a link that leads out."""
        try:
            found = os.stat(relative.name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            try:
                os.close(self._open(root, relative.as_posix(), read_flags))
            except FileNotFoundError:
                return
        elif not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise _denied(relative.as_posix())


@cache
def kernel_has_openat2() -> bool:
    """Whether this kernel (and any filter around this process) offers ``openat2``."""
    root = os.open("/", folder_flags)
    try:
        os.close(open_by_kernel(root, ".", folder_flags))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_by_kernel(folder: int, relative: str, flags: int) -> int:
    """Descriptor of an existing file below ``folder``; ``OSError`` with ``EXDEV`` when it leads out."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = _OpenHow(flags, 0, resolve_beneath | resolve_no_magiclinks)
    name = os.fsencode(relative)
    descriptor = libc.syscall(openat2_number, folder, name, ctypes.byref(how), ctypes.sizeof(how))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), relative)
    return int(descriptor)


def open_by_walking(folder: int, relative: str, flags: int) -> int:
    """As ``open_by_kernel``, one component at a time, for kernels without ``openat2``."""
    links = 0
    pending = [part for part in relative.split("/") if part not in {"", "."}]
    with ExitStack() as stack:
        trail = [folder]
        while pending:
            name = pending.pop(0)
            if name == "..":
                if len(trail) == 1:
                    raise OSError(errno.EXDEV, "leads out of its root", relative)
                trail.pop()
                continue
            found = _opened(stack, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=trail[-1]))
            if stat.S_ISLNK(os.fstat(found).st_mode):
                links += 1
                pending = [*_target(found, links, relative), *pending]
            elif pending:
                trail.append(found)
            else:
                return os.open(name, flags | os.O_NOFOLLOW, dir_fd=trail[-1])
        return os.open(".", flags, dir_fd=trail[-1])


def _target(link: int, links: int, relative: str) -> list[str]:
    """Components of where a link, opened as itself, leads."""
    if links > most_links:
        raise OSError(errno.ELOOP, "too many links", relative)
    target = os.readlink("", dir_fd=link)
    if target.startswith("/"):
        raise OSError(errno.EXDEV, "leads out of its root", relative)
    return [part for part in target.split("/") if part not in {"", "."}]


def _replace(parent: int, name: str, data: bytes) -> None:
    """Put a new file in the place of ``name``, whole and durable."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(temporary, dir_fd=parent)
        raise
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _plain(path: str | os.PathLike[str]) -> Path:
    """Absolute and without ``..``; links are left to the kernel, which follows them inside a root."""
    return Path(os.path.normpath(Path(path).absolute()))


def _opened(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _check_words(path: str) -> None:
    if not path or "\0" in path:
        raise _denied(path)


@contextmanager
def _confinement(path: str) -> Iterator[None]:
    """Errors of the operating system on the way to an output file as ours."""
    try:
        yield
    except OSError as exc:
        if exc.errno in denied_errors | absent_errors | {errno.EISDIR}:
            raise _denied(path) from exc
        raise StepError(f"cannot write {path}: {exc.strerror}") from exc


def _denied(path: str) -> StepError:
    return StepError(
        f"{path!r} is outside of the folders that this run may use, or no plain file;"
        " move the file into the workspace or allow its folder with --allow-path",
        code="path_denied",
    )
