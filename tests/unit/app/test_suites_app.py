"""Suites and gates on disk: folders, files, stored versions, and gates beside them."""

from pathlib import Path

import pytest

from pipex_core.app.suites import (
    check_expressions,
    gate_of_suite,
    load_gate,
    load_metrics,
    load_suite,
    write_directory,
)
from pipex_core.errors import ConfigError, SpecError
from tests.fakes.project import write_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_written_suite_is_the_same_suite(project: Path) -> None:
    suite = load_suite("sums")
    paths = write_directory(suite, project / "copy")
    assert [path.name for path in paths] == ["suite.yaml", "cases.jsonl"]
    assert load_suite(project / "copy") == suite
    assert not list((project / "copy").glob(".*"))


def test_a_folder_without_cases_names_the_missing_file(project: Path) -> None:
    (project / "test_suites/sums/cases.jsonl").unlink()
    with pytest.raises(
        SpecError, match=r"test_suites/sums/cases.jsonl: error: there is no such file"
    ):
        load_suite("sums")


def test_a_single_file_is_a_suite_too(project: Path) -> None:
    (project / "one.yaml").write_text("id: one\ncases:\n  - {id: a, input: x}\n")
    assert [case.id for case in load_suite("one.yaml").cases] == ["a"]


rule = "{id: floor, metric: exact_match, kind: threshold, value: 0.5}"


def test_a_gate_may_stand_in_the_suite_beside_it_or_under_its_name(project: Path) -> None:
    head = project / "test_suites/sums/suite.yaml"
    assert gate_of_suite(load_suite("sums")) is None
    head.write_text(head.read_text() + f"gate:\n  rules: [{rule}]\n")
    inside = gate_of_suite(load_suite("sums"))
    head.write_text("id: sums\ndefaults:\n  metrics: [exact_match]\ngate: gate.yaml\n")
    (head.parent / "gate.yaml").write_text(f"gate:\n  rules: [{rule}]\n")
    assert gate_of_suite(load_suite("sums")) == inside
    assert load_gate(head.parent / "gate.yaml") == inside


def test_a_slip_below_the_name_of_a_gate_has_its_place(project: Path) -> None:
    path = project / "gate.yaml"
    path.write_text("gate:\n  rules:\n    - {id: floor, metric: a, kind: threshold, valeu: 1}\n")
    with pytest.raises(SpecError, match=r"gate.yaml:3:47: error: unknown field 'valeu'"):
        load_gate(path)


def test_metrics_of_a_file_are_checked_at_their_line(project: Path) -> None:
    path = project / "m.yaml"
    path.write_text("metrics:\n  - exact_match\n  - {type: rouge, rouge_type: r9}\n")
    with pytest.raises(SpecError, match=r"m.yaml:3:31: error: "):
        load_metrics(str(path))


def test_expressions_of_an_option_are_checked_before_anything_is_read() -> None:
    assert check_expressions("--map", {"input": "question"}) == {"input": "question"}
    with pytest.raises(ConfigError, match=r"^--map input: .* at character 3 of 'a b'$"):
        check_expressions("--map", {"input": "a b"})
