"""Human labels of a public data set as labels of a judge: their balance, and a judge with known errors on them.

HaluEval general (RUCAIBox/HaluEval, commit b7253db, MIT): 4 507 answers of ChatGPT, of which people found
815 to hold a hallucination and 3 692 not.
"""

import json
from pathlib import Path

import pytest

from pipex_core.evals.labelled import Labelled, Ruler, agreed_cases, consensus, figures_of, kind_of
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.judge_reply import OnScale


@pytest.fixture(scope="module")
def labelled(shared_dir: Path) -> list[Labelled]:
    """Answers with the label of people, and a judge who passes every tenth hallucination."""
    path = shared_dir / "data" / "halueval_general" / "general_data.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    found, wrong = [], 0
    for row in rows:
        is_clean = row["hallucination"] == "no"
        wrong += not is_clean
        passes = is_clean or wrong % 10 == 0
        found.append(
            Labelled(
                case_id=row["ID"],
                human=["pass" if is_clean else "fail"],
                verdicts=[Scored(value=float(passes))],
                length=len(row["chatgpt_response"]),
            )
        )
    return found


def test_the_labels_are_as_unbalanced_as_published(labelled: list[Labelled]) -> None:
    assert kind_of(labelled) == "pass"
    agreed = [consensus(case.human, "pass") for case in labelled]
    assert (agreed.count(False), agreed.count(True)) == (815, 3692)
    assert agreed_cases(labelled) == 4507


def test_a_judge_with_known_errors_has_the_rates_computed_by_hand(labelled: list[Labelled]) -> None:
    found = figures_of(labelled, Ruler(shape=OnScale(), threshold=0.5))
    assert found.tpr == 1.0
    assert found.tnr == pytest.approx(1 - 81 / 815)  # 81 of 815 are passed
    # p_o = 4426/4507; the judge passes 3773 and fails 734
    chance = (3692 * 3773 + 815 * 734) / 4507**2
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx((4426 / 4507 - chance) / (1 - chance))
