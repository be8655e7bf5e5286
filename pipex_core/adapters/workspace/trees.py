"""Trees of files below a descriptor: listed, written, copied and removed without following a link.

Everything is done by name inside an open folder, never by a whole path, so that a folder that is swapped
for a link while we work cannot lead anywhere.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipex_core.adapters.workspace.beneath import read_flags
from pipex_core.errors import StepError
from pipex_core.ports import FileEntry

deepest = 100
most_entries = 100_000
plain_mode = 0o644
block_bytes = 1 << 20
listing_flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# Descriptor of a link's target when that lies inside of the root, else ``OSError``.
Resolve = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tree holds: regular files, and their bytes together."""

    files: int = 0
    size_bytes: int = 0


def entries(folder: int, prefix: str, *, recursive: bool, resolve: Resolve) -> list[FileEntry]:
    """What lies in a folder, by path in code point order; a link shows as what it leads to.

    Every path begins with ``prefix``, which has its slash; ``resolve`` opens such a path. Links to folders
    are not entered.

    Raises:
        StepError: ``limit_exceeded``, more than 100 000 entries or nesting over 100.
    """
    found: list[FileEntry] = []
    for path, kind in _walk(folder, prefix, recursive=recursive):
        if len(found) >= most_entries:
            raise StepError(f"more than {most_entries} files and folders", code="limit_exceeded")
        entry = _entry(path, kind) or (_linked(path, resolve) if _is_link(kind) else None)
        if entry is not None:
            found.append(entry)
    return sorted(found, key=lambda entry: entry.path)


def usage(folder: int) -> Usage:
    """What a tree holds; a file with several names counts for each."""
    kinds = [kind for _, kind in _walk(folder, "", recursive=True) if stat.S_ISREG(kind.st_mode)]
    return Usage(files=len(kinds), size_bytes=sum(kind.st_size for kind in kinds))


def _walk(
    folder: int, prefix: str, *, recursive: bool, depth: int = 0
) -> Iterator[tuple[str, os.stat_result]]:
    if depth > deepest:
        raise StepError(f"folders nest deeper than {deepest}", code="limit_exceeded")
    for name in _names(folder):
        try:
            kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue  # gone since the names were read
        yield prefix + name, kind
        if recursive and stat.S_ISDIR(kind.st_mode):
            with listing(folder, name) as inner:
                yield from _walk(inner, f"{prefix}{name}/", recursive=True, depth=depth + 1)


def _names(folder: int) -> list[str]:
    """Names in a folder; those that are no UTF-8 cannot stand in any record and are passed over."""
    with os.scandir(folder) as found:
        return sorted(entry.name for entry in found if is_text(entry.name))


def is_text(name: str) -> bool:
    """Whether a name can be written in UTF-8, as every record of it must be."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def listing(folder: int, name: str = ".") -> Iterator[int]:
    """Descriptor of a folder inside ``folder``, ready to be listed."""
    descriptor = os.open(name, listing_flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_link(kind: os.stat_result) -> bool:
    return stat.S_ISLNK(kind.st_mode)


def _entry(path: str, kind: os.stat_result) -> FileEntry | None:
    """A file or a folder; None for everything else."""
    is_folder = stat.S_ISDIR(kind.st_mode)
    if not is_folder and not stat.S_ISREG(kind.st_mode):
        return None
    size = 0 if is_folder else kind.st_size
    return FileEntry(
        path=path,
        is_folder=is_folder,
        size_bytes=size,
        modified_s=kind.st_mtime,
        is_executable=not is_folder and bool(kind.st_mode & stat.S_IXUSR),
    )


def _linked(path: str, resolve: Resolve) -> FileEntry | None:
    try:
        descriptor = resolve(path)
    except OSError:
        return None
    try:
        return _entry(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def entry_of(path: str, descriptor: int) -> FileEntry | None:
    """What is open, as a listing shows it; None when it is no file and no folder."""
    return _entry(path, os.fstat(descriptor))


def replace(parent: int, name: str, blocks: Sequence[bytes] | Iterator[bytes], mode: int) -> None:
    """Put a new file in the place of ``name``, whole and durable."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(temporary, dir_fd=parent)
        raise
    sync(parent)


def blocks_of(descriptor: int) -> Iterator[bytes]:
    """The bytes of an open file in blocks."""
    while block := os.read(descriptor, block_bytes):
        yield block


def remove(parent: int, name: str, path: str) -> list[str]:
    """Remove what ``name`` is, with all that is in it; the files that it held, by path."""
    try:
        with listing(parent, name) as folder:
            gone = [
                file
                for inner in _names(folder)
                for file in remove(folder, inner, f"{path}/{inner}")
            ]
    except OSError as exc:
        if exc.errno not in {errno.ENOTDIR, errno.ELOOP}:  # ELOOP: it is a link
            raise
        os.unlink(name, dir_fd=parent)
        return [path]
    os.rmdir(name, dir_fd=parent)
    return gone


def sync(folder: int) -> None:
    """Make changes of a folder durable."""
    with listing(folder) as descriptor:
        os.fsync(descriptor)


def regular(open_at: Callable[[int], int], shown: str) -> int:
    """Descriptor of a regular file, opened for reading.

    Raises:
        StepError: It is a folder (``file_not_found``), or something else (``path_denied``).
    """
    descriptor = open_at(read_flags)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise StepError(f"{shown} is a folder", code="file_not_found")
    raise StepError(f"{shown} is no plain file", code="path_denied")
