"""CPU of the engine per echo step with the journal on disk, beside a bare synced append per step."""

import json
import os
import tempfile
import time
from pathlib import Path

from pipex_core.app.pipelines import run_pipeline

many, few = 400, 100


def write_pipeline(path: Path, steps: int) -> str:
    """A pipeline of echo steps."""
    lines = ["workflow:", "  name: echoes", "  steps:"]
    lines += [f"    - {{name: s{i}, type: echo, value: 'number {i}'}}" for i in range(steps)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def cpu_s(path: str) -> float:
    """CPU seconds of one run."""
    before = time.process_time()
    assert run_pipeline(path).success
    return time.process_time() - before


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
        short = write_pipeline(base / "few.yaml", few)
        long = write_pipeline(base / "many.yaml", many)
        cpu_s(short)
        step_ms = (cpu_s(long) - cpu_s(short)) / (many - few) * 1000
        bare_ms = append_s(base, many) / many * 1000
    found = {
        "cpu_ms_per_echo_step": round(step_ms, 4),
        "cpu_ms_per_bare_append": round(bare_ms, 4),
        "ratio_to_bare_append": round(step_ms / bare_ms, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
