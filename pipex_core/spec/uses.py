"""Every text of a step or workflow that is read as an expression or template, and what it names.

One walk over the tables of fields serves the check, which wants what is wrong, and the plan, which
wants what a step depends on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pipex_core.errors import SpecError
from pipex_core.expressions.operations import read_operations
from pipex_core.expressions.paths import entry, join_path
from pipex_core.expressions.reading import (
    Reading,
    Reference,
    read_condition,
    read_expression,
    together,
    wrong,
)
from pipex_core.expressions.source import read_source
from pipex_core.expressions.template import has_template, read_template
from pipex_core.jsonvalue import Json, require_schema
from pipex_core.spec.fields import Table, fields_of, part_fields, workflow_fields
from pipex_core.spec.model import FieldShape, PipelineSpec, StepShape, StepSpec

Sees = Literal["outside", "iteration", "body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One field's texts, read.

    Attributes:
        place: Canonical place in the step or workflow; the paths in the reading go on from it.
        is_template: An unbound bare name in it is an implied input.
        sees: What of a composite step's blocks it may name.
    """

    place: str
    reading: Reading
    is_template: bool = False
    sees: Sees = "outside"


def uses_of(step: StepSpec, shape: StepShape) -> Iterator[Use]:
    """What the fields of a step name and get wrong, without its nested steps."""
    yield from _fields(step.fields, fields_of(shape), "")


def workflow_uses(spec: PipelineSpec) -> Iterator[Use]:
    """The same of the workflow's own fields."""
    yield from _fields(spec.fields, workflow_fields, "")


def _fields(values: Mapping[str, Json], table: Table, place: str) -> Iterator[Use]:
    for name, value in values.items():
        yield from _value(value, table[name], join_path(place, name))


def _value(value: Json, shape: FieldShape, place: str) -> Iterator[Use]:
    if isinstance(value, Mapping) and shape.fields is not None:
        yield from _fields(value, shape.fields, place)
    elif isinstance(value, Mapping) and shape.values is not None:
        for key, inner in value.items():
            yield from _value(inner, shape.values, join_path(place, key))
    elif isinstance(value, list) and shape.item is not None and shape.item.fields is not None:
        for index, inner in enumerate(value):
            yield from _value(inner, shape.item, f"{place}[{index}]")
    else:
        yield from _text(value, shape, place)


def _text(value: Json, shape: FieldShape, place: str) -> Iterator[Use]:
    match shape.kind:
        case "template" | "pipeline_file":
            reading, is_template = read_template(value), True
        case "source":
            reading = read_source(value)
            is_template = not isinstance(value, str) or has_template(value)
        case "expression":
            reading, is_template = read_expression(value), False
        case "condition":
            reading, is_template = read_condition(value), False
        case "operations":
            reading, is_template = read_operations(value), False
        case "schema":
            reading, is_template = _read_schema(value), False
        case "prompt":
            yield from _prompt(value, place)
            return
        case _:
            return
    if reading.findings or reading.references:
        yield Use(place=place, reading=reading, is_template=is_template, sees=shape.sees)


def _prompt(value: Json, place: str) -> Iterator[Use]:
    if isinstance(value, str):
        yield Use(place=place, reading=read_template(value), is_template=True)
        return
    for index, part in enumerate(value):
        inner = f"{place}[{index}]"
        if isinstance(part, str):
            yield Use(place=inner, reading=read_template(part), is_template=True)
            continue
        fields = dict(part)
        if fields.get("raw") is True:
            fields.pop("content", None)
        if part["type"] == "previous_response" and not has_template(part["step"]):
            yield Use(place=f"{inner}.step", reading=_named_step(part["step"]))
        yield from _fields(fields, part_fields[part["type"]], inner)


def _named_step(name: str) -> Reading:
    return Reading(references=(Reference(root="previous_response", keys=(name,)),))


def _read_schema(schema: Json) -> Reading:
    try:
        require_schema(schema)
    except SpecError as exc:
        return together(
            wrong(problem.code, problem.message, _path_of(problem.path, schema))
            for problem in exc.problems
        )
    return Reading()


def _path_of(pointer: str, value: Json) -> str:
    """The document path, as far as it goes on from the value, of a place that a JSON Pointer names."""
    path = ""
    for word in pointer.split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            path, value = f"{path}[{key}]", value[int(key)]
        else:
            path, value = path + entry(key), value[key]
    return path
