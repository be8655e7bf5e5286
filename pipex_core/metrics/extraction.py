"""What an entry's ``extract`` takes from an answer before the metric sees it.

A rule either finds something or it does not; not finding is an observation about the answer (label
``no_match``) and no failure.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from pipex_core.errors import ExpressionError
from pipex_core.expressions.patterns import compiled
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, parse, type_name
from pipex_core.metrics.contract import MetricInput
from pipex_core.metrics.numerals import numerals

if TYPE_CHECKING:
    import regex


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """One checked rule.

    Attributes:
        kind: ``regex json_pointer after code_block last_number choice``.
        spec: The rule as canonical options, defaults filled in; part of the fingerprint.
    """

    kind: str
    spec: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule took from an answer.

    Attributes:
        value: The JSON value behind the text where the rule looked into JSON.
        is_json: Tells a JSON null from no JSON value.
    """

    text: str
    value: Json = None
    is_json: bool = False


def read_extract(raw: Json) -> Extract:
    """The rule that an entry's ``extract`` writes down.

    Raises:
        ValueError, TypeError: It is no rule; the message says why.
    """
    if not isinstance(raw, Mapping):
        raise TypeError(f"extract must be a map with one of {', '.join(kinds)}")
    named = [kind for kind in kinds if kind in raw]
    if len(named) != 1:
        raise ValueError(f"extract needs exactly one of {', '.join(kinds)}, got {len(named)}")
    kind = named[0]
    others = set(raw) - {kind} - set(_companions[kind])
    if others:
        raise ValueError(f"extract with {kind} takes no {min(others)!r}")
    if kind == "regex":
        return Extract(kind=kind, spec=_regex_spec(raw))
    if kind in {"json_pointer", "after"}:
        return Extract(kind=kind, spec=_text_spec(kind, raw))
    value = raw[kind]
    if kind == "code_block" and isinstance(value, str):
        return Extract(kind=kind, spec={kind: value.lower()})
    if value is not True:
        raise ValueError(f"extract.{kind} is switched on with true, got {value!r}")
    return Extract(kind=kind, spec={kind: True})


def extracted(
    rule: Extract, text: str, *, choices: Sequence[str] = (), value: tuple[Json] | None = None
) -> Found | None:
    """What ``rule`` finds in an answer, or None.

    Args:
        rule: A checked rule.
        text: The answer.
        choices: Texts of the choices of the case, for ``choice``.
        value: The answer as JSON in a box, where the target returned JSON.

    Raises:
        TimeoutError: A regular expression needed more than a second.
    """
    match rule.kind:
        case "json_pointer":
            return _at_pointer(rule.spec["json_pointer"], text, value)
        case "choice":
            letter = chosen_letter(text, choices)
            return None if letter is None else Found(text=letter)
        case kind:
            found = _text_rules[kind](rule.spec, text)
            return None if found is None else Found(text=found)


def code_blocks(text: str) -> list[tuple[str, str]]:
    """``(language, content)`` of the fenced blocks in their order; the language is in lower case.

    Source: CommonMark 0.31, fenced code blocks; one that is not closed lasts to the end.
    """
    blocks: list[tuple[str, str]] = []
    fence, language = "", ""
    inside: list[str] = []
    for line in text.split("\n"):
        bare = line.strip()
        if fence:
            if bare.startswith(fence) and not bare.strip(fence[0]):
                blocks.append((language, "\n".join(inside)))
                fence = ""
            else:
                inside.append(line)
        elif opened := _fence.fullmatch(line.rstrip()):
            fence, language, inside = opened[1], opened[2].strip().lower(), []
    return [*blocks, (language, "\n".join(inside))] if fence else blocks


def unfenced(text: str) -> str:
    """The content of the one code block that ``text`` consists of, or ``text`` itself."""
    bare = text.strip()
    if not bare.startswith(("```", "~~~")):
        return text
    on_one_line = _inline_fence.fullmatch(bare)
    if on_one_line:
        return on_one_line[1]
    blocks = code_blocks(bare)
    whole = len(blocks) == 1 and bare.endswith(bare[:3])
    return blocks[0][1] if whole else text


def answered_json(item: MetricInput) -> tuple[Json] | None:
    """The answer as JSON in a box: what the target returned, else its text after at most one fence."""
    if item.has_output_json:
        return (item.output_json,)
    try:
        return (parse(unfenced(item.output or "")),)
    except ValueError:
        return None


def chosen_letter(text: str, choices: Sequence[str], *, letters: str = "") -> str | None:
    r"""The letter of the choice that an answer names, or None when it names none or several.

    In this order: the last ``answer: X`` (also ``answer is (X)``), the last ``\boxed{X}``, a text
    that is a letter, the only choice whose text occurs as words.
    """
    letters = letters or ascii_uppercase[: len(choices)] or ascii_uppercase
    for pattern in (_answer, _boxed):
        named = [found[found.lastindex or 0].upper() for found in pattern.finditer(text)]
        known = [letter for letter in named if letter in letters]
        if known:
            return known[-1]
    single = _single.fullmatch(text.strip())
    if single and single[1].upper() in letters:
        return single[1].upper()
    present = [at for at, choice in enumerate(choices) if _occurs(choice, text)]
    return letters[present[0]] if len(present) == 1 and present[0] < len(letters) else None


