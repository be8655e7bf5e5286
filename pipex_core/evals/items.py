"""A response and its case as metrics see them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from pipex_core.evals.suite import Case, references
from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import MetricInput, Usage

query_fields: Final = ("question", "query", "input")


def item_of(case: Case, response: Mapping[str, Json]) -> MetricInput:
    """What a metric is given.

    Args:
        case: The question.
        response: A row of the table of responses.
    """
    known = references(case)
    context = case.context
    structured = response["output_json"]
    calls = response["tool_calls"]
    # A refusal without words is an answer without words.
    is_wordless = response["output"] is None and response["status"] == "model_refusal"
    return MetricInput(
        output="" if is_wordless else response["output"],
        output_json=None if structured is None else parse(structured),
        has_output_json=structured is not None,
        references=known.texts,
        reference_json=known.structured,
        has_reference_json=known.is_structured,
        input=case.input,
        query=query_of(case),
        context=() if context is None else (context,) if isinstance(context, str) else context,
        choices=case.choices or (),
        tools=() if calls is None else parse(calls),
        expected_tools=case.expected_tools,
        relevant_ids=case.relevant_ids,
        case=case_fields(case),
        usage=Usage(
            latency_ms=response["latency_ms"],
            ttft_ms=response["ttft_ms"],
            cost_usd=_known_cost(response),
            input_tokens=response["input_tokens"],
            output_tokens=response["output_tokens"],
            reasoning_tokens=response["reasoning_tokens"],
        ),
        response_class=response["class"],
        status=response["status"],
    )


def _known_cost(response: Mapping[str, Json]) -> float | None:
    # The column has no null: a record that says nothing of its cost cannot be told from a free one.
    unsaid = response["provider"] == "recorded" and not response["cost_usd"]
    return None if unsaid else response["cost_usd"]


def case_fields(case: Case) -> Mapping[str, Json]:
    """The fields of a case that are there, by name."""
    found = {name: getattr(case, name) for name in _case_fields}
    return {name: value for name, value in found.items() if value is not None}


_case_fields = tuple(one.name for one in fields(Case))


def query_of(case: Case) -> str | None:
    """The question: a text input itself, else the field ``question``, ``query`` or ``input`` of a map."""
    if isinstance(case.input, str):
        return case.input
    if isinstance(case.input, Mapping):
        found = (case.input.get(name) for name in query_fields)
        return next((value for value in found if isinstance(value, str)), None)
    return None
