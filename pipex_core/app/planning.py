"""What a comparison needs, from suites and runs on disk."""

from dataclasses import dataclass

from pipex_core.app.stored import load_pair, open_archive
from pipex_core.app.suites import load_suite, suite_word
from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive, Stored
from pipex_core.evals.planning import (
    PowerPlan,
    Spread,
    power_plan,
    spread_of_flags,
    spread_of_runs,
    usual_discordance,
)
from pipex_core.stats.bounds import Inference


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerQuestion:
    """What somebody wants to know before a comparison.

    Attributes:
        runs: Two earlier runs that say how much differences vary; None assumes ``discordance``.
        discordance: Share of cases that two runs are assumed to disagree on; None takes 0.2.
        repeats: Answers per case; None takes those of the runs.
    """

    suite: str | None = None
    metric: str | None = None
    margin: float | None = None
    runs: tuple[str, str] | None = None
    discordance: float | None = None
    repeats: int | None = None
    alpha: float = 0.05
    power: float = 0.8
    results: str | None = None


def plan_comparison(asked: PowerQuestion) -> PowerPlan:
    """The answer; nothing is called.

    Raises:
        ConfigError: ``nothing_asked``, neither a suite nor a margin nor runs are named;
            ``conflicting_options``; or a reason why the runs cannot tell.
    """
    if asked.suite is None and asked.margin is None and asked.runs is None:
        raise ConfigError(
            "say what shall be told: --margin, --suite, or --from RUN_A RUN_B",
            code="nothing_asked",
        )
    if asked.runs and asked.discordance is not None:
        raise ConfigError(
            "--from says how much the runs disagree; leave --discordance out",
            code="conflicting_options",
        )
    before, now = _loaded(asked)
    metric = asked.metric or _first_metric(now)
    spread = _spread(asked, before, now, metric)
    if asked.repeats is not None:
        spread = spread.with_repeats(asked.repeats)
    return power_plan(
        metric,
        spread,
        margin=asked.margin,
        n_suite=_cases(asked) or spread.n,
        cost_per_case=_price(asked, now),
        inference=Inference(alpha=asked.alpha, power=asked.power),
    )


def _loaded(asked: PowerQuestion) -> tuple[Stored | None, Stored | None]:
    if asked.runs is None:
        return None, None
    return load_pair(open_archive(asked.results), *asked.runs)


def _first_metric(now: Stored | None) -> str:
    return "pass_rate" if now is None else next(iter(now.judgement.arm.metrics))


def _spread(asked: PowerQuestion, before: Stored | None, now: Stored | None, metric: str) -> Spread:
    if before is None or now is None:
        return spread_of_flags(
            usual_discordance if asked.discordance is None else asked.discordance
        )
    return spread_of_runs(before.judgement.arm, now.judgement.arm, metric)


def _cases(asked: PowerQuestion) -> int | None:
    """Cases of the suite that count."""
    if asked.suite is None:
        return None
    suite = load_suite(suite_word(asked.suite))
    return sum(case.status != "quarantined" for case in suite.cases)


def _price(asked: PowerQuestion, now: Stored | None) -> float | None:
    """What a case costs, by the run that was named or by the newest of the suite."""
    found = now or (_newest(asked) if asked.suite else None)
    if found is None:
        return None
    price = found.judgement.summary.value("cost_per_case")
    own = found.manifest["run"]["repeats"]
    return None if price is None else price * (asked.repeats or own) / own


def _newest(asked: PowerQuestion) -> Stored | None:
    try:
        archive: Archive = open_archive(asked.results)
    except ConfigError:
        return None  # nothing was ever run
    suite = load_suite(suite_word(asked.suite or ""))
    places = archive.places(suite=suite.id)
    return archive.load(places[0]) if places else None
