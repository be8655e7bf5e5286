"""Whether cases passed, as a metric: compared and gated like any other."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipex_core.evals.arms import Arm, MetricArm, MetricFacts, Ruler
from pipex_core.evals.results import ScoreState
from pipex_core.jsonvalue import digest
from pipex_core.stats.estimates import Scale


def pass_flags(arm: Arm) -> MetricArm:
    """Whether cases passed, as a metric.

    A case is missing while its answer, or a metric that passing depends on, is; it is not applicable
    when nothing can decide it. The fingerprint covers what passing means: the required metrics and
    their thresholds.
    """
    metrics = sorted(arm.metrics.items())
    ruler = _passing((name, one.facts.ruler) for name, one in metrics)
    own = {}
    states: list[ScoreState | None] = []
    for i, passed in enumerate(arm.passed):
        asked = [(name, one) for name, one in metrics if one.states[i] is not None]
        is_open = any(one.states[i] == "missing" and one.ruler(i).counts for _, one in asked)
        if arm.missing[i] or (passed is None and is_open):
            states.append("missing")
        else:
            states.append("na" if passed is None else "scored")
        if len(asked) < len(metrics) or any(i in one.own for _, one in asked):
            own[i] = Ruler(fingerprint=_passing((name, one.ruler(i)) for name, one in asked))
    return _flags("pass_rate", fingerprint=ruler, passed=arm.passed, states=states, own=own)


def passed_of(metric: MetricArm) -> MetricArm:
    """Whether cases passed one metric, as a metric; cases without a threshold are not applicable.

    The fingerprint covers the threshold: under another one passing means something else.
    """
    return _flags(
        metric.facts.name,
        fingerprint=_passing_one(metric.facts.ruler),
        passed=metric.passed,
        states=[
            state if passed is not None or state in (None, "missing") else "na"
            for passed, state in zip(metric.passed, metric.states, strict=True)
        ],
        own={i: Ruler(fingerprint=_passing_one(one)) for i, one in metric.own.items()},
    )


def _passing(rulers: Iterable[tuple[str, Ruler]]) -> str:
    return digest([[name, one.fingerprint, one.threshold] for name, one in rulers if one.counts])


def _passing_one(ruler: Ruler) -> str:
    return digest([ruler.fingerprint, ruler.threshold])


def _flags(
    name: str,
    *,
    fingerprint: str,
    passed: Sequence[bool | None],
    states: Sequence[ScoreState | None],
    own: Mapping[int, Ruler],
) -> MetricArm:
    return MetricArm(
        facts=MetricFacts(name=name, type="pass_rate", fingerprint=fingerprint, scale=Scale()),
        states=states,
        values=np.array([math.nan if one is None else float(one) for one in passed], dtype=float),
        passed=passed,
        own=own,
    )
