"""JSON Schemas (draft 2020-12) of suites, cases, gates and targets, for editors and other programs.

A schema says less than the reader: what cannot be said in it (unique ids, hashes of attachments, metric
names) is found by ``pipex suite lint``. Every file that loads is valid against its schema.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, get_args

from pipex_core.evals.gatefile import Bound, FailOn, Kind, Stat, Tier, schema_name as gate_schema
from pipex_core.evals.reducers import chance_name, statistics
from pipex_core.evals.suite import case_statuses
from pipex_core.evals.suiteshape import case_id, schema_name as suite_schema, suite_id
from pipex_core.jsonvalue import Json

_draft: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Json]


def schema_of(kind: str) -> Schema:
    """The schema of ``suite``, ``case``, ``gate`` or ``target``."""
    return {"$schema": _draft, "title": f"pipex {kind}", **_makers[kind]()}


def _object(properties: Mapping[str, Json], *required: str) -> Schema:
    """A map with these fields; names that start with ``x-`` are free."""
    found: Schema = {
        "type": "object",
        "properties": dict(properties),
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    return {**found, "required": list(required)} if required else found


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _optional(properties: Mapping[str, Schema], *always: str) -> Schema:
    """Null says the same as leaving a field out, but for those that are always there."""
    return {
        name: schema if name in always else _or_null(schema) for name, schema in properties.items()
    }


def _word(*words: str) -> Schema:
    return {"enum": list(words)}


_text: Final[Schema] = {"type": "string"}
_texts: Final[Schema] = {"type": "array", "items": _text}
_map: Final[Schema] = {"type": "object"}
_flag: Final[Schema] = {"type": "boolean"}
_number: Final[Schema] = {"type": "number"}
_positive: Final[Schema] = {"type": "number", "exclusiveMinimum": 0}
_not_negative: Final[Schema] = {"type": "number", "minimum": 0}
_share: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_entry: Final[Schema] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "properties": {"type": _text}, "required": ["type"]},
    ]
}
_entries: Final[Schema] = {"type": "array", "items": _entry}
_turn: Final[Schema] = {
    "type": "object",
    "properties": {"role": _text},
    "required": ["role", "content"],
}
_moment: Final[Schema] = {"type": "string", "format": "date-time"}


def _case() -> Schema:
    tool: Schema = {
        "type": "object",
        "properties": {"name": _text, "arguments": {}},
        "required": ["name"],
        "additionalProperties": False,
    }
    attachment: Schema = {
        "type": "object",
        "properties": {
            "path": _text,
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "mime": _text,
        },
        "required": ["path", "sha256", "mime"],
    }
    custom: Schema = {"type": "object", "properties": {"name": _text}, "required": ["name"]}
    fields: dict[str, Schema] = {
        "id": {"type": "string", "pattern": f"^{case_id.pattern}$"},
        "name": _text,
        "input": {"anyOf": [_text, _map, {"type": "array", "items": _turn}]},
        "expected_output": {"not": {"const": []}},
        "metadata": _map,
        "tags": _texts,
        "created_at": _moment,
        "version": {"type": "integer", "minimum": 1},
        "context": {"anyOf": [_text, _texts]},
        "choices": _texts,
        "expected_tools": {"type": "array", "items": tool},
        "relevant_ids": _texts,
        "metrics": _entries,
        "cluster_id": _text,
        "weight": _positive,
        "split": _text,
        "attachments": {"type": "array", "items": attachment},
        "source": _map,
        "status": _word(*case_statuses),
        "custom_metrics": {"type": "array", "items": custom},
    }
    return _object(_optional(fields, "id", "input"), "id", "input")


def _suite() -> Schema:
    defaults: dict[str, Schema] = {
        "metrics": _entries,
        "repeats": {"type": "integer", "minimum": 1, "maximum": 100},
        "reducer": {
            "anyOf": [_word(*statistics), {"type": "string", "pattern": f"^{chance_name.pattern}$"}]
        },
        "cluster_by": _or_null(_text),
        "prompt": _text,
        "timeout_seconds": _positive,
    }
    mean: Schema = {
        "anyOf": [
            _number,
            {"type": "object", "properties": {"mean": _number}, "required": ["mean"]},
        ]
    }
    fields: dict[str, Schema] = {
        "schema": {"const": suite_schema},
        "id": {"type": "string", "pattern": f"^{suite_id.pattern}$"},
        "name": _text,
        "description": _text,
        "version": {"type": ["string", "integer"]},
        "defaults": _object(defaults),
        "gate": {"anyOf": [_text, _map]},
        "metadata": _map,
        "tags": _texts,
        "judges": _map,
        "hash_metadata": _texts,
        "privacy": _word("keep", "redact", "hash", "drop"),
        "budget": _map,
        "allow_fallback": _flag,
        "subject_field": _text,
        "batch": _flag,
        "baseline_results": {
            "type": "object",
            "properties": {"metrics": {"type": "object", "additionalProperties": mean}},
        },
        "cases": {"type": "array", "items": {"$ref": "#/$defs/case"}, "maxItems": 1_000_000},
        "test_cases": {"type": "array", "items": {"$ref": "#/$defs/case"}, "maxItems": 1_000_000},
    }
    always = ("schema", "id", "version", "cases", "test_cases")
    return {**_object(_optional(fields, *always)), "$defs": {"case": _case()}}


def _gate() -> Schema:
    rule: dict[str, Schema] = {
        "id": _text,
        "metric": _text,
        "kind": _word(*get_args(Kind)),
        "tier": _word(*get_args(Tier)),
        "slices": _texts,
        "min_pairs": {"type": "integer", "minimum": 2},
        "value": _number,
        "stat": _word(*get_args(Stat)),
        "bound": _word(*get_args(Bound)),
        "margin": _positive,
        "fail_on": _word(*get_args(FailOn)),
        "min_gain": _not_negative,
        "drop": _not_negative,
        "min": _share,
    }
    rules: Schema = {
        "type": "array",
        "minItems": 1,
        "items": {
            **_object(rule, "metric", "kind"),
            "allOf": [_needs("threshold", "value"), *(_needs(k, "margin") for k in _with_margin)],
        },
    }
    fields: dict[str, Schema] = {
        "schema": _word(gate_schema),
        "baseline": _or_null(_text),
        "alpha": {"type": "number", "minimum": 1e-6, "maximum": 0.49},
        "power": {"type": "number", "minimum": 0.01, "maximum": 0.9999},
        "max_missing": _share,
        "missing": _word("tolerant", "strict"),
        "min_pairs": _or_null({"type": "integer", "minimum": 2}),
        "min_slice": {"type": "integer", "minimum": 2},
        "require_certificate": _flag,
        "promotion": _or_null(
            _object({"on": _word("pass", "superiority"), "actor": _text}, "on", "actor")
        ),
        "rules": rules,
    }
    return _object(fields, "rules")


_with_margin: Final = ("noninferiority", "equivalence")


def _needs(kind: str, field: str) -> Schema:
    is_kind = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
    return {"if": is_kind, "then": {"required": [field]}}


def _target() -> Schema:
    """One schema per kind; without ``kind`` a target with a path is a pipeline, any other a prompt."""
    shared: dict[str, Schema] = {"name": _or_null(_text), "model": _or_null(_text)}
    bindings = _object({"model": _text, "defaults": _map, "inputs": _map, "environment": _text})
    pipeline: dict[str, Schema] = {
        "kind": {"const": "pipeline"},
        "path": _text,
        "output_step": _or_null(_text),
        "input_name": _or_null(_text),
        "bindings": bindings,
        "options": _map,
    }
    prompt: dict[str, Schema] = {
        "kind": {"const": "prompt"},
        "prompt": _or_null(_text),
        "system": _or_null(_text),
        "options": _map,
        "tools": {"type": "array"},
    }
    recorded: dict[str, Schema] = {"kind": {"const": "recorded"}, "path": _text}
    python: dict[str, Schema] = {
        "kind": {"const": "python"},
        "callable": _text,
        "version": {"type": ["string", "integer"]},
        "pure": _flag,
    }
    return {
        "anyOf": [
            _object({**shared, **pipeline}, "path"),
            _object({**shared, **prompt}),
            _object({**shared, **recorded}, "kind", "path"),
            _object({**shared, **python}, "kind", "callable"),
        ]
    }


_makers: Final[Mapping[str, Callable[[], Schema]]] = MappingProxyType(
    {"suite": _suite, "case": _case, "gate": _gate, "target": _target}
)
