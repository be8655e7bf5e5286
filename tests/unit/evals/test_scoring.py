"""Judging answers: what a metric sees, which rows it gives, and values over the whole suite."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pipex_core.evals.answers import Answer
from pipex_core.evals.items import item_of, query_of
from pipex_core.evals.job import EvalJob
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.scoring import Scoring, ScoringBehind, score
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.evals.table import joined, response_batch
from pipex_core.metrics.contract import Corpus, MetricInfo, Scored, Unscored
from tests.fakes.evaluation import capital_suite, case, job, recorded, run
from tests.fakes.metrics import Answering
from tests.fakes.world import World


def rows_of(made: EvalJob, *answers: Answer, **options: Any) -> list[dict[str, Any]]:
    rows = [made.row_of(unit, answer) for unit, answer in zip(made.units(), answers, strict=True)]
    table = joined("responses", [response_batch(rows)])
    found: list[dict[str, Any]] = score(made, table, **options).to_pylist()
    return found


def ok(text: str = "x", **fields: Any) -> Answer:
    return Answer(status="ok", text=text, **fields)


def with_metric(metric: Any, *cases: Any) -> EvalJob:
    """A job whose one metric is this object."""
    made = job(capital_suite(list(cases) or [case("de")]))
    entry = replace(made.metrics[0], metric=metric, info=metric.info)
    return replace(made, metrics=(entry,))


def test_a_score_by_a_choice_is_computed_again_when_the_choices_change() -> None:
    metric = {"type": "regex_match", "pattern": "A", "extract": {"choice": True}}

    def keyed(*choices: str) -> Any:
        suite = capital_suite([case("de", choices=choices, expected_output="A")])
        return rows_of(job(suite, metrics=[metric]), ok("Berlin"))[0]

    first, second = keyed("Berlin", "Bonn"), keyed("Bonn", "Berlin")
    assert (first["score"], second["score"]) == (1.0, 0.0)
    assert first["score_key"] != second["score_key"]


def test_an_answer_that_is_missing_has_a_code_and_no_number() -> None:
    made = job(capital_suite([case("de"), case("es"), case("fr"), case("it")]))
    rows = rows_of(
        made,
        ok("Berlin"),
        Answer(status="target_error"),
        Answer(status="rate_limited"),
        Answer(status="not_run_budget"),
    )
    assert [(row["status"], row["code"], row["score"]) for row in rows] == [
        ("scored", None, 1.0),
        ("unscored", "no_output", None),
        ("unscored", "not_run", None),
        ("unscored", "budget", None),
    ]
    assert all(row["reason"] for row in rows if row["code"])


def test_a_metric_that_raises_leaves_a_reason_and_the_other_metrics_alone() -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError("no")

    made = with_metric(Answering(broken))
    good = job(capital_suite([case("de")]), metrics=["token_f1"]).metrics[0]
    both = replace(made, metrics=(*made.metrics, good))
    heads = [row for row in rows_of(both, ok("Berlin")) if row["submetric"] is None]
    assert [(row["metric"], row["code"]) for row in heads] == [
        ("exact_match", "metric_error"),
        ("token_f1", None),
    ]


def test_submetrics_are_rows_without_threshold_and_passed() -> None:
    metric = Answering(lambda _: Scored(value=0.9, submetrics={"b": 0.2, "a": 0.1}, label="l"))
    rows = rows_of(with_metric(metric), ok())
    assert [(row["submetric"], row["score"], row["passed"], row["label"]) for row in rows] == [
        (None, 0.9, False, "l"),
        ("a", 0.1, None, None),
        ("b", 0.2, None, None),
    ]


def test_details_are_kept_as_json() -> None:
    metric = Answering(lambda _: Scored(value=1.0, details={"z": 1, "a": [2]}))
    (row,) = rows_of(with_metric(metric), ok())
    assert row["details"] == '{"a":[2],"z":1}'


info = MetricInfo(name="total", summary="t", levels=("case", "corpus"))


def test_a_value_over_the_suite_is_one_more_row_behind_the_cases() -> None:
    metric = Answering(
        lambda item: Scored(value=1.0 if item.output == "x" else 0.0),
        info=info,
        total=lambda items: Corpus(
            value=sum(score.value for _, score in items) / 10, submetrics={"n": float(len(items))}
        ),
    )
    rows = rows_of(with_metric(metric, case("de"), case("es")), ok("x"), ok("y"))
    assert [(r["case_id"], r["repeat"], r["level"], r["submetric"], r["score"]) for r in rows] == [
        ("de", 0, "case", None, 1.0),
        ("es", 0, "case", None, 0.0),
        (None, -1, "corpus", None, 0.1),
        (None, -1, "corpus", "n", 2.0),
    ]


def test_a_quarantined_case_is_no_part_of_a_value_over_the_suite() -> None:
    metric = Answering(
        lambda _: Scored(value=1.0), info=info, total=lambda items: Corpus(value=len(items) / 10)
    )
    made = with_metric(metric, case("de"), case("es", status="quarantined"))
    corpus = rows_of(made, ok(), ok())[-1]
    assert (corpus["level"], corpus["score"]) == ("corpus", 0.1)


def test_a_value_over_nothing_is_no_row() -> None:
    metric = Answering(
        lambda _: Unscored(code="not_applicable", reason="r"), info=info, total=lambda _: None
    )
    assert [row["level"] for row in rows_of(with_metric(metric), ok())] == ["case"]


def test_a_value_over_the_suite_that_cannot_be_computed_has_a_reason() -> None:
    metric = Answering(
        lambda _: Scored(value=1.0), info=info, total=lambda _: Corpus(value=float("nan"))
    )
    corpus = rows_of(with_metric(metric), ok())[-1]
    assert (corpus["level"], corpus["code"], corpus["score"]) == ("corpus", "metric_error", None)


def test_a_value_over_the_suite_sees_carried_cases_too() -> None:
    metric = Answering(
        lambda _: Scored(value=1.0), info=info, total=lambda items: Corpus(value=len(items) / 10)
    )
    made = with_metric(metric, case("de"), case("es"))
    first = rows_of(made, ok(), ok())
    stored = {row["score_key"]: [row] for row in first if row["level"] == "case"}

    def carried(key: str) -> Any:
        return [
            {name: row[name] for name in row if name in wanted} for row in stored.get(key, [])
        ] or None

    wanted = {
        "submetric", "status", "code", "reason", "score", "label", "explanation", "details",
        "judge_id", "judge_fingerprint", "judge_certificate", "judge_votes", "judge_cost_nanousd",
        "duration_ms", "origin_run_id", "score_key",
    }  # fmt: skip
    second = rows_of(made, ok(), ok(), carried=carried)
    assert [row["carried"] for row in second] == [True, True, False]
    assert [row["score"] for row in second] == [row["score"] for row in first]


def test_a_metric_sees_the_case_and_the_answer() -> None:
    asked = case(
        "x",
        input={"question": "who?"},
        expected_output=["a", "b"],
        context="text",
        choices=("a", "b"),
    )
    made = job(capital_suite([asked]))
    (unit,) = made.units()
    answer = ok("a", json=None, has_json=True, latency_ms=3.0, cost_nanousd=2_000_000)
    table = joined("responses", [response_batch([made.row_of(unit, answer)])])
    item = item_of(asked, table.to_pylist()[0])
    assert (item.output, item.has_output_json, item.output_json) == ("a", True, None)
    assert (item.references, item.has_reference_json) == (("a", "b"), False)
    assert (item.query, item.context, item.choices) == ("who?", ("text",), ("a", "b"))
    assert (item.usage.latency_ms, item.usage.cost_usd, item.status) == (3.0, 0.002, "ok")


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("text", "text"),
        ({"question": "q", "query": "no"}, "q"),
        ({"query": "q"}, "q"),
        ({"question": 3, "input": "q"}, "q"),
        ({"other": "q"}, None),
        ([{"role": "user", "content": "q"}], None),
    ],
)
def test_the_question_is_found_in_the_input(question: Any, query: str | None) -> None:
    assert query_of(case("x", input=question)) == query


def test_a_list_of_contexts_is_seen_as_it_is() -> None:
    several = case("x", context=("one", "two"))
    made = job(capital_suite([several]))
    (unit,) = made.units()
    table = joined("responses", [response_batch([made.row_of(unit, ok())])])
    assert item_of(several, table.to_pylist()[0]).context == ("one", "two")


def test_many_rows_are_packed_on_the_way() -> None:
    cases = [case(f"c{i:04}", input="q", expected_output="x") for i in range(4100)]
    made = job(capital_suite(cases), metrics=["exact_match", "token_f1"])
    rows = rows_of(made, *(ok() for _ in cases))
    assert len(rows) == 4100 * 4
    assert [row["case_id"] for row in rows] == sorted(row["case_id"] for row in rows)


def test_cases_that_were_never_asked_neither_pass_nor_cost_nothing() -> None:
    outage = {"default": {"error": {"kind": "rate_limit", "message": "busy"}}}
    entries = [{"type": "failure_rate", "threshold": 0.1}, {"type": "cost", "threshold": 0.01}]
    found = run(job(metrics=entries, options={"second_pass": False}), World(outage))
    assert [one.n_missing for one in found.metrics.values()] == [5, 5]
    totals = found.summary.totals
    assert (totals.n_passed, totals.n_cases_missing, totals.pass_rate) == (0, 5, None)
    assert found.responses["passed"].to_pylist() == [None] * 5


def test_a_record_without_cost_has_no_cost_in_its_scores() -> None:
    records: list[dict[str, Any]] = [
        {"case_id": "de", "output": "Berlin", "cost_usd": 0.5},
        {"case_id": "fr", "output": "Paris"},
    ]
    suite = capital_suite([case("de"), case("fr")])
    found = run(job(suite, recorded_target(records), metrics=["cost"])).metrics["cost"]
    assert (found.mean, found.n_scored, found.n_na) == (0.5, 1, 1)


@pytest.mark.parametrize(
    ("suite_metrics", "own", "answer", "passed"),
    [
        # The reference holds no number: the case's own demand cannot be decided.
        (
            ({"type": "numeric_match", "threshold": None},),
            {"type": "numeric_match"},
            "Berlin",
            None,
        ),
        (("exact_match",), {"type": "exact_match", "required": False}, "Bonn", None),
        (("exact_match",), {"type": "exact_match", "threshold": 0.0}, "Bonn", True),
    ],
)
def test_row_and_case_agree_on_what_a_case_demands_of_its_own(
    *, suite_metrics: Any, own: Any, answer: str, passed: bool | None
) -> None:
    suite = capital_suite(
        [case("de", metrics=(own,))], defaults=SuiteDefaults(metrics=suite_metrics)
    )
    found = run(job(suite, recorded({"de": answer})))
    assert found.responses["passed"].to_pylist() == list(found.judgement.arm.passed) == [passed]


def test_scores_are_the_same_whatever_the_order_in_which_answers_come() -> None:
    made = job(metrics=["exact_match", "bleu"], repeats=2)
    texts = ["Berlin", "the city of Madrid", "Paris", "Milan", "", "Lisbon"] * 2
    answers = [ok(text) for text in texts[:10]]
    rows = [made.row_of(unit, one) for unit, one in zip(made.units(), answers, strict=True)]
    expected = score(made, joined("responses", [response_batch(rows)]))
    for seed in range(5):
        shuffled = list(rows)
        Random(seed).shuffle(shuffled)
        scoring = Scoring(made)
        for start in range(0, 10, 3):
            scoring.add(response_batch(shuffled[start : start + 3]))
        assert scoring.table().to_pylist() == expected.to_pylist()


def test_a_metric_that_breaks_the_engine_ends_the_run_and_not_the_thread_alone() -> None:
    async def broken() -> None:
        behind = ScoringBehind(Scoring(job()))
        try:
            behind.add(response_batch([replace(row_of_nobody, case_id="nobody")]))
            await behind.table()
        finally:
            behind.close()

    made = job()
    row_of_nobody = made.row_of(made.units()[0], ok())
    with pytest.raises(KeyError, match="nobody"):
        asyncio.run(broken())
