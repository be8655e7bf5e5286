"""One metric on one answer, for people at a prompt."""

import pytest

from pipex_core.app.judging import score
from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored, Unscored


@pytest.mark.parametrize(
    ("expected", "value"),
    [("yes", 1.0), ("no", 0.0), (["no", "yes"], 1.0)],
)
def test_a_text_or_a_list_of_texts_are_the_references(expected: object, value: float) -> None:
    found = score("exact_match", "yes", expected)
    assert isinstance(found, Scored)
    assert found.value == value


@pytest.mark.parametrize(
    ("output", "expected"), [("4", 4), ('{"a":[1,2]}', {"a": [1, 2]}), ("true", True)]
)
def test_anything_else_is_a_structured_reference_and_its_compact_text(
    output: str, expected: Json
) -> None:
    found = score("exact_match", output, expected)
    assert isinstance(found, Scored)
    assert found.value == 1.0


def test_options_are_those_of_the_metric() -> None:
    found = score("rouge", "the cat", "the dog", rouge_type="rouge1")
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(0.5)


@pytest.mark.parametrize("given", ["what", {"question": "what"}, {"other": 1}, None])
@pytest.mark.parametrize("context", [None, "text", ["text", "more"]])
def test_input_and_context_are_handed_on(given: object, context: list[str] | str | None) -> None:
    found = score("exact_match", "a", "a", input=given, context=context)
    assert isinstance(found, Scored)


def test_a_metric_without_its_reference_is_unscored() -> None:
    found = score("exact_match", "yes")
    assert isinstance(found, Unscored)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(SpecError, match="did you mean 'exact_match'"):
        score("exact_macth", "a", "b")
