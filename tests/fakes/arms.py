"""Arms made of plain numbers, for tests of comparisons and gates."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipex_core.evals.arms import Arm, CaseFacts, MetricArm, MetricFacts
from pipex_core.evals.results import passes
from pipex_core.stats.estimates import Scale

unit = MetricFacts(name="m", type="m", fingerprint="f", scale=Scale(), threshold=0.5)
time = MetricFacts(
    name="t",
    type="latency",
    fingerprint="t",
    scale=Scale(low=0.0, high=math.inf, direction="lower"),
    required=False,
)


def cases(count: int, **facts: Any) -> list[CaseFacts]:
    """Cases c000, c001, ... with a hash each; a list under a name of ``facts`` is one value per case."""
    return [
        CaseFacts(
            id=f"c{i:03d}",
            case_hash=f"h{i}",
            **{k: v[i] if isinstance(v, list) else v for k, v in facts.items()},
        )
        for i in range(count)
    ]


def metric(values: Sequence[float | str | None], facts: MetricFacts = unit) -> MetricArm:
    """Numbers are scores; None is missing, ``na`` not applicable, ``failed`` the imputed worst value."""
    worst = math.nan if facts.worst is None else facts.worst
    numbers = [
        worst if v == "failed" else math.nan if v is None or isinstance(v, str) else v
        for v in values
    ]
    known = {"na": "na", "failed": "failed", "not planned": None, None: "missing"}
    return MetricArm(
        facts=facts,
        states=[known[v] if v is None or isinstance(v, str) else "scored" for v in values],  # type: ignore[misc]
        values=np.array(numbers, dtype=float),
        passed=[
            None
            if math.isnan(x)
            else passes(x, threshold=facts.threshold, direction=facts.scale.direction)
            for x in numbers
        ],
    )


def arm(
    values: Sequence[float | str | None] | Mapping[str, MetricArm],
    *,
    run_id: str = "run",
    of: Sequence[CaseFacts] | None = None,
    facts: MetricFacts = unit,
) -> Arm:
    """An arm with one metric ``m``, or with the metrics given; a case passes when its first metric did."""
    metrics = dict(values) if isinstance(values, Mapping) else {facts.name: metric(values, facts)}
    first = next(iter(metrics.values()))
    missing = [state == "missing" for state in first.states]
    return Arm(
        run_id=run_id,
        cases=cases(len(first.states)) if of is None else of,
        metrics=metrics,
        passed=first.passed,
        missing=missing,
        missing_share=sum(missing) / len(missing) if missing else 0.0,
    )


def flags(wins: int, losses: int, ties: int, *, missing: int = 0) -> tuple[Arm, Arm]:
    """A baseline and a challenger that differ on ``wins`` and ``losses``; ties are half passed."""
    both = [float(i % 2) for i in range(ties)]
    a = [*[0.0] * wins, *[1.0] * losses, *both, *[1.0] * missing]
    b = [*[1.0] * wins, *[0.0] * losses, *both, *[None] * missing]
    return arm(a, run_id="base"), arm(b, run_id="new")
