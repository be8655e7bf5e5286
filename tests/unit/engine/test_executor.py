"""One step at a time: conditions, retries, limits of time, schemas, files, and what the record says."""

from typing import Any, ClassVar

import pytest

from pipex_core.errors import StepError
from pipex_core.spec.model import FieldShape, StepShape
from pipex_core.steps.blocks import Inside
from pipex_core.steps.contract import Outcome, Step, StepContext
from tests.fakes.world import World


def pipeline(*steps: str, head: str = "") -> str:
    """A workflow of steps in flow style."""
    listed = "".join(f"\n    - {step}" for step in steps)
    return f"workflow:\n  name: w\n{head}  steps:{listed}\n"


def shown(world: World, *steps: str, head: str = "", **options: Any) -> dict[str, Any]:
    """The run as JSON."""
    return world.run(pipeline(*steps, head=head), **options).as_json()


class Flaky:
    """Fails so many times, then works; counts its tries in ``tried``."""

    tried: ClassVar[list[int]] = []
    shape = StepShape(
        type="flaky",
        summary="Fail first.",
        fields={
            "times": FieldShape(types=("int",)),
            "code": FieldShape(types=("str",)),
            "retryable": FieldShape(types=("bool",)),
            "wait": FieldShape(types=("num",)),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        self.tried.append(ctx.attempt)
        await ctx.clock.sleep(ctx.step.get("wait", 0))
        if ctx.attempt <= ctx.step.get("times", 0):
            code = ctx.step.get("code", "worker_memory")
            if code == "bug":
                raise ZeroDivisionError("by zero")
            error = StepError("it broke", code=code)
            error.retryable = ctx.step.get("retryable", True)
            raise error
        return Outcome(text="worked")


class Block:
    """Runs its nested steps once, with a name of its own."""

    shape = StepShape(
        type="block",
        summary="Nest.",
        fields={"steps": FieldShape(kind="steps", types=("list",), required=True)},
        opens=lambda _: ["it"],
    )

    async def run(self, ctx: StepContext) -> Outcome:
        result = await ctx.run_block(
            ctx.step.blocks["steps"],
            f"{ctx.path}[0]/",
            Inside(local={"it": 7}, loop={"index": 0}),
        )
        if result.error is not None:
            error = result.error["error"]
            raise StepError(error["message"], code=error["code"])
        return Outcome(data=dict(result.records), written=result.written)


@pytest.fixture
def world() -> World:
    Flaky.tried = []
    steps: dict[str, str | type[Step]] = {"flaky": Flaky, "block": Block}
    return World({"responses": [{"echo": True}]}, steps=steps)


def test_a_false_condition_skips_the_step_with_its_reason(world: World) -> None:
    run = shown(world, "{name: a, type: echo, value: 1, condition: '1 > 2'}")
    assert run["steps"]["a"] == {
        "name": "a",
        "type": "echo",
        "status": "skipped",
        "success": True,
        "skipped": True,
        "degraded": False,
        "text": None,
        "data": None,
        "model": None,
        "cost_usd": 0.0,
        "tokens": {"input": 0, "output": 0},
        "attempts": 0,
        "duration_ms": 0,
        "error": None,
        "metadata": {"reason": "condition not met: 1 > 2"},
    }


def test_a_true_condition_runs_the_step(world: World) -> None:
    run = shown(world, "{name: a, type: echo, value: 1, condition: '2 > 1'}")
    assert run["steps"]["a"]["data"] == 1


def test_a_structured_condition_is_shown_as_json(world: World) -> None:
    run = shown(world, "{name: a, type: echo, value: 1, condition: {not: 'true'}}")
    assert run["steps"]["a"]["metadata"]["reason"] == 'condition not met: {"not":"true"}'


def test_a_failing_step_ends_the_run_and_later_steps_are_absent(world: World) -> None:
    run = shown(
        world,
        "{name: a, type: echo, value: 1}",
        "{name: b, type: echo, fail: true, error_message: no}",
        "{name: c, type: echo, value: 3}",
    )
    assert (run["status"], run["success"], run["order"]) == ("failed", False, ["a", "b"])
    assert list(run["steps"]) == ["a", "b"]
    assert run["error"] == {
        "code": "echo_failed",
        "message": "no",
        "step": "b",
        "path": "b",
        "retryable": False,
    }
    assert run["steps"]["b"]["error"] == {
        "code": "echo_failed",
        "message": "no",
        "retryable": False,
        "path": "b",
    }


@pytest.mark.parametrize("rule", ["on_failure: continue", "on_failure: warn", "optional: true"])
def test_an_optional_failure_lets_the_run_go_on_with_a_warning(world: World, rule: str) -> None:
    run = shown(
        world,
        f"{{name: a, type: echo, fail: true, error_message: no, {rule}}}",
        "{name: b, type: echo, value: '{{steps.a.success}} [{{steps.a.text}}]'}",
    )
    assert run["success"]
    assert run["steps"]["a"]["status"] == "failed"
    assert run["steps"]["b"]["text"] == "false []"
    assert run["warnings"] == [{"code": "echo_failed", "message": "no", "step": "a"}]


def test_a_step_is_tried_again_as_often_as_it_says_with_growing_waits(world: World) -> None:
    retry = "retry: {max_retries: 3, jitter: false, base_delay_ms: 1000}"
    run = shown(world, f"{{name: a, type: flaky, times: 3, {retry}}}")
    assert run["steps"]["a"]["text"] == "worked"
    assert run["steps"]["a"]["attempts"] == 4
    assert run["steps"]["a"]["duration_ms"] == 1000 + 2000 + 4000
    assert Flaky.tried == [1, 2, 3, 4]


def test_when_the_tries_are_used_up_the_last_error_counts(world: World) -> None:
    run = shown(world, "{name: a, type: flaky, times: 9, retry: {max_retries: 1}}")
    assert run["error"]["code"] == "worker_memory"
    assert run["error"]["retryable"]
    assert run["steps"]["a"]["attempts"] == 2


def test_steps_without_a_model_are_tried_once_unless_told(world: World) -> None:
    shown(world, "{name: a, type: flaky, times: 9}")
    assert Flaky.tried == [1]


@pytest.mark.parametrize(
    ("fields", "tries"),
    [
        ("code: odd, retryable: false", 1),
        ("code: odd, retryable: false, retry: {max_retries: 2, retry_on: [odd]}", 3),
        ("code: odd, retryable: false, retry: {max_retries: 2, retry_on: [BROKE]}", 3),
        ("code: odd, retryable: true, retry: {max_retries: 2, retry_on: [other]}", 1),
    ],
)
def test_only_named_or_retryable_failures_are_tried_again(
    world: World, fields: str, tries: int
) -> None:
    shown(world, f"{{name: a, type: flaky, times: 9, {fields}}}")
    assert len(Flaky.tried) == tries


def test_a_bug_in_a_step_is_an_internal_error_that_is_never_skipped(world: World) -> None:
    run = shown(world, "{name: a, type: flaky, times: 9, code: bug, on_failure: continue}")
    assert run["error"]["code"] == "internal_error"
    assert run["error"]["message"] == "ZeroDivisionError: by zero"


def test_a_step_that_takes_too_long_fails_with_timeout(world: World) -> None:
    run = shown(world, "{name: a, type: flaky, wait: 60, timeout_seconds: 2}")
    assert run["error"]["code"] == "timeout"
    assert "step 'a' took longer than 2 s" in run["error"]["message"]
    assert run["steps"]["a"]["duration_ms"] == 2000


def test_a_wait_that_ends_after_the_runs_deadline_is_not_started(world: World) -> None:
    head = "  resource_limits: {max_execution_time_s: 3}\n"
    retry = "retry: {max_retries: 9, jitter: false, base_delay_ms: 2000}"
    run = shown(world, f"{{name: a, type: flaky, times: 9, {retry}}}", head=head)
    assert run["error"]["code"] == "worker_memory"
    assert run["steps"]["a"]["attempts"] == 2


def test_a_value_is_checked_against_its_schema_without_retries(world: World) -> None:
    fields = "value: {n: x}, output_schema: {properties: {n: {type: integer}}}"
    run = shown(world, f"{{name: a, type: echo, {fields}, retry: {{max_retries: 3}}}}")
    assert run["error"]["code"] == "output_schema_failed"
    assert "/n" in run["error"]["message"]
    assert run["steps"]["a"]["attempts"] == 1
    good = shown(world, "{name: a, type: echo, value: text, output_schema: {type: string}}")
    assert good["success"]


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        ("text", "o.txt", "text"),
        ("text", "o.json", '{\n  "text": "text"\n}\n'),
        ("{a: [1, ü]}", "o.json", '{\n  "a": [\n    1,\n    "ü"\n  ]\n}\n'),
        ("{a: 1}", "sub/o.md", '{\n  "a": 1\n}'),
    ],
)
def test_a_value_is_written_to_its_file(world: World, value: str, name: str, text: str) -> None:
    run = shown(world, f"{{name: a, type: echo, value: {value}, output_to_file: {name}}}")
    assert world.workspace.outputs == {name: text}
    assert run["files"] == [name]
    assert run["steps"]["a"]["metadata"] == {"output_file": name}


