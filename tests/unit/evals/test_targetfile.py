"""A target as somebody writes it."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.evals.target import PromptTarget, Target
from pipex_core.evals.targetfile import TargetSources, target_of
from tests.fakes.evaluation import capital_suite
from tests.fakes.world import World, problems_of

echo = """
workflow:
  name: echoing
  inputs: {question: {type: string}}
  steps: [{name: say, type: echo, value: "{{ inputs.question }}"}]
"""
sources = TargetSources(
    load_plan=lambda path: World().plan(echo, file=path),
    read_records=lambda path: [{"case_id": "a", "output": path}],
    vendor_of=lambda model: "gemini" if model.startswith("gemini") else "anthropic",
    vendors={"anthropic": "mock", "gemini": "replay"},
    default_model="m",
)


def read(data: Any, around: TargetSources = sources, **defaults: Any) -> Target:
    suite = capital_suite(defaults=SuiteDefaults(**defaults))
    return target_of(data, suite=suite, around=around)


def refused(data: Any, around: TargetSources = sources) -> list[str]:
    with pytest.raises(SpecError) as refusal:
        read(data, around)
    return problems_of(refusal.value)


def test_nothing_but_an_empty_map_asks_the_default_model_with_the_suites_prompt() -> None:
    assert read({}, prompt="Q: {{ input }}") == PromptTarget(
        provider="mock", model="m", prompt="Q: {{ input }}"
    )


def test_a_prompt_target_takes_what_it_names() -> None:
    target = read(
        {
            "kind": "prompt",
            "name": "short",
            "model": "gemini-x",
            "prompt": "{{ input }}!",
            "system": "be brief",
            "options": {"temperature": 0, "max_tokens": 48},
        }
    )
    assert target == PromptTarget(
        provider="replay",
        model="gemini-x",
        prompt="{{ input }}!",
        system="be brief",
        options={"temperature": 0},
        max_tokens=48,
        target_id="short",
    )


def test_an_alias_of_a_model_stands_for_its_id() -> None:
    target = read({"model": "sonnet"})
    assert isinstance(target, PromptTarget)
    assert target.model.startswith("claude-sonnet")


def test_a_vendor_that_nobody_stands_in_for_answers_itself() -> None:
    assert read({}, replace(sources, vendors={})).provider == "anthropic"


def test_a_path_names_a_pipeline() -> None:
    target = read(
        {
            "path": "p.yaml",
            "output_step": "say",
            "input_name": "question",
            "bindings": {
                "model": "claude-x",
                "inputs": {"tone": "short"},
                "defaults": {"gemini_model": "g"},
                "environment": "production",
            },
        }
    )
    assert isinstance(target, PipelineTarget)
    assert (target.plan.name, target.output_step, target.input_name) == (
        "echoing",
        "say",
        "question",
    )
    assert (target.model, target.inputs) == ("claude-x", {"tone": "short"})
    assert target.options == {"gemini_model": "g", "environment": "production"}


@pytest.mark.parametrize(
    "where", [{"options": {"model": "m"}}, {"bindings": {"defaults": {"model": "m"}}}]
)
def test_a_model_among_the_options_is_refused(where: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="beside the options"):
        read({"path": "p.yaml", **where})


def test_a_pipeline_without_a_model_leaves_the_models_of_its_steps() -> None:
    assert read({"kind": "pipeline", "path": "p.yaml"}).model_id == "none"


def test_recorded_answers_are_read_from_their_file() -> None:
    target = read({"kind": "recorded", "path": "answers.jsonl", "model": "m", "name": "old"})
    assert isinstance(target, RecordedTarget)
    assert (target.target_id, target.model_id) == ("old", "m")
    assert target.answers["a", 0].text == "answers.jsonl"


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ("text", ["wrong_type"]),
        ({"kind": "python"}, ["unknown_value"]),
        ({"kind": "prompt", "promt": "x", "system": 3}, ["unknown_field", "wrong_type"]),
        ({"kind": "pipeline"}, ["missing_field"]),
        ({"kind": "recorded"}, ["missing_field"]),
    ],
)
def test_what_is_wrong_with_a_target_is_said_with_its_code(data: Any, codes: list[str]) -> None:
    assert refused(data) == codes


def test_a_prompt_without_any_model_is_refused() -> None:
    assert refused({}, replace(sources, default_model=None)) == ["missing_field"]
