"""A run killed anywhere and resumed ends as if it had not been, and pays for nothing twice."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.local_files import LocalJournals
from pipex_core.engine.segments import Verified, examine

script = Path(__file__).parent / "killed_run.py"
points = (
    "journal.write",
    "journal.before_begin",
    "journal.after_begin",
    "journal.before_done",
    "journal.after_done",
    "engine.before_unit_end",
    "engine.after_unit_end",
    "store.before_rename",
    "store.after_rename",
    "checkpoint.before_save",
    "checkpoint.after_save",
)
calls = 18
steps = 15
at_once = 2  # most calls in flight
most_kills = 5

pytestmark = pytest.mark.chaos


Call = tuple[str, int, str]
Answer = tuple[str, int]


class Place:
    """The files of one run, and the witnesses that are looked at: bills, journal, result.

    Attributes:
        kills: Processes that died so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kills = 0
        self._run = 1

    def start(self, *death: str) -> bool:
        """Execute or resume the run in a process of its own; whether it lived to the end."""
        run = self.folder / "checkpoints" / f"r{self._run}"
        if run.exists() and not (run / "run.json").exists():
            # It died before there was a run: nothing was sent, and the next try is a new one.
            assert self.bills() == []
            self._run += 1
        how = "resume" if (run / "run.json").exists() else "new"
        command = [sys.executable, str(script), str(self.folder), f"r{self._run}", how, *death]
        ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
        assert ended.returncode <= 0, ended.stderr.decode()
        self.kills += ended.returncode < 0
        return ended.returncode == 0

    def bills(self) -> list[Call]:
        """Every call that the model was sent: step path, number of messages, prompt; in order."""
        file = self.folder / "bills"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [(path, count, prompt) for path, count, prompt in map(json.loads, lines)]

    def asked(self, since: int) -> set[Answer]:
        """Calls that were sent from a bill on: step path and which of the different calls of the step."""
        places: dict[str, list[Call]] = {}
        found = set()
        for number, call in enumerate(self.bills()):
            known = places.setdefault(call[0], [])
            if call not in known:
                known.append(call)
            if number >= since:
                found.add((call[0], known.index(call)))
        return found

    def answered(self) -> set[Answer]:
        """Calls that have a durable answer, read from the files themselves."""
        journals = LocalJournals(self.folder / "checkpoints")
        found = examine(journals.read_log(f"r{self._run}", "main"))
        assert isinstance(found, Verified), found
        done = (record for record in found.records if record["t"] == "done")
        return {(record["unit"], record["ordinal"]) for record in done}

    def result(self) -> Mapping[str, Any]:
        """What the run made, without ids, times and the count of repeated calls."""
        document = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        kept = ("status", "order", "steps", "variables", "outputs", "files", "error", "tokens")
        return {name: undated(document[name]) for name in kept}


def undated(value: Any) -> Any:
    """Records without what a kill may change; a call that it interrupted is one more attempt."""
    if isinstance(value, list):
        return [undated(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if key not in {"duration_ms", "attempts"}}
    return {key: undated(one) for key, one in kept.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    assert place.start()
    assert len(place.bills()) == calls
    return place.result()


def finish(place: Place, deaths: Sequence[Sequence[str]], undisturbed: Mapping[str, Any]) -> None:
    """Let the run die again and again, then live, and look at all witnesses."""
    for death in [*deaths, ()]:
        durable = place.answered()
        before = len(place.bills())
        ended = place.start(*death)
        repeated = place.asked(before) & durable
        assert not repeated, f"paid again: {repeated}"
        if ended:
            break
    assert place.result() == undisturbed
    assert max(Counter(place.bills()).values()) <= 1 + place.kills
    assert len(place.bills()) <= calls + at_once * place.kills


@pytest.mark.parametrize("point", points)
def test_a_run_killed_at_a_named_point_ends_as_if_it_had_not_been(
    point: str, tmp_path: Path, undisturbed: Mapping[str, Any]
) -> None:
    place = Place(tmp_path)
    finish(place, [(point, "2"), (point, "3")], undisturbed)
    assert place.kills > 0


def test_a_run_killed_between_any_two_steps_ends_as_if_it_had_not_been(
    tmp_path: Path, undisturbed: Mapping[str, Any]
) -> None:
    # Every process lives for one more step of the pipeline: it dies when that one's checkpoint is saved.
    place = Place(tmp_path)
    finish(place, [("checkpoint.after_save", "1")] * (steps + 1), undisturbed)
    assert place.kills == steps + 1
    assert len(place.bills()) == calls


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_random_points_ends_as_if_it_had_not_been(
    seed: int, tmp_path: Path, undisturbed: Mapping[str, Any]
) -> None:
    rng = random.Random(seed)
    deaths = [(rng.choice(points), str(rng.randint(1, 8))) for _ in range(most_kills)]
    finish(Place(tmp_path), deaths, undisturbed)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_random_times_ends_as_if_it_had_not_been(
    seed: int, tmp_path: Path, undisturbed: Mapping[str, Any]
) -> None:
    rng = random.Random(seed)
    deaths = [("after", f"{rng.uniform(0.0005, 0.04):.4f}") for _ in range(most_kills)]
    finish(Place(tmp_path), deaths, undisturbed)
