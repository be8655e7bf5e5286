"""Whatever the rows: counts add up, bounds hold, and neither order nor batches nor files change anything."""

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipex_core.evals import arms, summary, table
from pipex_core.evals.answers import Answer
from pipex_core.evals.arms import MetricFacts
from pipex_core.evals.publication import Place, place_of
from pipex_core.evals.reducers import statistics
from pipex_core.evals.rendering import inline, plain
from pipex_core.evals.results import ResponseRow, ScoreRow, classes
from pipex_core.stats.estimates import Scale

calm = settings(deadline=None, max_examples=60)  # the first example imports what the rest uses
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
codes = {
    "ok": (None, "no_reference", "metric_error"),
    "target_error": ("no_output", "no_reference"),
    "infra_error": ("not_run",),
}
facts = MetricFacts(name="m", type="m", fingerprint="f", scale=Scale(), threshold=0.5)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[ResponseRow], list[ScoreRow]]:
    """Rows of a run with up to three repeats of up to eight cases and every way to have no score."""
    responses: list[ResponseRow] = []
    scores: list[ScoreRow] = []
    for name in draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)):
        weight = draw(st.sampled_from([0.5, 1.0, 3.0]))
        for repeat in range(draw(st.integers(1, 3))):
            status: Any = draw(st.sampled_from(sorted(codes)))
            code = draw(st.sampled_from(codes[status]))
            value = draw(st.floats(0, 1)) if code is None else None
            responses.append(_response(name, repeat, status, weight))
            scores.append(_score(name, repeat, value, code))
    return responses, scores


def _response(case_id: str, repeat: int, status: Any, weight: float = 1.0) -> ResponseRow:
    return ResponseRow(
        case_id=case_id, repeat=repeat, case_hash=case_id, input_hash="i", reference_hash="r",
        response_key="k", response_hash="h", status=status, response_class=classes[status],
        input="q", weight=weight,
    )  # fmt: skip


def _score(case_id: str, repeat: int, value: float | None, code: str | None) -> ScoreRow:
    return ScoreRow(
        case_id=case_id, repeat=repeat, metric="m", metric_type="m", metric_version=1,
        metric_fingerprint="f", score_key="s", score=value, code=code, threshold=0.5,
        status="scored" if code is None else "unscored",
    )  # fmt: skip


def tables(responses: list[ResponseRow], scores: list[ScoreRow]) -> tuple[pa.Table, pa.Table]:
    return (
        table.joined("responses", [table.response_batch(responses)]),
        table.joined("scores", [table.score_batch(scores)]),
    )


def summed(responses: list[ResponseRow], scores: list[ScoreRow]) -> summary.MetricSummary:
    arm = arms.arm_of(*tables(responses, scores), [facts], run_id="r")
    return summary.summarise_metric(arm, "m")


@calm
@given(runs())
def test_every_case_is_counted_once_and_the_mean_lies_between_its_bounds(
    rows: tuple[list[ResponseRow], list[ScoreRow]],
) -> None:
    found = summed(*rows)
    cases = {row.case_id for row in rows[0]}
    assert found.n_planned == len(cases)
    assert found.n_scored + found.n_failed + found.n_missing + found.n_na == found.n_planned
    if found.bounds is not None:
        low, high = found.bounds
        assert 0 <= low <= high <= 1
        if found.mean is not None:
            assert low - 1e-12 <= found.mean <= high + 1e-12
    assert (found.mean is None) == (found.n_scored + found.n_failed == 0)


@calm
@given(runs())
def test_bounds_close_exactly_when_nothing_is_missing(
    rows: tuple[list[ResponseRow], list[ScoreRow]],
) -> None:
    found = summed(*rows)
    if found.bounds is not None and found.n_missing == 0:
        assert found.mean is not None
        assert list(found.bounds) == pytest.approx([found.mean, found.mean])
    if found.bounds is not None and found.n_missing > 0:
        assert found.bounds[0] < found.bounds[1]


@calm
@given(runs(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_change_neither_the_digest_nor_the_numbers(
    rows: tuple[list[ResponseRow], list[ScoreRow]], chance: Any, size: int
) -> None:
    responses, scores = rows
    before = tables(responses, scores)
    responses, scores = list(responses), list(scores)
    chance.shuffle(responses)
    chance.shuffle(scores)
    after = (
        table.joined(
            "responses",
            [table.response_batch(responses[i : i + size]) for i in range(0, len(responses), size)],
        ),
        table.joined(
            "scores",
            [table.score_batch(scores[i : i + size]) for i in range(0, len(scores), size)],
        ),
    )
    names = ("responses", "scores")
    digests = [table.row_digest(dict(zip(names, pair, strict=True))) for pair in (before, after)]
    assert digests[0] == digests[1]
    assert before[0].to_pylist() == after[0].to_pylist()


@calm
@given(st.lists(st.tuples(texts, texts, json_values), max_size=6, unique_by=lambda t: t[0]))
def test_rows_survive_a_file(rows: list[tuple[str, str, Any]]) -> None:
    made = [
        ResponseRow(
            **{
                **{
                    f: getattr(_response(name, 0, "ok"), f)
                    for f in _response("", 0, "ok").__slots__
                },
                "output": text,
                "output_json": value,
                "has_output_json": True,
                "metadata": {"k": value},
            }
        )
        for name, text, value in rows
    ]
    whole = table.joined("responses", [table.response_batch(made)])
    again = table.from_parquet("responses", table.to_parquet(whole))
    assert again.to_pylist() == whole.to_pylist()
    assert again.schema.equals(whole.schema)


@calm
@given(st.text())
def test_partition_values_survive_the_path(text: str) -> None:
    plain_text = text.encode(errors="ignore").decode()
    place = Place(suite_id=plain_text, model_id="m", run_id="007")
    key = place.key("scores", "part-00000.parquet")
    assert place_of(key) == place
    assert key.count("/") == 4


@calm
@given(texts, json_values, st.none() | st.floats(0, 1e9), st.none() | st.integers(0, 2**31 - 1))
def test_answers_survive_the_journal(
    text: str, value: Any, latency_ms: float | None, tokens: int | None
) -> None:
    answer = Answer(
        status="ok", text=text, json=value, has_json=value is not None,
        latency_ms=latency_ms, input_tokens=tokens,
    )  # fmt: skip
    assert Answer.from_stored(answer.stored()) == answer


@calm
@given(st.text())
def test_no_text_means_anything_to_markdown_or_a_console(text: str) -> None:
    assert not set(inline(text)) & set("<>|`*_[]@\n\r\x1b")
    assert all(sign.isprintable() for sign in plain(text))


@calm
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_every_reducer_stays_within_its_values(values: list[float]) -> None:
    for reducer in statistics.values():
        found = reducer(values)
        assert min(values) - 1e-12 <= found <= max(values) + 1e-12
        assert math.isfinite(found)
