"""Streaming handlers on a terminal and in a file."""

import io
from datetime import UTC, datetime

import pytest

from pipex_core.adapters.streams import terminal_watchers
from pipex_core.engine.services import Watched
from pipex_core.telemetry import Event

AGAIN = "<again>"


class Screen:
    """A terminal and an output directory.

    Attributes:
        files: What was written, in order, as (path, text).
    """

    def __init__(self, handler: str, *, buffer_size: int | None = None) -> None:
        self._stream = io.StringIO()
        self.files: list[tuple[str, str]] = []
        watched = Watched(path="loop[0]/say", buffer_size=buffer_size, write_output=self._write)
        self._listener = terminal_watchers(self._stream)[handler](watched)
        self._seq = 0

    def show(self, *pieces: str) -> str:
        """What stands on the terminal after these pieces and the end."""
        for piece in pieces:
            self._tell("" if piece == AGAIN else piece, restart=piece == AGAIN)
        self._tell("", is_end=True)
        return self._stream.getvalue()

    def _tell(self, text: str, *, restart: bool = False, is_end: bool = False) -> None:
        self._seq += 1
        self._listener(
            Event(
                kind="delta",
                run_id="r",
                seq=self._seq,
                at=datetime(2026, 1, 2, tzinfo=UTC),
                step="loop[0]/say",
                data={"text": text, "restart": restart, "is_end": is_end},
            )
        )

    def _write(self, path: str, text: str) -> str:
        self.files.append((path, text))
        return path


@pytest.mark.parametrize(
    ("handler", "shown"),
    [
        ("console", "[loop[0]/say] a\n[again]\n[loop[0]/say] bc\n"),
        ("simple", "a\n[again]\nbc\n"),
        ("buffer", "\n[again]\nbc"),
    ],
)
def test_the_terminal_shows_the_answer_and_that_it_started_over(handler: str, shown: str) -> None:
    assert Screen(handler).show("a", AGAIN, "b", "c") == shown


def test_an_answer_without_text_shows_nothing() -> None:
    assert Screen("console").show() == ""
    assert Screen("buffer").show() == ""


def test_a_buffer_hands_on_what_is_long_enough() -> None:
    assert Screen("buffer", buffer_size=2).show("a", "bc", "d") == "abcd"


def test_debugging_shows_every_piece_on_its_line() -> None:
    at = "2026-01-02T00:00:00+00:00 loop[0]/say"
    assert Screen("debug").show("a\n", AGAIN).splitlines() == [
        f"{at} #1 'a\\n'",
        f"{at} #2 again",
        f"{at} #3 end",
    ]


def test_a_file_holds_the_answer_so_far() -> None:
    screen = Screen("file", buffer_size=2)
    assert screen.show("a", "b", "c", AGAIN, "de", "f") == ""
    path = "streams/loop_0_/say.txt"
    assert screen.files == [(path, "ab"), (path, "de"), (path, "def")]
