"""Transactions: a run that fails leaves its files as they were, each action undone once and in reverse."""

from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.errors import ConfigError, StepError
from pipex_core.ports import Workspace
from tests.fakes.journals import BreakableJournals
from tests.fakes.workspace import MemoryWorkspace
from tests.fakes.world import World


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def pipeline(*steps: str, head: str = "  transaction: true\n") -> str:
    listed = "".join(f"\n    - {step}" for step in steps)
    return f"workflow:\n  name: w\n{head}  steps:{listed}\n"


def write(name: str, path: str, content: str = "new", *, rest: str = "") -> str:
    return f"{{name: {name}, type: file_ops, operation: write, path: {path}, content: {content}{rest}}}"


boom = "{name: boom, type: echo, value: x, fail: '{{ inputs.fail | default(true) }}'}"
replay = {"responses": [{"echo": True}]}


def world_with(files: dict[str, str] | None = None, *, mock: Any = replay) -> World:
    world = World(mock)
    world.workspace.files.update({path: text.encode() for path, text in (files or {}).items()})
    return world


def after(world: World, *, mock: Any = replay) -> World:
    """The next process on the same files; locks of the dead one are gone."""
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    journals._locks.clear()
    following = World(mock, journals=journals)
    following.workspace = world.workspace
    return following


def kinds(world: World) -> list[str]:
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    said = ("txn_begin", "txn_undo", "txn_commit", "txn_abort", "undo_done", "undo_failed")
    return [r["t"] for r in journals.records_of("run1") if r["t"] in said]


def undone_indices(world: World) -> list[int]:
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    return [r["index"] for r in journals.records_of("run1") if r["t"] == "undo_done"]


@pytest.mark.parametrize(
    "operation",
    [
        "{name: o, type: file_ops, operation: write, path: new/deep.txt, content: x}",
        "{name: o, type: file_ops, operation: write, path: a.txt, content: x}",
        "{name: o, type: file_ops, operation: delete, path: d}",
        "{name: o, type: file_ops, operation: delete, files: [a.txt, d/one.txt]}",
        "{name: o, type: file_ops, operation: copy, source: d, destination: copied}",
        "{name: o, type: file_ops, operation: copy, source: d, destination: e}",
        "{name: o, type: file_ops, operation: move, source: d, destination: e/f/}",
        "{name: o, type: file_ops, operation: move, source: a.txt, destination: d/one.txt}",
        """{name: o, type: file_ops, operation: convert, source: t.csv, destination: d/t.json,
            format: csv_to_json}""",
        "{name: o, type: file_ops, operation: stream_process, source: a.txt, processor: uppercase}",
    ],
)
def test_whatever_file_ops_did_is_undone(operation: str, tmp_path: Path) -> None:
    root = tmp_path / "w"
    before = {
        "a.txt": "old", "d/one.txt": "1", "d/in/two.txt": "2", "e/one.txt": "mine", "t.csv": "x\n1\n",
    }  # fmt: skip
    for path, text in before.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "d" / "empty").mkdir()
    (root / "d" / "one.txt").chmod(0o755)
    world = World(replay)
    files: Workspace = ConfinedWorkspace(workspace=root, output_dir=tmp_path / "o")
    world.with_services(workspace=lambda _: files)
    result = world.run(pipeline(operation, boom))
    assert result.steps["o"].success
    found = {p.relative_to(root).as_posix() for p in root.rglob("*")}
    assert found == {*before, "d", "d/in", "d/empty", "e"}
    assert {path: (root / path).read_text() for path in before} == before
    runs = [path for path in before if (root / path).stat().st_mode & 0o100]
    assert runs == ["d/one.txt"]


def test_actions_are_undone_in_exact_reverse_order_and_each_once() -> None:
    world = world_with({"f": "old"})
    text = pipeline(write("a", "f", "one"), write("b", "g"), write("c", "f", "two"), boom)
    world.run(text)
    assert undone_indices(world) == [2, 1, 0]
    assert world.workspace.files == {"f": b"old"}
    assert kinds(world) == [
        "txn_begin", *["txn_undo"] * 3, "txn_abort", *["undo_done"] * 3
    ]  # fmt: skip


def test_a_run_that_succeeds_commits_and_keeps_nothing_to_undo_with() -> None:
    world = world_with({"f": "old"})
    assert world.run(pipeline(write("a", "f"))).success
    assert world.workspace.files == {"f": b"new"}
    assert kinds(world) == ["txn_begin", "txn_undo", "txn_commit"]
    assert list(world.journals.blobs("run1").list("undo/")) == []


