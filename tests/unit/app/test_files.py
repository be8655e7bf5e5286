"""Files that people name: near misses, places of problems, folders that cannot be written in."""

from pathlib import Path

import pytest

from pipex_core.app.files import (
    located,
    read_bytes,
    read_list,
    read_text,
    require_folder,
    suite_place,
    why_not_writable,
)
from pipex_core.errors import ConfigError, Problem, SpecError
from tests.fakes.project import write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_nearest_name_is_proposed_whatever_its_ending(project: Path) -> None:
    del project
    with pytest.raises(SpecError, match=r"did you mean 'pipelines/adder.yaml'\?"):
        read_bytes("pipelines/ader.yml")
    with pytest.raises(ConfigError, match=r"no file gold.jsonl; did you mean 'good.jsonl'\?"):
        read_text("gold.jsonl")
    with pytest.raises(ConfigError, match=r"there is no file nowhere/x.yaml$") as caught:
        read_text("nowhere/x.yaml")
    assert caught.value.code == "file_not_found"


def test_what_is_no_file_or_no_text_cannot_be_read(project: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        read_bytes(project)
    (project / "latin.yaml").write_bytes(b"\xe4")
    with pytest.raises(ConfigError, match=r"cannot read latin.yaml") as caught:
        read_text("latin.yaml")
    assert caught.value.code == "file_unreadable"


@pytest.mark.parametrize("word", ["sums", "test_suites/sums"])
def test_a_suite_is_found_by_path_and_by_id(word: str, project: Path) -> None:
    del project
    assert suite_place(word) == Path("test_suites/sums")


@pytest.mark.parametrize("word", ["sum", "test_suites/smus"])
def test_an_unknown_suite_shows_the_nearest_one(word: str, project: Path) -> None:
    del project
    with pytest.raises(ConfigError, match=r"did you mean 'test_suites/sums'\?") as caught:
        suite_place(word)
    assert caught.value.code == "unknown_suite"


def test_a_folder_is_writable_before_it_exists(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "a" / "b") is None
    require_folder(tmp_path / "a" / "b", option="--results DIR")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text("")
    assert why_not_writable(path) == "it is a file"
    assert why_not_writable(path / "deeper") == f"{path} is a file"
    with pytest.raises(ConfigError, match="nothing can be written in") as caught:
        require_folder(path, option="--results DIR")
    assert caught.value.next_step == "name another folder with --results DIR"


def test_problems_get_the_place_where_their_value_stands(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("id: x\ndefaults:\n  metrics:\n    - exact\n    - wrong\n", "utf-8")
    wrong = Problem(code="unknown_metric", message="unknown", path="metrics[1]")
    placed = Problem(code="bad_json", message="cut", file="cases.jsonl", line=3, column=1)
    for file in (path, tmp_path):
        found = located([wrong, placed], file, within="defaults")
        assert [(one.file, one.line, one.column) for one in found] == [
            (str(path), 5, 7),
            ("cases.jsonl", 3, 1),
        ]
    assert located([wrong], tmp_path / "suite.json") == [wrong]


def test_a_list_is_the_file_or_stands_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.yaml"
    path.write_text("metrics: [a]\n")
    assert read_list(str(path), "metrics") == ["a"]
    path.write_text("[a, b]\n")
    assert read_list(str(path), "metrics") == ["a", "b"]
    path.write_text("metric: [a]\n")
    with pytest.raises(ConfigError, match="must hold a list `metrics`"):
        read_list(str(path), "metrics")
