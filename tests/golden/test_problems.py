"""Broken pipeline files and the problems that each must show, as ``pipex validate`` prints them.

A line of ``<name>.expected`` is ``[file] line:column [warning] code [path] [? suggestion]``, decided by
hand from the language. ``<name>.txt`` is what a person reads: the words are golden, not decided.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipex_core.jsonvalue import Json
from tests.fakes.shell import invoke

folder = Path(__file__).parent / "problems"
names = sorted(path.stem for path in folder.glob("*.yaml"))
columns = {"code", "message", "file", "line", "column", "path", "severity", "suggestion"}


@pytest.fixture(autouse=True)
def _at_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def shown(problem: Json, file: str) -> str:
    """A problem as a line of an ``.expected`` file."""
    words = [
        problem["file"] if problem["file"] != file else "",
        f"{problem['line']}:{problem['column']}",
        "warning" if problem["severity"] == "warning" else "",
        problem["code"],
        problem["path"],
        f"? {problem['suggestion']}" if problem["suggestion"] else "",
    ]
    return " ".join(word for word in words if word)


def told(problems: list[Json]) -> Iterator[str]:
    """Problems as a person reads them, without the count at the end."""
    for one in problems:
        hint = f"; did you mean {one['suggestion']!r}?" if one["suggestion"] else ""
        place = f"{one['file']}:{one['line']}:{one['column']}"
        yield f"{place}: {one['severity']}: {one['message']}{hint} [{one['code']}]"


@pytest.mark.parametrize("name", names)
def test_a_broken_file_shows_exactly_its_problems(name: str) -> None:
    file = f"{name}.yaml"
    done = invoke("validate", "--json", file)
    assert (done.code, done.document["schema"], done.document["ok"]) == (
        2,
        "pipex.validate/1",
        False,
    )
    (judged,) = done.document["files"]
    assert (judged["file"], judged["ok"]) == (file, False)
    expected = Path(f"{name}.expected").read_text(encoding="utf-8").splitlines()
    assert [shown(problem, file) for problem in judged["problems"]] == expected
    assert all(set(problem) == columns for problem in judged["problems"])


@pytest.mark.parametrize("name", names)
def test_a_broken_file_is_told_in_these_words(name: str) -> None:
    file = f"{name}.yaml"
    done = invoke("validate", file)
    text = done.out + done.err
    assert done.code == 2
    assert text == Path(f"{name}.txt").read_text(encoding="utf-8")
    problems = invoke("validate", "--json", file).document["files"][0]["problems"]
    assert text.splitlines()[:-1] == list(told(problems))


@pytest.mark.parametrize("name", ["misspelt_options", "misspelt_parts", "code_base_queries"])
def test_strict_makes_errors_of_unknown_fields(name: str) -> None:
    judged = invoke("validate", "--json", "--strict", f"{name}.yaml").document["files"][0]
    unknown = [one["severity"] for one in judged["problems"] if one["code"] == "unknown_field"]
    assert set(unknown) == {"error"}


def test_every_broken_file_has_its_lists() -> None:
    for kind in ("expected", "txt"):
        assert sorted(path.stem for path in folder.glob(f"*.{kind}")) == names
    assert len(names) >= 75


def test_every_code_of_section_23_is_provoked_by_a_file() -> None:
    codes = """
        yaml_syntax duplicate_key not_a_pipeline too_large
        unwrapped_root unknown_field ignored_field implied_input shadowed_name unknown_tool
        bad_pattern missing_field wrong_type unknown_value out_of_range conflicting_fields
        unsupported_feature duplicate_step unknown_step forward_reference unknown_step_type
        unknown_gemini_function misplaced_step parallel_write expression_syntax unknown_function
        bad_arguments bad_condition expression_too_complex invalid_schema circular_pipeline
        file_not_found unknown_operation
    """
    # A file that cannot be read is no file here, and a price is looked up when a run starts.
    seen = {
        word
        for name in names
        for line in Path(f"{name}.expected").read_text(encoding="utf-8").splitlines()
        for word in line.split()
    }
    assert set(codes.split()) <= seen
