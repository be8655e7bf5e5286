"""Sessions: whole exchanges, limits, and a store that keeps them between runs."""

from dataclasses import replace

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import StepError, StoreError
from pipex_core.jsonvalue import canonical_bytes
from pipex_core.llm.provider import Message
from pipex_core.llm.session import Session, SessionStore, Turn, session_key


def talked(*steps: str, name: str = "s", run_id: str = "r1") -> Session:
    session = Session(name=name)
    for step in steps:
        session = session.with_exchange(
            asked=f"{step}?",
            answered=f"{step}!",
            step=step,
            run_id=run_id,
            cost_nanousd=250_000_000,
        )
    return session


def test_an_exchange_adds_both_turns_or_none() -> None:
    empty = Session(name="s")
    session = talked("a")
    assert (len(empty.turns), empty.exchanges) == (0, 0)
    assert [turn.as_json() for turn in session.turns] == [
        {"role": "user", "text": "a?", "step": "a", "run_id": "r1", "cost_usd": 0.0},
        {"role": "assistant", "text": "a!", "step": "a", "run_id": "r1", "cost_usd": 0.25},
    ]
    assert (session.exchanges, session.cost_nanousd) == (1, 250_000_000)


def test_one_exchange_more_than_allowed_is_refused_before_the_call() -> None:
    talked("a").check_room(2)
    with pytest.raises(StepError) as caught:
        talked("a", "b").check_room(2)
    assert caught.value.code == "session_limit"


def test_earlier_turns_stand_before_the_next_request() -> None:
    assert talked("a").messages() == (
        Message(role="user", text="a?"),
        Message(role="assistant", text="a!"),
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (1, "assistant: b!"),
        (3, "assistant: a!\nuser: b?\nassistant: b!"),
        (9, "user: a?\nassistant: a!\nuser: b?\nassistant: b!"),
    ],
)
def test_the_last_turns_are_lines_oldest_first(count: int, text: str) -> None:
    assert talked("a", "b").last_n(count) == text


def test_turns_of_steps_that_did_not_finish_are_dropped_on_resume() -> None:
    session = talked("a", "b")
    session = replace(session, turns=(*talked("b", run_id="r0").turns, *session.turns))
    kept = session.kept(run_id="r1", is_finished=lambda step: step == "a")
    assert [(turn.run_id, turn.step) for turn in kept.turns] == [
        *(("r0", "b"), ("r0", "b")),
        *(("r1", "a"), ("r1", "a")),
    ]


def test_a_stored_session_goes_on_in_a_later_run() -> None:
    blobs = MemoryBlobs()
    SessionStore(blobs).save(talked("a", name="größe/x"))
    assert SessionStore(blobs).load("größe/x") == talked("a", name="größe/x")
    assert SessionStore(blobs).load("other") == Session(name="other")


@pytest.mark.parametrize("name", ["a", "..", "a/b", "x" * 500, "größe", " "])
def test_every_name_has_a_key_of_its_own(name: str) -> None:
    key = session_key(name)
    assert key.startswith("sessions/")
    assert len(key) < 150
    assert key.count("/") == 1
    assert key != session_key(f"{name}.")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "storage_error"),
        (b"\xff", "storage_error"),
        (b"[]", "storage_error"),
        (canonical_bytes({"schema": "pipex.session/2"}), "schema_too_new"),
        (canonical_bytes({"schema": "pipex.session/1"}), "storage_error"),
        (
            canonical_bytes({"schema": "pipex.session/1", "name": "s", "turns": [{"x": 1}]}),
            "storage_error",
        ),
    ],
)
def test_a_damaged_session_is_never_a_fresh_one(data: bytes, code: str) -> None:
    blobs = MemoryBlobs()
    blobs.put(session_key("s"), data)
    with pytest.raises(StoreError) as caught:
        SessionStore(blobs).load("s")
    assert caught.value.code == code


def test_the_first_version_of_a_session_is_still_read() -> None:
    document = {
        "schema": "pipex.session/1",
        "name": "s",
        "turns": [
            {"role": "user", "text": "q", "step": "a", "run_id": "r", "cost_nanousd": 0},
            {"role": "assistant", "text": "a", "step": "a", "run_id": "r", "cost_nanousd": 7},
        ],
    }
    assert Session.from_stored(document).turns == (
        Turn(role="user", text="q", step="a", run_id="r"),
        Turn(role="assistant", text="a", step="a", run_id="r", cost_nanousd=7),
    )
    assert Session.from_stored(document).stored() == document
