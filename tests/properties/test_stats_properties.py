"""What must hold for every sample."""

import math
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import assume, given, strategies as st
from hypothesis.extra import numpy as hnp

from pipex_core.stats.bounds import Inference, bonett_price, t_hall
from pipex_core.stats.estimates import Scale, percentile, summarise, wilson
from pipex_core.stats.paired import paired
from pipex_core.stats.pvalues import benjamini_hochberg, fisher_exact, holm, mcnemar_mid_p
from pipex_core.stats.resampling import sign_flip
from pipex_core.stats.units import Floats, mean, units_of

shares = st.floats(0, 1, allow_subnormal=False)
p_values = st.lists(shares, max_size=20)
samples = hnp.arrays(np.float64, st.integers(1, 30), elements=shares)
counts = st.integers(0, 60)


@given(samples, st.randoms(use_true_random=False))
def test_a_mean_is_the_same_in_any_order(values: Floats, random: Random) -> None:
    mixed = values.tolist()
    random.shuffle(mixed)
    assert mean(mixed) == mean(values)


@given(samples)
def test_a_summary_is_ordered_and_in_range(values: Floats) -> None:
    found = summarise(values, scale=Scale())
    quantiles = [
        found.min,
        found.p5,
        found.p25,
        found.median,
        found.p75,
        found.p90,
        found.p95,
        found.p99,
        found.max,
    ]
    # Interpolation between two equal doubles may be off by the last bit.
    assert all(a <= b + 1e-15 for a, b in pairwise(quantiles))
    if found.interval:
        slack = 1e-12
        assert 0 <= found.interval.low <= found.mean + slack
        assert found.mean - slack <= found.interval.high <= 1


@given(samples, shares, st.integers(1, 5))
def test_equal_weights_change_no_percentile(values: Floats, share: float, weight: int) -> None:
    plain = percentile(values, share=share)
    assert percentile(values, share=share, weights=[weight] * values.size) == plain


@given(counts, st.integers(1, 60), st.floats(0.5, 0.999))
def test_wilson_holds_the_rate_and_mirrors(passed: int, more: int, level: float) -> None:
    total = passed + more
    there = wilson(passed=passed, total=total, level=level)
    back = wilson(passed=more, total=total, level=level)
    assert 0 <= there.low <= passed / total <= there.high <= 1
    assert math.isclose(there.low, 1 - back.high, abs_tol=1e-12)


@given(counts, counts, st.integers(0, 60))
def test_bonett_price_mirrors_and_agrees_with_its_p(worse: int, better: int, ties: int) -> None:
    n = worse + better + ties
    low, high = bonett_price(worse=worse, better=better, n=n).ends(0.05)
    assert bonett_price(worse=better, better=worse, n=n).ends(0.05) == (-high, -low)
    tails = mcnemar_mid_p(worse=worse, better=better)
    assert 0 < tails.worse <= 1
    if worse + better:
        assert math.isclose(tails.worse + tails.better, 1, rel_tol=1e-9)


@given(samples, st.floats(0.001, 0.4), st.floats(0.001, 0.4))
def test_a_smaller_tail_never_narrows_a_bound(values: Floats, one: float, two: float) -> None:
    units = units_of(values)
    assume(units.count > 1 and not units.constant)
    evidence = t_hall(units)
    wide, narrow = evidence.ends(min(one, two)), evidence.ends(max(one, two))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@given(samples, st.floats(0.001, 0.4))
def test_a_bound_excludes_0_exactly_when_its_p_is_small(values: Floats, tail: float) -> None:
    units = units_of(values - 0.4)
    assume(units.count > 1 and not units.constant)
    evidence = t_hall(units)
    low, high = evidence.ends(tail)
    # On the edge itself rounding decides, and the two may take it differently.
    assume(min(abs(low), abs(high)) > 1e-9)
    assert (low > 0) == (evidence.tails.better < tail)
    assert (high < 0) == (evidence.tails.worse < tail)


@given(
    rows=st.lists(st.tuples(shares, shares, st.integers(0, 3)), min_size=1, max_size=12),
    clustered=st.booleans(),
    flags=st.booleans(),
)
def test_a_comparison_mirrors_when_the_arms_change_places(
    *, rows: list[tuple[float, float, int]], clustered: bool, flags: bool
) -> None:
    a, b, labels = (list(column) for column in zip(*rows, strict=True))
    if flags:
        a, b = [round(one) * 1.0 for one in a], [round(one) * 1.0 for one in b]
    clusters = labels if clustered else None
    inference = Inference(seed=1)
    there = paired(a, b, scale=Scale(), clusters=clusters, inference=inference)
    back = paired(b, a, scale=Scale(), clusters=clusters, inference=inference)
    assert (there.wins, there.ties, there.losses) == (back.losses, back.ties, back.wins)
    assert there.wins + there.ties + there.losses == there.n_pairs
    assert math.isclose(there.diff, -back.diff, abs_tol=1e-15)
    assert there.finding.method == back.finding.method
    if there.finding.l1 is not None and back.finding.u1 is not None:
        assert math.isclose(there.finding.l1, -back.finding.u1, abs_tol=1e-9)
        assert -1 <= there.finding.l1 <= there.diff + 1e-12


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=10))
def test_flipping_all_signs_swaps_the_tails(sums: list[float]) -> None:
    there, back = sign_flip(sums, seed=0), sign_flip([-one for one in sums], seed=0)
    assert (there.worse, there.better) == (back.better, back.worse)
    assert there.worse + there.better >= 1  # the pattern seen lies in both tails


@given(p_values, st.randoms(use_true_random=False))
def test_adjustment_keeps_order_and_does_not_depend_on_it(ps: list[float], random: Random) -> None:
    places = list(range(len(ps)))
    random.shuffle(places)
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(ps)
        assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
        assert sorted(adjusted) == [q for _, q in sorted(zip(ps, adjusted, strict=True))]
        assert adjust([ps[place] for place in places]) == [adjusted[place] for place in places]


@given(p_values)
def test_false_discovery_is_milder_than_any_false_claim(ps: list[float]) -> None:
    pairs = zip(benjamini_hochberg(ps), holm(ps), strict=True)
    assert all(mild <= strict + 1e-12 for mild, strict in pairs)


@given(counts, counts, counts, counts)
def test_fisher_does_not_care_for_the_names_of_the_arms(a: int, b: int, c: int, d: int) -> None:
    there = fisher_exact(hits_a=a, total_a=a + b, hits_b=c, total_b=c + d)
    back = fisher_exact(hits_a=c, total_a=c + d, hits_b=a, total_b=a + b)
    assert 0 < there <= 1
    assert math.isclose(there, back, rel_tol=1e-7)
