"""Which marks stand beside a rule, and on which side its demand holds."""

import re
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals.compare import Comparison
from pipex_core.evals.figures import comparison_figure, metric_figure, rule_figure
from pipex_core.evals.summary import MetricSummary
from pipex_core.evals.verdict import RuleResult
from pipex_core.stats.estimates import Scale
from tests.fakes.evaluation import job, run


def summary(direction: Any = "higher") -> MetricSummary:
    one = run(job()).summary.metrics["exact_match"]
    scale = Scale(low=0.0, high=1.0, direction=direction)
    return replace(one, facts=replace(one.facts, scale=scale))


def drawn(kind: str, *, direction: Any = "higher", **fields: Any) -> str:
    row = Comparison(
        baseline_run_id="a", metric="m", outcome="PASS", fingerprint="f", rule_id="r", kind=kind,
        **fields,
    )  # fmt: skip
    rule = RuleResult(outcome="PASS", reason=None, row=row)
    figure = rule_figure("f", rule, {"m": summary(direction)})
    assert figure is not None
    return figure.text


def sides(svg: str) -> tuple[bool, bool] | None:
    """Does the range in which the demand holds reach the left and the right rim?"""
    found = re.search(r'<rect x="([^"]+)" y="15" width="([^"]+)"', svg)
    if found is None:
        return None
    left, width = map(float, found.groups())
    return left == 8, round(left + width, 1) == 252


@pytest.mark.parametrize(
    ("kind", "fields", "marks", "holds"),
    [
        ("noninferiority", {"diff": 0.0, "margin": 0.05}, ["-0.05 allowed"], (False, True)),
        ("superiority", {"diff": 0.0, "margin": 0.01}, ["+0.01 wanted"], (False, True)),
        ("equivalence", {"diff": 0.0, "margin": 0.1}, ["-0.1", "0.1"], (False, False)),
        (
            "regression_pct",
            {"diff": 0.0, "value": 5.0, "mean_a": 0.8},
            ["-5 % allowed"],
            (False, True),
        ),
        ("regression_pct", {"diff": 0.1, "value": 5.0, "mean_a": 0.0}, [], None),
        ("threshold", {"mean_b": 0.9, "value": 0.8}, ["0.8 wanted"], (False, True)),
        ("coverage", {"mean_b": 0.9, "value": 0.8}, ["0.8 wanted"], (False, True)),
        ("threshold", {"mean_b": 0.9}, [], None),
    ],
)
def test_every_kind_of_rule_has_its_marks_and_its_side(
    kind: str, fields: dict[str, Any], marks: list[str], holds: tuple[bool, bool] | None
) -> None:
    svg = drawn(kind, **fields)
    shown = re.findall(r'class="tick">([^<]+)<', svg)
    assert [label for label in shown if label != "0"] == marks
    assert sides(svg) == holds
    assert ("0" in shown) is ("diff" in fields)


def test_a_fall_in_percent_is_drawn_in_the_unit_of_the_metric() -> None:
    # 25 % of 0.8 is 0.2: zero, the mark at -0.2 and the difference at -0.1 in its middle.
    svg = drawn("regression_pct", diff=-0.1, value=25.0, mean_a=0.8)
    assert 'points="130,21' in svg


def test_a_margin_stands_on_its_own_side_of_no_difference() -> None:
    # The axis runs from the mark to zero, so that the difference lies in its middle.
    assert 'points="130,21' in drawn("noninferiority", diff=-0.1, margin=0.2)
    assert 'points="130,21' in drawn("superiority", diff=0.1, margin=0.2)


def test_a_threshold_of_a_metric_where_less_is_better_holds_to_its_left() -> None:
    fields = {"mean_b": 0.1, "value": 0.2}
    assert sides(drawn("threshold", direction="lower", **fields)) == (True, False)


def test_a_threshold_of_a_metric_without_direction_shades_nothing() -> None:
    fields = {"mean_b": 0.1, "value": 0.2}
    assert sides(drawn("threshold", direction=None, **fields)) is None


def test_a_rule_without_a_number_and_a_comparison_without_pairs_are_not_drawn() -> None:
    row = Comparison(baseline_run_id="a", metric="m", outcome="cannot_tell", fingerprint="f")
    assert rule_figure("f", RuleResult(outcome="INCOMPLETE", reason="x", row=row), {}) is None
    assert comparison_figure("f", row) is None


def test_a_slice_is_named_and_an_open_comparison_is_told_in_words() -> None:
    svg = drawn("threshold", mean_b=0.9, value=0.8, slice_by="tags", slice="x")
    assert ">Rule r on tags=x</title>" in svg
    row = Comparison(
        baseline_run_id="a", metric="m", outcome="cannot_tell", fingerprint="f", diff=0.1
    )
    figure = comparison_figure("f", row)
    assert figure is not None
    assert ": cannot tell.</desc>" in figure.text


def test_a_metric_without_scores_has_no_histogram() -> None:
    assert metric_figure("f", replace(summary(), histogram=None)) is None
    figure = metric_figure("f", summary())
    assert figure is not None
    assert "5 cases from" in figure.text
