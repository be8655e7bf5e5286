"""Where a metric finds what it needs when it does not stand in the usual field of the case.

``source_field``, ``query_field`` and ``reference_field`` of an entry name a place: a field of the case,
else a field of a map input, else a path of the metadata. A place that is not there is an absent input,
never an empty one.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pipex_core.expressions.paths import get
from pipex_core.expressions.values import exists, to_text
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Need

field_options: Final[Mapping[str, frozenset[Need]]] = MappingProxyType(
    {
        "source_field": frozenset({"context"}),
        "query_field": frozenset({"query"}),
        "reference_field": frozenset({"reference", "reference_json"}),
    }
)
# Naming the usual place says nothing new and changes no fingerprint.
usual: Final = MappingProxyType({"source_field": "context", "reference_field": "expected_output"})


def field_options_of(needs: frozenset[Need]) -> tuple[str, ...]:
    """The field options that a metric with these needs has."""
    return tuple(name for name, reads in field_options.items() if needs & reads)


def looked_up(
    fields: Mapping[str, str], case: Mapping[str, Json], *, whole: bool = False
) -> dict[str, Json]:
    """What stands at the places that an entry names; a place that is not there is left out.

    Args:
        fields: Field option to place.
        case: The fields of the case.
        whole: The metric may read any field of the case, so all of them belong to what it saw.
    """
    found = {option: _at(place, case) for option, place in fields.items()}
    read = {option: box[0] for option, box in found.items() if box is not None}
    return {**read, "case": dict(case)} if whole else read


def with_fields(item: MetricInput, fields: Mapping[str, str]) -> MetricInput:
    """The item with context, query and reference from the places that an entry names."""
    if not fields:
        return item
    found = looked_up(fields, item.case)
    changes: dict[str, Json] = {}
    if "source_field" in fields:
        changes["context"] = _texts(found.get("source_field"))
    if "query_field" in fields:
        query = found.get("query_field")
        changes["query"] = None if query is None else to_text(query)
    if "reference_field" in fields:
        changes |= _reference(found.get("reference_field"))
    return replace(item, **changes)


def _at(place: str, case: Mapping[str, Json]) -> tuple[Json] | None:
    """The value at a place, in a box; null is as good as absent."""
    for home in (case, case.get("input"), case.get("metadata")):
        value = get(home, place) if isinstance(home, Mapping) else None
        if exists(value):
            return (value,)
    return None


def _texts(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(map(to_text, value))
    return (to_text(value),)


def _reference(value: Json) -> dict[str, Json]:
    """As the reference of a case: a text, a list of alternatives, or a structured value."""
    is_list = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    is_text = value is None or isinstance(value, str) or is_list
    return {
        "references": _texts(value) if is_text else (to_text(value),),
        "reference_json": None if is_text else value,
        "has_reference_json": not is_text,
    }
