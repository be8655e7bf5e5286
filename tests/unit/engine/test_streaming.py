"""Answers that somebody looks on at while they are written."""

from typing import Any

from pipex_core.engine.records import RunResult
from pipex_core.engine.services import Watched
from pipex_core.telemetry import Event, Listener
from tests.fakes.world import World


def text(streaming: str = "true", more: str = "") -> str:
    return f"""
workflow:
  name: w
  steps:
    - {{name: say, type: claude, prompt: hi, streaming: {streaming}{more}}}
"""


class Watching:
    """Remembers what the handlers that it makes are told.

    Attributes:
        asked: What each was made for.
        told: (text, restart, is_end) of each event.
    """

    def __init__(self) -> None:
        self.asked: list[Watched] = []
        self.told: list[tuple[str, bool, bool]] = []

    def __call__(self, watched: Watched) -> Listener:
        self.asked.append(watched)
        return self._hear

    def _hear(self, event: Event) -> None:
        data = event.data
        self.told.append((data["text"], data["restart"], data["is_end"]))


def run(mock: Any, pipeline: str, handler: str = "callback") -> tuple[RunResult, Watching, World]:
    watching = Watching()
    world = World(mock).with_services(watchers={handler: watching})
    return world.run(pipeline), watching, world


reply = {"responses": [{"reply": "one two"}]}


def test_a_handler_hears_the_text_and_the_run_only_how_much_there_was() -> None:
    result, watching, world = run(reply, text())
    shown = "".join(piece for piece, _, _ in watching.told)
    assert shown == "one two"
    assert watching.told[-1] == ("", False, True)
    deltas = [event for event in world.events if event.kind == "delta"]
    assert sum(event.data["characters"] for event in deltas) == len("one two")
    assert all("text" not in event.data for event in deltas)
    assert result.steps["say"].text == "one two"
    assert "time_to_first_token_ms" in result.steps["say"].metadata


def test_the_record_is_otherwise_that_of_a_step_that_nobody_looks_at() -> None:
    streamed = run(reply, text())[0].steps["say"].as_json()
    silent = run(reply, text("false"))[0].steps["say"].as_json()
    streamed["metadata"].pop("time_to_first_token_ms")
    assert streamed == silent


def test_the_handler_and_its_buffer_are_named_by_the_step() -> None:
    _, watching, _ = run(reply, text("{handler: buffer, buffer_size: 7}"), handler="buffer")
    (watched,) = watching.asked
    assert (watched.path, watched.buffer_size) == ("say", 7)
    assert watched.write_output("streams/say.txt", "x") == "streams/say.txt"


def test_a_handler_that_is_not_there_is_nobody() -> None:
    result, watching, world = run(reply, text("{handler: file}"))
    assert result.success
    assert watching.told == []
    assert any(event.kind == "delta" for event in world.events)


def test_nobody_looks_on_unless_the_step_says_so() -> None:
    for streaming in ("false", "{enabled: false}"):
        _, watching, world = run(reply, text(streaming))
        assert watching.asked == []
        assert not any(event.kind == "delta" for event in world.events)


def test_a_repaired_answer_voids_the_one_before() -> None:
    rules = {"responses": [{"replies": ["no", '{"a": 1}']}]}
    more = ", repair: 1, output_schema: {type: object}"
    result, watching, _ = run(rules, text(more=more))
    assert result.steps["say"].data == {"a": 1}
    restart = [piece[1] for piece in watching.told].index(True)
    assert "".join(piece for piece, _, _ in watching.told[restart:]) == '{"a": 1}'


def test_a_handler_that_breaks_changes_nothing() -> None:
    def broken(watched: Watched) -> Listener:
        def hear(event: Event) -> None:
            raise RuntimeError(f"{watched.path} {event.seq}")

        return hear

    world = World(reply).with_services(watchers={"callback": broken})
    assert world.run(text()).steps["say"].text == "one two"
