"""What a journal says: the rules of the fold, record by record."""

from typing import Any

import pytest

from pipex_core.engine.fold import RunState, fold
from pipex_core.errors import StoreError


def journal(*records: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"epoch": 1, "n": number, **record} for number, record in enumerate(records)]


def begin(unit: str, *, ordinal: int = 0, attempt: int = 1, request: str = "q") -> dict[str, Any]:
    return {
        "t": "begin",
        "unit": unit,
        "ordinal": ordinal,
        "request": request,
        "attempt": attempt,
        "reserved_nanousd": 70,
    }


def done(unit: str, *, ordinal: int = 0, attempt: int = 1, request: str = "q") -> dict[str, Any]:
    usage = {"input": 3, "cache_read": 4, "output": 5}
    call = {"unit": unit, "ordinal": ordinal, "request": request, "attempt": attempt}
    return {"t": "done", **call, "usage": usage, "cost_nanousd": 10, "reply": {"text": "a"}}


def unit_begin(unit: str, attempt: int = 1) -> dict[str, Any]:
    return {"t": "unit_begin", "unit": unit, "attempt": attempt}


def unit_end(unit: str, status: str, attempt: int = 1) -> dict[str, Any]:
    return {"t": "unit_end", "unit": unit, "status": status, "attempt": attempt, "result": {}}


opening = {"t": "open", "schema": "pipex.journal/1", "run_id": "r1", "plan_digest": "p"}


def test_an_empty_journal_is_an_empty_state() -> None:
    assert fold([]) == RunState()


def test_a_durable_answer_is_known_while_its_unit_is_open() -> None:
    state = fold(journal(opening, unit_begin("a"), begin("a"), done("a")))
    assert state.units["a"].answers[0].done["reply"] == {"text": "a"}
    assert (state.spent_nanousd, state.input_tokens, state.output_tokens) == (10, 7, 5)
    assert (state.calls, state.in_doubt) == (1, [])


def test_a_call_without_an_end_is_in_doubt_and_counts_as_reserved() -> None:
    state = fold(journal(opening, begin("a"), done("a"), begin("b")))
    assert [call["unit"] for call in state.in_doubt] == ["b"]
    assert state.spent_nanousd == 10 + 70


def test_a_call_in_doubt_stays_in_doubt_when_it_is_sent_again_later() -> None:
    first = journal(opening, begin("a"))
    second = [
        {**record, "epoch": 2} for record in journal(opening, begin("a", attempt=1), done("a"))
    ]
    state = fold(first + second)
    assert len(state.in_doubt) == 1
    assert state.spent_nanousd == 70 + 10


def test_a_failed_call_costs_what_it_says_and_is_a_try() -> None:
    fail = {**begin("a"), "t": "fail", "cost_nanousd": 4}
    state = fold(journal(opening, begin("a"), fail, begin("a", attempt=2)))
    assert state.units["a"].tries == {(0, "q"): 2}
    assert state.spent_nanousd == 4 + 70


@pytest.mark.parametrize("status", ["succeeded", "skipped"])
def test_a_unit_that_ended_well_is_finished(status: str) -> None:
    state = fold(journal(opening, unit_begin("a"), unit_end("a", status)))
    ended = state.finished("a")
    assert ended is not None
    assert ended["status"] == status
    assert state.finished("never") is None


def test_a_unit_that_failed_starts_over_without_its_answers_and_keeps_finished_parts() -> None:
    state = fold(
        journal(
            opening,
            unit_begin("a"),
            unit_begin("a/part"),
            unit_end("a/part", "succeeded"),
            begin("a"),
            done("a"),
            unit_end("a", "failed"),
        )
    )
    assert state.finished("a") is None
    assert state.units["a"].answers == {}
    assert state.units["a"].tries == {}
    assert state.finished("a/part") is not None


def test_an_interrupted_unit_that_began_again_keeps_its_answers() -> None:
    state = fold(journal(opening, unit_begin("a"), done("a"), unit_begin("a", attempt=2)))
    assert 0 in state.units["a"].answers
    assert state.units["a"].attempt == 2


def test_a_failed_unit_that_began_again_is_open() -> None:
    state = fold(journal(opening, unit_end("a", "failed"), unit_begin("a", attempt=2), done("a")))
    assert state.units["a"].end is None
    assert list(state.units["a"].answers) == [0]


def test_failed_tries_are_counted_until_the_unit_ends() -> None:
    again = {"t": "retry_unit", "unit": "a", "attempt": 1, "code": "worker_died", "row": 2}
    state = fold(journal(opening, unit_begin("a"), begin("a"), done("a"), again))
    assert state.units["a"].failed_tries == 1
    assert (state.units["a"].answers, state.units["a"].tries) == ({}, {})
    assert fold(journal(opening, again, unit_end("a", "failed"))).units["a"].failed_tries == 0


def test_the_status_is_that_of_the_last_close_unless_somebody_went_on() -> None:
    closed = journal(opening, {"t": "close", "status": "failed"})
    assert fold(closed).status == "failed"
    assert fold([*closed, {**opening, "epoch": 2, "n": 2}]).status is None


def test_the_first_opening_says_what_run_it_is() -> None:
    state = fold(journal(opening, {**opening, "plan_digest": "other"}))
    assert state.header["plan_digest"] == "p"


def test_what_a_newer_pipex_wrote_is_refused_unless_it_may_be_passed_over() -> None:
    assert fold(journal(opening, {"t": "hologram", "optional": True})).records == 2
    for record in ({"t": "hologram"}, {**opening, "schema": "pipex.journal/2"}):
        with pytest.raises(StoreError) as refusal:
            fold(journal(opening, record))
        assert refusal.value.code == "schema_too_new"
