"""What expressions and conditions are worth, in a scope and a mode."""

import copy
from types import MappingProxyType

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.evaluate import Evaluation, Mode, evaluate
from pipex_core.expressions.meter import Meter
from pipex_core.expressions.reading import checked
from pipex_core.expressions.scope import Scope
from pipex_core.jsonvalue import Json

record = {
    "name": "draft",
    "type": "claude",
    "status": "succeeded",
    "success": True,
    "skipped": False,
    "text": "reply",
    "data": {"score": 4, "tags": ["a"]},
}
names: dict[str, Json] = {
    "steps": {
        "draft": record,
        "odd-name": {**record, "data": None},
        "gone": {**record, "status": "skipped", "skipped": True, "text": None, "data": None},
        "plain": {"x": 1},
    },
    "vars": {"n": 4, "s": "text", "flag": True, "state": "CA", "rows": [{"k": 1}, {"k": 2}]},
    "inputs": {"lim": 2},
    "global_vars": {"g": 1.5},
    "loop": {"index": 1, "parent": {"index": 0}},
    "run": {"id": "r1"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("draft", {"score": 4, "tags": ["a"]}),
        ("draft.score + n", 8),
        ("draft == draft.data", True),
        ("steps['odd-name']", "reply"),
        ("steps['odd-name'] == 'reply'", True),
        ("draft.tags[0]", "a"),
        ("draft['tags'].0", "a"),
        ("previous_response:draft.score", 4),
        ("previous_response:draft:tags.length", 1),
        ("plain.result.x", 1),
        ("gone.score", None),
        ("gone exists", False),
        ("gone.skipped", True),
        ("state", "CA"),
        ("state.n", 4),
        ("variables.n == vars.n", True),
        ("loop.parent.index", 0),
        ("run_id", "r1"),
        ("execution_id == run.id", True),
        ("'draft' in steps", True),
        ("length(steps)", 4),
        ("rows[n - 3].k", 2),
        ("rows[-1]['k']", 2),
        ("[n, s]", [4, "text"]),
        ("-n", -4),
        ("n between lim and 4", True),
        ("s starts_with 'te' and s ends_with 'xt'", True),
        ("s matches '^T'", False),
        ("s not in ['text']", False),
        ("n != 4", False),
        ("rows contains rows[0]", True),
        ("'x' contains 'y'", False),
        ("missing exists or missing empty", True),
        ("n not empty and s not exists", False),
        ("flag ? missing_not_read : n", None),
        ("flag ? 1 : missing", 1),
        ("false and missing.x", False),
        ("true or missing.x", True),
        ("missing | default(n)", 4),
        ("default(flag ? missing : 1, 'd')", "d"),
        ("count(rows, 'k >= inputs.lim')", 1),
    ],
)
def test_an_expression_has_its_value(text: str, expected: Json) -> None:
    assert evaluate(text, names) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rowz", "rowz is undefined: there is no 'rowz'; near names: rows"),
        ("inputs.lin", "inputs.lin is undefined: there is no 'lin' in inputs; near names: lim"),
        ("stepz.draft", "stepz.draft is undefined: there is no 'stepz'; near names: steps"),
        (
            "draft.tagz.x",
            "draft.tagz.x is undefined: there is no 'tagz' in draft; near names: tags",
        ),
        ("rows[5].k", "rows[5].k is undefined: there is no '5' in rows"),
        ("previous_response:x.y", "previous_response:x.y is undefined"),
        ("rows[lim].k", "rows[...].k is undefined: there is no '...' in rows"),
        ("gone.a.b", "gone.a.b is undefined: there is no 'b' in gone.a"),
        ("@", "@ is undefined: there is no '@'"),
        ("previous_response:x", "previous_response:x is undefined"),
        ("flag ? mizzing : 1", "mizzing is undefined: there is no 'mizzing'"),
        ("false ? 1 : mizzing", "mizzing is undefined: there is no 'mizzing'"),
        ("default(a1, b1)", "b1 is undefined: there is no 'b1'"),
        ("first(rows).kk", "(...).kk is undefined: there is no 'kk' in (...); near names: k"),
        ("count(rows, 'kk') == 0", "kk is undefined: there is no 'kk'; near names: k"),
    ],
)
def test_what_is_undefined_says_so_with_near_names(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, names, mode="strict")
    assert caught.value.code == "undefined_reference"
    assert caught.value.message.startswith(message)
    assert evaluate(text, names) in {None, True}


