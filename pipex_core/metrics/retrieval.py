"""Judgements of what was retrieved and what was cited, against what is relevant."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pipex_core.expressions.paths import get
from pipex_core.expressions.values import exists, to_text
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.extraction import answered_json, regex_limit_s, searcher
from pipex_core.metrics.overlap import f1_of

measures: Final = ("precision_at_k", "recall_at_k", "mrr", "ndcg", "hit_rate")


class Retrieval:
    """How good a ranked list of ids is, with binary relevance; all measures are submetrics.

    ``precision_at_k`` is the share of the first ``k`` places that are relevant, ``recall_at_k`` that of
    the relevant ids among them, ``hit_rate`` whether there is one, ``mrr`` 1 by the rank of the first
    relevant id anywhere, ``ndcg`` the gain of the first ``k`` discounted by the logarithm of the rank.
    An id that is repeated counts where it stands first.

    The ids stand at ``ids_from`` in the JSON of the answer; by default at ``retrieved_ids``, or the
    answer is the list. Items that are maps have an ``id``.

    Source: Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418.
    """

    info = MetricInfo(
        name="retrieval",
        summary="how good the retrieved ids are, 0 to 1",
        needs=frozenset({"retrieved_ids", "relevant_ids"}),
        options={
            "measure": OptionInfo(kind="str", default="ndcg", choices=measures),
            "k": OptionInfo(kind="int", default=5, least=1, description="places that count"),
            "ids_from": OptionInfo(
                kind="str", description="path of the ids in the JSON of the answer"
            ),
        },
    )

    def __init__(self, *, measure: str = "ndcg", k: int = 5, ids_from: str | None = None) -> None:
        self._measure = measure
        self._k = k
        self._ids_from = ids_from

    def score(self, item: MetricInput) -> Score:
        relevant = frozenset(item.relevant_ids or ())
        if not relevant:
            return Unscored(code="not_applicable", reason="no id is relevant to this case")
        retrieved = _retrieved(item, self._ids_from)
        if retrieved is None:
            where = self._ids_from or "retrieved_ids"
            reason = f"retrieval needs retrieved_ids; the answer has no list at {where!r}"
            return Unscored(code="missing_input", reason=reason)
        found = _measured([one in relevant for one in retrieved], len(relevant), self._k)
        return Scored(value=found[self._measure], submetrics=found)


class CitationMatch:
    """F1 of the ids that the answer cites as ``[id]`` and those that are relevant.

    Several ids may share brackets, parted by commas or semicolons. ``pattern`` says what a citation looks
    like instead; its first group holds the ids. None cited and none relevant is 1.
    """

    info = MetricInfo(
        name="citation_match",
        summary="F1 of cited and relevant ids",
        needs=frozenset({"output", "relevant_ids"}),
        options={
            "pattern": OptionInfo(kind="str", description="expression of a citation"),
        },
    )

    def __init__(self, *, pattern: str | None = None) -> None:
        self._pattern = searcher(_citation if pattern is None else pattern)
        self._group = 1 if self._pattern.groups else 0

    def score(self, item: MetricInput) -> Score:
        relevant = frozenset(item.relevant_ids or ())
        marks = self._pattern.finditer(item.output or "", timeout=regex_limit_s)
        cited = {
            one
            for mark in marks
            for one in re.split(r"\s*[,;]\s*", (mark[self._group] or "").strip())
            if one
        }
        found = f1_of(len(cited & relevant), given=len(cited), wanted=len(relevant))
        wrong = sorted(cited - relevant)
        return Scored(
            value=found.value,
            submetrics=found.submetrics,
            details={"not_relevant": wrong} if wrong else {},
        )


_citation: Final = r"\[([^\[\]\n]{1,300})\](?!\()"  # [text](address) is a link


def _retrieved(item: MetricInput, path: str | None) -> list[str] | None:
    """The ids in their order, each once; None where there is no list."""
    given = answered_json(item)
    if given is None:
        return None
    value = given[0]
    if path is not None:
        value = get(value, path)
    elif isinstance(value, Mapping):
        value = value.get("retrieved_ids")
    if not exists(value) or not isinstance(value, list | tuple):
        return None
    return list(dict.fromkeys(_id(one) for one in value))


def _id(one: Json) -> str:
    return to_text(one["id"] if isinstance(one, Mapping) and "id" in one else one)


def _measured(hits: Sequence[bool], relevant: int, k: int) -> dict[str, float]:
    """All measures of a ranking.

    Args:
        hits: Whether each place is relevant.
        relevant: Number of relevant ids, at least 1.
        k: Places that count.
    """
    top = hits[:k]
    gain = math.fsum(1 / math.log2(rank + 1) for rank, is_hit in enumerate(top, 1) if is_hit)
    ideal = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(k, relevant) + 1))
    first = next((rank for rank, is_hit in enumerate(hits, 1) if is_hit), None)
    return {
        "precision_at_k": sum(top) / k,
        "recall_at_k": sum(top) / relevant,
        "mrr": 0.0 if first is None else 1 / first,
        "ndcg": gain / ideal,
        "hit_rate": float(any(top)),
    }
