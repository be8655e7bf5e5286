"""Fuel: 2 000 000 units for an evaluation, whatever it does."""

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.meter import Meter
from pipex_core.jsonvalue import Json


def test_two_million_units_are_there_and_no_more() -> None:
    meter = Meter()
    meter.spend(2_000_000)
    with pytest.raises(ExpressionError) as caught:
        meter.spend(1)
    assert caught.value.code == "expression_too_complex"


def test_a_refill_is_for_the_next_item() -> None:
    meter = Meter()
    meter.spend(2_000_000)
    meter.refill()
    meter.spend(2_000_000)


def test_texts_cost_a_unit_for_64_characters() -> None:
    meter = Meter()
    meter.spend(2_000_000 - 3)
    meter.read("x" * 64, "y" * 64)
    with pytest.raises(ExpressionError):
        meter.read("")


@pytest.mark.parametrize(
    ("value", "units"),
    [
        ([1, 2, 3], 3),
        ({"a": [1, 2], "b": {}}, 4),
        ([["x" * 640], None, ()], 3 + 1 + 11),
        ("", 1),
        (5, 0),
        (None, 0),
    ],
    ids=["list", "map", "nested", "text", "number", "null"],
)
def test_every_element_inside_a_value_costs_a_unit(value: Json, units: int) -> None:
    meter = Meter()
    meter.spend(2_000_000 - units)
    meter.touch(value)
    with pytest.raises(ExpressionError):
        meter.spend(1)


def test_a_list_shared_many_times_costs_as_often_as_it_occurs() -> None:
    doubled: Json = [1]
    for _ in range(64):
        doubled = [doubled, doubled]
    meter = Meter()
    meter.spend(1_999_000)
    with pytest.raises(ExpressionError):
        meter.touch(doubled)


def test_two_slow_searches_are_borne_and_a_refill_does_not_help() -> None:
    meter = Meter()
    meter.timed_out()
    meter.timed_out()
    meter.refill()
    with pytest.raises(ExpressionError) as caught:
        meter.timed_out()
    assert caught.value.code == "expression_too_complex"
