"""Broken suites and what is said of them: texts that people read, kept so that they change on purpose."""

from pathlib import Path

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.caselines import Text
from pipex_core.evals.suitefile import read_directory, read_file

folder = Path(__file__).parent / "suite_problems"


def text(name: str) -> Text:
    return Text(file=name, text=(folder / name).read_bytes())


def said(error: SpecError) -> str:
    return "".join(f"{problem}\n" for problem in error.problems)


def test_a_directory_with_problems_in_both_files() -> None:
    with pytest.raises(SpecError) as caught:
        read_directory(text("suite.yaml"), text("cases.jsonl"))
    assert said(caught.value) == (folder / "directory.expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["suite.json", "twice.yaml"])
def test_a_file_with_problems(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_file(text(name))
    assert said(caught.value) == (folder / f"{name}.expected").read_text(encoding="utf-8")
