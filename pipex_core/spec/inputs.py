"""Declared inputs of a pipeline and what a run gives for them (section 3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipex_core.errors import Problem
from pipex_core.jsonvalue import Json, equal, parse, type_name
from pipex_core.registry import nearest
from pipex_core.spec.model import InputSpec, PipelineSpec

_integer: Final = re.compile(r"[+-]?[0-9]{1,4000}")
_number: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundInputs:
    """The inputs of one run.

    Attributes:
        values: Given values and defaults, in the order of declaration, then the undeclared ones.
        problems: ``missing_input``, ``invalid_input`` and ``unknown_input``; empty when the run may start.
    """

    values: Mapping[str, Json]
    problems: tuple[Problem, ...] = ()


def type_of(value: Json) -> str | None:
    """The declared type that a plain default stands for; None for null."""
    return None if value is None else type_name(value)


def fits_type(value: Json, declared: str | None) -> bool:
    """Whether a value is of a declared type; an integer is a number, null fits where it is allowed."""
    if declared is None or value is None:
        return True
    name = type_name(value)
    return name == declared or (declared == "number" and name == "integer")


def bind_inputs(
    spec: PipelineSpec, given: Mapping[str, Json], *, from_text: frozenset[str] = frozenset()
) -> BoundInputs:
    """The inputs that a run sees, defaults filled in, or what is wrong with those given.

    Args:
        spec: After ``spec.check``, so that implied inputs are known.
        given: Name to value.
        from_text: Names whose values are words of the command line, to be converted to the declared
            type; the text stays where no type is declared.
    """
    problems: list[Problem] = []
    values: dict[str, Json] = {}
    for name, declared in spec.inputs.items():
        if name in given:
            value = given[name]
            if name in from_text and isinstance(value, str):
                value = _converted(value, declared.type)
            values[name] = value
            problems += _check(declared, value)
        elif declared.required:
            continue
        elif declared.has_default:
            values[name] = declared.default
    missing = [name for name, one in spec.inputs.items() if one.required and name not in given]
    if missing:
        message = f"the run needs {_listed(missing)}"
        problems.insert(0, Problem(code="missing_input", message=message))
    others = {name: value for name, value in given.items() if name not in spec.inputs}
    problems += _unknown(spec, others)
    return BoundInputs(values={**values, **others}, problems=tuple(problems))


# How text of a command line is written to be of a type.
_written: Final[Mapping[str, str]] = {
    "boolean": "true or false",
    "list": """JSON, such as '["a", "b"]'""",
    "map": """JSON, such as '{"a": 1}'""",
}


def _check(declared: InputSpec, value: Json) -> list[Problem]:
    if not fits_type(value, declared.type) or (value is None and declared.required):
        kind = declared.type or "value"
        message = f"input {declared.name!r} must be of type {kind}, not {type_name(value)}"
        if isinstance(value, str) and kind in _written:
            message += f"; write {_written[kind]}"
        return [Problem(code="invalid_input", message=message)]
    if declared.enum and not any(equal(value, one) for one in declared.enum):
        words = ", ".join(map(str, declared.enum))
        message = f"input {declared.name!r} must be one of {words}, got {value!r}"
        near = nearest(value, map(str, declared.enum)) if isinstance(value, str) else None
        return [Problem(code="invalid_input", message=message, suggestion=near)]
    return []


def _unknown(spec: PipelineSpec, others: Mapping[str, Json]) -> list[Problem]:
    declared = [name for name, one in spec.inputs.items() if not one.implied]
    if not declared:
        return []
    known = {*spec.inputs, *spec.get("variables", {})}
    return [
        Problem(
            code="unknown_input",
            message=f"the pipeline has no input {name!r}",
            suggestion=nearest(name, known),
        )
        for name in others
        if name not in known
    ]


def _converted(text: str, declared: str | None) -> Json:
    """The value of a word for a type; the word itself when it is none, which is then refused."""
    match declared:
        case "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        case "integer" if _integer.fullmatch(text):
            return int(text)
        case "number" if _number.fullmatch(text):
            return int(text) if _integer.fullmatch(text) else float(text)
        case "list" | "map":
            try:
                return parse(text)
            except ValueError:
                return text
        case _:
            return text


def _listed(names: list[str]) -> str:
    word = "the input" if len(names) == 1 else "the inputs"
    return f"{word} {', '.join(map(repr, names))}"
