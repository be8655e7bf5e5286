"""Stored answers under today's metrics: scored again without a call, found again, or not comparable."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipex_core.app.evaluations import Desk, open_desk, run_eval
from pipex_core.app.pipelines import waited
from pipex_core.app.rulers import Pair, rescored_job, under_one_ruler
from pipex_core.app.stored import find_run, open_archive
from pipex_core.errors import ConfigError
from pipex_core.evals.compare import compare
from tests.fakes.judges import scored
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke

loose = {"type": "exact_match", "ignore_case": True}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of 60 sums, and two sets of answers, some of which differ by case only."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, cases=60)
    suite = tmp_path / "test_suites" / "sums" / "cases.jsonl"
    rows = [{"id": f"q{i}", "input": f"{i}?", "expected_output": f"N{i}"} for i in range(60)]
    write_lines(suite, rows)
    upper = [{"case_id": f"q{i}", "output": f"N{i}" if i % 2 else f"n{i}"} for i in range(60)]
    lower = [{"case_id": f"q{i}", "output": f"n{i}"} for i in range(60)]
    write_lines(tmp_path / "upper.jsonl", upper)
    write_lines(tmp_path / "lower.jsonl", lower)
    return tmp_path


@pytest.fixture
def runs(project: Path) -> Mapping[str, str]:
    """``upper`` under the strict metric, ``lower`` under the loose one."""
    del project
    strict = run_eval("sums", "upper.jsonl", ["exact_match"]).run_id
    return {"strict": strict, "loose": run_eval("sums", "lower.jsonl", [loose]).run_id}


def pair(desk: Desk, first: str, second: str, *, judges: bool = False) -> Pair:
    a, b = (desk.archive.load(find_run(desk.archive, word)) for word in (first, second))
    return waited(under_one_ruler(desk, a, b, judges=judges))


def test_a_run_under_another_metric_is_scored_again_and_compared(runs: Mapping[str, str]) -> None:
    desk = open_desk()
    found = pair(desk, runs["strict"], runs["loose"])
    assert found.b.place.run_id == runs["loose"]
    (said,) = found.notes
    assert said == f"the answers of {runs['strict']} were scored again as {found.a.place.run_id}"
    (row,) = compare(found.a.judgement.arm, found.b.judgement.arm)
    assert (row.reason, row.n_pairs, row.mean_a, row.mean_b) == (None, 60, 1.0, 1.0)
    made = found.a.manifest
    assert made["run"]["labels"] == {"rescored": runs["strict"]}
    assert made["target"]["digest"] == desk.archive.load(find_run(desk.archive, runs["strict"])).manifest["target"]["digest"]  # fmt: skip
    assert set(found.a.responses["origin_run_id"].to_pylist()) == {runs["strict"]}
    assert (made["run"]["calls"], made["run"]["n_carried"]) == (0, 60)
    old = desk.archive.load(find_run(desk.archive, runs["strict"]))
    assert old.judgement.arm.metrics["exact_match"].values.mean() == 0.5


def test_what_was_scored_again_once_is_found(runs: Mapping[str, str]) -> None:
    desk = open_desk()
    first = pair(desk, runs["strict"], runs["loose"])
    again = pair(desk, runs["strict"], runs["loose"])
    assert again.a.place == first.a.place
    assert again.notes == []
    assert len(desk.archive.places()) == 3


def test_the_challenger_is_scored_again_where_it_is_the_old_one(runs: Mapping[str, str]) -> None:
    found = pair(open_desk(), runs["loose"], runs["strict"])
    assert found.a.place.run_id != runs["loose"]
    assert found.b.place.run_id == runs["strict"]  # its entries are those in question
    (row,) = compare(found.a.judgement.arm, found.b.judgement.arm)
    assert (row.mean_a, row.mean_b) == (0.0, 0.5)


def test_runs_under_one_ruler_are_left_alone(runs: Mapping[str, str]) -> None:
    del runs
    twice = [run_eval("sums", "upper.jsonl", ["exact_match"]).run_id for _ in range(2)]
    desk = open_desk()
    before = len(desk.archive.places())
    assert pair(desk, *twice).notes == ()
    assert len(desk.archive.places()) == before


def test_cases_that_ask_something_else_now_are_left_out(
    project: Path, runs: Mapping[str, str]
) -> None:
    file = project / "test_suites" / "sums" / "cases.jsonl"
    file.write_text(file.read_text().replace('"input": "7?"', '"input": "seven?"'))
    found = pair(open_desk(), runs["strict"], runs["loose"])
    assert len(found.a.judgement.arm.cases) == 59
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    write_lines(file, [{**line, "input": f"new {line['id']}"} for line in lines])
    gone = pair(open_desk(), runs["strict"], runs["loose"])
    assert gone.a.place.run_id == runs["strict"]
    assert gone.notes[0].startswith("the runs cannot be scored again: no case of run")


def test_rows_without_an_answer_stay_without_one(project: Path) -> None:
    write_lines(
        project / "holes.jsonl",
        [{"case_id": f"q{i}", "output": f"n{i}"} for i in range(55)],
    )
    holes = run_eval("sums", "holes.jsonl", ["exact_match"]).run_id
    new = run_eval("sums", "lower.jsonl", [loose]).run_id
    found = pair(open_desk(), holes, new)
    assert found.a.manifest["run"]["n_missing"] == 5
    assert set(found.a.responses["error_code"].to_pylist()) == {None, "no_recorded_answer"}


def test_a_run_can_be_scored_under_any_metrics(runs: Mapping[str, str]) -> None:
    desk = open_desk()
    stored = desk.archive.load(find_run(desk.archive, runs["loose"]))
    job = rescored_job(desk, stored, metrics=["exact_match"])
    assert [entry.type for entry in job.metrics] == ["exact_match"]
    assert job.target.target_id == "lower"
    Path("test_suites/sums/cases.jsonl").write_text(
        '{"id": "x", "input": "x", "expected_output": "y"}\n'
    )
    with pytest.raises(ConfigError) as caught:
        rescored_job(desk, stored, metrics=["exact_match"])
    assert caught.value.code == "nothing_to_score"


def test_the_prompt_scores_again_by_itself(project: Path, runs: Mapping[str, str]) -> None:
    done = invoke("compare", runs["strict"], runs["loose"], "--json")
    (row,) = done.document["comparisons"]
    assert (done.code, row["reason"], row["n_pairs"]) == (0, None, 60)
    assert f"the answers of {runs['strict']} were scored again" in done.err
    (project / "gate.yaml").write_text(
        "rules:\n  - {id: r, metric: exact_match, kind: noninferiority, margin: 0.05}\n"
    )
    words = ("gate", runs["loose"], "--gate", "gate.yaml", "--baseline", runs["strict"], "--json")
    assert invoke(*words).document["verdict"] == "PASS"
    assert len(open_archive("results").places()) == 3


def test_judges_that_changed_are_asked_again_only_on_request(project: Path) -> None:
    reply = json.dumps(json.dumps(scored("good", 4)))
    (project / "mock.yaml").write_text(f"default: {{reply: {reply}}}\n", encoding="utf-8")
    metrics = ["exact_match", "relevance"]
    made = [
        run_eval("sums", "lower.jsonl", metrics, judge=model, mock_responses="mock.yaml").run_id
        for model in ("claude-haiku-5-5", "claude-opus-5-1")
    ]
    desk = open_desk(mock_responses="mock.yaml")
    left = pair(desk, *made)
    assert left.notes == ["judges changed: score both runs again with --rescore"]
    reasons = {row.metric: row.reason for row in compare(left.a.judgement.arm, left.b.judgement.arm)}  # fmt: skip
    assert reasons == {"exact_match": None, "relevance": "ruler_changed"}


def test_a_new_run_is_compared_with_its_baseline_under_its_own_metrics(
    project: Path, runs: Mapping[str, str]
) -> None:
    (project / "gate.yaml").write_text(
        "rules:\n  - {id: r, metric: exact_match, kind: noninferiority, margin: 0.05}\n"
    )
    (project / "metrics.yaml").write_text(json.dumps([loose]))
    words = ("eval", "run", "sums", "--recorded", "lower.jsonl", "--metrics", "metrics.yaml")
    gated = (*words, "--gate", "gate.yaml", "--baseline", runs["strict"], "--json")
    done = invoke(*gated)
    assert done.document["verdict"]["verdict"] == "PASS"
    assert f"the answers of {runs['strict']} were scored again as" in done.err
    assert done.document["verdict"]["rules"][0]["mean_a"] == 1.0
    cases = project / "test_suites" / "sums" / "cases.jsonl"
    rows = [json.loads(line) for line in cases.read_text().splitlines()]
    write_lines(cases, [{**row, "input": f"new {row['input']}"} for row in rows])
    refused = invoke(*gated)
    assert (refused.code, refused.document["code"]) == (2, "not_comparable")
    beside = invoke(*words, "--baseline", runs["strict"], "--json")
    assert "the baseline cannot be scored again: no case of run" in beside.err
