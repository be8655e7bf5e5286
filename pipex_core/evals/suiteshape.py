"""The fields of suites and cases as tables: plain data in, values and findings out, and back.

Each field has one reader that gives the checked value or says what is wrong. The readers of a map are
tried in turn, so that a file shows all its problems at once. Writing follows the same tables: their
order is the order of keys in a saved file.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pipex_core.evals.fields import (
    Reader,
    Shaped,
    Wrong,
    a_kind,
    flag,
    items,
    list_of,
    mapping,
    matching,
    number,
    one_of,
    optional,
    read_map,
    text_of,
    whole,
)
from pipex_core.evals.reducers import problem_of, statistics
from pipex_core.evals.suite import Case, Suite, SuiteDefaults, case_statuses
from pipex_core.jsonvalue import Json
from pipex_core.registry import nearest
from pipex_core.spec.model import Finding

schema_name: Final = "pipex.suite/1"
suite_id: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
case_id: Final = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
_rfc3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_sha256: Final = re.compile(r"[0-9a-f]{64}")
_max_repeats: Final = 100
_tool_fields: Final = ("name", "arguments")


def read_case(data: Json, *, path: str) -> tuple[Case | None, tuple[Finding, ...]]:
    """One case from its JSON map, or what is wrong with it.

    Args:
        data: Parsed JSON or YAML.
        path: Of the case in its document, such as ``cases[3]``.
    """
    if not isinstance(data, Mapping):
        message = f"a case is a map, not {a_kind(data)}"
        return None, (Finding(code="wrong_type", message=message, path=path),)
    shaped = read_map(data, _all_case_readers, path=path, required=("id", "input"))
    if shaped.findings:
        return None, shaped.findings
    values = _with_custom(shaped.values)
    values["tags"] = _merged_tags(values)
    return Case(**values), ()


def read_suite_fields(
    data: Json, *, default_id: str
) -> tuple[Mapping[str, Any], tuple[Finding, ...]]:
    """The fields of a suite except its cases, as arguments of ``Suite``, and what is wrong.

    Args:
        data: Map of the suite file, without ``cases`` and ``test_cases``.
        default_id: Stem of the file or directory.
    """
    if not isinstance(data, Mapping):
        message = f"a suite is a map, not {a_kind(data)}"
        return {"id": default_id}, (Finding(code="not_a_suite", message=message),)
    shaped = read_map({"id": default_id, **data}, _suite_readers, path="", required=())
    values = dict(shaped.values)
    defaults = values.pop("defaults", {})
    named = {key: values[key] for key in _named_suite_fields if values.get(key) is not None}
    extra = {**values.pop("extra", {})}
    extra |= {key: values[key] for key in _kept_suite_fields if values.get(key) is not None}
    findings = shaped.findings
    if isinstance(defaults, Shaped):
        findings, defaults = (*findings, *defaults.findings), defaults.values
        defaults = {key: value for key, value in defaults.items() if key != "extra"}
    return {**named, "extra": extra, "defaults": SuiteDefaults(**defaults)}, findings


def case_data(case: Case) -> dict[str, Json]:
    """The JSON map of a case: keys in their fixed order, fields at their default left out."""
    found: dict[str, Json] = {"id": case.id}
    for name in _case_readers:
        value = getattr(case, name)
        if name == "input" or value != _case_defaults[name]:
            found[name] = _plain(value)
    found.update((name, _listed(value)) for name, value in sorted(case.extra.items()))
    return found


def suite_data(suite: Suite) -> dict[str, Json]:
    """The JSON map of a suite without its cases: keys in their fixed order, defaults left out."""
    extra = dict(suite.extra)
    defaults = {
        name: _plain(value)
        for name in _defaults_readers
        if (value := getattr(suite.defaults, name)) != getattr(SuiteDefaults(), name)
    }
    fields = {
        "schema": schema_name,
        "id": suite.id,
        "name": suite.name or None,
        "description": suite.description,
        "version": suite.version,
        "defaults": defaults or None,
        "gate": suite.gate,
    }
    kept = {name: extra.pop(name) for name in _kept_suite_fields if name in extra}
    found = {**fields, **kept, **dict(sorted(extra.items()))}
    return {name: _listed(value) for name, value in found.items() if value is not None}


def _with_custom(values: Mapping[str, Any]) -> dict[str, Any]:
    """``custom_metrics`` of the older form as further entries of ``metrics``."""
    rest = {name: value for name, value in values.items() if name != "custom_metrics"}
    custom = values.get("custom_metrics")
    if custom is None:
        return rest
    return {**rest, "metrics": (*(rest.get("metrics") or ()), *custom)}


def _merged_tags(values: Mapping[str, Any]) -> tuple[str, ...]:
    more = values.get("metadata", {}).get("tags", ())
    more = [more] if isinstance(more, str) else more
    words = [word for word in more if isinstance(word, str)] if isinstance(more, list) else []
    return tuple(sorted({*values.get("tags", ()), *words}))


def _input(value: Json) -> Json:
    if isinstance(value, str | Mapping):
        return value
    if not isinstance(value, list):
        raise Wrong(f"text, a map or a list of turns is needed, not {a_kind(value)}")
    for index, turn in enumerate(value):
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            raise Wrong("a turn is a map with role and content", at=f"[{index}]")
        if "content" not in turn:
            raise Wrong("the turn has no content", at=f"[{index}]")
    return value


def _reference(value: Json) -> Json:
    if value == [] and isinstance(value, list):
        raise Wrong(
            'an empty list of alternatives says nothing: use null, or {"$value": []}',
            code="bad_reference",
        )
    if isinstance(value, Mapping) and "$value" in value and len(value) > 1:
        raise Wrong('{"$value": X} has no other keys', code="bad_reference")
    return value


def _context(value: Json) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise Wrong(f"text or a list of texts is needed, not {a_kind(value)}")
    return tuple(items(value, text_of))


def _tags(value: Json) -> tuple[str, ...]:
    found: tuple[str, ...] = list_of(text_of)(value)
    return tuple(sorted(set(found)))


def _tool(value: Json) -> Mapping[str, Json]:
    tool = mapping(value)
    if not isinstance(tool.get("name"), str):
        raise Wrong("a tool call needs a name", at=".name")
    unknown = next((key for key in tool if key not in _tool_fields), None)
    if unknown is not None:
        raise Wrong(
            f"unknown field {unknown!r}",
            code="unknown_field",
            at=f".{unknown}",
            suggestion=nearest(unknown, _tool_fields),
        )
    return tool


def _attachment(value: Json) -> Mapping[str, Json]:
    attachment = mapping(value)
    for key in ("path", "sha256", "mime"):
        if not isinstance(attachment.get(key), str):
            raise Wrong(f"an attachment needs the text {key!r}")
    if not _sha256.fullmatch(attachment["sha256"]):
        raise Wrong("a SHA-256 has 64 lower-case hexadecimal digits", at=".sha256")
    return attachment


def _entry(value: Json) -> Json:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return value
    raise Wrong("a metric is a name, or a map with a type")


def _custom_entry(value: Json) -> Json:
    entry = mapping(value)
    if not isinstance(entry.get("name"), str):
        raise Wrong("a custom metric needs a name", at=".name")
    rest = {key: inner for key, inner in entry.items() if key != "name"}
    return {"type": f"custom:{entry['name']}", **rest}


def _moment(value: Json) -> str:
    text = text_of(value)
    try:
        if _rfc3339.fullmatch(text):
            datetime.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise Wrong(f"{text!r} is not a time such as 2025-01-31T23:59:59Z (RFC 3339)")


def _version(value: Json) -> str:
    if isinstance(value, float):
        raise Wrong(f'a label with a point stands in quotes: "{value:g}"')
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Wrong(f"text or a whole number is needed, not {a_kind(value)}")
    return str(value)


def _gate(value: Json) -> Json:
    if not isinstance(value, str | Mapping):
        raise Wrong(f"a gate or the path of one is needed, not {a_kind(value)}")
    return value


def _defaults(value: Json) -> Shaped:
    return read_map(mapping(value), _defaults_readers, path="defaults", required=())


def _limits(value: Json) -> Mapping[str, Json]:
    """The budget of a run."""
    limits = mapping(value)
    for key, limit in limits.items():
        if key not in _budget_readers and not key.startswith("x-"):
            near = nearest(key, _budget_readers)
            raise Wrong(f"unknown field {key!r}", "unknown_field", f".{key}", near)
        _inside(_budget_readers.get(key, _anything), limit, f".{key}")
    return limits


def _baseline_results(value: Json) -> Mapping[str, Json]:
    """Means of another tool or an earlier time: ``{version, date, metrics: {name: mean or map}}``."""
    results = mapping(value)
    metrics = results.get("metrics")
    if not isinstance(metrics, Mapping):
        raise Wrong(f"a map of metrics is needed, not {a_kind(metrics)}", at=".metrics")
    for name, known in metrics.items():
        at = f".metrics.{name}"
        if not isinstance(known, Mapping):
            _inside(number(), known, at)
            continue
        for key, reader in _mean_readers.items():
            if key in known:
                _inside(reader, known[key], f"{at}.{key}")
        if "mean" not in known:
            raise Wrong("a metric needs a mean", at=at)
    return results


def _inside(reader: Reader, value: Json, at: str) -> None:
    try:
        reader(value)
    except Wrong as wrong:
        raise Wrong(wrong.message, wrong.code, at + wrong.at, wrong.suggestion) from None


def _anything(value: Json) -> Json:
    return value


def _plain(value: Json) -> Json:
    """Tuples as lists, as JSON and YAML give them back; a whole weight or time as an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _listed(value)


