"""Writing and opening a journal: groups, limits of segments, large values, and stores that fail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipex_core.engine.encoding import Encoded
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.errors import StoreError
from tests.fakes.clock import ManualClock
from tests.fakes.journals import BreakableJournals, NoFaults


def opened(journals: BreakableJournals, **header: Any) -> Journal:
    journal = open_journal(journals, "r1", clock=ManualClock(), faults=NoFaults())
    journal.start({"run_id": "r1", "plan_digest": "p", **header})
    return journal


def note(number: int) -> dict[str, Any]:
    return {"t": "note", "text": f"note {number}"}


def texts_of(journals: BreakableJournals) -> list[str]:
    return [record["text"] for record in journals.records_of("r1") if record["t"] == "note"]


def written(act: Callable[[Journal], Awaitable[None]], journals: BreakableJournals) -> None:
    async def run() -> None:
        journal = opened(journals)
        await act(journal)
        await journal.close()

    asyncio.run(run())


def test_records_are_numbered_stamped_and_begin_with_the_opening() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        await journal.append(note(1))
        assert journal.written == 2

    written(act, journals)
    records = journals.records_of("r1")
    assert [(r["t"], r["n"], r["epoch"]) for r in records] == [
        ("open", 0, 1),
        ("note", 1, 1),
        ("seal", 2, 1),
    ]
    assert records[1] == {
        "t": "note",
        "text": "note 1",
        "n": 1,
        "epoch": 1,
        "at": "2026-11-23T12:00:00.000+00:00",
        "mono_ms": 0,
    }
    assert {k: records[0][k] for k in ("schema", "run_id", "plan_digest", "scope")} == {
        "schema": "pipex.journal/1",
        "run_id": "r1",
        "plan_digest": "p",
        "scope": "main",
    }


def test_many_writers_share_syncs() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        await asyncio.gather(*(journal.append(note(number)) for number in range(40)))

    written(act, journals)
    texts = [r["text"] for r in journals.records_of("r1") if r["t"] == "note"]
    assert texts == [f"note {number}" for number in range(40)]
    assert journals.appends == 3  # the first alone, all others together, the seal


def test_records_that_nobody_waits_for_go_out_with_the_next_one_that_is() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        for number in range(5):
            journal.append_soon(note(number))
        await asyncio.sleep(0)
        assert journals.appends == 0
        await journal.append(note(5))
        assert journals.appends == 1

    written(act, journals)
    assert len([r for r in journals.records_of("r1") if r["t"] == "note"]) == 6


def test_a_frame_holds_at_most_fifty_records_and_a_segment_256() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        for number in range(700):
            journal.append_soon(note(number))

    written(act, journals)
    segments = journals.read_log("r1", "main")
    assert [name for name, _ in segments] == [f"000001-{n:06d}.seg" for n in (1, 2, 3)]
    frames = [line.count(b'"n":') for _, data in segments for line in data.splitlines()]
    assert max(frames) == 50
    counts = [sum(line.count(b'"n":') for line in data.splitlines()) for _, data in segments]
    assert counts[:2] == [256, 256]
    records = journals.records_of("r1")
    assert [r["n"] for r in records] == list(range(len(records)))
    assert [r["records"] for r in records if r["t"] == "seal"] == counts


def test_a_frame_holds_at_most_four_mebibytes_and_a_segment_eight() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        for _ in range(13):
            journal.append_soon({"t": "note", "text": "x" * 1_000_000})

    written(act, journals)
    lines = [
        [len(line) for line in data.splitlines()] for _, data in journals.read_log("r1", "main")
    ]
    assert max(max(sizes) for sizes in lines) <= 4 * 1024 * 1024 + 20
    assert len(lines) == 2


def test_the_next_process_starts_a_new_segment_and_knows_the_state() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        await journal.append({"t": "unit_end", "unit": "a", "attempt": 1, "status": "succeeded"})

    written(act, journals)

    async def again(journal: Journal) -> None:
        assert journal.state.finished("a") is not None
        assert journal.state.records == 3
        await journal.append(note(1))

    written(again, journals)
    assert [name for name, _ in journals.read_log("r1", "main")] == [
        "000001-000001.seg",
        "000002-000001.seg",
    ]
    assert [r["n"] for r in journals.records_of("r1")] == list(range(6))


def test_closing_writes_the_status_and_what_still_waits_once() -> None:
    journals = BreakableJournals()

    async def run() -> None:
        journal = opened(journals)
        journal.append_soon(note(1))
        await journal.close("succeeded")
        await journal.close("failed")
        with pytest.raises(StoreError, match="closed"):
            journal.append_soon(note(2))

    asyncio.run(run())
    assert [r["t"] for r in journals.records_of("r1")] == ["open", "note", "close", "seal"]
    journal = open_journal(journals, "r1", clock=ManualClock(), faults=NoFaults())
    assert journal.state.status == "succeeded"
    asyncio.run(journal.close())
    assert journals.records_of("r1")[-1]["t"] == "seal"


def test_a_store_that_fails_ends_the_journal_for_everybody() -> None:
    journals = BreakableJournals(good_appends=1)

    async def act(journal: Journal) -> None:
        await journal.append(note(1))
        results = await asyncio.gather(
            *(journal.append(note(number)) for number in range(2, 60)), return_exceptions=True
        )
        assert {getattr(result, "code", "") for result in results} == {"storage_full"}
        assert journal.failed is not None
        with pytest.raises(StoreError) as refusal:
            journal.append_soon(note(99))
        assert refusal.value.code == "storage_full"

    written(act, journals)
    assert [r["t"] for r in journals.records_of("r1")] == ["open", "note"]
    assert journals.appends == 2  # a failed append is not repeated


def test_a_failed_journal_lets_the_next_process_in() -> None:
    journals = BreakableJournals(good_appends=0)

    async def act(journal: Journal) -> None:
        with pytest.raises(StoreError):
            await journal.append(note(1))

    written(act, journals)
    journals.good_appends = 10**9
    opened(journals)


def test_what_is_no_json_is_refused_and_harms_nobody_else() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        with pytest.raises(ValueError, match="not JSON"):
            await journal.append({"t": "note", "value": float("nan")})
        await journal.append(note(1))

    written(act, journals)
    assert [r["n"] for r in journals.records_of("r1")] == [0, 1, 2]


def test_a_cancelled_writer_leaves_its_record_in_place() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        first = asyncio.ensure_future(journal.append(note(1)))
        second = asyncio.ensure_future(journal.append(note(2)))
        await asyncio.sleep(0)
        second.cancel()
        await first
        await asyncio.gather(second, return_exceptions=True)
        await journal.append(note(3))

    written(act, journals)
    texts = [r["text"] for r in journals.records_of("r1") if r["t"] == "note"]
    assert texts == ["note 1", "note 2", "note 3"]


def test_a_large_value_goes_to_a_blob_first_and_comes_back() -> None:
    journals = BreakableJournals()
    large = {"text": "ä" * 40_000}

    async def act(journal: Journal) -> None:
        small = await journal.field("result", {"text": "x"})
        assert small == {"result": Encoded(b'{"text":"x"}')}
        reference = await journal.field("result", large)
        assert list(reference) == ["result_ref"]
        assert reference["result_ref"]["bytes"] == 80_000 + len('{"text":""}')
        assert journal.value("result", reference) == large
        assert journal.value("result", small) == {"text": "x"}
        assert journal.value("other", small) is None

    written(act, journals)
    assert [key[:6] for key in journals.blobs("r1").list()] == ["blobs/"]


def code_of(journal: Journal, record: dict[str, Any]) -> str:
    with pytest.raises(StoreError) as failure:
        journal.value("result", record)
    return failure.value.code


def test_a_blob_that_was_lost_or_changed_is_damage() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        reference = await journal.field("result", "x" * 70_000)
        key = next(iter(journals.blobs("r1").list()))
        journals.blobs("r1").put(key, b'"another"')
        assert code_of(journal, reference) == "journal_damaged"
        journals.blobs("r1").delete(key)
        assert code_of(journal, reference) == "journal_damaged"

    written(act, journals)


def test_a_torn_tail_is_cut_kept_beside_and_told() -> None:
    journals = BreakableJournals()
    written(lambda journal: journal.append(note(1)), journals)
    segments = journals.segments_of("r1")
    whole = segments["000001-000001.seg"]
    without_seal = whole[: whole.rindex(b"\n", 0, -1) + 1]
    segments["000001-000001.seg"] = without_seal + b"70:0000"
    journal = opened(journals)
    assert journal.torn is not None
    assert journal.torn.lost_bytes == 7
    assert "7 bytes" in journal.torn.message
    assert segments["000001-000001.seg"] == without_seal
    assert segments["000001-000001.seg.torn"] == b"70:0000"
    asyncio.run(journal.close())


def test_damage_is_an_error_that_names_the_place_and_the_way_out() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        await journal.append({"t": "unit_begin", "unit": "draft", "attempt": 1})
        await journal.append(note(1))
        await journal.append(note(2))

    written(act, journals)
    segments = journals.segments_of("r1")
    segments["000001-000001.seg"] = segments["000001-000001.seg"].replace(b"note 1", b"note X")
    for _ in range(2):  # refusing leaves no lock behind
        with pytest.raises(StoreError) as damage:
            opened(journals)
        assert damage.value.code == "journal_damaged"
    for word in ("000001-000001.seg", "draft", "pipex journal repair r1"):
        assert word in damage.value.message


# -- work behind the writing


def test_work_is_done_when_all_that_was_appended_before_is_durable() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        journal.append_soon(note(1))
        journal.append_soon(note(2))
        waiting = asyncio.ensure_future(journal.append(note(3)))
        written = await journal.after_writing(lambda: texts_of(journals))
        assert written == ["note 1", "note 2"]
        await waiting

    written(act, journals)
    assert texts_of(journals) == ["note 1", "note 2", "note 3"]


def test_no_work_is_done_when_the_store_fails_and_everybody_learns_it() -> None:
    journals = BreakableJournals(good_appends=0)
    done: list[str] = []

    async def act(journal: Journal) -> None:
        journal.append_soon(note(1))
        with pytest.raises(StoreError, match="no space left"):
            await journal.after_writing(lambda: done.append("work"))
        for again in (journal.append(note(2)), journal.after_writing(lambda: None)):
            with pytest.raises(StoreError, match="no space left"):
                await again
        assert journal.failed is not None

    written(act, journals)
    assert done == []


def test_work_that_fails_leaves_the_journal_as_it_is() -> None:
    journals = BreakableJournals()

    def fail() -> None:
        raise StoreError("the checkpoint was not saved")

    async def act(journal: Journal) -> None:
        journal.append_soon(note(1))
        with pytest.raises(StoreError, match="the checkpoint"):
            await journal.after_writing(fail)
        await journal.append(note(2))

    written(act, journals)
    assert texts_of(journals) == ["note 1", "note 2"]


def test_records_are_written_although_nobody_waits_for_the_work_any_more() -> None:
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        journal.append_soon(note(1))
        working = asyncio.ensure_future(journal.after_writing(lambda: None))
        await asyncio.sleep(0)
        working.cancel()
        await journal.append(note(2))

    written(act, journals)
    assert texts_of(journals) == ["note 1", "note 2"]
