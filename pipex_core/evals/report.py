"""What is worth saying about a run, as data in a fixed order.

The verdict and the one sentence why come first, then what changes how to read it, then failing things
before passing ones. Empty parts are left out. All forms are made from this one value, so that their
numbers agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pipex_core.evals.compare import Comparison
from pipex_core.evals.findings import Findings, Witness, warning_lines
from pipex_core.evals.gatefile import paired_kinds
from pipex_core.evals.rendering import Detail, Grid, Report, Section, interval, number, percent
from pipex_core.evals.reportparts import cost, failures, holes, judges, metrics, reproducibility
from pipex_core.evals.verdict import RuleResult, sentence

most_flips = 20
most_moved = 20


def verdict_report(found: Findings) -> Report:
    """The report of a run, all parts that have content in their fixed order."""
    makers: Sequence[Callable[[Findings], Section | None]] = (
        _warnings,
        _rules,
        _comparison,
        _moved,
        _flips,
        metrics,
        failures,
        holes,
        cost,
        judges,
        reproducibility,
    )
    sections = [section for make in makers if (section := make(found)) is not None]
    suite, target = found.manifest["suite"], found.manifest["target"]
    model = "" if target["model_id"] == "none" else f" on {target['model_id']}"
    return Report(
        headline=_headline(found),
        subject=f"{suite['id']} (version {suite['version']}): {target['target_id']}{model}",
        run_id=found.manifest["run_id"],
        reasons=_reasons(found),
        sections=sections,
    )


def comparison_grid(rows: Iterable[Comparison]) -> Grid:
    """Runs compared, worse things first."""
    return Grid(
        header=[
            ("metric", "left"),
            ("baseline", "right"),
            ("now", "right"),
            ("difference", "right"),
            ("95 % interval", "right"),
            ("pairs", "right"),
            ("better/tie/worse", "right"),
            ("p adj.", "right"),
            ("says", "left"),
        ],
        rows=[
            [
                row.metric if row.slice is None else f"{row.metric} [{row.slice_by}={row.slice}]",
                number(row.mean_a),
                number(row.mean_b),
                "-" if row.diff is None else f"{row.diff:+.3g}",
                interval(row.ci_low, row.ci_high),
                str(row.n_pairs),
                f"{row.n_wins}/{row.n_ties}/{row.n_losses}",
                number(row.p_adj),
                _says(row),
            ]
            for row in worse_first(rows)
        ],
    )


def worse_first(rows: Iterable[Comparison]) -> list[Comparison]:
    """Comparisons in the order of a report."""
    order = {"worse": 0, "cannot_tell": 1, "better": 2}
    return sorted(rows, key=lambda row: order.get(row.outcome, 1))


def failing_first(rules: Iterable[RuleResult]) -> list[RuleResult]:
    """Rules in the order of a report."""
    order = {"FAIL": 0, "INCOMPLETE": 1, "INCONCLUSIVE": 2, "PASS": 3}
    return sorted(rules, key=lambda rule: order[rule.outcome])


def displayed(rows: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons that are no rule of a gate."""
    return [row for row in rows if row.rule_id is None]


def _headline(found: Findings) -> str:
    judgement = found.judgement
    totals = judgement.summary.totals
    if judgement.verdict is not None:
        per_case = judgement.summary.value("cost_per_case")
        return sentence(judgement.verdict, cost_per_case=per_case)
    outcome = judgement.outcome
    if outcome.status != "completed":
        return f"{outcome.status.upper()}: {outcome.reason}, {outcome.n_open} rows are open."
    rate = percent(totals.pass_rate)
    decided = totals.n_passed + totals.n_case_failed
    return f"COMPLETED: {totals.n_passed} of {decided} decided cases passed ({rate})."


def _reasons(found: Findings) -> list[str]:
    """One line for each rule that made the verdict: what it demands, and what was found."""
    verdict = found.judgement.verdict
    if verdict is None:
        return []
    named = [rule for rule in verdict.rules if rule.row.rule_id in verdict.reasons]
    return [
        f"{rule.row.rule_id}{f' on {rule.slice}' if rule.slice else ''} demands: {_demand(rule)};"
        f" found {_found(rule) or 'no number'}."
        for rule in named
        if rule.outcome == verdict.verdict
    ]


