"""Gate rules as asset checks: one per rule, blocking when the rule is critical.

A rule on slices has one result for all cases and one for each slice; its check is as bad as the worst
of them; ``(small)`` slices are shown and decide nothing. A FAIL is an error; INCONCLUSIVE and INCOMPLETE are warnings, because nothing has been shown.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from pipex_core.evals.gatefile import Gate, Rule, paired_kinds
from pipex_core.evals.verdict import Outcome, RuleResult, Verdict
from pipex_core.jsonvalue import Json
from pipex_dagster.presentation import Metadata, numbers, rows_shown
from pipex_dagster.translator import slugs

_worst_first: Sequence[Outcome] = ("FAIL", "INCOMPLETE", "INCONCLUSIVE", "PASS")
# Fields of a rule's result to what they are called in a check, where nobody knows who A and B are.
_numbers = {
    "n_pairs": "n",
    "mean_b": "mean",
    "mean_a": "champion_mean",
    "diff": "difference",
    "l1": "lower_bound",
    "u1": "upper_bound",
    "margin": "margin",
    "value": "limit",
    "n_needed": "n_needed",
}
# Reasons of open outcomes to what would remove them.
_remedies: Mapping[str, str] = {
    "no_baseline": "an evaluation of the champion",
    "ruler_changed": "scores of the champion by the metric as it is now",
    "judge_uncertified": "a valid certificate of the judge",
    "insufficient_data": "more cases",
    "summary_baseline": "the rows of the baseline",
}
_shown = (
    "slice",
    "outcome",
    "reason",
    "n_pairs",
    "mean_a",
    "mean_b",
    "diff",
    "l1",
    "u1",
    "n_needed",
)


def check_specs(
    gate: Gate | None, asset: dg.AssetKey, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetCheckSpec]:
    """A check for every rule; none without a gate."""
    if gate is None:
        return []
    names = check_names(gate)
    with warnings.catch_warnings():
        # Checks of partitioned assets are a preview in Dagster 1.13; without them a check would tell
        # only of the last partition that ran.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                names[rule.id],
                asset=asset,
                description=demand(rule),
                blocking=rule.tier == "critical",
                metadata={"rule": rule.id, "metric": rule.metric, "tier": rule.tier},
                partitions_def=partitions,
            )
            for rule in gate.rules
        ]


def check_names(gate: Gate) -> Mapping[str, str]:
    """Rule id to the name of its check."""
    return slugs(rule.id for rule in gate.rules)


def check_results(
    gate: Gate | None, verdict: Verdict | None, *, against: str | None
) -> Iterator[dg.AssetCheckResult]:
    """The result of every rule.

    Args:
        gate: Of the suite.
        verdict: From the rules that apply to the target; rules that it does not hold compare with the
            champion, which this target is.
        against: Name of the champion, or None when there is none.
    """
    if gate is None:
        return
    names = check_names(gate)
    for rule in gate.rules:
        found = [r for r in (verdict.rules if verdict else ()) if r.row.rule_id == rule.id]
        name = names[rule.id]
        yield _result(rule, found, name, against) if found else _of_champion(name)


def demand(rule: Rule) -> str:
    """What a rule demands, in one sentence."""
    number = rule.metric if rule.stat == "mean" else f"{rule.metric} ({rule.stat})"
    match rule.kind:
        case "threshold":
            text = f"{number} reaches {rule.value:g}"
        case "noninferiority":
            text = f"{number} is not worse than the champion's by {rule.margin:g} or more"
        case "superiority":
            gain = f" by more than {rule.min_gain:g}" if rule.min_gain else ""
            text = f"{number} is better than the champion's{gain}"
        case "equivalence":
            text = f"{number} differs from the champion's by less than {rule.margin:g}"
        case "regression_pct":
            text = f"{number} is not more than {rule.drop:g} % worse than the champion's"
        case "coverage":
            text = f"At least {100 * rule.min:g} % of the cases have a number for {rule.metric}"
    slices = f", and in each slice of {', '.join(rule.slices)}" if rule.slices else ""
    return f"{text}{slices} ({rule.tier})."


def _result(
    rule: Rule, found: Sequence[RuleResult], name: str, against: str | None
) -> dg.AssetCheckResult:
    deciding = [r for r in found if r.reason != "small_slice"]
    outcome = next(word for word in _worst_first if any(r.outcome == word for r in deciding))
    worst = next(r for r in deciding if r.outcome == outcome)
    return dg.AssetCheckResult(
        passed=outcome == "PASS",
        check_name=name,
        severity=dg.AssetCheckSeverity.ERROR if outcome == "FAIL" else dg.AssetCheckSeverity.WARN,
        description=_described(rule, worst, against),
        metadata=_metadata(outcome, worst, found),
    )


def _described(rule: Rule, worst: RuleResult, against: str | None) -> str:
    row = worst.row
    place = f" on {worst.slice}" if worst.slice else ""
    why = f" ({worst.reason})" if worst.reason else ""
    text = f"{worst.outcome}{place}{why}: {rule.metric}"
    if rule.kind in paired_kinds:
        text += f" compared with {against or 'no champion'} over {row.n_pairs} pairs"
        if row.diff is not None:
            text += f", difference {row.diff:+.3g}"
    elif rule.kind == "coverage" and row.mean_b is not None:
        text += f" has a number for {100 * row.mean_b:.4g} % of the cases"
    elif row.mean_b is not None:
        text += f" is {row.mean_b:.3g}"
    decides = would_decide(worst)
    if decides and worst.outcome == "INCONCLUSIVE":
        text += f"; {decides} would decide"
    return f"{text}. Demanded: {demand(rule)}"


def would_decide(result: RuleResult) -> str:
    """What would turn an open outcome into an answer, or an empty string for one that is none or unknown."""
    row = result.row
    match result.outcome:
        case "INCONCLUSIVE" if row.n_needed is not None:
            text = f"about {row.n_needed:,} cases"
            more = result.repeats_needed
            return text if more is None else f"{text}, or {more:,} answers per case,"
        case "INCONCLUSIVE":
            return _remedies.get(result.reason or "", "")
        case "INCOMPLETE":
            missing = max(row.n_missing_a, row.n_missing_b)
            return f"the {missing:,} missing rows" if missing else "the missing rows"
        case _:
            return ""


def _metadata(outcome: str, worst: RuleResult, found: Sequence[RuleResult]) -> Metadata:
    shown = worst.as_json()
    metadata: Metadata = {"outcome": dg.MetadataValue.text(outcome)}
    metadata |= numbers({name: shown[field] for field, name in _numbers.items()})
    if shown["ci"] is not None:
        low, high = shown["ci"]
        metadata["interval"] = dg.MetadataValue.text(f"{low:.4g} … {high:.4g}")
    decides = would_decide(worst)
    if decides:
        metadata["would_decide"] = dg.MetadataValue.text(decides.removesuffix(","))
    table = rows_shown(_row(result) for result in found) if len(found) > 1 else None
    return {**metadata, "slices": table} if table is not None else metadata


def _row(result: RuleResult) -> dict[str, Json]:
    row = result.as_json()
    return {key: row[key] for key in _shown}


def _of_champion(name: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=True,
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        description="This target is the champion that others are compared with: nothing to compare.",
        metadata={"outcome": "NOT_COMPARED"},
    )
