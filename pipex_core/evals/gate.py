"""Rules on one run and its comparisons -> a verdict: PASS, FAIL, INCONCLUSIVE or INCOMPLETE.

Two tables decide. ``decide`` is the table of rule kinds: what bounds and p values mean for one rule.
``verdict_of`` is the table of verdicts: what the outcomes of all rules mean together. FAIL is a union
of claims, so the p values of all critical and supporting rules are corrected by Holm; PASS is an
intersection, so each rule stands at alpha by itself. Missing cases change an outcome only when there
are too many of them and it matters how they would have gone.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipex_core.evals.compare import Comparison
from pipex_core.evals.demand import Bench, Demand, demands
from pipex_core.evals.evidence import Evidence, Standards
from pipex_core.evals.gatefile import Gate, Rule, paired_kinds
from pipex_core.evals.judged import Baseline, Judged
from pipex_core.evals.pairs import comparable
from pipex_core.evals.results import tolerance
from pipex_core.evals.verdict import Decision, Outcome, RuleResult, Verdict, uncertified, unverified
from pipex_core.stats.bounds import Inference
from pipex_core.stats.pvalues import benjamini_hochberg, fisher_exact, holm

_imbalance = 0.01  # p of Fisher's test below which the arms miss different shares


def judge(
    gate: Gate,
    run: Judged,
    *,
    baseline: Baseline | None = None,
    min_overlap: float = 0.9,
    allow_partial: bool = False,
) -> Verdict:
    """The verdict of a gate on a run.

    Args:
        gate: At least one rule.
        run: What is judged, the challenger.
        baseline: What it is compared with; None makes paired rules INCONCLUSIVE.
        min_overlap: Share of common cases below which the runs are not comparable.
        allow_partial: Compare all the same.

    Raises:
        ConfigError: ``unknown_metric``, ``metric_not_gated``, ``no_interval`` or
            ``not_comparable``: nothing can be said, exit code 2.
    """
    matched = None
    if isinstance(baseline, Judged) and any(rule.kind in paired_kinds for rule in gate.rules):
        matched = comparable(
            baseline.arm, run.arm, min_overlap=min_overlap, allow_partial=allow_partial
        )
    standards = Standards(
        inference=Inference(alpha=gate.alpha, power=gate.power), min_pairs=gate.min_pairs
    )
    bench = Bench(gate=gate, run=run, baseline=baseline, matched=matched, standards=standards)
    found = [demand for rule in gate.rules for demand in demands(bench, rule)]
    family = _Family(found, alpha=gate.alpha)
    results = tuple(_result(demand, family, gate) for demand in found)
    verdict, reasons = verdict_of(results, unfinished=_unfinished(run, gate))
    return Verdict(
        verdict=verdict,
        reasons=reasons,
        rules=results,
        gate_digest=gate.digest,
        alpha=gate.alpha,
        family_size=family.size,
        baseline=baseline.run_id if baseline else None,
        warnings=tuple(_warnings(found, results, run, gate)),
    )


def decide(rule: Rule, evidence: Evidence, *, p_adj: float | None, alpha: float) -> Decision:
    """What the numbers mean for one rule.

    Args:
        rule: Its ``bound`` is set.
        evidence: Of one sample.
        p_adj: Of what a FAIL of this rule claims, corrected for the others.
        alpha: Of the gate.
    """
    if rule.kind == "coverage":
        return Decision(outcome="PASS") if evidence.reached else _incomplete("low_coverage")
    if rule.bound == "point":
        return _by_number(evidence)
    if evidence.reason is not None:
        return Decision(outcome="INCONCLUSIVE", reason=evidence.reason)
    if not evidence.decides or evidence.l1 is None or evidence.u1 is None:
        return Decision(outcome="INCONCLUSIVE", reason="insufficient_data")
    shown = p_adj is not None and p_adj <= alpha
    passed, failed = _bounds_say(rule, evidence, evidence.l1, evidence.u1)
    if passed:
        within = rule.kind == "noninferiority" and evidence.u1 < 0
        return Decision(outcome="PASS", reason="worse_within_margin" if within else None)
    return Decision(outcome="FAIL" if failed and shown else "INCONCLUSIVE")


def verdict_of(
    results: Sequence[RuleResult], *, unfinished: bool
) -> tuple[Outcome, tuple[str, ...]]:
    """What the outcomes of all rules mean together, and the ids of the rules that made it.

    Args:
        results: Of all rules and slices.
        unfinished: The run was never finished and more is missing than the gate accepts.
    """
    counting = [result for result in results if result.row.tier in ("critical", "supporting")]
    critical = [result for result in counting if result.row.tier == "critical"]
    if failed := _ids(counting, "FAIL"):
        return "FAIL", failed
    if (incomplete := _ids(counting, "INCOMPLETE")) or unfinished:
        return "INCOMPLETE", incomplete
    if undecided := _ids(critical, "INCONCLUSIVE"):
        return "INCONCLUSIVE", undecided
    return "PASS", ()


def _ids(results: Sequence[RuleResult], outcome: Outcome) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.row.rule_id or "" for r in results if r.outcome == outcome))


def _incomplete(reason: str) -> Decision:
    return Decision(outcome="INCOMPLETE", reason=reason)


def _by_number(evidence: Evidence) -> Decision:
    if evidence.reason is not None:
        return Decision(outcome="INCONCLUSIVE", reason=evidence.reason)
    if evidence.reached is None:
        return _incomplete("not_computed")
    return Decision(outcome="PASS" if evidence.reached else "FAIL")


def _bounds_say(rule: Rule, evidence: Evidence, l1: float, u1: float) -> tuple[bool, bool]:
    """Is the demand shown to be met, and would it be broken if chance were ruled out?"""
    margin = rule.margin or 0.0
    match rule.kind:
        case "threshold":
            return l1 >= -tolerance, u1 < 0
        case "noninferiority":
            return l1 > -margin, rule.fail_on == "regression" or u1 < -margin
        case "superiority":
            return l1 > rule.min_gain, True
        case "equivalence":
            return -margin < l1 and u1 < margin, u1 < -margin or l1 > margin
        case _:  # regression_pct; coverage was decided before
            return bool(evidence.reached), True


class _Family:
    """The claims of critical and supporting rules, corrected together; the others for display."""

    def __init__(self, found: Sequence[Demand], *, alpha: float) -> None:
        self._alpha = alpha
        self._claims = {
            i: d.evidence.p
            for i, d in enumerate(found)
            if d.claims and d.rule.tier != "advisory" and d.evidence.p is not None
        }
        self._shown = {
            i: d.evidence.p
            for i, d in enumerate(found)
            if i not in self._claims and d.claims and d.evidence.p is not None
        }
        self._index = {id(demand): i for i, demand in enumerate(found)}

    @property
    def size(self) -> int:
        """Claims that are corrected together."""
        return len(self._claims)

    def adjusted(self, demand: Demand, evidence: Evidence) -> float | None:
        """The corrected p of a demand's evidence, beside what the other demands claim."""
        if evidence.p is None:
            return None
        own = self._index[id(demand)]
        advisory = demand.rule.tier == "advisory"
        claims = dict(self._shown if advisory else self._claims)
        claims[own] = evidence.p
        corrected = (benjamini_hochberg if advisory else holm)(list(claims.values()))
        return corrected[list(claims).index(own)]

    def decision(self, demand: Demand, evidence: Evidence) -> Decision:
        """The outcome if this were all the evidence."""
        p_adj = self.adjusted(demand, evidence)
        return decide(demand.rule, evidence, p_adj=p_adj, alpha=self._alpha)


