"""A budget at the call site: what the calls of one step may take, inside the budget of the run."""

from typing import Any

from tests.fakes.world import World

mending = "repair: 3, output_schema: {type: object}"
dear = {"responses": [{"reply": "no json", "cost": 0.25}]}


def ran(budget: str, *, of_run: str = "{max_cost_usd: 5}") -> dict[str, Any]:
    step = f"{{name: a, type: claude, prompt: x, {mending}, claude_options: {{budget: {budget}}}}}"
    text = f"workflow:\n  name: w\n  budget: {of_run}\n  steps: [{step}]\n"
    return World(dear).run(text).as_json()


def test_calls_of_a_step_keep_to_its_own_cap() -> None:
    found = ran("{max_cost_usd: 0.6}")
    assert (found["error"]["code"], found["calls"], found["cost_usd"]) == (
        "budget_exceeded",
        2,
        0.5,
    )
    assert "budget 'step'" in found["error"]["message"]


def test_calls_and_tokens_are_capped_too() -> None:
    assert ran("{max_calls: 3}")["calls"] == 3
    assert ran("{max_tokens: 1}")["calls"] == 0


def test_a_step_that_only_warns_goes_on() -> None:
    found = ran("{max_cost_usd: 0.6, on_exceed: warn}")
    assert (found["error"]["code"], found["calls"]) == ("output_schema_failed", 4)
    assert "budget_exceeded" in [warning["code"] for warning in found["warnings"]]


def test_the_budget_of_the_run_holds_around_that_of_the_step() -> None:
    found = ran("{max_cost_usd: 9}", of_run="{max_cost_usd: 0.3}")
    assert (found["calls"], found["error"]["code"]) == (1, "budget_exceeded")
    assert "budget 'run'" in found["error"]["message"]
