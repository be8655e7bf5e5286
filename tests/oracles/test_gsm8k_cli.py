"""Recorded answers of real models through the command line, against the verdicts that others published.

Sources: openai/grade-school-math, 1 319 problems with an ``is_correct`` flag for each of four models;
suzgunmirac/BIG-Bench-Hard, 13 022 answers of code-davinci-002 with the recorded accuracy of each task.
"""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipex_core.app.stored import find_run, open_archive
from pipex_core.jsonvalue import Json
from tests.fakes.shell import invoke

# Counts and Wilson intervals of SOURCE.md beside the data.
published = {
    "6b_finetuning": (286, 0.1954, 0.2399),
    "6b_verification": (515, 0.3645, 0.4171),
    "175b_finetuning": (458, 0.3220, 0.3733),
    "175b_verification": (742, 0.5356, 0.5891),
}
numeric = r"""
metrics:
  - {type: numeric_match, threshold: 1.0, extract: {regex: '(?m)^A: (.*)\Z'}}
"""


@pytest.fixture(scope="module")
def folder(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the imported suite and one evaluation for each of the four models."""
    root = tmp_path_factory.mktemp("gsm8k")
    source = shared_dir / "data" / "gsm8k" / "example_model_solutions.jsonl"
    answers = [
        word for name in published for word in ("--answer", f'{name}=record["{name}"].solution')
    ]
    (root / "metrics.yaml").write_text(numeric, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        imported = invoke(
            "suite", "import", source, "--id", "gsm8k", "--map", "input=question",
            "--map", "expected_output=trim(last(split(ground_truth, 'A:')))", *answers,
        )  # fmt: skip
        assert imported.code == 0, imported.err
        recorded = [
            word
            for name in published
            for word in ("--recorded", f"test_suites/gsm8k/recorded/{name}.jsonl")
        ]
        done = invoke(
            "eval", "run", "test_suites/gsm8k", *recorded, "--metrics", "metrics.yaml", "--json"
        )
        assert done.code == 0, done.err
        (root / "evals.json").write_text(done.out, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def runs(folder: Path) -> Mapping[str, Json]:
    document = json.loads((folder / "evals.json").read_text(encoding="utf-8"))
    return {run["target"]: run for run in document["runs"]}


def test_each_model_has_its_published_number_of_right_answers(runs: Mapping[str, Json]) -> None:
    for name, (right, low, high) in published.items():
        metric = runs[name]["metrics"]["numeric_match"]
        assert (runs[name]["summary"]["passed_tests"], metric["n_scored"]) == (right, 1319)
        assert metric["pass_ci"]["method"] == "wilson"
        assert metric["pass_ci"]["low"] == pytest.approx(low, abs=5e-5)
        assert metric["pass_ci"]["high"] == pytest.approx(high, abs=5e-5)


def test_every_one_of_5276_flags_is_the_recorded_one(folder: Path, shared_dir: Path) -> None:
    source = shared_dir / "data" / "gsm8k" / "example_model_solutions.jsonl"
    records = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    cases = (folder / "test_suites/gsm8k/cases.jsonl").read_text(encoding="utf-8").splitlines()
    record_of = {case["id"]: records[case["source"]["line"] - 1] for case in map(json.loads, cases)}
    archive = open_archive(str(folder / "results"))
    compared = 0
    for name in published:
        scores = archive.load(find_run(archive, name)).scores.to_pylist()
        for row in scores:
            assert row["passed"] is record_of[row["case_id"]][name]["is_correct"], row["case_id"]
        compared += len(scores)
    assert compared == 5_276


def test_the_comparison_shows_209_won_and_152_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = invoke("compare", "175b_finetuning", "6b_verification")
    assert done.code == 0
    assert "209/958/152" in done.out
    assert "numeric_match: better by 0.0432" in done.out
    (row,) = invoke("compare", "175b_finetuning", "6b_verification", "--json").document[
        "comparisons"
    ]
    assert (row["n_pairs"], row["n_wins"], row["n_losses"]) == (1319, 209, 152)


bbh_metrics = {
    "direct": "metrics: [exact_match]\n",
    "cot": r"""
metrics:
  - {type: exact_match, extract: {after: "the answer is"}, regexes_to_ignore: ['\.\Z']}
""",
}


@pytest.mark.parametrize("mode", ["direct", "cot"])
def test_each_task_of_bbh_has_its_recorded_accuracy(
    mode: str, shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shared_dir / "data" / "bbh_codex"
    monkeypatch.chdir(tmp_path)
    with gzip.open(source / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        chosen = [line for line in lines if json.loads(line)["mode"] == mode]
    assert len(chosen) == 6_511
    Path("bbh.jsonl").write_text("".join(chosen), encoding="utf-8")
    Path("metrics.yaml").write_text(bbh_metrics[mode], encoding="utf-8")
    imported = invoke(
        "suite", "import", "bbh.jsonl", "--map", "input=question",
        "--map", "expected_output=target", "--map", "metadata.task=task",
        "--answer", "codex=prediction",
    )  # fmt: skip
    assert imported.code == 0, imported.err
    recorded = "test_suites/bbh/recorded/codex.jsonl"
    done = invoke(
        "eval", "run", "test_suites/bbh", "--recorded", recorded, "--metrics", "metrics.yaml"
    )
    assert done.code == 0, done.err

    tasks = {}
    for line in Path("test_suites/bbh/cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        tasks[case["id"]] = case["metadata"]["task"]
    archive = open_archive("results")
    values: dict[str, list[float]] = defaultdict(list)
    for row in archive.load(archive.find("latest")).scores.to_pylist():
        values[tasks[row["case_id"]]].append(row["score"])
    text = (source / "recorded_accuracy.csv").read_text(encoding="utf-8")
    recorded_accuracy = [row for row in csv.DictReader(text.splitlines()) if row["mode"] == mode]
    assert len(recorded_accuracy) == 27
    for row in recorded_accuracy:
        found = values[row["task"]]
        assert len(found) == int(row["n"])
        assert 100 * sum(found) / len(found) == pytest.approx(float(row["accuracy"]), abs=1e-6)
