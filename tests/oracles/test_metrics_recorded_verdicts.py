"""Metrics against verdicts that others recorded on real answers of real models."""

import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest

from pipex_core.metrics.contract import Scored
from pipex_core.metrics.scoring import passed, score_item
from tests.fakes.metrics import answer, entry_of

models = {
    "6b_finetuning": 286,
    "6b_verification": 515,
    "175b_finetuning": 458,
    "175b_verification": 742,
}


def test_numeric_match_agrees_with_every_recorded_flag_of_gsm8k(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "gsm8k"
    problems = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
    solutions = (folder / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    # The answer stands in the last line, `A: N`; a solution that was cut off has none and is wrong.
    entry = entry_of({"type": "numeric_match", "extract": {"regex": r"(?m)^A: (.*)\Z"}})
    right: dict[str, int] = defaultdict(int)
    differing = []
    for problem, solution in zip(problems, solutions, strict=True):
        reference = json.loads(problem)["answer"].splitlines()[-1]
        recorded = json.loads(solution)
        for model in models:
            found = passed(entry, score_item(entry, answer(recorded[model]["solution"], reference)))
            right[model] += found is True
            if found is not recorded[model]["is_correct"]:
                differing.append((recorded["question"], model))
    assert differing == []
    assert len(problems) * len(models) == 5_276
    assert right == models


def test_exact_match_reproduces_every_recorded_accuracy_of_bbh(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "bbh_codex"
    entries = {
        "direct": entry_of("exact_match"),
        "cot": entry_of(
            {
                "type": "exact_match",
                "extract": {"after": "the answer is"},
                "regexes_to_ignore": [r"\.\Z"],
            }
        ),
    }
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found = score_item(entries[row["mode"]], answer(row["prediction"], row["target"]))
            assert isinstance(found, Scored)
            values[row["task"], row["mode"]].append(found.value)
    text = (folder / "recorded_accuracy.csv").read_text(encoding="utf-8")
    recorded = {(row["task"], row["mode"]): row for row in csv.DictReader(text.splitlines())}
    assert values.keys() == recorded.keys()
    assert len(recorded) == 54
    for key, row in recorded.items():
        assert len(values[key]) == int(row["n"])
        accuracy = 100 * sum(values[key]) / len(values[key])
        assert accuracy == pytest.approx(float(row["accuracy"]), abs=1e-6)
