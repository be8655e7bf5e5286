"""Runs whose process died, gone on with by a supervisor; those that die again and again are dead letters."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipex_core.app import suitewiring, wiring
from pipex_core.app.evaluations import request_key
from pipex_core.app.pipelines import run_key
from pipex_core.app.settings import Settings
from pipex_core.engine.segments import Verified, examine
from pipex_core.engine.supervision import Standing, most_recoveries, standing_of
from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json, canonical_bytes, parse

scope = "main"
letter = "dead_letter.json"
Kind = Literal["run", "evaluation"]
Act = Literal["running", "ended", "resumed", "failed", "dead_letter", "damaged"]
Start = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run that was looked at, and what was done.

    Attributes:
        act: ``resumed`` when it ended well after it was gone on with, ``failed`` when it did not.
        message: For people.
        command: What goes on with it, for a person.
    """

    run_id: str
    kind: Kind
    act: Act
    message: str = ""
    command: str = ""
    exit_code: int | None = None


def supervise(settings: Settings, *, start: Start | None = None) -> Iterator[Seen]:
    """Look at every run below the checkpoint folder once, and go on with those whose process died.

    Args:
        settings: They say where runs are.
        start: Runs a command line of pipex and gives its exit code; a process of its own when None.

    Raises:
        ConfigError: ``auto_resume_off``, the settings do not want it.
    """
    if settings.values["auto_resume"] is not True:
        raise ConfigError(
            "going on by itself is turned off",
            code="auto_resume_off",
            next_step="set PIPELINE_AUTO_RESUME=true, or go on by hand: pipex resume RUN",
        )
    folder = Path(settings.text("checkpoint_dir"))
    for path in sorted([*folder.glob(f"*/{run_key}"), *folder.glob(f"*/{request_key}")]):
        kind: Kind = "run" if path.name == run_key else "evaluation"
        yield _looked_at(settings, path.parent.name, kind, start or _started)


def _looked_at(settings: Settings, run_id: str, kind: Kind, start: Start) -> Seen:
    journals = wiring.journals(settings)
    words = ["resume", run_id] if kind == "run" else ["eval", "resume", run_id]
    by_hand = " ".join(["pipex", *words])
    if suitewiring.is_held(journals.root / run_id / "journal" / scope / "lock"):
        return Seen(run_id=run_id, kind=kind, act="running")
    found = examine(journals.read_log(run_id, scope))
    if not isinstance(found, Verified):
        repair = f"pipex journal repair {run_id}"
        return Seen(run_id=run_id, kind=kind, act="damaged", message=str(found), command=repair)
    standing = standing_of(found.records)
    match standing.state:
        case "ended":
            return Seen(run_id=run_id, kind=kind, act="ended", message=standing.status or "")
        case "dead_letter":
            _keep_letter(journals.root / run_id / letter, run_id, standing)
            message = f"it died in {standing.fruitless} recoveries in a row without anything new"
            command = f"{by_hand} --force" if kind == "run" else by_hand
            return Seen(run_id=run_id, kind=kind, act="dead_letter", message=message, command=command)  # fmt: skip
        case "died":
            code = start(words)
            act: Act = "resumed" if code == 0 else "failed"
            message = f"recovery {standing.fruitless + 1} of {most_recoveries} ended with {code}"
            return Seen(run_id=run_id, kind=kind, act=act, message=message, command=by_hand, exit_code=code)  # fmt: skip


def _keep_letter(path: Path, run_id: str, standing: Standing) -> None:
    """Write down once that the run was given up, for alerts and for people."""
    document: dict[str, Json] = {
        "schema": "pipex.dead_letter/1",
        "run_id": run_id,
        "at": wiring.now().isoformat(timespec="seconds"),
        "epoch": standing.epoch,
        "recoveries": standing.fruitless,
    }
    if path.is_file():
        before: Mapping[str, Json] = parse(path.read_text(encoding="utf-8"))
        if before.get("epoch") == standing.epoch:
            return
    part = path.with_suffix(".part")
    part.write_bytes(canonical_bytes(document))
    part.replace(path)


def _started(words: Sequence[str]) -> int:
    """Run pipex as a person would, and wait for its end."""
    program = "import sys; from pipex_core.cli.main import main; sys.argv[0] = 'pipex'; main()"
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
    return done.returncode
