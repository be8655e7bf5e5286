"""What a gate says: the verdict with its rules, as JSON and as one sentence."""

from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.evals.compare import Comparison
from pipex_core.evals.gatefile import paired_kinds
from pipex_core.jsonvalue import Json

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE"]

exit_codes: Final[dict[Outcome, int]] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "INCOMPLETE": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a rule comes to, and the word for why; None when the numbers speak for themselves."""

    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule on all cases or on one slice.

    Attributes:
        outcome: After the check of missing cases.
        row: The same for the table of comparisons; numbers are read from here.
        repeats_needed: Answers per case that would tell over the same cases; None when repeats were
            not made, or when no number of them would.
        repeats: Answers per case that there are, where ``repeats_needed`` is set.
    """

    outcome: Outcome
    reason: str | None
    row: Comparison
    repeats_needed: int | None = None
    repeats: int = 1

    @property
    def slice(self) -> str | None:
        """``<path>=<value>``, or None for all cases."""
        return None if self.row.slice is None else f"{self.row.slice_by}={self.row.slice}"

    def as_json(self) -> dict[str, Json]:
        """The rule in a verdict object."""
        row = self.row
        return {
            "id": row.rule_id,
            "metric": row.metric,
            "slice": self.slice,
            "kind": row.kind,
            "tier": row.tier,
            "outcome": self.outcome,
            "reason": self.reason,
            "n_pairs": row.n_pairs,
            "mean_a": row.mean_a,
            "mean_b": row.mean_b,
            "diff": row.diff,
            "ci": None if row.ci_low is None else [row.ci_low, row.ci_high],
            "l1": row.l1,
            "u1": row.u1,
            "p": row.p,
            "p_adj": row.p_adj,
            "margin": row.margin,
            "value": row.value,
            "mde": row.mde,
            "n_needed": row.n_needed,
            "repeats_needed": self.repeats_needed,
            "fragile": row.fragile,
            "v_minus": row.v_minus,
            "v_plus": row.v_plus,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says.

    Attributes:
        reasons: Ids of the rules that made the verdict; empty for PASS.
        family_size: Claims that were corrected together.
        baseline: Run id of the baseline, or None.
        warnings: What changes how the verdict is read, each with its code first.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    rules: tuple[RuleResult, ...]
    gate_digest: str
    alpha: float
    family_size: int
    baseline: str | None
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 INCOMPLETE."""
        return exit_codes[self.verdict]

    def as_json(self) -> dict[str, Json]:
        """The verdict object."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reasons": list(self.reasons),
            "rules": [rule.as_json() for rule in self.rules],
            "gate_digest": self.gate_digest,
            "alpha": self.alpha,
            "family_size": self.family_size,
            "baseline": self.baseline,
            "warnings": list(self.warnings),
        }


uncertified = "uncertified_judge"  # code of the warning that a judge without certificate was let in
unverified = "unverified_references"  # code of the warning that cases were left out
told = (uncertified, unverified)  # warnings that stand beside the sentence wherever it is printed


def sentence(verdict: Verdict, *, cost_per_case: float | None = None) -> str:
    """The verdict and why, in one line; an open question says what would answer it.

    Args:
        verdict: From ``judge``.
        cost_per_case: In USD, to say what more cases would cost.
    """
    if verdict.verdict == "PASS":
        return f"PASS: all {len(verdict.rules)} rules hold or do not count."
    named = [r for r in verdict.rules if r.row.rule_id in verdict.reasons]
    whys = [_why(result, cost_per_case) for result in named if result.outcome == verdict.verdict]
    return f"{verdict.verdict}: {'; '.join(whys) or 'the run is not finished'}."


def _why(result: RuleResult, cost_per_case: float | None) -> str:
    row = result.row
    place = f" on {result.slice}" if result.slice else ""
    text = f"{row.rule_id}{place}"
    if result.reason is not None:
        text += f" ({result.reason})"
    if row.diff is not None and row.kind in paired_kinds:
        text += f", difference {row.diff:+.3g} over {row.n_pairs} pairs"
    elif row.mean_b is not None:
        text += f", {row.stat} {row.mean_b:.3g}"
    if row.n_needed is not None:
        text += f", about {row.n_needed:,} cases would tell"
        text += _price(max(row.n_needed - row.n_pairs, 0), cost_per_case)
    if result.repeats_needed is not None:
        more = row.n_pairs * (result.repeats_needed / result.repeats - 1)
        text += f", or {result.repeats_needed:,} answers per case{_price(more, cost_per_case)}"
    return text


def _price(cases: float, cost_per_case: float | None) -> str:
    return f" (about {cases * cost_per_case:.2f} USD more)" if cost_per_case else ""