@pytest.mark.parametrize("text", ["missing + 1", "[missing]", "upper(missing)", "rows[missing]"])
def test_an_undefined_operand_fails_strict_mode(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, names, mode="strict")
    assert caught.value.code == "undefined_reference"


def test_an_error_knows_its_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("1 + 2 * 'x'", {}, mode="strict")
    assert (caught.value.code, caught.value.position) == ("type_error", 6)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        (True, True),
        (False, False),
        (0, 0),
        ([], True),
        (["n == 4", None], True),
        (["n == 4", "n"], True),
        (["n == 4", "missing"], False),
        ({"and": []}, True),
        ({"or": []}, False),
        ({"or": ["missing", {"and": ["n", "s"]}]}, True),
        ({"not": "missing"}, True),
        ({"not": {"not": ["n"]}}, True),
        ({"not": None}, False),
        (({"or": ("n == 5", MappingProxyType({"not": "missing"}))},), True),
    ],
    ids=str,
)
def test_a_structured_condition_has_its_value(condition: Json, expected: Json) -> None:
    result = evaluate(condition, names)
    assert result == expected
    assert type(result) is type(expected)


def deep_condition(levels: int) -> Json:
    condition: Json = "true"
    for _ in range(levels):
        condition = [condition]
    return condition


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({}, "bad_condition"),
        ({"and": ["a"], "or": ["b"]}, "bad_condition"),
        ({"and": "a"}, "bad_condition"),
        ({"xor": ["a"]}, "bad_condition"),
        (["false", {"not": {}}], "bad_condition"),
        (["false", ""], "expression_syntax"),
        (["false", "nofn(1)"], "unknown_function"),
        ("false and round(1, 2, 3) == 1", "bad_arguments"),
        ("any([], 'a b')", "expression_syntax"),
        (deep_condition(70), "expression_too_complex"),
        (object(), "bad_condition"),
    ],
    ids=lambda value: str(value)[:30].split(" at ")[0],
)
def test_a_wrong_condition_fails_also_where_nothing_reads_it(condition: Json, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(condition, names)
    assert caught.value.code == code


def test_a_condition_of_64_levels_is_fine() -> None:
    assert evaluate(deep_condition(64), {}) is True


def test_values_that_nest_beyond_the_stack_are_too_complex() -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    for mode in modes():
        with pytest.raises(ExpressionError) as caught:
            evaluate("to_json(deep)", {"deep": deep}, mode=mode)
        assert caught.value.code == "expression_too_complex"


def modes() -> tuple[Mode, Mode]:
    return ("strict", "lenient")


def test_lenient_mode_tells_what_it_turned_into_null() -> None:
    told: list[ExpressionError] = []
    evaluation = Evaluation(Scope.of(names), "lenient", warn=told.append)
    assert evaluation.value(checked("[missing, n + s]")) == [None, None]
    assert [(error.code, error.position) for error in told] == [
        ("undefined_reference", 1),
        ("type_error", 12),
    ]


def test_a_search_out_of_time_is_false_and_the_third_one_too_complex() -> None:
    scope = Scope.of({"trap": "a" * 40 + "!", "l": [1, 2, 3]})
    for text, result in (("trap matches '^(a|a)*$'", False), ("any([1], '@ == 1')", True)):
        meter = Meter(search_limit_s=0.01)
        assert Evaluation(scope, "strict", meter=meter).condition(text) is result
    evaluation = Evaluation(scope, "strict", meter=Meter(search_limit_s=0.01))
    with pytest.raises(ExpressionError) as caught:
        evaluation.condition("any(l, \"trap matches '^(a|a)*$'\")")
    assert caught.value.code == "expression_too_complex"


def test_a_pattern_beyond_the_limits_fails_at_the_search() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("'x' matches p", {"p": "a" * 1001})
    assert caught.value.code == "expression_too_complex"


def test_joining_texts_costs_what_it_copies() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("+".join(["s"] * 2000), {"s": "x" * 4000})
    assert caught.value.code == "expression_too_complex"


def test_a_scope_is_left_as_it_was() -> None:
    before = copy.deepcopy(names)
    evaluate("unique(rows + rows) or values(draft) or [rows][0]", names)
    assert names == before
