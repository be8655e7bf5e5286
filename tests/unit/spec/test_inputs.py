"""Inputs of a run, as the language's section 3 describes them."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.spec.inputs import BoundInputs, bind_inputs
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import InputSpec, PipelineSpec
from tests.fakes.step_shapes import step_shapes


def spec(inputs: str, variables: str = "{}") -> PipelineSpec:
    text = f"workflow: {{name: x, inputs: {inputs}, variables: {variables}, steps: [{{name: a, type: echo}}]}}"
    return load_pipeline(text, "", step_shapes)


def codes(bound: BoundInputs) -> list[str]:
    return [problem.code for problem in bound.problems]


def test_defaults_fill_what_is_not_given() -> None:
    bound = bind_inputs(spec("{a: 1, b: {required: false}, c: {type: string}}"), {"c": "x"})
    assert (bound.values, bound.problems) == ({"a": 1, "c": "x"}, ())


def test_all_missing_inputs_are_one_problem() -> None:
    bound = bind_inputs(spec("{a: {}, b: {type: string}, c: 1}"), {})
    assert [problem.message for problem in bound.problems] == ["the run needs the inputs 'a', 'b'"]
    assert codes(bound) == ["missing_input"]


@pytest.mark.parametrize(
    ("declared", "word", "value"),
    [
        ("{type: integer}", "12", 12),
        ("{type: integer}", "-3", -3),
        ("{type: number}", "3", 3),
        ("{type: number}", "1e3", 1000.0),
        ("{type: boolean}", "True", True),
        ("{type: list}", "[1, 2]", [1, 2]),
        ("{type: map}", '{"a": 1}', {"a": 1}),
        ("{type: string}", "12", "12"),
        ("{}", "12", "12"),
    ],
)
def test_words_of_the_command_line_become_the_declared_type(
    declared: str, word: str, value: Json
) -> None:
    bound = bind_inputs(spec(f"{{i: {declared}}}"), {"i": word}, from_text=frozenset({"i"}))
    assert (bound.values, bound.problems) == ({"i": value}, ())


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ("{type: integer}", "1.5"),
        ("{type: number}", "many"),
        ("{type: boolean}", "yes"),
        ("{type: list}", "[1"),
        ("{type: map}", "[1]"),
    ],
)
def test_a_word_that_does_not_convert_is_invalid(declared: str, word: str) -> None:
    bound = bind_inputs(spec(f"{{i: {declared}}}"), {"i": word}, from_text=frozenset({"i"}))
    assert codes(bound) == ["invalid_input"]


@pytest.mark.parametrize(
    ("declared", "word", "hint"),
    [
        ("{type: boolean}", "yes", "; write true or false"),
        ("{type: list}", "a,b", """; write JSON, such as '["a", "b"]'"""),
        ("{type: map}", "a=1", """; write JSON, such as '{"a": 1}'"""),
        ("{type: integer}", "two", "must be of type integer, not string"),
    ],
)
def test_a_word_that_does_not_convert_says_how_it_is_written(
    declared: str, word: str, hint: str
) -> None:
    (problem,) = bind_inputs(
        spec(f"{{i: {declared}}}"), {"i": word}, from_text=frozenset({"i"})
    ).problems
    assert problem.message.endswith(hint)


def test_values_from_files_keep_their_type() -> None:
    given: dict[str, Json] = {"i": "12"}
    assert codes(bind_inputs(spec("{i: {type: integer}}"), given)) == ["invalid_input"]
    assert codes(bind_inputs(spec("{i: {type: integer}}"), {"i": True})) == ["invalid_input"]
    assert codes(bind_inputs(spec("{i: {type: number}}"), {"i": 3})) == []
    assert codes(bind_inputs(spec("{i: {type: string}}"), {"i": None})) == ["invalid_input"]
    assert codes(bind_inputs(spec("{i: {type: string, required: false}}"), {"i": None})) == []


def test_a_value_outside_the_enum_is_invalid_with_the_nearest_one() -> None:
    declared = spec("{i: {enum: [short, long, 3]}}")
    (problem,) = bind_inputs(declared, {"i": "shrt"}).problems
    assert (problem.code, problem.suggestion) == ("invalid_input", "short")
    assert codes(bind_inputs(declared, {"i": 3})) == []
    assert codes(bind_inputs(declared, {"i": True})) == ["invalid_input"]


def test_undeclared_inputs_are_accepted_where_none_is_declared() -> None:
    bound = bind_inputs(spec("{}"), {"z": 1})
    assert (bound.values, bound.problems) == ({"z": 1}, ())


def test_an_undeclared_input_is_unknown_unless_it_starts_a_variable() -> None:
    declared = spec("{topic: {}}", variables="{count: 1}")
    bound = bind_inputs(declared, {"topic": "t", "count": 2, "topik": "u"})
    assert [(one.code, one.suggestion) for one in bound.problems] == [("unknown_input", "topic")]
    assert bound.values["count"] == 2


def test_implied_inputs_are_no_declaration() -> None:
    implied = PipelineSpec(
        name="x", steps=(), fields={}, inputs={"a": InputSpec(name="a", implied=True)}
    )
    assert codes(bind_inputs(implied, {"a": 1, "other": 2})) == []
    assert codes(bind_inputs(implied, {"other": 2})) == ["missing_input"]
