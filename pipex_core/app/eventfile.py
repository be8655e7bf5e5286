"""Events of runs as JSON lines in a file, without secrets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pipex_core.app.settings import Settings
from pipex_core.errors import ConfigError
from pipex_core.evals.answers import cleaned
from pipex_core.jsonvalue import compact
from pipex_core.secrets import Redactor
from pipex_core.telemetry import Event


@dataclass(slots=True)
class EventFile:
    """A listener that writes one object per event, as soon as it is told: ``tail -f`` shows the run."""

    file: TextIO
    redact: Callable[[str], str] = field(default=str)

    def __call__(self, event: Event) -> None:
        """Write the event."""
        line = {
            "event": event.kind,
            "run_id": event.run_id,
            "seq": event.seq,
            "at": event.at.isoformat(),
            "step": event.step,
            "data": dict(event.data),
        }
        self.file.write(f"{compact(cleaned(line, self.redact))}\n")
        self.file.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self.file.close()


def open_event_file(path: str, settings: Settings) -> EventFile:
    """A file for the events of runs; what it held before is replaced.

    Raises:
        ConfigError: ``folder_not_writable``, it cannot be made.
    """
    try:
        file = Path(path).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115 - closed by ``close``
    except OSError as exc:
        message = f"--events {path}: cannot write the file: {exc.strerror}"
        raise ConfigError(message, code="folder_not_writable") from exc
    return EventFile(file, Redactor(secrets=settings.secrets()).text)
