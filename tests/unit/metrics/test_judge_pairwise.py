"""Two answers in both orders: a judge with a taste for a place wins nothing, and is found out."""

import pytest

from pipex_core.metrics.contract import Corpus, MetricInput, Scored, Unscored
from pipex_core.metrics.judge_pairwise import Both, Pairwise, Positions, positions
from pipex_core.metrics.judge_reply import Said
from tests.fakes.judges import metric_of, opinion

duel = MetricInput(output="mine", other="theirs", input="Q?", query="Q?")


def both(first: str, second: str) -> Scored:
    """The verdict when the answer is shown first, and when it is shown second."""
    score, questions = opinion("battle", duel, Said(label=first), Said(label=second))
    assert isinstance(score, Scored)
    shown = [(q.fields["first_answer"], q.fields["second_answer"]) for q in questions]
    assert shown == [("mine", "theirs"), ("theirs", "mine")]
    return score


@pytest.mark.parametrize(
    ("first", "second", "label", "value", "inconsistent"),
    [
        ("first", "second", "win", 1.0, False),
        ("second", "first", "loss", 0.0, False),
        ("tie", "tie", "tie", 0.5, False),
        ("first", "first", "tie", 0.5, True),
        ("second", "second", "tie", 0.5, True),
        ("first", "tie", "tie", 0.5, True),
        ("tie", "first", "tie", 0.5, True),
    ],
)
def test_only_orders_that_agree_name_a_winner(
    first: str, second: str, label: str, value: float, *, inconsistent: bool
) -> None:
    found = both(first, second)
    assert (found.label, found.value) == (label, value)
    assert found.details.get("position_inconsistent", False) is inconsistent
    assert found.details["orders"] == [first, second]


def test_without_another_answer_nobody_is_asked() -> None:
    alone = MetricInput(output="mine", input="Q?")
    found, _ = opinion("pairwise", alone)
    assert found == Unscored(code="missing_input", reason="there is no other answer of a baseline")
    found, _ = opinion({"type": "pairwise", "other": "metadata.other"}, alone)
    assert isinstance(found, Unscored)
    assert "at 'metadata.other' of the case" in found.reason


def test_criteria_stand_in_the_task_and_names_in_no_block() -> None:
    said = (Said(label="tie"), Said(label="tie"))
    _, (question, _) = opinion({"type": "pairwise", "criteria": "which is shorter"}, duel, *said)
    assert "which is shorter" in question.template.task
    assert list(question.fields) == ["question", "first_answer", "second_answer"]


def test_a_judge_who_always_takes_the_first_has_no_consistency() -> None:
    # 10 pairs, all for the first place: two-sided binomial 2 * .5**10
    found = positions([Both(shown_first="first", shown_second="first")] * 10)
    assert found == Positions(consistency=0.0, first_share=1.0, p=2 * 0.5**10)


def test_a_consistent_judge_has_no_taste_for_a_place() -> None:
    wins = [Both(shown_first="first", shown_second="second")] * 3
    losses = [Both(shown_first="second", shown_second="first")] * 2
    assert positions([*wins, *losses]) == Positions(consistency=1.0, first_share=0.5, p=1.0)


def test_ties_are_not_decided_and_half_ties_are_inconsistent() -> None:
    ties = [Both(shown_first="tie", shown_second="tie")] * 4
    assert positions(ties) == Positions(consistency=None, first_share=None, p=1.0)
    half = [
        Both(shown_first="first", shown_second="tie"),
        Both(shown_first="first", shown_second="second"),
    ]
    assert positions(half) == Positions(consistency=0.5, first_share=2 / 3, p=1.0)


def test_the_suite_has_a_win_rate_with_ties_as_halves() -> None:
    metric = metric_of("pairwise")
    assert isinstance(metric, Pairwise)
    rows = (
        [both("first", "second")] * 5 + [both("second", "first")] * 2 + [both("first", "first")] * 3
    )
    found = metric.aggregate([(duel, row) for row in rows])
    assert isinstance(found, Corpus)
    assert found.value == pytest.approx((5 + 3 / 2) / 10)
    assert found.submetrics == {
        "tie_rate": 0.3,
        "position_consistency": 0.7,
        "first_position_preference": pytest.approx((7 + 6) / 20),
        "first_position_p": pytest.approx(0.25),  # 3 of 3: 2 * .5**3
    }
    assert found.details["decided_win_rate"] == pytest.approx(5 / 7)
    # Wilson 5 of 7 at 95 %, Brown, Cai and DasGupta's formula by hand
    assert found.details["decided_interval"] == pytest.approx([0.3589, 0.9178], abs=5e-4)


def test_a_suite_of_ties_has_no_decided_rate() -> None:
    metric = metric_of("pairwise")
    assert metric.aggregate([]) is None
    found = metric.aggregate([(duel, both("tie", "tie"))])
    assert isinstance(found, Corpus)
    assert found.value == 0.5
    assert "decided_win_rate" not in found.details
    assert set(found.submetrics) == {"tie_rate", "first_position_p"}
