"""What a comparison needs: against statsmodels, hand calculation, and runs whose spread is known."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestPower

from pipex_core.errors import ConfigError
from pipex_core.evals.planning import (
    Spread,
    power_plan,
    spread_of_flags,
    spread_of_runs,
)
from pipex_core.stats.bounds import Inference
from tests.fakes.arms import arm, cases, flags


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9)])
def test_cases_needed_agree_with_statsmodels(alpha: float, power: float) -> None:
    plan = power_plan(
        "m", Spread(sd=0.3, source="runs"), margin=0.03, inference=Inference(alpha=alpha, power=power)
    )  # fmt: skip
    paired = TTestPower().solve_power(
        effect_size=0.1, alpha=alpha, power=power, alternative="larger"
    )
    normal = NormalIndPower(ddof=0).solve_power(
        effect_size=0.1, alpha=alpha, power=power, ratio=0, alternative="larger"
    )
    assert plan.n_needed == pytest.approx(paired, rel=0.01)
    assert plan.n_needed == pytest.approx(normal, rel=0.01)


def test_a_suite_finds_what_its_size_allows() -> None:
    # (1.644854 + .841621)·√.2/√400.
    plan = power_plan("pass_rate", spread_of_flags(), margin=0.03, n_suite=400, cost_per_case=0.02)
    assert plan.mde == pytest.approx(2.486475 * math.sqrt(0.2 / 400), abs=1e-6)
    assert plan.n_needed == 1374
    assert plan.cost_usd == pytest.approx(27.48)
    assert plan.repeats_needed is None
    assert plan.document()["sd_source"] == "discordance"
    bare = power_plan("pass_rate", spread_of_flags(0.1))
    assert (bare.mde, bare.n_needed, bare.cost_usd) == (None, None, None)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5])
def test_a_discordance_is_a_share(rate: float) -> None:
    with pytest.raises(ConfigError) as caught:
        spread_of_flags(rate)
    assert caught.value.code == "bad_discordance"


def test_two_runs_say_how_much_differences_vary() -> None:
    a, b = flags(30, 20, 150)
    found = spread_of_runs(a, b, "m")
    p1, p2 = 21 / 202, 31 / 202
    assert found.sd == pytest.approx(math.sqrt(200 * (p1 + p2 - (p2 - p1) ** 2) / 202))
    assert (found.n, found.units, found.design_effect, found.between) == (200, None, 1.0, None)


def repeated(values: Any, variance: float) -> Any:
    made = arm(values)
    metric = replace(made.metrics["m"], within_variance=variance, repeats=2.0)
    return replace(made, metrics={"m": metric})


def test_repeats_shrink_the_part_of_the_spread_that_they_make() -> None:
    rng = np.random.default_rng(3)
    a = rng.uniform(0.4, 0.6, 200)
    b = np.clip(a + rng.normal(0, 0.1, 200), 0, 1)
    spread = spread_of_runs(repeated(a.tolist(), 0.004), repeated(b.tolist(), 0.006), "m")
    total = float(np.var(b - a, ddof=1))
    assert spread.between == pytest.approx(total - 0.01 / 2)
    four = spread.with_repeats(4)
    assert four.sd == pytest.approx(math.sqrt(total - 0.01 / 2 + 0.01 / 4))
    assert four.repeats == 4
    assert four.with_repeats(2).sd == pytest.approx(spread.sd)
    plan = power_plan("m", spread, margin=0.0155, n_suite=200)
    room = 200 * (0.0155 / 2.486475) ** 2 - (total - 0.01 / 2)
    assert room > 0
    assert plan.repeats_needed == max(1, math.ceil(0.01 / room))


def test_the_spread_within_cases_of_single_answers_is_unknown() -> None:
    with pytest.raises(ConfigError) as caught:
        spread_of_flags().with_repeats(3)
    assert caught.value.code == "repeats_unknown"


def test_clusters_inflate_what_is_needed() -> None:
    rng = np.random.default_rng(4)
    shift = np.repeat(rng.normal(0, 0.1, 20), 5)
    of = cases(100, cluster=[f"k{i // 5}" for i in range(100)])
    a = [0.5] * 100
    b = np.clip(0.5 + shift + rng.normal(0, 0.02, 100), 0, 1).tolist()
    found = spread_of_runs(arm(a, of=of), arm(b, of=of), "m")
    assert (found.n, found.units) == (100, 20)
    # Nearly all variance lies between the clusters of 5: a design effect near 1 + 4·1.
    assert found.design_effect == pytest.approx(5, abs=0.5)
    few = power_plan("m", found, n_suite=10)
    normal = 2.486475 * found.sd / math.sqrt(10)
    assert few.mde is not None
    assert few.mde > 1.5 * normal  # t with 1 degree of freedom


def test_runs_that_cannot_tell_say_so() -> None:
    a = arm([0.5] * 30)
    with pytest.raises(ConfigError) as caught:
        spread_of_runs(a, arm([0.5] * 30), "m")
    assert caught.value.code == "spread_unknown"
    with pytest.raises(ConfigError) as caught:
        spread_of_runs(a, arm([None] * 30), "m")
    assert caught.value.code == "spread_unknown"
    facts = replace(a.metrics["m"].facts, fingerprint="other")
    other = replace(a, metrics={"m": replace(a.metrics["m"], facts=facts)})
    with pytest.raises(ConfigError) as caught:
        spread_of_runs(a, other, "m")
    assert caught.value.code == "ruler_changed"
