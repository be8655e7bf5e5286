"""Seeded simulations: intervals hold what they promise, and gates err as rarely as they say.

S1 to S8 of the specification, by the functions of ``benchmarks.simulations``, with 2 000 trials each
(the bootstrap with 200, and with 2 000 in the benchmark). Tolerances are two Monte-Carlo standard errors.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.simulations import (
    Found,
    aa_family,
    aa_flags,
    at_the_margin,
    changes,
    coverage,
    evidence_of_flags,
    missing_cases,
    more_repeats,
    outcome_of_flags,
    power_as_said,
    true_drop,
)
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.judged import Judged
from pipex_core.stats.pvalues import mcnemar_mid_p
from tests.fakes.arms import flags

log = logging.getLogger(__name__)
Simulation = Callable[[], Iterator[Found]]
quick_coverage = partial(coverage, resampled=200)


@cache
def lines_of(simulation: Simulation) -> tuple[Found, ...]:
    return tuple(simulation())


def naive_of(simulation: Simulation, words: str) -> list[float]:
    return [
        one.naive for one in lines_of(simulation) if words in one.setting and one.naive is not None
    ]


@pytest.mark.parametrize(
    "simulation",
    [
        pytest.param(aa_family, id="S1: no family of claims FAILs too often"),
        pytest.param(aa_flags, id="S2: equal pass rates rarely FAIL"),
        pytest.param(at_the_margin, id="S3: what is worse by the margin rarely PASSes"),
        pytest.param(true_drop, id="S4: a true drop FAILs"),
        pytest.param(quick_coverage, id="S5: intervals hold the truth"),
        pytest.param(power_as_said, id="S6: effects are seen as often as was said"),
        pytest.param(missing_cases, id="S7: few missing cases change little"),
        pytest.param(more_repeats, id="S8: repeats gain what was said"),
    ],
)
def test_the_targets_of_the_specification_hold(simulation: Simulation) -> None:
    found = lines_of(simulation)
    for one in found:
        log.info("%s %s: %.4f, naive %s", one.id, one.setting, one.value, one.naive)
    assert [one for one in found if not one.holds] == []


@pytest.mark.parametrize("discordance", [0.1, 0.2])
@pytest.mark.parametrize("n", [50, 200, 1000])
def test_of_equal_pass_rates_at_most_5_of_100_fail_exactly(n: int, discordance: float) -> None:
    """All samples that can be, each with its probability by ``scipy.stats.binom``."""
    total = 0.0
    for discordant in range(n + 1):
        chance = binom.pmf(discordant, n, discordance)
        worse = next(
            (
                w
                for w in range(discordant // 2, discordant + 1)
                if mcnemar_mid_p(worse=w, better=discordant - w).worse <= 0.05
            ),
            None,
        )
        if chance > 1e-12 and worse is not None:
            total += chance * binom.sf(worse - 1, discordant, 0.5)
    assert total <= 0.05


def test_gates_that_many_use_raise_false_alarms_on_equal_runs() -> None:
    assert all(0.10 < rate < 0.30 for rate in naive_of(aa_family, "without Holm"))
    assert all(0.27 <= rate <= 0.69 for rate in naive_of(aa_family, "fell > 2 points"))


def test_a_point_estimate_passes_half_of_what_is_worse_by_the_margin() -> None:
    assert all(rate > 0.4 for rate in naive_of(at_the_margin, "flags"))
    (plain_t,) = naive_of(at_the_margin, "rare large losses, n=50")
    assert plain_t > 0.09  # why the bound is transformed for skewness


def test_an_interval_that_ignores_clusters_misses_one_truth_in_four() -> None:
    (naive,) = naive_of(quick_coverage, "cluster_t")
    assert naive < 0.80


def test_a_share_beyond_the_tolerance_of_its_trials_misses_its_target() -> None:
    low = Found(id="x", setting="", value=0.93, trials=2_000, at_least=0.95)
    high = Found(id="x", setting="", value=0.07, trials=2_000, at_most=0.05)
    assert (low.holds, high.holds) == (False, False)
    assert Found(id="x", setting="", value=0.945, trials=2_000, at_least=0.95).holds


@pytest.mark.parametrize("difference", [-0.05, 0.0, 0.05])
def test_the_simulated_decisions_are_those_of_the_whole_gate(difference: float) -> None:
    rule = Rule(id="r", metric="m", kind="noninferiority", margin=0.03)
    for worse, better in changes(200, difference, 0.2, 8, seed=21):
        base, new = flags(better, worse, 200 - worse - better)
        (found,) = judge(Gate(rules=(rule,)), Judged(arm=new), baseline=Judged(arm=base)).rules
        assert found.outcome == outcome_of_flags(worse, better, 200, margin=0.03).outcome
        evidence = evidence_of_flags(worse, better, 200)
        assert np.allclose((found.row.l1, found.row.u1, found.row.p), (evidence.l1, evidence.u1, evidence.p))  # type: ignore[arg-type]  # fmt: skip
