"""The cases that two runs share, and the values that both have for them.

What goes in is an ``Arm`` per run (``evals.arms``). Cases are the same when their content is, whatever
their id. Failures of the target come with a value already; open cases have none, and are kept beside
the others, so that a gate can ask what would follow if they had gone well or badly.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm, CaseFacts, MetricArm
from pipex_core.evals.passing import pass_flags
from pipex_core.jsonvalue import Json, digest
from pipex_core.stats.bounds import Inference
from pipex_core.stats.estimates import Scale
from pipex_core.stats.paired import Against, Paired, against, paired, tails_at
from pipex_core.stats.pvalues import Tails
from pipex_core.stats.units import Floats

End = Literal["worst", "best"]
Flags = npt.NDArray[np.bool_]
ruler_changed = "ruler_changed"
most_changed = 0.1  # as of cases without a partner: beyond it two runs are not compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Which cases of two arms are the same.

    Attributes:
        a: Positions in arm A; the case at the same index of ``b`` is its partner in arm B.
        only_a: Cases of arm A without a partner; ``only_b`` likewise.
        renamed: Pairs whose ids differ.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    only_a: int
    only_b: int
    renamed: int = 0

    @property
    def overlap(self) -> float:
        """Share of matched cases in the arm where it is smaller; 0 for an empty arm."""
        count = len(self.a)
        larger = count + max(self.only_a, self.only_b)
        return count / larger if larger else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmSample:
    """The values of one metric in one arm.

    Attributes:
        scale: Of the metric.
        values: NaN where missing, [cases].
        cases: With weights and clusters.
        seed_of: What the seed of resampling is derived from, besides the values.
    """

    scale: Scale
    values: Floats
    cases: Sequence[CaseFacts]
    seed_of: str = ""

    @property
    def missing(self) -> int:
        """Cases without a value."""
        return int(np.isnan(self.values).sum())

    @property
    def missing_share(self) -> float:
        """Share of missing cases; 0 when there are no cases."""
        return self.missing / self.values.size if self.values.size else 0.0

    @property
    def flags(self) -> bool:
        """Are all values pass flags?"""
        return self.scale.flags(self.values[~np.isnan(self.values)])

    def complete(self) -> "ArmSample":
        """Only the cases that have a value."""
        kept = ~np.isnan(self.values)
        return replace(self, values=self.values[kept], cases=_kept(self.cases, kept))

    def filled(self, at: End) -> "ArmSample":
        """Missing cases at one end of the range, which must have two."""
        values = np.where(np.isnan(self.values), _end(self.scale, at), self.values)
        return replace(self, values=values)

    def tested(self, value: float, inference: Inference) -> Against:
        """The arm against a fixed value; there must be a case and nothing missing."""
        return against(
            self.values,
            value,
            scale=self.scale,
            weights=[case.weight for case in self.cases],
            clusters=_clusters(self.cases),
            inference=_seeded(inference, self.scale, [self.seed_of, self.values.tolist()]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairSample:
    """The values of one metric on the cases that two arms share, in the order of arm B's ids.

    Attributes:
        scale: Of the metric.
        a: Values of arm A, NaN where missing, [cases]; ``b`` likewise.
        cases: Weights and clusters, of arm B.
        seed_of: What the seed of resampling is derived from, besides the values.
        excluded: Pairs left out, by reason and arm, such as ``no_score_b``.
    """

    scale: Scale
    a: Floats
    b: Floats
    cases: Sequence[CaseFacts]
    seed_of: str = ""
    excluded: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing_a(self) -> int:
        """Cases of which arm A has no value."""
        return int(np.isnan(self.a).sum())

    @property
    def missing_b(self) -> int:
        """Cases of which arm B has no value."""
        return int(np.isnan(self.b).sum())

    @property
    def missing_share(self) -> float:
        """Share of missing cases in the arm that misses more; 0 when there are no cases."""
        return max(self.missing_a, self.missing_b) / self.a.size if self.a.size else 0.0

    @property
    def is_of_one_ruler(self) -> bool:
        """Were nearly all pairs measured in the same way? Those that were not are left out."""
        changed = self.excluded.get(ruler_changed, 0)
        return changed <= most_changed * (self.a.size + changed)

    @property
    def flags(self) -> bool:
        """Are all values pass flags?"""
        known = np.concatenate((self.a, self.b))
        return self.scale.flags(known[~np.isnan(known)])

    def complete(self) -> "PairSample":
        """Only the pairs of which both arms have a value."""
        kept = ~(np.isnan(self.a) | np.isnan(self.b))
        return replace(self, a=self.a[kept], b=self.b[kept], cases=_kept(self.cases, kept))

    def filled(self, b_at: End) -> "PairSample":
        """Arm B's missing cases at one end of the range, arm A's at the other; it must have two."""
        in_b = _end(self.scale, b_at)
        in_a = _end(self.scale, "best" if b_at == "worst" else "worst")
        return replace(
            self,
            a=np.where(np.isnan(self.a), in_a, self.a),
            b=np.where(np.isnan(self.b), in_b, self.b),
        )

    def tested(self, inference: Inference) -> Paired:
        """Arm B against arm A; there must be a pair and nothing missing."""
        return paired(
            self.a,
            self.b,
            scale=self.scale,
            weights=[case.weight for case in self.cases],
            clusters=_clusters(self.cases),
            inference=_seeded(
                inference, self.scale, [self.seed_of, self.a.tolist(), self.b.tolist()]
            ),
        )

    def tails_at(self, at: float, inference: Inference) -> Tails | None:
        """The p values against a true difference ``at``; as ``tested``, None when there are none."""
        return tails_at(
            self.a,
            self.b,
            at,
            scale=self.scale,
            weights=[case.weight for case in self.cases],
            clusters=_clusters(self.cases),
            inference=_seeded(
                inference, self.scale, [self.seed_of, self.a.tolist(), self.b.tolist()]
            ),
        )


def match(a: Arm, b: Arm) -> Matched:
    """The common cases: by id with equal content, then by content alone, in order of id."""
    by_id = {case.id: i for i, case in enumerate(a.cases)}
    pairs: list[tuple[int, int]] = []
    rest: list[int] = []
    for j, case in enumerate(b.cases):
        i = by_id.get(case.id)
        if i is not None and a.cases[i].case_hash == case.case_hash:
            pairs.append((i, j))
        else:
            rest.append(j)
    taken = {i for i, _ in pairs}
    free: dict[str, list[int]] = defaultdict(list)
    for i, case in reversed(list(enumerate(a.cases))):
        if i not in taken:
            free[case.case_hash].append(i)
    renamed = [(free[h].pop(), j) for j in rest if free[h := b.cases[j].case_hash]]
    pairs = sorted((*pairs, *renamed), key=lambda pair: pair[1])
    return Matched(
        a=tuple(i for i, _ in pairs),
        b=tuple(j for _, j in pairs),
        only_a=len(a.cases) - len(pairs),
        only_b=len(b.cases) - len(pairs),
        renamed=len(renamed),
    )


def comparable(a: Arm, b: Arm, *, min_overlap: float = 0.9, allow_partial: bool = False) -> Matched:
    """The common cases of two arms that share enough of them.

    Raises:
        ConfigError: ``not_comparable``, the common cases are fewer than ``min_overlap`` of either
            arm; with ``allow_partial`` only when there are none.
    """
    found = match(a, b)
    if not found.a or (found.overlap < min_overlap and not allow_partial):
        raise ConfigError(
            f"the runs {a.run_id} and {b.run_id} share {len(found.a)} cases of"
            f" {len(a.cases)} and {len(b.cases)}, fewer than {min_overlap:.0%} of each",
            code="not_comparable",
            next_step="compare runs of one suite, or pass --allow-partial",
        )
    return found


def sample(
    matched: Matched,
    a: MetricArm,
    b: MetricArm,
    *,
    cases: Sequence[CaseFacts],
    within: Iterable[int] | None = None,
) -> PairSample:
    """The values that two arms have of one metric.

    Args:
        matched: From ``match``.
        a: The metric in arm A.
        b: The metric in arm B, under the same fingerprint.
        cases: Of arm B.
        within: Positions in arm B to look at; None for all.
    """
    chosen = None if within is None else frozenset(within)
    rows: list[tuple[float, float, CaseFacts]] = []
    excluded: Counter[str] = Counter()
    for i, j in zip(matched.a, matched.b, strict=True):
        if chosen is not None and j not in chosen:
            continue
        reasons = [f"{why}_a" for why in _outside(a, i)] + [f"{why}_b" for why in _outside(b, j)]
        if not reasons and a.ruler(i).fingerprint != b.ruler(j).fingerprint:
            reasons = [ruler_changed]
        if reasons:
            excluded[reasons[0]] += 1
        else:
            rows.append((float(a.values[i]), float(b.values[j]), cases[j]))
    return PairSample(
        scale=b.facts.scale,
        a=np.array([row[0] for row in rows], dtype=float),
        b=np.array([row[1] for row in rows], dtype=float),
        cases=[row[2] for row in rows],
        seed_of=b.facts.fingerprint,
        excluded=dict(sorted(excluded.items())),
    )


def arm_sample(
    metric: MetricArm, *, cases: Sequence[CaseFacts], within: Iterable[int] | None = None
) -> ArmSample:
    """The values that one arm has of one metric, without the cases it does not apply to.

    Args:
        metric: The metric in the arm.
        cases: Of the arm.
        within: Positions to look at; None for all.
    """
    chosen = range(len(cases)) if within is None else within
    kept = [i for i in chosen if not _outside(metric, i)]
    return ArmSample(
        scale=metric.facts.scale,
        values=metric.values[kept],
        cases=[cases[i] for i in kept],
        seed_of=metric.facts.fingerprint,
    )


def _outside(arm: MetricArm, position: int) -> tuple[str, ...]:
    """Why the case is no question of this comparison; empty when it is one, answered or open."""
    match arm.states[position]:
        case None:
            return ("not_planned",)
        case "na":
            return ("not_applicable",)
        case "failed" if math.isnan(arm.values[position]):
            return ("failure_without_value",)
        case _:
            return ()


def metric_of(arm: Arm, name: str) -> MetricArm:
    """A metric of the arm, or its pass flags under the name ``pass_rate``.

    Raises:
        ConfigError: ``unknown_metric``.
    """
    if name == "pass_rate" and name not in arm.metrics:
        return pass_flags(arm)
    if name not in arm.metrics:
        known = ", ".join(arm.metrics) or "none"
        message = f"the run {arm.run_id} has no metric {name!r}; it has {known}"
        raise ConfigError(message, code="unknown_metric")
    return arm.metrics[name]


def _end(scale: Scale, at: End) -> float:
    high_is_wanted = (at == "best") == (scale.direction != "lower")
    return scale.high if high_is_wanted else scale.low


def _kept(cases: Sequence[CaseFacts], kept: Flags) -> list[CaseFacts]:
    return [case for case, keep in zip(cases, kept.tolist(), strict=True) if keep]


def _clusters(cases: Sequence[CaseFacts]) -> list[str | None] | None:
    found = [case.cluster for case in cases]
    return found if any(one is not None for one in found) else None


def _seeded(inference: Inference, scale: Scale, content: Json) -> Inference:
    """Seeded by content, so that the same values give the same interval in every run."""
    if not scale.skewed:
        return inference
    return replace(inference, seed=int(digest(content)[:16], 16))
