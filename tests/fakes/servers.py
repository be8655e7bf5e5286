"""Programs that a test starts beside itself and ends by an interrupt, as a person ends them."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(
    command: Sequence[str | Path], *, folder: Path, log: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that runs as long as the block does, with what it says in ``log`` of its folder.

    Dagster's servers end on an interrupt. A shell starts what it puts in the background with interrupts
    ignored, and children inherit that, so it is undone before the start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (folder / log).open("w") as said:
            process = subprocess.Popen(
                command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
