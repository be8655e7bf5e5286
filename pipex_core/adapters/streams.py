"""Streaming handlers: what a person or a program sees of an answer while it is written.

Standard output belongs to results, so the terminal's handlers write to standard error.
"""

import re
from collections.abc import Callable, Mapping
from typing import TextIO

from pipex_core.engine.services import Watched, Watcher
from pipex_core.telemetry import Event, Listener

default_buffer = 1_000  # characters
file_buffer = 8_000

Write = Callable[[str], None]


class _Terminal:
    """Writes an answer as it comes; voids it visibly when it starts over."""

    def __init__(self, write: Write, *, head: str) -> None:
        self._write = write
        self._head = head
        self._has_begun = False

    def __call__(self, event: Event) -> None:
        text = event.data["text"]
        if event.data["restart"]:
            self._write("\n[again]\n")
            self._has_begun = False
        if text and not self._has_begun:
            self._write(self._head)
            self._has_begun = True
        if text:
            self._write(text)
        if event.data["is_end"] and self._has_begun:
            self._write("\n")


class _Debug:
    """One line for each piece: its number, the time and the text as Python writes it."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def __call__(self, event: Event) -> None:
        what = "again" if event.data["restart"] else repr(event.data["text"])
        shown = "end" if event.data["is_end"] else what
        self._write(f"{event.at.isoformat()} {event.step} #{event.seq} {shown}\n")


class _Gathered:
    """Hands pieces on once they hold enough characters, and what is left at the end."""

    def __init__(self, hand_on: Write, *, size: int, void: Callable[[], None]) -> None:
        self._hand_on = hand_on
        self._size = size
        self._void = void
        self._held = ""

    def __call__(self, event: Event) -> None:
        if event.data["restart"]:
            self._held = ""
            self._void()
        self._held += event.data["text"]
        if len(self._held) >= self._size or (event.data["is_end"] and self._held):
            self._hand_on(self._held)
            self._held = ""


class _File:
    """The text so far as a file of the output directory, ``streams/<step path>.txt``."""

    def __init__(self, watched: Watched) -> None:
        name = re.sub(r"[^\w.\-/]", "_", watched.path)
        self._path = f"streams/{name}.txt"
        self._write_output = watched.write_output
        self._text = ""

    def add(self, text: str) -> None:
        """Write the file with ``text`` at its end."""
        self._text += text
        self._write_output(self._path, self._text)

    def void(self) -> None:
        """Write what comes next from the beginning."""
        self._text = ""


def terminal_watchers(stream: TextIO) -> Mapping[str, Watcher]:
    """The handlers ``console simple debug buffer file`` by name; all but the last write to ``stream``."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    def buffered(watched: Watched) -> Listener:
        size = watched.buffer_size or default_buffer
        return _Gathered(write, size=size, void=lambda: write("\n[again]\n"))

    def to_file(watched: Watched) -> Listener:
        file = _File(watched)
        return _Gathered(file.add, size=watched.buffer_size or file_buffer, void=file.void)

    return {
        "console": lambda watched: _Terminal(write, head=f"[{watched.path}] "),
        "simple": lambda _: _Terminal(write, head=""),
        "debug": lambda _: _Debug(write),
        "buffer": buffered,
        "file": to_file,
    }