regex_limit_s: Final = 1.0
kinds: Final = ("regex", "json_pointer", "after", "code_block", "last_number", "choice")
_companions: Final[Mapping[str, tuple[str, ...]]] = {
    "regex": ("group", "which"),
    "json_pointer": (),
    "after": ("which",),
    "code_block": (),
    "last_number": (),
    "choice": (),
}
_fence: Final = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_inline_fence: Final = re.compile(r"```(?:[A-Za-z0-9]+[ ])?([^`\n]*)```")
# A small letter counts only at the end of its line: "the answer is a dog" names no choice.
_answer: Final = re.compile(
    r"\b(?i:answer(?:\s++is|\s*+:)\s*+(?::\s*+)?+)[*_(\[]{0,3}(?:([A-Z])\b(?!')|([a-z])[*_)\].]{0,4}[ \t]*$)",
    re.MULTILINE,
)
_boxed: Final = re.compile(r"\\boxed\{\s*(?:\\text\{)?\(?([A-Za-z])\)?\}")
_single: Final = re.compile(r"[*_(\[]{0,3}([A-Za-z])[*_)\].:]{0,4}")


def _regex_spec(raw: Mapping[str, Json]) -> Mapping[str, Json]:
    pattern, which = raw["regex"], _which(raw)
    if not isinstance(pattern, str):
        raise TypeError(f"extract.regex must be text, got {type_name(pattern)}")
    search = searcher(pattern)
    group = raw.get("group", 1 if search.groups else 0)
    if isinstance(group, bool) or not isinstance(group, int | str):
        raise TypeError(f"extract.group must be a number or a name, got {group!r}")
    known = group in search.groupindex if isinstance(group, str) else 0 <= group <= search.groups
    if not known:
        raise ValueError(f"extract.regex has no group {group!r}")
    return {"regex": pattern, "group": group, "which": which}


def _text_spec(kind: str, raw: Mapping[str, Json]) -> Mapping[str, Json]:
    value = raw[kind]
    if not isinstance(value, str):
        raise TypeError(f"extract.{kind} must be text, got {type_name(value)}")
    if kind == "after":
        if not value:
            raise ValueError("extract.after must not be empty")
        return {kind: value, "which": _which(raw)}
    if value and not value.startswith("/"):
        raise ValueError(f"extract.json_pointer must be empty or start with '/', got {value!r}")
    return {kind: value}


def _which(raw: Mapping[str, Json]) -> str:
    which = raw.get("which", "first")
    if which not in {"first", "last"}:
        raise ValueError(f"extract.which must be first or last, got {which!r}")
    return str(which)


@lru_cache(maxsize=256)
def searcher(pattern: str) -> "regex.Pattern[str]":
    """The compiled pattern, whose searches take a ``timeout``.

    Raises:
        ValueError: ``pattern`` is no regular expression, or exceeds the limits of the language.
    """
    try:
        search = compiled(pattern)
    except ExpressionError as exc:
        raise ValueError(exc.message) from exc
    if search is None:
        raise ValueError(f"{pattern!r} is no regular expression")
    return search


def _by_regex(spec: Mapping[str, Json], text: str) -> str | None:
    search = searcher(spec["regex"])
    if spec["which"] == "first":
        found = search.search(text, timeout=regex_limit_s)
    else:
        found = None
        for found in search.finditer(text, timeout=regex_limit_s):  # noqa: B007 - the last one is wanted
            pass
    return None if found is None else found[spec["group"]]


def _after(spec: Mapping[str, Json], text: str) -> str | None:
    cut = text.rpartition if spec["which"] == "last" else text.partition
    _, mark, rest = cut(spec["after"])
    return rest if mark else None


def _code_block(spec: Mapping[str, Json], text: str) -> str | None:
    wanted = spec["code_block"]
    blocks = [content for language, content in code_blocks(text) if wanted in {True, language}]
    return blocks[-1] if blocks else None


def _last_number(_spec: Mapping[str, Json], text: str) -> str | None:
    found = numerals(text)
    return found[-1].text if found else None


_text_rules: Final[Mapping[str, Callable[[Mapping[str, Json], str], str | None]]] = {
    "regex": _by_regex,
    "after": _after,
    "code_block": _code_block,
    "last_number": _last_number,
}


def _at_pointer(pointer: str, text: str, value: tuple[Json] | None) -> Found | None:
    """The value at an RFC 6901 pointer; None where the answer is no JSON or has no such place."""
    if value is None:
        try:
            value = (parse(unfenced(text)),)
        except ValueError:
            return None
    here = value[0]
    for raw in pointer.split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(here, Mapping) and key in here:
            here = here[key]
        elif isinstance(here, list) and _index.fullmatch(key) and int(key) < len(here):
            here = here[int(key)]
        else:
            return None
    return Found(text=to_text(here), value=here, is_json=True)


_index: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def _occurs(choice: str, text: str) -> bool:
    words = choice.strip()
    if not words:
        return False
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None
