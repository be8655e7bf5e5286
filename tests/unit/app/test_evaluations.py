"""Evaluations from words: requests that survive as JSON, subsets, budgets, identities, and the Python calls."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

import pipex_core
from pipex_core.app.evaluations import open_desk, reopened, run_eval
from pipex_core.app.linting import lint_suite
from pipex_core.app.requests import (
    EvalRequest,
    request_document,
    request_of_document,
    selected_cases,
)
from pipex_core.app.settings import read_settings
from pipex_core.app.suites import load_suite
from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.job import RunOptions, capped
from pipex_core.jsonvalue import canonical_bytes, parse
from pipex_core.llm.cost import Budget
from tests.fakes.project import write_project

budget = Budget(name="run", max_cost_usd=Decimal("0.10"), max_calls=7)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "request_",
    [
        EvalRequest(suite="s", target="t.yaml"),
        EvalRequest(
            suite="s",
            target={"kind": "prompt", "model": "m"},
            metrics=["exact_match", {"type": "rouge"}],
            gate="g.yaml",
            repeats=3,
            where={"tags": "a"},
            options=RunOptions(budget=budget, max_missing=0.1),
            labels={"a": "b"},
            fail_on_threshold=True,
        ),
        EvalRequest(suite="s", target="t", options=RunOptions(budget=Budget(max_calls=1))),
    ],
)
def test_a_request_comes_back_from_its_json(request_: EvalRequest) -> None:
    document = parse(canonical_bytes(request_document(request_)).decode())
    assert request_of_document(document) == request_


@pytest.mark.parametrize(
    ("options", "cap", "expected"),
    [
        (RunOptions(), None, None),
        (RunOptions(), 0.5, Decimal("0.5")),
        (RunOptions(budget=budget), 0.5, Decimal("0.10")),
        (RunOptions(budget=budget), 0.05, Decimal("0.05")),
        (RunOptions(budget=Budget(max_calls=3)), 0.05, Decimal("0.05")),
    ],
)
def test_the_operators_cap_only_lowers_a_budget(
    options: RunOptions, cap: float | None, expected: Decimal | None
) -> None:
    found = capped(options, cap)
    assert (found.budget.max_cost_usd if found.budget else None) == expected
    if options.budget is not None and found.budget is not None:
        assert found.budget.max_calls == options.budget.max_calls


def test_the_cap_of_the_environment_reaches_the_job(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del project
    monkeypatch.setenv("PIPEX_MAX_COST_USD", "0.25")
    job = open_desk().job(EvalRequest(suite="sums", target="pipelines/asker.yaml"))
    assert job.options.budget is not None
    assert job.options.budget.max_cost_usd == Decimal("0.25")


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, None),
        ({"limit": 2}, ["q1", "q2"]),
        ({"limit": 9}, None),
        ({"where": {"id": ["q2", "q4"]}}, ["q2", "q4"]),
        ({"where": {"id": ["q2", "q4"]}, "limit": 1}, ["q2"]),
    ],
)
def test_a_request_may_ask_for_some_of_the_cases(
    more: dict[str, object], ids: list[str] | None, project: Path
) -> None:
    del project
    request = EvalRequest(suite="sums", target="t", **more)  # type: ignore[arg-type] # fields by name
    cases, is_subset = selected_cases(load_suite("sums"), request)
    assert (None if cases is None else [case.id for case in cases]) == ids
    assert is_subset is (ids is not None)


def test_a_sample_is_drawn_by_seed(project: Path) -> None:
    del project
    suite = load_suite("sums")
    drawn = [
        selected_cases(suite, EvalRequest(suite="s", target="t", sample_size=2, seed=seed))[0]
        for seed in (1, 1)
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0] or ()) == 2


def test_who_answers_is_part_of_the_identity(project: Path) -> None:
    desk = open_desk(results=str(project / "r"))
    assert desk.answerer == "mock"
    settings = read_settings(
        {"ANTHROPIC_API_KEY": "k", "PIPEX_ANTHROPIC_BASE_URL": "http://127.0.0.1:9/"}
    )
    live = open_desk(settings=settings, kind="live")
    assert live.answerer == "live:anthropic=http://127.0.0.1:9"
    assert open_desk(settings=read_settings({}), kind="live").answerer == "live"
    (project / "c.jsonl").write_text("")
    replay = open_desk(kind="replay", cassette="c.jsonl")
    assert replay.answerer.startswith("replay:")
    assert replay.surroundings.base_urls == {
        "anthropic": replay.answerer,
        "gemini": replay.answerer,
    }


def test_rules_and_the_vendors_that_are_live_tell_mixed_providers_apart(project: Path) -> None:
    for name in ("one", "two"):
        rules = f'responses: [{{when: {{contains: "+"}}, reply: "{name}"}}]'
        (project / f"{name}.yaml").write_text(rules, encoding="utf-8")
    urls = {"PIPEX_ANTHROPIC_BASE_URL": "http://127.0.0.1:9/"}
    known: list[tuple[str, dict[str, str]]] = [
        ("one.yaml", {}),
        ("two.yaml", {}),
        ("one.yaml", {"ANTHROPIC_API_KEY": "k"}),
        ("one.yaml", {"GEMINI_API_KEY": "k"}),
        ("one.yaml", {"ANTHROPIC_API_KEY": "k", **urls}),
    ]
    found = {
        open_desk(kind="mixed", mock_responses=rules, settings=read_settings(given)).answerer
        for rules, given in known
    }
    assert len(found) == len(known)


def test_what_a_file_in_a_prompt_says_is_part_of_the_identity(project: Path) -> None:
    (project / "reader.yaml").write_text(
        "workflow:\n  name: reader\n  inputs: {question: {type: string}}\n  steps:\n"
        "    - {name: s, type: claude, prompt: [{type: file, path: note.txt}]}\n",
        encoding="utf-8",
    )
    suite = load_suite("sums")
    digests = set()
    for text in (None, "one", "two"):
        if text is not None:
            (project / "note.txt").write_text(text, encoding="utf-8")
        digests.add(open_desk().target("reader.yaml", suite).digest)
    assert len(digests) == 3


def test_an_evaluation_is_reopened_with_everything_it_was_asked(project: Path) -> None:
    del project
    run = run_eval("sums", "good.jsonl", ["token_f1"], limit=2, results="elsewhere")
    desk, request = reopened(run.run_id)
    assert (desk.results, request.run_id) == ("elsewhere", run.run_id)
    assert (request.metrics, request.limit, request.target) == (["token_f1"], 2, "good.jsonl")


def test_an_unknown_evaluation_shows_the_nearest_id(project: Path) -> None:
    del project
    run_id = run_eval("sums", "good.jsonl").run_id
    with pytest.raises(ConfigError, match=f"did you mean {run_id}") as caught:
        reopened(f"{run_id}0")
    assert caught.value.code == "unknown_run"


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_asked(project: Path) -> None:
    with pytest.raises(ConfigError, match="nothing can be written") as caught:
        run_eval("sums", "pipelines/asker.yaml", results="good.jsonl")
    assert caught.value.code == "folder_not_writable"
    assert not (project / "checkpoints").exists()


def test_problems_of_metrics_stand_in_the_suite_unless_the_call_names_them(project: Path) -> None:
    head = project / "test_suites/sums/suite.yaml"
    head.write_text("id: sums\ndefaults:\n  metrics: [exact_macth]\n")
    with pytest.raises(
        SpecError, match=r"^test_suites/sums/suite.yaml:3:13: error: unknown metric"
    ):
        run_eval("sums", "good.jsonl")
    with pytest.raises(SpecError, match=r"^error: unknown metric 'rogue'"):
        run_eval("sums", "good.jsonl", ["rogue"])
    assert [problem.line for problem in lint_suite("sums")] == [3]
    head.write_text("id: sums\ndefaults: 5\n")
    assert [problem.code for problem in lint_suite("sums")] == ["wrong_type"]


def test_both_python_calls_give_the_run_also_inside_a_loop(project: Path) -> None:
    del project

    async def inside() -> tuple[str, str]:
        first = await pipex_core.arun_eval("sums", "good.jsonl")
        second = run_eval("sums", "good.jsonl")
        return first.row_digest, second.row_digest

    first, second = asyncio.run(inside())
    assert first == second


def test_the_run_says_what_the_cli_says(project: Path) -> None:
    del project
    run = run_eval("sums", "poor.jsonl", ["exact_match"], repeats=1, seed=3, max_concurrency=2)
    assert (run.status, run.verdict) == ("completed", None)
    assert run.summary.totals.pass_rate == 0.25
    assert run.job.seed == 3


evaluation = """\
workflow:
  name: judge
  steps:
    - {name: judged, type: eval_batch, test_suite: test_suites/sums, pipeline: {path: pipelines/asker.yaml}}
"""


def test_a_pipeline_with_an_evaluation_step_gives_the_rows_of_an_evaluation(project: Path) -> None:
    (project / "judge.yaml").write_text(evaluation, encoding="utf-8")
    stepped = pipex_core.run_pipeline("judge.yaml").steps["judged"]
    asked = run_eval("test_suites/sums", "pipelines/asker.yaml", results="elsewhere")
    assert stepped.error is None
    assert stepped.metadata["row_digest"] == asked.row_digest
    assert stepped.data["results"]["count"] == asked.responses.num_rows > 0


def test_the_operators_cap_holds_for_evaluation_steps_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEX_MAX_COST_USD", "1.5")
    (project / "judge.yaml").write_text(evaluation, encoding="utf-8")
    rules = 'responses: [{when: {contains: "+"}, reply: "2", cost: 1.0}]'
    (project / "mock.yaml").write_text(rules, encoding="utf-8")
    run = pipex_core.run_pipeline("judge.yaml", mock_responses="mock.yaml")
    stepped = run.steps["judged"]
    assert stepped.data["results"]["status"] == "incomplete"
