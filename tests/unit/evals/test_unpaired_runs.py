"""Two runs without a common case, side by side and never gated."""

from dataclasses import replace

import pytest
from scipy import stats

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm
from pipex_core.evals.compare import sentence
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.judged import Judged
from pipex_core.evals.strangers import unpaired_rows
from tests.fakes.arms import arm, cases, metric, time, unit

before = [0.2, 0.4, 0.4, 0.6, 0.8]
now = [0.5, 0.6, 0.9, 1.0]


def others(count: int) -> list[object]:
    return [replace(one, id=f"x{one.id}", case_hash=f"x{one.case_hash}") for one in cases(count)]


def runs() -> tuple[Arm, Arm]:
    return arm(before, run_id="a"), arm(now, run_id="b", of=others(4))  # type: ignore[arg-type]  # cases


def test_the_means_stand_beside_each_other_with_welch_and_cliff() -> None:
    (row,) = unpaired_rows(*runs())
    welch = stats.ttest_ind(now, before, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert (row.mean_a, row.mean_b) == (pytest.approx(0.48), pytest.approx(0.75))
    assert row.p == pytest.approx(welch.pvalue, abs=1e-9)
    assert (row.ci_low, row.ci_high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    # Of 20 pairs the new one is higher in 16, lower in 3 and equal in 1.
    assert row.effect == pytest.approx((16 - 3) / 20)
    assert (row.outcome, row.reason, row.p_adj, row.method) == (
        "cannot_tell",
        "unpaired",
        None,
        "welch",
    )
    assert (row.unpaired_a, row.unpaired_b, row.n_pairs) == (5, 4, 0)
    assert sentence(row) == (
        "m: cannot tell: no case is common; the means differ by +0.27, Cliff's delta +0.65."
    )


def test_what_cannot_stand_side_by_side_says_why() -> None:
    a, b = runs()
    other = replace(b.metrics["m"], facts=replace(unit, fingerprint="g"))
    (row,) = unpaired_rows(a, replace(b, metrics={"m": other}))
    assert (row.reason, row.diff) == ("ruler_changed", None)
    (row,) = unpaired_rows(a, arm({"t": metric([1.0], time)}))
    assert row.reason == "metric_missing"
    (row,) = unpaired_rows(a, arm([None, None]), metrics=["m"])
    assert row.reason == "no_pairs"
    with pytest.raises(ConfigError, match="has no metric 'q'"):
        unpaired_rows(a, b, metrics=["q"])
    (rate,) = unpaired_rows(a, b, metrics=["pass_rate"])
    assert (rate.mean_a, rate.mean_b) == (pytest.approx(0.4), 1.0)


def test_runs_without_a_common_case_are_never_gated() -> None:
    a, b = runs()
    rule = Rule(id="r", metric="m", kind="noninferiority", margin=0.1)
    with pytest.raises(ConfigError) as caught:
        judge(Gate(rules=(rule,)), Judged(arm=b), baseline=Judged(arm=a), allow_partial=True)
    assert caught.value.code == "not_comparable"
