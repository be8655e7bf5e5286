"""Tool calls and trajectories."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, score, value


def call(name: str, **arguments: Json) -> dict[str, Json]:
    return {"name": name, "arguments": arguments}


def of_calls(made: list[Json], wanted: list[Json], **options: Json) -> Scored:
    found = score(
        {"type": "tool_calls", **options}, "x", tools=tuple(made), expected_tools=tuple(wanted)
    )
    assert isinstance(found, Scored), found
    return found


def test_f1_of_the_calls_that_agree() -> None:
    made = [call("search", q="a", k=3), call("open", id=1), call("close")]
    wanted = [call("search", q="a"), call("open", id=2)]
    found = of_calls(made, wanted)
    assert found.value == pytest.approx(2 * 1 / (3 + 2))
    assert found.submetrics["name_f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert found.submetrics["args"] == 0.5
    assert found.submetrics["order"] == 1.0


@pytest.mark.parametrize(
    ("args", "expected"), [("subset", 1.0), ("exact", 0.0), ("ignore", 1.0), ("fuzzy", 1.0)]
)
def test_arguments_agree_as_strictly_as_asked(args: str, expected: float) -> None:
    made, wanted = [call("f", a="text", b=2)], [call("f", a="text")]
    assert of_calls(made, wanted, args=args).value == expected


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ("Paris, France", "Paris France", 1.0),
        ("Paris", "London", 0.0),
        (1.0000000001, 1, 1.0),
        (True, 1, 0.0),
        ([1], [1], 1.0),
        ("1", 1, 0.0),
    ],
)
def test_fuzzy_arguments_may_differ_a_little(given: Json, wanted: Json, expected: float) -> None:
    assert of_calls([call("f", a=given)], [call("f", a=wanted)], args="fuzzy").value == expected


def test_a_call_without_arguments_expects_only_the_name() -> None:
    assert of_calls([call("f", a=1)], [{"name": "f"}], args="exact").value == 1.0
    assert of_calls([{"name": "f"}], [call("f", a=1)]).value == 0.0


def test_each_call_is_matched_once_and_as_well_as_possible() -> None:
    # The first made call fits both expected ones, the second only the broader one.
    made = [call("f", a=1, b=1), call("f", b=1)]
    wanted = [call("f", b=1), call("f", a=1)]
    assert of_calls(made, wanted).value == 1.0
    assert of_calls([call("f")], [call("f"), call("f")]).value == pytest.approx(2 / 3)
    assert of_calls([call("f"), call("f")], [call("f")]).value == pytest.approx(2 / 3)


def test_the_order_counts_when_asked() -> None:
    made, wanted = [call("b"), call("a")], [call("a"), call("b")]
    assert of_calls(made, wanted).value == 1.0
    assert of_calls(made, wanted).submetrics["order"] == 0.0
    assert of_calls(made, wanted, ordered=True).value == 0.5


def test_further_calls_are_no_fault_when_allowed() -> None:
    made, wanted = [call("a"), call("x"), call("y")], [call("a")]
    assert of_calls(made, wanted).value == 0.5
    assert of_calls(made, wanted, allow_extra=True).value == 1.0
    assert of_calls(made, [], allow_extra=True).value == 1.0


def test_no_call_expected_and_none_made_is_right() -> None:
    assert of_calls([], []).value == 1.0
    assert of_calls([call("a")], []).value == 0.0
    assert code("tool_call_match", "x") == "missing_input"


def test_too_many_calls_are_too_large() -> None:
    many = tuple(call("a") for _ in range(200))
    assert code("tool_calls", "x", tools=many, expected_tools=many) == "too_large"


@pytest.mark.parametrize(
    ("mode", "taken", "expected"),
    [
        ("exact", "a b c", 1.0),
        ("exact", "a c b", 0.0),
        ("exact", "a b c c", 0.0),
        ("in_order", "a x b y c", 1.0),
        ("in_order", "b a c", 0.0),
        ("any_order", "c x b a", 1.0),
        ("any_order", "a b", 0.0),
        ("subset", "c a", 1.0),
        ("subset", "a a", 0.0),
        ("subset", "a x", 0.0),
    ],
)
def test_a_trajectory_is_followed_as_its_mode_says(mode: str, taken: str, expected: float) -> None:
    wanted = tuple({"name": name} for name in "abc")
    made = tuple(call(name) for name in taken.split())
    raw: Json = {"type": "trajectory", "mode": mode}
    assert value(raw, "x", tools=made, expected_tools=wanted) == expected


def test_steps_may_stand_in_the_answer_and_the_list_in_the_reference() -> None:
    raw: Json = {"type": "trajectory", "steps_from": "steps"}
    output = '{"steps": ["a", {"name": "b"}]}'
    assert value(raw, output, "a", "b") == 1.0
    wanted = {"reference_json": ["a", "b"], "has_reference_json": True}
    assert value(raw, output, '["a","b"]', **wanted) == 1.0
    assert value("trajectory", "x", "a", tools=(call("a"),)) == 1.0


def test_a_trajectory_needs_something_to_follow_and_to_look_at() -> None:
    assert code("trajectory", "x", tools=(call("a"),)) == "no_reference"
    no_list = {"reference_json": {"a": 1}, "has_reference_json": True}
    assert code("trajectory", "x", "{}", **no_list) == "no_reference"
    raw: Json = {"type": "trajectory", "steps_from": "steps"}
    assert code(raw, "{}", "a") == "missing_input"
    assert code(raw, "no json", "a") == "missing_input"