def test_the_name_of_a_file_may_hold_templates(world: World) -> None:
    shown(world, "{name: a, type: echo, value: x, output_to_file: '{{step.name}}-{{1 + 1}}.txt'}")
    assert list(world.workspace.outputs) == ["a-2.txt"]


def test_a_file_outside_of_the_output_folder_fails_the_step(world: World) -> None:
    run = shown(world, "{name: a, type: echo, value: x, output_to_file: ../a.txt}")
    assert run["error"]["code"] == "path_denied"
    assert run["files"] == []


def test_skipped_and_failed_steps_write_nothing(world: World) -> None:
    shown(
        world,
        "{name: a, type: echo, value: x, output_to_file: a.txt, condition: false}",
        "{name: b, type: echo, fail: true, output_to_file: b.txt}",
    )
    assert world.workspace.outputs == {}


def test_tags_and_metadata_are_kept_in_the_record(world: World) -> None:
    run = shown(world, "{name: a, type: echo, value: 1, tags: [x], metadata: {owner: me}}")
    assert run["steps"]["a"]["metadata"] == {"tags": ["x"], "metadata": {"owner": "me"}}


def test_nested_steps_see_their_own_names_and_count_for_the_step_around_them(world: World) -> None:
    inner = (
        "{name: ask, type: claude, prompt: 'it is {{it}} {{loop.index}} {{outer.n}}', "
        "output_to_file: in.txt}, "
        "{name: set, type: set_variable, variables: {v: '{{ask.text}}'}}"
    )
    run = shown(
        world,
        "{name: outer, type: echo, value: {n: 1}}",
        f"{{name: b, type: block, steps: [{inner}]}}",
        "{name: c, type: echo, value: '{{v}}'}",
    )
    block = run["steps"]["b"]
    assert block["data"]["ask"]["text"] == "it is 7 0 1"
    assert block["tokens"] == {"input": 3, "output": 3}
    assert run["files"] == ["in.txt"]
    assert run["steps"]["c"]["text"] == "it is 7 0 1"
    assert world.provider.sent[0].origin.path == "b[0]/ask"


