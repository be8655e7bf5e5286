"""Judgements of answers that are lists: which items agree, and in which order."""

from collections import Counter
from collections.abc import Sequence

from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    too_many_tokens,
)
from pipex_core.metrics.extraction import unfenced
from pipex_core.metrics.options import ignore_case_option, normalize_option
from pipex_core.metrics.overlap import f1_of, lcs_length, order_of
from pipex_core.metrics.words import normalized


class ListMatch:
    """F1 of the items that answer and reference share, counted with repetitions, blanks stripped.

    The answer is its JSON list, else its lines that are not blank. The reference is a structured list, a
    list of texts (which here are the items, and not alternatives), or a text of the same two forms.
    The submetric ``order`` is Kendall's tau of the shared items, moved to 0..1; 1 for fewer than two.
    With ``ordered`` only items count that stand in the same order: the longest common subsequence.
    """

    info = MetricInfo(
        name="list_match",
        summary="F1 of the items of two lists",
        needs=frozenset({"output", "reference"}),
        default_threshold=0.8,
        options={
            "ordered": OptionInfo(
                kind="bool", default=False, description="count only items in the same order"
            ),
            "ignore_case": ignore_case_option,
            "normalize": normalize_option,
        },
    )

    def __init__(
        self, *, ordered: bool = False, ignore_case: bool = False, normalize: str = "nfc"
    ) -> None:
        self._ordered = ordered
        self._ignore_case = ignore_case
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        given = self._items(_answered(item))
        wanted = self._items(_expected(item))
        refused = too_many_tokens(len(given), len(wanted))
        if refused is not None:
            return refused
        same = (Counter(given) & Counter(wanted)).total()
        counted = lcs_length(given, wanted) if self._ordered else same
        return f1_of(counted, given=len(given), wanted=len(wanted), order=order_of(given, wanted))

    def _items(self, values: Sequence[Json]) -> list[str]:
        texts = [normalized(to_text(value), self._normalize).strip() for value in values]
        return [text.casefold() for text in texts] if self._ignore_case else texts


def _answered(item: MetricInput) -> Sequence[Json]:
    if item.has_output_json and isinstance(item.output_json, list | tuple):
        return item.output_json
    return _of_text(item.output or "")


def _expected(item: MetricInput) -> Sequence[Json]:
    if item.has_reference_json and isinstance(item.reference_json, list | tuple):
        return item.reference_json
    return item.references if len(item.references) > 1 else _of_text(item.references[0])


def _of_text(text: str) -> Sequence[Json]:
    """The items of a JSON list, else the lines that are not blank."""
    try:
        value = parse(unfenced(text))
    except ValueError:
        value = None
    if isinstance(value, list):
        return value
    return [line for line in text.splitlines() if line.strip()]
