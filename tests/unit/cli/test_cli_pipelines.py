"""``pipex run``, ``resume``, ``validate`` and ``graph`` as a person types them."""

import json
import shlex
from pathlib import Path

import pytest

from pipex_core.jsonvalue import check_schema
from tests.fakes.project import write_project
from tests.fakes.shell import invoke

limping = """\
workflow:
  name: limping
  defaults:
    claude_model: claude-haiku-5-5
  steps:
    - name: first
      type: claude
      prompt: [{type: static, content: one}]
    - name: second
      type: claude
      prompt: [{type: static, content: two}]
"""
refusing = """\
responses:
  - {when: {step: first}, reply: "done once"}
  - {when: {step: second}, error: {kind: invalid_request, message: "not today"}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_shows_its_outputs_and_says_who_answered() -> None:
    done = invoke("run", "pipelines/asker.yaml", "question=Hi")
    assert done.code == 0
    assert done.out.splitlines()[0] == "answer: Mock response for: Hi"
    assert "succeeded: 1 step, 1 call, 7 tokens, 0.0000 USD" in done.out
    assert done.err.splitlines() == [
        "provider: mock (offline); choose with --provider or PIPEX_PROVIDER",
        "  ok       answer",
    ]


def test_a_chosen_provider_is_not_announced_and_quiet_says_nothing() -> None:
    done = invoke("run", "pipelines/asker.yaml", "question=Hi", "--provider", "mock", "--quiet")
    assert (done.code, done.err) == (0, "")


def test_a_recording_without_a_live_provider_is_told_to_be_none(project: Path) -> None:
    done = invoke(
        "run", "pipelines/asker.yaml", "question=Hi", "--record", "calls.jsonl", "--quiet"
    )
    assert done.code == 0
    assert "warning: nothing is recorded, as the provider is mock\n" in done.err
    assert not (project / "calls.jsonl").exists()


def test_a_run_in_json_is_one_document() -> None:
    done = invoke("run", "pipelines/asker.yaml", "question=Hi", "--json")
    document = done.document
    assert done.err == "provider: mock (offline); choose with --provider or PIPEX_PROVIDER\n"
    assert (document["schema"], document["status"], document["success"]) == (
        "pipex.run/1",
        "succeeded",
        True,
    )
    assert document["outputs"] == {"answer": "Mock response for: Hi"}
    assert (document["order"], document["calls"], document["error"]) == (["answer"], 1, None)


def test_words_win_over_the_file_of_inputs() -> None:
    Path("inputs.json").write_text('{"question": "from the file"}')
    done = invoke("run", "pipelines/asker.yaml", "--inputs", "inputs.json", "--json")
    assert done.document["inputs"] == {"question": "from the file"}
    done = invoke(
        "run",
        "pipelines/asker.yaml",
        "--inputs",
        "inputs.json",
        "--input",
        "question=word",
        "--json",
    )
    assert done.document["inputs"] == {"question": "word"}


def test_inputs_are_a_json_object() -> None:
    Path("inputs.json").write_text("[1]")
    done = invoke("run", "pipelines/asker.yaml", "--inputs", "inputs.json")
    assert (done.code, done.err) == (
        2,
        "error: inputs.json must hold a JSON object [invalid_input]\n",
    )


def test_without_outputs_the_last_step_is_shown() -> None:
    Path("last.yaml").write_text(
        "workflow:\n  name: last\n  steps:\n    - {name: a, type: echo, value: {n: 1}}\n"
    )
    assert invoke("run", "last.yaml").out.splitlines()[0] == 'a: {"n": 1}'


def test_warnings_and_unknown_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEX_PROVIDR", "mock")
    Path("w.yaml").write_text(
        "workflow:\n  name: w\n  steps:\n    - {name: a, type: echo, value: x, vlaue: y}\n"
    )
    done = invoke("run", "w.yaml")
    assert done.code == 0
    assert "warning: unknown setting PIPEX_PROVIDR; did you mean PIPEX_PROVIDER?" in done.err
    assert "w.yaml:4:39: warning: there is no field 'vlaue' here" in done.err
    assert invoke("run", "w.yaml", "--strict").code == 2


def test_folders_are_chosen_by_options(project: Path) -> None:
    Path("files.yaml").write_text(
        "workflow:\n  name: f\n  steps:\n"
        "    - {name: a, type: echo, value: x, output_to_file: a.txt}\n"
    )
    done = invoke(
        "run",
        "files.yaml",
        "--output-dir",
        "o",
        "--workspace",
        "w",
        "--checkpoint-dir",
        "c",
        "--json",
    )
    assert done.document["files"] == ["a.txt"]
    assert (project / "o" / "a.txt").read_text() == "x"
    assert (project / "c" / done.document["run_id"] / "run.json").is_file()
    assert not (project / "checkpoints").exists()


def test_the_command_to_go_on_is_the_one_that_works() -> None:
    Path("limping.yaml").write_text(limping)
    Path("rules.yaml").write_text(refusing)
    words = ("run", "limping.yaml", "--mock-responses", "rules.yaml", "--checkpoint-dir", "my runs")
    following = invoke(*words).out.splitlines()[-1].removeprefix("next: pipex ")
    Path("rules.yaml").write_text('responses: [{reply: "at last"}]\n')
    assert invoke(*shlex.split(following)).code == 0


def test_a_reply_is_reused_by_the_next_run_until_it_is_too_old() -> None:
    step = "{name: a, type: claude, prompt: p, cache: CACHE}"
    Path("rules.yaml").write_text("responses: [{reply: x, cost: 0.5}]\n")
    found = []
    for cache in ("true", "true", "{ttl_seconds: 900}", "{ttl_seconds: 0}", "{key: k}", "false"):
        text = f"workflow: {{name: w, steps: [{step.replace('CACHE', cache)}]}}\n"
        Path("cached.yaml").write_text(text)
        done = invoke("run", "cached.yaml", "--mock-responses", "rules.yaml", "--json").document
        found.append((done["steps"]["a"]["metadata"].get("cache"), done["cost_usd"]))
    hit, miss = ("hit", 0.0), ("miss", 0.5)
    assert found == [miss, hit, hit, miss, miss, (None, 0.5)]


def test_what_could_not_be_undone_is_gone_past_with_force() -> None:
    undo = "rollback: [{name: u, type: echo, value: 1, fail: true}]"
    steps = f"[{{name: a, type: echo, value: 1, {undo}}}, {{name: b, type: echo, fail: true}}]"
    Path("stuck.yaml").write_text(
        f"workflow: {{name: w, transaction: true, steps: {steps}}}\n", encoding="utf-8"
    )
    failed = invoke("run", "stuck.yaml")
    following = failed.out.splitlines()[-1]
    assert following.endswith(" --force")
    words = shlex.split(following.removeprefix("next: pipex "))
    refused = invoke(*words[:-1])
    assert (refused.code, "was not undone completely" in refused.err) == (2, True)
    assert invoke(*words).code == 1


@pytest.mark.parametrize("resume", [("resume",), ("run", "limping.yaml", "--resume")])
def test_a_failed_run_goes_on_without_paying_twice(resume: tuple[str, ...]) -> None:
    Path("limping.yaml").write_text(limping)
    Path("rules.yaml").write_text(refusing)
    rules = ("--mock-responses", "rules.yaml")
    failed = invoke("run", "limping.yaml", *rules)
    assert failed.code == 1
    assert "error in step 'second': not today [invalid_request]" in failed.out
    assert failed.out.splitlines()[-1].startswith("next: pipex resume ")
    run_id = failed.out.split()[-1]
    Path("rules.yaml").write_text('responses: [{when: {step: second}, reply: "at last"}]\n')
    again = rules if resume[0] == "run" else ()
    done = invoke(*resume, run_id, *again, "--json")
    assert (done.code, done.document["status"]) == (0, "succeeded")
    assert done.document["run_id"] == run_id
    texts = [step["text"] for step in done.document["steps"].values()]
    assert texts == ["done once", "at last"]


def test_a_finished_run_does_not_resume() -> None:
    run_id = invoke("run", "pipelines/asker.yaml", "question=Hi", "--json").document["run_id"]
    done = invoke("resume", run_id, "--json")
    assert (done.code, done.document["status"]) == (2, "invalid")
    assert done.document["error"]["code"] == "run_finished"


def test_an_edited_pipeline_needs_force() -> None:
    Path("limping.yaml").write_text(limping)
    Path("rules.yaml").write_text(refusing)
    run_id = invoke("run", "limping.yaml", "--mock-responses", "rules.yaml").out.split()[-1]
    Path("limping.yaml").write_text(limping.replace("content: two", "content: three"))
    Path("rules.yaml").write_text('responses: [{reply: "at last"}]\n')
    refused = invoke("resume", run_id)
    assert (refused.code, refused.out) == (2, "")
    assert "[checkpoint_mismatch]" in refused.err
    assert invoke("resume", run_id, "--force", "--quiet").code == 0


def test_a_budget_of_the_environment_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEX_MAX_COST_USD", "0.1")
    Path("rules.yaml").write_text("responses: [{reply: a, cost: 0.08}]\n")
    Path("limping.yaml").write_text(limping)
    done = invoke("run", "limping.yaml", "--mock-responses", "rules.yaml", "--json")
    assert done.code == 1
    assert done.document["error"]["code"] == "budget_exceeded"
    assert done.document["cost_usd"] <= 0.1


def test_validate_shows_every_file_and_fails_for_one() -> None:
    Path("bad.yaml").write_text("workflow:\n  name: b\n  steps:\n    - {name: a, type: ecoh}\n")
    good = invoke("validate", "pipelines/adder.yaml", "pipelines/asker.yaml")
    assert (good.code, good.out) == (0, "pipelines/adder.yaml: ok\npipelines/asker.yaml: ok\n")
    both = invoke("validate", "pipelines/adder.yaml", "bad.yaml", "--json")
    assert both.code == 2
    assert both.document["ok"] is False
    assert [file["ok"] for file in both.document["files"]] == [True, False]
    (problem,) = both.document["files"][1]["problems"]
    assert (problem["code"], problem["suggestion"]) == ("unknown_step_type", "echo")


def test_validate_prints_the_schema_that_editors_take() -> None:
    schema = json.loads(invoke("validate", "--schema").out)
    assert invoke("validate", "--schema", "--json").document == schema
    document = {"workflow": {"name": "x", "steps": [{"name": "s", "type": "ecko"}]}}
    assert [place for place, _ in check_schema(document, schema)] == ["/workflow/steps/0/type"]


def test_validate_needs_a_file() -> None:
    done = invoke("validate")
    assert done.code == 2
    assert "FILE..." in done.err


def test_validate_explains_where_options_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_MODEL", "claude-opus-5-1")
    done = invoke("validate", "pipelines/asker.yaml", "--explain")
    assert done.code == 0
    assert '  answer.model = "claude-haiku-5-5"  (defaults)' in done.out
    found = invoke("validate", "pipelines/asker.yaml", "--explain", "--json").document
    assert found["files"][0]["effective"]["answer"]["model"]["value"] == "claude-haiku-5-5"


def test_a_graph_is_mermaid_or_json() -> None:
    Path("g.yaml").write_text(
        "workflow:\n  name: g\n  steps:\n"
        "    - {name: a, type: echo, value: x}\n"
        "    - {name: b, type: echo, value: y}\n"
        "    - {name: c, type: echo, value: z}\n"
    )
    lines = invoke("graph", "g.yaml").out.splitlines()
    assert lines[0] == "graph TD"
    # Transitive edges are left out of the picture, and listed in full in JSON.
    assert lines[-2:] == ["  s0 --> s1", "  s1 --> s2"]
    document = invoke("graph", "g.yaml", "--json").document
    assert document == {
        "schema": "pipex.graph/1",
        "workflow": "g",
        "order": ["a", "b", "c"],
        "steps": [
            {"name": "a", "type": "echo", "depends_on": []},
            {"name": "b", "type": "echo", "depends_on": ["a"]},
            {"name": "c", "type": "echo", "depends_on": ["a", "b"]},
        ],
    }


def test_a_graph_of_a_broken_file_is_its_problems() -> None:
    Path("bad.yaml").write_text("workflow:\n  name: b\n  steps:\n    - {name: a, type: ecoh}\n")
    done = invoke("graph", "bad.yaml", "--json")
    assert (done.code, done.document["schema"]) == (2, "pipex.error/1")
    assert len(done.document["problems"]) == 1


def test_a_run_that_another_process_writes_is_for_later(project: Path) -> None:
    import fcntl

    Path("limping.yaml").write_text(limping)
    Path("rules.yaml").write_text(refusing)
    run_id = invoke("run", "limping.yaml", "--mock-responses", "rules.yaml").out.split()[-1]
    (lock,) = (project / "checkpoints" / run_id).rglob("lock")
    with lock.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = invoke("resume", run_id, "--json")
    assert done.code == 75
    assert json.loads(done.out)["error"]["code"] == "run_locked"
