"""Every field that an author may write says what it means, in the reference and in editors."""

from collections.abc import Iterator, Mapping

import pytest

from pipex_core.app.wiring import shapes
from pipex_core.spec.fields import input_fields, part_fields, step_fields, workflow_fields
from pipex_core.spec.model import FieldShape

tables: Mapping[str, Mapping[str, FieldShape]] = {
    "workflow": workflow_fields,
    "input": input_fields,
    "step": step_fields,
    **{f"part {kind}": fields for kind, fields in part_fields.items()},
    **{name: shape.fields for name, shape in shapes().items()},
}


def written(fields: Mapping[str, FieldShape], place: str = "") -> Iterator[tuple[str, FieldShape]]:
    """The fields that count, each with its place, also those of maps and lists of maps."""
    for name, one in fields.items():
        if one.alias_of or one.ignored or one.unsupported:
            continue
        yield f"{place}{name}", one
        for inner in (one, one.item, one.values):
            if inner is not None and inner.fields:
                yield from written(inner.fields, f"{place}{name}.")


@pytest.mark.parametrize("table", tables)
def test_every_field_says_what_it_means(table: str) -> None:
    assert [place for place, one in written(tables[table]) if not one.description] == []


def test_nested_fields_are_looked_at() -> None:
    places = {place for place, _ in written(tables["claude_batch"])}
    assert {
        "tasks.prompt",
        "batch_config.max_parallel",
        "claude_options.budget.max_calls",
    } <= places