def _warnings(found: Findings) -> Section | None:
    lines = warning_lines(found)
    return Section(title="Read this first", part="warnings", lines=lines) if lines else None


def _rules(found: Findings) -> Section | None:
    verdict = found.judgement.verdict
    if verdict is None:
        return None
    grid = Grid(
        header=[
            ("outcome", "left"),
            ("rule", "left"),
            ("tier", "left"),
            ("demand", "left"),
            ("found", "left"),
        ],
        rows=[
            [
                rule.outcome if rule.reason is None else f"{rule.outcome} ({rule.reason})",
                f"{rule.row.rule_id}" + (f" [{rule.slice}]" if rule.slice else ""),
                rule.row.tier or "",
                _demand(rule),
                _found(rule),
            ]
            for rule in failing_first(verdict.rules)
        ],
    )
    return Section(title="Rules of the gate", part="rules", grid=grid)


def _demand(rule: RuleResult) -> str:
    row = rule.row
    match row.kind:
        case "noninferiority":
            return f"{row.metric} not worse by more than {number(row.margin)}"
        case "superiority":
            return f"{row.metric} better by more than {number(row.margin)}"
        case "equivalence":
            return f"{row.metric} within +/-{number(row.margin)}"
        case "regression_pct":
            return f"{row.metric} falls by at most {number(row.value)} %"
        case "coverage":
            return f"{row.metric} scored on at least {percent(row.value)}"
        case _:
            return f"{row.metric} ({row.stat}) reaches {number(row.value)}"


def _found(rule: RuleResult) -> str:
    row = rule.row
    parts = []
    # The interval of a threshold is one of the mean, in the unit of the metric.
    if row.diff is not None and row.kind in paired_kinds:
        parts.append(f"difference {row.diff:+.3g} {interval(row.ci_low, row.ci_high)}")
    elif row.mean_b is not None:
        parts.append(f"{number(row.mean_b)} {interval(row.ci_low, row.ci_high)}".rstrip(" -"))
    if row.n_pairs:
        parts.append(f"n = {row.n_pairs}")
    if row.n_needed is not None:
        parts.append(f"about {row.n_needed:,} cases would tell")
    return ", ".join(parts)


def _comparison(found: Findings) -> Section | None:
    rows = displayed(found.judgement.comparisons)
    if not rows:
        return None
    run_id = rows[0].baseline_run_id
    known = found.against.manifest if isinstance(found.against, Witness) else {}
    name = known["target"]["target_id"] if "target" in known else run_id
    lines = [f"The baseline is run {run_id}."] if name != run_id else []
    grid = comparison_grid(rows)
    return Section(title=f"Compared with {name}", part="comparison", lines=lines, grid=grid)


def _says(row: Comparison) -> str:
    if row.outcome == "cannot_tell":
        return f"cannot tell ({row.reason})" if row.reason else "cannot tell"
    return row.outcome


def _moved(found: Findings) -> Section | None:
    """Slices in which chance is ruled out, all claims of the table corrected together."""
    if not found.moved:
        return None
    counts = Counter(row.outcome for row in found.moved)
    line = f"{counts['worse']} became worse and {counts['better']} better."
    left = len(found.moved) - most_moved
    more = [f"{left} more; the report in JSON has them all."] if left > 0 else []
    return Section(
        title="Slices that moved",
        part="moved",
        lines=[line, *more],
        grid=comparison_grid(found.moved[:most_moved]),
    )


def _flips(found: Findings) -> Section | None:
    if not found.flips:
        return None
    counts = Counter(flip.passed_now for flip in found.flips)
    details = [
        Detail(
            summary=f"{flip.case_id}: {'fixed' if flip.passed_now else 'broken'}"
            f" ({flip.metric} {flip.change:+.3g})",
            texts=[
                (name, text)
                for name, text in (
                    ("expected", flip.expected),
                    ("before", flip.output_before),
                    ("now", flip.output_now),
                )
                if text is not None
            ],
        )
        for flip in found.flips[:most_flips]
    ]
    cases = "case" if counts[False] == 1 else "cases"
    line = (
        f"{counts[False]} {cases} passed before and fail now, {counts[True]} the other way round."
    )
    return Section(title="Cases that changed sides", part="flips", lines=[line], details=details)
