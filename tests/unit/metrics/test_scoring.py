"""One entry on one response: the rules R4 and R6 to R9, in their order."""

from collections.abc import Sequence

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    Need,
    Score,
    Scored,
    Unscored,
    Usage,
)
from pipex_core.metrics.scoring import corpus_value, fallback_for, passed, score_item
from tests.fakes.metrics import Answering, answer, code, entry_of, entry_with, score, value


def seen_by(**facts: Json) -> tuple[Answering, list[MetricInput]]:
    seen: list[MetricInput] = []

    def keep(item: MetricInput) -> Scored:
        seen.append(item)
        return Scored(value=0.25, label="own")

    return Answering(keep, info=MetricInfo(name="mine", summary="", **facts)), seen


@pytest.mark.parametrize(
    ("response_class", "status", "reason"),
    [
        ("target_failure", "model_error", "no_output"),
        ("missing", "timeout", "not_run"),
        ("missing", "not_run_budget", "budget"),
    ],
)
def test_without_an_answer_the_metric_is_not_asked(
    response_class: str, status: str, reason: str
) -> None:
    facts = {"response_class": response_class, "status": status}
    assert code("exact_match", None, "yes", **facts) == reason
    assert code("exact_match", "partial", "yes", **facts) == reason


def test_a_metric_that_needs_no_answer_is_asked_all_the_same() -> None:
    facts = {"response_class": "target_failure", "status": "target_error"}
    assert value("failure_rate", None, **facts) == 1.0
    assert value("cost", None, usage=Usage(cost_usd=0.5), **facts) == 0.5


def test_a_refusal_is_an_answer() -> None:
    assert value("exact_match", "", "yes", status="model_refusal") == 0.0


@pytest.mark.parametrize(
    ("need", "facts", "reason"),
    [
        ("reference", {}, "no_reference"),
        ("reference_json", {"references": ("{}",)}, "no_reference"),
        ("output", {"output": None}, "missing_input"),
        ("output_json", {}, "missing_input"),
        ("input", {}, "missing_input"),
        ("query", {}, "missing_input"),
        ("context", {}, "missing_input"),
        ("choices", {}, "missing_input"),
    ],
)
def test_what_a_metric_needs_must_be_there(need: Need, facts: dict[str, Json], reason: str) -> None:
    metric, seen = seen_by(needs=frozenset({need}))
    found = score_item(entry_with(metric), MetricInput(**{"output": "x", **facts}))
    assert isinstance(found, Unscored)
    assert found.code == reason
    assert reason == "no_reference" or need in found.reason
    assert seen == []


def test_an_empty_reference_is_a_reference_and_an_empty_answer_an_answer() -> None:
    assert value("exact_match", "", "") == 1.0
    assert code("exact_match", "x") == "no_reference"


def test_null_is_a_json_answer() -> None:
    metric, seen = seen_by(needs=frozenset({"output_json", "reference_json"}))
    item = MetricInput(output="null", has_output_json=True, has_reference_json=True)
    assert score_item(entry_with(metric), item) == Scored(value=0.25, label="own")
    assert seen == [item]


@pytest.mark.parametrize("place", ["output", "references", "context"])
def test_a_million_characters_are_the_end(place: str) -> None:
    long = "x" * 1_000_001
    facts: dict[str, Json] = {place: long if place == "output" else (long,)}
    metric, _ = seen_by()
    found = score_item(entry_with(metric), MetricInput(**facts))
    assert isinstance(found, Unscored)
    assert (found.code, "1000001" in found.reason) == ("too_large", True)
    assert value("exact_match", long[1:], long[1:]) == 1.0


def test_extract_runs_before_the_metric() -> None:
    raw = {"type": "exact_match", "extract": {"regex": "is (.*)"}}
    assert score(raw, "it is red", "red") == Scored(value=1.0)


def test_an_answer_in_which_nothing_is_found_is_wrong_and_not_missing() -> None:
    raw = {"type": "exact_match", "extract": {"regex": "is (.*)"}}
    assert score(raw, "red", "red") == Scored(value=0.0, label="no_match")


def test_the_metric_sees_an_empty_text_where_nothing_was_found() -> None:
    metric, seen = seen_by()
    entry = entry_with(
        metric, extract=entry_of({"type": "bleu", "extract": {"after": ":"}}).extract
    )
    item = MetricInput(output="nothing", output_json={"a": 1}, has_output_json=True)
    assert score_item(entry, item) == Scored(value=0.25, label="no_match")
    assert seen == [MetricInput(output="", unmatched=True)]