def test_without_transaction_nothing_is_undone() -> None:
    world = world_with({"f": "old"})
    world.run(pipeline(write("a", "f"), boom, head=""))
    assert world.workspace.files == {"f": b"new"}


def test_rollback_lists_of_finished_steps_run_in_reverse_and_see_the_step() -> None:
    world = world_with()
    rollback = "rollback: [{name: un_%s, type: claude, prompt: 'un {{ %s }}'}]"
    first = f"{{name: a, type: echo, value: A, {rollback % ('a', 'a')}}}"
    second = f"{{name: b, type: echo, value: B, {rollback % ('b', 'b')}}}"
    skipped = f"{{name: s, type: echo, value: S, when: 'false', {rollback % ('s', 's')}}}"
    failing = f"{{name: z, type: echo, value: Z, fail: true, {rollback % ('z', 'z')}}}"
    result = world.run(pipeline(first, second, skipped, failing))
    assert [request.prompt for request in world.provider.sent] == ["un B", "un A"]
    shown = result.steps["a"].metadata["rollback"]
    assert shown["un_a"]["text"] == "un A"
    assert result.error is not None
    assert result.error.code == "echo_failed"
    assert result.calls == 2


def test_the_rollback_list_of_a_loop_body_sees_the_item() -> None:
    world = world_with()
    body = (
        "{name: w, type: echo, value: x, rollback: [{name: r, type: claude, prompt: '{{ it }}'}]}"
    )
    loop = f"{{name: l, type: for_loop, iterator: it, data_source: [1, 2], steps: [{body}]}}"
    result = world.run(pipeline(loop, boom))
    assert [request.prompt for request in world.provider.sent] == ["2", "1"]
    assert set(result.steps["l"].metadata["rollback"]) == {"[0]/w/r", "[1]/w/r"}


def test_a_rollback_that_fails_leaves_the_others_running_and_asks_for_an_operator() -> None:
    world = world_with({"f": "old"})
    bad = "{name: b, type: echo, value: 1, rollback: [{name: r, type: echo, value: 1, fail: true}]}"
    result = world.run(pipeline(write("a", "f"), bad, boom))
    assert world.workspace.files == {"f": b"old"}
    assert "needs_operator" in {warning.code for warning in result.warnings}
    assert kinds(world)[-2:] == ["undo_failed", "undo_done"]
    with pytest.raises(ConfigError) as refused:
        after(world).run(pipeline(write("a", "f"), bad, boom), run_id="run1", resume=True)
    assert refused.value.code == "needs_operator"
    again = after(world).run(
        pipeline(write("a", "f"), bad, boom), run_id="run1", resume=True, force=True
    )
    assert again.error is not None
    assert again.error.code == "echo_failed"


def test_a_resumed_run_does_again_what_was_undone_and_keeps_what_was_only_paid_for() -> None:
    rules = {
        "responses": [
            {
                "when": {"step": "last"},
                "replies": [{"error": {"kind": "invalid_request"}}, {"json": {"ok": True}}],
            },
            {"echo": True},
        ]
    }
    world = world_with({"f": "old"}, mock=rules)
    text = pipeline(
        "{name: ask, type: claude, prompt: hello}",
        write("a", "f", "'{{ ask.text }}'"),
        "{name: last, type: claude, prompt: 'last {{ a.count }}'}",
    )
    assert not world.run(text).success
    assert world.workspace.files == {"f": b"old"}
    following = after(world, mock=rules)
    result = following.run(text, run_id="run1", resume=True)
    assert result.success
    assert [request.prompt for request in following.provider.sent] == ["last 1"]
    assert following.workspace.files == {"f": b"hello"}


def test_what_a_half_finished_step_did_is_undone_before_it_starts_over() -> None:
    world = world_with({"f": "old"})
    faults = ArmedFaults({"engine.before_unit_end": Fault(action=die, visit=2)})
    world.with_services(faults=faults)
    text = pipeline(write("a", "g"), write("b", "f"))
    with pytest.raises(Killed):
        world.run(text)
    assert world.workspace.files == {"f": b"new", "g": b"new"}
    following = after(world)
    result = following.run(text, run_id="run1", resume=True)
    assert result.success
    assert undone_indices(following) == [1]
    assert following.workspace.files == {"f": b"new", "g": b"new"}


