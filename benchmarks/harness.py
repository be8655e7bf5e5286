"""CPU of the harness per case: recorded answers, exact match and ROUGE-L, journal and Parquet on disk.

The marginal cost from 2,000 to 10,000 cases, so that start-up does not count, beside what the two
metrics alone take for the same texts. Peak memory is that of the process at 10,000 cases.
"""

import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

from pipex_core.app.evaluations import run_eval
from pipex_core.app.judging import score

words = "the a quick brown fox jumps over lazy dog near river while seven old men watch from afar".split()


def write_suite(folder: Path, count: int) -> tuple[str, str]:
    """A suite and recorded answers of short texts; paths of both."""
    rng = random.Random(7)
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text("id: bench\n", encoding="utf-8")
    cases, answers = [], []
    for i in range(count):
        expected = " ".join(rng.choices(words, k=20))
        output = " ".join(rng.choices(words, k=20)) if rng.random() < 0.5 else expected
        cases.append({"id": f"c{i:07d}", "input": f"question {i}", "expected_output": expected})
        answers.append({"case_id": f"c{i:07d}", "output": output})
    for name, rows in (("cases.jsonl", cases), ("answers.jsonl", answers)):
        text = "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder), str(folder / "answers.jsonl")


def cpu_s(count: int, base: Path) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and stored bytes of one evaluation."""
    suite, answers = write_suite(base / f"suite{count}", count)
    before, started = time.process_time(), time.perf_counter()
    results = str(base / f"results{count}")
    run_eval(suite, answers, ["exact_match", "rouge"], results=results)
    spent, wall = time.process_time() - before, time.perf_counter() - started
    stored = sum(path.stat().st_size for path in Path(results).rglob("*") if path.is_file())
    return spent, wall, stored


def metrics_s(count: int) -> float:
    """CPU seconds of the two metrics alone, through the one-answer call's resolved entries."""
    from pipex_core.app.wiring import metrics
    from pipex_core.metrics.contract import MetricInput
    from pipex_core.metrics.entries import resolve_entries
    from pipex_core.metrics.scoring import score_item

    entries = resolve_entries(["exact_match", "rouge"], metrics())
    rng = random.Random(7)
    items = [
        MetricInput(
            output=" ".join(rng.choices(words, k=20)),
            references=(" ".join(rng.choices(words, k=20)),),
        )
        for _ in range(count)
    ]
    before = time.process_time()
    for item in items:
        for entry in entries:
            score_item(entry, item)
    return time.process_time() - before


def main() -> None:
    """Measure and print JSON."""
    score("rouge", "warm up", "warm up")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        os.chdir(base)
        cpu_s(200, base)
        small, _, _ = cpu_s(2_000, base)
        large, wall, stored = cpu_s(10_000, base)
    marginal_ms = (large - small) / 8_000 * 1000
    alone_ms = metrics_s(4_000) / 4_000 * 1000
    print(
        json.dumps(
            {
                "cpu_ms_per_case_marginal": round(marginal_ms, 4),
                "cpu_ms_per_case_of_metrics_alone": round(alone_ms, 4),
                "ratio_to_metrics_alone": round(marginal_ms / alone_ms, 2),
                "wall_s_10000_cases": round(wall, 2),
                "stored_bytes_per_case": round(stored / 10_000),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
