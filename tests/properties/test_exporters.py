"""A case that a format can hold comes back from it as the same question."""

import json

import pytest
from hypothesis import given, strategies as st

from pipex_core.errors import ConfigError
from pipex_core.evals.exporters import export_suite_as
from pipex_core.evals.importers import import_suite_file
from pipex_core.evals.suite import Case, Suite, hashes

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-99, 99) | words
maps = st.dictionaries(st.text("abc", min_size=1, max_size=3), scalars | st.lists(words, max_size=2), max_size=3)  # fmt: skip
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": words}),
    min_size=1,
    max_size=2,
)
tools = st.lists(
    st.fixed_dictionaries({"name": st.text("abc", min_size=1, max_size=4)}, optional={"arguments": maps}),
    max_size=2,
).map(tuple)  # fmt: skip
cases = st.builds(
    Case,
    id=st.text("abc123", min_size=1, max_size=8),
    input=words | maps | turns,
    expected_output=st.none() | words | st.lists(words, max_size=3) | st.integers() | maps,
    name=st.none() | words,
    metadata=st.dictionaries(st.text("xyz", min_size=1, max_size=3), scalars, max_size=2),
    context=st.none() | words | st.lists(words, max_size=3).map(tuple),
    choices=st.none() | st.lists(words, min_size=1, max_size=3).map(tuple),
    expected_tools=st.none() | tools,
    weight=st.sampled_from([1.0, 2.0]),
)
suites = st.lists(cases, max_size=4, unique_by=lambda case: case.id).map(
    lambda found: Suite(id="s", cases=tuple(sorted(found, key=lambda case: case.id)))
)
importers = {
    "promptfoo": "promptfoo",
    "deepeval": "deepeval",
    "inspect": "inspect",
    "openai-evals": "openai-evals",
    "ragas": "ragas",
    "csv": "records",
}


def alone(path: str) -> bytes:
    raise ConfigError(f"there is no file {path}", code="file_unreadable")


@pytest.mark.parametrize("form", importers)
@given(suite=suites)
def test_what_a_report_does_not_name_comes_back_unchanged(form: str, suite: Suite) -> None:
    made = export_suite_as(suite, form)
    lost = {loss.where.removeprefix("case ") for loss in made.report.unsupported}
    back = import_suite_file(
        made.text.encode("utf-8"),
        file="f.csv" if form == "csv" else "f.yaml",
        suite="s",
        sibling=alone,
        form=importers[form],
    )
    found = {hashes(case).case_hash for case in back.suite.cases}
    kept = [case for case in suite.cases if case.id not in lost]
    assert [case for case in kept if hashes(case).case_hash not in found] == []


def test_an_export_says_for_each_case_what_the_format_cannot_hold() -> None:
    case = Case(
        id="a", input={"q": "x"}, expected_output=3, choices=("1", "2"), context="c", weight=2
    )
    report = export_suite_as(Suite(id="s", cases=(case,), gate={"rules": []}), "ragas").report
    assert [(loss.where, loss.feature) for loss in report.unsupported] == [
        ("case a", "input"), ("case a", "expected_output"), ("case a", "context"), ("case a", "choices"),
    ]  # fmt: skip
    assert report.lossy_fields == ("gate", "weight")


def test_an_unknown_format_of_an_export_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'promptfoo'"):
        export_suite_as(Suite(id="s", cases=()), "promptfo")
    assert json.loads(export_suite_as(Suite(id="s", cases=()), "json").text)["id"] == "s"
