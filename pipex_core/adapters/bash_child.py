"""The program that becomes one shell command: it gives up network, resources and the rest of the disk first.

It is started by path with an interpreter of its own and may use the standard library only. What it gives
up: the network and the other processes (new namespaces), everything on disk but the workspace and the
programs themselves (Landlock), privileges of set-uid programs, and resources beyond some bounds. What the
kernel does not offer is left out; whether the network could be given up is told on a descriptor.

Arguments: descriptor of the folder, descriptor for the report, seconds of processor time, ``1`` when the
command must not run with a network, and the command.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

clone_newuser, clone_newpid, clone_newnet = 0x10000000, 0x20000000, 0x40000000
pr_set_pdeathsig, pr_set_no_new_privs = 1, 38
landlock_create, landlock_add, landlock_restrict = 444, 445, 446
rule_path_beneath = 1
execute, write_file, read_file, read_dir = 1 << 0, 1 << 1, 1 << 2, 1 << 3
of_abi_1 = (1 << 13) - 1
since_abi = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # renames between folders, truncation, ioctl
scoped_since_abi = 6
net_since_abi = 4
all_scopes, all_tcp = 0b11, 0b11
of_files = execute | write_file | read_file | 1 << 14 | 1 << 15
readable = (
    "/bin /sbin /lib /lib32 /lib64 /usr /opt /proc /sys/devices/system/cpu /dev/urandom /dev/random"
    " /etc/alternatives /etc/ld.so.cache /etc/ld.so.conf /etc/localtime /etc/ssl /etc/passwd /etc/group"
    " /etc/nsswitch.conf /etc/mime.types /etc/python3"
)
writable = "/dev/null /dev/zero /dev/full /dev/tty"
refused_exit = 3
most_memory_bytes = 4 << 30
most_file_bytes = 1 << 30
most_open_files = 256
most_processes = 256

libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def main(arguments: list[str]) -> int:
    """Run the command; its exit code, 128 and more when a signal ended it."""
    folder, report, cpu_s = (int(word) for word in arguments[:3])
    must_be_apart, command = arguments[3] == "1", arguments[4]
    libc.prctl(
        pr_set_pdeathsig, signal.SIGKILL
    )  # whoever started this died: nobody wants an answer
    is_apart = leave_namespaces()
    os.write(report, b"1" if is_apart else b"0")
    os.close(report)
    if must_be_apart and not is_apart:
        return refused_exit
    child = os.fork()
    if child == 0:
        become(command, folder, cpu_s)
    # Told to stop, it waits until the kernel has ended everything in the namespace.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    os.close(folder)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def leave_namespaces() -> bool:
    """Go where there is no network and no other process; False when the kernel refuses."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(clone_newuser | clone_newnet | clone_newpid) == 0:
        with suppress(OSError):  # without the maps files show as nobody's, and no more
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        return True
    return bool(libc.unshare(clone_newnet | clone_newpid) == 0)


def become(command: str, folder: int, cpu_s: int) -> None:
    """Turn this process into the command; when it ends, the kernel ends all that it started."""
    libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
    libc.prctl(pr_set_no_new_privs, 1, 0, 0, 0)
    os.fchdir(folder)
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, most_memory_bytes),
        (resource.RLIMIT_FSIZE, most_file_bytes),
        (resource.RLIMIT_NOFILE, most_open_files),
        (resource.RLIMIT_NPROC, most_processes),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    for ignored in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # by the interpreter, and programs inherit that
        signal.signal(ignored, signal.SIG_DFL)
    keep_to(folder)
    os.close(folder)
    shell = next(
        (path for path in ("/bin/bash", "/usr/bin/bash") if Path(path).exists()), "/bin/sh"
    )
    os.execv(shell, [shell, "-c", command])  # noqa: S606 - to become a shell is the purpose


def keep_to(folder: int) -> None:
    """Give up every file outside of the folder but programs and what they need; nothing on old kernels."""
    abi = libc.syscall(landlock_create, None, 0, 1)
    if abi < 1:
        return
    rights = of_abi_1 | sum(right for since, right in since_abi.items() if abi >= since)
    rules = _Ruleset(
        rights,
        all_tcp if abi >= net_since_abi else 0,
        all_scopes if abi >= scoped_since_abi else 0,
    )
    ruleset = libc.syscall(landlock_create, ctypes.byref(rules), _size_for(abi), 0)
    if ruleset < 0:
        return
    _allow(ruleset, folder, rights)
    for path, allowed in _system_paths():
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        is_folder = Path(path).is_dir()
        _allow(ruleset, place, allowed & rights if is_folder else allowed & rights & of_files)
        os.close(place)
    libc.syscall(landlock_restrict, ruleset, 0)
    os.close(ruleset)


def _size_for(abi: int) -> int:
    """Bytes of the structure that a kernel of this version knows."""
    if abi >= scoped_since_abi:
        return 24
    return 16 if abi >= net_since_abi else 8


def _system_paths() -> Iterator[tuple[str, int]]:
    for path in writable.split():
        yield path, read_file | write_file
    programs = [str(Path(part).parent) for part in os.get_exec_path() if part.startswith("/")]
    for path in (*readable.split(), *(path for path in programs if path != "/")):
        yield path, execute | read_file | read_dir


def _allow(ruleset: int, place: int, rights: int) -> None:
    rule = _Beneath(rights, place)
    libc.syscall(landlock_add, ruleset, rule_path_beneath, ctypes.byref(rule), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
