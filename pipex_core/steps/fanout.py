"""Several calls to Claude as one step: ``parallel_claude`` and ``claude_batch``.

A task is executed as a step of its own below the step that lists it, with the path ``step/task``: so it
has its own journal, condition, schema, file and record, and after a crash the finished ones are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.errors import ErrorRecord
from pipex_core.expressions.template import has_template
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, check_schema
from pipex_core.spec.effects import part_effects, tool_effects
from pipex_core.spec.fields import presets
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import claude_options, integer, number, text
from pipex_core.spec.rules import unknown_tools
from pipex_core.steps.blocks import BlockResult, Record, error_of, in_order, value_of
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.model_call import ask_claude

default_parallel: Final = 5
default_batch_parallel: Final = 3
default_task_ms: Final = 60_000
most_parallel: Final = 64

_task: Final = "task"  # marks the fields of a task; no file can say it, because no shape knows it
_of_all_tasks: Final = ("retry", "repair", "cache", "streaming", "templates", "preset", "pin_model")
_of_one_task: Final = ("condition", "output_to_file", "output_schema", "timeout_seconds")

_prompt: Final = FieldShape(
    kind="prompt", types=("str", "list"), description="A text, or a list of parts."
)
_tasks: Final = FieldShape(
    kind="plain",
    types=("list",),
    description="What is asked, each on its own.",
    item=FieldShape(
        types=("map",),
        fields={
            "id": FieldShape(
                kind="plain",
                types=("str", "int"),
                description="Name of the task; `task_0`, `task_1`, ... without it.",
            ),
            "task_id": FieldShape(kind="plain", alias_of="id"),
            "prompt": _prompt,
            "file": text(description="File whose text goes behind the prompt."),
            "claude_options": claude_options,
            "condition": FieldShape(kind="condition", description="False skips the task."),
            "output_to_file": text(description="File under the output directory."),
            "output_schema": FieldShape(
                kind="schema", types=("map",), description="JSON Schema of the task's value."
            ),
            "timeout_seconds": number(
                kind="plain", above=0, description="Of the whole task, retries included."
            ),
        },
    ),
)
_fail_on: Final = text(
    kind="plain",
    default="any",
    choices=("any", "all", "none"),
    description="Which failed tasks fail the step.",
)
_shared: Final[Mapping[str, FieldShape]] = {
    "claude_options": claude_options,
    "preset": text(kind="plain", choices=presets, description="Options that fill what is not set."),
    "fail_on": _fail_on,
}


class ParallelClaude:
    """Several prompts at the same time, their values by id."""

    shape = StepShape(
        type="parallel_claude",
        summary="Ask Claude several things at the same time.",
        is_model=True,
        family="claude",
        fields={
            **_shared,
            "parallel_tasks": replace(_tasks, required=True),
            "max_parallel": integer(
                1,
                most_parallel,
                kind="plain",
                default=default_parallel,
                description="Tasks in flight.",
            ),
        },
        effects=lambda step: _effects(step, "parallel_tasks"),
        check=lambda step: _findings(step, "parallel_tasks"),
    )

    async def run(self, ctx: StepContext) -> Outcome:
        if ctx.step.get(_task):
            return await ask_claude(ctx)
        tasks = [_step_of(ctx.step, i, one) for i, one in enumerate(ctx.step.get("parallel_tasks"))]

        def outcome(records: Mapping[str, Record]) -> Outcome:
            values = {name: _value(record) for name, record in records.items()}
            return Outcome(text=_together(records), data=values)

        at_once = ctx.step.get("max_parallel", default_parallel)
        return await _Fan(ctx, tasks, at_once).run(outcome)


class ClaudeBatch:
    """A list of prompts in bounded parallel, with a report on each of them."""

    shape = StepShape(
        type="claude_batch",
        summary="Ask Claude a list of things, with a report on each.",
        is_model=True,
        family="claude",
        preset="development",
        fields={
            **_shared,
            "tasks": _tasks,
            "prompt": _prompt,
            "batch_config": FieldShape(
                kind="plain",
                types=("map",),
                fields={
                    "max_parallel": integer(
                        1,
                        most_parallel,
                        kind="plain",
                        default=default_batch_parallel,
                        description="Tasks in flight.",
                    ),
                    "timeout_per_task": integer(
                        1, kind="plain", default=default_task_ms, description="Milliseconds."
                    ),
                    "consolidate_results": FieldShape(
                        kind="plain",
                        types=("bool",),
                        default=True,
                        description="Whether `text` holds the answers of all tasks.",
                    ),
                },
                description="How the tasks are run.",
            ),
        },
        effects=lambda step: _effects(step, "tasks"),
        check=lambda step: _findings(step, "tasks"),
    )

    async def run(self, ctx: StepContext) -> Outcome:
        if ctx.step.get(_task):
            return await ask_claude(ctx)
        config = ctx.step.get("batch_config", {})
        limit_s = config.get("timeout_per_task", default_task_ms) / 1000
        listed = ctx.step.get("tasks", [{}])
        tasks = [
            _step_of(ctx.step, i, {"timeout_seconds": limit_s, **one})
            for i, one in enumerate(listed)
        ]

        def outcome(records: Mapping[str, Record]) -> Outcome:
            together = _together(records) if config.get("consolidate_results", True) else ""
            return Outcome(text=together, data=_report(records, len(tasks)))

        at_once = config.get("max_parallel", default_batch_parallel)
        return await _Fan(ctx, tasks, at_once).run(outcome)


# -- before a run


def _tasks_in(step: StepSpec, field: str) -> Sequence[Mapping[str, Json]]:
    tasks = step.get(field, ())
    return [task for task in tasks if isinstance(task, Mapping)] if isinstance(tasks, list) else ()


def _effects(step: StepSpec, field: str) -> Iterator[Effect]:
    """What the tasks touch; fields of the step itself show theirs."""
    for task in _tasks_in(step, field):
        file = task.get("output_to_file")
        if isinstance(file, str):
            yield Effect(kind="output", name="*" if has_template(file) else file, writes=True)
        if "file" in task:
            yield Effect(kind="workspace")
        if isinstance(task.get("prompt"), list):
            yield from part_effects(task["prompt"])
        allowed = task.get("claude_options", {}).get("allowed_tools", ())
        yield from tool_effects(("Write",) if isinstance(allowed, str) else allowed)


def _findings(step: StepSpec, field: str) -> Iterable[Finding]:
    if field in step.fields and not step.fields[field]:
        yield Finding(code="out_of_range", message=f"`{field}` needs at least one task", path=field)
    if field not in step.fields and "prompt" not in step.fields:
        message = f"`{field}` or `prompt` is missing"
        yield Finding(code="missing_field", message=message, path=field)
    known: set[str] = set()
    for index, task in enumerate(_tasks_in(step, field)):
        place, name = f"{field}[{index}]", _id(index, task)
        if name in known:
            message = f"there is a task {name!r} in this step already"
            yield Finding(code="duplicate_step", message=message, path=f"{place}.id")
        known.add(name)
        if not {"prompt", "file"}.intersection(task) and "prompt" not in step.fields:
            message = f"the task {name!r} needs a prompt or a file"
            yield Finding(code="missing_field", message=message, path=f"{place}.prompt")
        for finding in unknown_tools(task.get("claude_options", {})):
            yield replace(finding, path=f"{place}.claude_options{finding.path}")


def _id(index: int, task: Mapping[str, Json]) -> str:
    return to_text(task.get("id", f"task_{index}"))


# -- in a run


def _step_of(step: StepSpec, index: int, task: Mapping[str, Json]) -> StepSpec:
    """The step that one task is executed as."""
    prompts = [_parts(step.get("prompt")), _parts(task.get("prompt"))]
    parts = [part for prompt in prompts for part in prompt]
    if "file" in task:
        parts.append({"type": "file", "path": task["file"]})
    options = {**step.get("claude_options", {}), **task.get("claude_options", {})}
    fields: dict[str, Json] = {
        **{name: step.fields[name] for name in _of_all_tasks if name in step.fields},
        **{name: task[name] for name in _of_one_task if name in task},
        "prompt": parts,
        # What a failed task means is decided by the step around it.
        "on_failure": "fail",
        _task: True,
    }
    if options:
        fields["claude_options"] = options
    place = f"{step.path}.{_task}[{index}]"
    return StepSpec(name=_id(index, task), type=step.type, path=place, fields=fields)


def _parts(prompt: Json) -> Sequence[Json]:
    if prompt is None:
        return ()
    return prompt if isinstance(prompt, list | tuple) else [prompt]


class _Fan:
    """The tasks of one step on their way."""

    def __init__(self, ctx: StepContext, tasks: Sequence[StepSpec], at_once: int) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._at_once = at_once
        self._records: dict[str, Record] = {}

    async def run(self, outcome_of: Callable[[Mapping[str, Record]], Outcome]) -> Outcome:
        """What became of the step."""

        def so_far() -> Outcome:
            # Answers come in any order; they are shown in that of the tasks.
            names = [task.name for task in self._tasks if task.name in self._records]
            records = {name: self._records[name] for name in names}
            made = outcome_of(records)
            return replace(made, metadata={"tasks": records})

        self._ctx.gather(so_far)
        await in_order(
            self._tasks, self._one, at_once=self._at_once, is_last=lambda block: block.ends_run
        )
        outcome = so_far()
        return replace(outcome, failure=self._failure() or _wrong(self._ctx, outcome.data))

    async def _one(self, number: int, task: StepSpec) -> BlockResult:
        del number
        block = await self._ctx.run_block([task], f"{self._ctx.path}/")
        self._records.update(block.records)
        return block

    def _failure(self) -> ErrorRecord | None:
        """Why the step failed: its first failed task, if the step minds."""
        ran = [task.name for task in self._tasks if not self._skipped(task.name)]
        failed = [name for name in ran if not self._records[name]["success"]]
        minds = {"any": bool(failed), "all": bool(failed) and failed == ran, "none": False}
        if not minds[self._ctx.step.get("fail_on", "any")]:
            return None
        inner = error_of(self._records[failed[0]])
        message = f"{len(failed)} of {len(ran)} tasks failed; {failed[0]}: {inner.message}"
        return replace(inner, code="task_failed", message=message, retryable=False)

    def _skipped(self, name: str) -> bool:
        # A task that was not started because the run ends says nothing about the step either.
        return name not in self._records or bool(self._records[name]["skipped"])


def _wrong(ctx: StepContext, data: Json) -> ErrorRecord | None:
    """That the data of the step is not what its own schema asks for."""
    schema = ctx.step.get("output_schema")
    problems = [] if schema is None else check_schema(data, schema)
    if not problems:
        return None
    listed = "; ".join(f"{pointer or '(whole)'}: {message}" for pointer, message in problems)
    message = f"step {ctx.step.name!r}: the value does not match output_schema: {listed}"
    return ErrorRecord(code="output_schema_failed", message=message, path=ctx.path)


def _value(record: Record) -> Json:
    return value_of(record) if record["success"] else None


def _together(records: Mapping[str, Record]) -> str:
    return "\n\n".join(f"## {name}\n{_shown(record)}" for name, record in records.items())


def _shown(record: Record) -> str:
    return f"error: {record['error']['message']}" if record["error"] else to_text(record["text"])


def _report(records: Mapping[str, Record], total: int) -> dict[str, Json]:
    statuses = {name: _status(record) for name, record in records.items()}
    ended_well = sum(status == "success" for status in statuses.values())
    return {
        "batch_results": [
            {
                "task_id": name,
                "status": statuses[name],
                **{
                    key: record[key] for key in ("text", "data", "error", "cost_usd", "duration_ms")
                },
            }
            for name, record in records.items()
        ],
        "total_tasks": total,
        "successful_tasks": ended_well,
        "failed_tasks": sum(status in {"error", "timeout"} for status in statuses.values()),
    }


def _status(record: Record) -> str:
    if record["skipped"]:
        return "skipped"
    if record["success"]:
        return "success"
    return "timeout" if record["error"]["code"] == "timeout" else "error"