def _result(demand: Demand, family: _Family, gate: Gate) -> RuleResult:
    row = demand.row
    if demand.blocked is not None:
        gone = demand.blocked == "metric_missing"
        blocked = Decision(outcome="FAIL" if gone else "INCONCLUSIVE", reason=demand.blocked)
        return _as_result(demand, blocked, replace(row, p=None, n_needed=None))
    found = family.decision(demand, demand.evidence)
    low = found if demand.worst is None else family.decision(demand, demand.worst)
    high = found if demand.best is None else family.decision(demand, demand.best)
    checked = check_missing(demand, (found, low, high), max_missing=gate.max_missing)
    within = demand.missing_share <= gate.max_missing
    known = demand.missing_share == 0 or demand.bounded
    claims = demand.claims
    advisory = demand.rule.tier == "advisory"
    row = replace(
        row,
        p=demand.evidence.p if not demand.is_point else None,
        p_adj=family.adjusted(demand, demand.evidence) if claims else None,
        family=("exploratory" if advisory else "gate") if claims else None,
        family_size=family.size if claims and not advisory else None,
        n_needed=_still_needed(demand, checked),
        v_minus=low.outcome if known else None,
        v_plus=high.outcome if known else None,
        fragile=within and known and low.outcome != high.outcome,
    )
    # More answers help where more cases would, and nothing else is in the way.
    result = _as_result(demand, checked, row)
    if demand.repeats is None or row.n_needed is None or checked.reason is not None:
        return result
    return replace(result, repeats=demand.repeats.present, repeats_needed=demand.repeats.needed)


