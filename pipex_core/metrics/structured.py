"""Judgements of answers that are meant to be JSON."""

import re
from collections.abc import Iterator
from typing import Final

from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import MetricInfo, MetricInput, OptionInfo, Score, Scored
from pipex_core.metrics.extraction import unfenced


class JsonValid:
    """1 if the answer is one JSON value, inside at most one code fence and with nothing around it.

    Strict: duplicate keys, NaN and nesting deeper than 64 are invalid. ``repair`` changes no value; it
    tells in the details whether an invalid answer holds JSON that a reader could mend.
    """

    info = MetricInfo(
        name="json_valid",
        summary="1 if the answer is valid JSON, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "repair": OptionInfo(
                kind="bool",
                default=False,
                description="say in the details whether it can be mended",
            ),
        },
    )

    def __init__(self, *, repair: bool = False) -> None:
        self._repair = repair

    def score(self, item: MetricInput) -> Score:
        output = item.output or ""
        try:
            parse(unfenced(output))
        except ValueError as exc:
            details: dict[str, Json] = {"error": str(exc)}
            if self._repair:
                details["repairable"] = repaired(output) is not None
            return Scored(value=0.0, details=details)
        return Scored(value=1.0)


def repaired(text: str) -> tuple[Json] | None:
    """The map or list that a text holds, in a box, or None when no mending helps.

    Mended are prose around it, trailing commas, and Python's ``None``, ``True`` and ``False``.
    """
    for candidate in _candidates(text):
        for mended in (candidate, _mended(candidate)):
            try:
                return (parse(mended),)
            except ValueError:
                continue
    return None


# A string that is not closed lasts to the end, so that no part of the text is read twice.
_string: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_slip: Final = re.compile(r",(?=\s*[\]}])|\b(?:None|True|False)\b")
_as_json: Final = {",": "", "None": "null", "True": "true", "False": "false"}


def _candidates(text: str) -> Iterator[str]:
    """The text without its fence, then from the first opening to the last closing bracket."""
    bare = unfenced(text)
    yield bare
    for first, last in (("{", "}"), ("[", "]")):
        start, end = bare.find(first), bare.rfind(last)
        if 0 <= start < end:
            yield bare[start : end + 1]


def _mended(text: str) -> str:
    """Slips outside of strings put right."""
    parts: list[str] = []
    at = 0
    for found in _string.finditer(text):
        parts += [_outside(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _outside(text[at:])])


def _outside(text: str) -> str:
    return _slip.sub(lambda found: _as_json[found[0]], text)
