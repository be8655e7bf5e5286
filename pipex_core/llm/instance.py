"""The smallest value that a JSON Schema allows: what the mock provider answers when a schema is asked for."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pipex_core.jsonvalue import Json

deepest = 32


def smallest(schema: Json) -> Json:
    """A small value of ``schema``: only what is required, in the order of the schema.

    The first ``enum`` value or the ``const``; "mock" padded with x to ``minLength``; ``minimum`` or 0;
    false; arrays of ``minItems``. Local references are followed, the first alternative is taken.
    Patterns and formats are not looked at.
    """
    return _smallest(schema, schema, 0)


def _smallest(schema: Json, root: Json, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > deepest:
        return "mock"
    schema = _flat(schema, root, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    return _makers.get(_type_of(schema), _string)(schema, root, depth)


def _flat(schema: Mapping[str, Any], root: Json, depth: int) -> Mapping[str, Any]:
    """The schema with its reference followed, its parts joined and its first alternative taken."""
    parts: list[Json] = []
    if "$ref" in schema:
        parts.append(_target(schema["$ref"], root))
    parts += schema.get("allOf", [])
    parts += [schema[word][0] for word in ("anyOf", "oneOf") if schema.get(word)]
    joined: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Mapping) and depth <= deepest:
            joined = _joined(joined, _flat(part, root, depth + 1))
    return _joined(joined, schema)


def _joined(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    both = {**left, **right}
    if "properties" in left and "properties" in right:
        both["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        both["required"] = [*left["required"], *right["required"]]
    return both


def _target(reference: Json, root: Json) -> Json:
    found = root
    for word in str(reference).removeprefix("#").split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind is not None:
        return str(kind)
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _object(schema: Mapping[str, Any], root: Json, depth: int) -> Json:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    names = [name for name in properties if name in required]
    names += [name for name in required if name not in properties]
    return {name: _smallest(properties.get(name, True), root, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], root: Json, depth: int) -> Json:
    first = schema.get("prefixItems", [])
    rest = schema.get("items", True)
    return [
        _smallest(first[i] if i < len(first) else rest, root, depth + 1)
        for i in range(schema.get("minItems", 0))
    ]


def _number(schema: Mapping[str, Any], _root: Json, _depth: int) -> Json:
    return _least(schema, step=0.5)


def _integer(schema: Mapping[str, Any], _root: Json, _depth: int) -> Json:
    return math.ceil(_least(schema, step=1))


def _least(schema: Mapping[str, Any], *, step: float) -> float:
    least: float = schema.get("minimum", 0)
    if "exclusiveMinimum" in schema:
        least = max(least, math.floor(schema["exclusiveMinimum"] / step) * step + step)
    most: float = schema.get("maximum", least)
    return min(least, most)


def _string(schema: Mapping[str, Any], _root: Json, _depth: int) -> Json:
    padded = "mock".ljust(schema.get("minLength", 0), "x")
    return padded[: schema.get("maxLength", len(padded))]


def _false(_schema: Mapping[str, Any], _root: Json, _depth: int) -> Json:
    return False


def _null(_schema: Mapping[str, Any], _root: Json, _depth: int) -> Json:
    return None


_makers: Mapping[str, Callable[[Mapping[str, Any], Json, int], Json]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": _number,
    "boolean": _false,
    "null": _null,
}
