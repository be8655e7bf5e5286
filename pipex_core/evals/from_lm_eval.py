"""Tasks of lm-evaluation-harness over local data, and its logged samples as recorded answers.

Only generation is supported: log-likelihoods of choices are not answers. ``!function`` is refused, because
it runs code.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.foreign import Imported, Maker, Sibling
from pipex_core.evals.recordfile import records_of
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.template import has_template, render
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, parse
from pipex_core.spec.yaml_text import read_yaml

recorded_name: Final = "recorded"
most_includes: Final = 10
letters: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_code: Final = re.compile(r"!function\s+(\S+)")
_strip: Final = re.compile(r"\.strip\(\)(?=[^{}]*\}\})")
_read: Final = frozenset(
    {
        *("task", "include", "dataset_path", "dataset_name", "dataset_kwargs", "data_files"),
        *("doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter"),
        *("output_type", "generation_kwargs", "metric_list", "filter_list", "repeats", "metadata"),
        *("num_fewshot", "fewshot_delimiter", "test_split", "validation_split", "tag", "group"),
    }
)


def import_task(text: str, maker: Maker, *, file: str, suite: str, sibling: Sibling) -> Imported:
    """The suite of a task file with its local data.

    Raises:
        ConfigError: ``unsupported_feature``, the task needs log-likelihoods, code or a hosted data set.
    """
    task = _task(text, file, sibling, 0)
    kind = task.get("output_type", "generate_until")
    if kind not in ("generate_until", "multiple_choice"):
        raise _refused(f"output_type {kind}: log-likelihoods are no answers")
    for name, value in sorted(task.items()):
        if isinstance(value, str) and value.startswith("!function"):
            if name.startswith("doc_to_") or name == "process_docs":
                raise _refused(f"{name} runs code: {value}")
            maker.unsupported(name, value, "it runs code and is left out")
        elif name not in _read:
            maker.unsupported(name, name, "it is left out")
    if task.get("num_fewshot"):
        maker.unsupported("num_fewshot", "few shots", "the examples before a question are left out")
    for where, row in _data(task, maker, sibling):
        if not isinstance(row, Mapping):
            maker.drop(where, "the record is no map")
            continue
        try:
            maker.make(where, _fields(task, row))
        except ExpressionError as exc:
            maker.drop(where, exc.message)
    return maker.imported(suite, fields=_suite_fields(task, maker))


def import_samples(rows: Iterable[tuple[str, Json]], maker: Maker, *, suite: str) -> Imported:
    """Cases and answers of a file ``samples_*.jsonl``."""
    for where, row in rows:
        if not isinstance(row, Mapping):
            maker.drop(where, "the record is no map")
            continue
        target = row.get("target")
        document = row.get("doc")
        fields = {
            "id": f"doc_{row['doc_id']}" if isinstance(row.get("doc_id"), int) else None,
            "input": _asked(row.get("arguments")),
            "expected_output": target if isinstance(target, str | list) else to_text(target),
            "metadata": {"doc": document} if isinstance(document, Mapping) else None,
        }
        case = maker.make(where, fields)
        answer = _first(row.get("filtered_resps")) or _first(row.get("resps"))
        if case is not None and isinstance(answer, str):
            maker.answer(recorded_name, case, answer)
    return maker.imported(suite)


def _refused(message: str) -> ConfigError:
    return ConfigError(message, code="unsupported_feature")


def _task(text: str, file: str, sibling: Sibling, depth: int) -> dict[str, Json]:
    if depth > most_includes:
        raise _refused(f"{file} includes itself")
    found = read_yaml(_code.sub(r'"!function \1"', text), file).value
    if not isinstance(found, Mapping):
        raise ConfigError("a task is a map", code="not_records")
    include = found.get("include")
    if not isinstance(include, str):
        return dict(found)
    below = _task(sibling(include).decode("utf-8"), include, sibling, depth + 1)
    return {**below, **{name: value for name, value in found.items() if name != "include"}}


def _data(task: Mapping[str, Json], maker: Maker, sibling: Sibling) -> Iterable[tuple[str, Json]]:
    if task.get("dataset_path") not in ("json", "csv"):
        raise _refused(f"data set {task.get('dataset_path')}: give its records as a local file")
    options = task.get("dataset_kwargs")
    files = options.get("data_files") if isinstance(options, Mapping) else task.get("data_files")
    if isinstance(files, Mapping):
        split = task.get("test_split") or task.get("validation_split") or next(iter(files), "")
        files = files.get(split)
    for name in [files] if isinstance(files, str) else files or []:
        for where, row in records_of(sibling(name), maker.dropped):
            yield f"{where} of {name}", row


def _fields(task: Mapping[str, Json], row: Mapping[str, Json]) -> dict[str, Json]:
    asked = to_text(_made(task.get("doc_to_text"), row))
    head = task.get("description")
    target = _made(task.get("doc_to_target"), row)
    choices = _made(task.get("doc_to_choice"), row) if "doc_to_choice" in task else None
    if isinstance(choices, str):
        choices = _listed(choices)
    if choices is not None:
        number = target if isinstance(target, int) else _number(target)
        if number is not None and 0 <= number < len(choices):
            target = letters[number]
    return {
        "input": f"{head}{asked}" if isinstance(head, str) else asked,
        "expected_output": target if isinstance(target, str | list) else to_text(target),
        "choices": [to_text(choice) for choice in choices] if choices is not None else None,
    }


def _made(rule: Json, row: Mapping[str, Json]) -> Json:
    """The value of a rule: the name of a field, a template over the fields, or itself."""
    if not isinstance(rule, str):
        return rule
    if rule in row:
        return row[rule]
    if not has_template(rule):
        return rule
    if "{%" in rule:
        raise ExpressionError("blocks of Jinja are not supported")
    return render(_strip.sub(" | trim", rule), Scope(local=row))


def _listed(text: str) -> list[Json]:
    try:
        found = parse(text)
    except ValueError:
        found = None
    return found if isinstance(found, list) else [part.strip() for part in text.split(",")]


def _number(value: Json) -> int | None:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else None


def _suite_fields(task: Mapping[str, Json], maker: Maker) -> dict[str, Json]:
    extract = _extract(task.get("filter_list"), maker)
    metrics = _metrics(task, maker)
    for entry in metrics:
        entry.update(extract)
    options = task.get("generation_kwargs")
    if isinstance(options, Mapping) and options:
        maker.unsupported(
            "generation_kwargs", ", ".join(sorted(options)), "give them to the target"
        )
    defaults: dict[str, Json] = {"metrics": metrics} if metrics else {}
    if isinstance(task.get("repeats"), int) and task["repeats"] > 1:
        defaults["repeats"] = task["repeats"]
        defaults["reducer"] = "mode" if _votes(task.get("filter_list")) else "mean"
    version = task.get("metadata")
    found: dict[str, Json] = {"defaults": defaults} if defaults else {}
    if isinstance(task.get("task"), str):
        found["name"] = task["task"]
    if isinstance(version, Mapping) and isinstance(version.get("version"), int | float | str):
        found["version"] = str(version["version"])
    return found


def _metrics(task: Mapping[str, Json], maker: Maker) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    if task.get("output_type") == "multiple_choice":
        return [{"type": "choice_match"}]
    for one in _list(task.get("metric_list")):
        name = one.get("metric") if isinstance(one, Mapping) else one
        if name == "exact_match" and isinstance(one, Mapping):
            known = ("ignore_case", "ignore_punctuation", "regexes_to_ignore")
            options = {word: one[word] for word in known if word in one}
            found.append({"type": "exact_match", **options})
        elif name in ("bleu", "chrf", "ter"):
            found.append({"type": name})
        else:
            maker.unsupported("metric_list", str(name), "there is no such metric")
    return found


def _extract(filters: Json, maker: Maker) -> dict[str, Json]:
    for one in _filters(filters):
        name = one.get("function")
        if name == "regex":
            pattern = one.get("regex_pattern", r"#### (\-?[0-9\.\,]+)")
            which = "last" if one.get("group_select") == -1 else "first"
            return {"extract": {"regex": pattern, "group": 1, "which": which}}
        if name not in ("take_first", "majority_vote"):
            maker.unsupported("filter_list", str(name), "there is no such filter")
    return {}


def _votes(filters: Json) -> bool:
    return any(one.get("function") == "majority_vote" for one in _filters(filters))


def _filters(filters: Json) -> list[Mapping[str, Json]]:
    groups = [one for one in _list(filters) if isinstance(one, Mapping)]
    inside = [step for group in groups for step in _list(group.get("filter"))]
    return [step for step in inside if isinstance(step, Mapping)]


def _asked(arguments: Json) -> Json:
    """The prompt of a logged sample, in both forms that the tool has written."""
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    first = arguments[0] if isinstance(arguments, list) and arguments else None
    if isinstance(first, Mapping):
        return next(iter(first.values()), None)
    return first[0] if isinstance(first, list) and first else first


def _first(value: Json) -> Json:
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []
