"""Readers of the fields of a map that somebody wrote: the checked value, or what is wrong with it.

A table of readers describes a kind of map. All fields are tried, so that a file shows all its problems
at once; names that start with ``x-`` are kept unread.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json, type_name
from pipex_core.registry import nearest
from pipex_core.spec.model import Finding


class Wrong(Exception):
    """Why a reader refuses a value; caught by ``read_map``, never seen outside.

    Attributes:
        at: Where inside the field, such as ``[2].name``.
    """

    def __init__(
        self,
        message: str,
        code: str = "wrong_type",
        at: str = "",
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.at, self.suggestion = message, code, at, suggestion


Reader: TypeAlias = Callable[[Json], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped:
    """The fields that could be read and what was wrong with the others."""

    values: Mapping[str, Any]
    findings: tuple[Finding, ...]


def read_map(
    data: Mapping[str, Json], readers: Mapping[str, Reader], *, path: str, required: Sequence[str]
) -> Shaped:
    """All fields of a map, each by its reader.

    Args:
        data: The map.
        readers: By field; their order is that of suggestions and saved files.
        path: Of the map in its document, empty for the document itself.
        required: Fields that must be there.
    """
    values: dict[str, Any] = {}
    extra: dict[str, Json] = {}
    findings: list[Finding] = []
    for key, raw in data.items():
        reader = readers.get(key)
        if reader is not None:
            try:
                values[key] = reader(raw)
            except Wrong as wrong:
                findings.append(_finding(wrong, key, path))
        elif key.startswith("x-"):
            extra[key] = raw
        else:
            findings.append(
                Finding(
                    code="unknown_field",
                    message=f"unknown field {key!r}",
                    path=join_path(path, key),
                    suggestion=nearest(key, readers),
                )
            )
    for key in required:
        if key not in data:
            message = f"the field {key!r} is missing"
            findings.append(Finding(code="missing_field", message=message, path=path))
    if extra:
        values["extra"] = extra
    return Shaped(values=values, findings=tuple(findings))


def _finding(wrong: Wrong, key: str, path: str) -> Finding:
    return Finding(
        code=wrong.code,
        message=f"{key}{wrong.at}: {wrong.message}",
        path=join_path(path, key) + wrong.at,
        suggestion=wrong.suggestion,
    )


def a_kind(value: Json) -> str:
    """The type of a value with its article, for messages."""
    kind = type_name(value)
    return "null" if kind == "null" else f"{'an' if kind == 'integer' else 'a'} {kind}"


def optional(reader: Reader, *, default: Callable[[], Any] = lambda: None) -> Reader:
    """Null says the same as leaving the field out."""
    return lambda value: default() if value is None else reader(value)


def text_of(value: Json) -> str:
    """Text as it stands."""
    if not isinstance(value, str):
        raise Wrong(f"text is needed, not {a_kind(value)}")
    return value


def matching(pattern: re.Pattern[str], code: str, what: str) -> Reader:
    """Text that matches a pattern as a whole; another one is refused with ``code``."""

    def read(value: Json) -> str:
        text = text_of(value)
        if not pattern.fullmatch(text):
            raise Wrong(f"{text[:140]!r} is not {what}", code=code)
        return text

    return read


def one_of(words: Iterable[str]) -> Reader:
    """One of a few words."""
    known = tuple(words)

    def read(value: Json) -> str:
        text = text_of(value)
        if text not in known:
            raise Wrong(
                f"{text!r} is none of {', '.join(known)}",
                code="unknown_value",
                suggestion=nearest(text, known),
            )
        return text

    return read


def whole(low: int, high: float = math.inf) -> Reader:
    """A whole number within the ends."""

    def read(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"a whole number is needed, not {a_kind(value)}")
        if not low <= value <= high:
            ends = f"at least {low}" if high == math.inf else f"between {low} and {high:g}"
            raise Wrong(f"the number must be {ends}, got {value}", code="out_of_range")
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf) -> Reader:
    """A finite number from ``low`` to ``high`` and larger than ``above``, as a float."""

    def read(value: Json) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Wrong(f"a number is needed, not {a_kind(value)}")
        if math.isfinite(value) and low <= value <= high and value > above:
            return float(value)
        ends = [f"above {above:g}"] if above > -math.inf else []
        ends += [f"at least {low:g}"] if low > -math.inf else []
        ends += [f"at most {high:g}"] if high < math.inf else []
        message = f"the number must be {' and '.join(ends) or 'finite'}, got {value}"
        raise Wrong(message, code="out_of_range")

    return read


def mapping(value: Json) -> Mapping[str, Json]:
    """A map as it stands."""
    if not isinstance(value, Mapping):
        raise Wrong(f"a map is needed, not {a_kind(value)}")
    return value


def list_of(item: Reader) -> Reader:
    """A list, as a tuple of what ``item`` reads."""

    def read(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(f"a list is needed, not {a_kind(value)}")
        return tuple(items(value, item))

    return read


def items(values: Sequence[Json], item: Reader) -> Iterator[Any]:
    """What ``item`` reads of each value; what is wrong says at which index."""
    for index, value in enumerate(values):
        try:
            yield item(value)
        except Wrong as wrong:
            raise Wrong(
                wrong.message, wrong.code, f"[{index}]{wrong.at}", wrong.suggestion
            ) from None


def flag(value: Json) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong(f"true or false is needed, not {a_kind(value)}")
    return value
