"""10,000 cases at 50 ms latency and concurrency 50, beside a bare asyncio loop that makes the same waits."""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks.harness import write_suite
from pipex_core.adapters.local import SystemClock
from pipex_core.app.evaluations import EvalRequest, open_desk
from pipex_core.evals.job import RunOptions

count = 10_000
latency_ms = 50
at_once = 50


async def bare() -> None:
    """The same waits with nothing around them."""
    queue = iter(range(count))

    async def work() -> None:
        for _ in queue:
            await asyncio.sleep(latency_ms / 1000)

    await asyncio.gather(*(work() for _ in range(at_once)))


def harness_s(base: Path) -> float:
    """Wall seconds of an evaluation whose model takes its time on the real clock."""
    suite, _ = write_suite(base / "suite", count)
    rules = base / "rules.yaml"
    rules.write_text(f"default: {{reply: fox, latency_ms: {latency_ms}}}\n", encoding="utf-8")
    desk = open_desk(results=str(base / "results"), kind="mock", mock_responses=str(rules))
    mock = desk.services.client.providers["mock"]
    mock._clock = SystemClock()  # noqa: SLF001 - the virtual clock would not wait at all
    request = EvalRequest(
        suite=suite,
        target={"kind": "prompt", "model": "mock-model"},
        metrics=["exact_match", "rouge"],
        options=RunOptions(max_concurrency=at_once),
    )
    job = desk.job(request)
    started = time.perf_counter()
    asyncio.run(desk.run(job, carry=False))
    return time.perf_counter() - started


def main() -> None:
    """Measure and print JSON."""
    started = time.perf_counter()
    asyncio.run(bare())
    bare_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        whole_s = harness_s(Path(folder))
    found = {
        "bare_loop_s": round(bare_s, 2),
        "evaluation_s": round(whole_s, 2),
        "ratio": round(whole_s / bare_s, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
