"""Asking the target: bounded, durable before it counts, resumable, and the same table in any order."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from pipex_core.engine.journal import Journal, open_journal
from pipex_core.errors import StoreError
from pipex_core.evals.answers import Answer
from pipex_core.evals.progress import Progress
from pipex_core.evals.respond import Ask, CaseLog, Lookup, Respond, Responses, Rules, Unit
from pipex_core.evals.results import ResponseRow, classes
from pipex_core.evals.suite import Case
from pipex_core.evals.table import row_digest
from pipex_core.telemetry import Event, RunEvents
from tests.fakes.clock import ManualClock
from tests.fakes.journals import BreakableJournals, NoFaults


def units(count: int) -> list[Unit]:
    return [
        Unit(case=Case(id=f"c{i:03}", input=f"q{i}"), repeat=0, key=f"key{i}") for i in range(count)
    ]


def row(unit: Unit, answer: Answer) -> ResponseRow:
    return ResponseRow(
        case_id=unit.case.id,
        repeat=unit.repeat,
        case_hash="c",
        input_hash="i",
        reference_hash="r",
        response_key=unit.key,
        response_hash="h",
        status=answer.status,
        response_class=classes[answer.status],
        input=unit.case.input,
        output=answer.text,
        error_code=answer.error_code,
        attempts=answer.attempts,
    )


class Target:
    """Answers by case id from a script, the last line repeating, and counts."""

    def __init__(self, script: dict[str, Sequence[Answer]] | None = None) -> None:
        self.script = script or {}
        self.asked: list[str] = []
        self.in_flight = 0
        self.at_once = 0
        self.pause: Callable[[Unit], Awaitable[None]] = _turn

    async def __call__(self, unit: Unit, attempt: int) -> Answer:
        self.asked.append(unit.case.id)
        self.in_flight += 1
        self.at_once = max(self.at_once, self.in_flight)
        try:
            await self.pause(unit)
        finally:
            self.in_flight -= 1
        lines = self.script.get(unit.case.id, [Answer(status="ok", text=f"a:{unit.case.input}")])
        return lines[min(attempt, len(lines)) - 1]


async def _turn(unit: Unit) -> None:
    del unit
    await asyncio.sleep(0)


class Bench:
    """One respond phase with fakes around it."""

    def __init__(self, target: Target | None = None, **rules: Any) -> None:
        self.target = target or Target()
        self.clock = ManualClock(auto=True)
        self.journals = BreakableJournals()
        self.events: list[Event] = []
        self.rules = Rules(**rules)
        self.carried: dict[str, Answer] = {}
        self.batches: list[tuple[int, int]] = []  # (cases asked by then, rows)

    def open(self) -> Journal:
        journal = open_journal(self.journals, "ev_1", clock=self.clock, faults=NoFaults())
        journal.start({"run_id": "ev_1"})
        return journal

    async def respond(
        self, todo: Sequence[Unit], journal: Journal | None, source: Ask | Lookup | None = None
    ) -> Responses:
        sink = RunEvents(run_id="ev_1", clock=self.clock, listener=self.events.append)
        phase = Respond(
            row_of=row,
            class_of=lambda answer: classes[answer.status],
            source=source or Ask(self.target),
            carried=lambda unit: self.carried.get(unit.key),
            log=CaseLog(journal),
            progress=Progress(total=len(todo), events=sink, clock=self.clock),
            clock=self.clock,
            rules=self.rules,
            packed=lambda batch: self.batches.append((len(self.target.asked), batch.num_rows)),
        )
        return await phase.run(todo)

    def run(self, todo: Sequence[Unit], source: Ask | Lookup | None = None) -> Responses:
        async def once() -> Responses:
            journal = self.open()
            try:
                return await self.respond(todo, journal, source)
            finally:
                await journal.close()

        return asyncio.run(once())

    def ends(self) -> Counter[str]:
        records = self.journals.records_of("ev_1")
        return Counter(one["unit"] for one in records if one["t"] == "unit_end")


def test_rows_are_handed_on_in_batches_while_others_are_still_asked() -> None:
    bench = Bench(Target({"c0001": [Answer(status="infra_error", error_code="server_error")]}))
    bench.run(units(1_500))
    (asked, rows), *rest = bench.batches
    assert (rows, sum(one for _, one in rest)) == (1_000, 500)
    assert asked < 1_100


def by_case(found: Responses) -> dict[str, tuple[str, str | None]]:
    columns = found.table.select(["case_id", "status", "output"]).to_pylist()
    return {one["case_id"]: (one["status"], one["output"]) for one in columns}


def test_every_case_is_asked_once_and_answered_in_one_row() -> None:
    bench = Bench(at_once=4)
    found = bench.run(units(25))
    assert Counter(bench.target.asked) == {f"c{i:03}": 1 for i in range(25)}
    assert by_case(found) == {f"c{i:03}": ("ok", f"a:q{i}") for i in range(25)}
    assert found.stopped is None


def test_never_more_cases_are_in_flight_than_allowed_and_never_fewer_than_possible() -> None:
    bench = Bench(at_once=7)
    bench.run(units(60))
    assert bench.target.at_once == 7


def test_ten_thousand_cases_are_never_ten_thousand_tasks() -> None:
    most = 0

    async def count(unit: Unit) -> None:
        nonlocal most
        del unit
        most = max(most, len(asyncio.all_tasks()))
        await asyncio.sleep(0)

    bench = Bench(at_once=5)
    bench.target.pause = count
    bench.run(units(400))
    assert most <= 1 + 2 * 5


def test_the_table_does_not_depend_on_concurrency_or_order_of_completion() -> None:
    def digest_at(at_once: int, turns: Callable[[int], int]) -> str:
        async def wait(unit: Unit) -> None:
            for _ in range(turns(int(unit.case.id[1:]))):
                await asyncio.sleep(0)

        bench = Bench(at_once=at_once)
        bench.target.pause = wait
        return row_digest({"responses": bench.run(units(40)).table})

    digests = {
        digest_at(1, lambda i: i % 2),
        digest_at(8, lambda i: (i * 7) % 5),
        digest_at(40, lambda i: 40 - i),
    }
    assert len(digests) == 1


def test_a_row_counts_only_after_it_is_durable() -> None:
    bench = Bench(at_once=3)
    ahead: list[int] = []

    async def watched() -> None:
        journal = bench.open()
        finished = 0

        def look(event: Event) -> None:
            nonlocal finished
            finished += event.kind == "case_finished"
            ahead.append(finished - sum(bench.ends().values()))

        sink = RunEvents(run_id="ev_1", clock=bench.clock, listener=look)

        phase = Respond(
            row_of=row,
            class_of=lambda answer: classes[answer.status],
            source=Ask(bench.target),
            carried=lambda _: None,
            log=CaseLog(journal),
            progress=Progress(total=20, events=sink, clock=bench.clock),
            clock=bench.clock,
            rules=bench.rules,
        )
        await phase.run(units(20))
        await journal.close()

    asyncio.run(watched())
    assert max(ahead) == 0


def test_a_run_killed_anywhere_asks_exactly_the_open_rows_when_it_is_resumed() -> None:
    bench = Bench(at_once=4)

    async def killed() -> None:
        journal = bench.open()
        stop = asyncio.Event()

        async def until_the_tenth(_: Unit) -> None:
            await asyncio.sleep(0)
            if len(bench.target.asked) > 10:
                stop.set()
                await asyncio.Event().wait()

        bench.target.pause = until_the_tenth
        work = asyncio.create_task(bench.respond(units(30), journal))
        await stop.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await journal.close()

    asyncio.run(killed())
    durable = {name.removeprefix("case:").removesuffix("#0") for name in bench.ends()}
    assert 6 <= len(durable) <= 10
    bench.target = Target()
    found = bench.run(units(30))
    assert set(bench.target.asked) == {f"c{i:03}" for i in range(30)} - durable
    assert set(bench.ends().values()) == {1}
    assert by_case(found) == by_case(Bench().run(units(30)))


def test_a_finished_run_is_not_asked_again_at_all() -> None:
    bench = Bench()
    first = bench.run(units(5))
    bench.target = Target()
    assert bench.run(units(5)).table.equals(first.table)
    assert bench.target.asked == []


def test_a_carried_answer_costs_no_call() -> None:
    bench = Bench()
    bench.carried = {"key1": Answer(status="ok", text="old", cache="carried")}
    found = bench.run(units(3))
    assert sorted(bench.target.asked) == ["c000", "c002"]
    assert by_case(found)["c001"] == ("ok", "old")
    last = [event for event in bench.events if event.kind == "progress"][-1]
    assert (last.data["done"], last.data["carried"]) == (3, 1)


def test_an_open_row_gets_a_second_try_after_all_others_ended() -> None:
    answers = [
        Answer(status="rate_limited", error_code="rate_limit"),
        Answer(status="ok", text="4"),
    ]
    bench = Bench(Target({"c001": answers}), at_once=1)
    found = bench.run(units(4))
    assert bench.target.asked == ["c000", "c001", "c002", "c003", "c001"]
    assert by_case(found)["c001"] == ("ok", "4")
    attempts = dict(
        zip(found.table["case_id"].to_pylist(), found.table["attempts"].to_pylist(), strict=True)
    )
    assert attempts == {"c000": 1, "c001": 2, "c002": 1, "c003": 1}


def test_the_second_pass_can_be_turned_off() -> None:
    bench = Bench(
        Target({"c001": [Answer(status="timeout", error_code="timeout")]}), second_pass=False
    )
    found = bench.run(units(3))
    assert (len(bench.target.asked), by_case(found)["c001"]) == (3, ("timeout", None))


def test_a_failure_of_the_target_is_final() -> None:
    failure = Answer(status="target_error", error_code="undefined_reference")
    bench = Bench(Target({"c001": [failure]}))
    bench.run(units(3))
    bench.run(units(3))
    assert bench.target.asked.count("c001") == 1


def test_attempts_of_all_restarts_together_are_bounded() -> None:
    bench = Bench(Target({"c000": [Answer(status="infra_error", error_code="server_error")]}))
    bench.rules = Rules(max_attempts=3)
    for _ in range(4):
        found = bench.run(units(1))
    assert len(bench.target.asked) == 3
    assert found.table["error_code"].to_pylist() == ["attempts_used_up"]


def test_an_error_of_the_account_stops_the_run_and_the_rest_is_cancelled() -> None:
    bench = Bench(Target({"c001": [Answer(status="infra_error", error_code="auth")]}), at_once=1)
    found = bench.run(units(5))
    assert bench.target.asked == ["c000", "c001"]
    assert (found.stopped, found.reason) == ("fatal", "auth")
    statuses = Counter(status for status, _ in by_case(found).values())
    assert statuses == {"ok": 1, "infra_error": 1, "cancelled": 3}


def test_what_a_stop_left_out_is_asked_by_the_next_try() -> None:
    broken = [Answer(status="infra_error", error_code="auth"), Answer(status="ok", text="now")]
    bench = Bench(Target({"c001": broken}), at_once=1)
    bench.run(units(4))
    found = bench.run(units(4))
    assert bench.target.asked == ["c000", "c001", "c001", "c002", "c003"]
    assert {status for status, _ in by_case(found).values()} == {"ok"}


def test_a_host_that_cannot_be_reached_in_the_first_five_calls_stops_the_run() -> None:
    gone = [Answer(status="infra_error", error_code="connection")]
    bench = Bench(Target({f"c{i:03}": gone for i in range(20)}), at_once=1)
    found = bench.run(units(20))
    assert (len(bench.target.asked), found.stopped) == (5, "fatal")


def test_a_later_outage_does_not_stop_the_run() -> None:
    gone = [Answer(status="infra_error", error_code="connection")]
    bench = Bench(Target({f"c{i:03}": gone for i in range(1, 20)}), at_once=1, second_pass=False)
    found = bench.run(units(20))
    assert (len(bench.target.asked), found.stopped) == (20, None)


def test_the_end_of_the_budget_lets_running_cases_finish_and_starts_no_new_one() -> None:
    refused = Answer(status="not_run_budget", error_code="budget_exceeded")
    bench = Bench(Target({"c004": [refused]}), at_once=3)
    found = bench.run(units(12))
    assert (found.stopped, found.reason) == ("budget", "budget_exceeded")
    assert len(bench.target.asked) < 9
    statuses = Counter(status for status, _ in by_case(found).values())
    assert statuses["ok"] + statuses["not_run_budget"] == 12


def test_no_case_starts_after_the_time_of_the_run_is_over() -> None:
    bench = Bench(at_once=1, deadline=2.5)

    async def one_second(unit: Unit) -> None:
        del unit
        await bench.clock.sleep(1.0)

    bench.target.pause = one_second
    found = bench.run(units(5))
    assert len(bench.target.asked) == 3
    assert (found.stopped, found.table["error_code"].to_pylist()[-1]) == (
        "max_time",
        "stopped_max_time",
    )


def test_a_full_disk_ends_the_run_with_its_error_and_asks_nothing_more() -> None:
    bench = Bench(at_once=2)
    bench.journals.good_appends = 3
    with pytest.raises(StoreError) as failure:
        bench.run(units(50))
    assert failure.value.code == "storage_full"
    assert len(bench.target.asked) <= 3 + 2 * 2


def test_recorded_answers_are_looked_up_without_a_task_and_are_durable_all_the_same() -> None:
    bench = Bench()
    most: list[int] = []

    def find(unit: Unit) -> Answer:
        most.append(len(asyncio.all_tasks()))
        return Answer(status="ok", text=unit.case.input.upper())

    found = bench.run(units(120), Lookup(find))
    assert by_case(found)["c119"] == ("ok", "Q119")
    assert (max(most), len(bench.ends())) == (1, 120)
    # One sync for 50 rows: three, and one for the seal.
    assert bench.journals.appends <= 5


def test_a_case_without_a_recorded_answer_is_skipped_and_stays_open() -> None:
    bench = Bench()
    found = bench.run(units(1), Lookup(lambda _: Answer(status="skipped")))
    assert by_case(found) == {"c000": ("skipped", None)}
    again = bench.run(units(1), Lookup(lambda _: Answer(status="ok", text="found")))
    assert by_case(again) == {"c000": ("ok", "found")}


def test_without_a_journal_the_rows_are_the_same() -> None:
    bench = Bench(at_once=3)
    found = asyncio.run(bench.respond(units(10), None))
    assert found.table.equals(Bench().run(units(10)).table)


def test_events_are_gapless_and_every_case_starts_and_finishes() -> None:
    bench = Bench(at_once=3)
    bench.run(units(6))
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    kinds = Counter(event.kind for event in bench.events)
    assert (kinds["case_started"], kinds["case_finished"]) == (6, 6)
    assert bench.events[-1].kind == "progress"
    assert bench.events[-1].data["done"] == 6


def test_a_large_run_is_packed_on_the_way_and_comes_out_in_order() -> None:
    many = [Unit(case=Case(id=f"c{i:05}", input="q"), repeat=0, key=str(i)) for i in range(4_100)]
    found = Bench().run(many[::-1], Lookup(lambda _: Answer(status="ok", text="x")))
    assert found.table["case_id"].to_pylist() == [unit.case.id for unit in many]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status="ok", text="x" * 100_000),
        Answer(status="ok", text="\x01" * 8_192),
        Answer(status="ok", text="{}", json={"a": ["x" * 70_000]}, has_json=True),
        Answer(status="ok", text="", tool_calls=[{"name": "t", "arguments": {}}]),
    ],
)
def test_large_and_structured_answers_come_back_from_the_journal(answer: Answer) -> None:
    bench = Bench()
    first = bench.run(units(1), Lookup(lambda _: answer))
    again = bench.run(units(1), Lookup(lambda _: Answer(status="skipped")))
    assert again.table.equals(first.table)
    largest = max(len(data) for data in bench.journals.segments_of("ev_1").values())
    assert largest < 64 * 1024
