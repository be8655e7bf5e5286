"""Judgements by what the text of an answer contains, starts with or ends with."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    hit,
)
from pipex_core.metrics.options import ignore_case_option, normalize_option, strip_option
from pipex_core.metrics.words import normalized

_value: Final = OptionInfo(kind="str", description="looked for instead of the reference")


class Contains:
    """1 if the reference, or ``value``, is a part of the answer."""

    info = MetricInfo(
        name="contains",
        summary="1 if the answer contains the reference, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "value": _value,
            "ignore_case": ignore_case_option,
            "whole_word": OptionInfo(kind="bool", default=False, description="not inside a word"),
            "normalize": normalize_option,
        },
    )

    def __init__(
        self,
        *,
        value: str | None = None,
        ignore_case: bool = False,
        whole_word: bool = False,
        normalize: str = "nfc",
    ) -> None:
        self.info = _needing(type(self).info, value)
        self._value = value
        self._plain = _plain(normalize, ignore_case=ignore_case)
        self._holds = _holds_word if whole_word else _holds

    def score(self, item: MetricInput) -> Score:
        return _searched(item, self._value, plain=self._plain, holds=self._holds)


class StartsWith:
    """1 if the answer starts with the reference, or with ``value``."""

    info = MetricInfo(
        name="starts_with",
        summary="1 if the answer starts with the reference, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "value": _value,
            "ignore_case": ignore_case_option,
            "strip": strip_option,
            "normalize": normalize_option,
        },
    )

    def __init__(
        self,
        *,
        value: str | None = None,
        ignore_case: bool = False,
        strip: bool = True,
        normalize: str = "nfc",
    ) -> None:
        self.info = _needing(type(self).info, value)
        self._value = value
        self._plain = _plain(normalize, ignore_case=ignore_case, strip=strip)

    def score(self, item: MetricInput) -> Score:
        return _searched(item, self._value, plain=self._plain, holds=_starts)


class EndsWith(StartsWith):
    """1 if the answer ends with the reference, or with ``value``."""

    info = replace(
        StartsWith.info,
        name="ends_with",
        summary="1 if the answer ends with the reference, else 0",
    )

    def score(self, item: MetricInput) -> Score:
        return _searched(item, self._value, plain=self._plain, holds=_ends)


class ContainsAll:
    """Share of ``values`` that occur in the answer."""

    info = MetricInfo(
        name="contains_all",
        summary="share of the given texts that the answer contains",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "values": OptionInfo(
                kind="list", required=True, description="texts, none of them empty"
            ),
            "ignore_case": ignore_case_option,
            "normalize": normalize_option,
        },
    )

    def __init__(
        self, *, values: Sequence[str], ignore_case: bool = False, normalize: str = "nfc"
    ) -> None:
        if not values or not all(values):
            raise ValueError("values must hold at least one text, and no empty one")
        self._plain = _plain(normalize, ignore_case=ignore_case)
        self._values = tuple(map(self._plain, values))

    def score(self, item: MetricInput) -> Score:
        found = self._found(item)
        missing = [value for value, there in zip(self._values, found, strict=True) if not there]
        return Scored(
            value=sum(found) / len(found), details={"missing": missing} if missing else {}
        )

    def _found(self, item: MetricInput) -> list[bool]:
        output = self._plain(item.output or "")
        return [value in output for value in self._values]


class ContainsAny(ContainsAll):
    """1 if one of ``values`` occurs in the answer."""

    info = replace(
        ContainsAll.info,
        name="contains_any",
        summary="1 if the answer contains one of the given texts, else 0",
    )

    def score(self, item: MetricInput) -> Score:
        return Scored(value=float(any(self._found(item))))


def _plain(form: str, *, ignore_case: bool, strip: bool = False) -> Callable[[str], str]:
    def plain(text: str) -> str:
        text = normalized(text, form)
        text = text.strip() if strip else text
        return text.casefold() if ignore_case else text

    return plain


def _needing(info: MetricInfo, value: str | None) -> MetricInfo:
    """A metric that is given what to look for needs no reference."""
    if value is None:
        return info
    if not value:
        raise ValueError("value must not be empty")
    return replace(info, needs=frozenset({"output"}))


def _searched(
    item: MetricInput,
    value: str | None,
    *,
    plain: Callable[[str], str],
    holds: Callable[[str, str], bool],
) -> Score:
    needles = [plain(one) for one in (item.references if value is None else (value,))]
    if not any(needles):
        return Unscored(code="bad_reference", reason="an empty text occurs in every answer")
    output = plain(item.output or "")
    return hit([bool(needle) and holds(output, needle) for needle in needles])


def _holds(output: str, needle: str) -> bool:
    return needle in output


def _holds_word(output: str, needle: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", output) is not None


def _starts(output: str, needle: str) -> bool:
    return output.startswith(needle)


def _ends(output: str, needle: str) -> bool:
    return output.endswith(needle)
