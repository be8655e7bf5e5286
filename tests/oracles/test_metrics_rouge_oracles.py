"""ROUGE against rouge-score, bit for bit, and against the output of ROUGE-1.5.5."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from rouge_score import rouge_scorer

from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import score, value

types = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]
words = [
    "the",
    "a",
    "cat",
    "cats",
    "running",
    "runner",
    "ran",
    "quickly",
    "Quick,",
    "mat.",
    "mats!",
    "was",
    "is",
    "generalization",
    "general",
    "relational",
    "U.S.",
    "don't",
    "42",
    "3.14",
    "naïve",
    "—",
    "end\nNew",
    "\n\n",
    "conditional",
    "hopping",
    "hop",
]


def texts(seed: int, size: int) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choices(words, k=rng.randrange(size + 1)))


def reference_of(kind: str, *, stem: bool) -> Any:
    return rouge_scorer.RougeScorer([kind], use_stemmer=stem)


@pytest.mark.parametrize("stem", [True, False])
@pytest.mark.parametrize("kind", types)
def test_every_number_equals_that_of_rouge_score(kind: str, *, stem: bool) -> None:
    scorer = reference_of(kind, stem=stem)
    raw = {"type": "rouge", "rouge_type": kind, "use_stemmer": stem}
    compared = 0
    for seed in range(530 if stem else 110):
        output, reference = texts(seed, 40), texts(seed + 10_000, 40)
        if not (output.strip() and reference.strip()) or not reference.strip(" \n—"):
            continue
        expected = scorer.score(reference, output)[kind]
        found = score(raw, output, reference)
        assert isinstance(found, Scored)
        assert found.value == expected.fmeasure
        assert found.submetrics == {"precision": expected.precision, "recall": expected.recall}
        compared += 1
    assert compared >= (500 if stem else 100)


@pytest.mark.parametrize("kind", types)
def test_the_best_of_several_references_equals_that_of_rouge_score(kind: str) -> None:
    scorer = reference_of(kind, stem=True)
    for seed in range(100):
        output = "cat " + texts(seed, 20)
        references = ["mat " + texts(seed * 7 + other, 20) for other in range(3)]
        expected = scorer.score_multi(references, output)[kind]
        found = score({"type": "rouge", "rouge_type": kind}, output, *references)
        assert isinstance(found, Scored)
        assert found.value == expected.fmeasure
        assert found.submetrics == {"precision": expected.precision, "recall": expected.recall}


def test_real_answers_equal_rouge_score(shared_dir: Path) -> None:
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
    path = shared_dir / "data" / "gsm8k" / "example_model_solutions.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[:60]
    raw = {"type": "rouge", "rouge_type": ["rouge1", "rouge2", "rougeL", "rougeLsum"]}
    for line in lines:
        row = json.loads(line)
        for model in ("6b_finetuning", "175b_verification"):
            output = row[model]["solution"]
            expected = scorer.score(row["ground_truth"], output)
            found = score(raw, output, row["ground_truth"])
            assert isinstance(found, Scored)
            assert found.submetrics == {kind: one.fmeasure for kind, one in expected.items()}


def test_the_perl_script_rouge_1_5_5_agrees_to_its_five_decimals(shared_dir: Path) -> None:
    path = shared_dir / "data" / "rouge155_truth" / "cases.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(cases) == 11
    fields = {"r": "recall", "p": "precision", "f": "fmeasure"}
    for case in cases:
        for field, column in fields.items():
            raw = {"type": case["metric"], "use_stemmer": case["use_stemmer"], "field": field}
            found = value(raw, case["prediction"], case["target"])
            assert round(found, 5) == case[column], (case["id"], column)
