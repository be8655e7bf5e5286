"""Kill, resume, compare, as often as you like: ``python -m tests.chaos.harness --kills 200 --seed 7``.

Evaluations are struck after random numbers of charged calls, pipelines at random times and at every named
point of the code. Three witnesses are compared: the vendor's bills, the journal's files, and the outputs of
a run that nobody disturbed. The exit code is 1 when a durable answer was bought twice, when a kill cost
more calls than were in flight, or when an output differs.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipex_core.adapters.local import SystemClock
from tests.chaos import test_kill_eval as evals, test_kill_run as runs


@dataclass(slots=True, kw_only=True)
class Report:
    """What the kills did.

    Attributes:
        repeated: Calls that were charged again after a durable answer.
        extra: Calls charged once more per kill, at most.
        wrong: Outputs that differ from those of an undisturbed run.
        recovery_s: From the start of the process that goes on to the end of the run, for each pipeline.
    """

    kills: int = 0
    repeated: int = 0
    extra: int = 0
    wrong: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not self.repeated and not self.wrong and self.extra <= evals.at_once


def evaluations(folder: Path, *, kills: int, seed: int, report: Report) -> None:
    """Strike evaluations after random numbers of charged calls."""
    vendor = evals.Vendor()
    vendor.start()
    try:
        calm = evals.Place(folder=folder / "calm", vendor=vendor)
        calm.run()
        wanted = calm.final()
        rng = random.Random(seed)
        left, number = kills, 0
        while left:
            place = evals.Place(folder=folder / f"eval{number}", vendor=vendor)
            for _ in range(min(left, evals.kills_per_run)):
                place.run(until=rng.randint(1, evals.most_new_calls))
                report.kills += 1
                left -= 1
            place.run()
            report.repeated += len(place.repeated)
            report.extra = max(report.extra, *place.extra())
            if place.final() != wanted:
                report.wrong.append(place.folder.name)
            number += 1
            print(f"evaluation {number}: {report.kills} kills", file=sys.stderr)  # noqa: T201 - a program
    finally:
        vendor.stop()


def pipelines(folder: Path, *, kills: int, seed: int, report: Report) -> None:
    """Strike pipelines at every named point once, then at random times."""
    clock = SystemClock()
    calm = runs.Place(folder / "calm run")
    calm.folder.mkdir(parents=True)
    calm.start()
    wanted = calm.result()
    for number, deaths in enumerate(_deaths(kills, seed)):
        place = runs.Place(folder / f"run{number}")
        place.folder.mkdir()
        for death in [*deaths, ()]:
            known, before = place.answered() if place.kills else set(), len(place.bills())
            started = clock.monotonic()
            lived = place.start(*death)
            report.repeated += len(known & place.asked(before))
            if lived:
                if place.kills:
                    report.recovery_s.append(clock.monotonic() - started)
                break
        report.kills += place.kills
        report.extra = max(report.extra, len(place.bills()) - runs.calls)
        if place.result() != wanted:
            report.wrong.append(place.folder.name)


def _deaths(kills: int, seed: int) -> Iterator[list[list[str]]]:
    """For each run, how its processes die: every named point once, then points and moments by chance."""
    for point in runs.points:
        yield [[point, "1"]]
    rng = random.Random(seed)
    for _ in range(max(0, kills - len(runs.points))):
        at_point = [rng.choice(runs.points), str(rng.randint(1, 8))]
        yield [at_point if rng.random() < 1 / 2 else ["after", f"{rng.uniform(0.0005, 0.04):.4f}"]]


def main(words: list[str]) -> int:
    """Run the harness; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.harness", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="at least so many, half of each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--out", type=Path, help="file for the report, JSON")
    given = parser.parse_args(words)
    report = Report()
    half = (given.kills + 1) // 2
    with tempfile.TemporaryDirectory(prefix="pipex-chaos-") as folder:
        evaluations(Path(folder), kills=half, seed=given.seed, report=report)
        pipelines(Path(folder), kills=half, seed=given.seed, report=report)
    times = report.recovery_s or [0.0]
    document = {
        **asdict(report),
        "recovery_s": {"median": statistics.median(times), "worst": max(times), "n": len(report.recovery_s)},
        "seed": given.seed,
        "ok": report.ok,
    }  # fmt: skip
    text = json.dumps(document, indent=2)
    print(text)  # noqa: T201 - a program
    if given.out is not None:
        given.out.write_text(f"{text}\n", encoding="utf-8")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
