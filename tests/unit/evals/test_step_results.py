"""Steps on finished evaluations: sums, regressions, reports, gates; and how they find an evaluation."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import ConfigError, StepError, StoreError
from pipex_core.evals.batch import StepEvaluations
from pipex_core.evals.finished import Finished
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judged import Baseline
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.stepresults import EvalAggregate, EvalGate, EvalReport
from pipex_core.evals.steps import BatchRequest, EvalLoadSuite, SuiteChoice
from pipex_core.jsonvalue import Json
from pipex_core.metrics.catalogue import built_in
from pipex_core.steps.contract import Outcome
from tests.fakes.evaluation import answering, capital_suite, job, prompt, run
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace
from tests.fakes.world import World

run_id = "ev_20261124T120000_00000001"
missed: Json = {"metric": "exact_match", "kind": "threshold", "value": 0.9, "bound": "point"}


class Project:
    """Stored evaluations and what steps say of them; four of five answers are right."""

    def __init__(self, **files: Json) -> None:
        self.blobs = MemoryBlobs()
        self.files = files
        self.named: list[tuple[str, str]] = []
        self.workspace = MemoryWorkspace()
        self.warnings: list[tuple[str, str]] = []
        self.run = self.evaluated(run_id, {"it": "Milan"})

    def evaluated(self, name: str, answers: dict[str, str] | None = None) -> EvalRun:
        return run(job(run_id=name), World(answering(answers)), blobs=self.blobs)

    def _baseline(self, suite_id: str, name: str) -> Baseline | None:
        self.named.append((suite_id, name))
        return None

    @property
    def evaluations(self) -> StepEvaluations:
        return StepEvaluations(
            services=World().services,
            registry=built_in(),
            finished=Finished(
                results=self.blobs,
                open_root=lambda root: {"elsewhere": self.blobs}[root],
                read_json=self.files.get,
                baseline=self._baseline,
                load_gate=gate_of,
                render=lambda found, form: f"{form} of {found.manifest['run_id']}",
                suffixes={"json": "json", "html": "html"},
            ),
            open_store=lambda _: MemoryBlobs(),
            load_suite=lambda path, _version: {"s": capital_suite()}[path],
            read_target=lambda _target, _suite: prompt,
        )

    def step(
        self, step: Any, *, before: Mapping[str, Json] | None = None, **fields: Any
    ) -> Outcome:
        bench = Bench(
            spec(step.shape.type, **fields),
            scope={"steps": before or {}},
            workspace=self.workspace,
        )
        extensions = {"evaluate": lambda: self.evaluations}
        found: Outcome = asyncio.run(step.run(replace(bench.context, extensions=extensions)))
        self.warnings = bench.warnings
        return found

    def aggregate(self, results: Json = None, **fields: Any) -> Any:
        return self.step(EvalAggregate(), results=results or {"run_id": run_id}, **fields).data

    def gate(self, **fields: Any) -> Outcome:
        return self.step(EvalGate(), **{"results": {"run_id": run_id}, **fields})


def test_the_numbers_of_each_metric_are_those_of_its_cases() -> None:
    found = Project().aggregate()
    numbers = found["metrics"]["exact_match"]
    # Four of 1 and one of 0; the interval is that of Wilson for 4 of 5.
    assert numbers["n"] == 5
    assert (numbers["mean"], numbers["median"], numbers["min"], numbers["max"]) == (0.8, 1, 0, 1)
    assert numbers["std_dev"] == pytest.approx(0.4472135955)
    assert (numbers["p25"], numbers["p75"], numbers["n_missing"]) == (1, 1, 0)
    assert numbers["ci_low"] == pytest.approx(0.3755, abs=1e-4)
    assert numbers["ci_high"] == pytest.approx(0.9638, abs=1e-4)
    assert (found["summary"]["pass_rate"], found["summary"]["run_id"]) == (80.0, run_id)
    assert (found["baseline"], found["regressions"], found["regression_detected"]) == (
        None,
        [],
        False,
    )


@pytest.mark.parametrize(
    "results",
    [
        run_id,
        "latest",
        {"run_id": run_id, "path": "outputs/x.json"},
        {"results": {"run_id": run_id}, "summary": {}},
        {"total_tests": 5, "run_id": run_id},
        {"path": f"elsewhere/runs/suite_id=capitals/model_id=m/run_id={run_id}/manifest.json"},
        f"elsewhere/runs/suite_id=capitals/model_id=m/run_id={run_id}/manifest.json",
        "saved.json",
    ],
)
def test_an_evaluation_is_found_by_whatever_a_step_says_of_it(results: Json) -> None:
    project = Project(**{"saved.json": {"run": {"run_id": run_id}}})
    assert project.aggregate(results)["results"]["run_id"] == run_id


@pytest.mark.parametrize("results", [{"count": 3}, "ev_nothing", {"path": "gone.json"}])
def test_an_evaluation_that_is_not_there_is_said_so(results: Json) -> None:
    with pytest.raises(ConfigError) as caught:
        Project().aggregate(results)
    assert caught.value.code == "unknown_run"


@pytest.mark.parametrize(
    "baseline",
    [
        {"metrics": {"exact_match": 1.0, "gone": {"mean": 0.5, "std_dev": 0.1, "n": 3}}},
        "base.json",
    ],
)
def test_means_alone_show_a_fall_and_what_is_gone_but_no_certainty(baseline: Json) -> None:
    metrics = {"exact_match": {"mean": 1.0}, "gone": {"mean": 0.5}, "unknown": {"mean": None}}
    found = Project(**{"base.json": {"metrics": metrics}}).aggregate(baseline=baseline)
    gone, fallen = found["regressions"]
    assert (gone["metric"], gone["percent_change"], gone["verdict"]) == ("gone", None, "FAIL")
    assert (fallen["metric"], fallen["verdict"], fallen["significant"]) == (
        "exact_match",
        "INCONCLUSIVE",
        None,
    )
    assert fallen["percent_change"] == pytest.approx(-20)
    assert found["regression_detected"] is True
    assert found["regression_details"] == found["regressions"]
    assert found["baseline"] == "embedded"


def test_a_fall_within_the_threshold_is_no_regression() -> None:
    found = Project().aggregate(baseline={"metrics": {"exact_match": 1.0}}, regression_threshold=20)
    assert (found["regressions"], found["regression_threshold"]) == ([], 20)


@pytest.mark.parametrize(
    "baseline", ["result.json", {"results": {"run_id": "ev_20261124T110000_00000001"}}]
)
def test_a_stored_run_is_compared_case_by_case(baseline: Json) -> None:
    before = "ev_20261124T110000_00000001"
    project = Project(**{"result.json": {"run": {"run_id": before}, "metrics": {}}})
    project.evaluated(before)
    (fallen,) = project.aggregate(baseline=baseline)["regressions"]
    assert (fallen["baseline_mean"], fallen["current_mean"]) == (1.0, 0.8)
    # One of five pairs changed: that is chance.
    assert (fallen["significant"], fallen["verdict"]) == (False, "INCONCLUSIVE")


def test_a_result_whose_run_is_gone_still_has_its_means() -> None:
    document = {"run": {"run_id": "ev_gone"}, "metrics": {"exact_match": {"mean": 0.9}}}
    project = Project(**{"old.json": document})
    assert project.aggregate(baseline="old.json")["regressions"][0]["baseline_mean"] == 0.9


def test_a_name_is_asked_of_those_who_keep_baselines() -> None:
    project = Project()
    assert project.aggregate(baseline="champion")["baseline"] is None
    assert project.named == [("capitals", "champion")]
    assert project.aggregate(baseline="none")["regressions"] == []


@pytest.mark.parametrize("document", [{"means": {}}, [1]])
def test_a_file_without_metrics_is_no_baseline(document: Json) -> None:
    with pytest.raises(ConfigError, match="holds `metrics`"):
        Project(**{"base.json": document}).aggregate(baseline="base.json")


def test_reports_are_written_below_the_output_directory() -> None:
    project = Project()
    made = project.step(
        EvalReport(), results=run_id, formats=["json", "html"], output_dir="reports"
    )
    assert made.data == {"files": [f"reports/{run_id}.json", f"reports/{run_id}.html"]}
    assert project.workspace.outputs[f"reports/{run_id}.html"] == f"html of {run_id}"
    again = project.step(EvalReport(), results=project.aggregate(baseline={"metrics": {"x": 1.0}}))
    assert again.data == {"files": [f"{run_id}.json"]}


def test_thresholds_hold_or_fail_the_step() -> None:
    project = Project()
    good = project.gate(thresholds={"pass_rate": 80.0, "exact_match_mean": 0.8})
    assert (good.failure, good.data["passed"], good.data["verdict"]) == (None, True, "PASS")
    poor = project.gate(thresholds={"pass_rate": 80.0, "exact_match_mean": 0.81})
    assert poor.failure is not None
    assert (poor.failure.code, poor.data["passed"]) == ("gate_failed", False)
    assert [one["id"] for one in poor.data["failures"]] == ["exact_match_mean"]
    assert len(poor.data["rules"]) == 2


def test_a_gate_that_only_warns_lets_the_step_succeed() -> None:
    project = Project()
    made = project.gate(thresholds={"pass_rate": 99.0}, on_failure="warn")
    assert (made.failure, made.data["passed"]) == (None, False)
    assert [code for code, _ in project.warnings] == ["gate_failed"]
    assert project.gate(thresholds={"pass_rate": 99.0}, on_failure="continue").failure is not None


def test_rules_of_a_gate_are_judged_against_the_baseline_that_is_named() -> None:
    project = Project()
    assert project.gate(gate={"baseline": "none", "rules": [missed]}).data["verdict"] == "FAIL"
    pair = {"metric": "exact_match", "kind": "noninferiority", "margin": 0.5}
    alone = project.gate(gate={"rules": [pair]})
    assert alone.data["rules"][0]["reason"] == "no_baseline"
    assert project.named == [("capitals", "champion")]
    itself = project.gate(gate={"rules": [pair]}, baseline={"run_id": run_id})
    assert itself.data["rules"][0]["reason"] == "no_baseline"


def test_verdicts_that_are_allowed_do_not_fail_the_step() -> None:
    project = Project()
    pair = {"metric": "exact_match", "kind": "noninferiority", "margin": 0.5}
    undecided = project.gate(gate={"rules": [pair]})
    assert undecided.failure is not None
    assert undecided.data["verdict"] == "INCONCLUSIVE"
    allowed = project.gate(gate={"rules": [pair]}, allow=["inconclusive"])
    assert (allowed.failure, allowed.data["passed"]) == (None, True)
    assert allowed.data["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [("{{ 1 < 2 }}", "PASS"), ("1 > 2", "FAIL"), ({"and": ["1 < 2", "2 < 1"]}, "FAIL")],
)
def test_a_condition_is_a_gate_of_its_own(condition: Json, verdict: str) -> None:
    made = Project().step(EvalGate(), condition=condition)
    assert made.data["verdict"] == verdict
    assert [rule["id"] for rule in made.data["rules"]] == ["condition"]


def test_the_worst_part_of_a_gate_decides() -> None:
    made = Project().gate(
        condition="1 < 2",
        thresholds={"pass_rate": 10},
        gate={"baseline": "none", "rules": [missed]},
    )
    assert made.data["verdict"] == "FAIL"
    assert [one["id"] for one in made.data["failures"]] == ["exact_match_threshold"]


def test_no_regression_needs_something_to_compare_with() -> None:
    project = Project()
    unknown = project.gate(thresholds={"no_regression": True})
    assert unknown.data["rules"] == [
        {"id": "no_regression", "outcome": "INCOMPLETE", "reason": "no_baseline"}
    ]
    gone = {"metrics": {"gone": 1.0}}
    fallen = project.gate(thresholds={"no_regression": True}, baseline=gone)
    assert fallen.data["failures"][0]["reason"] == "gone"
    summed = project.aggregate(baseline={"metrics": {"exact_match": 0.8}})
    assert project.gate(results=summed, thresholds={"no_regression": True}).data["passed"] is True
    unasked = project.gate(results=summed, thresholds={"no_regression": False}, condition="true")
    assert [rule["id"] for rule in unasked.data["rules"]] == ["condition"]


def test_a_gate_that_names_no_results_judges_the_last_evaluation_before_it() -> None:
    project = Project()
    before = {
        "first": {"type": "eval_batch", "data": {"results": {"run_id": "ev_other"}}},
        "failed": {"type": "eval_batch", "data": None},
        "sums": {"type": "eval_aggregate", "data": project.aggregate()},
        "note": {"type": "echo", "data": 1},
    }
    made = project.step(EvalGate(), before=before, thresholds={"pass_rate": 80})
    assert made.data["verdict"] == "PASS"
    with pytest.raises(StepError, match="no evaluation comes before"):
        project.step(EvalGate(), thresholds={"pass_rate": 80})


def test_a_gate_of_nothing_is_found_when_it_is_loaded() -> None:
    (found,) = EvalGate.shape.check(spec("eval_gate"))
    assert found.code == "missing_field"
    assert not list(EvalGate.shape.check(spec("eval_gate", condition="true")))


def test_a_gate_without_results_waits_for_the_evaluations_before_it() -> None:
    (waits,) = EvalGate.shape.effects(spec("eval_gate", condition="true"))
    assert waits.writes
    assert not list(EvalGate.shape.effects(spec("eval_gate", results="x")))
    assert not any(one.writes for one in EvalAggregate.shape.effects(spec("eval_aggregate")))


def test_a_suite_is_loaded_with_a_handle_on_its_choice() -> None:
    project = Project()
    made = project.step(
        EvalLoadSuite(), suite_path="s", filters={"id": ["de", "fr"]}, sample_size=5, seed=3
    )
    suite = made.data["suite"]
    assert [case["id"] for case in made.data["cases"]] == ["de", "fr"]
    assert made.data["count"] == 2
    assert {name: suite[name] for name in ("name", "id", "version", "path", "seed")} == {
        "name": "capitals",
        "id": "capitals",
        "version": "1",
        "path": "s",
        "seed": 3,
    }
    assert len(suite["digest"]) == 64
    assert [code for code, _ in project.warnings] == ["sample_too_large"]
    saved = project.step(EvalLoadSuite(), suite_path="s", version=2.1)
    assert saved.data["suite"]["saved"] == "2.1"


def test_a_suite_that_changed_since_it_was_loaded_is_not_evaluated() -> None:
    choice = SuiteChoice(path="s", digest="f" * 64)
    request = BatchRequest(run_id="ev_1", suite=choice)
    with pytest.raises(StoreError, match="not any more what was loaded"):
        asyncio.run(Project().evaluations.batch(request))


def test_a_stored_run_is_judged_as_it_stands_today() -> None:
    made = replace(
        Project().evaluations.finished,
        challenger=lambda one: replace(one.judged, uncertified=frozenset({"exact_match"})),
    )
    (found,) = made.judge(run_id, thresholds={"exact_match_mean": 0}, gate=None, baseline=None)
    assert found["rules"][0]["reason"] == "judge_uncertified"


def test_the_record_of_a_loaded_suite_holds_no_secret() -> None:
    project = Project()
    services = World().with_services(redact=lambda text: text.replace("Berlin", "[gone]")).services
    made = replace(project.evaluations, services=services)
    found = asyncio.run(made.load(SuiteChoice(path="s")))
    assert found.cases[0]["expected_output"] == "[gone]"
