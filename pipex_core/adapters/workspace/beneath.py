"""Opening a path below a folder's descriptor, so that it cannot lead out.

The kernel does the resolving (``openat2`` beneath a root's descriptor, Linux 5.6); where it cannot, the
path is walked component by component without following links that lead out. Checks are made on the
opened object, never on a name beforehand, so nothing can be swapped in between.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache

most_links = 40  # as the kernel's own limit
openat2_number = 437  # the same on every architecture
resolve_beneath = 0x08
resolve_no_magiclinks = 0x02
read_flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
folder_flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

OpenBeneath = Callable[[int, str, int], int]


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


def best_opener() -> OpenBeneath:
    """The kernel's way where it has one."""
    return open_by_kernel if kernel_has_openat2() else open_by_walking


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def open_by_kernel(folder: int, relative: str, flags: int) -> int:
    """Descriptor of an existing file below ``folder``; ``OSError`` with ``EXDEV`` when it leads out."""
    how = _OpenHow(flags, 0, resolve_beneath | resolve_no_magiclinks)
    name = os.fsencode(relative)
    descriptor = _libc().syscall(
        openat2_number, folder, name, ctypes.byref(how), ctypes.sizeof(how)
    )
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
            found = opened(stack, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=trail[-1]))
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


def opened(stack: ExitStack, descriptor: int) -> int:
    """The descriptor, closed with ``stack``."""
    stack.callback(os.close, descriptor)
    return descriptor
