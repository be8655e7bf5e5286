"""Judgements of the number that an answer gives."""

import math
from collections.abc import Sequence

from pipex_core.metrics.contract import (
    Corpus,
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
        return any(self._close(left, right) for left, right in _readings(given, wanted))

    def _close(self, left: float, right: float) -> bool:
        return math.isclose(left, right, rel_tol=self._rel_tol, abs_tol=self._abs_tol)


class NumericError:
    """How far the answer's number is from the reference's: absolutely, relatively or squared.

    Of alternative references the nearest counts, and of two readings of a percentage the nearer. An
    answer without a number has no distance: it is ``not_applicable`` and counted as such. The corpus
    value is the mean error (of ``squared`` its root); its submetrics are ``mae``, ``rmse`` and ``mape``,
    the last over references that are not 0.
    """

    info = MetricInfo(
        name="numeric_error",
        summary="distance of the number in the answer from the reference, 0 is best",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        options={
            "kind": OptionInfo(kind="str", default="abs", choices=("abs", "rel", "squared")),
            "which": OptionInfo(kind="str", default="last", choices=("first", "last")),
        },
        skewed=True,
    )

    def __init__(self, *, kind: str = "abs", which: str = "last") -> None:
        self._kind = kind
        self._at = -1 if which == "last" else 0

    def score(self, item: MetricInput) -> Score:
        wanted = [number for one in item.references if (number := self._number(one)) is not None]
        if not wanted:
            reason = f"the reference {item.references[0][:80]!r} is not a number"
            return Unscored(code="bad_reference", reason=reason)
        given = self._number(item.output or "")
        if given is None:
            return Unscored(code="not_applicable", reason="the answer holds no number")
        pairs = [pair for one in wanted for pair in _readings(given, one)]
        error, reference = min((abs(left - right), right) for left, right in pairs)
        if self._kind == "rel" and not reference:
            reason = "no relative distance from a reference of 0"
            return Unscored(code="not_applicable", reason=reason)
        values = {
            "abs": error,
            "rel": error / abs(reference) if reference else 0.0,
            "squared": error * error,
        }
        return Scored(value=values[self._kind], details={"error": error, "reference": reference})

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        errors = [score.details["error"] for _, score in items]
        shares = [
            error / abs(score.details["reference"])
            for error, (_, score) in zip(errors, items, strict=True)
            if score.details["reference"]
        ]
        parts = {
            "mae": math.fsum(errors) / len(errors),
            "rmse": math.sqrt(math.fsum(error * error for error in errors) / len(errors)),
        }
        if shares:
            parts["mape"] = math.fsum(shares) / len(shares)
        return Corpus(value=parts[_names[self._kind]], submetrics=parts)

    def _number(self, text: str) -> Numeral | None:
        found = numerals(text)
        return found[self._at] if found else None


_names = {"abs": "mae", "rel": "mape", "squared": "rmse"}


def _readings(given: Numeral, wanted: Numeral) -> list[tuple[float, float]]:
    """Pairs of numbers to compare: where only one carries a percent sign, both as shares too."""
    plain = (given.value, wanted.value)
    if given.percent == wanted.percent:
        return [plain]
    share = given.value / 100 if given.percent else given.value
    of = wanted.value / 100 if wanted.percent else wanted.value
    return [plain, (share, of)]
