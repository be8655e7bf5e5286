"""Judgements of the number that an answer gives."""

import math

from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    hit,
)
from pipex_core.metrics.numerals import Numeral, numerals, whole_numeral


class NumericMatch:
    """1 if the answer's number equals the reference's within the tolerances.

    Percent: where only one of the two carries the sign, ``50%`` equals 50 and 0.5 alike.
    The tolerance is that of ``math.isclose``: relative to the larger of the two, or absolute.
    """

    info = MetricInfo(
        name="numeric_match",
        summary="1 if the number in the answer equals the reference, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "rel_tol": OptionInfo(kind="float", default=1e-6, least=0.0),
            "abs_tol": OptionInfo(kind="float", default=0.0, least=0.0),
            "which": OptionInfo(kind="str", default="last", choices=("first", "last")),
            "strict_format": OptionInfo(
                kind="bool", default=False, description="the answer must be the number alone"
            ),
        },
    )

    def __init__(
        self,
        *,
        rel_tol: float = 1e-6,
        abs_tol: float = 0.0,
        which: str = "last",
        strict_format: bool = False,
    ) -> None:
        self._rel_tol = rel_tol
        self._abs_tol = abs_tol
        self._at = -1 if which == "last" else 0
        self._strict_format = strict_format

    def score(self, item: MetricInput) -> Score:
        wanted = [self._number(reference) for reference in item.references]
        if not any(wanted):
            reason = f"the reference {item.references[0][:80]!r} is not a number"
            return Unscored(code="bad_reference", reason=reason)
        output = item.output or ""
        given = whole_numeral(output) if self._strict_format else self._number(output)
        if given is None:
            return Scored(value=0.0, label="no_match")
        hits = [one is not None and self._same(given, one) for one in wanted]
        return hit(hits)

    def _number(self, text: str) -> Numeral | None:
        found = numerals(text)
        return found[self._at] if found else None

    def _same(self, given: Numeral, wanted: Numeral) -> bool:
        if given.percent == wanted.percent:
            return self._close(given.value, wanted.value)
        share = given.value / 100 if given.percent else given.value
        of = wanted.value / 100 if wanted.percent else wanted.value
        return self._close(given.value, wanted.value) or self._close(share, of)

    def _close(self, left: float, right: float) -> bool:
        return math.isclose(left, right, rel_tol=self._rel_tol, abs_tol=self._abs_tol)
