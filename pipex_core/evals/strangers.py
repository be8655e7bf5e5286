"""Two runs without common cases, side by side: information for people, never a reason for a verdict."""

from collections.abc import Sequence
from dataclasses import replace

from pipex_core.evals.arms import Arm
from pipex_core.evals.compare import Comparison
from pipex_core.evals.pairs import arm_sample, metric_of
from pipex_core.stats.unpaired import unpaired


def unpaired_rows(
    a: Arm, b: Arm, *, metrics: Sequence[str] | None = None, level: float = 0.95
) -> list[Comparison]:
    """The difference of the means with Welch's interval and p, and Cliff's delta as the effect.

    The cases may differ in every way, so the outcome is always ``cannot_tell``, with the reason
    ``unpaired``, and no p value is adjusted.

    Args:
        a: The baseline.
        b: The challenger.
        metrics: Names of metrics, or ``pass_rate``; None for every metric of arm B with a direction.
        level: Of the interval.

    Raises:
        ConfigError: ``unknown_metric``.
    """
    names = metrics
    if names is None:
        names = [n for n, one in b.metrics.items() if one.facts.scale.direction != "none"]
    return [_row(a, b, name, level=level) for name in names]


def _row(a: Arm, b: Arm, name: str, *, level: float) -> Comparison:
    in_b = metric_of(b, name)
    row = Comparison(
        baseline_run_id=a.run_id,
        metric=name,
        stat="pass_rate" if name == "pass_rate" else "mean",
        outcome="cannot_tell",
        fingerprint=in_b.facts.fingerprint,
        level=level,
        reason="unpaired",
        unpaired_a=len(a.cases),
        unpaired_b=len(b.cases),
    )
    if name != "pass_rate" and name not in a.metrics:
        return replace(row, reason="metric_missing")
    in_a = metric_of(a, name)
    if in_a.facts.fingerprint != in_b.facts.fingerprint:
        return replace(row, reason="ruler_changed")
    first, second = (
        arm_sample(one, cases=arm.cases).complete() for one, arm in ((in_a, a), (in_b, b))
    )
    if not (first.values.size and second.values.size):
        return replace(row, reason="no_pairs")
    found = unpaired(first.values, second.values, scale=in_b.facts.scale, level=level)
    return replace(
        row,
        mean_a=found.mean_a,
        mean_b=found.mean_b,
        diff=found.diff,
        ci_low=found.ci.low if found.ci else None,
        ci_high=found.ci.high if found.ci else None,
        method="welch",
        p=found.p,
        effect=found.cliffs_delta,
        effect_kind="cliffs_delta",
    )