def test_extract_gives_the_json_value_that_a_pointer_found() -> None:
    raw = {"type": "exact_match", "extract": {"json_pointer": "/n"}}
    facts = {"reference_json": 2, "has_reference_json": True}
    assert score(raw, '{"n": 2.0}', "2", **facts) == Scored(value=1.0)


def test_an_absent_answer_stays_absent_under_extract() -> None:
    assert code({"type": "exact_match", "extract": {"after": ":"}}, None, "x") == "missing_input"


def test_a_pattern_of_extract_that_takes_too_long_is_a_time_out() -> None:
    raw = {"type": "exact_match", "extract": {"regex": "(a|aa)+$"}}
    assert code(raw, "a" * 60 + "b", "x") == "metric_timeout"


def test_negate_turns_the_value_and_nothing_else() -> None:
    assert score({"type": "contains", "negate": True}, "no idea", "idea") == Scored(value=0.0)
    assert value({"type": "fuzzy_match", "negate": True}, "abcd", "abce") == 0.25
    assert code({"type": "contains", "negate": True}, "x", "") == "bad_reference"


@pytest.mark.parametrize(
    ("direction", "threshold", "number", "result"),
    [
        ("higher", 0.3, 0.1 + 0.2 - 1e-13, True),
        ("higher", 0.3, 0.3 - 1e-11, False),
        ("higher", 0.3, 0.9, True),
        ("lower", 0.3, 0.1 + 0.2, True),
        ("lower", 0.3, 0.3 + 1e-11, False),
        ("lower", 0.3, 0.1, True),
        ("none", 0.3, 0.9, None),
        ("higher", None, 0.9, None),
    ],
)
def test_passed_compares_unrounded_with_a_tolerance(
    direction: str, threshold: float | None, number: float, *, result: bool | None
) -> None:
    metric, _ = seen_by(direction=direction)
    assert passed(entry_with(metric, threshold=threshold), Scored(value=number)) is result


def test_without_a_score_nothing_passed() -> None:
    assert passed(entry_of("exact_match"), Unscored(code="no_reference", reason="")) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("metric_timeout", True), ("metric_crash", True), ("metric_error", False)],
)
def test_a_fallback_is_for_time_outs_and_crashes(reason: str, *, expected: bool) -> None:
    entry = entry_of({"type": "bleu", "fallback": "fuzzy_match"})
    fallback = fallback_for(entry, Unscored(code=reason, reason=""))
    assert (fallback is not None and fallback.type == "fuzzy_match") is expected
    assert fallback_for(entry, Scored(value=0.0)) is None


def test_a_corpus_value_is_made_of_what_was_scored() -> None:
    got: list[object] = []

    def total(items: Sequence[tuple[MetricInput, Scored]]) -> Corpus:
        got.append(list(items))
        return Corpus(value=0.25, submetrics={"p95": 3.0})

    metric = Answering(lambda _: Scored(value=1.0), total=total)
    pair: tuple[MetricInput, Score] = (answer("a: b"), Scored(value=1.0))
    items = [pair, (answer(None), Unscored(code="not_run", reason=""))]
    assert corpus_value(entry_with(metric), items) == Corpus(value=0.25, submetrics={"p95": 3.0})
    assert got == [[pair]]


def test_a_corpus_value_is_negated_and_extracted_like_its_cases() -> None:
    got: list[MetricInput] = []

    def total(items: Sequence[tuple[MetricInput, Scored]]) -> Corpus:
        got.extend(item for item, _ in items)
        return Corpus(value=0.25)

    metric = Answering(lambda _: Scored(value=1.0), total=total)
    rule = entry_of({"type": "bleu", "extract": {"after": ": "}}).extract
    entry = entry_with(metric, negate=True, extract=rule)
    assert corpus_value(entry, [(answer("a: b"), Scored(value=1.0))]) == Corpus(value=0.75)
    assert [item.output for item in got] == ["b"]


def test_most_metrics_have_no_corpus_value() -> None:
    assert corpus_value(entry_of("exact_match"), [(answer("x", "x"), Scored(value=1.0))]) is None
    assert corpus_value(entry_of("latency"), []) is None
