"""Pipeline files that other people wrote, with the verdict that the language gives to each."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipex_core.app import wiring
from pipex_core.errors import Problem, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.spec.plan import Plan, load_plan

# All step types of the language: a file with one that is not built in yet has no verdict.
of_the_language = frozenset(
    {
        *("claude", "gemini", "gemini_instructor", "claude_smart", "claude_extract"),
        *("claude_session", "parallel_claude", "claude_batch", "claude_robust", "for_loop"),
        *("while_loop", "switch", "set_variable", "checkpoint", "echo", "data_transform"),
        *("file_ops", "codebase_query", "pipeline", "break", "continue", "eval_load_suite"),
        *("eval_batch", "eval_aggregate", "eval_report", "eval_gate"),
    }
)


def judged(folder: Path) -> Iterator[tuple[dict[str, Json], Plan | None, tuple[Problem, ...]]]:
    shapes = wiring.shapes()
    missing = of_the_language.difference(shapes)
    listing = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    for case in listing["files"]:
        text = (folder / case["file"]).read_text(encoding="utf-8")
        types = re.findall(r"""^\s*(?:- )?type:\s*["']?([a-z_]+)""", text, re.MULTILINE)
        if missing.intersection(types):
            continue
        try:
            plan = load_plan(text, case["file"], shapes)
        except SpecError as exc:
            yield case, None, exc.problems
        else:
            yield case, plan, plan.warnings


@pytest.fixture(scope="module")
def cases(shared_dir: Path) -> list[tuple[dict[str, Json], Plan | None, tuple[Problem, ...]]]:
    return list(judged(shared_dir / "conformance" / "pipelines"))


Cases = list[tuple[dict[str, Json], Plan | None, tuple[Problem, ...]]]


def test_enough_files_are_judged(cases: Cases) -> None:
    assert len(cases) >= 17


def test_the_right_files_load(cases: Cases) -> None:
    expected = {case["file"]: case["loads"] for case, _, _ in cases}
    assert {case["file"]: plan is not None for case, plan, _ in cases} == expected


def test_the_named_problems_are_found(cases: Cases) -> None:
    lacking = {
        case["file"]: set(case.get("codes", ())) - {problem.code for problem in problems}
        for case, _, problems in cases
    }
    assert {file: codes for file, codes in lacking.items() if codes} == {}


def test_steps_keep_the_order_of_the_file(cases: Cases) -> None:
    loaded = [(case, plan) for case, plan, _ in cases if plan is not None]
    expected = {case["file"]: case["order"] for case, _ in loaded}
    assert {case["file"]: [step.name for step in plan.steps] for case, plan in loaded} == expected


def test_every_problem_has_a_line_and_a_message(cases: Cases) -> None:
    assert all(
        problem.line >= 1 and problem.message for _, _, problems in cases for problem in problems
    )
