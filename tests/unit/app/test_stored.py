"""Stored runs by the words people use for them, judged again and taken as baselines."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipex_core.app.evaluations import run_eval
from pipex_core.app.stored import baseline_of, find_run, judge_stored, load_results, open_archive
from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.archive import Archive
from pipex_core.evals.judged import Judged
from tests.fakes.project import write_project

floor = "gate:\n  rules:\n    - {id: floor, metric: exact_match, kind: threshold, value: 0.9, bound: point}\n"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Run ids of ``good``, ``poor`` and a model, in the order in which they were made."""
    write_project(tmp_path, gate=floor)
    monkeypatch.chdir(tmp_path)
    good, poor = (run_eval("sums", f"{name}.jsonl").run_id for name in ("good", "poor"))
    asked = run_eval("sums", {"kind": "prompt", "model": "claude-haiku-5-5"}).run_id
    return {"good": good, "poor": poor, "asked": asked}


@pytest.fixture
def archive(runs: Mapping[str, str]) -> Archive:
    del runs
    return open_archive("results")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("good", "good"),
        ("poor", "poor"),
        ("claude-haiku-5-5", "asked"),
        ("prompt", "asked"),
        ("latest", "asked"),
        ("latest:sums", "asked"),
    ],
)
def test_a_run_is_found_by_target_model_and_age(
    word: str, name: str, runs: Mapping[str, str], archive: Archive
) -> None:
    assert find_run(archive, word).run_id == runs[name]


def test_a_run_is_found_by_id_and_by_unique_prefix(
    runs: Mapping[str, str], archive: Archive
) -> None:
    for run_id in runs.values():
        assert find_run(archive, run_id).run_id == run_id
        assert find_run(archive, run_id[:-1]).run_id == run_id
    with pytest.raises(ConfigError, match="fits several runs") as caught:
        find_run(archive, "ev_")
    assert (caught.value.code, caught.value.next_step) == ("unknown_run", "pipex eval list")


def test_runs_of_one_second_sort_by_their_time(runs: Mapping[str, str]) -> None:
    assert sorted(runs.values()) == list(runs.values())


def test_a_missing_folder_says_how_to_make_one(tmp_path: Path) -> None:
    for call in (open_archive, load_results):
        with pytest.raises(ConfigError, match="no results folder") as caught:
            call(str(tmp_path / "nowhere"))
        assert caught.value.code == "no_results"
        assert "pipex eval run" in caught.value.next_step


def test_the_folder_of_the_settings_is_opened_when_none_is_named(
    runs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEX_RESULTS_DIR", "results")
    assert len(open_archive().places()) == len(runs)


def test_results_are_frames_of_all_runs(runs: Mapping[str, str]) -> None:
    assert set(load_results("results").runs()["run_id"]) == set(runs.values())


@pytest.mark.parametrize(("name", "verdict"), [("good", "PASS"), ("poor", "FAIL")])
def test_a_run_is_judged_by_the_gate_of_its_suite(
    name: str, verdict: str, archive: Archive
) -> None:
    stored = archive.load(find_run(archive, name))
    assert judge_stored(archive, stored, gate_file=None, baseline=None).verdict == verdict


def test_a_gate_file_stands_in_for_the_suites(archive: Archive) -> None:
    Path("gate.yaml").write_text(floor.replace("0.9", "0.2"), encoding="utf-8")
    stored = archive.load(find_run(archive, "poor"))
    assert judge_stored(archive, stored, gate_file="gate.yaml", baseline=None).verdict == "PASS"


def test_a_baseline_is_compared_with(archive: Archive) -> None:
    Path("gate.yaml").write_text(
        "rules:\n  - {id: n, metric: exact_match, kind: noninferiority, margin: 0.1, min_pairs: 2}\n"
    )
    good = archive.load(find_run(archive, "good"))
    found = judge_stored(archive, good, gate_file="gate.yaml", baseline="poor")
    assert found.as_json()["rules"][0]["diff"] == pytest.approx(0.75)


def test_a_suite_without_gate_asks_for_one(archive: Archive) -> None:
    head = Path("test_suites/sums/suite.yaml")
    head.write_text(head.read_text().split("gate:")[0])
    with pytest.raises(ConfigError, match="has no gate") as caught:
        judge_stored(
            archive, archive.load(find_run(archive, "good")), gate_file=None, baseline=None
        )
    assert (caught.value.code, caught.value.next_step) == ("no_gate", "name one with --gate FILE")


def test_a_broken_gate_of_a_suite_is_shown_in_its_file(archive: Archive) -> None:
    head = Path("test_suites/sums/suite.yaml")
    head.write_text(head.read_text().replace("threshold", "treshold"))
    with pytest.raises(SpecError, match=r"^test_suites/sums/suite.yaml:6:46: error: kind"):
        judge_stored(
            archive, archive.load(find_run(archive, "good")), gate_file=None, baseline=None
        )


def test_a_pointer_file_is_the_baseline_of_its_name(
    runs: Mapping[str, str], archive: Archive
) -> None:
    folder = Path("baselines/sums")
    folder.mkdir(parents=True)
    (folder / "champion.json").write_text(json.dumps({"run_id": runs["poor"]}))
    found = baseline_of(archive, "sums", "champion")
    assert isinstance(found, Judged)
    assert found.arm.run_id == runs["poor"]


def test_the_champion_may_not_be_there_yet_and_others_must(archive: Archive) -> None:
    assert baseline_of(archive, "sums", "champion") is None
    with pytest.raises(ConfigError, match="is no pointer, target or run") as caught:
        baseline_of(archive, "sums", "yesterday")
    assert caught.value.code == "baseline_missing"


def test_a_run_is_not_its_own_baseline(archive: Archive) -> None:
    place = find_run(archive, "good")
    assert baseline_of(archive, "sums", "good", but=place) is None


def test_a_baseline_is_read_under_the_reducer_of_the_run(
    runs: Mapping[str, str], archive: Archive
) -> None:
    del runs
    lines = [{"case_id": "q1", "repeat": r, "output": text} for r, text in enumerate("2??")]
    Path("flaky.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    run_eval("sums", "flaky.jsonl", repeats=3)
    mean, best = (
        baseline_of(archive, "sums", "flaky", reducer=reducer) for reducer in (None, "pass_at_k")
    )
    assert isinstance(mean, Judged)
    assert isinstance(best, Judged)
    assert mean.arm.metrics["exact_match"].values[0] == pytest.approx(1 / 3)
    assert best.arm.metrics["exact_match"].values[0] == 1.0
