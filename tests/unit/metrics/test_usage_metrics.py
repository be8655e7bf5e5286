"""Time, money, tokens and failures."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored, Usage
from pipex_core.metrics.scoring import corpus_value, passed, score_item
from tests.fakes.metrics import answer, code, entry_of, value

usage = Usage(
    latency_ms=120.5,
    ttft_ms=30.0,
    cost_usd=0.002,
    input_tokens=100,
    output_tokens=20,
    reasoning_tokens=5,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("latency", 120.5),
        ({"type": "latency", "part": "ttft"}, 30.0),
        ("cost", 0.002),
        ("tokens", 120.0),
        ({"type": "tokens", "kind": "input"}, 100.0),
        ({"type": "tokens", "kind": "output"}, 20.0),
        ({"type": "tokens", "kind": "reasoning"}, 5.0),
        ("failure_rate", 0.0),
    ],
)
def test_what_an_answer_took(raw: Json, expected: float) -> None:
    assert value(raw, "x", usage=usage) == expected


@pytest.mark.parametrize("raw", ["latency", "cost", "tokens"])
@pytest.mark.parametrize(
    ("response_class", "status", "reason"),
    [
        ("observed", "ok", "missing_input"),
        ("target_failure", "target_error", "no_output"),
        ("missing", "rate_limited", "not_run"),
        ("missing", "not_run_budget", "budget"),
    ],
)
def test_what_is_unknown_is_never_zero(
    raw: str, response_class: str, status: str, reason: str
) -> None:
    assert code(raw, None, response_class=response_class, status=status) == reason


def test_tokens_in_part_are_no_total() -> None:
    assert code("tokens", "x", usage=Usage(input_tokens=3)) == "missing_input"


@pytest.mark.parametrize("raw", ["latency", "cost", "tokens", "failure_rate"])
def test_a_response_that_never_came_has_no_number_whatever_was_spent_on_it(raw: str) -> None:
    facts = {"response_class": "missing", "status": "timeout", "usage": usage}
    assert code(raw, None, **facts) == "not_run"


def test_a_failed_target_counts_and_an_outage_is_no_success() -> None:
    assert value("failure_rate", None, response_class="target_failure") == 1.0
    assert code("failure_rate", None, response_class="missing", status="infra_error") == "not_run"


def test_lower_is_better() -> None:
    entry = entry_of("latency:120.5")
    assert passed(entry, Scored(value=120.5)) is True
    assert passed(entry, Scored(value=121.0)) is False


def corpus(raw: str, *usages: Usage, **facts: Json) -> Corpus | None:
    entry = entry_of(raw)
    items = [answer("x", usage=one, **facts) for one in usages]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    assert found is None or isinstance(found, Corpus)
    return found


def test_latency_of_a_suite_is_told_by_percentiles() -> None:
    # Linear interpolation on 1..101: the share p lies at 1 + 100 p.
    found = corpus("latency", *(Usage(latency_ms=float(ms)) for ms in range(101, 0, -1)), Usage())
    assert found is not None
    assert found.value == 51.0
    assert found.submetrics == pytest.approx({"p50": 51.0, "p90": 91.0, "p95": 96.0, "p99": 100.0})
    assert corpus("latency", Usage()) is None


def test_cost_of_a_suite_is_a_sum_without_rounding_errors() -> None:
    found = corpus("cost", *(Usage(cost_usd=0.1) for _ in range(10)))
    assert found == Corpus(value=1.0, submetrics={"mean": 0.1})
    assert corpus("cost") is None


def test_failure_rate_of_a_suite() -> None:
    entry = entry_of("failure_rate")
    items = [answer("x"), answer(None, response_class="target_failure"), answer("y"), answer("z")]
    pairs = [(item, score_item(entry, item)) for item in items]
    assert corpus_value(entry, pairs) == Corpus(value=0.25)
    assert corpus_value(entry, []) is None
