"""CPU and memory of Dagster definitions of 50 pipelines with 1,000 steps, beside loading the files alone."""

import json
import resource
import tempfile
import time
from pathlib import Path

import dagster as dg

from benchmarks.loading import files, steps, text_of
from pipex_core.app.pipelines import load_pipeline
from pipex_core.app.settings import read_settings
from pipex_dagster.building import build_definitions

mb = 1024  # kilobytes, as ru_maxrss counts


def peak_mb() -> float:
    """Most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / mb


def main() -> None:
    """Measure and print JSON."""
    with tempfile.TemporaryDirectory() as folder:
        below = Path(folder) / "pipelines"
        below.mkdir()
        paths = [below / f"p{i}.yaml" for i in range(files)]
        for number, path in enumerate(paths):
            path.write_text(text_of(number), encoding="utf-8")
        settings = read_settings({})
        load_pipeline(paths[0], settings=settings)
        before = time.process_time()
        for path in paths:
            load_pipeline(path, settings=settings)
        loaded_s = time.process_time() - before
        memory = peak_mb()
        before = time.process_time()
        found = build_definitions(folder)
        built_s = time.process_time() - before
        dg.Definitions.validate_loadable(found)
        checked_s = time.process_time() - before
    ops = sum(len(job.nodes) for job in found.resolve_all_job_defs())
    if ops != files * steps:
        raise SystemExit(f"{ops} ops were built, not {files * steps}")
    measured = {
        "cpu_s_loading_50_files": round(loaded_s, 3),
        "cpu_s_definitions": round(built_s, 3),
        "cpu_s_definitions_checked_by_dagster": round(checked_s, 3),
        "memory_mb_of_definitions": round(peak_mb() - memory, 1),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
