"""Two arms without common cases."""

import math

import pytest

from pipex_core.stats.estimates import Scale
from pipex_core.stats.unpaired import unpaired

latency = Scale(low=0, high=math.inf, direction="lower")


def test_cliffs_delta_by_hand() -> None:
    # Of 6 pairs B is larger in 4, equal in 1, smaller in 1.
    result = unpaired([1.0, 3.0], [2.0, 3.0, 4.0], scale=Scale(low=0, high=9))
    assert result.cliffs_delta == pytest.approx(3 / 6)
    assert (result.n_a, result.n_b, result.mean_a, result.mean_b) == (2, 3, 2.0, 3.0)


def test_where_lower_is_better_everything_turns() -> None:
    result = unpaired([1.0, 3.0], [2.0, 3.0, 4.0], scale=latency)
    assert result.cliffs_delta == pytest.approx(-3 / 6)
    assert result.diff == -1.0
    assert result.ci is not None
    assert result.ci.low + result.ci.high == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0, 1.0], [2.0, 2.0])]
)
def test_arms_that_do_not_vary_have_no_p(a: list[float], b: list[float]) -> None:
    result = unpaired(a, b, scale=latency)
    assert (result.ci, result.p) == (None, None)


def test_one_arm_that_varies_is_enough() -> None:
    assert unpaired([1.0, 1.0], [2.0, 3.0], scale=latency).p is not None
