"""50 runs at the same time, each of six steps at 200 ms latency, beside a bare loop that makes the same waits.

All runs share the services of one process, as those of a server do; each has its own journal on disk
and saves a checkpoint after every step.
"""

import asyncio
import json
import os
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pipex_core.adapters.local import SystemClock
from pipex_core.app import wiring
from pipex_core.app.pipelines import load_pipeline, services_for
from pipex_core.app.settings import read_settings
from pipex_core.engine.runner import run_plan

runs = 50
steps = 6
latency_ms = 200


def write_files(base: Path) -> tuple[Path, Path]:
    """A pipeline of model steps, each naming the one before it, and the rules of the mock."""
    lines = ["workflow:", "  name: chain", "  inputs: {topic: {type: string}}", "  steps:"]
    for i in range(steps):
        before = f"{{{{ s{i - 1}.text }}}}" if i else "{{ topic }}"
        lines.append(f"    - {{name: s{i}, type: claude, prompt: 'Go on: {before}'}}")
    pipeline, rules = base / "chain.yaml", base / "rules.yaml"
    pipeline.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rules.write_text(f"default: {{reply: fox, latency_ms: {latency_ms}}}\n", encoding="utf-8")
    return pipeline, rules


async def bare() -> None:
    """The same waits with nothing around them."""

    async def work() -> None:
        for _ in range(steps):
            await asyncio.sleep(latency_ms / 1000)

    await asyncio.gather(*(work() for _ in range(runs)))


async def all_runs(base: Path) -> float:
    """Wall seconds of all runs."""
    pipeline, rules = write_files(base)
    settings = read_settings({})
    providing = wiring.Providing(kind="mock", mock_responses=str(rules))
    services = services_for(settings, providing)
    mock = services.client.providers["mock"]
    mock._clock = SystemClock()  # noqa: SLF001 - the virtual clock would not wait at all
    services = replace(services, clock=SystemClock(), hold=nullcontext)
    plan = load_pipeline(pipeline, settings=settings)
    started = time.perf_counter()
    done = await asyncio.gather(
        *(run_plan(plan, {"topic": f"t{i}"}, services=services) for i in range(runs))
    )
    taken = time.perf_counter() - started
    assert all(one.success for one in done)
    return taken


def main() -> None:
    """Measure and print JSON."""
    started = time.perf_counter()
    asyncio.run(bare())
    bare_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        before = time.process_time()
        whole_s = asyncio.run(all_runs(Path(folder)))
        spent = time.process_time() - before
    found = {
        "bare_loop_s": round(bare_s, 3),
        "runs_s": round(whole_s, 3),
        "ratio": round(whole_s / bare_s, 3),
        "cpu_s": round(spent, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
