"""What ``git status`` says of a workspace: asked of real repositories, and read from what it may say."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.bash import ConfinedBash
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.ports import CommandResult
from pipex_core.steps.gitstatus import git_status, status_of


def git(folder: Path, *words: str) -> None:
    identity = (
        "-c",
        "user.name=n",
        "-c",
        "user.email=n@example.org",
        "-c",
        "init.defaultBranch=main",
    )
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def status(folder: Path) -> Any:
    files = ConfinedWorkspace(workspace=folder, output_dir=folder / "out")
    return asyncio.run(git_status(files, ConfinedBash()))


def test_changes_of_a_repository_are_listed_by_kind(tmp_path: Path) -> None:
    git(tmp_path, "init")
    for name in ("same", "changed", "gone", "old name", "é"):
        (tmp_path / name).write_text(name * 9)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    assert status(tmp_path)["clean"] is True
    (tmp_path / "changed").write_text("x")
    (tmp_path / "é").write_text("x")
    (tmp_path / "gone").unlink()
    git(tmp_path, "mv", "old name", "new name")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "fresh").write_text("x")
    (tmp_path / "staged").write_text("x")
    git(tmp_path, "add", "staged")
    assert status(tmp_path) == {
        "available": True,
        "branch": "main",
        "clean": False,
        "modified": ["changed", "é"],
        "added": ["staged"],
        "deleted": ["gone"],
        "renamed": ["new name"],
        "untracked": ["folder/fresh"],
    }


def test_a_repository_around_the_workspace_is_not_looked_at(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "inside").mkdir()
    found = status(tmp_path / "inside")
    assert found["available"] is False
    assert "not a git repository" in found["reason"]


def test_nothing_that_a_repository_names_is_run(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "config", "core.fsmonitor", "touch ran; false")
    assert status(tmp_path)["available"] is True
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("output", "branch"),
    [
        ("## No commits yet on main\0", "main"),
        ("## HEAD (no branch)\0", None),
        ("## topic...origin/topic [ahead 1]\0", "topic"),
    ],
)
def test_the_branch_is_named_also_without_commits(output: str, branch: str | None) -> None:
    assert status_of(CommandResult(output=output, exit_code=0))["branch"] == branch


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (CommandResult(output="", exit_code=None, timed_out=True), "longer than 30 s"),
        (CommandResult(output="git: command not found\n", exit_code=127), "command not found"),
        (CommandResult(output="", exit_code=1), "git status failed: "),
    ],
)
def test_what_cannot_be_told_says_why(told: CommandResult, reason: str) -> None:
    found = status_of(told)
    assert found["available"] is False
    assert reason in found["reason"]
