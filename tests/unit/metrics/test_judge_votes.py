"""Votes and panels: the middle number, the label of the majority, and when there is neither."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.metrics.contract import Corpus, MetricInput, Scored, Unscored
from pipex_core.metrics.judge import Combine, Judge, Member, Vote, counted, judge_fingerprint
from tests.fakes.judges import judge, metric_of, vote


def count(*votes: Vote, combine: Combine = "number", **options: Any) -> Scored | Unscored:
    return counted(votes, combine=combine, aggregation=options.get("aggregation", "median"))


def test_one_vote_is_the_verdict_as_it_is() -> None:
    assert count(vote(0.5, "x", details={"d": 1})) == Scored(value=0.5, label="x", details={"d": 1})
    assert count(vote("judge_parse")) == Unscored(
        code="judge_parse", reason="because of judge_parse"
    )


def test_numbers_give_their_median_or_their_mean() -> None:
    votes = [vote(0.0), vote(1.0), vote(0.75)]
    middle = count(*votes)
    assert isinstance(middle, Scored)
    assert middle.value == 0.75
    assert middle.details == {"votes": [0.0, 1.0, 0.75], "spread": 1.0}
    mean = count(*votes, aggregation="mean")
    assert isinstance(mean, Scored)
    assert mean.value == pytest.approx(1.75 / 3)


def test_submetrics_are_put_together_where_all_votes_have_them() -> None:
    parts = [{"a": 0.0, "b": 1.0}, {"a": 1.0}, {"a": 0.5, "b": 0.0}]
    found = count(*(vote(0.5, submetrics=one) for one in parts))
    assert isinstance(found, Scored)
    assert found.submetrics == {"a": 0.5}


def test_labels_go_by_majority_and_a_tie_is_an_abstention() -> None:
    won = count(vote(1.0, "win"), vote(0.0, "loss"), vote(1.0, "win"), combine="label")
    assert isinstance(won, Scored)
    assert (won.value, won.label) == (1.0, "win")
    assert won.details == {"votes": ["win", "loss", "win"], "agreed": 2 / 3}
    tied = count(vote(1.0, "win"), vote(0.0, "loss"), vote(0.5, "tie"), combine="label")
    assert tied == Unscored(
        code="judge_abstained", reason="the votes are tied between loss, tie, win"
    )


def test_a_panel_with_one_dead_judge_goes_by_the_others() -> None:
    found = count(vote(0.75), vote("judge_error"), vote(0.25))
    assert isinstance(found, Scored)
    assert found.value == 0.5
    assert found.details["votes"] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("votes", "code"),
    [
        ([vote(1.0), vote("judge_error"), vote("judge_error")], "judge_error"),
        ([vote(1.0), vote("judge_parse"), vote("judge_abstained")], "judge_parse"),
        (
            [vote("judge_abstained"), vote("judge_abstained"), vote("judge_error")],
            "judge_abstained",
        ),
        ([vote(1.0), vote("budget")], "budget"),
    ],
)
def test_half_of_the_votes_is_not_enough(votes: list[Vote], code: str) -> None:
    found = count(*votes)
    assert isinstance(found, Unscored)
    assert found.code == code
    assert "votes say nothing" in found.reason


def test_a_reason_of_the_metric_is_a_valid_vote() -> None:
    none = count(vote("not_applicable"), vote(1.0), vote("not_applicable"))
    assert none == Unscored(code="not_applicable", reason="because of not_applicable")
    most = count(vote("not_applicable"), vote(1.0), vote(1.0))
    assert isinstance(most, Scored)
    assert most.value == 1.0


def test_votes_are_kept_with_who_gave_them() -> None:
    assert vote(0.5, "x").document() == {"model": "m", "value": 0.5, "label": "x"}
    assert vote("judge_parse").document() == {"model": "m", "code": "judge_parse"}


def test_the_votes_of_a_suite_tell_how_far_they_agree() -> None:
    metric = metric_of("coherence")
    item = MetricInput(output="x")
    rows = [Scored(value=v[0], details={"votes": v}) for v in ([1.0, 1.0], [0.0, 0.0], [1.0, 1.0])]
    assert metric.aggregate([(item, row) for row in rows]) == Corpus(
        value=2 / 3, submetrics={"vote_alpha": 1.0}
    )
    assert metric.aggregate([(item, Scored(value=1.0))]) is None


def test_who_is_asked_and_how_often() -> None:
    one, other = Member(provider="p", model="a"), Member(provider="p", model="b")
    assert Judge(id="j", members=[one]).ballots == [(one, 0)]
    assert Judge(id="j", members=[one], votes=3).ballots == [(one, 0), (one, 1), (one, 2)]
    assert Judge(id="j", members=[one, other]).ballots == [(one, 0), (other, 0)]


@pytest.mark.parametrize(
    "changed",
    [
        {"votes": 3},
        {"aggregation": "mean"},
        {"language": "French"},
        {"members": [Member(provider="mock", model="j-2")]},
        {"members": [Member(provider="mock", model="j-1", base_url="https://other")]},
        {"members": [Member(provider="mock", model="j-1", options={"temperature": 0.5})]},
        {"members": [Member(provider="mock", model="j-1", max_tokens=10)]},
        {"members": [Member(provider="mock", model="j-1", adapter_version=2)]},
    ],
)
def test_everything_that_can_change_a_verdict_is_in_the_fingerprint(
    changed: dict[str, Any],
) -> None:
    templates = metric_of("coherence").templates
    before = judge_fingerprint(judge, templates, max_chars=100)
    assert judge_fingerprint(replace(judge, **changed), templates, max_chars=100) != before


def test_names_and_certificates_are_not() -> None:
    templates = metric_of("coherence").templates
    before = judge_fingerprint(judge, templates, max_chars=100)
    renamed = replace(judge, id="k", certificate="c", certificate_file="f")
    assert judge_fingerprint(renamed, templates, max_chars=100) == before
    assert judge_fingerprint(judge, metric_of("relevance").templates, max_chars=100) != before
    assert judge_fingerprint(judge, templates, max_chars=101) != before