def test_a_failing_nested_step_ends_the_block_at_its_path(world: World) -> None:
    inner = "{name: x, type: echo, fail: true, error_message: no}, {name: y, type: echo, value: 1}"
    run = shown(world, f"{{name: b, type: block, steps: [{inner}]}}")
    assert run["error"] == {
        "code": "echo_failed",
        "message": "no",
        "step": "b",
        "path": "b",
        "retryable": False,
    }
    assert [e.step for e in world.events if e.kind == "step_started"] == ["b", "b[0]/x"]


def test_warnings_of_nested_steps_name_the_top_level_step(world: World) -> None:
    inner = "{name: x, type: echo, value: '[{{it.x.y}}]', templates: lenient}"
    run = shown(world, f"{{name: b, type: block, steps: [{inner}]}}")
    assert [(w["code"], w["step"]) for w in run["warnings"]] == [("undefined_reference", "b")]


def test_events_come_in_order_and_without_gaps(world: World) -> None:
    shown(world, "{name: a, type: flaky, times: 1, retry: {max_retries: 1}}")
    assert [event.kind for event in world.events] == [
        "run_started",
        "step_started",
        "attempt_started",
        "attempt_failed",
        "attempt_started",
        "step_finished",
        "checkpoint_saved",
        "run_finished",
    ]
    assert [event.seq for event in world.events] == list(range(1, 9))


class Strange:
    """Gives back what is no JSON."""

    shape = StepShape(type="strange", summary="Be odd.", fields={"kind": FieldShape()})

    async def run(self, ctx: StepContext) -> Outcome:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        values: dict[str, Any] = {"set": {1}, "nan": float("nan"), "deep": deep}
        return Outcome(data=values[ctx.step.get("kind")])


