"""A damaged journal is repaired from what verifies; what cannot be kept is named with its cost."""

from typing import Any

from pipex_core.engine.fold import fold
from pipex_core.engine.frames import encode, frame, salvage
from pipex_core.engine.repair import Redo, repaired
from pipex_core.engine.segments import Damage, Verified, examine, segment_name

Records = list[dict[str, Any]]


def call(kind: str, unit: str, **more: Any) -> dict[str, Any]:
    return {"t": kind, "unit": unit, "ordinal": 0, "request": "r", "attempt": 1, **more}


def story() -> list[Records]:
    """Frames of two processes: a is done, then b; c is asked and the process is gone."""
    end = {"t": "unit_end", "attempt": 1, "status": "succeeded", "error": None}
    done = {"usage": {}, "cost_nanousd": 700, "reply": {"text": "x"}}
    return [
        [
            {"t": "open", "schema": "pipex.journal/1"},
            {"t": "unit_begin", "unit": "a", "attempt": 1},
        ],
        [call("begin", "a", reserved_nanousd=900)],
        [call("done", "a", **done)],
        [{**end, "unit": "a", "result": stored("a")}],
        [{"t": "unit_begin", "unit": "b", "attempt": 1}, call("begin", "b", reserved_nanousd=900)],
        [call("done", "b", **done)],
        [{**end, "unit": "b", "result": stored("b")}, {"t": "seal", "records": 9, "sha256": "?"}],
        [
            {"t": "open", "schema": "pipex.journal/1"},
            {"t": "unit_begin", "unit": "c", "attempt": 1},
        ],
        [call("begin", "c", reserved_nanousd=500)],
    ]


def stored(name: str) -> dict[str, Any]:
    return {"name": name, "type": "echo", "status": "succeeded", "text": "x", "data": None, "attempts": 1, "tokens": [0, 0]}  # fmt: skip


def journal() -> list[tuple[str, list[bytes]]]:
    """Segments as lists of frames."""
    number, segments = 0, []
    for epoch, frames in ((1, story()[:7]), (2, story()[7:])):
        made = []
        for records in frames:
            numbered = []
            for record in records:
                numbered.append(
                    encode({**record, "epoch": epoch, "n": number, "at": "", "mono_ms": 0})
                )
                number += 1
            made.append(frame(numbered))
        segments.append((segment_name(epoch, 1), made))
    return segments


def damaged(*places: int) -> list[tuple[str, bytes]]:
    """The journal with a flipped bit in the middle of these frames, counted over all segments."""
    count, found = 0, []
    for name, frames in journal():
        joined = b""
        for one in frames:
            data = bytearray(one)
            if count in places:
                data[-12] ^= 1
            joined += bytes(data)
            count += 1
        found.append((name, joined))
    return found


def records_of(segments: Any) -> Records:
    found = examine(segments)
    assert isinstance(found, Verified)
    return found.records


def test_everything_that_verifies_is_kept_and_can_be_opened_again() -> None:
    segments = damaged(2)
    assert isinstance(examine(segments), Damage)
    plan = repaired(segments, {})
    kept = records_of(plan.segments)
    # Of thirteen records one is damaged and the seal of a segment that is no more is left out.
    assert (plan.kept, plan.lost) == (11, 2)
    assert [record["n"] for record in kept] == list(range(12))
    state = fold(kept)
    assert state.finished("a") is not None
    assert state.finished("b") is not None
    assert state.lost == 2


def test_what_is_done_again_is_named_with_what_it_took() -> None:
    # The answer and the end of b are lost; c was in flight when the process died.
    plan = repaired(damaged(5, 6), {})
    assert plan.redo == [
        Redo(unit="b", estimated_nanousd=900),
        Redo(unit="c", estimated_nanousd=500),
    ]
    # Nothing of b is left but the bytes that cannot be trusted: its cost is read from them.
    plan = repaired(damaged(4, 5, 6), {})
    assert plan.redo == [
        Redo(unit="b", estimated_nanousd=700),
        Redo(unit="c", estimated_nanousd=500),
    ]


def test_a_step_that_a_checkpoint_holds_is_not_done_again() -> None:
    plan = repaired(damaged(5, 6), {"a": stored("a"), "b": stored("b")})
    assert plan.restored == ["b"]
    assert [one.unit for one in plan.redo] == ["c"]
    end = fold(records_of(plan.segments)).finished("b")
    assert end is not None
    assert end["result"] == stored("b")


def test_a_missing_segment_and_a_missing_journal_leave_what_the_checkpoint_knows() -> None:
    plan = repaired(damaged()[1:], {"a": stored("a")})
    assert plan.restored == ["a"]
    assert records_of(plan.segments)[-1]["lost"] == plan.lost > 0
    nothing = repaired([], {"a": stored("a")})
    assert (nothing.kept, nothing.lost, nothing.redo) == (0, 0, [])
    assert fold(records_of(nothing.segments)).finished("a") is not None


def test_inner_units_of_finished_steps_are_not_done_again() -> None:
    inner = frame(
        [encode({"t": "unit_begin", "unit": "a[0]/x", "attempt": 1, "epoch": 2, "n": 14})]
    )
    name, data = damaged()[1]
    plan = repaired([damaged()[0], (name, data + inner)], {})
    assert [one.unit for one in plan.redo] == ["c"]


def test_frames_behind_bad_bytes_are_found() -> None:
    one, two = frame([b'{"a":1}']), frame([b'{"a":2}'])
    assert salvage(one + b"junk" + two + b"end") == ([[{"a": 1}], [{"a": 2}]], [b"junk", b"end"])
    assert salvage(b"") == ([], [])


def test_records_of_another_process_or_out_of_order_are_left_out() -> None:
    name, data = damaged()[0]
    strange: Records = [
        {"t": "note", "epoch": 9, "n": 50},
        {"t": "note", "epoch": 1, "n": 0},
        {"t": 1, "epoch": 1, "n": 51},
        {"t": "note", "epoch": 1, "n": "x"},
    ]
    plan = repaired([(name, data + frame([encode(one) for one in strange]))], {})
    assert plan.kept == 9
