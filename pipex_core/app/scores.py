"""Single measurements for scripts and older workers: one metric on texts, as a plain map."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipex_core.app import wiring
from pipex_core.app.authored import function_type
from pipex_core.app.judging import item_for, scored
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricType, Score, Scored, Unscored
from pipex_core.metrics.custom import Contract, Judgement
from pipex_core.metrics.embedding import default_model
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.scoring import passed, score_item
from pipex_core.registry import Registry

Result = dict[str, Json]
_contract_words = frozenset(Contract.__dataclass_fields__)


def bleu_score(predicted: str, expected: Json, **options: Json) -> Result:
    """BLEU of an answer: ``{name, value, passed, threshold, status, code, details}``.

    ``value`` and ``passed`` are None when there is no score, and ``code`` says why.
    """
    return measurement("bleu", predicted, expected, **options)


def rouge_score(predicted: str, expected: Json, **options: Json) -> Result:
    """ROUGE-L, or the ``rouge_type``, of an answer; the result is that of ``bleu_score``."""
    return measurement("rouge", predicted, expected, **options)


def perplexity(
    predicted: str, corpus: str | Sequence[str] | None = None, **options: Json
) -> Result:
    """Perplexity of a text under a trigram model of ``corpus``; the result is that of ``bleu_score``.

    Raises:
        ConfigError: ``dependency_missing``, there is nothing that could give probabilities.
    """
    given = None if corpus is None or isinstance(corpus, str) else list(corpus)
    return measurement("perplexity", predicted, corpus=given or corpus, **options)


def custom_metric(
    predicted: str,
    expected: Json,
    evaluator_fn: Judgement,
    **opts: Any,  # noqa: ANN401 - fields of Contract, and options of the function
) -> Result:
    """What a function says of an answer, held to the rules of metrics; the result is that of ``bleu_score``.

    Args:
        predicted: The answer.
        expected: One reference, a list of alternatives, or a structured value.
        evaluator_fn: Takes the two, and whatever else a metric may need by name; gives a number, a bool,
            ``(value, details)``, ``{"score": ...}``, ``Scored`` or ``Unscored``.
        opts: ``name threshold range direction`` and other fields of ``Contract``; ``input`` and ``context``;
            the rest are options of the function.

    Raises:
        ConfigError: ``bad_metric``.
    """
    name = opts.pop("name", None) or getattr(evaluator_fn, "__name__", "function")
    contract = {word: opts.pop(word) for word in _contract_words & opts.keys()}
    kind = function_type(f"custom:{name}", evaluator_fn, **contract)
    known: Registry[MetricType] = Registry("metric", {kind.info.name: kind})
    return _measured(kind.info.name, predicted, expected, registry=known, shown=name, **opts)


def measurement(metric: str, predicted: str, expected: Json = None, **options: Json) -> Result:
    """What any metric says of an answer; the result is that of ``bleu_score``.

    Raises:
        SpecError: ``unknown_metric`` or ``bad_option``.
        ConfigError: ``dependency_missing``.
    """
    return _measured(metric, predicted, expected, registry=wiring.metrics(), **options)


def calculate_bleu(predicted: str, expected: Json, n_gram: int = 4) -> Result:
    """BLEU as ``{score, n_gram, metric}``; ``score`` is None when there is none."""
    found = measurement("bleu", predicted, expected, n_gram=n_gram)
    return {"score": found["value"], "n_gram": n_gram, "metric": "bleu"}


def calculate_rouge(predicted: str, expected: Json, rouge_type: str = "rouge-l") -> Result:
    """ROUGE as ``{precision, recall, fmeasure, metric}``; ``metric`` is the type as it was given."""
    entry = _entry({"type": "rouge", "rouge_type": rouge_type}, wiring.metrics())
    found = score_item(entry, item_for(predicted, expected))
    parts = found.submetrics if isinstance(found, Scored) else {}
    return {
        "precision": parts.get("precision"),
        "recall": parts.get("recall"),
        "fmeasure": found.value if isinstance(found, Scored) else None,
        "metric": rouge_type,
    }


def embedding_similarity(
    text1: str, text2: str, model: str = default_model, **options: Json
) -> Result:
    """Cosine of two texts' embeddings as ``{similarity, model, metric}``.

    Raises:
        ConfigError: ``dependency_missing``, the library or the weights are not installed; nothing is
            downloaded, and no other measure takes its place.
    """
    found = measurement("embedding_similarity", text1, text2, model=model, **options)
    return {"similarity": found["value"], "model": model, "metric": "embedding_similarity"}


def _measured(  # noqa: PLR0913 - what one measurement may know, all named
    metric: str,
    predicted: str,
    expected: Json,
    *,
    registry: Registry[MetricType],
    shown: str | None = None,
    input: Json = None,  # noqa: A002 - the field's name in cases
    context: Sequence[str] | str | None = None,
    **options: Json,
) -> Result:
    item = item_for(predicted, expected, input=input, context=context)
    entry, found = scored({"type": metric, **options}, item, registry)
    return document(shown or entry.name, entry, found)


def document(name: str, entry: Entry, found: Score) -> Result:
    """A score as a plain map: ``{name, value, passed, threshold, status, code, details}``."""
    is_scored = isinstance(found, Scored)
    details: Mapping[str, Json] = found.details if isinstance(found, Scored) else {}
    return {
        "name": name,
        "value": found.value if isinstance(found, Scored) else None,
        "passed": passed(entry, found),
        "threshold": entry.threshold,
        "status": "scored" if is_scored else "unscored",
        "code": found.code if isinstance(found, Unscored) else None,
        "details": {"reason": found.reason} if isinstance(found, Unscored) else dict(details),
    }


def _entry(raw: Mapping[str, Json], registry: Registry[MetricType]) -> Entry:
    (entry,) = resolve_entries([dict(raw)], registry)
    return entry
