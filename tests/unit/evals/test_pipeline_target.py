"""A pipeline as the system under test: what a case binds, which result is the answer, what failed."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.engine.records import RunError, RunResult, RunWarning, StepRecord
from pipex_core.errors import ErrorRecord, SpecError
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.pipeline import (
    PipelineTarget,
    answer_of_run,
    first_code,
    literal_files,
    output_of,
)
from pipex_core.evals.suite import Suite
from tests.fakes.evaluation import answering, capital_suite, case, job, prompt, run
from tests.fakes.world import World

lookup = """
workflow:
  name: lookup
  inputs:
    question: {type: string}
    style: {type: string, default: plain}
  steps:
    - {name: ask, type: claude, prompt: "{{ inputs.question }}", claude_options: {model: m}}
    - {name: answer, type: echo, value: "{{ steps.ask.text }}"}
  outputs:
    answer: steps.answer
"""


def target(text: str = lookup, *, world: World | None = None, **fields: Any) -> PipelineTarget:
    return PipelineTarget(plan=(world or World()).plan(text), **fields)


def result(*records: StepRecord, **fields: Any) -> RunResult:
    known: dict[str, Any] = {"run_id": "r", "workflow": "w", "status": "succeeded"}
    return RunResult(**{**known, "steps": {one.name: one for one in records}, **fields})


def record(name: str, **fields: Any) -> StepRecord:
    return StepRecord(name=name, type="echo", **fields)


def failed_record(name: str, code: str, **fields: Any) -> StepRecord:
    return record(
        name, status="failed", error=ErrorRecord(code=code, message=code, path=name), **fields
    )


def test_a_pipeline_answers_every_case_as_a_bare_model_does() -> None:
    world = World(answering({"it": "Milan"}))
    found = run(job(target=target(world=world)), world)
    assert found.summary.metrics["exact_match"].mean == 0.8
    assert found.responses["calls"].to_pylist() == [1] * 5
    assert found.responses["cost_nanousd"].to_pylist() == [1_000_000] * 5
    assert found.responses["latency_ms"].to_pylist() == [10.0] * 5
    assert found.manifest["run"]["pipeline_name"] == "lookup"
    assert found.manifest["run"]["target_id"] == "lookup"


@pytest.mark.parametrize("at_once", [1, 4])
def test_runs_of_a_pipeline_are_equal_whatever_the_concurrency(at_once: int) -> None:
    def digest_at(n: int) -> str:
        world = World(answering())
        options = {"max_concurrency": n}
        return run(job(target=target(world=world), options=options), world).row_digest

    assert digest_at(at_once) == digest_at(5)


def test_finished_steps_of_a_case_that_was_killed_are_not_paid_again() -> None:
    world = World(answering())
    suite = capital_suite([case("de")])
    found = run(job(suite, target=target(world=world)), world)
    units = {
        record["unit"]
        for record in world.journals.records_of("ev_1")  # type: ignore[attr-defined]  # the fake journals
        if "unit" in record
    }
    assert units == {"case:de#0/ask", "case:de#0/answer", "case:de#0"}
    assert found.status == "completed"


def test_a_failing_pipeline_is_the_targets_failure_with_its_code_and_step() -> None:
    text = lookup.replace("{{ steps.ask.text }}", "{{ steps.ask.data.missing }}")
    world = World(answering())
    found = run(job(target=target(text, world=world)), world)
    row = found.responses.to_pylist()[0]
    assert (row["status"], row["class"], row["error_code"], row["failed_step"]) == (
        "target_error",
        "target_failure",
        "undefined_reference",
        "answer",
    )
    assert found.scores.to_pylist()[0]["code"] == "no_output"
    assert (found.status, found.summary.metrics["exact_match"].mean) == ("completed", 0.0)


def test_an_outage_of_the_model_behind_a_pipeline_is_a_hole() -> None:
    world = World({"default": {"error": {"kind": "overloaded", "message": "busy"}}})
    found = run(job(target=target(world=world), options={"second_pass": False}), world)
    assert set(found.responses["status"].to_pylist()) == {"rate_limited"}
    assert found.status == "incomplete"


def test_a_case_that_takes_too_long_is_a_timeout() -> None:
    world = World({"default": {"reply": "late", "latency_ms": 5000}})
    options = {"timeout_s": 1.0, "second_pass": False}
    found = run(job(target=target(world=world), options=options), world)
    assert set(found.responses["status"].to_pylist()) == {"timeout"}


def test_a_text_goes_to_the_only_required_input() -> None:
    assert target().inputs_of(case("de")) == {"question": "Capital of de?"}


def test_a_text_goes_to_the_named_input_or_to_input() -> None:
    assert target(input_name="style").inputs_of(case("de")) == {"style": "Capital of de?"}
    two = lookup.replace("style: {type: string, default: plain}", "style: {type: string}")
    assert target(two).inputs_of(case("de")) == {"input": "Capital of de?"}


def test_a_map_binds_by_name_over_the_inputs_that_all_cases_share() -> None:
    bound = target(inputs={"style": "short", "question": "?"})
    assert bound.inputs_of(case("x", input={"question": "who?"})) == {
        "question": "who?",
        "style": "short",
    }


def test_context_and_choices_go_to_inputs_of_these_names() -> None:
    declared = lookup.replace(
        "question: {type: string}",
        "question: {type: string}\n    context: {type: string}\n    choices: {type: list}",
    )
    asked = case("x", input={"question": "who?"}, context="a text", choices=("a", "b"))
    assert target(declared).inputs_of(asked) == {
        "question": "who?",
        "context": "a text",
        "choices": ["a", "b"],
    }
    assert target().inputs_of(asked) == {"question": "who?"}


def test_inputs_that_do_not_fit_are_found_before_any_call_each_once() -> None:
    cases = [case(name, input={"qestion": "who?"}) for name in ("a", "b")]
    world = World(answering())
    with pytest.raises(SpecError) as refusal:
        job(capital_suite(cases), target=target(world=world))
    codes = sorted(problem.code for problem in refusal.value.problems)
    assert codes == ["missing_input", "unknown_input"]
    assert all("(case a)" in problem.message for problem in refusal.value.problems)


def test_an_unknown_output_step_is_found_before_any_call() -> None:
    found = target(output_step="anwser").problems([])
    assert [problem.code for problem in found] == ["unknown_step"]


def test_a_model_binding_replaces_the_model_of_the_steps() -> None:
    world = World(answering())
    run(job(target=target(world=world, model="other")), world)
    assert {request.model for request in world.provider.sent} == {"other"}


def test_the_digest_follows_meaning_bindings_and_who_answers() -> None:
    one = target()
    commented = target(lookup.replace("name: lookup", "name: lookup\n  description: words"))
    assert commented.digest == one.digest
    others = [
        target(lookup.replace("{{ inputs.question }}", "Q: {{ inputs.question }}")),
        replace(one, model="n"),
        replace(one, inputs={"style": "x"}),
        replace(one, output_step="ask"),
        replace(one, input_name="question"),
        replace(one, options={"temperature": 0}),
        replace(one, provider="live"),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 8
    assert replace(one, name="nicer").digest == one.digest


def test_names_for_people() -> None:
    assert (target().target_id, target(name="n").target_id) == ("lookup", "n")
    assert (target().model_id, target(model="m").model_id) == ("none", "m")
    assert target(model="m", inputs={"a": 1}).bindings == {"model": "m", "inputs": {"a": 1}}


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        ({"answer": "yes", "other": 1}, ("yes", None)),
        ({"only": {"a": 1}}, ('{"a":1}', {"a": 1})),
        ({"only": None}, (None, None)),
        ({"one": 1, "two": 2}, ("last", None)),
        ({}, ("last", None)),
    ],
)
def test_the_answer_is_the_output_answer_or_the_only_output_or_the_last_step(
    outputs: dict[str, Any], answer: Any
) -> None:
    ran = result(record("a", text="first"), record("b", text="last"), outputs=outputs)
    assert output_of(target(), ran) == answer


def test_a_named_step_gives_text_and_data() -> None:
    ran = result(record("ask", data={"a": 1}), record("b", text="last"))
    assert output_of(target(output_step="ask"), ran) == ('{"a":1}', {"a": 1})
    both = result(record("ask", text="t", data=[1]))
    assert output_of(target(output_step="ask"), both) == ("t", [1])


def test_a_step_that_was_skipped_or_is_absent_gives_no_answer() -> None:
    skipped = result(record("ask", status="skipped"))
    for ran in (skipped, result(), result(record("ask"))):
        answer = answer_of_run(target(output_step="ask"), ran)
        assert (answer.status, answer.error_code) == ("target_error", "no_answer")


def test_the_answer_of_a_fallback_counts_only_when_it_is_accepted() -> None:
    ran = result(record("a", text="sorry", degraded=True))
    strict, lax = (answer_of_run(target(accept_degraded=flag), ran) for flag in (False, True))
    assert (strict.status, strict.error_code, strict.failed_step) == (
        "target_error",
        "degraded",
        "a",
    )
    assert (lax.status, lax.text) == ("ok", "sorry")


def test_a_run_that_accepts_fallbacks_shares_no_answers_with_one_that_does_not() -> None:
    strict, lax = (
        job(target=target(), options={"accept_degraded": flag}) for flag in (False, True)
    )
    assert {unit.key for unit in strict.units()} & {unit.key for unit in lax.units()} == set()


def test_a_budget_of_the_workflow_stops_its_case_and_not_the_run() -> None:
    small = lookup.replace("name: lookup", "name: lookup\n  budget: {max_cost_usd: 0.002}", 1)
    dear = {
        "responses": [
            {"when": {"contains": "de"}, "reply": "Berlin", "cost": 0.003},
            *answering()["responses"],
        ]
    }
    world = World(dear)
    options = {"max_concurrency": 1, "second_pass": False}
    found = run(job(target=target(small, world=world), options=options), world)
    assert found.responses["status"].to_pylist() == ["not_run_budget", *["ok"] * 4]
    assert found.status == "incomplete"


def test_the_code_inside_a_loop_decides_and_not_the_loops_own() -> None:
    inner = {"steps": [{"name": "x", "status": "failed", "error": {"code": "rate_limit"}}]}
    loop = failed_record("loop", "iteration_failed", data=[{"ok": 1}, inner])
    ran = result(
        record("before", text="x"), loop, status="failed", error=_error("iteration_failed")
    )
    assert first_code(ran) == "rate_limit"
    assert answer_of_run(target(), ran).status == "rate_limited"


def test_a_wrapper_without_anything_inside_stands_for_itself() -> None:
    ran = result(failed_record("loop", "task_failed"), error=_error("task_failed"))
    assert first_code(ran) == "task_failed"
    assert first_code(result(record("a"))) is None


def test_a_failure_that_was_tolerated_does_not_decide_what_the_end_means() -> None:
    tolerated = failed_record("opt", "undefined_reference")
    ran = result(
        tolerated, failed_record("loop", "rate_limit"), status="failed", error=_error("rate_limit")
    )
    assert first_code(ran) == "rate_limit"
    assert answer_of_run(target(), ran).status == "rate_limited"
    kept = result(failed_record("opt", "rate_limit"), status="failed", error=_error("bad_value"))
    assert answer_of_run(target(), kept).status == "target_error"


def test_a_refusal_behind_a_pipeline_is_judged_as_that_of_a_bare_model() -> None:
    refusal = {
        "when": {"contains": "of de?"},
        "error": {"kind": "content_filter", "message": "no"},
    }
    rules = {"responses": [refusal, *answering()["responses"]]}
    for asked in (prompt, target()):
        world = World(rules)
        found = run(job(target=asked), world)
        first = found.responses.to_pylist()[0]
        assert (first["status"], first["class"], first["output"], first["finish_reason"]) == (
            "model_refusal",
            "observed",
            "",
            "content_filter",
        )
        metric = found.summary.metrics["exact_match"]
        assert (metric.mean, metric.n_scored, metric.n_na) == (0.8, 5, 0)


@pytest.mark.parametrize(
    ("cut", "output_step", "status"),
    [
        ("ask", None, "truncated"),
        ("last", None, "truncated"),
        ("side", None, "ok"),
        ("side", "side", "truncated"),
        ("ask", "side", "ok"),
        (None, None, "ok"),
    ],
)
def test_an_answer_from_a_reply_that_was_cut_is_truncated(
    cut: str | None, output_step: str | None, status: str
) -> None:
    steps = [
        record("side", text="s", model="m"),
        record("ask", text="a", model="m"),
        record("last", text="a"),
    ]
    said = [RunWarning(code="truncated", message="cut at 9 tokens", step=cut)] if cut else []
    others = [RunWarning(code="model_mismatch", message="another model", step="ask")]
    answer = answer_of_run(
        target(output_step=output_step), result(*steps, warnings=[*others, *said])
    )
    assert answer.status == status
    assert (answer.finish_reason == "max_tokens") is (status == "truncated")


def test_a_run_that_failed_outside_of_its_steps_has_the_code_of_the_run() -> None:
    ran = result(record("a", text="x"), status="failed", error=_error("undefined_reference"))
    answer = answer_of_run(target(), ran)
    assert (answer.status, answer.error_code, answer.error) == (
        "target_error",
        "undefined_reference",
        "undefined_reference",
    )


def test_the_model_of_the_last_step_that_has_one_is_named() -> None:
    ran = result(record("a", text="x", model="m1"), record("b", text="y"))
    assert answer_of_run(target(), ran).model_resolved == "m1"


def _error(code: str) -> RunError:
    return RunError(code=code, message=code, step="loop", path="loop[1]/x")


def test_the_prompt_target_of_the_same_words_is_another_target() -> None:
    assert prompt.digest != target().digest


def test_a_suite_without_cases_has_nothing_wrong_with_its_inputs() -> None:
    assert target().problems(Suite(id="s", cases=()).cases) == []


inline = "{name: c, steps: [{name: i, type: echo, value: '{{ date() }}'}]}"


@pytest.mark.parametrize(
    ("step", "hermetic"),
    [
        ("type: echo, value: x", True),
        ("type: echo, value: the timestamp of the date", True),
        ("type: echo, value: '{{ now() }}'", False),
        ("type: echo, value: '{{ run_id }}'", False),
        ("type: claude, prompt: x, claude_options: {allowed_tools: [Bash]}", False),
        ("type: claude, prompt: x, claude_options: {allowed_tools: [Read]}", True),
        (f"type: pipeline, pipeline: {inline}", False),
        ("type: data_transform, input_source: run.timestamp, operations: []", False),
        ("type: echo, value: x, condition: \"date != ''\"", False),
        ("type: echo, value: \"{{ loop.date or 'the date' }}\"", True),
        ("type: pipeline, pipeline_file: '{{ inputs.file }}.yaml'", False),
    ],
)
def test_a_pipeline_that_reaches_outside_is_not_answered_from_earlier_runs(
    step: str, *, hermetic: bool
) -> None:
    made = target(f"workflow: {{name: w, steps: [{{name: s, {step}}}]}}")
    assert made.is_hermetic is hermetic


@pytest.mark.parametrize(
    ("fields", "hermetic"),
    [
        ("outputs: {at: timestamp}", False),
        ("outputs: {at: run.id}", False),
        ("outputs: {at: '{{ date() }}'}", False),
        ("variables: {started: '{{ now() }}'}", False),
        ("inputs: {date: {type: string}}, outputs: {at: inputs.date}", True),
        ("inputs: {date: {type: string}}, outputs: {at: date}", True),
    ],
)
def test_outputs_and_variables_reach_outside_like_steps(fields: str, *, hermetic: bool) -> None:
    text = f"workflow: {{name: w, {fields}, steps: [{{name: s, type: echo, value: x}}]}}"
    assert target(text).is_hermetic is hermetic


def test_an_option_named_model_is_not_the_model() -> None:
    one, other = target(model="a", options={"model": "b"}), target(model="b")
    assert one.digest != other.digest
    assert one.bindings == {"model": "a", "options": {"model": "b"}}


def test_files_that_prompts_name_are_found_wherever_they_stand_in_a_prompt() -> None:
    text = """
workflow:
  name: w
  steps:
    - {name: a, type: claude, prompt: [{type: file, path: b.txt}, {type: file, path: "{{ run.id }}"}]}
    - name: c
      type: pipeline
      pipeline:
        name: inner
        steps: [{name: i, type: claude, prompt: [{type: file, path: a.txt}]}]
"""
    assert literal_files(World().plan(text)) == ["a.txt", "b.txt"]
    assert target(text).digest != target(text, files={"a.txt": "0"}).digest


def test_answers_that_depend_on_the_clock_are_carried_only_on_demand() -> None:
    text = lookup.replace("{{ steps.ask.text }}", "{{ steps.ask.text }}{{ now() == 0 ? 1 : '' }}")

    def again(**options: Any) -> int:
        world = World(answering())
        made = job(run_id="ev_2", target=target(text, world=world), options=options)
        run(made, world, carry=carry)
        return len(world.provider.sent)

    world = World(answering())
    first = run(job(target=target(text, world=world)), world)
    carry = CarryIndex(responses=[first.responses], scores=[first.scores])
    assert (again(), again(reuse="always")) == (5, 0)
