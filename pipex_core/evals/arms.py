"""A run as comparisons and gates see it: one value per case and metric, from rows of responses and scores.

The unit is the case. Repeats are reduced to one value per case, then every case counts once: scored,
failed (the target did not answer: imputed with the worst value), missing, or not applicable. Summaries,
comparisons and gates are computed from arms and never from raw rows.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.columns import holds, values_of
from pipex_core.evals.reducers import (
    CaseValue,
    Reduction,
    chance_scale,
    even,
    flake_rate,
    is_chance,
    pooled_variance,
)
from pipex_core.evals.results import ScoreState, passes, state_of
from pipex_core.jsonvalue import Json, parse
from pipex_core.stats.estimates import Scale
from pipex_core.stats.units import Floats

small = "(small)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """How one case is measured, and whether passing it depends on that.

    Attributes:
        threshold: What a value has to reach; None when every value will do.
        required: Whether a case fails with the metric.
    """

    fingerprint: str
    threshold: float | None = None
    required: bool = True

    @property
    def counts(self) -> bool:
        """Does passing the case depend on it?"""
        return self.required and self.threshold is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What a summary must know of a metric of the run.

    Attributes:
        name: Column name of the entry; unique in the run.
        type: Registry name of the metric.
    """

    name: str
    type: str
    fingerprint: str
    scale: Scale
    threshold: float | None = None
    required: bool = True

    @property
    def ruler(self) -> Ruler:
        """How the cases are measured that do not say otherwise."""
        return Ruler(fingerprint=self.fingerprint, threshold=self.threshold, required=self.required)

    @property
    def bounded(self) -> bool:
        """Whether the range has two ends."""
        return math.isfinite(self.scale.width)

    @property
    def worst(self) -> float | None:
        """The worst possible value, None when the range has no worst end."""
        end = self.scale.high if self.scale.direction == "lower" else self.scale.low
        return end if math.isfinite(end) else None

    def reached_by(self, value: float | None) -> bool | None:
        """Does the value reach the threshold? None when there is no threshold, value or direction."""
        return passes(value, threshold=self.threshold, direction=self.scale.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What compares and groups cases."""

    id: str
    case_hash: str
    weight: float = 1.0
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    split: str | None = None
    slices: Mapping[str, Json] = field(default_factory=dict)

    def values_of(self, by: str) -> tuple[str, ...]:
        """The case's values under a slicing: ``tags``, ``split``, ``cluster`` or a metadata path."""
        match by:
            case "tags":
                return self.tags
            case "split":
                found = self.split
            case "cluster":
                found = self.cluster
            case _:
                found = self.slices.get(by)
        return () if found is None else (str(found),)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetricArm:
    """One metric of one run, a value per case of the arm, in its order.

    Attributes:
        states: How each case counts; None where the metric was not planned for the case.
        values: Reduced value, [cases]; the imputed one of a failed case, NaN where there is none.
            Under a reducer of chances the facts are those of the chance, not of the metric.
        passed: Of the reduced value against the case's threshold, imputed values included.
        within_variance: Variance of the repeats of a case, pooled; None without repeats.
        flake_rate: Share of the cases whose repeats disagree on passed; None without repeats.
        repeats: Mean number of repeats behind the value of a case; None when values are no means.
        codes: Why there is no score, with the number of rows.
        missing_share: Of the rows that the metric applies to; 0 when there are none.
        own: How cases are measured that say otherwise than the facts, by position.
    """

    facts: MetricFacts
    states: Sequence[ScoreState | None]
    values: Floats
    passed: Sequence[bool | None]
    within_variance: float | None = None
    flake_rate: float | None = None
    repeats: float | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    missing_share: float = 0.0
    own: Mapping[int, Ruler] = field(default_factory=dict)

    def ruler(self, position: int) -> Ruler:
        """How the case at this position is measured."""
        return self.own.get(position) or self.facts.ruler


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """One run as comparisons and gates see it; quarantined cases are left out.

    Attributes:
        cases: Sorted by id.
        passed: Whether each case passed; None when undetermined.
        missing: Whether each case has no answer at all.
        missing_share: The share of rows without an answer, or that of the rows that a metric could not
            judge when it is larger; 0 when there are no rows.
    """

    run_id: str
    cases: Sequence[CaseFacts]
    metrics: Mapping[str, MetricArm]
    passed: Sequence[bool | None]
    missing: Sequence[bool]
    missing_share: float = 0.0


def arm_of(
    responses: pa.Table,
    scores: pa.Table,
    metrics: Iterable[MetricFacts],
    *,
    run_id: str,
    reducer: str = "mean",
    impute: Literal["worst", "exclude"] = "worst",
) -> Arm:
    """The values of a run by case.

    Args:
        responses: Rows of the run, sorted.
        scores: Rows of the run; rows of other metrics are passed over.
        metrics: In the order in which they are to be shown.
        run_id: Of the run.
        reducer: How the repeats of a case become one value.
        impute: Whether a target failure counts with the worst value or stands outside the mean.
    """
    cases, classes = _cases(responses)
    position = {case.id: i for i, case in enumerate(cases)}
    rows = _score_rows(scores)
    arms = {}
    for facts in metrics:
        arms[facts.name] = _metric_arm(
            facts, rows.get(facts.name, ()), classes, position, reducer=reducer, impute=impute
        )
    words = [word for of_case in classes.values() for word in of_case.values()]
    return Arm(
        run_id=run_id,
        cases=cases,
        metrics=arms,
        passed=_passed(cases, classes, arms.values()),
        missing=[all(c == "missing" for c in classes[case.id].values()) for case in cases],
        missing_share=max(
            (_share(Counter(words)), *(one.missing_share for one in arms.values())), default=0.0
        ),
    )


def slices_of(arm: Arm, by: str, *, min_slice: int = 30) -> Mapping[str, Sequence[int]]:
    """Positions of the cases by value, in order of value; values of fewer cases are ``(small)``, last."""
    found: dict[str, list[int]] = defaultdict(list)
    for i, case in enumerate(arm.cases):
        for value in case.values_of(by):
            found[value].append(i)
    kept = {value: found[value] for value in sorted(found) if len(found[value]) >= min_slice}
    rest = sorted({i for value in found if value not in kept for i in found[value]})
    return {**kept, small: rest} if rest else kept


def _cases(
    responses: pa.Table,
) -> tuple[list[CaseFacts], Mapping[str, Mapping[int, str]]]:
    names = ("case_id", "repeat", "class", "case_hash", "weight", "cluster_id", "tags", "split")
    narrow = responses.select((*names, "slices"))  # the texts are most of a table
    kept = narrow.filter(pc.invert(responses["quarantined"]))
    columns = [values_of(column) for column in kept.columns]
    classes: dict[str, dict[int, str]] = {}
    cases: list[CaseFacts] = []
    for case_id, repeat, word, case_hash, weight, cluster, tags, split, slices in zip(
        *columns, strict=True
    ):
        if case_id not in classes:
            cases.append(
                CaseFacts(
                    id=case_id,
                    case_hash=case_hash,
                    weight=weight,
                    cluster=cluster,
                    tags=tuple(tags or ()),
                    split=split,
                    slices=parse(slices) if slices else {},
                )
            )
        classes.setdefault(case_id, {})[repeat] = word
    cases.sort(key=lambda case: case.id)
    return cases, classes


_ScoreRow = tuple[str, int, str, str | None, float | None, float | None, bool, str]


def _score_rows(scores: pa.Table) -> Mapping[str, Sequence[_ScoreRow]]:
    """What ``_ScoreRow`` holds, by metric: rows of cases, without submetrics and fallbacks."""
    of_cases = pc.or_(holds(scores["level"], "case"), holds(scores["level"], "repeats"))
    own = pc.and_(of_cases, pc.is_null(scores["fallback_of"]))
    names = (
        *("metric", "case_id", "repeat", "status", "code", "score", "threshold"),
        *("required", "metric_fingerprint"),
    )
    kept = scores.select(names).filter(pc.and_(own, pc.is_null(scores["submetric"])))
    found: dict[str, list[_ScoreRow]] = defaultdict(list)
    for metric, *row in zip(*map(values_of, kept.columns), strict=True):
        found[metric].append(tuple(row))
    return found


def _metric_arm(
    facts: MetricFacts,
    rows: Sequence[_ScoreRow],
    classes: Mapping[str, Mapping[int, str]],
    position: Mapping[str, int],
    *,
    reducer: str,
    impute: str,
) -> MetricArm:
    by_case: dict[str, list[_ScoreRow]] = defaultdict(list)
    for row in rows:
        if row[0] in position:
            by_case[row[0]].append(row)
    together = any(row[1] < 0 for row in rows)  # one value of all repeats is there already
    reduction = Reduction(
        reducer=reducer,
        direction=facts.scale.direction,
        imputes=impute == "worst",
        worst=facts.worst,
        chances=is_chance(reducer) and facts.threshold is not None and not together,
    )
    cases: dict[int, CaseValue] = {}
    counts: Counter[str] = Counter()
    own: dict[int, Ruler] = {}
    usual = (facts.threshold, facts.required, facts.fingerprint)
    for case_id, of_case in by_case.items():
        i = position[case_id]
        marks = _marks(of_case, classes[case_id])
        counts.update(marks)
        threshold, required, fingerprint = of_case[0][5:]
        if (threshold, required, fingerprint) != usual:
            own[i] = Ruler(fingerprint=fingerprint, threshold=threshold, required=required)
        cases[i] = reduction.of(marks, [row[4] for row in of_case], threshold)
    found = list(cases.values())
    known = [len(case.samples) for case in found if case.samples]
    chance = replace(facts, scale=chance_scale, threshold=even) if reduction.chances else facts
    codes = Counter(row[3] for of_case in by_case.values() for row in of_case if row[3])
    return MetricArm(
        facts=chance,
        states=[cases[i].state if i in cases else None for i in range(len(position))],
        values=np.array(
            [cases[i].value if i in cases else math.nan for i in range(len(position))], dtype=float
        ),
        passed=[cases[i].passed if i in cases else None for i in range(len(position))],
        within_variance=pooled_variance(found),
        flake_rate=flake_rate(found),
        repeats=sum(known) / len(known) if known and reducer == "mean" else None,
        codes=dict(sorted(codes.items())),
        missing_share=_share(counts),
        own=own,
    )


def _marks(rows: Sequence[_ScoreRow], classes: Mapping[int, str]) -> list[ScoreState]:
    return [
        state_of(
            status=status,
            code=code,
            response_class=classes[repeat] if repeat >= 0 else _together(classes.values()),
        )
        for _, repeat, status, code, *_ in rows
    ]


def _together(words: Iterable[str]) -> str:
    """The class of all repeats of a case: a failure only when every one failed."""
    return "target_failure" if set(words) == {"target_failure"} else "observed"


def _share(counts: Counter[str]) -> float:
    """Share of missing rows, among those that the question applies to."""
    asked = counts.total() - counts["na"]
    return counts["missing"] / asked if asked else 0.0


def _passed(
    cases: Sequence[CaseFacts],
    classes: Mapping[str, Mapping[int, str]],
    metrics: Iterable[MetricArm],
) -> list[bool | None]:
    """Passed when every required metric with a threshold passed; failed when one failed.

    A case of which every repeat is missing is undetermined.
    """
    counting = list(metrics)
    found: list[bool | None] = []
    for i, case in enumerate(cases):
        flags = [one.passed[i] for one in counting if one.states[i] and one.ruler(i).counts]
        words = set(classes[case.id].values())
        if words == {"missing"}:
            found.append(None)
        elif words == {"target_failure"} or False in flags:
            found.append(False)
        else:
            found.append(True if flags and None not in flags else None)
    return found
