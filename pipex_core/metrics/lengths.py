"""Judgements of how long an answer is."""

from dataclasses import replace

from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    best,
)
from pipex_core.metrics.options import normalize_option
from pipex_core.metrics.words import normalized

_unit = OptionInfo(kind="str", default="char", choices=("char", "word"))


class OutputLength:
    """Code points, or words between blanks, of the answer.

    With ``min`` or ``max`` it is 1 when the length lies within them, both included, else 0.
    """

    info = MetricInfo(
        name="output_length",
        summary="length of the answer, or whether it lies within bounds",
        range=(0.0, float("inf")),
        direction="none",
        needs=frozenset({"output"}),
        options={
            "unit": _unit,
            "min": OptionInfo(kind="int", least=0),
            "max": OptionInfo(kind="int", least=0),
            "normalize": normalize_option,
        },
    )

    def __init__(
        self,
        *,
        unit: str = "char",
        min: int | None = None,  # noqa: A002 - the name that users write
        max: int | None = None,  # noqa: A002
        normalize: str = "nfc",
    ) -> None:
        self._unit = unit
        self._least = 0 if min is None else min
        self._most = float("inf") if max is None else max
        self._normalize = normalize
        if self._least > self._most:
            raise ValueError(f"min {min} is above max {max}")
        self._bounded = min is not None or max is not None
        if self._bounded:
            self.info = replace(
                type(self).info, range=(0.0, 1.0), direction="higher", default_threshold=1.0
            )

    def score(self, item: MetricInput) -> Score:
        length = _length(normalized(item.output or "", self._normalize), self._unit)
        if not self._bounded:
            return Scored(value=float(length))
        within = self._least <= length <= self._most
        return Scored(value=float(within), details={"length": length})


class LengthRatio:
    """Shorter length by longer length of answer and reference."""

    info = MetricInfo(
        name="length_ratio",
        summary="shorter by longer length",
        needs=frozenset({"output", "reference"}),
        options={"unit": _unit, "normalize": normalize_option},
    )

    def __init__(self, *, unit: str = "char", normalize: str = "nfc") -> None:
        self._unit = unit
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        length = self._length(item.output or "")
        return best([Scored(value=_ratio(length, self._length(one))) for one in item.references])

    def _length(self, text: str) -> int:
        return _length(normalized(text, self._normalize), self._unit)


def _length(text: str, unit: str) -> int:
    return len(text) if unit == "char" else len(text.split())


def _ratio(left: int, right: int) -> float:
    longer = max(left, right)
    return min(left, right) / longer if longer else 1.0
