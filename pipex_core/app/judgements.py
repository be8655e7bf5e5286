"""Judged metrics as single functions, for scripts and older workers."""

from collections.abc import Sequence

from pipex_core.app import wiring
from pipex_core.app.judging import item_for
from pipex_core.app.scores import Result, document, measurement
from pipex_core.app.verdicts import judged
from pipex_core.jsonvalue import Json
from pipex_core.metrics.entries import resolve_entries


def semantic_similarity(predicted: str, expected: Json, **options: Json) -> Result:
    """Judged sameness of meaning: ``{name, value, passed, threshold, status, code, details}``.

    Args:
        predicted: The answer.
        expected: One reference, or a list of alternatives.
        options: Of the metric, such as ``model`` or ``judge``; ``provider``, ``mock_responses`` and
            ``cassette`` say who answers.

    Raises:
        SpecError: ``no_judge``, no model is named; or ``bad_option``.
    """
    return measurement("semantic_similarity", predicted, expected, **options)


def faithfulness_score(predicted: str, context: Sequence[str] | str, **options: Json) -> Result:
    """Share of the claims that the context supports; see ``semantic_similarity``."""
    return measurement("faithfulness", predicted, context=context, **options)


def relevance_score(predicted: str, query: str, **options: Json) -> Result:
    """Judged answer to the query; see ``semantic_similarity``."""
    return measurement("relevance", predicted, input=query, **options)


def coherence_score(predicted: str, **options: Json) -> Result:
    """Judged structure, consistency and clarity; see ``semantic_similarity``."""
    return measurement("coherence", predicted, **options)


def evaluate_response(
    predicted: str,
    expected: Json,
    criteria: str,
    *,
    provider: str | None = None,
    mock_responses: str | None = None,
    cassette: str | None = None,
    **options: Json,
) -> dict[str, Json]:
    """What a judge says by criteria in your own words: ``{score, reasoning, status}``.

    ``score`` is within 0..1, or None when there is none; ``status`` is ``scored`` or the code that says
    why. ``expected`` may be None. Options are those of the metric ``criteria``.

    Raises:
        SpecError: ``no_judge``, no model is named; or ``bad_option``.
    """
    fields = ["output"] if expected is None else ["output", "reference"]
    raw = {"type": "criteria", "criteria": criteria, "fields": fields, **options}
    (entry,) = resolve_entries([raw], wiring.metrics())
    verdict = judged(
        entry,
        item_for(predicted, expected),
        provider=provider,
        mock_responses=mock_responses,
        cassette=cassette,
    )
    shown = document("criteria", verdict.entry, verdict.score)
    return {
        "score": shown["value"],
        "reasoning": verdict.reasoning,
        "status": shown["code"] or shown["status"],
    }
