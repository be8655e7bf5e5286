"""The table of calls: every call that was sent, in every way in which a run can send one."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import Overloaded
from pipex_core.evals.archive import Archive
from pipex_core.evals.callrows import call_rows
from pipex_core.evals.job import EvalJob
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.runner import evaluate
from pipex_core.llm.provider import Response, Usage
from tests.fakes.clock import start
from tests.fakes.evaluation import answering, capital_suite, case, job, prompt, run
from tests.fakes.journals import BreakableJournals
from tests.fakes.provider import ScriptedProvider, answer
from tests.fakes.world import World

paid = replace(prompt, provider="anthropic", model="priced")
usage = Usage(
    input=700, cache_read=200, cache_write_5m=60, cache_write_1h=40, output=100, thinking=30
)
one_case = capital_suite([case("de")])
busy = Overloaded("busy", provider="anthropic", status=529, retry_after_s=2.5, maybe_billed=True)


def calls_of(made: EvalJob, world: World) -> list[dict[str, Any]]:
    """Rows of the published table."""
    blobs = MemoryBlobs()
    run(made, world, blobs=blobs)
    archive = Archive(blobs)
    rows: list[dict[str, Any]] = archive.table(archive.find("latest"), "calls").to_pylist()
    return rows


def said(row: Mapping[str, Any], *names: str) -> list[Any]:
    return [row[name] for name in names]


def test_a_billed_call_is_a_row_with_its_tokens_cost_and_time() -> None:
    reply = Response(text="Berlin", usage=usage, model_served="priced-2", latency_ms=12.4)
    world = World(provider=ScriptedProvider([reply]))
    (row,) = calls_of(job(one_case, paid), world)
    assert row == {
        "call_id": row["call_id"],
        "case_id": "de",
        "repeat": 0,
        "role": "target",
        "step_path": None,
        "metric": None,
        "attempt": 1,
        "request_key": world.provider.sent[0].key(adapter_version=1),
        "provider": "anthropic",
        "model": "priced",
        "model_served": "priced-2",
        "http_status": None,
        "error_code": None,
        "retry_after_ms": None,
        "cache": "miss",
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cache_read_tokens": 200,
        "cache_write_tokens": 100,
        "reasoning_tokens": 30,
        # 700 at 1, 200 at 0.1, 60 at 1.25, 40 at 2 and 100 at 5 USD per million, in nano-USD.
        "cost_nanousd": 700_000 + 20_000 + 75_000 + 80_000 + 500_000,
        "maybe_billed": False,
        "latency_ms": 12.0,
        "started_at": start,
        "trace_id": None,
        "span_id": None,
    }


def test_a_failed_try_is_a_row_of_its_own() -> None:
    world = World(provider=ScriptedProvider([busy, answer("Berlin")]))
    failed, answered = calls_of(job(one_case, paid), world)
    assert said(failed, "attempt", "error_code", "http_status", "retry_after_ms") == [
        *(1, "overloaded", 529, 2_500.0),
    ]
    assert said(failed, "maybe_billed", "input_tokens", "latency_ms") == [True, None, None]
    assert said(answered, "attempt", "error_code", "input_tokens") == [2, None, 1_000]
    assert answered["started_at"] - failed["started_at"] >= timedelta(seconds=2.5)
    assert failed["request_key"] == answered["request_key"]


def test_calls_that_cost_nothing_are_rows_too_and_failures_among_them() -> None:
    failing = {"when": {"contains": "of de"}, "error": {"kind": "overloaded", "message": "busy"}}
    rules = {"responses": [failing, *answering()["responses"]]}
    options = {"second_pass": False}
    rows = calls_of(job(capital_suite([case("de"), case("es")]), options=options), World(rules))
    assert [row["case_id"] for row in rows] == ["de"] * 4 + ["es"]
    assert [row["attempt"] for row in rows] == [1, 2, 3, 4, 1]
    assert [row["error_code"] for row in rows] == ["overloaded"] * 4 + [None]
    assert rows[4]["latency_ms"] == 10.0


def test_an_answer_too_large_for_the_journal_keeps_its_call() -> None:
    world = World({"default": {"reply": "long " * 20_000}})
    assert [row["case_id"] for row in calls_of(job(one_case), world)] == ["de"]


def test_the_calls_of_a_pipeline_name_their_step() -> None:
    text = """
workflow:
  name: two
  inputs: {input: {}}
  steps:
    - {name: first, type: claude, prompt: "{{ inputs.input }}"}
    - {name: second, type: claude, prompt: "{{ steps.first.text }}"}
"""
    world = World(answering() | {"default": {"reply": "x"}})
    target = PipelineTarget(plan=world.plan(text))
    rows = calls_of(job(capital_suite([case("de"), case("es")]), target), world)
    assert sorted((row["case_id"], row["step_path"]) for row in rows) == [
        *(("de", "first"), ("de", "second"), ("es", "first"), ("es", "second")),
    ]


def test_a_call_that_a_crash_cut_off_is_in_doubt_and_counts_at_its_reservation() -> None:
    journals = BreakableJournals()
    made = job(one_case, paid)

    async def cut_off() -> None:
        provider = ScriptedProvider([answer("Berlin")])
        provider.gate = asyncio.Event()
        world = World(provider=provider, journals=journals)
        work = asyncio.create_task(evaluate(made, world.services, blobs=MemoryBlobs()))
        await world.provider.first_call()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cut_off())
    rows = calls_of(made, World(provider=ScriptedProvider([answer("Berlin")]), journals=journals))
    assert [row["error_code"] for row in rows] == ["in_doubt", None]
    assert [row["attempt"] for row in rows] == [1, 2]
    assert rows[0]["maybe_billed"]
    assert rows[0]["cost_nanousd"] > rows[1]["cost_nanousd"]


def test_calls_have_ids_of_their_own() -> None:
    rows = calls_of(job(repeats=3), World(answering()))
    assert len({row["call_id"] for row in rows}) == 15
    assert sorted(row["repeat"] for row in rows) == [0] * 5 + [1] * 5 + [2] * 5


def test_recorded_answers_have_no_calls() -> None:
    assert list(call_rows([{"t": "unit_end", "unit": "case:a#0", "n": 1}], run_id="r")) == []
