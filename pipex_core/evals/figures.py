"""Which chart shows a rule, a comparison or a metric."""

from collections.abc import Mapping, Sequence

from pipex_core.evals.charts import IntervalBar, Mark, histogram_chart, interval_chart
from pipex_core.evals.compare import Comparison
from pipex_core.evals.gatefile import paired_kinds
from pipex_core.evals.markup import Markup
from pipex_core.evals.rendering import number
from pipex_core.evals.summary import MetricSummary
from pipex_core.evals.verdict import RuleResult

Range = tuple[float | None, float | None]


def rule_figure(name: str, rule: RuleResult, metrics: Mapping[str, MetricSummary]) -> Markup | None:
    """What a rule found beside its margin or threshold; None when it found no number.

    Args:
        name: Unique in the document.
        rule: With the numbers of its row.
        metrics: Of the run; the direction of a threshold is that of its metric.
    """
    row = rule.row
    is_paired = row.kind in paired_kinds
    point = row.diff if is_paired else row.mean_b
    if point is None:
        return None
    marks = _margins(row) if is_paired else _threshold(row)
    good = _good(row, marks, metrics)
    return interval_chart(
        IntervalBar(
            name=name,
            title=f"Rule {row.rule_id}{f' on {rule.slice}' if rule.slice else ''}",
            says=rule.outcome,
            point=point,
            low=row.ci_low,
            high=row.ci_high,
            marks=marks,
            zero=is_paired,
            good=good,
        )
    )


def comparison_figure(name: str, row: Comparison) -> Markup | None:
    """The difference to the baseline beside no difference; None when there are no pairs."""
    if row.diff is None:
        return None
    return interval_chart(
        IntervalBar(
            name=name,
            title=f"Difference in {row.metric}",
            says=row.outcome.replace("_", " "),
            point=row.diff,
            low=row.ci_low,
            high=row.ci_high,
            zero=True,
        )
    )


def metric_figure(name: str, one: MetricSummary) -> Markup | None:
    """The histogram of a metric; None when nothing was scored."""
    if one.histogram is None:
        return None
    title = f"Distribution of {one.facts.name}"
    return histogram_chart(name, title, one.histogram, mean=one.mean, threshold=one.facts.threshold)


def _margins(row: Comparison) -> list[Mark]:
    match row.kind, row.margin, row.value:
        case "noninferiority", float() | int() as margin, _:
            return [Mark(value=-margin, label=f"-{number(margin)} allowed")]
        case "superiority", float() | int() as margin, _:
            return [Mark(value=margin, label=f"+{number(margin)} wanted")]
        case "equivalence", float() | int() as margin, _:
            return [Mark(value=sign * margin, label=number(sign * margin)) for sign in (-1, 1)]
        case "regression_pct", _, float() | int() as drop if row.mean_a:
            return [Mark(value=-drop / 100 * abs(row.mean_a), label=f"-{number(drop)} % allowed")]
        case _:
            return []


def _threshold(row: Comparison) -> list[Mark]:
    if row.value is None:
        return []
    return [Mark(value=row.value, label=f"{number(row.value)} wanted")]


def _good(row: Comparison, marks: Sequence[Mark], metrics: Mapping[str, MetricSummary]) -> Range:
    """The range in which the demand holds; open at both ends when that is not known."""
    if not marks:
        return None, None
    if row.kind == "equivalence":
        return marks[0].value, marks[1].value
    known = metrics.get(row.metric)
    if row.kind == "threshold" and (known is None or known.facts.scale.direction is None):
        return None, None
    lower = row.kind == "threshold" and known and known.facts.scale.direction == "lower"
    return (None, marks[0].value) if lower else (marks[0].value, None)
