"""Answers that were recorded elsewhere as a target: looked up, never called."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.answers import Answer
from pipex_core.evals.results import ResponseStatus, classes
from pipex_core.evals.suite import Case
from pipex_core.jsonvalue import Json, compact, digest, type_name
from pipex_core.llm.cost import nanousd_of

_token_fields = ("input_tokens", "output_tokens", "reasoning_tokens")
known_fields = frozenset(
    {
        *("case_id", "input_hash", "output", "repeat", "latency_ms", "ttft_ms", "cost_usd"),
        *("status", "model", "tool_calls", *_token_fields),
    }
)
nothing_recorded = Answer(
    status="skipped", error_code="no_recorded_answer", error="no recorded answer for this case"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTarget:
    """Recorded answers by (case id or input hash, repeat).

    Attributes:
        digest: Over all records, so that one changed answer is another target.
        model_id: Model that the records are said to come from.
        run_id: Run that the answers are carried over from; empty for records.
    """

    answers: Mapping[tuple[str, int], Answer]
    digest: str
    target_id: str = "recorded"
    model_id: str = "none"
    kind: Literal["recorded"] = "recorded"
    provider: str = "recorded"
    is_hermetic: Literal[True] = True
    run_id: str = ""

    @property
    def parts(self) -> Mapping[str, Json]:
        """What makes the target what it is: its answers."""
        return {"kind": self.kind, "answers": self.digest}

    def answer(self, case: Case, repeat: int, input_hash: str) -> Answer:
        """The record of the case, by id before hash; status ``skipped`` when there is none."""
        found = self.answers.get((case.id, repeat))
        if found is None:
            found = self.answers.get((input_hash, repeat))
        return nothing_recorded if found is None else found


def recorded_target(
    records: Iterable[Mapping[str, Json]],
    *,
    target_id: str = "recorded",
    model_id: str = "none",
    file: str = "",
) -> RecordedTarget:
    """A target of records ``{case_id or input_hash, output, repeat?, latency_ms?, cost_usd?, status?}``.

    Further fields are ``model``, ``ttft_ms``, ``tool_calls`` as a list of ``{name, arguments?}``, and
    ``input_tokens``, ``output_tokens`` and ``reasoning_tokens``.

    Args:
        records: In any order.
        target_id: Name for people.
        model_id: Model that the answers come from.
        file: For messages.

    Raises:
        SpecError: A record cannot be read, or two records answer the same case and repeat.
    """
    answers: dict[tuple[str, int], Answer] = {}
    parts: list[str] = []
    problems: list[Problem] = []
    for line, record in enumerate(records, 1):
        message = _complaint(record)
        key = (_name_of(record), _repeat_of(record)) if message is None else ("", 0)
        if message is None and key in answers:
            message = f"{key[0]!r} has a second answer for repeat {key[1]}"
        if message is not None:
            problems.append(
                Problem(code="wrong_type", message=message, file=file, line=line, column=1)
            )
            continue
        answers[key] = _answer(record)
        # One hash per record: the whole of a large file is never one text.
        parts.append(
            digest([*key, {name: record[name] for name in record if name in known_fields}])
        )
    if problems:
        raise SpecError(problems)
    return RecordedTarget(
        answers=answers,
        digest=digest({"kind": "recorded", "answers": sorted(parts)}),
        target_id=target_id,
        model_id=model_id,
    )


def _name_of(record: Mapping[str, Json]) -> str:
    return str(record.get("case_id") or record["input_hash"])


def _repeat_of(record: Mapping[str, Json]) -> int:
    return int(record.get("repeat") or 0)


def _complaint(record: Json) -> str | None:
    if not isinstance(record, Mapping):
        return f"a record is a map, not a {type_name(record)}"
    if not (record.get("case_id") or record.get("input_hash")):
        return "a record needs a case_id or an input_hash"
    status: Json = record.get("status") or "ok"
    if status not in classes:
        return f"status {status!r} is none of {', '.join(classes)}"
    if classes[cast("ResponseStatus", status)] == "observed" and record.get("output") is None:
        return f"a record with status {status} needs an output"
    return _wrong_field(record)


def _wrong_field(record: Mapping[str, Json]) -> str | None:
    for name in ("case_id", "input_hash", "model"):
        text: Json = record.get(name)
        if not (text is None or isinstance(text, str) or (name == "case_id" and _is_number(text))):
            return f"{name} is text, not {type_name(text)}"
    for name in ("latency_ms", "ttft_ms", "cost_usd"):
        value: Json = record.get(name)
        if value is not None and not (_is_number(value) and value >= 0 and math.isfinite(value)):
            return f"{name} is a number of at least 0, not {value!r}"
    for name in ("repeat", *_token_fields):
        count: Json = record.get(name)
        if count is not None and not (_is_number(count) and count >= 0 and count == int(count)):
            return f"{name} is a whole number of at least 0, not {count!r}"
    return _wrong_calls(record.get("tool_calls"))


def _wrong_calls(calls: Json) -> str | None:
    if calls is None:
        return None
    if not isinstance(calls, list):
        return f"tool_calls is a list of calls, not {type_name(calls)}"
    for call in calls:
        is_call = isinstance(call, Mapping) and isinstance(call.get("name"), str)
        if not is_call or not isinstance(call.get("arguments") or {}, Mapping):
            return f"a tool call is {{name, arguments}}, not {call!r}"
    return None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _answer(record: Mapping[str, Json]) -> Answer:
    output = record.get("output")
    status: ResponseStatus = record.get("status") or "ok"
    is_text = output is None or isinstance(output, str)
    observed = classes[status] == "observed"
    return Answer(
        status=status,
        text=output if is_text else compact(output),
        json=None if is_text else output,
        has_json=not is_text,
        error_code=None if observed else status,
        tool_calls=_calls(record.get("tool_calls")),
        latency_ms=record.get("latency_ms"),
        ttft_ms=record.get("ttft_ms"),
        input_tokens=_whole(record.get("input_tokens")),
        output_tokens=_whole(record.get("output_tokens")),
        reasoning_tokens=_whole(record.get("reasoning_tokens")),
        cost_nanousd=nanousd_of(record["cost_usd"]) if record.get("cost_usd") is not None else 0,
        provider="recorded",
        model_resolved=record.get("model"),
    )


def _calls(calls: Json) -> Json:
    """The calls in the form of those of models; none at all is nothing to keep."""
    return [
        {"name": call["name"], "arguments": dict(call.get("arguments") or {})}
        for call in calls or ()
    ] or None


def _whole(count: Json) -> int | None:
    return None if count is None else int(count)
