"""A whole evaluation of recorded answers gives the accuracies that were published with them.

BIG-Bench Hard, code-davinci-002, direct prompting (Suzgun et al. 2022, https://arxiv.org/abs/2210.09261):
6,511 answers in 27 task files, whose accuracies stand beside them. Averaged over the 23 tasks, the
variants with 3, 5 and 7 objects first, the paper gives 56.6 %.
"""

import csv
import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipex_core.evals.arms import slices_of
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import Case
from pipex_core.evals.summary import summarise_metric
from tests.fakes.evaluation import capital_suite, job, run
from tests.fakes.world import World


@pytest.fixture(scope="module")
def answers(shared_dir: Path) -> list[dict[str, Any]]:
    """The recorded answers of direct prompting."""
    path = shared_dir / "data" / "bbh_codex" / "predictions.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [row for row in map(json.loads, file) if row["mode"] == "direct"]


@pytest.fixture(scope="module")
def evaluated(answers: list[dict[str, Any]]) -> EvalRun:
    """The run that judges them."""
    cases = [
        Case(
            id=row["id"],
            input=row["question"],
            expected_output=row["target"],
            metadata={"task": row["task"]},
        )
        for row in answers
    ]
    records = [{"case_id": row["id"], "output": row["prediction"]} for row in answers]
    return run(job(capital_suite(cases), target=recorded_target(records)), World())


@pytest.fixture(scope="module")
def published(shared_dir: Path) -> Mapping[str, float]:
    """Accuracy by task, as a share."""
    path = shared_dir / "data" / "bbh_codex" / "recorded_accuracy.csv"
    with path.open(encoding="utf-8") as file:
        return {
            row["task"]: float(row["accuracy"]) / 100
            for row in csv.DictReader(file)
            if row["mode"] == "direct"
        }


def test_every_task_has_its_published_accuracy(
    evaluated: EvalRun, published: Mapping[str, float]
) -> None:
    arm = evaluated.judgement.arm
    found = {
        task: summarise_metric(arm, "exact_match", cases=cases).mean
        for task, cases in slices_of(arm, "metadata.task", min_slice=1).items()
    }
    assert found == pytest.approx(published, abs=1e-6)
    assert evaluated.status == "completed"


def test_the_mean_over_tasks_is_the_one_in_the_paper(
    evaluated: EvalRun, published: Mapping[str, float]
) -> None:
    arm = evaluated.judgement.arm
    by_task: dict[str, list[float]] = {}
    for task, cases in slices_of(arm, "metadata.task", min_slice=1).items():
        family = re.sub(r"_(three|five|seven)_objects$", "", task)
        mean = summarise_metric(arm, "exact_match", cases=cases).mean
        assert mean is not None
        by_task.setdefault(family, []).append(mean)
    means = [sum(values) / len(values) for values in by_task.values()]
    assert len(means) == 23
    assert len(published) == 27
    assert round(100 * sum(means) / len(means), 1) == 56.6
