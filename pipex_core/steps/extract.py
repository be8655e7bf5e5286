"""``claude_extract``: an answer taken apart: JSON, the structure of its Markdown, a summary, its lists."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.errors import SpecError, StepError
from pipex_core.expressions.values import undefined
from pipex_core.jsonvalue import Json, equal, require_schema
from pipex_core.llm.structured import json_of
from pipex_core.registry import nearest
from pipex_core.spec.fields import presets
from pipex_core.spec.model import FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import claude_options, flag, ignored, integer, text, texts
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.model_call import ask, claude_asked
from pipex_core.steps.prompts import shortened

default_summary: Final = 500
formats: Final = ("text", "json", "structured", "summary", "markdown")

_fence: Final = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*")
_heading: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_item: Final = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])[ \t]+(.*\S)")
_link: Final = re.compile(r"\[([^\]\n]*)\]\(\s*<?([^\s<>)]+)>?(?:\s+[\"'(][^\n]*?[\"')])?\s*\)")
_image: Final = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)")
_bare_link: Final = re.compile(r"https?://[^\s<>()\[\]\"'`]+[^\s<>()\[\]\"'`.,;:!?]")
_advice: Final = re.compile(
    r"\b(recommend\w*|should|suggest\w*|consider|advis\w+|ought to)\b", re.IGNORECASE
)
_advice_heading: Final = re.compile(r"recommend|suggest|next steps|advice", re.IGNORECASE)
_json_types: Final = frozenset(
    {"string", "number", "integer", "boolean", "object", "array", "null"}
)
_schema_words: Final = frozenset(
    {"$schema", "$ref", "properties", "required", "items", "enum", "const"}
    | {"anyOf", "oneOf", "allOf", "not", "additionalProperties"}
)


@dataclass(slots=True, kw_only=True)
class _Block:
    """What stands under one heading: the lines as they are, and those that are no code."""

    title: str = ""
    lines: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Markdown:
    """A Markdown text by its headings and fences, the parts of CommonMark that answers are made of."""

    blocks: list[_Block] = field(default_factory=list)
    code: list[dict[str, Json]] = field(default_factory=list)

    @property
    def prose(self) -> str:
        """All lines that are no code."""
        return "\n".join(line for block in self.blocks for line in block.prose)


def _read(text: str) -> _Markdown:
    found = _Markdown(blocks=[_Block()])
    fence, inside = "", [""]
    for line in text.splitlines():
        if fence:
            found.blocks[-1].lines.append(line)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                found.code[-1]["code"] = "\n".join(inside)
                fence = ""
            else:
                inside.append(line)
            continue
        opened, heading = _fence.fullmatch(line), _heading.fullmatch(line)
        if heading:
            found.blocks.append(_Block(title=(heading[2] or "").strip()))
            continue
        found.blocks[-1].lines.append(line)
        if opened:
            fence, inside = opened[1], []
            found.code.append({"language": opened[2], "code": ""})
        else:
            found.blocks[-1].prose.append(line)
    if fence:  # never closed: the rest of the text is code
        found.code[-1]["code"] = "\n".join(inside)
    return found


def _sections(markdown: _Markdown) -> list[dict[str, Json]]:
    """Headings with what stands under them; text before the first one has an empty title."""
    shown = [
        {"title": block.title, "content": "\n".join(block.lines).strip()}
        for block in markdown.blocks
    ]
    return [one for one in shown if one["title"] or one["content"]]


def _links(markdown: _Markdown) -> list[dict[str, Json]]:
    prose = _image.sub("", markdown.prose)
    found = [{"text": one[1], "url": one[2]} for one in _link.finditer(prose)]
    known = {one["url"] for one in found}
    bare = _bare_link.findall(_link.sub("", prose))
    return found + [{"text": url, "url": url} for url in dict.fromkeys(bare) if url not in known]


def _key_points(markdown: _Markdown) -> list[str]:
    """The items of all lists."""
    matched = (_item.fullmatch(line) for line in markdown.prose.split("\n"))
    return [one[1] for one in matched if one]


def _recommendations(markdown: _Markdown) -> list[str]:
    """List items under a heading of advice, and any other line that advises."""
    found: list[str] = []
    for block in markdown.blocks:
        is_advice = bool(_advice_heading.search(block.title))
        for line in block.prose:
            item = _item.fullmatch(line)
            if (item and is_advice) or _advice.search(line):
                found.append(item[1] if item else line.strip())
    return found


def _single_spaced(text: str) -> str:
    """The text with one blank line between blocks and none at its ends; code stays as it is."""
    pieces: list[str] = []
    fence = ""
    for line in text.splitlines():
        opened = _fence.fullmatch(line)
        if not fence and not line.strip() and (not pieces or not pieces[-1]):
            continue
        pieces.append(line if fence else line.rstrip())
        if fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and opened:
            fence = opened[1]
    return "\n".join(pieces).strip("\n")


def _is_schema(value: Json) -> bool:
    """Whether a map reads as a JSON Schema and not as an example of what is wanted."""
    if not isinstance(value, Mapping):
        return False
    types = value.get("type", ())
    named = {types} if isinstance(types, str) else set(types) if isinstance(types, list) else set()
    return bool(_schema_words.intersection(value)) or (bool(named) and named <= _json_types)


def _check_schema(step: StepSpec) -> Iterable[Finding]:
    given = step.get("schema")
    if given is None:
        return
    if not _is_schema(given):
        yield Finding(
            code="ignored_field",
            message="`schema` is no JSON Schema and changes nothing",
            path="schema",
            severity="warning",
        )
        return
    if "output_schema" in step.fields and not equal(step.get("output_schema"), given):
        yield Finding(
            code="conflicting_fields",
            message="`schema` and `output_schema` say different things",
            path="schema",
        )
    try:
        require_schema(given)
    except SpecError as exc:
        yield Finding(code="invalid_schema", message=exc.problems[0].message, path="schema")


class ClaudeExtract:
    """``claude`` whose answer is brought into a form, and of which lists are taken."""

    shape = StepShape(
        type="claude_extract",
        summary="Ask a Claude model and take its answer apart.",
        is_model=True,
        family="claude",
        preset="analysis",
        fields={
            "prompt": FieldShape(
                kind="prompt",
                types=("str", "list"),
                required=True,
                description="A text, or a list of parts.",
            ),
            "claude_options": claude_options,
            "preset": text(
                kind="plain", choices=presets, description="Options that fill what is not set."
            ),
            "schema": FieldShape(
                kind="plain", description="JSON Schema of the value, as `output_schema`."
            ),
            "extraction_config": FieldShape(
                kind="plain",
                types=("map",),
                fields={
                    "format": text(
                        kind="plain",
                        default="text",
                        choices=formats,
                        description="What `data` and `text` hold.",
                    ),
                    "post_processing": texts(
                        kind="plain",
                        description="Lists to take out of the text, changes to it, or `validate`.",
                    ),
                    "max_summary_length": integer(
                        1,
                        kind="plain",
                        default=default_summary,
                        description="Characters of a summary.",
                    ),
                    "include_metadata": flag(
                        kind="plain", description="Put its size and what was done into `metadata`."
                    ),
                    "use_content_extractor": ignored(),
                },
                description="What becomes of the reply.",
            ),
        },
        check=lambda step: (*_check_schema(step), *_check_processors(step)),
    )

    async def run(self, ctx: StepContext) -> Outcome:
        schema = _schema_of(ctx.step)
        asked = claude_asked(ctx)
        if schema is not None:
            asked = replace(asked, schema=schema, request=replace(asked.request, schema=schema))
        return _extracted(ctx.step, await ask(ctx, asked))


def _schema_of(step: StepSpec) -> Mapping[str, Json] | None:
    own: Mapping[str, Json] | None = step.get("output_schema")
    given = step.get("schema")
    return given if own is None and _is_schema(given) else own


def _extracted(step: StepSpec, outcome: Outcome) -> Outcome:
    """The outcome in the form that the step's configuration asks for.

    Raises:
        StepError: ``validation_failed``, the text is blank and was to be validated.
    """
    config = step.get("extraction_config", {})
    limit = config.get("max_summary_length", default_summary)
    text = outcome.text or ""
    taken: dict[str, Json] = {}
    for name in config.get("post_processing", ()):
        if name in _changes:
            text = _changes[name](text)
        elif name == "validate":
            if not text.strip():
                raise StepError(f"step {step.name!r}: the text is blank", code="validation_failed")
        elif name == "generate_summary":
            taken["summary"] = shortened(text, limit)
        else:
            taken[name.removeprefix("extract_")] = _lists[name](_read(text))
    wanted = config.get("format", "text")
    formed = _formed(wanted, text, limit)
    metadata = dict(outcome.metadata)
    if taken:
        metadata["extracted"] = taken
    if config.get("include_metadata"):
        metadata["extraction"] = {
            "format": wanted,
            "post_processing": list(config.get("post_processing", ())),
            "characters": len(text),
            "words": len(text.split()),
        }
    # A value that a schema was checked against is not replaced by another one.
    data = outcome.data if _schema_of(step) is not None or formed.data is None else formed.data
    return replace(outcome, text=formed.text, data=data, metadata=metadata)


def _formed(wanted: str, text: str, limit: int) -> Outcome:
    match wanted:
        case "json":
            value = json_of(text)
            missing = {"content": text, "format": "text"}
            return Outcome(text=text, data=missing if value is undefined else value)
        case "structured":
            markdown = _read(text)
            data = {
                "sections": _sections(markdown),
                "code_blocks": markdown.code,
                "links": _links(markdown),
            }
            return Outcome(text=text, data=data)
        case "summary":
            return Outcome(text=shortened(text, limit))
        case "markdown":
            return Outcome(text=_single_spaced(text))
        case _:
            return Outcome(text=text)


_changes: Final[Mapping[str, Callable[[str], str]]] = {
    "format_markdown": _single_spaced,
    "trim": str.strip,
}
_lists: Final[Mapping[str, Callable[[_Markdown], Sequence[Json]]]] = {
    "extract_code_blocks": lambda markdown: markdown.code,
    "extract_links": _links,
    "extract_key_points": _key_points,
    "extract_recommendations": _recommendations,
}
processors: Final = (*_lists, "generate_summary", *_changes, "validate")


def _check_processors(step: StepSpec) -> Iterable[Finding]:
    config = step.get("extraction_config")
    given = config.get("post_processing") if isinstance(config, Mapping) else None
    for place, name in enumerate(given if isinstance(given, list) else ()):
        if name not in processors:
            yield Finding(
                code="unknown_value",
                message=f"a post-processor is one of {', '.join(processors)}, not {name!r}",
                path=f"extraction_config.post_processing[{place}]",
                suggestion=nearest(name, processors) if isinstance(name, str) else None,
            )
