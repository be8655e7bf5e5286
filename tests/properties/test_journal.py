"""A journal cut, flipped, zeroed or shuffled anywhere opens correctly or refuses; no record is wrong."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.frames import encode, frame, scan
from pipex_core.engine.journal import open_journal
from pipex_core.engine.segments import Damage, Verified, examine
from tests.fakes.clock import ManualClock
from tests.fakes.journals import BreakableJournals, NoFaults

Segments = Sequence[tuple[str, bytes]]
Records = list[dict[str, Any]]


@cache
def example() -> tuple[Segments, Records]:
    """Two processes' segments, some 3 KB, the last one unsealed as after a kill."""
    journals = BreakableJournals()

    async def run(*, first: int) -> None:
        journal = open_journal(journals, "r1", clock=ManualClock(), faults=NoFaults())
        journal.start({"run_id": "r1"})
        for number in range(first, first + 5):
            journal.append_soon({"t": "unit_begin", "unit": f"s{number}", "attempt": 1})
            await journal.append(
                {"t": "unit_end", "unit": f"s{number}", "attempt": 1, "status": "succeeded"}
            )
        await journal.close()

    asyncio.run(run(first=0))
    asyncio.run(run(first=5))
    records = journals.records_of("r1")[:-1]
    segments = journals.segments_of("r1")
    last = segments["000002-000001.seg"]
    segments["000002-000001.seg"] = last[: last.rindex(b"\n", 0, -1) + 1]
    return journals.read_log("r1", "main"), records


def changed(segments: Segments, index: int, data: bytes) -> Segments:
    name, _ = segments[index]
    return [*segments[:index], (name, data), *segments[index + 1 :]]


def assert_right_or_refused(segments: Segments) -> Verified | Damage:
    """The verified records are a prefix of what was written, never anything else."""
    result = examine(segments)
    _, records = example()
    found = result.records if isinstance(result, Verified) else result.good_records
    assert list(found) == records[: len(found)]
    return result


def test_the_untouched_journal_holds_all_records() -> None:
    segments, records = example()
    result = examine(segments)
    assert isinstance(result, Verified)
    assert (result.records, result.torn) == (records, None)


def test_a_tear_at_every_byte_of_the_last_segment_loses_at_most_the_last_frame() -> None:
    segments, records = example()
    whole = segments[1][1]
    for length in range(len(whole)):
        result = assert_right_or_refused(changed(segments, 1, whole[:length]))
        assert isinstance(result, Verified)
        complete = whole[: whole.rfind(b"\n", 0, length) + 1]
        kept = sum(len(found) for found in scan(complete).frames)
        assert len(result.records) == len(records) - sum(map(len, scan(whole).frames)) + kept
        assert (result.torn is None) == (length == len(complete))


def test_a_tear_in_an_earlier_segment_is_damage() -> None:
    segments, _ = example()
    whole = segments[0][1]
    for length in range(len(whole)):
        assert isinstance(assert_right_or_refused(changed(segments, 0, whole[:length])), Damage)


def test_a_flipped_bit_anywhere_is_damage_or_the_tear_of_the_last_frame() -> None:
    segments, records = example()
    for index, (_, whole) in enumerate(segments):
        last_frame = whole.rindex(b"\n", 0, -1) + 1 if index else len(whole)
        for position in range(len(whole)):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << (position % 8)
            result = assert_right_or_refused(changed(segments, index, bytes(flipped)))
            if position < last_frame:
                assert isinstance(result, Damage), (index, position)
            else:
                assert isinstance(result, Verified)
                assert len(result.records) < len(records)


@given(zeros=st.integers(1, 5000))
@settings(max_examples=20)
def test_a_tail_of_zeros_is_a_tear(zeros: int) -> None:
    segments, records = example()
    result = assert_right_or_refused(changed(segments, 1, segments[1][1] + b"\0" * zeros))
    assert isinstance(result, Verified)
    assert result.records == records
    assert result.torn is not None
    assert result.torn.lost_bytes == zeros


def test_swapped_missing_and_repeated_segments_are_damage() -> None:
    (one, first), (two, second) = example()[0]
    for wrong in (
        [(one, second), (two, first)],
        [(two, second)],
        [(one, first), (two, first)],
        [(one, first), (two, second), ("000003-000001.seg", second)],
    ):
        assert isinstance(assert_right_or_refused(wrong), Damage)


def test_a_seal_that_is_not_of_its_segment_is_damage() -> None:
    segments, records = example()
    seal = next(record for record in records if record["t"] == "seal")
    body, _, _ = segments[0][1].rpartition(b"\n")[0].rpartition(b"\n")
    forged = body + b"\n" + frame([encode({**seal, "sha256": "0" * 64})])
    result = assert_right_or_refused(changed(segments, 0, forged))
    assert isinstance(result, Damage)
    assert "sealed" in result.what


units = st.sampled_from(["a", "b", "b/part", "case:q1#0"])
calls = st.fixed_dictionaries(
    {
        "unit": units,
        "ordinal": st.integers(0, 2),
        "request": st.sampled_from("xy"),
        "attempt": st.integers(1, 3),
    }
)
events = st.one_of(
    calls.map(lambda call: {"t": "begin", **call, "reserved_nanousd": 7}),
    calls.map(lambda call: {"t": "done", **call, "usage": {"output": 1}, "cost_nanousd": 3}),
    calls.map(lambda call: {"t": "fail", **call, "cost_nanousd": 2}),
    st.builds(lambda unit, n: {"t": "unit_begin", "unit": unit, "attempt": n}, units, st.just(1)),
    st.builds(
        lambda unit, status: {"t": "unit_end", "unit": unit, "attempt": 1, "status": status},
        units,
        st.sampled_from(["succeeded", "skipped", "failed"]),
    ),
)


@given(st.lists(events, max_size=40), st.data())
def test_the_fold_of_a_prefix_and_then_the_rest_is_the_fold_of_the_whole(
    listed: list[dict[str, Any]], data: st.DataObject
) -> None:
    records = [{"epoch": 1, "n": number, **event} for number, event in enumerate(listed)]
    cut = data.draw(st.integers(0, len(records)))
    state = RunState()
    for part in (records[:cut], records[cut:]):
        for record in part:
            state.add(record)
    state.new_process()
    assert state == fold(records)


@given(st.lists(events, max_size=40))
def test_money_is_conserved(listed: list[dict[str, Any]]) -> None:
    records = [{"epoch": 1, "n": number, **event} for number, event in enumerate(listed)]
    state = fold(records)
    ended = sum(record.get("cost_nanousd", 0) for record in listed)
    assert state.spent_nanousd == ended + 7 * len(state.in_doubt)


@given(st.lists(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text()))))
def test_frames_round_trip(records: list[dict[str, Any]]) -> None:
    result = scan(frame([encode(record) for record in records]))
    assert result.frames == [records]
    assert result.is_whole


@given(st.binary(max_size=300))
def test_no_bytes_make_the_scanner_stumble(data: bytes) -> None:
    result = scan(data)
    assert result.good_bytes <= len(data)
