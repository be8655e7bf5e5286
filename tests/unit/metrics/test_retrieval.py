"""Retrieved and cited ids against relevant ones; the numbers are worked out by hand."""

import math

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, entry_of, score, value

relevant = ("b", "d", "z")


def test_all_measures_of_a_ranking() -> None:
    # hits at ranks 2 and 4 of five places; three ids are relevant
    found = score("retrieval", '["a", "b", "c", "d", "e", "z"]', relevant_ids=relevant)
    assert isinstance(found, Scored)
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert found.submetrics == {
        "precision_at_k": pytest.approx(2 / 5),
        "recall_at_k": pytest.approx(2 / 3),
        "mrr": 0.5,
        "ndcg": pytest.approx(gain / ideal),
        "hit_rate": 1.0,
    }
    assert found.value == found.submetrics["ndcg"]


@pytest.mark.parametrize("name", ["precision_at_k", "recall_at_k", "mrr", "ndcg", "hit_rate"])
def test_each_measure_is_a_metric_of_its_name(name: str) -> None:
    entry = entry_of({"type": name, "k": 2})
    assert (entry.name, entry.type) == (name, "retrieval")
    found = score({"type": name, "k": 2}, '["a", "b"]', relevant_ids=("b",))
    assert isinstance(found, Scored)
    assert found.value == found.submetrics[name]


def test_the_first_relevant_id_counts_wherever_it_is() -> None:
    found = score({"type": "mrr", "k": 1}, '["a", "b", "c", "d"]', relevant_ids=("d",))
    assert isinstance(found, Scored)
    assert found.value == 0.25
    assert found.submetrics["hit_rate"] == 0.0


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"ids_from": "docs.ids"}, '{"docs": {"ids": ["b", "x"]}}'),
        ({}, '{"retrieved_ids": ["b", "x"]}'),
        ({}, '[{"id": "b"}, {"id": "x"}]'),
        ({}, '```json\n["b", "b", "x"]\n```'),
    ],
)
def test_ids_are_found_where_they_stand(options: dict[str, Json], output: str) -> None:
    raw: Json = {"type": "precision_at_k", "k": 2, **options}
    assert value(raw, output, relevant_ids=("b",)) == 0.5


@pytest.mark.parametrize("output", ["no json", "{}", '{"retrieved_ids": "b"}', '"b"'])
def test_an_answer_without_a_list_of_ids_cannot_be_judged(output: str) -> None:
    assert code("retrieval", output, relevant_ids=("b",)) == "missing_input"


def test_nothing_relevant_cannot_be_found() -> None:
    assert code("retrieval", '["b"]', relevant_ids=()) == "not_applicable"
    assert code("retrieval", '["b"]') == "missing_input"
    assert value("retrieval", "[]", relevant_ids=("b",)) == 0.0


@pytest.mark.parametrize(
    ("output", "ids", "expected"),
    [
        ("As shown in [d1] and [d2].", ("d1", "d2"), 1.0),
        ("As shown in [d1; d2, d3].", ("d1",), 2 * 1 / (3 + 1)),
        ("See [the text](http://d1) alone.", ("d1",), 0.0),
        ("Nothing is cited.", (), 1.0),
        ("Nothing is cited.", ("d1",), 0.0),
        ("Cited [d9] for nothing.", (), 0.0),
        ("[d1] and again [d1]", ("d1",), 1.0),
    ],
)
def test_citations_are_compared_with_what_is_relevant(
    output: str, ids: tuple[str, ...], expected: float
) -> None:
    assert value("citation_match", output, relevant_ids=ids) == pytest.approx(expected)


def test_a_pattern_says_what_a_citation_looks_like() -> None:
    raw: Json = {"type": "citation_match", "pattern": r"\(doc (\d+)\)"}
    assert value(raw, "(doc 7) [8]", relevant_ids=("7",)) == 1.0
    found = score({**raw, "pattern": r"§\d+"}, "§7 and §8", relevant_ids=("§7",))
    assert isinstance(found, Scored)
    assert found.details == {"not_relevant": ["§8"]}
