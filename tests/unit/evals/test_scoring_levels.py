"""Rows beyond one metric on one answer: all repeats of a case, a fallback beside a failure, named fields."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.answers import Answer
from pipex_core.evals.arms import arm_of
from pipex_core.evals.carry import _score_columns
from pipex_core.evals.job import EvalJob
from pipex_core.evals.scoring import Scoring, score
from pipex_core.evals.table import joined, response_batch
from pipex_core.metrics.contract import MetricInput, Score, Scored, Unscored
from pipex_core.metrics.embedding import EmbeddingSimilarity
from pipex_core.metrics.repeats import PassAtK
from tests.fakes.evaluation import capital_suite, case, job
from tests.fakes.metrics import Answering, entry_of
from tests.fakes.vectors import letter_counts


def answered(made: EvalJob, *answers: Answer) -> Any:
    rows = [made.row_of(unit, answer) for unit, answer in zip(made.units(), answers, strict=True)]
    return joined("responses", [response_batch(rows)])


def rows_of(made: EvalJob, *answers: Answer, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = score(made, answered(made, *answers), **options).to_pylist()
    return found


def ok(text: str = "x", **fields: Any) -> Answer:
    return Answer(status="ok", text=text, **fields)


failed = Answer(status="target_error")


def heads(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["metric"] == metric and row["submetric"] is None]


def repeated(*metrics: Any, cases: tuple[str, ...] = ("de",)) -> EvalJob:
    return job(capital_suite([case(one) for one in cases]), metrics=list(metrics), repeats=3)


def test_a_metric_of_repeats_has_one_row_per_case() -> None:
    made = repeated("exact_match", {"type": "pass_at_k", "k": 2}, "consistency", cases=("de", "fr"))
    right, wrong = ok("Berlin"), ok("Bonn")
    rows = rows_of(made, right, wrong, wrong, ok("Paris"), ok("Paris"), ok("Paris"))
    passing = heads(rows, "pass_at_k")
    assert [(row["case_id"], row["repeat"], row["level"]) for row in passing] == [
        ("de", -1, "repeats"),
        ("fr", -1, "repeats"),
    ]
    assert [row["score"] for row in passing] == [pytest.approx(2 / 3), 1.0]
    assert [row["score"] for row in heads(rows, "consistency")] == [pytest.approx(1 / 3), 1.0]


def test_passing_is_that_of_one_metric_or_of_all_required_ones() -> None:
    contains = {"type": "contains", "value": "erl"}
    of_one = {"type": "pass_at_k", "of": "contains", "name": "of_one"}
    of_all = {"type": "pass_at_k", "name": "of_all"}
    made = repeated("exact_match", contains, of_one, of_all)
    rows = rows_of(made, ok("Berlin"), ok("Berlin!"), ok("Bonn"))
    assert heads(rows, "of_one")[0]["score"] == pytest.approx(2 / 3)
    assert heads(rows, "of_all")[0]["score"] == pytest.approx(1 / 3)


def test_a_failure_of_the_target_has_not_passed() -> None:
    rows = rows_of(repeated("exact_match", "pass_at_k"), ok("Berlin"), failed, failed)
    assert heads(rows, "pass_at_k")[0]["score"] == pytest.approx(1 / 3)


def test_the_repeats_of_a_case_may_come_in_any_order_and_in_any_batches() -> None:
    made = repeated("exact_match", "consistency", cases=("de", "fr"))
    table = answered(made, *(ok(text) for text in ("a", "b", "a", "c", "c", "c")))
    whole = score(made, table)
    scoring = Scoring(made)
    for row in (5, 0, 3, 2, 4, 1):
        scoring.add(table.slice(row, 1))
    assert scoring.table().to_pylist() == whole.to_pylist()


def test_a_case_of_which_repeats_never_came_is_judged_by_those_that_did() -> None:
    made = repeated("exact_match", "consistency")
    table = answered(made, ok("a"), ok("a"), ok("b"))
    scoring = Scoring(made)
    scoring.add(table.slice(0, 2))
    assert heads(scoring.table().to_pylist(), "consistency")[0]["score"] == 1.0


def test_a_stored_value_over_repeats_is_taken_over() -> None:
    made = repeated("exact_match", "pass_at_k")
    first = heads(rows_of(made, ok("Berlin"), ok("x"), ok("x")), "pass_at_k")[0]
    kept = {name: first[name] for name in _score_columns}
    kept |= {"score": 0.125, "origin_run_id": "earlier"}
    found = rows_of(
        made,
        ok("Berlin"),
        ok("x"),
        ok("x"),
        carried=lambda key: [kept] if key == first["score_key"] else None,
    )
    again = heads(found, "pass_at_k")[0]
    assert (again["score"], again["carried"], again["origin_run_id"]) == (0.125, True, "earlier")


def test_a_value_over_repeats_is_the_value_of_its_case() -> None:
    made = repeated("exact_match", "pass_at_k", cases=("de", "fr"))
    answers = (ok("Berlin"), ok("x"), ok("x"), failed, failed, failed)
    table = answered(made, *answers)
    arm = arm_of(table, score(made, table), made.facts(), run_id="r")
    metric = arm.metrics["pass_at_k"]
    assert list(metric.states) == ["scored", "scored"]
    assert list(metric.values) == [pytest.approx(1 / 3), 0.0]


def test_a_case_without_enough_repeats_is_outside_of_the_denominator() -> None:
    made = repeated("exact_match", {"type": "pass_at_k", "k": 5})
    table = answered(made, ok(), ok(), ok())
    arm = arm_of(table, score(made, table), made.facts(), run_id="r")
    assert list(arm.metrics["pass_at_k"].states) == ["na"]


@pytest.mark.parametrize(
    ("statuses", "state", "code"),
    [
        (("target_error",) * 3, "scored", None),
        (("target_error", "target_error", "rate_limited"), "scored", None),
        (("target_error", "rate_limited", "rate_limited"), "missing", "not_run"),
        (("rate_limited",) * 3, "missing", "not_run"),
    ],
)
def test_failures_agree_with_nothing_and_repeats_that_were_not_reached_leave_a_hole(
    statuses: tuple[Any, ...], state: str, code: str | None
) -> None:
    made = repeated("exact_match", "consistency")
    table = answered(made, *(Answer(status=one) for one in statuses))
    scores = score(made, table)
    row = heads(scores.to_pylist(), "consistency")[0]
    assert (row["score"], row["code"]) == (None if code else 0.0, code)
    arm = arm_of(table, scores, made.facts(), run_id="r")
    assert list(arm.metrics["consistency"].states) == [state]


def test_a_case_whose_repeats_all_failed_is_a_failure_where_nothing_could_be_scored() -> None:
    made = repeated("exact_match", "pass_at_k")
    entry = made.metrics[1]
    crashed = Unscored(code="metric_error", reason="x")

    class Broken(PassAtK):
        def score_repeats(self, samples: Any) -> Score:
            assert samples
            return crashed

    broken = replace(made, metrics=(made.metrics[0], replace(entry, metric=Broken())))
    table = answered(broken, failed, failed, failed)
    arm = arm_of(table, score(broken, table), broken.facts(), run_id="r")
    assert list(arm.metrics["pass_at_k"].states) == ["failed"]
    assert list(arm.metrics["pass_at_k"].values) == [0.0]


def crashing(_: MetricInput) -> Score:
    return Unscored(code="metric_crash", reason="the worker died")


def with_fallback(metric: Any, *others: Any) -> EvalJob:
    made = job(capital_suite([case("de"), case("fr")]), metrics=["bleu", *others])
    entry = replace(made.metrics[0], metric=metric, fallback=entry_of("fuzzy_match"))
    return replace(made, metrics=(entry, *made.metrics[1:]))


def test_a_fallback_is_an_extra_row_and_the_metric_stays_without_a_number() -> None:
    made = with_fallback(Answering(crashing))
    table = answered(made, ok("Berlin"), ok("Pari"))
    scores = score(made, table)
    rows = scores.to_pylist()
    assert [(row["score"], row["code"]) for row in heads(rows, "bleu")] == [
        (None, "metric_crash"),
        (None, "metric_crash"),
    ]
    extra = heads(rows, "fuzzy_match")
    assert [row["fallback_of"] for row in extra] == ["bleu", "bleu"]
    assert [row["score"] for row in extra] == [1.0, pytest.approx(2 * 4 / 9)]
    assert not any(row["required"] for row in extra)


def test_a_fallback_touches_no_mean_even_under_the_name_of_another_metric() -> None:
    made = with_fallback(Answering(crashing), "fuzzy_match")
    table = answered(made, ok("Berlin"), ok("xyz"))
    arm = arm_of(table, score(made, table), made.facts(), run_id="r")
    assert list(arm.metrics["bleu"].states) == ["missing", "missing"]
    plain = job(capital_suite([case("de"), case("fr")]), metrics=["fuzzy_match"])
    alone = arm_of(table, score(plain, table), plain.facts(), run_id="r")
    assert list(arm.metrics["fuzzy_match"].values) == list(alone.metrics["fuzzy_match"].values)


def test_a_metric_that_answers_or_fails_otherwise_has_no_fallback() -> None:
    def half(_: MetricInput) -> Score:
        raise ZeroDivisionError

    for metric in (Answering(lambda _: Scored(value=0.5)), Answering(half)):
        rows = rows_of(with_fallback(metric), ok("Berlin"), ok("Paris"))
        assert {row["metric"] for row in rows} == {"bleu"}


def test_a_field_of_the_metadata_that_is_looked_up_is_part_of_the_key() -> None:
    def keyed(gold: str, **options: Any) -> dict[str, Any]:
        suite = capital_suite([case("de", metadata={"gold": gold, "other": gold})])
        return rows_of(job(suite, metrics=[{"type": "contains", **options}]), ok("Bonn"))[0]

    named = {"reference_field": "gold"}
    assert (keyed("Bonn", **named)["score"], keyed("Ulm", **named)["score"]) == (1.0, 0.0)
    assert keyed("Bonn", **named)["score_key"] != keyed("Ulm", **named)["score_key"]
    assert keyed("Bonn")["score_key"] == keyed("Ulm")["score_key"]


def test_an_expression_that_reads_the_case_depends_on_all_of_it() -> None:
    def key(expr: str, topic: str) -> str:
        suite = capital_suite([case("de", metadata={"topic": topic})])
        metric = {"type": "expression", "expr": expr}
        return str(rows_of(job(suite, metrics=[metric]), ok("x"))[0]["score_key"])

    reading = "case.metadata.topic == 'a'"
    assert key(reading, "a") != key(reading, "b")
    assert key("output == 'x'", "a") == key("output == 'x'", "b")


def test_tool_calls_of_the_answer_and_of_the_case_reach_the_metric() -> None:
    suite = capital_suite([case("de", expected_tools=({"name": "look_up"},))])
    made = job(suite, metrics=["tool_calls"])
    calls = [{"name": "look_up", "arguments": {"q": "x"}}]
    assert rows_of(made, ok(tool_calls=calls))[0]["score"] == 1.0
    assert rows_of(made, ok())[0]["score"] == 0.0


def test_a_refusal_without_words_is_an_answer_without_words() -> None:
    made = job(capital_suite([case("de")]), metrics=["refusal", "exact_match"])
    rows = rows_of(made, Answer(status="model_refusal"))
    assert [(row["metric"], row["score"]) for row in rows] == [
        ("exact_match", 0.0),
        ("refusal", 1.0),
    ]


class Letters:
    """An embedder that counts letters and remembers its batches."""

    name = "letters"
    fingerprint = "f"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, texts: Any) -> Any:
        self.batches.append(len(texts))
        return letter_counts(texts)


def test_texts_of_many_rows_are_encoded_together_and_each_once() -> None:
    embedder = Letters()
    made = job(capital_suite([case(f"c{n}", expected_output="same") for n in range(40)]))
    metric = EmbeddingSimilarity(embedder=embedder)
    entry = replace(made.metrics[0], metric=metric, info=metric.info)
    rows = rows_of(replace(made, metrics=(entry,)), *(ok(f"text {n % 36}") for n in range(40)))
    assert len(rows) == 40
    assert embedder.batches == [37]


def test_a_metric_that_cannot_get_ready_says_so_of_each_answer() -> None:
    class Broken(Letters):
        def embed(self, texts: Any) -> Any:
            raise RuntimeError(f"no memory for {len(texts)} texts")

    made = job(capital_suite([case("de")]))
    metric = EmbeddingSimilarity(embedder=Broken())
    entry = replace(made.metrics[0], metric=metric, info=metric.info)
    row = rows_of(replace(made, metrics=(entry,)), ok("Berlin"))[0]
    assert (row["code"], row["score"]) == ("metric_error", None)


def test_a_chance_counted_of_a_metric_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="no metric is named so"):
        repeated("exact_match", {"type": "pass_at_k", "of": "exact_mach"})
    with pytest.raises(SpecError, match="has no threshold"):
        repeated("bleu", {"type": "pass_at_k", "of": "bleu"})
    own = {"type": "pass_at_k", "of": "nothing"}
    with pytest.raises(SpecError) as caught:
        job(capital_suite([case("de", metrics=(own,))]), metrics=["exact_match"])
    assert caught.value.problems[0].path == "cases[de].metrics[1].of"
