"""The names of the built-in metrics: where each one lives, and which other names it answers to.

Data only, so that reading the table imports no metric. An alias may imply options: ``icontains`` is
``contains`` with ``ignore_case``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricType
from pipex_core.registry import Registry


class Alias(NamedTuple):
    """Another name of a metric.

    Attributes:
        metric: The name that it stands for.
        options: What it implies; an entry may still say otherwise.
        column: Name of its scores; the metric's own when nothing is implied.
    """

    metric: str
    options: Mapping[str, Json]
    column: str


METRICS: Mapping[str, str] = MappingProxyType(
    {
        "bleu": "pipex_core.metrics.ngrams:Bleu",
        "cer": "pipex_core.metrics.edits:CharacterErrorRate",
        "choice_match": "pipex_core.metrics.text:ChoiceMatch",
        "chrf": "pipex_core.metrics.ngrams:Chrf",
        "contains": "pipex_core.metrics.substrings:Contains",
        "contains_all": "pipex_core.metrics.substrings:ContainsAll",
        "contains_any": "pipex_core.metrics.substrings:ContainsAny",
        "cost": "pipex_core.metrics.usage:Cost",
        "ends_with": "pipex_core.metrics.substrings:EndsWith",
        "exact_match": "pipex_core.metrics.text:ExactMatch",
        "failure_rate": "pipex_core.metrics.usage:FailureRate",
        "fuzzy_match": "pipex_core.metrics.edits:FuzzyMatch",
        "jaro_winkler": "pipex_core.metrics.edits:JaroWinkler",
        "json_valid": "pipex_core.metrics.structured:JsonValid",
        "latency": "pipex_core.metrics.usage:Latency",
        "length_ratio": "pipex_core.metrics.lengths:LengthRatio",
        "levenshtein": "pipex_core.metrics.edits:Levenshtein",
        "normalized_match": "pipex_core.metrics.text:NormalizedMatch",
        "numeric_match": "pipex_core.metrics.numeric:NumericMatch",
        "output_length": "pipex_core.metrics.lengths:OutputLength",
        "regex_match": "pipex_core.metrics.text:RegexMatch",
        "rouge": "pipex_core.metrics.rouge:Rouge",
        "starts_with": "pipex_core.metrics.substrings:StartsWith",
        "ter": "pipex_core.metrics.ngrams:Ter",
        "token_f1": "pipex_core.metrics.text:TokenF1",
        "tokens": "pipex_core.metrics.usage:Tokens",
        "wer": "pipex_core.metrics.edits:WordErrorRate",
    }
)


def _aliases() -> dict[str, Alias]:
    plain = {
        "bleu": ["bleu_score"],
        "choice_match": ["choice"],
        "contains": ["includes"],
        "exact_match": ["exact", "equals"],
        "fuzzy_match": ["fuzzy", "simple_string_similarity"],
        "json_valid": ["is_json"],
        "levenshtein": ["edit_similarity"],
        "normalized_match": ["quasi_exact"],
        "regex_match": ["regex", "pattern"],
        "rouge": ["rouge_score"],
        "token_f1": ["f1"],
    }
    made = {name: Alias(metric, {}, metric) for metric, names in plain.items() for name in names}
    made["icontains"] = Alias("contains", {"ignore_case": True}, "icontains")
    for kind, dashed in _rouge_names.items():
        for name in (kind, dashed):
            made[name] = Alias("rouge", {"rouge_type": kind}, kind)
    return made


_rouge_names = {
    "rouge1": "rouge-1",
    "rouge2": "rouge-2",
    "rougeL": "rouge-l",
    "rougeLsum": "rouge-lsum",
}

ALIASES: Mapping[str, Alias] = MappingProxyType(_aliases())


def built_in() -> Registry[MetricType]:
    """The registry of the built-in metrics, without plug-ins."""
    return Registry("metric", METRICS, aliases={name: of.metric for name, of in ALIASES.items()})
