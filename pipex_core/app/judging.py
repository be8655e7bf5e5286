"""One metric on one answer, for people at a prompt."""

from collections.abc import Mapping, Sequence
from typing import Final

from pipex_core.app import wiring
from pipex_core.evals.items import case_fields, query_of
from pipex_core.evals.suite import Case, references
from pipex_core.jsonvalue import Json
from pipex_core.metrics.catalogue import ALIASES
from pipex_core.metrics.contract import MetricInput, MetricType, Score
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.scoring import score_item
from pipex_core.registry import Registry

provider_words: Final = ("provider", "mock_responses", "cassette")


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
        options: Of the metric, such as ``rouge_type="rouge2"``. Of metrics that need a judge also
            ``provider``, ``mock_responses`` and ``cassette``, which say who answers.

    Raises:
        SpecError: ``unknown_metric`` or ``bad_option``; ``no_judge``, no model is named.
        ConfigError: ``dependency_missing``.
    """
    item = item_for(output, expected, input=input, context=context)
    return scored({"type": metric, **options}, item, wiring.metrics())[1]


def scored(
    raw: Mapping[str, Json], item: MetricInput, registry: Registry[MetricType]
) -> tuple[Entry, Score]:
    """The entry and what it says of an item; a judge is asked where the metric needs one.

    Args:
        raw: An entry as written; of judged metrics the words of a provider stand in it too.
        item: What is judged.
        registry: Names of metrics.

    Raises:
        SpecError: ``unknown_metric`` or ``bad_option``; ``no_judge``.
        ConfigError: ``dependency_missing``.
    """
    known = dict(raw)
    word = str(known.get("type"))
    name = ALIASES[word].metric if word in ALIASES else registry.canonical(word)
    is_judged = name in registry and registry.get(name).info.cost_class == "judge"
    words = provider_words if is_judged else ()
    provider = {one: known.pop(one) for one in words if one in known}
    (entry,) = resolve_entries([known], registry)
    if not is_judged:
        return entry, score_item(entry, item)
    # Models, journals and tables are a second of imports that a plain metric does without.
    from pipex_core.app.verdicts import judged

    verdict = judged(entry, item, **provider)
    return verdict.entry, verdict.score


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