def check_missing(
    demand: Demand, found: tuple[Decision, Decision, Decision], *, max_missing: float
) -> Decision:
    """The outcome after asking whether the missing cases could have turned it.

    Args:
        demand: With its share of missing cases.
        found: The outcome on what is there, with the missing cases at the worst end, at the best.
        max_missing: Share of missing cases up to which the others decide.
    """
    now, low, high = found
    if demand.rule.kind == "coverage" or demand.missing_share <= max_missing:
        return now
    if demand.bounded and now.outcome == low.outcome == high.outcome:
        return now
    return _incomplete("too_many_missing")


def _still_needed(demand: Demand, decision: Decision) -> int | None:
    """Cases that would resolve an open question; None when cases are not what it lacks."""
    if decision.outcome != "INCONCLUSIVE" or demand.is_point:
        return None
    if decision.reason == "insufficient_data" and not demand.evidence.few_clusters:
        return max(demand.row.n_needed or 0, demand.evidence.fewest)
    if decision.reason is not None or demand.row.n_needed is None:
        return None
    return max(demand.row.n_needed, demand.evidence.n + 1)


def _as_result(demand: Demand, decision: Decision, row: Comparison) -> RuleResult:
    row = replace(row, outcome=decision.outcome, reason=decision.reason, tier=demand.rule.tier)
    return RuleResult(outcome=decision.outcome, reason=decision.reason, row=row)


def _unfinished(run: Judged, gate: Gate) -> bool:
    return not run.finished and run.missing_share > gate.max_missing


def _warnings(
    found: Sequence[Demand], results: Sequence[RuleResult], run: Judged, gate: Gate
) -> list[str]:
    lines = []
    if not run.finished:
        lines.append("unfinished_run: rows are open; the verdict speaks about what is there")
    if not gate.require_certificate and run.uncertified:
        names = ", ".join(sorted(run.uncertified))
        lines.append(f"{uncertified}: allowed to gate without a certificate: {names}")
    if run.unverified:
        lines.append(
            f"{unverified}: {run.unverified} cases are left out, because nobody accepted the references"
            " that a log or a model gave them; look at them, then: pipex suite accept"
        )
    for demand, result in zip(found, results, strict=True):
        where = f"{result.row.rule_id}{f' on {result.slice}' if result.slice else ''}"
        if result.row.fragile:
            lines.append(f"fragile: {where}: the missing cases could turn the outcome")
        if _imbalanced(demand.row):
            lines.append(
                f"missing_imbalance: {where}: one run misses far more cases than the other"
            )
    empty = [
        f"empty_slice: {rule.id}: no case has a value of {by!r}"
        for rule in gate.rules
        for by in rule.slices
        if not any(d.rule.id == rule.id and d.row.slice_by == by for d in found)
    ]
    return lines + empty


def _imbalanced(row: Comparison) -> bool:
    missing = row.n_missing_a + row.n_missing_b
    if row.kind not in paired_kinds or not missing:
        return False
    total = row.n_pairs + row.n_excluded - sum(row.excluded.values())
    p = fisher_exact(hits_a=row.n_missing_a, total_a=total, hits_b=row.n_missing_b, total_b=total)
    return p < _imbalance
