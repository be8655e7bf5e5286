"""What a diff says a run would compute is what a run then computes, whatever was edited."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipex_core.app.evaluations import run_eval
from pipex_core.app.suitediffs import diff_suites
from pipex_core.app.suitefiles import write_suite
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import Case, Suite, SuiteDefaults

# Answers are the questions, so no two answers are equal unless their questions are.
echo = """\
workflow:
  name: echo
  inputs:
    question: {type: string}
  steps:
    - {name: answer, type: echo, value: "{{ inputs.question }}!"}
  outputs: {answer: steps.answer}
"""
metrics = (
    {"type": "exact_match", "threshold": 1.0},
    {"type": "distinct_n", "name": "words"},
    {"type": "fuzzy_match", "name": "near"},
)
Edit = Callable[[Case, random.Random], Case]
edits: tuple[Edit, ...] = (
    lambda case, rng: replace(case, input=f"asked anew {rng.random()}"),
    lambda case, rng: replace(case, expected_output=f"wanted {rng.random()}"),
    lambda case, rng: replace(case, relevant_ids=(str(rng.random()),)),
    lambda case, rng: replace(case, tags=(str(rng.random()),)),
    lambda case, rng: replace(case, metadata={"topic": rng.random()}, weight=2.0),
    lambda case, rng: replace(case, id=f"renamed-{rng.randrange(10**9)}"),
    lambda case, _: replace(case, status="frozen"),
    lambda case, _: replace(case, metrics=({"type": "contains", "name": "own"},)),
    lambda case, _: replace(case, metrics=({"type": "distinct_n", "threshold": 0.3},)),
)

# What this target does not read: it is asked again, and says the same.
unread_edits: tuple[Edit, ...] = (
    lambda case, rng: replace(case, context=f"page {rng.random()}"),
    lambda case, rng: replace(case, choices=("A", str(rng.random()))),
)


def first_suite() -> Suite:
    cases = [
        Case(id=f"c{i}", input=f"question {i}", expected_output=f"question {i}!") for i in range(8)
    ]
    return Suite(id="s", cases=cases, defaults=SuiteDefaults(metrics=metrics))


def edited(suite: Suite, rng: random.Random, edits: Sequence[Edit] = edits) -> Suite:
    cases = {case.id: case for case in suite.cases}
    for case in rng.sample(list(suite.cases), k=4):
        del cases[case.id]
        changed = case
        for edit in rng.sample(list(edits), k=rng.randint(1, 2)):
            changed = edit(changed, rng)
        cases[changed.id] = changed
    if rng.random() < 0.5:
        del cases[rng.choice(sorted(cases))]
    for n in range(rng.randint(0, 2)):
        cases[f"new{n}"] = Case(id=f"new{n}", input=f"new {rng.random()}", expected_output="x")
    defaults = suite.defaults
    if rng.random() < 0.3:
        defaults = replace(defaults, metrics=(*metrics[:2], {"type": "contains", "threshold": 0.5}))
    ordered = tuple(cases[case_id] for case_id in sorted(cases))
    return replace(suite, cases=ordered, defaults=defaults)


def own_rows(run: EvalRun) -> dict[str, int]:
    """Rows of cases that the run computed itself; of a metric the first one, not those of its parts."""
    responses = run.responses.to_pylist()
    rows = run.scores.to_pylist()
    scores = [row for row in rows if row["submetric"] is None and row["case_id"] is not None]
    return {
        "responses": sum(row["origin_run_id"] == run.run_id for row in responses),
        "scores": sum(row["origin_run_id"] == run.run_id for row in scores),
    }


def evaluated(suite: Suite) -> EvalRun:
    write_suite(suite, Path("suite"))
    return run_eval("suite", {"kind": "pipeline", "path": "echo.yaml"})


@pytest.mark.parametrize("seed", range(10))
def test_the_rows_of_a_diff_are_the_rows_that_are_computed(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("echo.yaml").write_text(echo)
    before = first_suite()
    rng = random.Random(seed)
    after = edited(before, rng)
    expected = diff_suites(before, after).consequences
    evaluated(before)
    found = own_rows(evaluated(after))
    assert found == {name: expected[name] for name in found}


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_that_is_the_same_again_keeps_scores_that_were_counted(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("echo.yaml").write_text(echo)
    before = first_suite()
    after = edited(before, random.Random(seed), unread_edits)
    expected = diff_suites(before, after).consequences
    evaluated(before)
    found = own_rows(evaluated(after))
    assert found["responses"] == expected["responses"]
    assert found["scores"] < expected["scores"]


def test_more_repeats_ask_for_those_that_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("echo.yaml").write_text(echo)
    before = first_suite()
    after = replace(before, defaults=SuiteDefaults(metrics=metrics, repeats=3))
    rows = diff_suites(before, after).consequences
    assert rows == {"responses": 16, "scores": 48, "verdict_only": 0}
    evaluated(before)
    # This target answers every repeat alike, so that the scores of the first one serve for all.
    assert own_rows(evaluated(after)) == {"responses": 16, "scores": 0}
