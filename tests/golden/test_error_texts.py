"""What a newcomer reads when something is wrong: the place, the words, the next step, the exit code."""

import shutil
from pathlib import Path

import pytest

from tests.golden.commands import ERRORS, here, transcript, typed


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(here / "project", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ERRORS)
def test_a_broken_command_says_exactly_this(name: str, project: Path) -> None:
    case = ERRORS[name]
    before = {str(path.relative_to(project)) for path in project.rglob("*")}
    done = typed(case)
    assert transcript(case, done) == (here / "errors" / f"{name}.txt").read_text(encoding="utf-8")
    assert done.code == case.code
    assert "Traceback" not in done.err
    if not case.prints:
        assert done.out == ""
        assert {str(path.relative_to(project)) for path in project.rglob("*")} == before


@pytest.mark.parametrize("name", ERRORS)
def test_the_same_command_in_json_is_one_object_with_the_code(name: str, project: Path) -> None:
    del project
    case = ERRORS[name]
    done = typed(case, "--json")
    assert done.code == case.code
    document = done.document
    if document["schema"] == "pipex.run/1":
        assert document["success"] is False
        assert document["error"]["code"] == case.error
        assert document["error"]["message"]
    else:
        assert document["schema"] == "pipex.error/1"
        assert document["code"] == case.error
        assert document["message"]


def test_every_golden_file_belongs_to_a_command() -> None:
    assert {path.stem for path in (here / "errors").iterdir()} == set(ERRORS)