@pytest.mark.parametrize("point", ["undo.before_action", "undo.after_action"])
@pytest.mark.parametrize("visit", [1, 2, 3])
def test_an_undo_that_was_killed_goes_on_where_it_stopped(point: str, visit: int) -> None:
    world = world_with({"f": "old"})
    world.with_services(faults=ArmedFaults({point: Fault(action=die, visit=visit)}))
    text = pipeline(write("a", "f", "one"), write("b", "g"), write("c", "f", "two"), boom)
    with pytest.raises(Killed):
        world.run(text)
    following = after(world)
    following.run(text, run_id="run1", resume=True)
    assert following.workspace.files == {"f": b"old"}
    assert undone_indices(following)[:3] == [2, 1, 0]


def test_files_that_a_model_wrote_are_undone_and_commands_are_warned_of() -> None:
    calls = [
        {"name": "Write", "input": {"path": "m.txt", "content": "by model"}},
        {"name": "Edit", "input": {"path": "f", "old_string": "old", "new_string": "new"}},
    ]
    rules = {"responses": [{"replies": [{"tool_calls": calls}, "done"]}]}
    world = world_with({"f": "old"}, mock=rules)
    ask = "{name: ask, type: claude, prompt: go, claude_options: {allowed_tools: [Write, Edit, Bash]}}"
    result = world.run(pipeline(ask, boom))
    assert [c["decision"] for c in result.steps["ask"].metadata["tool_calls"]] == ["done", "done"]
    assert world.workspace.files == {"f": b"old"}
    assert "irreversible_step" in {warning.code for warning in result.warnings}


def test_a_child_with_a_transaction_of_its_own_is_undone_alone() -> None:
    world = world_with({"f": "old"})
    child = (
        "{name: c, type: pipeline, on_failure: continue, pipeline: {name: i, transaction: true,"
        f" steps: [{write('in', 'f')}, {{name: no, type: echo, value: 1, fail: true}}]}}}}"
    )
    for head in ("", "  transaction: true\n"):
        result = world.run(pipeline(write("a", "kept"), child, head=head))
        assert result.success
        assert world.workspace.files == {"f": b"old", "kept": b"new"}


def test_a_child_in_a_transaction_is_undone_with_its_parent() -> None:
    world = world_with({"f": "old"})
    child = f"{{name: c, type: pipeline, pipeline: {{name: i, steps: [{write('in', 'f')}]}}}}"
    world.run(pipeline(child, boom))
    assert world.workspace.files == {"f": b"old"}


def test_a_child_that_is_cut_off_by_its_step_is_undone() -> None:
    world = world_with({"f": "old"}, mock={"responses": [{"reply": "x", "latency_ms": 60_000}]})
    child = (
        "{name: c, type: pipeline, timeout_seconds: 5, on_failure: continue,"
        " pipeline: {name: i, transaction: true,"
        f" steps: [{write('in', 'f')}, {{name: slow, type: claude, prompt: p}}]}}}}"
    )
    assert world.run(pipeline(child, head="")).success
    assert world.workspace.files == {"f": b"old"}


class Stubborn(MemoryWorkspace):
    """Refuses to write some path so many times."""

    refusals = 0

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        if path == "f" and data == b"old" and self.refusals > 0:
            self.refusals -= 1
            raise StepError("the disk is busy", code="storage_error")
        return super().write(path, data, is_executable=is_executable)


@pytest.mark.parametrize(("refusals", "content"), [(2, b"old"), (9, b"new")])
def test_restoring_a_file_is_tried_three_times(refusals: int, content: bytes) -> None:
    world = World(replay)
    world.workspace = Stubborn({"f": "old"})
    world.workspace.refusals = refusals
    result = world.run(pipeline(write("a", "f"), boom))
    assert world.workspace.files["f"] == content
    assert ("needs_operator" in {w.code for w in result.warnings}) == (content == b"new")


def test_an_undo_that_takes_too_long_records_what_is_left() -> None:
    rules = {"responses": [{"reply": "x", "latency_ms": 130_000}]}
    world = world_with({"f": "old"}, mock=rules)
    slow = "{name: b, type: echo, value: 1, rollback: [{name: r, type: claude, prompt: p}]}"
    result = world.run(pipeline(write("a", "f"), slow, boom))
    assert kinds(world)[-2:] == ["undo_failed", "undo_failed"]
    assert "needs_operator" in {warning.code for warning in result.warnings}
