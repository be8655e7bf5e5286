"""What a gate judges: a run with its totals, a baseline, and what a rule's name means in them.

A rule names a metric of the run, or a number of the whole suite. Here such a name becomes the values of
one arm, the pairs of two, or one number, each with what is missing; ``gate`` decides what follows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm, MetricArm
from pipex_core.evals.gatefile import Rule, Stat
from pipex_core.evals.pairs import ArmSample
from pipex_core.evals.passing import pass_flags, passed_of
from pipex_core.registry import nearest
from pipex_core.stats.estimates import percentile
from pipex_core.stats.units import mean

Direction = Literal["higher", "lower"]

# Numbers of the whole suite that are no metric of its cases, and which way they are better.
totals: Final[Mapping[str, Direction]] = MappingProxyType(
    {
        "cost_total": "lower",
        "cost_per_case": "lower",
        "latency_p95": "lower",
        "missing_rate": "lower",
        "failure_rate": "lower",
        "refusal_rate": "lower",
        "truncation_rate": "lower",
    }
)
_suffixes: Final[Mapping[str, Stat]] = MappingProxyType(
    {
        "_mean": "mean",
        "_pass_rate": "pass_rate",
        "_median": "median",
        "_p5": "p5",
        "_p25": "p25",
        "_p50": "median",
        "_p75": "p75",
        "_p90": "p90",
        "_p95": "p95",
        "_p99": "p99",
    }
)
_shares: Final[Mapping[str, float]] = MappingProxyType(
    {"median": 0.5, "p5": 0.05, "p25": 0.25, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run as a gate sees it.

    Attributes:
        arm: Its values by case.
        totals: Numbers under the names of ``totals`` except ``missing_rate``, which follows from the
            arm; None for what could not be computed. Costs in USD, latencies in milliseconds.
        finished: Every row is final or was given up in a regular way.
        uncertified: Metrics that a judge without valid certificate scored.
        unverified: Number of cases left out because nobody accepted their references.
    """

    arm: Arm
    totals: Mapping[str, float | None] = field(default_factory=dict)
    finished: bool = True
    uncertified: frozenset[str] = frozenset()
    unverified: int = 0

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.arm.run_id

    @property
    def names(self) -> Iterable[str]:
        """The metrics of the run."""
        return self.arm.metrics

    @property
    def missing_share(self) -> float:
        """Largest share of rows without an answer or a metric's score; 0 for a run without rows."""
        return self.arm.missing_share


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryBaseline:
    """A baseline of which only the means are known.

    Attributes:
        means: By metric, in the unit of the metric.
    """

    means: Mapping[str, float]
    run_id: str = "embedded"

    @property
    def names(self) -> Iterable[str]:
        """The metrics whose mean is known."""
        return self.means


Baseline = Judged | SummaryBaseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What a rule's ``metric`` means.

    Attributes:
        name: A metric of the run, ``pass_rate``, or a key of ``totals``.
        stat: Which number of the metric's values; ``mean`` of a total.
        total: A number of the whole suite without values by case.
    """

    name: str
    stat: Stat
    total: bool = False


def quantity_of(rule: Rule, run: Judged, baseline: Baseline | None = None) -> Quantity:
    """What the rule is about.

    Args:
        rule: Any rule.
        run: The run that is judged.
        baseline: A metric that only the baseline has is known too: it is missing now.

    Raises:
        ConfigError: ``unknown_metric``, or ``metric_not_gated`` for one without a direction.
    """
    name = rule.metric
    metrics = run.arm.metrics
    found = _named(rule, metrics) or _named(rule, () if baseline is None else baseline.names)
    if found is None:
        known = [*metrics, "pass_rate", *totals]
        near = nearest(name, [*known, *(f"{one}_mean" for one in metrics)])
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"rule {rule.id!r}: the run has no metric {name!r}{hint}"
        raise ConfigError(message, code="unknown_metric", next_step=f"known: {', '.join(known)}")
    arm = metrics.get(found.name)
    if arm is not None and arm.facts.scale.direction == "none":
        message = f"rule {rule.id!r}: {found.name!r} is shown only, it has no better or worse"
        raise ConfigError(message, code="metric_not_gated")
    return found


def _named(rule: Rule, metrics: Iterable[str]) -> Quantity | None:
    name, known = rule.metric, frozenset(metrics)
    if name in known:
        return Quantity(name=name, stat=rule.stat)
    if name == "pass_rate":
        return Quantity(name=name, stat="mean")
    if name in totals and not (name == "latency_p95" and "latency" in known):
        return Quantity(name=name, stat="mean", total=True)
    for suffix, stat in _suffixes.items():
        if name.endswith(suffix) and name.removesuffix(suffix) in known:
            return Quantity(name=name.removesuffix(suffix), stat=stat)
    return None


def values_of(quantity: Quantity, run: Judged) -> MetricArm | None:
    """The values by case behind a quantity; None when the run lacks the metric."""
    if quantity.name == "pass_rate" and "pass_rate" not in run.arm.metrics:
        return pass_flags(run.arm)
    metric = run.arm.metrics.get(quantity.name)
    if metric is not None and quantity.stat == "pass_rate":
        return passed_of(metric)
    return metric


def total_of(quantity: Quantity, run: Judged) -> float | None:
    """A number of the whole suite; None when it could not be computed."""
    if quantity.name == "missing_rate":
        return run.missing_share
    return run.totals.get(quantity.name)


def statistic(sample: ArmSample, stat: Stat) -> float | None:
    """The number that ``stat`` names, of the values that are there; None when there are none."""
    known = sample.complete()
    if not known.values.size:
        return None
    weights = [case.weight for case in known.cases]
    if stat in _shares:
        return percentile(known.values, share=_shares[stat], weights=weights)
    return mean(known.values, weights=weights)
