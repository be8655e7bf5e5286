"""The adapters that versions of suites need, made from nothing but a folder; see ``wiring`` for all others."""

from contextlib import AbstractContextManager
from pathlib import Path

from pipex_core.adapters import folder_lock
from pipex_core.adapters.folder_lock import held
from pipex_core.adapters.git import GitRepository
from pipex_core.adapters.local import SystemClock
from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.ports import BlobStore, Repository, Workspace


def suite_store() -> BlobStore:
    """The contents of saved suite versions."""
    return LocalBlobs(Path(".pipex") / "suites")


def held_folder(folder: Path) -> AbstractContextManager[None]:
    """Hold a folder so that one process at a time changes the files in it."""
    return held(folder)


def is_held(lock: Path) -> bool:
    """Whether a live process has a lock file."""
    return folder_lock.is_held(lock)


def git_repository(folder: Path) -> Repository:
    """The Git repository that a folder lies in."""
    return GitRepository(folder)


def files_below(folder: Path) -> Workspace:
    """The files of a suite's folder, and no others."""
    return ConfinedWorkspace(workspace=folder, output_dir=folder)


def now_text() -> str:
    """The time by this machine's clock, RFC 3339 in UTC, to the second."""
    return SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
