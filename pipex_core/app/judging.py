"""One metric on one answer, for people at a prompt."""

from collections.abc import Mapping, Sequence

from pipex_core.app import wiring
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
    is_text = isinstance(expected, str)
    is_list = isinstance(expected, list) and all(isinstance(one, str) for one in expected)
    structured = expected is not None and not is_text and not is_list
    item = MetricInput(
        output=output,
        references=[expected] if is_text else list(expected) if is_list else [],
        reference_json=expected if structured else None,
        has_reference_json=structured,
        input=input,
        query=input if isinstance(input, str) else _query(input),
        context=[context] if isinstance(context, str) else list(context or ()),
    )
    return score_item(entry, item)


def _query(value: Json) -> str | None:
    if not isinstance(value, Mapping):
        return None
    found = next((value[name] for name in ("question", "query", "input") if name in value), None)
    return found if isinstance(found, str) else None
