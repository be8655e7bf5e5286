"""Values over the suite, read back from their rows and shown beside the means."""

from typing import Any

import pytest

from pipex_core.app.reports import metric_grid
from pipex_core.evals.answers import Answer
from pipex_core.evals.corpora import CorpusValue, corpus_values
from pipex_core.evals.judgement import summarise
from pipex_core.evals.scoring import score
from pipex_core.evals.summary import metric_document
from pipex_core.evals.table import joined, response_batch
from tests.fakes.evaluation import capital_suite, case, job


def summary_of(metrics: list[Any], *texts: str) -> Any:
    names = ["de", "fr", "it", "es"][: len(texts)]
    made = job(capital_suite([case(name) for name in names]), metrics=metrics)
    answers = [Answer(status="ok", text=text) for text in texts]
    rows = [made.row_of(unit, one) for unit, one in zip(made.units(), answers, strict=True)]
    table = joined("responses", [response_batch(rows)])
    return summarise(made, table, score(made, table)).summary


def test_a_value_over_the_suite_stands_beside_the_mean_of_the_cases() -> None:
    found = summary_of(["classification_f1", "exact_match"], "Berlin", "London")
    one = found.metrics["classification_f1"]
    # Berlin is right, Paris was not said, and London is no label: F1 1, 0 and 0
    assert one.mean == 0.5
    assert one.corpus.value == pytest.approx(1 / 3)
    assert one.corpus.submetrics["recall[Paris]"] == 0.0
    document = metric_document(one)["corpus"]
    assert (document["value"], document["code"]) == (pytest.approx(1 / 3), None)
    assert found.metrics["exact_match"].corpus is None
    assert metric_document(found.metrics["exact_match"])["corpus"] is None


def test_the_console_has_a_column_for_it_where_there_is_one() -> None:
    grid = metric_grid(summary_of(["classification_f1", "exact_match"], "Berlin", "London"))
    assert grid.header[-1] == ("suite", "right")
    assert [row[-1] for row in grid.rows] == ["0.333", "-"]
    plain = metric_grid(summary_of(["exact_match"], "Berlin"))
    assert plain.header[-1] == ("passed", "right")


def test_a_value_that_could_not_be_computed_keeps_its_code() -> None:
    made = job(capital_suite([case("de")]), metrics=["latency"])
    rows = [made.row_of(made.units()[0], Answer(status="ok", text="x", latency_ms=5.0))]
    table = joined("responses", [response_batch(rows)])
    found = corpus_values(score(made, table))["latency"]
    assert found.value == 5.0
    assert set(found.submetrics) == {"p50", "p90", "p95", "p99"}
    assert CorpusValue(value=None, code="metric_error").document() == {
        "value": None,
        "code": "metric_error",
        "submetrics": {},
    }
