"""Suites of OpenAI Evals and Pydantic Evals: samples, and the evaluators that judge them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pipex_core.errors import ConfigError
from pipex_core.evals.foreign import Imported, Maker, Sibling
from pipex_core.evals.recordfile import records_of
from pipex_core.jsonvalue import Json
from pipex_core.spec.yaml_text import read_yaml

Entries = list[dict[str, Json]]


def import_openai_samples(
    rows: Iterable[tuple[str, Json]],
    maker: Maker,
    *,
    suite: str,
    fields: Mapping[str, Json] | None = None,
) -> Imported:
    """Cases of samples ``{input, ideal}``; ``ideal`` is one text or a list of alternatives."""
    for where, row in rows:
        if not isinstance(row, Mapping):
            maker.drop(where, "the record is no map")
            continue
        maker.lossy |= row.keys() - {"input", "ideal", "id", "metadata"}
        metadata = row.get("metadata")
        data = {
            "id": row.get("id"),
            "input": row.get("input"),
            "expected_output": row.get("ideal"),
            "metadata": metadata if isinstance(metadata, Mapping) else None,
        }
        maker.make(where, data)
    return maker.imported(suite, fields=fields)


def import_openai_registry(
    registry: Mapping[str, Json], maker: Maker, *, suite: str, sibling: Sibling
) -> Imported:
    """The suite of a registry file: its first evaluation that has a class, with its samples.

    Raises:
        ConfigError: ``not_records``, no entry has a class and samples.
    """
    found = [
        (name, one)
        for name, one in registry.items()
        if isinstance(one, Mapping) and isinstance(one.get("class"), str)
    ]
    if not found:
        raise ConfigError("no entry of the registry has a class", code="not_records")
    for name, _ in found[1:]:
        maker.unsupported(name, "class", "one evaluation becomes one suite; this one is left out")
    name, evaluation = found[0]
    args = evaluation.get("args")
    args = args if isinstance(args, Mapping) else {}
    samples = args.get("samples_jsonl")
    if not isinstance(samples, str):
        raise ConfigError(f"{name} names no samples_jsonl", code="not_records")
    for word in sorted(args.keys() - {"samples_jsonl", "modelgraded_spec", "eval_type"}):
        maker.unsupported(name, f"args.{word}", "it is left out")
    metrics = _openai_metrics(name, evaluation["class"].rsplit(":", 1)[-1], args, maker, sibling)
    fields = {"defaults": {"metrics": metrics}} if metrics else {}
    rows = records_of(sibling(samples), maker.dropped)
    return import_openai_samples(rows, maker, suite=suite, fields=fields)


def import_pydantic(document: Json, maker: Maker, *, suite: str) -> Imported:
    """The suite of a dataset ``{name, cases, evaluators}``; names of cases become ids.

    Raises:
        ConfigError: ``not_records``, there is no list of cases.
    """
    cases = document.get("cases") if isinstance(document, Mapping) else None
    if not isinstance(cases, list):
        raise ConfigError("a dataset of Pydantic Evals has a list of cases", code="not_records")
    for name in sorted(document.keys() - {"name", "cases", "evaluators", "$schema"}):
        maker.unsupported(name, name, "it is not part of a suite")
    shared = _evaluators(document.get("evaluators"), "evaluators", maker)
    for at, one in enumerate(cases):
        where = f"cases[{at}]"
        if not isinstance(one, Mapping):
            maker.drop(where, "the record is no map")
            continue
        maker.lossy |= one.keys() - {"name", "inputs", "metadata", "expected_output", "evaluators"}
        metadata = one.get("metadata")
        given = one.get("inputs")
        if metadata is not None and not isinstance(metadata, Mapping):
            metadata = {"value": metadata}
        maker.make(
            where,
            {
                "id": one.get("name"),
                "name": one.get("name"),
                "input": given if isinstance(given, str | Mapping | list) else {"value": given},
                "expected_output": _structured(one.get("expected_output")),
                "metadata": metadata,
                "metrics": _evaluators(one.get("evaluators"), where, maker) or None,
            },
        )
    fields: dict[str, Json] = {"name": document.get("name")} if document.get("name") else {}
    if shared:
        fields["defaults"] = {"metrics": shared}
    return maker.imported(suite, fields=fields)


def _openai_metrics(
    where: str, kind: str, args: Mapping[str, Json], maker: Maker, sibling: Sibling
) -> Entries:
    if kind in _openai_classes:
        if kind == "FuzzyMatch":
            effect = "compared without regard to case; articles and punctuation count"
            maker.unsupported(where, kind, effect)
        return [dict(_openai_classes[kind])]
    if kind != "ModelBasedClassify":
        maker.unsupported(where, f"class {kind}", "there is no such metric")
        return []
    name = args.get("modelgraded_spec")
    try:
        text = sibling(f"modelgraded/{name}.yaml")
    except ConfigError:
        maker.unsupported(where, f"modelgraded_spec {name}", "its file is not beside the registry")
        return []
    spec = read_yaml(text, f"modelgraded/{name}.yaml").value
    inside = spec.get(name, spec) if isinstance(spec, Mapping) else {}
    choices, scores = inside.get("choice_strings"), inside.get("choice_scores")
    if not isinstance(choices, list) or not isinstance(scores, Mapping):
        maker.unsupported(where, f"modelgraded_spec {name}", "its choices have no scores")
        return []
    return [
        {
            "type": "rubric",
            "items": [{"id": str(name), "text": str(inside.get("prompt", name))}],
            "choice_strings": choices,
            "choice_scores": {str(choice): score for choice, score in scores.items()},
        }
    ]


_either_way: Final = (
    "lower(output) contains lower(expected) or lower(expected) contains lower(output)"
)
_openai_classes: Final[Mapping[str, Mapping[str, Json]]] = MappingProxyType(
    {
        "Match": {"type": "starts_with"},
        "Includes": {"type": "contains"},
        "FuzzyMatch": {"type": "expression", "name": "either_way", "expr": _either_way},
        "JsonMatch": {"type": "json_match"},
    }
)


def _evaluators(given: Json, where: str, maker: Maker) -> Entries:
    found: Entries = []
    for one in given if isinstance(given, list) else []:
        name, value = _evaluator(one)
        made = _pydantic.get(name)
        entry = made(value) if made else None
        if entry is None:
            maker.unsupported(where, f"evaluator {name}", "there is no such metric")
            continue
        taken = {known["name"] for known in found}
        stem, number = entry["type"], 2
        entry["name"] = stem
        while entry["name"] in taken:
            entry["name"], number = f"{stem}_{number}", number + 1
        found.append(entry)
    return found


def _evaluator(one: Json) -> tuple[str, Json]:
    if isinstance(one, str):
        return one, None
    if isinstance(one, Mapping) and "name" in one and "arguments" in one:
        return str(one["name"]), one["arguments"]
    if isinstance(one, Mapping) and len(one) == 1:
        return next((str(name), value) for name, value in one.items())
    return str(one), None


def _argument(value: Json, name: str) -> Json:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        return value[0]
    return value


def _equals(value: Json) -> dict[str, Json] | None:
    wanted = _argument(value, "value")
    if not isinstance(wanted, str):
        return None
    quoted = wanted.replace("\\", "\\\\").replace("'", "\\'")
    return {"type": "expression", "expr": f"output == '{quoted}'"}


def _contains(value: Json) -> dict[str, Json] | None:
    wanted = _argument(value, "value")
    if not isinstance(wanted, str):
        return None
    is_strict = not isinstance(value, Mapping) or value.get("case_sensitive", True)
    return {"type": "contains", "value": wanted, **({} if is_strict else {"ignore_case": True})}


def _is_instance(value: Json) -> dict[str, Json] | None:
    kinds = {
        "str": "true",  # every answer is a text
        "dict": "type(output_json) == 'map'",
        "list": "type(output_json) == 'list'",
        "bool": "type(output_json) == 'boolean'",
        "int": "type(output_json) == 'integer'",
        "float": "type(output_json) in ['integer', 'number']",
    }
    expression = kinds.get(str(_argument(value, "type_name")))
    return None if expression is None else {"type": "expression", "expr": expression}


def _max_duration(value: Json) -> dict[str, Json] | None:
    seconds = _argument(value, "seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return {"type": "latency", "threshold": 1000 * seconds}


def _llm_judge(value: Json) -> dict[str, Json] | None:
    text = _argument(value, "rubric")
    return (
        {"type": "rubric", "items": [{"id": "rubric", "text": text}]}
        if isinstance(text, str)
        else None
    )


_pydantic: Final[Mapping[str, Callable[[Json], dict[str, Json] | None]]] = MappingProxyType(
    {
        "EqualsExpected": lambda _: {"type": "exact_match"},
        "Equals": _equals,
        "Contains": _contains,
        "IsInstance": _is_instance,
        "MaxDuration": _max_duration,
        "LLMJudge": _llm_judge,
    }
)


def _structured(value: Json) -> Json:
    """A list of texts is one value here, where a suite would take it for alternatives."""
    is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return {"$value": value} if is_texts else value
