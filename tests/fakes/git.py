"""A real Git repository in a folder, with an author of its own and nothing of the machine's settings."""

import subprocess
from pathlib import Path

settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def git(folder: Path, *words: str) -> str:
    """What ``git`` says, in a repository whose hooks and environment are not those of a caller."""
    done = subprocess.run(
        [
            "env",
            "-u",
            "GIT_DIR",
            "-u",
            "GIT_INDEX_FILE",
            "git",
            "-C",
            str(folder),
            *settings,
            *words,
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout


def new_repository(folder: Path) -> None:
    """An empty repository with an author."""
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    git(folder, "config", "commit.gpgsign", "false")
