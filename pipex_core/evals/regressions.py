"""Which metrics fell by more than is accepted, in percent of the baseline, and is it more than chance?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipex_core.evals.arms import Arm, MetricArm
from pipex_core.evals.pairs import comparable, sample
from pipex_core.stats.bounds import Inference
from pipex_core.stats.paired import Paired
from pipex_core.stats.pvalues import holm
from pipex_core.stats.units import mean

as_usual = Inference()


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A metric that fell by more than is accepted, or that is gone.

    Attributes:
        percent_change: Of the baseline's mean, negative is worse whatever the direction; None when
            the metric is gone or the baseline's mean is 0.
        significant: Whether chance is ruled out; None when that cannot be tested.
        verdict: FAIL when the fall is shown or the metric is gone, else INCONCLUSIVE.
    """

    metric: str
    current_mean: float | None
    baseline_mean: float | None
    percent_change: float | None
    significant: bool | None
    p_adj: float | None
    verdict: Literal["FAIL", "INCONCLUSIVE"]


def regressions(
    a: Arm, b: Arm, *, drop_percent: float = 5.0, inference: Inference = as_usual
) -> list[Regression]:
    """Metrics whose mean fell by more than ``drop_percent`` of the baseline's, the surest first.

    One-sided p values are adjusted by Holm over all metrics compared.

    Raises:
        ConfigError: ``not_comparable``.
    """
    matched = comparable(a, b)
    gone = [
        Regression(
            metric=name,
            current_mean=None,
            baseline_mean=_mean_of(arm),
            percent_change=None,
            significant=None,
            p_adj=None,
            verdict="FAIL",
        )
        for name, arm in a.metrics.items()
        if name not in b.metrics
    ]
    tested = {}
    for name, in_b in b.metrics.items():
        in_a = a.metrics.get(name)
        if in_a is None or in_b.facts.scale.direction == "none":
            continue
        if in_a.facts.fingerprint == in_b.facts.fingerprint:
            pairs = sample(matched, in_a, in_b, cases=b.cases).complete()
            if pairs.a.size:
                tested[name] = pairs.tested(inference)
    worse = {n: t.finding.p_worse for n, t in tested.items() if t.finding.p_worse is not None}
    p_adj = dict(zip(worse, holm(list(worse.values())), strict=True)) if worse else {}
    fallen = [
        _regression(name, result, p_adj.get(name), alpha=inference.alpha)
        for name, result in tested.items()
        if percent_change(result) < -drop_percent
    ]
    return gone + sorted(fallen, key=lambda one: (one.verdict, one.percent_change or 0, one.metric))


def regressions_of_means(
    baseline: Mapping[str, float],
    current: Mapping[str, float | None],
    *,
    directions: Mapping[str, str],
    drop_percent: float = 5.0,
) -> list[Regression]:
    """Metrics that fell against means without rows: a fall is seen, but chance cannot be ruled out.

    Args:
        baseline: Mean by metric.
        current: Mean by metric; None when it could not be computed, which counts as gone.
        directions: ``higher``, ``lower`` or ``none`` by metric of the current run; higher when absent.
        drop_percent: As in ``regressions``.
    """
    found = []
    for name, before in baseline.items():
        after = current.get(name)
        direction = directions.get(name, "higher")
        if direction == "none":
            continue
        gain = math.nan if after is None else (after - before) * (-1 if direction == "lower" else 1)
        change = _percent(gain, before)
        if after is not None and change >= -drop_percent:
            continue
        found.append(
            Regression(
                metric=name,
                current_mean=after,
                baseline_mean=before,
                percent_change=change if math.isfinite(change) else None,
                significant=None,
                p_adj=None,
                verdict="FAIL" if after is None else "INCONCLUSIVE",
            )
        )
    return sorted(found, key=lambda one: (one.verdict, one.percent_change or 0, one.metric))


def percent_change(result: Paired) -> float:
    """Change of the mean in percent of the baseline's size, negative is worse.

    Infinite when a baseline mean of 0 changed.
    """
    return _percent(result.diff, result.mean_a)


def _percent(gain: float, base: float) -> float:
    if not gain:
        return 0.0
    return 100 * gain / abs(base) if base else math.copysign(math.inf, gain)


def _regression(name: str, result: Paired, p_adj: float | None, *, alpha: float) -> Regression:
    change = percent_change(result)
    known = math.isfinite(change)
    significant = None if p_adj is None else p_adj <= alpha
    return Regression(
        metric=name,
        current_mean=result.mean_b,
        baseline_mean=result.mean_a,
        percent_change=change if known else None,
        significant=significant,
        p_adj=p_adj,
        verdict="FAIL" if significant and known else "INCONCLUSIVE",
    )


def _mean_of(arm: MetricArm) -> float | None:
    known = arm.values[~np.isnan(arm.values)]
    return mean(known) if known.size else None
