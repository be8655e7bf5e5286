"""A small evaluation in memory: a suite, targets, and the engine around the mock provider."""

import asyncio
from collections.abc import Sequence
from typing import Any

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.job import EvalJob, RunOptions
from pipex_core.evals.manifest import Environment, unknown_environment
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.recorded import RecordedTarget, recorded_target
from pipex_core.evals.runner import EvalRun, evaluate
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from pipex_core.evals.target import PromptTarget, Target
from pipex_core.metrics.catalogue import built_in
from pipex_core.ports import BlobStore
from tests.fakes.judges import bench as mock_bench
from tests.fakes.world import World

capitals = {"de": "Berlin", "es": "Madrid", "fr": "Paris", "it": "Rome", "pt": "Lisbon"}
prompt = PromptTarget(provider="mock", model="m")


def case(case_id: str, **fields: Any) -> Case:
    """The question for a capital; fields may say otherwise."""
    known = {"input": f"Capital of {case_id}?", "expected_output": capitals.get(case_id)}
    return Case(id=case_id, **{**known, **fields})


def capital_suite(cases: Sequence[Case] | None = None, **fields: Any) -> Suite:
    """Five capitals, judged by exact match."""
    defaults = fields.pop("defaults", SuiteDefaults(metrics=("exact_match",)))
    found = [case(name) for name in capitals] if cases is None else cases
    return Suite(id="capitals", cases=found, defaults=defaults, **fields)


def answering(answers: dict[str, str] | None = None) -> dict[str, Any]:
    """Rules of a mock that knows capitals; ``answers`` says what it says instead."""
    known = {**capitals, **(answers or {})}
    rules = [
        {
            "when": {"contains": f"Capital of {name}?"},
            "reply": text,
            "cost": 0.001,
            "latency_ms": 10,
        }
        for name, text in known.items()
    ]
    return {"responses": rules}


def recorded(answers: dict[str, str] | None = None) -> RecordedTarget:
    """Recorded answers; the right ones unless said otherwise."""
    known = {**capitals, **(answers or {})}
    return recorded_target([{"case_id": name, "output": text} for name, text in known.items()])


def job(suite: Suite | None = None, target: Target = prompt, **fields: Any) -> EvalJob:
    """A job over the capitals; ``fields`` are those of a request, ``options`` of a run."""
    options = RunOptions(**fields.pop("options", {}))
    bench = fields.pop("bench", None) or mock_bench()
    return prepare(
        Request(
            run_id=fields.pop("run_id", "ev_1"),
            suite=suite or capital_suite(),
            target=target,
            options=options,
            **fields,
        ),
        registry=built_in(),
        bench=lambda: bench,
    )


def run(
    made: EvalJob,
    world: World | None = None,
    *,
    blobs: BlobStore | None = None,
    carry: CarryIndex | None = None,
    environment: Environment = unknown_environment,
) -> EvalRun:
    """The finished run."""
    around = world or World(answering())
    return asyncio.run(
        evaluate(
            made,
            around.services,
            blobs=blobs or MemoryBlobs(),
            carry=carry or CarryIndex(),
            environment=environment,
        )
    )
