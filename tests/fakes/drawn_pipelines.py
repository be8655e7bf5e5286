"""Pipeline files drawn from the tables of fields: nearly right, so that checks behind the shape are met."""

from collections.abc import Sequence
from random import Random
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.spec.fields import Table, fields_of, part_fields, workflow_fields
from pipex_core.spec.model import FieldShape, Shapes

_odd: Final[Sequence[Json]] = (
    *(None, True, 0, -1, 2.5, "", "{{ a }}", "{{ a", "a >", "steps.s0.data > 1", [], {}),
    *(["a"], {"a": {"b": []}}, [1, None], [{}], {"and": []}, {"type": 5}, "outer:x", "a\x00\ud7ff"),
    [{"type": "static", "content": "hi"}],
    [{"operation": "map"}],
    [{"name": "in", "type": "echo"}],
)
_operations: Final[Sequence[Json]] = (
    {"operation": "filter", "condition": "a > steps.s0.data"},
    {"operation": "map", "fields": {"odd key": "a | default(1)"}},
    {"operation": "join", "right_source": "previous_response:s0", "join_key": "a"},
    {"operation": "sort", "by": 5},
    {"operation": "limit"},
)
_texts: Final = ("a", "b {{ a }}", "{{ steps.s0.data.x }}", "s0", "previous_response:s1:x")
_schemas: Final[Sequence[Json]] = ({"type": "object"}, {"properties": {"a": {"type": "x"}}}, True)


class Drawer:
    """Draws one file after another.

    Args:
        odd: Share of values that are drawn from anything instead of what the field takes.
    """

    def __init__(self, rng: Random, shapes: Shapes, *, odd: float) -> None:
        self._rng = rng
        self._shapes = shapes
        self._odd = odd

    def file(self) -> Json:
        """The value of a whole file."""
        workflow = self._map(workflow_fields, 1)
        return {"workflow": {**workflow, "name": "x", "steps": self._steps(0)}}

    def _steps(self, depth: int) -> list[Json]:
        made = []
        for index in range(self._rng.randint(1, 3 if depth < 2 else 1)):
            kind = self._rng.choice(sorted(self._shapes))
            step = self._map(fields_of(self._shapes[kind]), depth + 1)
            made.append({**step, "name": f"s{index}" + "_" * depth, "type": kind})
        return made

    def _map(self, table: Table, depth: int) -> dict[str, Json]:
        needed = [name for name, shape in table.items() if shape.required]
        more = [self._rng.choice(sorted(table)) for _ in range(self._rng.randint(0, 3))]
        names = list(dict.fromkeys([*needed, *more]))
        self._rng.shuffle(names)
        return {name: self._value(table[name], depth) for name in names}

    def _value(self, shape: FieldShape, depth: int) -> Json:
        if self._rng.random() < self._odd or depth > 4:
            return self._rng.choice(_odd)
        if shape.choices:
            return self._rng.choice(shape.choices)
        if shape.fields is not None:
            return self._map(shape.fields, depth + 1)
        if shape.values is not None:
            return {self._rng.choice(["a", "odd key"]): self._value(shape.values, depth + 1)}
        if shape.item is not None:
            return [self._value(shape.item, depth + 1) for _ in range(self._rng.randint(0, 2))]
        return self._of_kind(shape, depth)

    def _of_kind(self, shape: FieldShape, depth: int) -> Json:  # noqa: PLR0911 - one line per kind
        match shape.kind:
            case "steps":
                return self._steps(depth + 1)
            case "cases":
                return {"1": self._steps(depth + 1), "a b": {"steps": self._steps(depth + 1)}}
            case "pipeline":
                return {"name": "c", "steps": self._steps(depth + 1)}
            case "prompt":
                kinds = self._rng.choices(sorted(part_fields), k=2)
                parts = [
                    {**self._map(part_fields[kind], depth + 1), "type": kind} for kind in kinds
                ]
                return self._rng.choice(["hi {{ a }}", parts])
            case "condition":
                return self._rng.choice(["a > 1", ["a", {"not": "steps.s0.data"}], True])
            case "operations":
                return self._rng.choices(_operations, k=2)
            case "schema":
                return self._rng.choice(_schemas)
            case _:
                return self._plain(shape)

    def _plain(self, shape: FieldShape) -> Json:
        if {"int", "num"}.intersection(shape.types):
            return self._rng.randint(int(shape.low or 1), int(shape.high or 70))
        if "bool" in shape.types:
            return self._rng.random() < 0.5
        return self._rng.choice(_texts if "str" in shape.types else _odd)
