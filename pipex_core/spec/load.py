"""Text of a pipeline file -> ``PipelineSpec``; all problems of its shape, with line and column.

The step types come as an argument. What names mean is not looked at here: that is ``spec.check``,
which runs on a file whose shape is right.
"""

import re
from collections.abc import Mapping
from typing import Final

from pipex_core.errors import SpecError
from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json, type_name
from pipex_core.spec.fields import (
    Table,
    fields_of,
    input_fields,
    step_fields,
    type_synonyms,
    workflow_config,
    workflow_fields,
)
from pipex_core.spec.inputs import fits_type, type_of
from pipex_core.spec.model import (
    FieldShape,
    Finding,
    InputSpec,
    PipelineSpec,
    Shapes,
    SourceMap,
    StepShape,
    StepSpec,
)
from pipex_core.spec.names import steps_in
from pipex_core.spec.shape import At, ShapeReader, suggestion
from pipex_core.spec.yaml_text import read_yaml

max_steps: Final = 1_000
_longest_name: Final = 200
_step_name: Final = re.compile(r"[\w.-]+")


def load_pipeline(
    text: str | bytes, file: str, shapes: Shapes, *, strict: bool = False
) -> PipelineSpec:
    """The workflow of a pipeline file, its shape checked.

    ``file`` is the path as the user gave it; ``strict`` makes errors of unknown fields.

    Raises:
        SpecError: All problems of the first phase that has an error, sorted by place.
    """
    document = read_yaml(text, file)
    return read_pipeline(document.value, document.source, shapes, strict=strict)


def read_pipeline(
    value: Json, source: SourceMap, shapes: Shapes, *, strict: bool = False
) -> PipelineSpec:
    """The workflow in the value of a whole document.

    Raises:
        SpecError: All problems of shape.
    """
    found: list[Finding] = []
    root = _root(value, found)
    spec = None
    if root is not None:
        path, given = root
        spec = _Loader(shapes, source, found).pipeline(given, path)
    problems = source.problems(found, strict=strict)
    if spec is None or any(problem.severity == "error" for problem in problems):
        raise SpecError(problems)
    return PipelineSpec(
        name=spec.name,
        steps=spec.steps,
        fields=spec.fields,
        inputs=spec.inputs,
        path=spec.path,
        source=source,
        warnings=tuple(problems),
    )


def _root(value: Json, found: list[Finding]) -> tuple[str, Mapping[str, Json]] | None:
    """Path and fields of the workflow, or a finding (section 2.1)."""
    if not isinstance(value, Mapping):
        what = "nothing" if value is None else f"a {type_name(value)}"
        message = f"a pipeline file holds a map with 'workflow', this one holds {what}"
        found.append(Finding(code="not_a_pipeline", message=message))
        return None
    refused = {"pipeline", "output"}.intersection(value)
    if refused and ("steps" in value or "workflow" in value):
        for key in sorted(refused):
            message = f"{key!r} at the root is not supported: put everything under 'workflow'"
            found.append(Finding(code="unsupported_feature", message=message, path=key))
        return None
    if "workflow" in value:
        return _wrapped(value, found)
    if "name" in value and isinstance(value.get("steps"), list):
        message = "put the fields of the workflow under 'workflow'"
        found.append(Finding(code="unwrapped_root", message=message, severity="warning"))
        return "", value
    keys = ", ".join(value) or "none"
    message = f"a pipeline file holds a map with 'workflow'; the keys here are: {keys}"
    found.append(Finding(code="not_a_pipeline", message=message))
    return None


def _wrapped(
    value: Mapping[str, Json], found: list[Finding]
) -> tuple[str, Mapping[str, Json]] | None:
    for key in value:
        if key != "workflow":
            message = f"there is no field {key!r} beside 'workflow'; move it under 'workflow'"
            found.append(
                Finding(
                    code="unknown_field",
                    message=message,
                    path=join_path("", key),
                    severity="warning",
                    suggestion=suggestion(key, ["workflow"], {}),
                )
            )
    workflow = value["workflow"]
    if not isinstance(workflow, Mapping):
        message = f"'workflow' must be a map, got a {type_name(workflow)}"
        found.append(Finding(code="wrong_type", message=message, path="workflow"))
        return None
    return "workflow", workflow


class _Loader:
    """Builds the values of one document; findings go to one list."""

    def __init__(self, shapes: Shapes, source: SourceMap, found: list[Finding]) -> None:
        self._shapes = shapes
        self._source = source
        self._found = found
        self._steps = 0

    def pipeline(self, given: Mapping[str, Json], path: str) -> PipelineSpec:
        """The workflow at ``path``."""
        steps = self._list(given.get("steps", []), join_path(path, "steps"))
        is_eval = any(self._shapes[s.type].is_eval for s in steps_in(steps) if s.type)
        table = {**workflow_fields, "config": workflow_config} if is_eval else workflow_fields
        reader = ShapeReader(self._found)
        at = At(path=path)
        values = reader.fields(given, table, at)
        reader.require(values, table, at)
        if given.get("steps") == []:
            message = "a workflow needs at least one step"
            reader.add("out_of_range", message, join_path(path, "steps"))
        name = values.get("name", "")
        if isinstance(name, str) and "name" in given and not 0 < len(name) <= _longest_name:
            message = f"a name has 1 to {_longest_name} characters, this one has {len(name)}"
            reader.add("out_of_range", message, join_path(path, "name"))
        inputs_path = reader.written.get("inputs", join_path(path, "inputs"))
        inputs = self._inputs(values.pop("inputs", {}), inputs_path, reader)
        values.pop("steps", None)
        config = values.pop("config", None)
        if isinstance(config, Mapping):
            values["variables"] = {**config, **values.get("variables", {})}
        return PipelineSpec(
            name=str(name),
            steps=steps,
            fields=values,
            inputs=inputs,
            path=path,
            source=self._source,
        )

    # -- steps

    def _list(self, given: Json, path: str) -> tuple[StepSpec, ...]:
        if not isinstance(given, list):
            message = f"a list of steps is needed here, got a {type_name(given)}"
            self._found.append(Finding(code="wrong_type", message=message, path=path))
            return ()
        return tuple(self._step(step, f"{path}[{i}]") for i, step in enumerate(given))

    def _step(self, given: Json, path: str) -> StepSpec:
        self._steps += 1
        reader = ShapeReader(self._found)
        if self._steps == max_steps + 1:
            reader.add("too_large", f"more than {max_steps} steps in one file", path)
        if not isinstance(given, Mapping):
            reader.add("wrong_type", f"a step must be a map, got a {type_name(given)}", path)
            return StepSpec(name="", type="", path=path, fields={})
        shape = self._shape(given, path, reader)
        if shape is None:
            known = {key: value for key, value in given.items() if key in step_fields}
            values = reader.fields(known, step_fields, At(path=path))
            reader.require(values, step_fields, At(path=path))
            self._check_name(given, path, reader)
            return StepSpec(name="", type="", path=path, fields={})
        return self._typed(given, shape, path, reader)

    def _shape(self, given: Mapping[str, Json], path: str, reader: ShapeReader) -> StepShape | None:
        name = given.get("type")
        if not isinstance(name, str):
            return None  # the field table reports it
        shape = self._shapes.get(name)
        if shape is None:
            near = suggestion(name, self._shapes, type_synonyms)
            reader.add(
                "unknown_step_type", f"unknown step type {name!r}", f"{path}.type", near=near
            )
        return shape

    def _typed(
        self, given: Mapping[str, Json], shape: StepShape, path: str, reader: ShapeReader
    ) -> StepSpec:
        table = fields_of(shape)
        layers = ("config", "eval_config") if shape.is_eval else ()
        values: dict[str, Json] = {}
        written: dict[str, str] = {}
        for layer in layers:
            if layer in given:
                more, places = self._layer(given[layer], shape.fields, f"{path}.{layer}")
                values |= more
                written |= places
        own = {key: value for key, value in given.items() if key not in layers}
        direct = reader.fields(own, table, At(path=path))
        written = {key: place for key, place in written.items() if key not in direct}
        written |= reader.written
        values |= direct
        reader.require(values, table, At(path=path))
        self._check_name(given, path, reader)
        return self._built(values, written, shape, table, path)

    def _layer(
        self, given: Json, table: Table, path: str
    ) -> tuple[dict[str, Json], dict[str, str]]:
        """Options of an evaluation step that stand in a map of their own, and their places."""
        reader = ShapeReader(self._found)
        if not isinstance(given, Mapping):
            message = f"options must be a map, got a {type_name(given)}"
            reader.add("wrong_type", message, path)
            return {}, {}
        values = reader.fields(given, table, At(path=path))
        return values, {key: join_path(path, key) for key in values} | reader.written

    def _built(
        self,
        values: dict[str, Json],
        written: Mapping[str, str],
        shape: StepShape,
        table: Table,
        path: str,
    ) -> StepSpec:
        blocks: dict[str, tuple[StepSpec, ...]] = {}
        child = None
        for name, field in table.items():
            if name not in values:
                continue
            place = written.get(name, join_path(path, name))
            match field.kind:
                case "steps":
                    blocks[name] = self._list(values.pop(name), place)
                case "cases":
                    blocks |= self._cases(values.pop(name), name, place)
                case "pipeline":
                    child = self._inline(values.pop(name), place, field)
                case _:
                    pass
        prefix = f"{path}."
        return StepSpec(
            name=str(values.pop("name", "")),
            type=shape.type,
            path=path,
            fields={key: value for key, value in values.items() if key != "type"},
            blocks=blocks,
            child=child,
            written={key: place.removeprefix(prefix) for key, place in written.items()},
        )

    def _cases(self, given: Json, name: str, path: str) -> dict[str, tuple[StepSpec, ...]]:
        if not isinstance(given, Mapping):
            message = f"{name!r} must be a map of texts to lists of steps"
            self._found.append(Finding(code="wrong_type", message=message, path=path))
            return {}
        blocks = {}
        for text, block in given.items():
            place = join_path(path, text)
            if isinstance(block, Mapping) and set(block) == {"steps"}:
                blocks[f"{name}.{text}"] = self._list(block["steps"], f"{place}.steps")
            else:
                blocks[f"{name}.{text}"] = self._list(block, place)
        return blocks

    def _inline(self, given: Json, path: str, field: FieldShape) -> PipelineSpec | None:
        if isinstance(given, Mapping) and isinstance(given.get("workflow"), Mapping):
            given, path = given["workflow"], f"{path}.workflow"
        if not isinstance(given, Mapping) or not {"name", "steps"}.intersection(given):
            message = f"an inline pipeline is a map with a name and steps ({field.description})"
            self._found.append(Finding(code="not_a_pipeline", message=message, path=path))
            return None
        return self.pipeline(given, path)

    def _check_name(self, given: Mapping[str, Json], path: str, reader: ShapeReader) -> None:
        name = given.get("name")
        if isinstance(name, str) and not _step_name.fullmatch(name):
            message = f"the name of a step has letters, digits, '_', '-' and '.', not {name!r}"
            reader.add("unknown_value", message, f"{path}.name")

    # -- inputs

    def _inputs(self, given: Json, path: str, reader: ShapeReader) -> dict[str, InputSpec]:
        if not isinstance(given, Mapping):
            return {}  # the field table reported it
        return {
            name: self._input(name, value, join_path(path, name), reader)
            for name, value in given.items()
        }

    def _input(self, name: str, value: Json, path: str, reader: ShapeReader) -> InputSpec:
        declared = value is None or (
            isinstance(value, Mapping) and (not value or input_fields.keys() & value.keys())
        )
        if not declared:
            return InputSpec(
                name=name, type=type_of(value), default=value, has_default=True, required=False
            )
        given = reader.fields(value or {}, input_fields, At(path=path))
        kind = given.get("type")
        has_default = "default" in given
        enum = given.get("enum")
        spec = InputSpec(
            name=name,
            type=kind if isinstance(kind, str) else None,
            default=given.get("default"),
            has_default=has_default,
            required=given.get("required", not has_default) is True,
            enum=tuple(enum) if isinstance(enum, list) else (),
            description=str(given.get("description") or ""),
        )
        if has_default:
            self._check_default(spec, path, reader)
        return spec

    def _check_default(self, spec: InputSpec, path: str, reader: ShapeReader) -> None:
        if not fits_type(spec.default, spec.type):
            message = f"the default of {spec.name!r} is no {spec.type}"
            reader.add("wrong_type", message, f"{path}.default")
        elif spec.enum and spec.default not in spec.enum:
            message = f"the default of {spec.name!r} is not in its enum"
            reader.add("unknown_value", message, f"{path}.default")
