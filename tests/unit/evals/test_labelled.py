"""Verdicts beside labels of people: numbers, words, pass and fail; steadiness and what a judge has a taste for."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.calibration import calibrated
from pipex_core.evals.labelled import Labelled, Ruler, agreed_cases, consensus, figures_of, kind_of
from pipex_core.metrics.contract import Score, Scored, Unscored
from pipex_core.metrics.judge_reply import OneOf, OnScale
from pipex_core.stats.agreement import Label

stars = Ruler(shape=OnScale(), threshold=0.7)
words = Ruler(shape=OneOf(labels={"win": "", "tie": "", "loss": ""}))
abstained = Unscored(code="judge_abstained", reason="r")
unread = Unscored(code="judge_parse", reason="r")


def value(number: float, label: str | None = None, **details: Any) -> Scored:
    return Scored(value=number, label=label, details=details)


def labelled(
    human: Label | Sequence[Label], *verdicts: Score, turned: Score | None = None, length: int = 0
) -> Labelled:
    several = [human] if isinstance(human, str | int | float) else list(human)
    return Labelled(case_id="c", human=several, verdicts=verdicts, reversed_=turned, length=length)


def test_numbers_of_people_are_on_the_scale_of_the_judge() -> None:
    cases = [labelled(n, value((n - 1) / 4)) for n in (1, 2, 3, 4, 5)]
    found = figures_of(cases, stars)
    assert (found.kind, found.n, found.raters) == ("number", 5, 1)
    assert found.kappa is not None
    assert found.alpha is not None
    assert (found.kappa.value, found.alpha.value, found.spearman) == (1.0, 1.0, pytest.approx(1.0))
    assert (found.tpr, found.tnr, found.threshold) == (1.0, 1.0, 0.7)


def test_kappa_of_numbers_has_quadratic_weights_over_the_levels() -> None:
    # People 1 2 3, judge 1 3 3: see the hand calculation in test_agreement, .8.
    cases = [labelled(h, value((j - 1) / 4)) for h, j in ((1, 1), (2, 3), (3, 3))]
    found = figures_of(cases, stars)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(0.8)


@pytest.mark.parametrize(
    "ruler", [Ruler(shape=OnScale(low=0, high=100)), Ruler(shape=OneOf(labels={"a": ""}))]
)
def test_without_whole_levels_there_is_no_kappa_of_numbers(ruler: Ruler) -> None:
    found = figures_of([labelled(n, value(n)) for n in (0, 1, 0.5)], ruler)
    assert found.kappa is None
    assert found.tpr is None


def test_a_number_off_the_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="the label 7 is outside the judge's scale 1 to 5"):
        figures_of([labelled(7, value(1.0))], stars)


def test_several_raters_have_a_consensus_and_an_agreement_of_their_own() -> None:
    cases = [
        labelled([5, 5, 4], value(1.0)),
        labelled([1, 2, 1], value(0.0)),
        labelled([3], value(0.5)),
    ]
    found = figures_of(cases, stars)
    assert (found.n, found.raters) == (3, 3)
    assert found.alpha is not None
    assert found.alpha.value == 1.0
    assert found.human_alpha is not None
    assert 0.8 < found.human_alpha.value < 1.0


@pytest.mark.parametrize(
    ("human", "kind", "agreed"),
    [
        ([1, 2, 5], "number", 2.0),
        ([1, 2], "number", 1.5),
        (["a", "b", "a"], "label", "a"),
        (["a", "b"], "label", None),
        (["yes", "No"], "pass", None),
        (["pass", "Pass", "fail"], "pass", True),
        ([], "number", None),
    ],
)
def test_the_consensus_is_the_median_or_the_majority(
    human: list[Label], kind: Any, agreed: Label | None
) -> None:
    assert consensus(human, kind) == agreed


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([True, False], "pass"),
        (["yes", "no"], "pass"),
        (["pass", "FAIL"], "pass"),
        (["win", "yes"], "label"),
        ([1, 0.5], "number"),
        ([], "number"),
    ],
)
def test_what_people_gave_is_told_by_their_labels(labels: list[Label], kind: str) -> None:
    assert kind_of([labelled(one) for one in labels]) == kind


@pytest.mark.parametrize("labels", [["a", 1], [True, 0.5]])
def test_labels_are_of_one_kind(labels: list[Label]) -> None:
    with pytest.raises(ConfigError, match="some labels are"):
        kind_of([labelled(one) for one in labels])


def test_pass_and_fail_go_by_the_threshold() -> None:
    cases = [
        labelled("pass", value(0.75)),
        labelled("pass", value(0.5)),
        labelled("fail", value(0.25)),
        labelled("fail", value(0.0)),
    ]
    found = figures_of(cases, stars)
    assert (found.kind, found.tpr, found.tnr) == ("pass", 0.5, 1.0)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(0.5)
    assert found.spearman is None


def test_pass_and_fail_without_a_threshold_are_refused() -> None:
    with pytest.raises(ConfigError, match="the metric has no threshold"):
        figures_of([labelled("pass", value(0.5))], Ruler(shape=OnScale()))


def test_words_are_compared_as_words() -> None:
    cases = [
        labelled("win", value(1.0, "win")),
        labelled("loss", value(1.0, "win")),
        labelled("tie", value(0.5, "tie")),
    ]
    found = figures_of(cases, words)
    assert (found.kind, found.tpr, found.spearman) == ("label", None, None)
    assert found.alpha is not None


def test_cases_without_consensus_or_verdict_are_left_out_and_rates_tell_why() -> None:
    cases = [
        labelled(5, value(1.0), abstained),
        labelled(4, abstained, unread),
        labelled(3, unread, value(0.5)),
        labelled(2),
    ]
    found = figures_of(cases, stars)
    assert found.n == 1
    assert (found.abstain_rate, found.parse_failure_rate) == (2 / 6, 2 / 6)
    assert agreed_cases(cases) == 4


def test_retest_is_the_share_of_cases_judged_the_same_each_time() -> None:
    cases = [
        labelled(5, value(1.0), value(1.0), value(1.0)),
        labelled(5, value(1.0), value(1.0), value(0.75)),
        labelled(1, abstained, abstained, abstained),
        labelled("x", value(1.0, "a"), value(1.0, "b")),
    ]
    assert figures_of(cases[:3], stars).test_retest == pytest.approx(2 / 3)
    assert figures_of(cases[3:], words).test_retest == 0.0


def test_position_consistency_is_that_of_turned_blocks_or_of_both_orders() -> None:
    turned = [
        labelled(5, value(1.0), turned=value(1.0)),
        labelled(5, value(1.0), turned=value(0.75)),
    ]
    assert figures_of(turned, stars).position_consistency == 0.5
    assert figures_of([labelled(5, value(1.0))], stars).position_consistency is None
    both = [
        labelled("win", value(1.0, "win", orders=["first", "second"])),
        labelled("tie", value(0.5, "tie", orders=["first", "first"])),
    ]
    assert figures_of(both, words).position_consistency == 0.5


def test_length_bias_is_what_the_label_does_not_explain() -> None:
    # Among answers that people find alike the longer one gets more.
    cases = [
        labelled(h, value(score), length=length)
        for h, score, length in (
            (1, 0.0, 10), (1, 0.25, 90), (2, 0.25, 20), (2, 0.5, 95), (3, 0.5, 15), (3, 0.75, 99)
        )
    ]  # fmt: skip
    found = figures_of(cases, stars)
    assert found.length_bias is not None
    assert found.length_bias > 0.7
    assert found.length_bias_interval is not None
    assert found.length_bias_interval[0] < found.length_bias < found.length_bias_interval[1]


def test_length_bias_of_words_goes_by_what_the_words_are_worth() -> None:
    cases = [
        labelled("win", value(1.0, "win"), length=5),
        labelled("loss", value(0.0, "loss"), length=1),
        labelled("tie", value(1.0, "win"), length=9),
    ]
    assert figures_of(cases, words).length_bias is None  # two cases whose word the judge used
    assert figures_of([labelled("tie", value(1.0, "win"))], words).length_bias is None


def test_calibration_tries_every_threshold_and_proposes_the_lowest_of_the_best() -> None:
    cases = [
        labelled("fail", value(0.0)), labelled("fail", value(0.25)), labelled("fail", value(0.5)),
        labelled("pass", value(0.75)), labelled("pass", value(1.0)), labelled("pass", abstained),
    ]  # fmt: skip
    found = calibrated(cases, stars)
    assert [trial.threshold for trial in found.trials] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found.n == 5
    assert found.proposed is not None
    assert found.proposed.document() == {"threshold": 0.75, "kappa": 1.0, "tpr": 1.0, "tnr": 1.0}
    assert found.best == 1.0


def test_numbers_of_people_pass_from_the_rulers_threshold_on() -> None:
    cases = [labelled(n, value(judged)) for n, judged in ((1, 0.0), (3, 0.25), (4, 0.5), (5, 1.0))]
    proposed = calibrated(cases, stars).proposed
    assert proposed is not None
    assert proposed.threshold == 0.5


def test_words_have_no_threshold_and_a_judge_of_one_mind_no_kappa() -> None:
    found = calibrated(
        [labelled("win", value(1.0, "win")), labelled("loss", value(0.0, "loss"))], words
    )
    assert (found.trials, found.proposed, found.best) == ((), None, 1.0)
    same = calibrated([labelled("win", value(1.0, "win"))] * 2, words)
    assert same.best is None
    alike = calibrated([labelled("pass", value(1.0))] * 3, stars)
    assert (alike.proposed, alike.trials[0].tnr) == (None, None)


def test_many_values_are_tried_in_equal_steps() -> None:
    cases = [labelled(n > 100, value(n / 200)) for n in range(200)]
    found = calibrated(cases, stars)
    assert 40 <= len(found.trials) <= 60
    assert found.proposed is not None
    assert found.proposed.threshold == pytest.approx(0.5, abs=0.03)