def _listed(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _listed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    return value


_positive: Final = number(above=0)
_budget_readers: Final[Mapping[str, Reader]] = {
    "max_cost_usd": optional(number(0)),
    "max_tokens": optional(whole(0)),
    "max_calls": optional(whole(0)),
    "on_exceed": optional(text_of),
}
_mean_readers: Final[Mapping[str, Reader]] = {
    "mean": number(),
    "std_dev": optional(number(0)),
    "n": optional(whole(0)),
}
_texts: Final = list_of(text_of)

# In the order of the format's table: this is the order of keys in a saved case.
_case_readers: Final[Mapping[str, Reader]] = {
    "id": matching(case_id, "bad_id", "an id: 1 to 128 of A-Z a-z 0-9 . _ : / -"),
    "name": optional(text_of),
    "input": _input,
    "expected_output": _reference,
    "metadata": optional(mapping, default=dict),
    "tags": optional(_tags, default=tuple),
    "created_at": optional(_moment),
    "version": optional(whole(1), default=lambda: 1),
    "context": optional(_context),
    "choices": optional(_texts),
    "expected_tools": optional(list_of(_tool)),
    "relevant_ids": optional(_texts),
    "metrics": optional(list_of(_entry)),
    "cluster_id": optional(text_of),
    "weight": optional(_positive, default=lambda: 1.0),
    "split": optional(text_of),
    "attachments": optional(list_of(_attachment)),
    "source": optional(mapping),
    "status": optional(one_of(case_statuses), default=lambda: "active"),
}
_all_case_readers: Final[Mapping[str, Reader]] = {
    **_case_readers,
    "custom_metrics": optional(list_of(_custom_entry)),
}
case_fields: Final = tuple(_case_readers)
_sample: Final = Case(id="", input="")
_case_defaults: Final = {name: getattr(_sample, name) for name in _case_readers}


def _reducer(value: Json) -> str:
    name = text_of(value)
    if message := problem_of(name):
        near = nearest(name, [*statistics, "pass_at_k", "pass_hat_k", "at_least_k"])
        raise Wrong(message, code="unknown_value", suggestion=near)
    return name


_defaults_readers: Final[Mapping[str, Reader]] = {
    "metrics": list_of(_entry),
    "repeats": whole(1, _max_repeats),
    "reducer": _reducer,
    "cluster_by": optional(text_of),
    "prompt": text_of,
    "timeout_seconds": _positive,
}
_named_suite_fields: Final = ("id", "name", "description", "version", "gate")
_suite_readers: Final[Mapping[str, Reader]] = {
    "schema": matching(re.compile(re.escape(schema_name)), "unsupported_schema", schema_name),
    "id": matching(
        suite_id, "bad_id", "an id: a letter or digit, then up to 99 of A-Z a-z 0-9 . _ -"
    ),
    "name": optional(text_of),
    "description": optional(text_of),
    "version": _version,
    "defaults": optional(_defaults, default=dict),
    "gate": optional(_gate),
    "metadata": optional(mapping),
    "tags": optional(_texts),
    "judges": optional(mapping),
    "hash_metadata": optional(_texts),
    "privacy": optional(one_of(("keep", "redact", "hash", "drop"))),
    "budget": optional(_limits),
    "allow_fallback": optional(flag),
    "subject_field": optional(text_of),
    "batch": optional(flag),
    "baseline_results": optional(_baseline_results),
}
_kept_suite_fields: Final = tuple(
    name for name in _suite_readers if name not in ("schema", *_named_suite_fields, "defaults")
)
