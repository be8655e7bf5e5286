"""Presets, defaults and precedence are those of the language's sections 13.1 to 13.3, 8.1 and 18.2."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.options import Effective, effective, presets, resolve_model
from tests.fakes.step_shapes import step_shapes


def options(step: str, *, workflow: str = "", **layers: Json) -> Effective:
    text = f"workflow: {{name: x, {workflow} steps: [{{name: s, {step}}}]}}"
    spec = load_pipeline(text, "", step_shapes)
    found = spec.steps[0]
    return effective(found, spec, step_shapes[found.type], **layers)


claude = "type: claude, prompt: hi"


def test_built_in_values_of_a_model_step() -> None:
    found = options(claude)
    assert found.values == {
        "max_turns": 3,
        "output_format": "text",
        "timeout_ms": 300_000,
        "on_failure": "fail",
        "templates": "strict",
        "repair": 0,
        "cache": False,
        "streaming": False,
        "retry": {
            "max_retries": 3,
            "backoff_strategy": "exponential",
            "base_delay_ms": 1000,
            "max_delay_ms": 30_000,
            "jitter": True,
        },
    }
    assert set(found.origins.values()) == {"built_in"}


def test_other_steps_do_not_retry_by_themselves() -> None:
    found = options("type: echo")
    assert found.values["retry"]["max_retries"] == 0
    assert "max_turns" not in found.values


def test_gemini_steps_have_a_deadline_and_no_turns() -> None:
    found = options("type: gemini, prompt: hi")
    assert found.values["timeout_ms"] == 300_000
    assert "max_turns" not in found.values


def test_layers_win_in_order() -> None:
    workflow = "defaults: {claude_model: from-defaults, claude_options: {model: weaker}},"
    environment = {"claude_model": "from-environment"}
    step = "type: claude_smart, prompt: hi, preset: test"
    weakest = options(step)
    assert (weakest.values["model"], weakest.origins["model"]) == ("claude-haiku-5-5", "preset")
    found = options(step, environment=environment)
    assert (found.values["model"], found.origins["model"]) == ("from-environment", "environment")
    found = options(step, workflow=workflow, environment=environment)
    assert (found.values["model"], found.origins["model"]) == ("from-defaults", "defaults")
    step += ", claude_options: {model: opus}"
    found = options(step, workflow=workflow, environment=environment)
    assert (found.values["model"], found.origins["model"]) == ("claude-opus-5-5", "step_options")
    found = options(step, workflow=workflow, run_options={"model": "bound"})
    assert (found.values["model"], found.origins["model"]) == ("bound", "run_option")


def test_a_field_of_a_gemini_step_wins_over_its_budget() -> None:
    step = (
        "type: gemini, prompt: hi, model: own, timeout_ms: 5, "
        "token_budget: {max_output_tokens: 7, temperature: 0}"
    )
    workflow = "defaults: {gemini_model: d, gemini_token_budget: {temperature: 1, top_p: 0.5}},"
    found = options(step, workflow=workflow)
    assert found.values["model"] == "own"
    assert found.values["max_tokens"] == 7
    assert (found.values["temperature"], found.origins["temperature"]) == (0, "step_options")
    assert (found.values["top_p"], found.origins["top_p"]) == (0.5, "defaults")
    assert found.origins["timeout_ms"] == "step"


def test_options_of_one_family_leave_the_other_alone() -> None:
    workflow = "defaults: {claude_model: c, gemini_model: g, claude_options: {temperature: 1}},"
    assert options("type: gemini, prompt: hi", workflow=workflow).values["model"] == "g"
    found = options(claude, workflow=workflow)
    assert found.values["model"] == "c"
    assert "temperature" not in options("type: gemini, prompt: hi", workflow=workflow).values


def test_maps_merge_key_by_key_and_say_where_each_came_from() -> None:
    found = options(
        f"{claude}, retry: {{max_retries: 1}}", workflow="defaults: {retry: {base_delay_ms: 5}},"
    )
    assert found.values["retry"] == {
        "max_retries": 1,
        "backoff_strategy": "exponential",
        "base_delay_ms": 5,
        "max_delay_ms": 30_000,
        "jitter": True,
    }
    assert found.origins["retry.max_retries"] == "step"
    assert found.origins["retry.base_delay_ms"] == "defaults"
    assert found.origins["retry.jitter"] == "built_in"


def test_a_map_replaces_a_scalar() -> None:
    found = options("type: echo, cache: {ttl_seconds: 5}")
    assert found.values["cache"] == {"ttl_seconds": 5}
    assert found.origins["cache.ttl_seconds"] == "step"
    assert "cache" not in found.origins


def test_lists_replace_one_another() -> None:
    found = options(
        "type: claude_smart, prompt: hi, preset: development, claude_options: {allowed_tools: [LS]}"
    )
    assert found.values["allowed_tools"] == ["LS"]


def test_retry_config_counts_only_without_retry() -> None:
    config = "claude_options: {retry_config: {max_retries: 9}}"
    assert options(f"{claude}, {config}").values["retry"]["max_retries"] == 9
    found = options(f"{claude}, {config}, retry: {{jitter: false}}")
    assert found.values["retry"]["max_retries"] == 3


def test_retries_of_the_environment_are_for_model_steps() -> None:
    environment = {"max_retries": 7}
    assert options(claude, environment=environment).values["retry"]["max_retries"] == 7
    assert options("type: echo", environment=environment).values["retry"]["max_retries"] == 0


def test_the_environment_says_deadlines_of_calls_in_seconds() -> None:
    environment = {"claude_timeout_s": 1.5, "gemini_timeout_s": 2}
    found = options(claude, environment=environment)
    assert (found.values["timeout_ms"], found.origins["timeout_ms"]) == (1500, "environment")
    assert options("type: gemini, prompt: p", environment=environment).values["timeout_ms"] == 2000


def test_settings_that_are_no_options_of_a_step_are_left_out() -> None:
    outside = {"workspace_dir": "w", "output_dir": "o", "max_concurrency": 3, "claude_timeout_s": 1}
    for step in (claude, "type: gemini, prompt: p", "type: echo"):
        found = options(step, run_options=outside, environment=outside)
        assert not {*outside, "timeout_s"}.intersection(found.values)


@pytest.mark.parametrize(
    ("name", "turns", "tools", "model", "retry", "timeout_ms"),
    [
        ("development", 20, "Write Edit Read Bash Search Glob Grep", "sonnet", (3, "exponential"), 300_000),
        ("production", 10, "Read", "opus", (2, "linear"), 120_000),
        ("analysis", 5, "Read Glob Grep", "opus", (2, "exponential"), 180_000),
        ("chat", 15, "", "sonnet", (1, "linear"), 60_000),
        ("test", 3, "Read", "haiku", (1, "fixed"), 30_000),
    ],
)  # fmt: skip
def test_presets_are_those_of_the_table(
    name: str, turns: int, tools: str, model: str, retry: tuple[int, str], timeout_ms: int
) -> None:
    found = options(f"type: claude_smart, prompt: hi, preset: {name}").values
    assert found["max_turns"] == turns
    assert found["allowed_tools"] == tools.split()
    assert found["model"] == f"claude-{model}-5-5"
    assert (found["retry"]["max_retries"], found["retry"]["backoff_strategy"]) == retry
    assert found["timeout_ms"] == timeout_ms
    assert found.get("fallback_model") == ("claude-sonnet-5-5" if name == "production" else None)


def test_a_preset_is_chosen_by_step_then_defaults_then_mode_then_type() -> None:
    def turns(step: str, workflow: str = "") -> int:
        found: int = options(step, workflow=workflow).values["max_turns"]
        return found

    smart = "type: claude_smart, prompt: hi"
    mode = "environment: {mode: test},"
    assert turns(f"{smart}, preset: chat", "defaults: {claude_preset: analysis},") == 15
    assert turns(smart, "defaults: {claude_preset: analysis},") == 5
    assert turns(f"{smart}, environment_aware: true", "environment: {mode: production},") == 10
    assert turns(smart, mode) == 3
    assert turns(f"{smart}, environment_aware: true") == 3
    assert turns("type: claude_batch, tasks: []") == 20


def test_a_pinned_model_is_not_rebound() -> None:
    bound = {"model": "bound", "claude_model": "bound", "temperature": 1}
    found = options(f"{claude}, pin_model: true, claude_options: {{model: own}}", run_options=bound)
    assert found.values["model"] == "own"
    assert found.values["temperature"] == 1


def test_the_templates_of_a_workflow_and_of_a_step() -> None:
    assert options("type: echo", workflow="templates: lenient,").origins["templates"] == "workflow"
    found = options("type: echo, templates: strict", workflow="templates: lenient,")
    assert found.values["templates"] == "strict"


def test_options_that_are_a_template_are_left_to_the_run() -> None:
    found = options('type: claude, prompt: hi, claude_options: "{{ inputs.options }}"')
    assert set(found.origins.values()) == {"built_in"}


def test_defaults_of_every_step_reach_every_step() -> None:
    workflow = "defaults: {timeout_seconds: 5, on_failure: warn, output_dir: out},"
    for step in ("type: echo", claude):
        found = options(step, workflow=workflow)
        assert found.values["timeout_seconds"] == 5
        assert found.values["on_failure"] == "warn"
        assert "output_dir" not in found.values


def test_model_aliases() -> None:
    assert resolve_model("sonnet") == "claude-sonnet-5-5"
    assert resolve_model("other") == "other"
    assert resolve_model(None) is None
    assert set(presets) == {"development", "production", "analysis", "chat", "test"}
