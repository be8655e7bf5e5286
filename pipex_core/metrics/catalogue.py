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
        "accuracy": "pipex_core.metrics.labels:Accuracy",
        "banned_terms": "pipex_core.metrics.conduct:BannedTerms",
        "bleu": "pipex_core.metrics.ngrams:Bleu",
        "cer": "pipex_core.metrics.edits:CharacterErrorRate",
        "choice_match": "pipex_core.metrics.text:ChoiceMatch",
        "chrf": "pipex_core.metrics.ngrams:Chrf",
        "citation_match": "pipex_core.metrics.retrieval:CitationMatch",
        "classification_f1": "pipex_core.metrics.labels:ClassificationF1",
        "code_parses": "pipex_core.metrics.structured:CodeParses",
        "coherence": "pipex_core.metrics.judge_single:Coherence",
        "consistency": "pipex_core.metrics.repeats:Consistency",
        "contains": "pipex_core.metrics.substrings:Contains",
        "contains_all": "pipex_core.metrics.substrings:ContainsAll",
        "contains_any": "pipex_core.metrics.substrings:ContainsAny",
        "context_precision": "pipex_core.metrics.judge_grounding:ContextPrecision",
        "context_recall": "pipex_core.metrics.judge_grounding:ContextRecall",
        "correctness": "pipex_core.metrics.judge_single:Correctness",
        "cost": "pipex_core.metrics.usage:Cost",
        "criteria": "pipex_core.metrics.judge_single:Criteria",
        "distinct_n": "pipex_core.metrics.diversity:DistinctN",
        "ends_with": "pipex_core.metrics.substrings:EndsWith",
        "exact_match": "pipex_core.metrics.text:ExactMatch",
        "expression": "pipex_core.metrics.combine:ExpressionMetric",
        "failure_rate": "pipex_core.metrics.usage:FailureRate",
        "faithfulness": "pipex_core.metrics.judge_grounding:Faithfulness",
        "fuzzy_match": "pipex_core.metrics.edits:FuzzyMatch",
        "grounded_overlap": "pipex_core.metrics.diversity:GroundedOverlap",
        "hashed_similarity": "pipex_core.metrics.embedding:HashedSimilarity",
        "jaro_winkler": "pipex_core.metrics.edits:JaroWinkler",
        "json_match": "pipex_core.metrics.jsonmatch:JsonMatch",
        "json_schema": "pipex_core.metrics.structured:JsonSchema",
        "json_valid": "pipex_core.metrics.structured:JsonValid",
        "latency": "pipex_core.metrics.usage:Latency",
        "length_ratio": "pipex_core.metrics.lengths:LengthRatio",
        "levenshtein": "pipex_core.metrics.edits:Levenshtein",
        "list_match": "pipex_core.metrics.lists:ListMatch",
        "mcc": "pipex_core.metrics.labels:Mcc",
        "meteor": "pipex_core.metrics.meteor:Meteor",
        "normalized_match": "pipex_core.metrics.text:NormalizedMatch",
        "numeric_error": "pipex_core.metrics.numeric:NumericError",
        "numeric_match": "pipex_core.metrics.numeric:NumericMatch",
        "output_length": "pipex_core.metrics.lengths:OutputLength",
        "pairwise": "pipex_core.metrics.judge_pairwise:Pairwise",
        "pass_at_k": "pipex_core.metrics.repeats:PassAtK",
        "pass_hat_k": "pipex_core.metrics.repeats:PassHatK",
        "perplexity": "pipex_core.metrics.perplexity:Perplexity",
        "refusal": "pipex_core.metrics.conduct:Refusal",
        "regex_match": "pipex_core.metrics.text:RegexMatch",
        "relevance": "pipex_core.metrics.judge_single:Relevance",
        "retrieval": "pipex_core.metrics.retrieval:Retrieval",
        "rouge": "pipex_core.metrics.rouge:Rouge",
        "rubric": "pipex_core.metrics.judge_rubric:Rubric",
        "semantic_similarity": "pipex_core.metrics.judge_single:SemanticSimilarity",
        "starts_with": "pipex_core.metrics.substrings:StartsWith",
        "ter": "pipex_core.metrics.ngrams:Ter",
        "token_f1": "pipex_core.metrics.text:TokenF1",
        "tokens": "pipex_core.metrics.usage:Tokens",
        "tool_calls": "pipex_core.metrics.traces:ToolCalls",
        "trajectory": "pipex_core.metrics.traces:Trajectory",
        "wer": "pipex_core.metrics.edits:WordErrorRate",
        "xml_valid": "pipex_core.metrics.structured:XmlValid",
    }
)


def _aliases() -> dict[str, Alias]:
    plain = {
        "bleu": ["bleu_score"],
        "choice_match": ["choice"],
        "coherence": ["coherence_score"],
        "contains": ["includes"],
        "correctness": ["factuality"],
        "criteria": ["llm_judge", "g_eval"],
        "exact_match": ["exact", "equals"],
        "faithfulness": ["faithfulness_score"],
        "fuzzy_match": ["fuzzy", "simple_string_similarity"],
        "json_match": ["json_diff"],
        "json_valid": ["is_json"],
        "levenshtein": ["edit_similarity"],
        "list_match": ["set_f1"],
        "mcc": ["matthews"],
        "normalized_match": ["quasi_exact"],
        "pairwise": ["battle"],
        "pass_hat_k": ["pass^k"],
        "refusal": ["is_refusal"],
        "regex_match": ["regex", "pattern"],
        "relevance": ["relevance_score", "answer_relevance"],
        "rouge": ["rouge_score"],
        "rubric": ["llm_rubric"],
        "token_f1": ["f1"],
        "tool_calls": ["tool_call_match"],
    }
    made = {name: Alias(metric, {}, metric) for metric, names in plain.items() for name in names}
    made["icontains"] = Alias("contains", {"ignore_case": True}, "icontains")
    for measure in _retrieval_measures:
        made[measure] = Alias("retrieval", {"measure": measure}, measure)
    for kind, dashed in _rouge_names.items():
        for name in (kind, dashed):
            made[name] = Alias("rouge", {"rouge_type": kind}, kind)
    return made


_retrieval_measures = ("precision_at_k", "recall_at_k", "mrr", "ndcg", "hit_rate")
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
