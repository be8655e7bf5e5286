"""Recorded answers of four models to GSM8K: the paired comparisons that their flags must give.

Source: openai/grade-school-math, 1 319 problems with an ``is_correct`` flag per model. Counts of
discordant pairs follow from the flags by counting; p values come from scipy and statsmodels.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar

from pipex_core.evals.arms import Arm, CaseFacts, MetricArm, MetricFacts
from pipex_core.evals.compare import Comparison, compare, flips, sentence
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judged import Judged
from pipex_core.evals.suite import Case, hashes
from pipex_core.stats.estimates import Scale

models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
correct = MetricFacts(
    name="correct", type="exact_match", fingerprint="f", scale=Scale(), threshold=1.0
)


@pytest.fixture(scope="module")
def arms(shared_dir: Path) -> Mapping[str, Arm]:
    text = (shared_dir / "data/gsm8k/example_model_solutions.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    cases = [
        CaseFacts(id=f"q{i:04d}", case_hash=hashes(Case(id="q", input=row["question"])).case_hash)
        for i, row in enumerate(rows)
    ]
    return {
        model: arm(model, cases, [row[model]["is_correct"] for row in rows]) for model in models
    }


def arm(model: str, cases: list[CaseFacts], flags: list[bool]) -> Arm:
    metric = MetricArm(
        facts=correct,
        states=["scored"] * len(flags),
        values=np.array(flags, dtype=float),
        passed=flags,
    )
    return Arm(
        run_id=model,
        cases=cases,
        metrics={"correct": metric},
        passed=flags,
        missing=[False] * len(flags),
    )


def row_of(arms: Mapping[str, Arm], a: str, b: str) -> Comparison:
    (row,) = compare(arms[a], arms[b], metrics=["correct"])
    return row


def test_the_small_verifier_beats_the_large_model_on_209_problems_and_loses_on_152(
    arms: Mapping[str, Arm],
) -> None:
    row = row_of(arms, "175b_finetuning", "6b_verification")
    assert (row.n_pairs, row.n_wins, row.n_losses) == (1319, 209, 152)
    assert row.diff == pytest.approx((515 - 458) / 1319, abs=1e-12)
    mid_p = 2 * (binom.sf(208, 361, 0.5) - 0.5 * binom.pmf(209, 361, 0.5))
    assert row.p == pytest.approx(mid_p, rel=1e-9)
    table = [[0, 209], [152, 0]]
    assert row.p_exact == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)
    assert row.outcome == "better"
    assert row.effect == pytest.approx(209.5 / 152.5)


def test_the_interval_is_that_of_bonett_and_price(arms: Mapping[str, Arm]) -> None:
    row = row_of(arms, "175b_finetuning", "6b_verification")
    p1, p2, n = 153 / 1321, 210 / 1321, 1319
    half = 1.959963984540054 * ((p1 + p2 - (p2 - p1) ** 2) / (n + 2)) ** 0.5
    assert row.ci_low == pytest.approx(p2 - p1 - half, abs=1e-12)
    assert row.ci_high == pytest.approx(p2 - p1 + half, abs=1e-12)


def test_verification_of_the_large_model_is_better_and_says_so(arms: Mapping[str, Arm]) -> None:
    row = row_of(arms, "175b_finetuning", "175b_verification")
    assert row.outcome == "better"
    assert row.diff == pytest.approx((742 - 458) / 1319, abs=1e-12)
    assert sentence(row).startswith("correct: better by 0.215 (95% interval +0.1")


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in models for b in models if a < b])
def test_turning_a_comparison_round_turns_its_numbers(
    arms: Mapping[str, Arm], a: str, b: str
) -> None:
    there, back = row_of(arms, a, b), row_of(arms, b, a)
    assert there.diff == pytest.approx(-(back.diff or 0), abs=1e-15)
    assert there.p == back.p
    assert (there.n_wins, there.n_losses) == (back.n_losses, back.n_wins)


def test_flips_are_the_discordant_problems_with_the_lost_ones_first(
    arms: Mapping[str, Arm],
) -> None:
    found = flips(arms["175b_finetuning"], arms["6b_verification"], "correct")
    assert [flip.passed_b for flip in found] == [False] * 152 + [True] * 209


def test_a_gate_passes_the_better_model_and_fails_the_worse(arms: Mapping[str, Arm]) -> None:
    gate = gate_of(
        {
            "rules": [
                {"id": "not_worse", "metric": "correct", "kind": "noninferiority", "margin": 0.02}
            ]
        }
    )
    large, verified = Judged(arm=arms["175b_finetuning"]), Judged(arm=arms["175b_verification"])
    assert judge(gate, verified, baseline=large).verdict == "PASS"
    assert judge(gate, large, baseline=verified).verdict == "FAIL"
