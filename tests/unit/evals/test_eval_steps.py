"""The step ``eval_batch``: its options, what it gives, and the same rows as through every other door."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import ConfigError, StepError
from pipex_core.evals.batch import StepEvaluations
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.finished import Finished
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judged import Baseline, SummaryBaseline
from pipex_core.evals.steps import BatchRequest, BatchResult, EvalBatch, SuiteChoice
from pipex_core.evals.suite import Suite
from pipex_core.evals.target import Target
from pipex_core.metrics.catalogue import built_in
from pipex_core.steps.contract import Tokens
from tests.fakes.evaluation import answering, capital_suite, job, prompt, recorded, run
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace
from tests.fakes.world import World


class Asked:
    """An evaluation that remembers what it was asked and gives a fixed result."""

    def __init__(self, **result: Any) -> None:
        self.requests: list[BatchRequest] = []
        facts: dict[str, Any] = {
            "run_id": "ev_9", "status": "completed", "path": "results/x", "row_digest": "d",
            "count": 5, "summary": {"total_tests": 5}, "metrics": {"m": {"mean": 1.0}},
            "verdict": None,
            "document": lambda: {"schema": "pipex.result/1", "results": [{"a": 1}]},
            "score_rows": lambda: [{"metric": "m", "score": 1.0}],
        }  # fmt: skip
        self._result = BatchResult(**{**facts, **result})

    async def batch(self, request: BatchRequest) -> BatchResult:
        self.requests.append(request)
        return self._result


class OnBench:
    """The step with its evaluation."""

    def __init__(self, asked: Asked | None = None, **fields: Any) -> None:
        self.asked = asked or Asked()
        self.workspace = MemoryWorkspace()
        scope = {"run": {"id": "r1", "timestamp": "20261124T120000Z"}, "vars": {"n": 3}}
        self.bench = Bench(
            spec("eval_batch", **{"test_suite": "s", **fields}),
            scope=scope,
            workspace=self.workspace,
        )
        context = replace(self.bench.context, extensions={"evaluate": lambda: self.asked})
        self.outcome = asyncio.run(EvalBatch().run(context))

    @property
    def request(self) -> BatchRequest:
        (request,) = self.asked.requests
        return request


def test_the_result_of_the_step_is_that_of_the_evaluation() -> None:
    verdict = {"verdict": "PASS"}
    assert OnBench(Asked(verdict=verdict)).outcome.data == {
        "results": {"path": "results/x", "run_id": "ev_9", "count": 5, "status": "completed"},
        "summary": {"total_tests": 5},
        "metrics": {"m": {"mean": 1.0}},
        "verdict": verdict,
    }


def test_options_are_handed_on_with_their_templates_expanded() -> None:
    made = OnBench(
        test_suite="suites/{{ vars.n }}",
        pipeline={"path": "p.yaml", "output_step": "answer"},
        metrics=["exact_match"],
        repeats="{{ vars.n }}",
        seed=7,
        max_concurrent=9,
        gate={"rules": []},
    )
    request = made.request
    assert request == BatchRequest(
        run_id=request.run_id,
        suite=SuiteChoice(path="suites/3"),
        target={"kind": "pipeline", "path": "p.yaml", "output_step": "answer"},
        metrics=["exact_match"],
        repeats=3,
        seed=7,
        max_concurrency=9,
        gate={"rules": []},
    )
    assert made.bench.warnings == []


def test_a_loaded_suite_serves_as_well_as_its_path() -> None:
    handle = {"path": "x", "filters": {"tags": "a"}, "sample_size": 3, "seed": 4, "digest": "d"}
    chosen = SuiteChoice(path="x", filters={"tags": "a"}, sample_size=3, seed=4, digest="d")
    assert OnBench(test_suite={"suite": handle, "count": 1}).request.suite == chosen
    assert OnBench(test_suite={**handle, "saved": "2.1"}).request.suite == replace(
        chosen, version="2.1"
    )
    assert OnBench(test_suite={"path": "x"}).request.suite == SuiteChoice(path="x")
    assert OnBench(test_suite={"suite": "x"}).request.suite == SuiteChoice(path="x")


def test_something_that_is_no_suite_is_refused() -> None:
    with pytest.raises(StepError, match="neither a path nor a loaded suite"):
        OnBench(test_suite={"suite": {"name": "x"}})


def test_without_parallel_one_case_runs_at_a_time_and_five_do_by_default() -> None:
    assert OnBench(parallel=False, max_concurrent=9).request.max_concurrency == 1
    assert OnBench().request.max_concurrency == 5


def test_without_a_target_the_default_model_is_asked_and_the_run_is_told() -> None:
    made = OnBench()
    assert made.request.target is None
    assert [code for code, _ in made.bench.warnings] == ["implied_target"]
    assert OnBench(predictions=[]).bench.warnings == []


def test_a_target_may_be_a_map_or_a_path() -> None:
    assert OnBench(target={"kind": "prompt"}).request.target == {"kind": "prompt"}
    assert OnBench(target="p.yaml").request.target == "p.yaml"


def test_the_same_step_of_the_same_run_has_the_same_evaluation() -> None:
    first, second = OnBench().request.run_id, OnBench().request.run_id
    assert first == second
    assert first.startswith("ev_20261124T120000_")
    assert len(first) == len("ev_20261124T120000_") + 8


def test_results_are_saved_as_json_with_their_rows() -> None:
    made = OnBench(save_results="out_{{ vars.n }}.json")
    assert json.loads(made.workspace.outputs["out_3.json"])["results"] == [{"a": 1}]
    assert made.workspace.outputs["out_3.json"].endswith("}\n")
    assert made.outcome.data["results"]["path"] == "out_3.json"


def test_results_are_saved_as_lines() -> None:
    made = OnBench(save_results="out.jsonl")
    assert made.workspace.outputs["out.jsonl"] == '{"metric":"m","score":1.0}\n'


def test_a_folder_gets_the_tables() -> None:
    made = OnBench(save_results="tables")
    assert made.request.store == "tables"
    assert made.workspace.outputs == {}
    assert made.outcome.data["results"]["path"] == "results/x"


def test_a_missed_threshold_fails_the_step_only_when_asked_and_keeps_what_was_found() -> None:
    asked = Asked(missed=["m"])
    assert OnBench(asked).outcome.failure is None
    failed = OnBench(Asked(missed=["m"]), fail_on_threshold=True).outcome
    assert failed.failure is not None
    assert (failed.failure.code, failed.data["results"]["count"]) == ("gate_failed", 5)
    assert "m" in failed.failure.message
    assert OnBench(Asked(), fail_on_threshold=True).outcome.failure is None


def test_warnings_of_the_evaluation_are_warnings_of_the_run() -> None:
    made = OnBench(Asked(warnings=[("stale", "old")]), predictions=[])
    assert made.bench.warnings == [("stale", "old")]


def test_without_an_engine_the_step_says_so() -> None:
    bench = Bench(spec("eval_batch", test_suite="s"))
    with pytest.raises(ConfigError, match="evaluation engine"):
        asyncio.run(EvalBatch().run(bench.context))


def evaluation(world: World, **fields: Any) -> StepEvaluations:
    def target(data: Any, _: Suite) -> Target:
        return recorded() if data["kind"] == "recorded" else prompt

    known: dict[str, Any] = {
        "services": world.services,
        "registry": built_in(),
        "finished": finished(),
        "open_store": lambda _: MemoryBlobs(),
        "load_suite": lambda _path, _version: capital_suite(),
        "read_target": target,
    }
    return StepEvaluations(**{**known, **fields})


def finished(**fields: Any) -> Finished:
    known: dict[str, Any] = {
        "results": MemoryBlobs(),
        "open_root": lambda _: MemoryBlobs(),
        "load_gate": gate_of,
        "suffixes": {"json": "json"},
    }
    return Finished(**{**known, **fields})


def asked_for(made: StepEvaluations, **fields: Any) -> BatchResult:
    request = BatchRequest(**{"run_id": "ev_1", "suite": SuiteChoice(path="s"), **fields})
    return asyncio.run(made.batch(request))


def test_the_step_gives_the_same_rows_as_every_other_door() -> None:
    world = World(answering({"it": "Milan"}))
    result = asked_for(evaluation(world))
    direct = run(job(), World(answering({"it": "Milan"})))
    assert result.row_digest == direct.row_digest
    assert result.summary["pass_rate"] == 80.0
    assert result.metrics["exact_match"]["mean"] == 0.8
    assert result.missed == ["exact_match"]
    assert len(result.document()["results"]) == result.count == 5


def test_predictions_are_judged_without_a_call() -> None:
    world = World()
    inline = asked_for(evaluation(world), predictions=[{"case_id": "de", "output": "Berlin"}])
    assert (inline.status, inline.summary["passed_tests"]) == ("incomplete", 1)
    from_file = asked_for(evaluation(World()), predictions="answers.jsonl")
    assert from_file.summary["passed_tests"] == 5
    assert world.provider.sent == []


def test_tables_go_to_the_folder_that_the_step_names() -> None:
    stores: dict[str, MemoryBlobs] = {}

    def opened(name: str) -> MemoryBlobs:
        return stores.setdefault(name, MemoryBlobs())

    results = MemoryBlobs()
    made = evaluation(World(answering()), open_store=opened, finished=finished(results=results))
    result = asked_for(made, store="tables")
    assert list(results.list()) == []
    assert result.path.endswith("manifest.json")
    assert any(key.startswith("scores/") for key in stores["tables"].list())


def test_the_gate_of_the_suite_holds_unless_the_step_brings_its_own() -> None:
    rule = {"id": "floor", "metric": "exact_match", "kind": "threshold", "value": 0.5,
            "bound": "point"}  # fmt: skip
    suite = capital_suite(gate={"rules": [rule]})
    named: list[tuple[str, str]] = []

    def baseline(suite_id: str, name: str) -> Baseline:
        named.append((suite_id, name))
        return SummaryBaseline(means={"exact_match": 0.5})

    made = evaluation(
        World(answering()),
        load_suite=lambda _path, _version: suite,
        suite_gate=lambda one: gate_of(one.gate),
        finished=finished(baseline=baseline),
    )
    result = asked_for(made)
    assert result.verdict is not None
    assert (result.verdict["verdict"], result.verdict["baseline"]) == ("PASS", "embedded")
    assert named == [("capitals", "champion")]
    strict = {"baseline": "none", "rules": [{**rule, "value": 1.1}]}
    own = asked_for(
        evaluation(World(answering()), load_suite=lambda _path, _version: suite), gate=strict
    )
    assert own.verdict is not None
    assert own.verdict["verdict"] == "FAIL"


def test_a_suite_without_gate_gives_no_verdict() -> None:
    assert asked_for(evaluation(World(answering()))).verdict is None


def test_rows_of_earlier_runs_are_carried() -> None:
    first = run(job(), World(answering()))
    carry = CarryIndex(responses=[first.responses], scores=[first.scores])
    world = World(answering())
    result = asked_for(evaluation(world, carry=lambda _: carry), run_id="ev_2")
    assert (result.summary["carried"], world.provider.sent) == (5, [])


def test_a_pipeline_evaluates_and_goes_on_with_the_numbers() -> None:
    text = """
workflow:
  name: evaluating
  steps:
    - name: judge
      type: eval_batch
      config: {test_suite: s, metrics: [exact_match]}
    - {name: rate, type: echo, value: "{{ steps.judge.data.summary.pass_rate }}"}
"""
    inner = World(answering())
    outer = World(steps={"eval_batch": EvalBatch})
    outer.with_services(extensions={"evaluate": lambda: evaluation(inner)})
    found = outer.run(text)
    assert found.status == "succeeded", found.error
    assert found.steps["rate"].data == 100.0
    assert found.steps["judge"].metadata["run_id"].startswith("ev_")
    # What the evaluation took is a part of what the run took.
    assert found.steps["judge"].cost_nanousd == 5_000_000
    assert (found.cost_nanousd, found.calls) == (5_000_000, 5)
    assert found.tokens == found.steps["judge"].tokens != Tokens()
