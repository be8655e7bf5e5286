"""Diffs of suites on disk: what a run would compute by the metrics they name."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipex_core.app.linting import lint_suite
from pipex_core.app.suitediffs import diff_suites, sample_diff
from pipex_core.app.suites import load_suite
from pipex_core.app.suiteversions import revert_suite, save_suite
from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals.suite import SuiteDefaults
from tests.fakes.project import write_lines, write_project

qa = Path("test_suites/sums")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_metrics_that_read_the_reference_are_computed_again() -> None:
    start = replace(
        load_suite("sums"), defaults=SuiteDefaults(metrics=("exact_match", "distinct_n", "latency"))
    )
    first = replace(start.cases[0], expected_output="two")
    end = replace(start, cases=(first, *start.cases[1:]))
    assert diff_suites(start, end).consequences == {"responses": 0, "scores": 1, "verdict_only": 0}
    own = replace(first, metrics=({"type": "distinct_n", "n": 3}, "bleu"))
    end = replace(start, cases=(own, *start.cases[1:]))
    # exact_match for the reference, distinct_n with another option in place of the suite's, and bleu.
    assert diff_suites(start, end).consequences["scores"] == 3


def test_suites_and_paths_and_versions_may_be_compared() -> None:
    save_suite(load_suite("sums"), qa)
    assert diff_suites("sums@1", load_suite("sums")).is_empty
    assert diff_suites(qa, "sums").is_empty


def test_suites_with_unknown_metrics_are_compared_with_an_estimate() -> None:
    start = load_suite("sums")
    end = replace(start, defaults=SuiteDefaults(metrics=("exact_macth",)))
    rows = diff_suites(start, end).consequences
    assert rows == {"responses": 0, "scores": 4, "verdict_only": 0}


def test_a_sample_without_strata_has_no_groups() -> None:
    drawn = sample_diff("sums", 2, seed=3)
    assert (len(drawn.ids), drawn.size, drawn.groups, list(drawn.warnings)) == (2, 4, {}, [])
    with pytest.raises(ConfigError) as caught:
        sample_diff("sums", 2, stratify_by="nothing")
    assert caught.value.code == "unknown_field"


def test_saved_versions_can_be_linted() -> None:
    write_lines(qa / "cases.jsonl", [{"id": "a", "input": " ", "expected_output": "x"}])
    save_suite(load_suite("sums"), qa)
    write_lines(qa / "cases.jsonl", [{"id": "a", "input": "good", "expected_output": "x"}])
    assert list(lint_suite("sums")) == []
    for found in (lint_suite("sums@1"), lint_suite("sums", "1")):
        assert [str(problem) for problem in found] == [
            "test_suites/sums@1: warning: the input is empty [empty_input]"
        ]


def test_a_store_that_fails_otherwise_is_not_looked_around_for(project: Path) -> None:
    save_suite(load_suite("sums"), qa)
    (copy,) = (project / ".pipex/suites").iterdir()
    copy.unlink()
    copy.mkdir()
    with pytest.raises(StoreError) as caught:
        revert_suite(qa, "1")
    assert caught.value.code != "not_found"


def test_an_id_that_occurs_in_another_case_is_not_mistaken_for_it() -> None:
    write_lines(
        qa / "cases.jsonl",
        [
            {"id": "x", "input": 'asks about "b"', "expected_output": "b"},
            {"id": "y", "input": "z", "expected_output": "b", "tags": ["b"]},
            {"id": "b", "input": " ", "expected_output": "q"},
        ],
    )
    assert [(p.line, p.code) for p in lint_suite("sums")] == [(3, "empty_input")]
