"""Values over the whole suite, read back from their rows: corpus BLEU, macro F1, percentiles of latency."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from pipex_core.evals.columns import holds, values_of
from pipex_core.jsonvalue import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusValue:
    """What a metric says of the suite where that is no mean of cases.

    Attributes:
        value: None when it could not be computed; ``code`` says why.
        submetrics: Further numbers, such as ``precision`` or ``p95``.
    """

    value: float | None
    code: str | None = None
    submetrics: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return {"value": self.value, "code": self.code, "submetrics": dict(self.submetrics)}


def corpus_values(scores: pa.Table) -> Mapping[str, CorpusValue]:
    """The values over the suite by metric."""
    rows = scores.select(("metric", "submetric", "score", "code"))
    rows = rows.filter(holds(scores["level"], "corpus"))
    heads: dict[str, tuple[float | None, str | None]] = {}
    parts: dict[str, dict[str, float]] = {}
    for metric, submetric, score, code in zip(*map(values_of, rows.columns), strict=True):
        if submetric is None:
            heads[metric] = (score, code)
        else:
            parts.setdefault(metric, {})[submetric] = score
    return {
        metric: CorpusValue(value=score, code=code, submetrics=parts.get(metric, {}))
        for metric, (score, code) in heads.items()
    }
