"""A transaction that fails leaves its files as they were, however often it is killed on the way."""

from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.adapters.local import ArmedFaults, Fault
from tests.fakes.journals import BreakableJournals
from tests.fakes.workspace import MemoryWorkspace
from tests.fakes.world import World

points = (
    "engine.before_unit_end",
    "engine.after_unit_end",
    "undo.before_action",
    "undo.after_action",
    "checkpoint.before_save",
)
start = {"a": b"1", "b": b"2", "d/c": b"3"}
names = st.sampled_from(["a", "b", "d/c", "d/e", "n/m"])
operation = st.one_of(
    st.builds(lambda p, c: {"operation": "write", "path": p, "content": c}, names, st.text("xy")),
    st.builds(lambda p: {"operation": "delete", "path": p, "missing_ok": True}, names),
    st.builds(lambda s, d: {"operation": "copy", "source": s, "destination": d}, names, names),
    st.builds(lambda s, d: {"operation": "move", "source": s, "destination": d}, names, names),
)
deaths = st.lists(st.tuples(st.sampled_from(points), st.integers(1, 6)), max_size=3)


class Names:
    """Ids that differ from process to process."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._count = 0

    def token(self, length: int) -> str:
        del length
        self._count += 1
        return f"p{self._process}n{self._count}"

    hex = token


class Killed(BaseException):
    """The process is gone."""


def die() -> None:
    raise Killed


def text_of(operations: list[dict[str, Any]]) -> str:
    steps = [
        {"name": f"s{number}", "type": "file_ops", "on_failure": "continue", **one}
        for number, one in enumerate(operations)
    ]
    steps.append({"name": "boom", "type": "echo", "value": 1, "fail": True})
    return repr({"workflow": {"name": "w", "transaction": True, "steps": steps}})


@given(operations=st.lists(operation, min_size=1, max_size=5), deaths=deaths)
@settings(max_examples=40, deadline=None)
def test_files_are_as_they_were_and_undone_in_reverse_wherever_it_is_killed(
    operations: list[dict[str, Any]], deaths: list[tuple[str, int]]
) -> None:
    text = text_of(operations)
    journals, files = BreakableJournals(), MemoryWorkspace()
    files.files.update(start)
    for process, death in enumerate([*deaths, None]):
        journals._locks.clear()
        world = World(journals=journals).with_services(ids=Names(process))
        world.workspace = files
        if death is not None:
            point, visit = death
            world.with_services(faults=ArmedFaults({point: Fault(action=die, visit=visit)}))
        try:
            result = world.run(text, run_id="run1", resume="run1" in journals.runs())
        except Killed:
            continue
        assert result.error is not None
        assert result.error.code == "echo_failed"
        break
    assert files.files == start
    records = journals.records_of("run1")
    for txn in {record["txn"] for record in records if record["t"] == "undo_done"}:
        aborted = next(r["n"] for r in records if r["t"] == "txn_abort" and r["txn"] == txn)
        done = [r for r in records if r["t"] == "undo_done" and r["txn"] == txn]
        assert len({record["index"] for record in done}) == len(done)
        undone = [record["index"] for record in done if record["n"] > aborted]
        assert undone == sorted(undone, reverse=True)
