"""Which of several equal names is meant: section 5.3, nearest first."""

from pipex_core.expressions.records import StepEntry, Steps
from pipex_core.expressions.scope import ItemNames, Scope
from pipex_core.expressions.values import undefined
from pipex_core.jsonvalue import Json

layers: list[tuple[str, Json]] = [
    ("local", {"x": "local"}),
    ("variables", {"x": "variable"}),
    ("inputs", {"x": "input"}),
    ("steps", {"x": "step", "t": "result"}),
    ("global_vars", {"x": "global"}),
]


def test_the_nearest_name_is_meant() -> None:
    for start, (_, names) in enumerate(layers):
        found = Scope(**dict(layers[start:])).find("x")
        assert (found.value() if isinstance(found, StepEntry) else found) == names["x"]
    assert Scope().find("x") is undefined


def test_an_output_alias_comes_after_the_steps_and_before_the_globals() -> None:
    scope = Scope(steps={"t": "result"}, aliases={"x": "t"}, global_vars={"x": "global"})
    assert scope.find("x") == "result"
    assert scope.previous("x") == "result"
    assert scope.previous("t") == StepEntry(entry="result", result_name="x")
    assert Scope().previous("t") is undefined


def test_the_start_of_the_run_answers_as_built_in_names() -> None:
    scope = Scope(run={"id": "r1", "timestamp": "20250131T235959Z", "date": "2025-01-31"})
    names = ("timestamp", "date", "run_id", "execution_id", "id")
    found = [scope.find(name) for name in names]
    assert found == ["20250131T235959Z", "2025-01-31", "r1", "r1", undefined]


def test_roots_answer_under_all_their_names() -> None:
    scope = Scope(variables={"a": 1}, loop={"index": 0}, step={"name": "s"}, steps={"s": 1})
    assert scope.root("vars") == scope.root("state") == scope.root("variables") == {"a": 1}
    assert scope.root("steps") == Steps(entries={"s": 1}, aliases={})
    assert scope.find("loop") == scope.root("loop") == {"index": 0}
    assert scope.find("step") == {"name": "s"}
    assert scope.root("inputs") is undefined
    assert scope.root("a") is undefined


def test_a_plain_map_has_roots_and_local_names() -> None:
    scope = Scope.of({"vars": {"a": 1}, "item": 5, "steps": None, "state": "CA"})
    assert scope == Scope(variables={"a": 1}, local={"item": 5, "state": "CA"})
    assert Scope.of(scope) is scope


def test_local_names_win_over_the_local_names_before() -> None:
    scope = Scope(local={"a": 1, "b": 2}).with_local({"a": 3})
    assert (scope.find("a"), scope.find("b")) == (3, 2)


def test_every_name_is_listed_for_messages() -> None:
    scope = Scope.of({"vars": {"a": 1}, "steps": {"s": 1}, "item": 5})
    assert list(scope.names()) == ["item", "a", "s", "vars", "steps"]


def test_the_fields_of_an_item_come_before_item_and_value() -> None:
    names = ItemNames(item={"x": 1, "item": "field"}, value="chosen")
    assert [names.find(name) for name in ("x", "item", "value")] == [1, "field", "chosen"]
    assert [ItemNames(item=7).find(name) for name in ("item", "value", "x")] == [
        7,
        undefined,
        undefined,
    ]
