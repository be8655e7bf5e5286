"""What is worth saying about a run, as data in a fixed order.

The verdict and the one sentence why come first, then what changes how to read it, then failing things
before passing ones. Empty parts are left out. All forms are made from this one value, so that their
numbers agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipex_core.evals.compare import Comparison
from pipex_core.evals.findings import Findings, failure_rows, warning_lines
from pipex_core.evals.gatefile import paired_kinds
from pipex_core.evals.rendering import Detail, Grid, Report, Section, interval, number, percent
from pipex_core.evals.summary import MetricSummary
from pipex_core.evals.verdict import RuleResult, sentence
from pipex_core.jsonvalue import Json, short

most_flips = 20
most_failures = 20


def verdict_report(found: Findings) -> Report:
    """The report of a run, all parts that have content in their fixed order."""
    makers: Sequence[Callable[[Findings], Section | None]] = (
        _warnings,
        _rules,
        _comparison,
        _flips,
        _metrics,
        _failures,
        _holes,
        _cost,
        _judges,
        _reproducibility,
    )
    sections = [section for make in makers if (section := make(found)) is not None]
    suite, target = found.manifest["suite"], found.manifest["target"]
    model = "" if target["model_id"] == "none" else f" on {target['model_id']}"
    return Report(
        headline=_headline(found),
        subject=f"{suite['id']} (version {suite['version']}): {target['target_id']}{model}",
        run_id=found.manifest["run_id"],
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


def missed_first(metrics: Iterable[MetricSummary]) -> list[MetricSummary]:
    """Metrics in the order of a report: those whose mean misses their threshold come first."""
    return sorted(metrics, key=lambda one: one.facts.reached_by(one.mean) is not False)


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
    title = f"Compared with {rows[0].baseline_run_id}"
    return Section(title=title, part="comparison", grid=comparison_grid(rows))


def _says(row: Comparison) -> str:
    if row.outcome == "cannot_tell":
        return f"cannot tell ({row.reason})" if row.reason else "cannot tell"
    return row.outcome


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
    line = f"{counts[False]} cases passed before and fail now, {counts[True]} the other way round."
    return Section(title="Cases that changed sides", part="flips", lines=[line], details=details)


def _metrics(found: Findings) -> Section:
    grid = Grid(
        header=[
            ("metric", "left"),
            ("mean", "right"),
            ("95 % interval", "right"),
            ("passed", "right"),
            ("scored", "right"),
            ("failed", "right"),
            ("missing", "right"),
            ("n/a", "right"),
            ("bounds", "right"),
        ],
        rows=[_metric_row(one) for one in missed_first(found.judgement.summary.metrics.values())],
    )
    return Section(title="Metrics", part="metrics", grid=grid)


def _metric_row(one: MetricSummary) -> list[str]:
    ci = one.estimate.interval if one.estimate else None
    bounds = one.bounds if one.bounds and one.n_missing else (None, None)
    return [
        one.facts.name,
        number(one.mean),
        interval(ci.low, ci.high) if ci else "-",
        percent(one.pass_rate),
        *(str(n) for n in (one.n_scored, one.n_failed, one.n_missing, one.n_na)),
        interval(*bounds),
    ]


def _failures(found: Findings) -> Section | None:
    rows = failure_rows(found.responses)
    if not rows:
        return None
    codes = Counter(map(_failure, rows))
    lines = [f"{count} x {code}" for code, count in codes.most_common()]
    details = [
        Detail(
            summary=f"{row['case_id']}: {_failure(row)}",
            texts=[
                (name, row[name])
                for name in ("expected", "output", "error")
                if row[name] is not None
            ],
        )
        for row in rows[:most_failures]
    ]
    return Section(title="Failed cases", part="failures", lines=lines, details=details)


def _failure(row: Mapping[str, Json]) -> str:
    return str(row["error_code"] or "answer not good enough")


def _holes(found: Findings) -> Section | None:
    missing = [
        row["error_code"] or row["status"]
        for row in found.responses.select(("class", "status", "error_code")).to_pylist()
        if row["class"] == "missing"
    ]
    unscored = {
        f"{name}: {code}": count
        for name, one in found.judgement.summary.metrics.items()
        for code, count in one.codes.items()
        if code not in ("no_output", "not_run", "budget")
    }
    lines = [f"{count} x no answer ({code})" for code, count in Counter(missing).most_common()]
    lines += [f"{count} x no score ({what})" for what, count in unscored.items()]
    return Section(title="Missing answers and scores", lines=lines) if lines else None


def _cost(found: Findings) -> Section:
    totals = found.judgement.summary.totals
    latency = totals.latency
    lines = [
        (
            f"Cost {totals.cost_nanousd / 1e9:.6f} USD in {totals.calls} calls;"
            f" {totals.n_carried} rows carried, which once cost {totals.saved_nanousd / 1e9:.6f} USD."
        ),
        f"Tokens: {totals.input_tokens:,} in, {totals.output_tokens:,} out.",
    ]
    if latency:
        shown = ", ".join(f"{word} {number(value)} ms" for word, value in latency.items())
        lines.append(f"Latency: {shown}.")
    return Section(title="Cost, tokens and time", lines=lines)


def _judges(found: Findings) -> Section | None:
    """Who judged, whether he may gate, how often he said nothing, and what he cost."""
    named = {one["metric"]: one for one in found.manifest.get("judges", ())}
    if not named:
        return None
    columns = ("metric", "submetric", "level", "code", "judge_cost_nanousd", "carried")
    rows = found.scores.select(columns).to_pylist()
    heads = [row for row in rows if row["submetric"] is None and row["level"] == "case"]
    grid = Grid(
        header=[
            ("metric", "left"),
            ("judge", "left"),
            ("models", "left"),
            ("votes", "right"),
            ("certificate", "left"),
            ("abstained", "right"),
            ("not read", "right"),
            ("not reached", "right"),
            ("USD", "right"),
        ],
        rows=[
            [
                metric,
                one["id"],
                ", ".join(member["model"] for member in one["members"]),
                str(max(one["votes"], len(one["members"]))),
                one["certificate"] or "none",
                *_silence([row for row in heads if row["metric"] == metric]),
            ]
            for metric, one in sorted(named.items())
        ],
    )
    return Section(title="Judges", grid=grid)


def _silence(rows: Sequence[Mapping[str, Json]]) -> list[str]:
    codes = Counter(row["code"] for row in rows)
    cost = sum(row["judge_cost_nanousd"] for row in rows if not row["carried"])
    words = ("judge_abstained", "judge_parse", "judge_error")
    return [*(str(codes[word]) for word in words), f"{cost / 1e9:.6f}"]


def _reproducibility(found: Findings) -> Section:
    manifest = found.manifest
    run = manifest["run"]
    lines = [
        f"Run {manifest['run_id']}, {run['finished_at']}, seed {run['seed']}.",
        (
            f"Suite {short(run['suite_digest'])}, plan {short(run['plan_digest'])},"
            f" target {short(run['target_digest'])}, rows {short(manifest['row_digest'])}."
        ),
    ]
    if run["pipex_version"]:
        lines.append(f"pipex {run['pipex_version']}, prices of {run['price_table'] or 'no table'}.")
    if found.command:
        lines.append(found.command)
    return Section(title="To do it again", lines=lines)
