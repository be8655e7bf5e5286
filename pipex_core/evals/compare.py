"""Two runs compared case by case: better, worse, or the data cannot tell.

A metric is compared only under one fingerprint. What comes out is a ``Comparison`` per metric and
slice, with everything that the table of comparisons keeps, and a sentence that says in words what it
shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from pipex_core.evals.arms import Arm, slices_of
from pipex_core.evals.pairs import Matched, PairSample, comparable, match, metric_of, sample
from pipex_core.jsonvalue import Json
from pipex_core.stats.bounds import Inference
from pipex_core.stats.paired import FlagEffect, Paired
from pipex_core.stats.power import n_needed
from pipex_core.stats.pvalues import benjamini_hochberg

Outcome = Literal["better", "worse", "cannot_tell"]
as_usual = Inference()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of a run compared with a baseline, on all common cases or on a slice.

    The columns of the table ``comparisons``, and three fields beside them: ``unpaired_a``,
    ``unpaired_b`` and ``excluded`` say why cases are not among the pairs.

    Attributes:
        stat: ``mean``, or ``pass_rate`` of flags.
        diff: Turned so that positive is better.
        p: Two-sided of a displayed comparison; of a rule the p of what its FAIL claims.
        p_adj: Adjusted within ``family``.
        outcome: ``better``, ``worse`` or ``cannot_tell``; of a rule its outcome.
        n_needed: Cases that would tell, if the difference is what was seen; None when it is none.
        reason: Why nothing can be told, such as ``ruler_changed``.
    """

    baseline_run_id: str
    metric: str
    outcome: str
    fingerprint: str
    stat: str = "mean"
    rule_id: str | None = None
    slice_by: str | None = None
    slice: str | None = None
    kind: str | None = None
    tier: str | None = None
    n_pairs: int = 0
    n_clusters: int = 0
    n_wins: int = 0
    n_ties: int = 0
    n_losses: int = 0
    n_missing_a: int = 0
    n_missing_b: int = 0
    n_excluded: int = 0
    mean_a: float | None = None
    mean_b: float | None = None
    diff: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    l1: float | None = None
    u1: float | None = None
    level: float = 0.95
    alpha: float = 0.05
    method: str = "none"
    p: float | None = None
    p_adj: float | None = None
    p_exact: float | None = None
    p_perm: float | None = None
    p_wilcoxon: float | None = None
    family: str | None = None
    family_size: int | None = None
    effect: float | None = None
    effect_kind: str | None = None
    mde: float | None = None
    margin: float | None = None
    value: float | None = None
    n_needed: int | None = None
    v_minus: str | None = None
    v_plus: str | None = None
    fragile: bool = False
    reason: str | None = None
    unpaired_a: int = 0
    unpaired_b: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)

    def as_row(self) -> dict[str, Json]:
        """The columns of the table ``comparisons``."""
        return {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in _beside
        }


