"""Verdicts of a judge beside labels of people: agreement, steadiness, and what the judge has a taste for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from pipex_core.errors import ConfigError
from pipex_core.metrics.contract import Score, Scored, Unscored
from pipex_core.metrics.judge_pairwise import Both, positions
from pipex_core.metrics.judge_reply import OnScale, Shape
from pipex_core.metrics.scoring import threshold_slack
from pipex_core.stats.agreement import (
    Agreement,
    Label,
    cohen_kappa,
    krippendorff_alpha,
    partial_spearman,
    partial_spearman_interval,
    spearman,
)

most_levels: Final = 20  # of a scale that kappa is taken on

Kind = Literal["number", "label", "pass"]
_yes: Final = {"pass": True, "yes": True, "true": True, "fail": False, "no": False, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One case that people and the judge have judged.

    Attributes:
        human: What each rater said.
        verdicts: What the judge said, once per repeat.
        reversed_: What the judge said with the blocks in the opposite order; None where there is one block.
        length: Characters of the answer, less those of the other one where two are compared.
    """

    case_id: str
    human: Sequence[Label]
    verdicts: Sequence[Score]
    reversed_: Score | None = None
    length: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """How verdicts and labels of one metric are put side by side.

    Attributes:
        shape: Of the metric's reply.
        threshold: From which value on an answer passes, or None.
    """

    shape: Shape
    threshold: float | None = None

    def scaled(self, human: float) -> float:
        """A person's number in 0..1: on the judge's scale, or in 0..1 where there is none.

        Raises:
            ConfigError: ``bad_label``, it lies outside.
        """
        low, high = (self.shape.low, self.shape.high) if isinstance(self.shape, OnScale) else (0, 1)
        if not low <= human <= high:
            raise ConfigError(
                f"the label {human:g} is outside the judge's scale {low:g} to {high:g}",
                code="bad_label",
            )
        return (human - low) / (high - low)

    def passes(self, value: float) -> bool | None:
        """Does a value in 0..1 pass? None without a threshold."""
        return None if self.threshold is None else value >= self.threshold - threshold_slack

    def level(self, value: float) -> int | None:
        """The nearest whole level of the scale; None where there is no scale of whole levels."""
        if not isinstance(self.shape, OnScale) or self.shape.high - self.shape.low > most_levels:
            return None
        return round(self.shape.low + value * (self.shape.high - self.shape.low))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; what could not be is None.

    Attributes:
        n: Cases with a consensus of people and a verdict of the judge.
        raters: Largest number of people who judged one case.
        tpr: Share of what people pass that the judge passes.
        tnr: Share of what people fail that the judge fails.
        length_bias: Partial rank correlation of score and length among cases that people judge alike.
    """

    kind: Kind
    n: int
    raters: int
    kappa: Agreement | None = None
    alpha: Agreement | None = None
    human_alpha: Agreement | None = None
    spearman: float | None = None
    threshold: float | None = None
    tpr: float | None = None
    tnr: float | None = None
    test_retest: float | None = None
    position_consistency: float | None = None
    length_bias: float | None = None
    length_bias_interval: Sequence[float] | None = None
    abstain_rate: float = 0.0
    parse_failure_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """The consensus of people and the first verdict of the judge, in one unit."""

    case: Labelled
    human: Label
    judge: Label
    score: float


def figures_of(cases: Sequence[Labelled], ruler: Ruler) -> Figures:
    """What the labels and the verdicts say; see ``certify``."""
    kind = kind_of(cases)
    pairs = [pair for case in cases if (pair := _pair(case, kind, ruler)) is not None]
    human, judge = [pair.human for pair in pairs], [pair.judge for pair in pairs]
    measure: Literal["interval", "nominal"] = "interval" if kind == "number" else "nominal"
    bias = _length_bias(pairs, kind)
    verdicts = [one for case in cases for one in case.verdicts]
    passed = _passed(pairs, kind, ruler)
    return Figures(
        kind=kind,
        n=len(pairs),
        raters=max((len(case.human) for case in cases), default=0),
        kappa=_kappa(pairs, kind, ruler),
        alpha=krippendorff_alpha(
            [[a, b] for a, b in zip(human, judge, strict=True)], level_of_measurement=measure
        ),
        human_alpha=krippendorff_alpha(
            [[_normal(one, kind) for one in case.human] for case in cases],
            level_of_measurement=measure,
        ),
        spearman=spearman(_floats(human), _floats(judge)) if kind == "number" else None,
        threshold=ruler.threshold,
        tpr=_share([said for wanted, said in passed if wanted]),
        tnr=_share([not said for wanted, said in passed if not wanted]),
        test_retest=_share([len(set(map(_verdict, case.verdicts))) == 1 for case in cases]),
        position_consistency=_consistency(cases),
        length_bias=bias[0],
        length_bias_interval=bias[1],
        abstain_rate=_share([_code(one) == "judge_abstained" for one in verdicts]) or 0.0,
        parse_failure_rate=_share([_code(one) == "judge_parse" for one in verdicts]) or 0.0,
    )


def agreed_cases(cases: Sequence[Labelled]) -> int:
    """How many cases have a consensus of people."""
    kind = kind_of(cases)
    return sum(consensus(case.human, kind) is not None for case in cases)


def kind_of(cases: Sequence[Labelled]) -> Kind:
    """What people gave: numbers, pass or fail, or labels.

    Raises:
        ConfigError: ``bad_label``, some gave numbers and some words.
    """
    said = [one for case in cases for one in case.human]
    words = [one for one in said if isinstance(one, str)]
    flags = [one for one in said if isinstance(one, bool)]
    if words and len(words) < len(said):
        raise ConfigError("some labels are words and some are numbers", code="bad_label")
    if flags and len(flags) < len(said):
        raise ConfigError("some labels are true or false and some are numbers", code="bad_label")
    if flags or (words and all(word.lower() in _yes for word in words)):
        return "pass"
    return "label" if words else "number"


def consensus(human: Sequence[Label], kind: Kind) -> Label | None:
    """The median of numbers, the majority of labels; None for a tie or without any."""
    if not human:
        return None
    if kind == "number":
        return median([float(one) for one in human])
    counts = Counter(_normal(one, kind) for one in human).most_common(2)
    is_tied = len(counts) > 1 and counts[0][1] == counts[1][1]
    return None if is_tied else counts[0][0]


def _normal(label: Label, kind: Kind) -> Label:
    if kind == "pass" and isinstance(label, str):
        return _yes[label.lower()]
    return float(label) if kind == "number" else label


def _pair(case: Labelled, kind: Kind, ruler: Ruler) -> _Pair | None:
    agreed = consensus(case.human, kind)
    first = case.verdicts[0] if case.verdicts else None
    if agreed is None or not isinstance(first, Scored):
        return None
    if kind == "number":
        return _Pair(case, ruler.scaled(float(agreed)), first.value, first.value)
    if kind == "label":
        return _Pair(case, agreed, first.label or "", first.value)
    passes = ruler.passes(first.value)
    if passes is None:
        raise ConfigError(
            "people said pass or fail, and the metric has no threshold: give it one",
            code="bad_label",
        )
    return _Pair(case, agreed, passes, first.value)


def _kappa(pairs: Sequence[_Pair], kind: Kind, ruler: Ruler) -> Agreement | None:
    if kind != "number":
        return cohen_kappa([pair.human for pair in pairs], [pair.judge for pair in pairs])
    human = [ruler.level(float(pair.human)) for pair in pairs]
    judge = [ruler.level(float(pair.judge)) for pair in pairs]
    known = [level for level in (*human, *judge) if level is not None]
    if not known or len(known) < 2 * len(pairs):
        return None
    levels = list(range(min(known), max(known) + 1))
    return cohen_kappa(
        [level for level in human if level is not None],
        [level for level in judge if level is not None],
        weights="quadratic",
        labels=levels,
    )


def _passed(pairs: Sequence[_Pair], kind: Kind, ruler: Ruler) -> list[tuple[bool, bool]]:
    """Whether people and judge pass each case; empty where nothing passes or fails."""
    if kind == "pass":
        return [(bool(pair.human), bool(pair.judge)) for pair in pairs]
    if kind == "label" or ruler.threshold is None:
        return []
    return [
        (bool(ruler.passes(float(pair.human))), bool(ruler.passes(float(pair.judge))))
        for pair in pairs
    ]


def _consistency(cases: Sequence[Labelled]) -> float | None:
    """Of two answers: orders that agree; else the same verdict with the blocks the other way round."""
    firsts = [case.verdicts[0] for case in cases if case.verdicts]
    orders = [
        one.details["orders"]
        for one in firsts
        if isinstance(one, Scored) and "orders" in one.details
    ]
    if orders:
        return positions([Both(shown_first=a, shown_second=b) for a, b in orders]).consistency
    return _share(
        [
            _verdict(case.verdicts[0]) == _verdict(case.reversed_)
            for case in cases
            if case.verdicts and case.reversed_ is not None
        ]
    )


def _length_bias(pairs: Sequence[_Pair], kind: Kind) -> tuple[float | None, list[float] | None]:
    worth = {pair.judge: pair.score for pair in pairs} if kind == "label" else {}
    known = [pair for pair in pairs if kind != "label" or pair.human in worth]
    if not known:
        return None, None
    given = [worth[p.human] if kind == "label" else float(p.human) for p in known]
    scores, lengths = [pair.score for pair in known], [pair.case.length for pair in known]
    rho = partial_spearman(scores, lengths, given)
    ends = partial_spearman_interval(scores, lengths, given)
    return rho, None if ends is None else list(ends)


def _verdict(score: Score) -> tuple[str | float | None, ...]:
    """What two verdicts are compared by."""
    if isinstance(score, Unscored):
        return (score.code,)
    return (score.label, round(score.value, 9))


def _code(score: Score) -> str | None:
    return score.code if isinstance(score, Unscored) else None


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _floats(labels: Sequence[Label]) -> list[float]:
    return [float(one) for one in labels]
