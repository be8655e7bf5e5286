"""Git repositories, by the real program."""

from pathlib import Path

import pytest

from pipex_core.adapters.git import GitRepository
from pipex_core.errors import ConfigError, StoreError
from tests.fakes.git import git, new_repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_repository(tmp_path)
    inside = tmp_path / "a [b] folder"
    inside.mkdir()
    (inside / "one.txt").write_text("first")
    (tmp_path / "other.txt").write_text("other")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "start")
    return inside


def test_a_commit_holds_exactly_the_files_and_may_be_tagged(folder: Path) -> None:
    (folder / "one.txt").write_text("second")
    (folder / "new.txt").write_text("new")
    (folder.parent / "other.txt").write_text("changed")
    repository = GitRepository(folder)
    name = repository.commit([folder / "one.txt", folder / "new.txt"], "Say why\n\nat length")
    repository.tag("suite/qa/1", "words")
    assert git(folder, "rev-parse", "HEAD").strip() == name
    assert git(folder, "show", "--name-only", "--format=%s", "HEAD").split("\n")[2:-1] == [
        "a [b] folder/new.txt",
        "a [b] folder/one.txt",
    ]
    assert git(folder, "cat-file", "-t", "suite/qa/1").strip() == "tag"
    assert repository.has_tag("suite/qa/1")
    assert not repository.has_tag("suite/qa/2")
    assert repository.staged() == []


def test_files_are_read_as_they_were(folder: Path) -> None:
    repository = GitRepository(folder)
    (folder / "one.txt").write_text("second")
    repository.commit([folder / "one.txt"], "change")
    assert repository.read("HEAD", folder / "one.txt") == b"second"
    assert repository.read("HEAD~1", folder / "one.txt") == b"first"
    assert repository.read("HEAD~1", folder / "absent.txt") is None


@pytest.mark.parametrize("revision", ["nowhere", "--help", "-p", "HEAD:one.txt", ""])
def test_what_is_no_revision_is_unknown_and_no_option(folder: Path, revision: str) -> None:
    with pytest.raises(ConfigError, match="has no revision") as caught:
        GitRepository(folder).read(revision, folder / "one.txt")
    assert caught.value.code == "unknown_version"


def test_staged_files_are_listed(folder: Path) -> None:
    (folder / "one.txt").write_text("staged")
    git(folder, "add", "one.txt")
    assert GitRepository(folder).staged() == [folder / "one.txt"]


def test_no_tag_can_have_some_names(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        GitRepository(folder).has_tag("suite/qa/a b..c")
    assert caught.value.code == "bad_tag"


def test_a_folder_outside_of_any_repository_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies in no Git repository") as caught:
        GitRepository(tmp_path)
    assert caught.value.code == "no_repository"


def test_without_the_program_that_is_said(folder: Path) -> None:
    with pytest.raises(ConfigError, match="'no-such-git' is not installed") as caught:
        GitRepository(folder, program="no-such-git")
    assert caught.value.code == "git_missing"


def test_what_git_refuses_is_passed_on(folder: Path) -> None:
    (folder.parent / ".gitignore").write_text("secret.txt\n")
    (folder / "secret.txt").write_text("x")
    with pytest.raises(StoreError, match=r"git add failed: .*ignored") as caught:
        GitRepository(folder).commit([folder / "secret.txt"], "no")
    assert caught.value.code == "git_failed"


def test_a_git_that_hangs_is_ended(folder: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    slow.chmod(0o755)
    with pytest.raises(StoreError, match="did not end within"):
        GitRepository(folder, program=str(slow), timeout_s=0.05)
