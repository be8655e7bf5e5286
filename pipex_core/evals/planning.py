"""How many cases or answers a comparison needs, and what the present suite can see, before it is paid for."""

import math
from dataclasses import dataclass

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm
from pipex_core.evals.pairs import comparable, metric_of, sample
from pipex_core.jsonvalue import Json
from pipex_core.stats.bounds import Inference
from pipex_core.stats.power import (
    mde,
    n_needed,
    repeats_needed,
    sd_of_discordance,
    sd_with_repeats,
)

usual_discordance = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much the differences of two runs vary from case to case.

    Attributes:
        sd: Per case, clusters and weights included.
        source: ``runs`` or ``discordance``.
        n: Cases compared; None when nothing was.
        units: Clusters; None without.
        design_effect: Factor by which clusters inflate the variance; 1 without.
        within_a: Variance between answers to one case in arm A; None when cases were asked once.
        within_b: The same in arm B.
        repeats: Answers per case behind ``sd``.
    """

    sd: float
    source: str
    n: int | None = None
    units: int | None = None
    design_effect: float = 1.0
    within_a: float | None = None
    within_b: float | None = None
    repeats: float = 1.0

    @property
    def between(self) -> float | None:
        """Variance of the true differences between cases; None when answers were not repeated."""
        if self.within_a is None or self.within_b is None:
            return None
        return max(0.0, self.sd**2 - (self.within_a + self.within_b) / self.repeats)

    def with_repeats(self, repeats: int) -> "Spread":
        """The same with another number of answers per case.

        Raises:
            ConfigError: ``repeats_unknown``, the runs asked every case once.
        """
        if self.between is None or self.within_a is None or self.within_b is None:
            raise ConfigError(
                "how much answers to one case vary is not known",
                code="repeats_unknown",
                next_step="name two runs with repeats: --from RUN_A RUN_B",
            )
        sd = sd_with_repeats(
            between=self.between, within_a=self.within_a, within_b=self.within_b, repeats=repeats
        )
        return Spread(
            sd=sd,
            source=self.source,
            n=self.n,
            units=self.units,
            design_effect=self.design_effect,
            within_a=self.within_a,
            within_b=self.within_b,
            repeats=repeats,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan:
    """What a comparison needs.

    Attributes:
        margin: Difference that shall be told from nothing, in the unit of the metric; None when only
            the present suite was asked about.
        n_suite: Cases of the suite; None without a suite.
        mde: Smallest true difference that the suite would find.
        n_needed: Cases that would tell ``margin``.
        repeats_needed: Answers per case with which the suite would tell it; None when that is not
            known, or when no number would.
        cost_usd: Of ``n_needed`` cases, of one run; None when no run of the suite says what one costs.
    """

    metric: str
    margin: float | None
    alpha: float
    power: float
    spread: Spread
    n_suite: int | None
    mde: float | None
    n_needed: int | None
    repeats_needed: int | None
    cost_per_case: float | None
    cost_usd: float | None

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "metric": self.metric,
            "margin": self.margin,
            "alpha": self.alpha,
            "power": self.power,
            "sd": self.spread.sd,
            "sd_source": self.spread.source,
            "n_pairs": self.spread.n,
            "design_effect": self.spread.design_effect,
            "repeats": self.spread.repeats,
            "n_suite": self.n_suite,
            "mde": self.mde,
            "n_needed": self.n_needed,
            "repeats_needed": self.repeats_needed,
            "cost_per_case": self.cost_per_case,
            "cost_usd": self.cost_usd,
        }


def spread_of_flags(discordance: float = usual_discordance) -> Spread:
    """Of pass flags of which two runs are assumed to disagree at this rate.

    Raises:
        ConfigError: ``bad_discordance``, the rate is not in (0, 1].
    """
    if not 0 < discordance <= 1:
        raise ConfigError(
            f"a discordance lies above 0 and up to 1, got {discordance}", code="bad_discordance"
        )
    return Spread(sd=sd_of_discordance(discordance), source="discordance")


def spread_of_runs(a: Arm, b: Arm, metric: str) -> Spread:
    """Of two runs that were made.

    Raises:
        ConfigError: ``not_comparable``, ``unknown_metric``, ``ruler_changed``, or ``spread_unknown``
            when the differences do not vary.
    """
    matched = comparable(a, b)
    in_a, in_b = metric_of(a, metric), metric_of(b, metric)
    pairs = sample(matched, in_a, in_b, cases=b.cases)
    if in_a.facts.fingerprint != in_b.facts.fingerprint or not pairs.is_of_one_ruler:
        raise ConfigError(f"{metric} was measured in two ways", code="ruler_changed")
    complete = pairs.complete()
    result = complete.tested(Inference()) if complete.a.size else None
    if result is None or not result.sd_per_case:
        raise ConfigError(
            f"the runs do not say how much differences in {metric} vary",
            code="spread_unknown",
            next_step="take other runs, or assume a --discordance",
        )
    clusters = any(case.cluster is not None for case in complete.cases)
    knows = in_a.repeats is not None and in_b.repeats is not None
    return Spread(
        sd=result.sd_per_case,
        source="runs",
        n=result.n_pairs,
        units=result.units if clusters else None,
        design_effect=(result.sd_per_case / result.sd) ** 2 if clusters and result.sd else 1.0,
        within_a=in_a.within_variance if knows else None,
        within_b=in_b.within_variance if knows else None,
        repeats=((in_a.repeats or 1.0) + (in_b.repeats or 1.0)) / 2,
    )


def power_plan(
    metric: str,
    spread: Spread,
    *,
    margin: float | None = None,
    n_suite: int | None = None,
    cost_per_case: float | None = None,
    inference: Inference | None = None,
) -> PowerPlan:
    """What a comparison of two runs needs.

    Args:
        metric: For whoever reads it.
        spread: Of the differences.
        margin: Positive; None asks about the present suite only.
        n_suite: Cases of the suite.
        cost_per_case: In USD, of one run.
        inference: Error and power wanted.
    """
    sure = inference or Inference()
    how = {"alpha": sure.alpha, "power": sure.power}
    units = None
    if spread.units is not None and spread.n and n_suite:
        units = max(2, round(spread.units * n_suite / spread.n))  # as many cases per cluster
    needed = None if margin is None else n_needed(margin=margin, sd=spread.sd, **how)
    repeats = None
    if margin is not None and n_suite and spread.between is not None:
        repeats = repeats_needed(
            margin=margin,
            n=n_suite,
            between=spread.between,
            within=(spread.within_a or 0.0) + (spread.within_b or 0.0),
            **how,
        )
    return PowerPlan(
        metric=metric,
        margin=margin,
        alpha=sure.alpha,
        power=sure.power,
        spread=spread,
        n_suite=n_suite,
        mde=mde(se=spread.sd / math.sqrt(n_suite), units=units, **how) if n_suite else None,
        n_needed=needed,
        repeats_needed=repeats,
        cost_per_case=cost_per_case,
        cost_usd=None if needed is None or cost_per_case is None else needed * cost_per_case,
    )
