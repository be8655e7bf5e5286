"""Field options: where an entry says that context, query and reference stand."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Scored, Unscored
from pipex_core.metrics.lookup import looked_up, with_fields
from pipex_core.metrics.scoring import score_item
from tests.fakes.metrics import entry_of

case: Json = {
    "input": {"article": "from the input", "facts": ["one", "two"], "name": None},
    "expected_output": "the reference",
    "metadata": {"article": "from the metadata", "gold": {"answer": "Paris"}, "n": 7},
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("expected_output", "the reference"),
        ("article", "from the input"),
        ("gold.answer", "Paris"),
        ("n", 7),
        ("input.article", "from the input"),
        ("metadata.article", "from the metadata"),
    ],
)
def test_the_case_comes_before_its_input_and_the_input_before_the_metadata(
    place: str, found: Json
) -> None:
    assert looked_up({"source_field": place}, case) == {"source_field": found}


@pytest.mark.parametrize("place", ["nothing", "name", "gold.nothing"])
def test_a_place_that_is_not_there_is_left_out(place: str) -> None:
    assert looked_up({"source_field": place}, case) == {}


def test_a_metric_that_may_read_everything_has_read_the_whole_case() -> None:
    assert looked_up({}, case, whole=True) == {"case": case}


def item(**facts: Json) -> MetricInput:
    return MetricInput(output="Paris is big", references=("x",), case=case, **facts)


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"source_field": "facts"}, {"context": ("one", "two")}),
        ({"source_field": "article"}, {"context": ("from the input",)}),
        ({"source_field": "nothing"}, {"context": ()}),
        ({"query_field": "article"}, {"query": "from the input"}),
        ({"query_field": "n"}, {"query": "7"}),
        ({"query_field": "nothing"}, {"query": None}),
        ({"reference_field": "gold.answer"}, {"references": ("Paris",)}),
        ({"reference_field": "facts"}, {"references": ("one", "two")}),
        (
            {"reference_field": "gold"},
            {
                "references": ('{"answer":"Paris"}',),
                "reference_json": {"answer": "Paris"},
                "has_reference_json": True,
            },
        ),
        ({"reference_field": "nothing"}, {"references": (), "has_reference_json": False}),
    ],
)
def test_the_item_is_as_if_it_had_stood_in_the_usual_field(
    fields: dict[str, str], changed: dict[str, Json]
) -> None:
    seen = with_fields(item(), fields)
    assert {name: getattr(seen, name) for name in changed} == changed


def test_an_entry_with_a_reference_field_scores_against_it() -> None:
    entry = entry_of({"type": "contains", "reference_field": "gold.answer"})
    assert score_item(entry, item()) == Scored(value=1.0)
    absent = score_item(entry_of({"type": "contains", "reference_field": "nope"}), item())
    assert isinstance(absent, Unscored)
    assert absent.code == "no_reference"


def test_a_source_field_that_is_not_there_is_a_missing_input() -> None:
    found = score_item(entry_of({"type": "grounded_overlap", "source_field": "nope"}), item())
    assert isinstance(found, Unscored)
    assert found.code == "missing_input"


def test_naming_the_usual_place_measures_the_same() -> None:
    plain = entry_of("grounded_overlap")
    assert (
        entry_of({"type": plain.type, "source_field": "context"}).fingerprint == plain.fingerprint
    )
    other = entry_of({"type": plain.type, "opts": {"source_field": "article"}})
    assert other.fingerprint != plain.fingerprint
    assert other.document()["opts"]["source_field"] == "article"


def test_a_field_option_that_the_metric_has_no_use_for_is_refused() -> None:
    with pytest.raises(SpecError, match="source_field"):
        entry_of({"type": "bleu", "source_field": "x"})


@pytest.mark.parametrize("place", [3, "", ["a"]])
def test_a_place_is_a_name(place: Json) -> None:
    with pytest.raises(SpecError, match="name of a field"):
        entry_of({"type": "grounded_overlap", "source_field": place})
