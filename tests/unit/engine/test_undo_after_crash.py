"""What is left to undo after a crash is found in the files of the run and in its plan."""

from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.errors import ConfigError
from tests.fakes.journals import BreakableJournals
from tests.fakes.world import World


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


rules = {
    "responses": [
        {"when": {"step": "*flaky"}, "replies": [{"error": {"kind": "overloaded"}}, "ok"]},
        {"echo": True},
    ]
}
write = "type: file_ops, operation: write, path: f, content: new"
child = """
workflow:
  name: kid
  steps: [{name: k, type: echo, value: K, rollback: [{name: r, type: claude, prompt: "un {{ k }}"}]}]
"""
boom = "{name: boom, type: echo, value: x, fail: true}"


def killed(text: str, point: str, *, visit: int = 1, files: dict[str, str] | None = None) -> World:
    world = World(rules, files=files)
    world.workspace.files["f"] = b"old"
    world.with_services(faults=ArmedFaults({point: Fault(action=die, visit=visit)}))
    with pytest.raises(Killed):
        world.run(text)
    return world


def after(world: World, **changed: Any) -> World:
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    journals._locks.clear()
    following = World(rules, journals=journals, files=changed.pop("files", world.files))
    following.workspace = world.workspace
    return following


def asked(world: World) -> list[str]:
    return [request.prompt for request in world.provider.sent]


def test_rollback_lists_are_found_in_nested_files_and_inline_pipelines() -> None:
    inline = (
        "{name: n, type: pipeline, pipeline: {name: i, steps: [{name: l, type: for_loop,"
        " data_source: [1], steps: [{name: e, type: echo, value: E,"
        " rollback: [{name: r, type: claude, prompt: 'un {{ e }} {{ item }}'}]}]}]}}"
    )
    text = f"""
workflow:
  name: w
  transaction: true
  steps:
    - {{name: file, type: pipeline, pipeline_file: kid.yaml}}
    - {inline}
    - {boom}
"""
    world = killed(text, "undo.before_action", files={"kid.yaml": child})
    following = after(world)
    following.run(text, run_id="run1", resume=True)
    assert asked(following)[:2] == ["un E 1", "un K"]


def test_a_rollback_list_that_is_gone_asks_for_an_operator() -> None:
    text = f"""
workflow:
  name: w
  transaction: true
  steps:
    - {{name: which, type: echo, value: kid}}
    - {{name: file, type: pipeline, pipeline_file: "{{{{ which }}}}.yaml"}}
    - {boom}
"""
    whole = World(rules, files={"kid.yaml": child})
    whole.run(text)
    assert asked(whole) == ["un K"]
    world = killed(text, "undo.before_action", files={"kid.yaml": child})
    with pytest.raises(ConfigError, match="not in the files of this run any more") as refused:
        after(world).run(text, run_id="run1", resume=True)
    assert refused.value.code == "needs_operator"


def test_a_parked_run_keeps_what_it_did_until_it_goes_on() -> None:
    world = World({"responses": [{"error": {"kind": "rate_limit", "retry_after_s": 9000}}]})
    world.workspace.files["f"] = b"old"
    ask = "{name: ask, type: claude, prompt: p}"
    text = f"workflow: {{name: w, transaction: true, steps: [{{name: a, {write}}}, {ask}]}}"
    result = world.run(text)
    assert result.error is not None
    assert result.error.retry_at is not None
    assert world.workspace.files["f"] == b"new"
    following = after(world)
    assert following.run(text, run_id="run1", resume=True).success
    assert following.workspace.files["f"] == b"new"


def test_a_further_try_of_a_child_after_a_crash_is_undone_as_well() -> None:
    inner = f"[{{name: a, {write}}}, {{name: no, type: echo, value: 1, fail: true}}]"
    nested = (
        "{name: n, type: pipeline, retry: {max_retries: 2, retry_on: [echo_failed]},"
        f" on_failure: continue, pipeline: {{name: i, transaction: true, steps: {inner}}}}}"
    )
    text = f"workflow: {{name: w, steps: [{nested}]}}"
    world = killed(text, "engine.after_unit_end")
    assert world.workspace.files["f"] == b"new"
    following = after(world)
    result = following.run(text, run_id="run1", resume=True)
    assert result.steps["n"].status == "failed"
    assert following.workspace.files["f"] == b"old"


def test_a_run_that_was_killed_behind_its_last_step_is_committed() -> None:
    text = f"workflow: {{name: w, transaction: true, steps: [{{name: a, {write}}}]}}"
    world = killed(text, "checkpoint.after_save")
    following = after(world)
    assert following.run(text, run_id="run1", resume=True).success
    assert following.workspace.files["f"] == b"new"
    journals = following.journals
    assert isinstance(journals, BreakableJournals)
    kinds = [record["t"] for record in journals.records_of("run1")]
    assert "txn_commit" in kinds
    assert "undo_done" not in kinds
