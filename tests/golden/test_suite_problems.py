"""Broken suites and what is said of them: texts that people read, kept so that they change on purpose."""

from pathlib import Path

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.caselines import Text
from pipex_core.evals.suitefile import read_directory, read_file

folder = Path(__file__).parent / "suite_problems"
fewest_kinds = 60


def text(name: str) -> Text:
    return Text(file=name, text=(folder / name).read_bytes())


def said(error: SpecError) -> str:
    return "".join(f"{problem}\n" for problem in error.problems)


def test_a_directory_with_problems_in_both_files() -> None:
    with pytest.raises(SpecError) as caught:
        read_directory(text("suite.yaml"), text("cases.jsonl"))
    assert said(caught.value) == (folder / "directory.expected").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "suite.json",
        "twice.yaml",
        "fields.yaml",
        "budget.yaml",
        "more.yaml",
        "tests.yaml",
        "means.yaml",
    ],
)
def test_a_file_with_problems(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_file(text(name))
    assert said(caught.value) == (folder / f"{name}.expected").read_text(encoding="utf-8")


def test_every_kind_of_bad_case_has_its_problem_at_its_line() -> None:
    """One case is fine; each of the others is bad in a way of its own, which its id names."""
    lines = text("many/cases.jsonl")
    with pytest.raises(SpecError) as caught:
        read_directory(text("many/suite.yaml"), lines)
    problems = caught.value.problems
    assert said(caught.value) == (folder / "many.expected").read_text(encoding="utf-8")
    assert [problem.line for problem in problems] == list(
        range(2, len(Path(folder / lines.file).read_bytes().splitlines()) + 1)
    )
    assert len({(problem.code, problem.message) for problem in problems}) >= fewest_kinds
    assert {problem.code for problem in problems} == {
        "bad_id", "bad_reference", "duplicate_id", "json_syntax", "missing_field", "out_of_range",
        "too_large", "unknown_field", "unknown_value", "wrong_type",
    }  # fmt: skip
    assert all(problem.column for problem in problems)
    assert {problem.suggestion for problem in problems} == {
        None, "expected_output", "arguments", "quarantined",
    }  # fmt: skip