@pytest.mark.parametrize("kind", ["set", "nan", "deep"])
def test_a_step_that_gives_back_no_json_fails_and_the_journal_stays_good(kind: str) -> None:
    world = World(steps={"strange": Strange})
    run = shown(world, f"{{name: a, type: strange, kind: {kind}}}")
    assert run["error"]["code"] == "internal_error"
    assert "no JSON" in run["error"]["message"]
    assert world.journals.records_of("run1")[-2]["status"] == "failed"  # type: ignore[attr-defined]


# -- model steps


def test_a_retried_call_counts_its_attempts_and_waits_as_asked() -> None:
    replies = [{"error": {"kind": "rate_limit", "retry_after_s": 30}}, "done"]
    world = World({"responses": [{"replies": replies}]})
    run = shown(world, "{name: a, type: claude, prompt: x}")
    assert run["steps"]["a"]["attempts"] == 2
    assert run["steps"]["a"]["duration_ms"] == 30_000
    assert run["calls"] == 2


def test_a_call_that_the_call_layer_gave_up_is_not_tried_again_by_the_step() -> None:
    world = World({"responses": [{"error": {"kind": "server_error"}}]})
    run = shown(world, "{name: a, type: claude, prompt: x, retry: {max_retries: 2}}")
    assert (run["calls"], run["steps"]["a"]["attempts"]) == (3, 3)
    assert run["error"]["code"] == "server_error"


def test_the_fallback_is_asked_once_and_the_record_says_so() -> None:
    mock = {
        "responses": [
            {"when": {"model": "big"}, "error": {"kind": "overloaded"}},
            {"when": {"attempt": 3}, "reply": "from the small one"},
        ]
    }
    world = World(mock)
    options = "claude_options: {model: big, fallback_model: small}, retry: {max_retries: 1}"
    run = shown(world, f"{{name: a, type: claude, prompt: x, {options}}}")
    record = run["steps"]["a"]
    assert record["text"] == "from the small one"
    assert record["degraded"]
    assert record["metadata"] == {"fallback_from": "big", "model_served": "small"}
    assert record["attempts"] == 3
    assert [warning["code"] for warning in run["warnings"]] == ["fallback"]


def test_a_refusal_is_no_reason_for_a_fallback() -> None:
    world = World({"responses": [{"error": {"kind": "content_filter"}}]})
    options = "claude_options: {model: big, fallback_model: small}"
    run = shown(world, f"{{name: a, type: claude, prompt: x, {options}}}")
    assert (run["error"]["code"], run["calls"]) == ("content_filter", 1)


def test_a_wait_that_is_too_long_parks_the_run() -> None:
    world = World({"responses": [{"error": {"kind": "rate_limit", "retry_after_s": 3600}}]})
    run = shown(world, "{name: a, type: claude, prompt: x, optional: true}")
    assert run["status"] == "failed"
    assert run["error"]["retryable"]
    assert run["error"]["retry_at"] == "2026-11-23T13:00:00+00:00"


def test_costs_and_tokens_are_those_of_all_calls() -> None:
    mock = {
        "responses": [
            {"replies": [{"reply": "no", "cost": 0.25}, {"json": {"x": 1}, "cost": 0.5}]},
        ]
    }
    world = World(mock)
    schema = "output_schema: {type: object, required: [x]}, repair: 1"
    run = shown(world, f"{{name: a, type: claude, prompt: abcd, {schema}}}")
    assert run["steps"]["a"]["cost_usd"] == 0.75
    assert run["steps"]["a"]["attempts"] == 1
    assert run["cost_usd"] == 0.75
    assert run["steps"]["a"]["tokens"]["output"] == 1 + 2


def test_a_cached_step_asks_the_cache() -> None:
    world = World({"responses": [{"reply": "ok"}]})
    run = shown(world, "{name: a, type: claude, prompt: x, cache: true}")
    assert run["steps"]["a"]["metadata"] == {"cache": "miss"}


def test_secrets_are_taken_out_of_messages_before_they_are_kept() -> None:
    world = World().with_services(redact=lambda text: text.replace("hunter2", "****"))
    run = shown(world, "{name: a, type: echo, fail: true, error_message: hunter2}")
    assert run["error"]["message"] == "****"
    assert "hunter2" not in str(world.journals.read_log("run1", "main"))
