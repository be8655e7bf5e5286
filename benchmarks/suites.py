"""Streaming a suite of 100,000 and of 1,000,000 cases, holding 100,000, and looking for near duplicates.

Every figure of memory is the peak of a process of its own, less what the imports take.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipex_core.app.suitefiles import read_suite, stream_suite, write_whole
from pipex_core.app.suites import load_suite
from pipex_core.evals.nearduplicates import near_duplicates
from pipex_core.evals.suite import suite_digest
from pipex_core.evals.suitetable import dump_table

small, large, compared = 100_000, 1_000_000, 10_000


def write_lines(path: Path, count: int) -> None:
    """Short cases, sorted by id."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            question = f"what is the name of river number {i} and how long is it in kilometres"
            case = {"id": f"c{i:07d}", "input": question, "expected_output": str(i)}
            file.write(f"{json.dumps(case, separators=(',', ':'))}\n")


def streamed(path: Path) -> None:
    """Walk through all cases."""
    for case in stream_suite(path).cases:
        assert case.id


def held(path: Path) -> None:
    """Load all cases and take the digest."""
    suite_digest(load_suite(path))


def duplicates(path: Path) -> None:
    """Compare all cases with one another."""
    near_duplicates(load_suite(path).cases)


def nothing(path: Path) -> None:
    """Import what the others import."""
    assert path.name


works: Mapping[str, Callable[[Path], None]] = {
    one.__name__: one for one in (streamed, held, duplicates, nothing)
}


def measured(work: str, path: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a piece of work in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.suites", work, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def peak_mb() -> float:
    """Peak memory of this process; ``getrusage`` would count what its parent held before it began."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure and print JSON; with two words do one piece of work and print its figures."""
    if len(sys.argv) == 3:
        started = time.perf_counter()
        works[sys.argv[1]](Path(sys.argv[2]))
        print(time.perf_counter() - started, peak_mb())
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {count: Path(folder) / f"n{count}.jsonl" for count in (compared, small, large)}
        for count, path in paths.items():
            write_lines(path, count)
        table = Path(folder) / "table.parquet"
        write_whole(table, dump_table(read_suite(paths[small])))
        _, imports_mb = measured("nothing", table)
        few_s, few_mb = measured("streamed", paths[small])
        many_s, many_mb = measured("streamed", paths[large])
        table_s, table_mb = measured("streamed", table)
        held_s, held_mb = measured("held", paths[small])
        near_s, _ = measured("duplicates", paths[compared])
    found = {
        "streamed_cases_per_s": round(large / many_s),
        "streamed_mb_100k": round(few_mb - imports_mb, 1),
        "streamed_mb_1m": round(many_mb - imports_mb, 1),
        "streamed_growth_mb_100k_to_1m": round(many_mb - few_mb, 1),
        "streamed_s_100k": round(few_s, 1),
        "parquet_streamed_s_100k": round(table_s, 1),
        "parquet_streamed_mb_100k": round(table_mb - imports_mb, 1),
        "held_mb_100k": round(held_mb - imports_mb, 1),
        "held_s_100k": round(held_s, 1),
        "near_duplicates_s_10k": round(near_s, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