_beside = frozenset({"unpaired_a", "unpaired_b", "excluded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A case whose passed changed.

    Attributes:
        change: Value of B less value of A, turned so that positive is better.
    """

    case_id: str
    passed_a: bool
    passed_b: bool
    value_a: float
    value_b: float
    change: float


def compare(  # noqa: PLR0913 - two runs and five settings, all named
    a: Arm,
    b: Arm,
    *,
    metrics: Sequence[str] | None = None,
    by: Sequence[str] = (),
    min_slice: int = 30,
    inference: Inference = as_usual,
    matched: Matched | None = None,
) -> list[Comparison]:
    """Arm B (challenger) compared with arm A (baseline), per metric and slice.

    The p values of all rows together are adjusted by Benjamini and Hochberg (family
    ``exploratory``): these rows are shown, they gate nothing.

    Args:
        a: The baseline.
        b: The challenger.
        metrics: Names of metrics, or ``pass_rate``; None for every metric of arm B that has a
            direction.
        by: Slicings such as ``tags`` or ``metadata.topic``; the whole always comes first.
        min_slice: Slices of fewer cases are put together as ``(small)``.
        inference: Error, power and level.
        matched: From ``comparable`` with limits of the caller's choice.

    Raises:
        ConfigError: ``not_comparable``, or ``unknown_metric``.
    """
    common = comparable(a, b) if matched is None else matched
    names = metrics
    if names is None:
        names = [n for n, arm in b.metrics.items() if arm.facts.scale.direction != "none"]
    whole: list[tuple[str | None, str | None, Sequence[int] | None]] = [(None, None, None)]
    for path in by:
        found = slices_of(b, path, min_slice=min_slice)
        whole += [(path, value, positions) for value, positions in found.items()]
    rows = [
        _compared(a, b, name, common, where=where, inference=inference)
        for name in names
        for where in whole
    ]
    return _adjusted(rows, alpha=inference.alpha)


def _compared(
    a: Arm,
    b: Arm,
    name: str,
    matched: Matched,
    *,
    where: tuple[str | None, str | None, Sequence[int] | None],
    inference: Inference,
) -> Comparison:
    in_b = metric_of(b, name)
    row = Comparison(
        baseline_run_id=a.run_id,
        metric=name,
        stat="pass_rate" if name == "pass_rate" else "mean",
        slice_by=where[0],
        slice=where[1],
        outcome="cannot_tell",
        fingerprint=in_b.facts.fingerprint,
        level=inference.level,
        alpha=inference.alpha,
        unpaired_a=matched.only_a,
        unpaired_b=matched.only_b,
    )
    if name != "pass_rate" and name not in a.metrics:
        return replace(row, reason="metric_missing")
    in_a = metric_of(a, name)
    if in_a.facts.fingerprint != in_b.facts.fingerprint:
        return replace(row, reason="ruler_changed")
    pairs = sample(matched, in_a, in_b, cases=b.cases, within=where[2])
    if not pairs.is_of_one_ruler:
        return replace(row, reason="ruler_changed")
    complete = pairs.complete()
    result = complete.tested(inference) if complete.a.size else None
    row = described(row, pairs, result)
    return row if result is None else replace(row, n_needed=_cases_that_tell(result, inference))


def described(row: Comparison, pairs: PairSample, result: Paired | None) -> Comparison:
    """The row with the numbers of a sample; what cannot be computed stays None, with its reason.

    Args:
        row: What is compared.
        pairs: All pairs, those with missing values included.
        result: Of the complete pairs; None when there are none.
    """
    complete = 0 if result is None else result.n_pairs
    row = replace(
        row,
        n_missing_a=pairs.missing_a,
        n_missing_b=pairs.missing_b,
        n_excluded=sum(pairs.excluded.values()) + pairs.a.size - complete,
        excluded=pairs.excluded,
    )
    if result is None:
        return replace(row, reason="no_pairs")
    tested = result.finding
    row = replace(
        row,
        n_pairs=result.n_pairs,
        n_clusters=result.units,
        n_wins=result.wins,
        n_ties=result.ties,
        n_losses=result.losses,
        mean_a=result.mean_a,
        mean_b=result.mean_b,
        diff=result.diff,
        mde=result.mde,
        reason=tested.reason,
        method=tested.method or "none",
        p=tested.p_two_sided,
        l1=tested.l1,
        u1=tested.u1,
        ci_low=tested.ci.low if tested.ci else None,
        ci_high=tested.ci.high if tested.ci else None,
    )
    if isinstance(result.effect, FlagEffect):
        return replace(
            row,
            effect=result.effect.odds_ratio,
            effect_kind="odds_ratio",
            p_exact=result.effect.p_mcnemar,
        )
    return replace(
        row,
        effect=result.effect.d_z,
        effect_kind="d_z",
        p_perm=result.effect.p_sign_flip,
        p_wilcoxon=result.effect.p_wilcoxon,
    )


def _cases_that_tell(result: Paired, inference: Inference) -> int | None:
    if not result.diff or result.sd_per_case is None:
        return None
    # Two-sided, as the comparison is: half of alpha at either end.
    return n_needed(
        margin=abs(result.diff),
        sd=result.sd_per_case,
        alpha=inference.alpha / 2,
        power=inference.power,
    )


def _adjusted(rows: Sequence[Comparison], *, alpha: float) -> list[Comparison]:
    tested = [row.p for row in rows if row.p is not None]
    adjusted = iter(benjamini_hochberg(tested) if tested else [])
    found = []
    for row in rows:
        p_adj = None if row.p is None else next(adjusted)
        found.append(
            replace(
                row,
                p_adj=p_adj,
                family="exploratory" if p_adj is not None else None,
                family_size=len(tested) if p_adj is not None else None,
                outcome=_outcome(row.diff, p_adj, alpha),
            )
        )
    return found


def _outcome(diff: float | None, p_adj: float | None, alpha: float) -> Outcome:
    if not diff or p_adj is None or p_adj > alpha:
        return "cannot_tell"
    return "better" if diff > 0 else "worse"


def flips(a: Arm, b: Arm, metric: str, *, matched: Matched | None = None) -> list[Flip]:
    """Cases whose passed changed under one metric, or under ``pass_rate``; the worst change first.

    Raises:
        ConfigError: ``unknown_metric``.
    """
    common = match(a, b) if matched is None else matched
    in_a, in_b = metric_of(a, metric), metric_of(b, metric)
    sign = in_b.facts.scale.sign
    found = []
    for i, j in zip(common.a, common.b, strict=True):
        before, after = in_a.passed[i], in_b.passed[j]
        if before is None or after is None or before == after:
            continue
        old, new = float(in_a.values[i]), float(in_b.values[j])
        flip = Flip(
            case_id=b.cases[j].id,
            passed_a=before,
            passed_b=after,
            value_a=old,
            value_b=new,
            change=sign * (new - old),
        )
        found.append(flip)
    return sorted(found, key=lambda flip: (flip.passed_b, flip.change, flip.case_id))


_why = {
    "ruler_changed": "the metric itself changed between the runs; score both again under one version",
    "metric_missing": "the baseline has no such metric",
    "no_pairs": "no case has a value in both runs",
    "degenerate": "all differences are equal, so that nothing is known about their spread",
    "too_few_units": "fewer than two independent cases",
}


def sentence(row: Comparison) -> str:
    """What a displayed comparison shows, in words: which way, how sure, and what would tell."""
    if row.reason == "unpaired" and row.diff is not None:
        return (
            f"{row.metric}: cannot tell: no case is common; the means differ by {_signed(row.diff)},"
            f" Cliff's delta {_signed(row.effect or 0.0)}."
        )
    name = row.metric if row.slice is None else f"{row.metric} on {row.slice_by}={row.slice}"
    if row.diff is None or row.p_adj is None or row.ci_low is None or row.ci_high is None:
        return f"{name}: cannot tell: {_why.get(row.reason or '', 'no difference was computed')}."
    interval = (
        f"{row.level:.0%} interval {_signed(row.ci_low)} to {_signed(row.ci_high)},"
        f" {_p(row.p_adj)}, {row.n_pairs:,} pairs"
    )
    if row.outcome != "cannot_tell":
        return f"{name}: {row.outcome} by {abs(row.diff):.3g} ({interval})."
    if row.diff and row.n_needed is not None:
        tell = f"about {max(row.n_needed, row.n_pairs + 1):,} cases would tell a difference of this size"
    elif row.mde is not None:
        tell = f"a true difference of {row.mde:.3g} would probably have shown"
    else:
        tell = "the runs do not differ in any case"
    bound = max(abs(row.ci_low), abs(row.ci_high))
    shown = f"no difference larger than {bound:.3g} shown"
    return f"{name}: cannot tell: {_signed(row.diff)} ({interval}), {shown}; {tell}."


def _signed(number: float) -> str:
    return f"{number:+.3g}" if number else "0"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3g}"  # noqa: PLR2004 - as papers print it
