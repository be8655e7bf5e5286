"""Which threshold of a judge agrees best with people? A proposal from a split for that purpose, no certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipex_core.evals.labelled import Labelled, Ruler, consensus, kind_of
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.stats.agreement import cohen_kappa

most_thresholds: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one threshold would give.

    Attributes:
        kappa: Of passed or not, judge with people; None where it is not defined.
        tpr: Share of what people pass that the judge passes; None when they pass nothing.
        tnr: Share of what people fail that the judge fails; None when they fail nothing.
    """

    threshold: float
    kappa: float | None
    tpr: float | None
    tnr: float | None

    def document(self) -> dict[str, Json]:
        """The trial as JSON."""
        names = ("threshold", "kappa", "tpr", "tnr")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The thresholds that were tried on some labelled cases.

    Attributes:
        n: Cases with a consensus of people and a verdict.
        trials: From the lowest threshold to the highest; empty where labels are words.
        kappa: Of labels that are words, which no threshold turns into pass or fail.
    """

    n: int
    trials: Sequence[Trial] = ()
    kappa: float | None = None

    @property
    def proposed(self) -> Trial | None:
        """The best of the trials, of equals the lowest; None when no kappa is defined."""
        known = [trial for trial in self.trials if trial.kappa is not None]
        return max(known, key=lambda trial: trial.kappa or 0.0, default=None)

    @property
    def best(self) -> float | None:
        """The kappa that can be reached."""
        return self.kappa if self.proposed is None else self.proposed.kappa


def calibrated(cases: Sequence[Labelled], ruler: Ruler) -> Calibration:
    """What each threshold would give on these cases.

    People's numbers pass from the ruler's threshold on, which stays what it is: only that of the judge
    is moved.

    Raises:
        ConfigError: ``bad_label``.
    """
    kind = kind_of(cases)
    pairs = [
        (agreed, first)
        for case in cases
        if (agreed := consensus(case.human, kind)) is not None
        and case.verdicts
        and isinstance(first := case.verdicts[0], Scored)
    ]
    if kind == "label":
        found = cohen_kappa([agreed for agreed, _ in pairs], [one.label or "" for _, one in pairs])
        return Calibration(n=len(pairs), kappa=found.value if found else None)
    if kind == "number":
        human = [bool(ruler.passes(ruler.scaled(float(agreed)))) for agreed, _ in pairs]
    else:
        human = [bool(agreed) for agreed, _ in pairs]
    values = [one.value for _, one in pairs]
    return Calibration(
        n=len(pairs), trials=[_trial(level, human, values) for level in _levels(values)]
    )


def _levels(values: Sequence[float]) -> list[float]:
    """The values themselves are all the thresholds that differ; of many, some in equal steps."""
    known = sorted(set(values))
    step = max(1, len(known) // most_thresholds)
    return known[::step]


def _trial(threshold: float, human: Sequence[bool], values: Sequence[float]) -> Trial:
    judge = [value >= threshold for value in values]
    found = cohen_kappa(human, judge, labels=[False, True])
    return Trial(
        threshold=threshold,
        kappa=found.value if found else None,
        tpr=_share([said for wanted, said in zip(human, judge, strict=True) if wanted]),
        tnr=_share([not said for wanted, said in zip(human, judge, strict=True) if not wanted]),
    )


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
