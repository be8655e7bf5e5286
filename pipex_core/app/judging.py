"""One metric on one answer, for people at a prompt."""

from collections.abc import Sequence

from pipex_core.app import wiring
from pipex_core.evals.items import case_fields, query_of
from pipex_core.evals.suite import Case, references
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Score
from pipex_core.metrics.entries import resolve_entries
from pipex_core.metrics.scoring import score_item


def score(
    metric: str,
    output: str,
    expected: Json = None,
    *,
    input: Json = None,  # noqa: A002 - the field's name in cases
    context: Sequence[str] | str | None = None,
    **options: Json,
) -> Score:
    """What a metric says of one answer: ``Scored``, or ``Unscored`` with the reason.

    Args:
        metric: Name or alias, such as ``rouge``.
        output: The answer.
        expected: One reference, a list of alternatives, or a structured value.
        input: What was asked.
        context: Source text or texts.
        options: Of the metric, such as ``rouge_type="rouge2"``.

    Raises:
        SpecError: ``unknown_metric`` or ``bad_option``.
        ConfigError: ``dependency_missing``.
    """
    (entry,) = resolve_entries([{"type": metric, **options}], wiring.metrics())
    return score_item(entry, item_for(output, expected, input=input, context=context))


def item_for(
    output: str,
    expected: Json = None,
    *,
    input: Json = None,  # noqa: A002 - the field's name in cases
    context: Sequence[str] | str | None = None,
) -> MetricInput:
    """One answer and what is known of its question, as metrics see them."""
    texts = (context,) if isinstance(context, str) else tuple(context) if context else None
    case = Case(id="score", input=input, expected_output=expected, context=texts)
    known = references(case)
    return MetricInput(
        output=output,
        references=known.texts,
        reference_json=known.structured,
        has_reference_json=known.is_structured,
        input=input,
        query=query_of(case),
        context=texts or (),
        case=case_fields(case),
    )
