"""Metrics of users in worker processes: what hangs, crashes or swells costs its item a score, and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.worker_pool import ProcessPool
from pipex_core.app import workers
from pipex_core.app.workers import WorkerCaller
from pipex_core.metrics.contract import Scored, Unscored, Usage
from tests.fakes.project import write_project
from tests.fakes.shell import invoke

root = Path(__file__).parents[3]
functions = "tests.fakes.heavy_metrics"
ample_s = 30.0
short_s = 0.3


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    # No test here may break the pool of another one: each death counts for ten minutes.
    ticks = iter(range(0, 10**9, 10_000))
    with ProcessPool(size=2, memory_mb=256, import_paths=[str(root)], clock=lambda: next(ticks)) as made:  # fmt: skip
        yield made


def called(pool: ProcessPool, name: str, *in_place: Any, seconds: float = ample_s, **named: Any) -> Any:  # fmt: skip
    caller = WorkerCaller({"path": f"{functions}:{name}"}, pool=pool, timeout_s=seconds)
    return caller.result(in_place, named)


def test_a_score_comes_back_as_the_function_gave_it(pool: ProcessPool) -> None:
    assert called(pool, "graded", "a", "b") == Scored(
        value=0.5, label="half", details={"said": "a"}, submetrics={"length": 1.0}
    )
    assert called(pool, "graded", "", "b") == Unscored(code="not_applicable", reason="no text")
    assert called(pool, "priced", "x", usage=Usage(cost_usd=0.25)) == Scored(value=0.25)


@pytest.mark.parametrize(
    ("name", "code", "seconds"),
    [
        ("stalled", "metric_timeout", short_s),
        ("killed", "metric_crash", ample_s),
        ("swollen", "metric_crash", ample_s),
        ("raised", "metric_error", ample_s),
        ("wordy", "metric_error", ample_s),
        ("absent", "metric_error", ample_s),
    ],
)
def test_what_breaks_is_a_reason_and_no_number(
    pool: ProcessPool, name: str, code: str, seconds: float
) -> None:
    found = called(pool, name, "a", "b", seconds=seconds)
    assert isinstance(found, Unscored)
    assert found.code == code
    assert called(pool, "graded", "a", "b").value == 0.5


def test_calls_that_were_begun_are_answered_from_where_they_run(pool: ProcessPool) -> None:
    caller = WorkerCaller({"path": f"{functions}:graded"}, pool=pool)
    for _ in range(2):
        caller.start(["a", "b"], {})
    caller.start(["ab", "b"], {})
    assert caller.result(["ab", "b"], {}).value == 0.5  # type: ignore[union-attr] # it is scored
    assert len(caller._begun) == 1
    assert caller.result(["a", "b"], {}).value == 0.5  # type: ignore[union-attr] # it is scored


metrics_file = """
import os, signal
import pipex_core

@pipex_core.metric(cost_class="pool", default_threshold=0.5)
def fragile(predicted: str, expected: str) -> float:
    if predicted == "5":
        os.kill(os.getpid(), signal.SIGSEGV)
    return float(predicted == expected)
"""


@pytest.fixture
def _own_pool() -> Iterator[None]:
    workers.metric_workers.cache_clear()
    yield
    workers.metric_workers().close()
    workers.metric_workers.cache_clear()


@pytest.mark.usefixtures("_own_pool")
def test_a_metric_that_crashes_on_one_answer_leaves_the_run_incomplete_with_its_fallback_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    (tmp_path / "test_suites" / "sums" / "metrics.py").write_text(metrics_file, encoding="utf-8")
    entry = {"type": "custom:fragile", "fallback": "exact_match"}
    (tmp_path / "metrics.yaml").write_text(json.dumps([entry]), encoding="utf-8")
    words = ("sums", "--recorded", "good.jsonl", "--metrics", "metrics.yaml", "--allow-code")
    done = invoke("eval", "run", *words, "--json")
    assert (done.code, done.document["status"]) == (4, "incomplete")
    summary = done.document["metrics"]["custom:fragile"]
    assert (summary["n_scored"], summary["n_missing"], summary["mean"]) == (3, 1, 1.0)
    shown = invoke("eval", "show", done.document["run_id"], "--case", "q4", "--json").document
    rows = {row["metric"]: row for row in shown["scores"]}
    assert (rows["custom:fragile"]["score"], rows["custom:fragile"]["code"]) == (
        None,
        "metric_crash",
    )
    assert "SIGSEGV" in rows["custom:fragile"]["reason"]
    assert rows["exact_match"]["score"] == 1.0
