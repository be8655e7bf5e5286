"""Pipelines as jobs: the same records as the engine, edges of the plan, and a second try that goes on."""

import json
from typing import Any

import dagster as dg
import pytest

from pipex_core.app.pipelines import load_pipeline
from pipex_core.engine.records import StepRecord
from pipex_dagster.envelopes import merged
from pipex_dagster.pipelines import edges
from pipex_dagster.reexecution import reexecuted
from tests.dagster.conftest import Project, failure


def run_job(project: Project, name: str, **config: Any) -> dg.ExecuteInProcessResult:
    job = project.definitions().resolve_job_def(f"plg__{name}")
    return job.execute_in_process(
        instance=project.instance, raise_on_error=False, run_config=config
    )


def records_of(project: Project, result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Step to its record, from what the ops handed on."""
    folder = project.root / "results/dagster/records" / result.run_id
    found: dict[str, dict[str, Any]] = {}
    for path in folder.rglob("*.json"):
        for one in json.loads(path.read_text())["finished"]:
            found[one["path"]] = StepRecord.from_stored(one["record"]).as_json()
    return found


def shown(result: dg.ExecuteInProcessResult, node: str) -> dict[str, Any]:
    """What the run page shows of a step."""
    for event in result.events_for_node(node):
        data: Any = event.event_specific_data
        if event.event_type_value == "STEP_OUTPUT":
            return {name: value.value for name, value in data.metadata.items()}
    return {}


branches = """
workflow:
  name: branches
  execution: dag
  inputs:
    loud: {type: boolean, default: false, description: Shout.}
    tone: {type: string, enum: [short, long], default: short}
    topic: {type: string}
  steps:
    - {name: left, type: claude, prompt: "Left {{ inputs.topic }}"}
    - {name: right, type: claude, prompt: "Right {{ inputs.topic }}"}
    - {name: shout, type: echo, value: "{{ upper(steps.left) }}", condition: inputs.loud}
    - {name: both, type: echo, value: "{{ steps.left }} {{ steps.right }} {{ steps.shout.skipped }}"}
"""


def test_a_dag_has_the_edges_of_its_plan_and_a_sequence_is_a_chain(project: Project) -> None:
    project.write("pipelines/branches.yaml", branches)
    found = edges(load_pipeline(project.root / "pipelines/branches.yaml"))
    assert found == {"left": [], "right": [], "shout": ["left"], "both": ["right", "shout"]}
    chain = branches.replace("  execution: dag\n", "")
    project.write("pipelines/branches.yaml", chain)
    found = edges(load_pipeline(project.root / "pipelines/branches.yaml"))
    assert found == {"left": [], "right": ["left"], "shout": ["right"], "both": ["shout"]}


def test_a_skipped_step_hands_its_record_on_and_the_language_decides(project: Project) -> None:
    project.write("pipelines/branches.yaml", branches)
    project.write(
        "mock.yaml", {"responses": [{"when": {"step": "left"}, "reply": "l"}, {"reply": "r"}]}
    )
    result = run_job(
        project, "branches", inputs={"topic": "cats"}, provider="mock", mock_responses="mock.yaml"
    )
    assert result.success
    records = records_of(project, result)
    assert records["shout"]["status"] == "skipped"
    assert records["both"]["text"] == "l r true"
    assert shown(result, "shout")["skipped"] is True
    assert shown(result, "shout")["reason"] == "condition not met: inputs.loud"
    assert "skipped: condition not met: inputs.loud" in project_log(project, result)
    folder = project.root / "results/dagster/records" / result.run_id
    envelopes = {name: json.loads((folder / name / "result.json").read_text()) for name in records}
    assert {name: one["skipped"] for name, one in envelopes.items()} == {
        "left": False,
        "right": False,
        "shout": True,
        "both": False,
    }


def test_a_mock_that_counts_goes_on_counting_from_step_to_step(project: Project) -> None:
    text = """
workflow:
  name: counted
  steps:
    - {name: a, type: claude, prompt: x}
    - {name: b, type: claude, prompt: x}
"""
    project.write("pipelines/counted.yaml", text)
    project.write("mock.yaml", {"responses": [{"replies": ["one", "two"]}]})
    result = run_job(project, "counted", mock_responses="mock.yaml")
    assert [records_of(project, result)[name]["text"] for name in ("a", "b")] == ["one", "two"]


def test_options_of_the_run_stand_above_those_of_the_file(project: Project) -> None:
    project.write(
        "pipelines/one.yaml",
        "workflow:\n  name: one\n  steps:\n    - {name: a, type: claude, prompt: x, model: m1}\n",
    )
    result = run_job(project, "one", overrides={"model": "m2"})
    assert records_of(project, result)["a"]["model"] == "m2"


def test_declared_inputs_are_the_fields_of_the_launchpad(project: Project) -> None:
    project.write("pipelines/branches.yaml", branches)
    job = project.definitions().resolve_job_def("plg__branches")
    mapping: Any = job.config_mapping
    fields = mapping.config_schema.config_type.fields["inputs"].config_type.fields
    assert {name: field.is_required for name, field in fields.items()} == {
        "loud": False,
        "tone": False,
        "topic": True,
    }
    assert fields["loud"].default_value is False
    assert fields["tone"].description == "One of short, long."
    assert fields["loud"].description == "Shout."


def test_an_input_of_the_wrong_kind_is_refused_before_the_run(project: Project) -> None:
    project.write("pipelines/branches.yaml", branches)
    with pytest.raises(dg.DagsterInvalidConfigError, match="topic"):
        run_job(project, "branches", inputs={"loud": True})


def test_an_input_that_the_language_refuses_fails_the_first_step(project: Project) -> None:
    project.write("pipelines/branches.yaml", branches)
    result = run_job(project, "branches", inputs={"topic": "x", "tone": "medium"})
    assert failure(result).startswith("invalid_input: ")


def test_a_step_shows_numbers_first_and_long_texts_cut(project: Project) -> None:
    project.write(
        "pipelines/one.yaml",
        "workflow:\n  name: one\n  steps:\n    - {name: a, type: claude, prompt: x}\n",
    )
    project.write(
        "mock.yaml",
        {"responses": [{"reply": "y" * 5000, "cost": 0.25, "tokens": {"input": 10, "output": 5}}]},
    )
    result = run_job(project, "one", mock_responses="mock.yaml")
    values = shown(result, "a")
    assert list(values)[:5] == [
        "cost_usd",
        "tokens_input",
        "tokens_output",
        "attempts",
        "duration_ms",
    ]
    assert (values["cost_usd"], values["tokens_input"]) == (0.25, 10.0)
    assert values["text"].endswith("… (3000 more characters)")


flaky = """
workflow:
  name: flaky
  inputs: {number: {type: integer}}
  steps:
    - {name: paid, type: claude, prompt: "count"}
    - {name: half, type: echo, value: "{{ inputs.number }}", output_schema: {minimum: 1}}
    - {name: after, type: echo, value: "{{ steps.paid }} {{ steps.half }}"}
"""


def test_a_failed_step_says_what_happened_and_nothing_follows_it(project: Project) -> None:
    project.write("pipelines/flaky.yaml", flaky)
    result = run_job(project, "flaky", inputs={"number": 0})
    assert list(records_of(project, result)) == ["paid"]
    data = result.get_step_failure_events()[0].step_failure_data.user_failure_data
    assert data is not None
    assert data.metadata["code"].value == "output_schema_failed"
    assert data.metadata["attempts"].value == 1.0


def test_a_repeated_run_keeps_what_was_paid(project: Project) -> None:
    project.write("pipelines/flaky.yaml", flaky)
    project.write("mock.yaml", {"responses": [{"replies": ["one", "two"]}]})
    first = run_job(project, "flaky", inputs={"number": 0}, mock_responses="mock.yaml")
    again = reexecuted(project.instance, first.run_id, project_dir=str(project.root))
    assert not again.success
    whole = reexecuted(
        project.instance, first.run_id, project_dir=str(project.root), all_steps=True
    )
    folder = project.root / "results/dagster/records" / whole.run_id
    (paid,) = json.loads((folder / "paid/result.json").read_text())["finished"]
    assert paid["record"]["text"] == "one"


def test_a_file_that_changed_since_the_failure_says_what_to_do(project: Project) -> None:
    project.write("pipelines/flaky.yaml", flaky)
    first = run_job(project, "flaky", inputs={"number": 0})
    project.write("pipelines/flaky.yaml", flaky.replace("minimum: 1", "minimum: 2"))
    again = reexecuted(project.instance, first.run_id, project_dir=str(project.root))
    assert again.failures[0].startswith("half: workflow_changed: step 'half' or the inputs changed")


def test_envelopes_of_two_branches_become_one_in_file_order() -> None:
    left = {"finished": [{"path": "b"}, {"path": "a"}], "provider_state": [1, 0]}
    right = {"finished": [{"path": "c"}, {"path": "a"}], "provider_state": [0, 2]}
    found = merged([left, right], order=["a", "b", "c"])
    assert [one["path"] for one in found["finished"]] == ["a", "b", "c"]
    assert found["provider_state"] == [1, 2]


@pytest.mark.parametrize(("left", "right", "expected"), [(None, [1], [1]), ([1], None, [1])])
def test_a_branch_without_counts_changes_none(left: Any, right: Any, expected: list[int]) -> None:
    envelopes = [{"finished": [], "provider_state": state} for state in (left, right)]
    assert merged(envelopes, order=[])["provider_state"] == expected


lively = """
workflow:
  name: lively
  steps:
    - {name: shaky, type: claude, prompt: x}
    - {name: odd, type: echo, value: 1, output_schema: {minimum: 2}, on_failure: continue}
    - {name: kept, type: echo, value: "{{ steps.shaky }}", output_to_file: kept.txt}
"""


def events(result: dg.ExecuteInProcessResult, kind: str) -> list[str | None]:
    return [event.step_key for event in result.all_events if event.event_type_value == kind]


def test_retries_and_warnings_of_the_core_are_in_the_log_of_the_run(project: Project) -> None:
    project.write("pipelines/lively.yaml", lively)
    replies = [{"error": {"kind": "rate_limit"}}, "one"]
    project.write("mock.yaml", {"responses": [{"replies": replies}]})
    result = run_job(project, "lively", mock_responses="mock.yaml")
    assert result.success
    assert events(result, "STEP_UP_FOR_RETRY") == []
    text = project_log(project, result)
    assert "call_retried" in text
    assert "output_schema_failed" in text
    assert shown(result, "odd")["status"] == "failed"
    assert shown(result, "odd")["error"]["code"] == "output_schema_failed"
    assert shown(result, "kept")["files"] == ["kept.txt"]
    assert (project.root / "outputs/kept.txt").read_text() == "one"


def test_a_store_that_fails_gets_one_more_try_and_no_other(project: Project) -> None:
    project.write("pipelines/lively.yaml", lively)
    project.write("checkpoints", "a file where a folder should be")
    result = run_job(project, "lively")
    assert not result.success
    assert events(result, "STEP_UP_FOR_RETRY") == ["shaky"]
    assert events(result, "STEP_FAILURE") == ["shaky"]


def project_log(project: Project, result: dg.ExecuteInProcessResult) -> str:
    """All messages of a run."""
    return "\n".join(entry.user_message for entry in project.instance.all_logs(result.run_id))


showing = """
workflow:
  name: showing
  execution: dag
  steps:
    - name: each
      type: for_loop
      data_source: [cat, dog]
      break_on_error: false
      on_failure: continue
      steps:
        - {name: ask, type: claude, prompt: "Name a {{ item }}; key sk-ant-api03-0123456789abcdef0123456789abcdef"}
        - {name: odd, type: echo, value: x, fail: true, error_message: no dogs, condition: "item == 'dog'"}
    - {name: team, type: parallel_claude, parallel_tasks: [{id: a, prompt: go}, {id: b, prompt: stay, condition: "1 > 2"}]}
    - {name: way, type: switch, expression: "'l'", cases: {l: [{name: left, type: echo, value: {to: 1}}]}}
    - {name: whole, type: pipeline, timeout_seconds: 9, pipeline: {name: p, steps: [{name: one, type: echo, value: 1}]}}
  outputs: {first: "each.outputs[0]"}
"""


def inside(result: dg.ExecuteInProcessResult, node: str) -> list[dict[str, Any]]:
    """The rows of what ran inside of a step."""
    for event in result.events_for_node(node):
        data: Any = event.event_specific_data
        if event.event_type_value == "STEP_OUTPUT":
            return [dict(record.data) for record in data.metadata["inside"].records]
    return []


def test_what_ran_inside_of_a_step_is_a_table(project: Project) -> None:
    project.write("pipelines/showing.yaml", showing)
    project.write("mock.yaml", {"responses": [{"reply": "Tom", "cost": 0.5}]})
    result = run_job(project, "showing", mock_responses="mock.yaml")
    assert result.success
    rows = inside(result, "each")
    assert [(row["where"], row["status"], row["cost_usd"], row["result"]) for row in rows] == [
        ("[0]/ask", "succeeded", 0.5, "Tom"),
        ("[0]/odd", "skipped", 0.0, ""),
        ("[1]/ask", "succeeded", 0.5, "Tom"),
        ("[1]/odd", "failed", 0.0, "no dogs"),
    ]
    assert rows[0]["prompt"].startswith("Name a cat; key ")
    assert "0123456789abcdef" not in str(rows)
    assert [row["where"] for row in inside(result, "team")] == ["a", "b"]
    assert inside(result, "team")[0]["prompt"] == "go"
    assert inside(result, "way")[0]["result"] == '{"to":1}'
    assert inside(result, "whole")[0]["where"] == "one"


def test_a_run_that_ends_in_several_steps_has_an_op_for_its_outputs(project: Project) -> None:
    project.write("pipelines/showing.yaml", showing)
    project.write("mock.yaml", {"responses": [{"reply": "Tom", "cost": 0.5}]})
    result = run_job(project, "showing", mock_responses="mock.yaml")
    values = shown(result, "outputs")
    assert values["run_outputs"] == {"first": "Tom"}
    assert (values["run_cost_usd"], values["run_calls"]) == (1.5, 3.0)
    project.write("pipelines/showing.yaml", showing.replace("outputs[0]", "nothing.at_all"))
    broken = run_job(project, "showing", mock_responses="mock.yaml")
    assert failure(broken).startswith("undefined_reference: output 'first': ")


def test_a_prompt_is_shown_without_secrets_and_a_step_without_a_model_shows_no_money(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-of-somebody")
    text = """
workflow:
  name: shy
  steps:
    - {name: ask, type: claude, prompt: "Use a-key-of-somebody, please"}
    - {name: say, type: echo, value: done}
"""
    project.write("pipelines/shy.yaml", text)
    result = run_job(project, "shy", provider="mock")
    assert shown(result, "ask")["prompt"].startswith("Use ")
    assert "a-key-of-somebody" not in shown(result, "ask")["prompt"]
    assert list(shown(result, "ask")) == [
        *("cost_usd", "tokens_input", "tokens_output", "attempts", "duration_ms"),
        *("prompt", "text", "model"),
    ]
    assert list(shown(result, "say"))[:3] == ["attempts", "duration_ms", "text"]


def test_a_node_says_what_its_step_is_and_what_it_asks(project: Project) -> None:
    text = """
workflow:
  name: told
  steps:
    - {name: ask, description: A name., type: claude, prompt: "Name it", condition: "1 < 2"}
    - {name: again, type: claude, prompt: [a, b], condition: {not: ask.skipped}}
"""
    project.write("pipelines/told.yaml", text)
    job = project.definitions().resolve_job_def("plg__told")
    first, second = (job.graph.node_named(name).definition.description for name in ("ask", "again"))
    assert (
        first
        == "A name.\n\nStep `ask` of type `claude`.\n\nRuns only if `1 < 2`.\n\n```\nName it\n```"
    )
    assert second is not None
    assert 'Runs only if `{"not":"ask.skipped"}`.' in second
