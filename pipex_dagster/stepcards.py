"""What the run page shows of a step: numbers first, then what went in and out, cut to what is readable."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from pipex_core.engine.part import Done, Ended
from pipex_core.engine.records import StepRecord, error_json, usd
from pipex_core.jsonvalue import Json, compact
from pipex_core.spec.plan import PlanStep
from pipex_dagster.presentation import Metadata, cut, numbers, rows_shown

longest_description = 600


def step_text(step: PlanStep) -> str:
    """What an op says of its step: the author's words, its type, and the prompt as it is written."""
    said = step.spec.get("description")
    lines = [*([str(said)] if said else []), f"Step `{step.name}` of type `{step.type}`."]
    condition = step.spec.get("condition")
    if condition is not None:
        words = condition if isinstance(condition, str) else compact(condition)
        lines.append(f"Runs only if `{words}`.")
    prompt = step.spec.get("prompt")
    if prompt is not None:
        words = prompt if isinstance(prompt, str) else compact(prompt)
        lines.append(f"```\n{cut(words, at=longest_description)}\n```")
    return "\n\n".join(lines)


def record_metadata(done: Done, prompts: Mapping[str, str]) -> Metadata:
    """What the run page shows of a step.

    Args:
        done: The step.
        prompts: Step path to the first prompt that was sent, without secrets.
    """
    record, path = done.record, done.finished.path
    metadata = _numbers(record)
    for name, value in (("prompt", prompts.get(path)), ("text", record.text)):
        if value is not None:
            metadata[name] = dg.MetadataValue.text(cut(value))
    if record.model is not None:
        metadata["model"] = dg.MetadataValue.text(record.model)
    if record.status == "skipped":
        metadata["skipped"] = dg.MetadataValue.bool(True)
        metadata["reason"] = dg.MetadataValue.text(cut(str(record.metadata.get("reason", ""))))
    if record.status == "failed":
        metadata["status"] = dg.MetadataValue.text(record.status)
    if done.resumed:
        metadata["resumed"] = dg.MetadataValue.bool(True)
    return metadata | _more(record, path, prompts)


def _numbers(record: StepRecord) -> Metadata:
    """Money and tokens only of a step that took some: the page shows the first lines and hides the others."""
    money = {
        "cost_usd": usd(record.cost_nanousd),
        "tokens_input": record.tokens.input,
        "tokens_output": record.tokens.output,
    }
    took = money if any(money.values()) or record.model is not None else {}
    return numbers({**took, "attempts": record.attempts, "duration_ms": record.duration_ms})


def _more(record: StepRecord, path: str, prompts: Mapping[str, str]) -> Metadata:
    """What only some steps have."""
    metadata: Metadata = {}
    inside = rows_shown(_rows(record, path, prompts))
    if inside is not None:
        metadata["inside"] = inside
    if record.data is not None and inside is None:
        metadata["data"] = dg.MetadataValue.text(cut(compact(record.data)))
    if record.files:
        metadata["files"] = dg.MetadataValue.json(list(record.files))
    if record.error is not None:
        metadata["error"] = dg.MetadataValue.json(error_json(record.error) or {})
    return metadata


def ended_metadata(ended: Ended) -> Metadata:
    """What the last op of a run shows of the whole run."""
    metadata = numbers({"run_cost_usd": usd(ended.used.nanousd), "run_calls": ended.used.calls})
    if ended.outputs:
        metadata["run_outputs"] = dg.MetadataValue.json(dict(ended.outputs))
    if ended.files:
        metadata["run_files"] = dg.MetadataValue.json(list(ended.files))
    return metadata


def _rows(
    record: StepRecord, path: str, prompts: Mapping[str, str]
) -> Iterable[Mapping[str, Json]]:
    """One row for each thing that ran inside of a step: a step of an iteration, a branch or a task."""
    for where, one in _inside(record):
        error = one.get("error") or {}
        said = error.get("message") or _value(one)
        yield {
            "where": where,
            "status": str(one.get("status", "")),
            "cost_usd": float(one.get("cost_usd") or 0.0),
            "duration_ms": int(one.get("duration_ms") or 0),
            "prompt": prompts.get(f"{path}{_place(where)}", ""),
            "result": said,
        }


def _place(where: str) -> str:
    return where if where.startswith("[") else f"/{where}"


def _value(record: Mapping[str, Json]) -> str:
    text = record.get("text")
    if isinstance(text, str):
        return text
    data = record.get("data")
    return "" if data is None else compact(data)


def _inside(record: StepRecord) -> Sequence[tuple[str, Mapping[str, Json]]]:
    """Place inside of the step to the record at it: ``[0]/draft``, ``alpha``, ``draft``."""
    data = record.data if isinstance(record.data, Mapping) else {}
    iterations = data.get("iterations")
    if isinstance(iterations, Sequence) and not isinstance(iterations, str):
        return [
            (f"[{one['index']}]/{name}", inner)
            for one in iterations
            for name, inner in one["results"].items()
        ]
    kept = record.metadata.get("tasks") or record.metadata.get("steps")
    branch = data.get("results") if record.type == "switch" else None
    found = kept if isinstance(kept, Mapping) else branch
    if not isinstance(found, Mapping):
        return []
    return [(name, inner) for name, inner in found.items() if isinstance(inner, Mapping)]
