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
from pipex_core.registry import nearest
from pipex_core.spec.declared import read_inputs
from pipex_core.spec.fields import (
    Table,
    fields_of,
    step_fields,
    workflow_config,
    workflow_fields,
)
from pipex_core.spec.model import (
    FieldShape,
    Finding,
    PipelineSpec,
    Shapes,
    SourceMap,
    StepShape,
    StepSpec,
)
from pipex_core.spec.names import steps_in
from pipex_core.spec.shape import At, ShapeReader, got
from pipex_core.spec.synonyms import field_synonyms, suggestion, type_synonyms
from pipex_core.spec.yaml_text import read_yaml

max_steps: Final = 1_000
_longest_name: Final = 200
_step_name: Final = re.compile(r"[\w.-]+")
_nesting: Final = frozenset({"steps", "cases", "pipeline"})
_case_fields: Final[Table] = {"steps": FieldShape(kind="steps")}
_type_hints: Final[Mapping[str, str]] = {
    "bash": ": no step runs a command; allow a model step the tool Bash",
    "llm": ": name the family of the model",
    "prompt": ": name the family of the model",
}


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
        message = f"a pipeline file holds a map with 'workflow', this one holds {got(value)}"
        found.append(Finding(code="not_a_pipeline", message=message))
        return None
    refused = {"pipeline", "output"}.intersection(value)
    if refused and ("steps" in value or "workflow" in value):
        for key in sorted(refused):
            message = f"{key!r} at the root is not supported: put everything under 'workflow'"
            found.append(Finding(code="unsupported_feature", message=message, path=key))
        if "workflow" not in value:
            return None
    if "workflow" in value:
        return _wrapped(value, found)
    if "name" in value and isinstance(value.get("steps"), list):
        message = "put the fields of the workflow under 'workflow'"
        found.append(Finding(code="unwrapped_root", message=message, severity="warning"))
        return "", value
    keys = ", ".join(value) or "none"
    message = f"a pipeline file holds a map with 'workflow'; the keys here are: {keys}"
    near = next((key for key in value if nearest(key, ["workflow"])), None)
    found.append(Finding(code="not_a_pipeline", message=message, suggestion=near and "workflow"))
    return None


def _wrapped(
    value: Mapping[str, Json], found: list[Finding]
) -> tuple[str, Mapping[str, Json]] | None:
    found.extend(_beside(key) for key in value if key not in _root_keys)
    workflow = value["workflow"]
    if not isinstance(workflow, Mapping):
        message = f"'workflow' must be a map, got {got(workflow)}"
        found.append(Finding(code="wrong_type", message=message, path="workflow"))
        return None
    return "workflow", workflow


_root_keys: Final = frozenset({"workflow", "pipeline", "output"})  # known or refused already


def _beside(key: str, path: str = "") -> Finding:
    """What a key beside ``workflow`` in the map at ``path`` is told."""
    shape = workflow_fields.get(key)
    if shape is not None and shape.unsupported:
        message = f"{key!r} is not supported: {shape.unsupported}"
        return Finding(code="unsupported_feature", message=message, path=join_path(path, key))
    return Finding(
        code="unknown_field",
        message=f"there is no field {key!r} beside 'workflow'; move it under 'workflow'",
        path=join_path(path, key),
        severity="warning",
        suggestion=nearest(key, ["workflow"]),
    )


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
        inputs = read_inputs(values.pop("inputs", {}), inputs_path, reader)
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
            message = f"a list of steps is needed here, got {got(given)}"
            self._found.append(Finding(code="wrong_type", message=message, path=path))
            return ()
        return tuple(self._step(step, f"{path}[{i}]") for i, step in enumerate(given))

    def _step(self, given: Json, path: str) -> StepSpec:
        self._steps += 1
        reader = ShapeReader(self._found)
        if self._steps == max_steps + 1:
            reader.add("too_large", f"more than {max_steps} steps in one file", path)
        if not isinstance(given, Mapping):
            reader.add("wrong_type", f"a step must be a map, got {got(given)}", path)
            return StepSpec(name="", type="", path=path, fields={})
        name = given.get("type", self._meant_type(given))
        shape = self._shapes.get(name) if isinstance(name, str) else None
        if shape is not None:
            return self._typed(given, shape, path, reader)
        if isinstance(name, str):
            self._unknown_type(name, given, path, reader)
        self._untyped(given, path, reader)
        return StepSpec(name="", type="", path=path, fields={})

    def _meant_type(self, given: Mapping[str, Json]) -> str | None:
        """The type under a key that was probably meant as ``type``, so that more can be checked."""
        said = (value for key, value in given.items() if _meant(key) == "type")
        return next((name for name in said if isinstance(name, str) and name in self._shapes), None)

    def _unknown_type(
        self, name: str, given: Mapping[str, Json], path: str, reader: ShapeReader
    ) -> None:
        near = suggestion(name, self._shapes, type_synonyms)
        message = f"unknown step type {name!r}{_type_hints.get(name, '')}"
        reader.add("unknown_step_type", message, f"{path}.type", near=near)
        if near is not None and near == nearest(name, self._shapes):
            table = self._shapes[near].fields
            nested = {key: value for key, value in given.items() if key in table}
            kept = {key: value for key, value in nested.items() if table[key].kind in _nesting}
            self._built(kept, {}, self._shapes[near], table, path)

    def _untyped(self, given: Mapping[str, Json], path: str, reader: ShapeReader) -> None:
        """Check what every step has, where nobody can tell what else this one may have."""
        at = At(path=path)
        known = {key: value for key, value in given.items() if key in step_fields}
        for key in (key for key in given if key not in known):
            of_a_type = any(key in shape.fields for shape in self._shapes.values())
            near = _meant(key)
            if near is not None and near not in given and not of_a_type:
                message = f"there is no field {key!r} here"
                reader.add(
                    "unknown_field", message, at.key(key).path, severity="warning", near=near
                )
        values = reader.fields(known, step_fields, at)
        reader.require(values, step_fields, at)
        self._check_name(given, path, reader)

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
            message = f"options must be a map, got {got(given)}"
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
                    child = self._inline(values.pop(name), place)
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
            if isinstance(block, Mapping) and "steps" in block:
                ShapeReader(self._found).fields(block, _case_fields, At(path=place))
                blocks[f"{name}.{text}"] = self._list(block["steps"], f"{place}.steps")
            else:
                blocks[f"{name}.{text}"] = self._list(block, place)
        return blocks

    def _inline(self, given: Json, path: str) -> PipelineSpec | None:
        if isinstance(given, Mapping) and isinstance(given.get("workflow"), Mapping):
            self._found.extend(_beside(key, path) for key in given if key != "workflow")
            given, path = given["workflow"], f"{path}.workflow"
        if not isinstance(given, Mapping) or not {"name", "steps"}.intersection(given):
            keys = ", ".join(given) if isinstance(given, Mapping) else type_name(given)
            message = f"an inline pipeline is a map with a name and steps, got {keys or 'nothing'}"
            self._found.append(Finding(code="not_a_pipeline", message=message, path=path))
            return None
        return self.pipeline(given, path)

    def _check_name(self, given: Mapping[str, Json], path: str, reader: ShapeReader) -> None:
        name = given.get("name")
        if isinstance(name, str) and not _step_name.fullmatch(name):
            message = f"the name of a step has letters, digits, '_', '-' and '.', not {name!r}"
            reader.add("unknown_value", message, f"{path}.name")


def _meant(key: str) -> str | None:
    """The field of every step that a key was probably meant to be."""
    return suggestion(key, step_fields, field_synonyms)
