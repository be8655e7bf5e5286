"""CPU of the engine per echo step on disk, with and without a checkpoint, beside a bare synced append.

The plans are made before the clock starts: what loading costs is measured by ``benchmarks.loading``.
"""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

from pipex_core.app import wiring
from pipex_core.app.pipelines import load_pipeline, services_for
from pipex_core.app.settings import read_settings
from pipex_core.engine.runner import run_plan
from pipex_core.spec.plan import Plan

many, few = 400, 100


def plan_of(path: Path, steps: int, *, saves: bool = True) -> Plan:
    """A pipeline of echo steps."""
    saved = str(saves).lower()
    lines = ["workflow:", "  name: echoes", f"  checkpoint_enabled: {saved}", "  steps:"]
    lines += [f"    - {{name: s{i}, type: echo, value: 'number {i}'}}" for i in range(steps)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_pipeline(path, settings=read_settings({}))


def cpu_s(plan: Plan) -> float:
    """CPU seconds of a run: the least of three, which others on the machine disturbed least."""
    services = services_for(read_settings({}), wiring.Providing())
    taken = []
    for _ in range(3):
        before = time.process_time()
        assert asyncio.run(run_plan(plan, {}, services=services)).success
        taken.append(time.process_time() - before)
    return min(taken)


def step_ms(base: Path, *, saves: bool) -> float:
    """CPU milliseconds of one more step."""
    short = plan_of(base / "few.yaml", few, saves=saves)
    long = plan_of(base / "many.yaml", many, saves=saves)
    return (cpu_s(long) - cpu_s(short)) / (many - few) * 1000


def append_s(folder: Path, steps: int) -> float:
    """CPU seconds of as many bare appends, each synced."""
    before = time.process_time()
    with (folder / "bare").open("ab", buffering=0) as file:
        for i in range(steps):
            file.write(b"x" * 400 + str(i).encode())
            os.fdatasync(file.fileno())
    return time.process_time() - before


def main() -> None:
    """Measure and print JSON."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        os.chdir(base)
        cpu_s(plan_of(base / "first.yaml", 10))
        whole_ms, journal_ms = step_ms(base, saves=True), step_ms(base, saves=False)
        bare_ms = append_s(base, many) / many * 1000
    found = {
        "cpu_ms_per_echo_step": round(whole_ms, 4),
        "cpu_ms_per_echo_step_without_checkpoint": round(journal_ms, 4),
        "cpu_ms_per_bare_append": round(bare_ms, 4),
        "ratio_to_bare_append": round(whole_ms / bare_ms, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
