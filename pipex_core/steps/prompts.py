"""Prompt parts -> text, as every step that asks a model renders them (section 7)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipex_core.errors import ExpressionError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.paths import dotted, parse_path, step as step_into
from pipex_core.expressions.records import StepEntry, Steps, kept_steps
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.values import Undefined, to_text, truth, undefined
from pipex_core.jsonvalue import Json
from pipex_core.steps.contract import StepContext

summary_length: Final = 500
default_turns: Final = 5


def prompt_text(ctx: StepContext) -> str:
    """The rendered prompt of a step: its parts, joined with one newline.

    Raises:
        ExpressionError: A template or a path has no value.
        StepError: A file cannot be read.
    """
    texts = [_part(ctx, part, field) for field, part in _parts(ctx)]
    return "\n".join(text for text in texts if text is not None)


def continued_session(ctx: StepContext) -> str | None:
    """Name of the session that a part ``claude_continue`` goes on with; None without such a part."""
    for field, part in _parts(ctx):
        if isinstance(part, Mapping) and part.get("type") == "claude_continue":
            return to_text(ctx.expand(part["session_id"], f"{field}.session_id"))
    return None


def indented(value: Json) -> str:
    """JSON with two spaces of indentation, non-ASCII kept, keys in stored order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _parts(ctx: StepContext) -> Iterator[tuple[str, Json]]:
    """Field and part of those parts that their conditions do not drop."""
    prompt = ctx.step.get("prompt", "")
    parts = prompt if isinstance(prompt, list | tuple) else [prompt]
    for place, part in enumerate(parts):
        has_condition = isinstance(part, Mapping) and "condition" in part
        if not has_condition or truth(evaluate(part["condition"], ctx.scope)):
            yield f"prompt[{place}]", part


def _part(ctx: StepContext, part: Json, field: str) -> str | None:
    """Text of one part; None when it adds nothing."""
    if isinstance(part, str):
        return to_text(ctx.expand(part, field))
    match part.get("type"):
        case "file":
            return ctx.workspace.read_text(
                to_text(ctx.expand(part["path"], f"{field}.path")),
                encoding=part.get("encoding", "utf-8"),
                max_bytes=part.get("max_bytes"),
            )
        case "previous_response":
            return _previous(ctx.scope, part, f"step {ctx.step.name!r}, field {field!r}")
        case "session_context":
            name = to_text(ctx.expand(part["session_id"], f"{field}.session_id"))
            return ctx.session(name).last_n(part.get("include_last_n", default_turns))
        case "claude_continue":
            wanted = part.get("new_prompt")
            return None if wanted is None else to_text(ctx.expand(wanted, f"{field}.new_prompt"))
        case _:
            content = part["content"]
            return to_text(content if part.get("raw") else ctx.expand(content, f"{field}.content"))


def _previous(scope: Scope, part: Mapping[str, Json], where: str) -> str:
    """Text of an earlier step's result, or of something inside it."""
    name, extract = part["step"], part.get("extract")
    entry = scope.previous(name)
    if entry is undefined:
        raise ExpressionError(
            f"{where}: there is no step {name!r} here", code="undefined_reference"
        )
    found = entry if extract is None else _inside(entry, extract)
    if found is undefined:
        if part.get("strict", True):
            fields = ", ".join(_fields_of(entry)) or "none"
            message = f"{where}: step {name!r} has no {extract!r}; its fields: {fields}"
            raise ExpressionError(message, code="undefined_reference")
        found = None
    text = _shown(found, as_json=part.get("format") == "json", whole=extract is None)
    return shortened(text, part.get("max_length", summary_length if part.get("summary") else None))


def shortened(text: str, limit: int | None) -> str:
    """The first ``limit`` characters and ``...``, or the whole of a text that is no longer."""
    return text if limit is None or len(text) <= limit else text[:limit] + "..."


def _inside(entry: "Json | StepEntry", path: str) -> "Json | StepEntry | Undefined":
    found = entry
    for key in parse_path(path):
        if isinstance(key, str):
            number = int(key) if key.isascii() and key.isdigit() else None
            reach = found.dotted if isinstance(found, StepEntry | Steps) else None
            found = kept_steps(key, reach(key, number) if reach else dotted(found, key, number))
        else:
            found = found.index(key) if isinstance(found, StepEntry) else step_into(found, key)
        if found is undefined:
            return undefined
    return found.entries if isinstance(found, Steps) else found


def _fields_of(entry: "Json | StepEntry") -> Sequence[str]:
    value = entry.value() if isinstance(entry, StepEntry) else entry
    return sorted(value) if isinstance(value, Mapping) else ()


def _shown(found: "Json | StepEntry", *, as_json: bool, whole: bool) -> str:
    """A value inside a prompt: text as is, maps and lists as indented JSON."""
    if isinstance(found, StepEntry):
        if not as_json:
            return _whole(found)
        found = found.value()
    if as_json:
        return indented(found)
    if isinstance(found, Mapping | list | tuple):
        return indented(found)
    if found is None:
        return "" if whole else "null"
    return to_text(found)


def _whole(entry: StepEntry) -> str:
    """A step as a whole: its text if it has one, else its data, else nothing."""
    value = entry.value()
    if value is None:
        return ""
    text = entry.text()
    has_text = isinstance(value, str) or text != to_text(value)
    return text if has_text else indented(value)
