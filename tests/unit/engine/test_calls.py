"""The journal of a unit's calls: found again after a crash, unless the calls are others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipex_core.engine.calls import CountedLog, JournalCallLog
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.errors import RateLimited
from pipex_core.llm.provider import Begun, Response, ToolCall, Usage
from tests.fakes.clock import ManualClock
from tests.fakes.journals import BreakableJournals, NoFaults

Result = TypeVar("Result")

call = Begun(
    unit="a",
    ordinal=0,
    request="digest",
    attempt=1,
    provider="anthropic",
    model="m",
    reserved_nanousd=900,
    reserved_tokens=70,
)
response = Response(
    text="häufig",
    finish_reason="tool_calls",
    usage=Usage(input=3, cache_read=2, output=5, thinking=1),
    model_served="m-2026",
    tool_calls=(ToolCall(id="t1", name="Read", arguments={"path": "x"}),),
    latency_ms=12.0,
    ttft_ms=4,
    request_id="q1",
    cost_nanousd=44,
    price_id="row",
    raw={"stop_reason": "tool_use"},
)


def with_journal(
    journals: BreakableJournals, act: Callable[[Journal], Awaitable[Result]]
) -> Result:
    async def run() -> Result:
        journal = open_journal(journals, "r1", clock=ManualClock(), faults=NoFaults())
        journal.start({"run_id": "r1"})
        result = await act(journal)
        await journal.close()
        return result

    return asyncio.run(run())


def interrupted(text: str = "häufig") -> BreakableJournals:
    """Journals in which unit ``a`` has one answered call and no end."""
    journals = BreakableJournals()

    async def act(journal: Journal) -> None:
        log = JournalCallLog(journal, "a")
        await log.begin(call, wait=True)
        answer = Response(text=text, usage=Usage(output=1), cost_nanousd=44)
        await log.done(call, response if text == "häufig" else answer, cost_nanousd=44)

    with_journal(journals, act)
    return journals


def test_an_answer_comes_back_as_it_was() -> None:
    async def act(journal: Journal) -> Response | None:
        log = JournalCallLog(journal, "a", before=journal.state.unit("a"))
        return log.answered(log.next_ordinal(), "digest")

    assert with_journal(interrupted(), act) == response


def test_a_long_answer_comes_back_from_its_blob() -> None:
    text = "x" * 70_000

    async def act(journal: Journal) -> Response | None:
        log = JournalCallLog(journal, "a", before=journal.state.unit("a"))
        return log.answered(0, "digest")

    found = with_journal(interrupted(text), act)
    assert found is not None
    assert found.text == text


def test_records_have_the_fields_of_the_specification() -> None:
    journals = interrupted()
    begin, done = journals.records_of("r1")[1:3]
    identity = {"unit": "a", "ordinal": 0, "request": "digest", "attempt": 1}
    assert (
        begin.items()
        >= {
            **identity,
            "t": "begin",
            "provider": "anthropic",
            "model": "m",
            "reserved_nanousd": 900,
            "reserved_tokens": 70,
        }.items()
    )
    assert (
        done.items()
        >= {
            **identity,
            "t": "done",
            "cost_nanousd": 44,
            "price_id": "row",
            "model_served": "m-2026",
            "request_id": "q1",
            "latency_ms": 12,
        }.items()
    )
    assert done["usage"] == {"input": 3, "cache_read": 2, "output": 5, "thinking": 1}


def test_a_failure_is_kept_with_its_wait() -> None:
    journals = BreakableJournals()
    error = RateLimited("slow", status=429, retry_after_s=1.5, detail="quota")

    async def act(journal: Journal) -> None:
        log = JournalCallLog(journal, "a")
        await log.begin(call, wait=False)
        await log.fail(call, error, cost_nanousd=0)
        await log.fail(call, RateLimited("slow"), cost_nanousd=3)

    with_journal(journals, act)
    fails = [record for record in journals.records_of("r1") if record["t"] == "fail"]
    assert (
        fails[0].items()
        >= {
            "kind": "rate_limit",
            "detail": "quota",
            "status": 429,
            "cost_nanousd": 0,
            "maybe_billed": False,
            "retry_after_ms": 1500,
        }.items()
    )
    assert (fails[1]["retry_after_ms"], fails[1]["cost_nanousd"]) == (None, 3)


def test_another_call_at_the_same_place_ends_the_use_of_old_answers() -> None:
    async def act(journal: Journal) -> None:
        log = JournalCallLog(journal, "a", before=journal.state.unit("a"))
        assert log.answered(0, "another") is None
        assert log.divergence is not None
        assert "call 0 of a" in log.divergence.message
        assert log.answered(0, "digest") is None

    with_journal(interrupted(), act)


def test_a_new_try_knows_nothing_of_the_one_before() -> None:
    async def act(journal: Journal) -> None:
        log = JournalCallLog(journal, "a")
        assert log.unit == "a"
        assert [log.next_ordinal(), log.next_ordinal()] == [0, 1]
        assert log.answered(0, "digest") is None
        assert log.attempts_so_far(0, "digest") == 0
        assert log.divergence is None

    with_journal(interrupted(), act)


def test_tries_before_the_restart_are_counted() -> None:
    async def act(journal: Journal) -> None:
        log = CountedLog(JournalCallLog(journal, "a", before=journal.state.unit("a")))
        assert log.attempts_so_far(0, "digest") == 1
        assert log.attempts == 1
        assert log.answered(0, "digest") is not None
        assert log.known_nanousd == 44
        assert log.answered(1, "digest") is None
        assert (log.unit, log.next_ordinal(), log.attempts) == ("a", 0, 0)

    with_journal(interrupted(), act)
