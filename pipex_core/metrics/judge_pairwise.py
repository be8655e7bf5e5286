"""Which of two answers is better, asked in both orders, so that a judge who likes the first one wins nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Scored,
    Unscored,
)
from pipex_core.metrics.judge import Combine, Judged, Opinion, judge_options
from pipex_core.metrics.judge_prompt import Template
from pipex_core.metrics.judge_reply import OneOf
from pipex_core.metrics.judge_single import judge_role, text_of_input

Side = Literal["first", "second", "tie"]
sides: Final[Mapping[str, str]] = {
    "first": "the first answer is better",
    "second": "the second answer is better",
    "tie": "neither is better",
}
values: Final = {"win": 1.0, "tie": 0.5, "loss": 0.0}
_flipped: Final = {"first": "second", "second": "first", "tie": "tie"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """What a judge said of two answers in both orders.

    Attributes:
        shown_first: Said when the answer was shown first and the other one second.
        shown_second: Said when the other one was shown first.
    """

    shown_first: str
    shown_second: str

    @property
    def label(self) -> str:
        """``win``, ``tie`` or ``loss`` of the answer; orders that disagree are a tie."""
        if self.shown_first == "tie" or not self.agrees:
            return "tie"
        return "win" if self.shown_first == "first" else "loss"

    @property
    def agrees(self) -> bool:
        """Do both orders say the same of the two answers?"""
        return self.shown_first == _flipped[self.shown_second]

    @property
    def is_decided(self) -> bool:
        """Does at least one order name a better one?"""
        return (self.shown_first, self.shown_second) != ("tie", "tie")

    def scored(self) -> Scored:
        """The number of the pair, and what was said."""
        details: dict[str, Json] = {"orders": [self.shown_first, self.shown_second]}
        if not self.agrees:
            details["position_inconsistent"] = True
        return Scored(value=values[self.label], label=self.label, details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """How far the place of an answer decides.

    Attributes:
        consistency: Share of the decided pairs on which both orders agree; None without any.
        first_share: Share of the named winners that were shown first; None without any.
        p: Exact binomial p, two-sided, of as many pairs won by the first place as by the second.
    """

    consistency: float | None
    first_share: float | None
    p: float


def positions(pairs: Sequence[Both]) -> Positions:
    """What pairs asked in both orders tell about the judge's taste for a place."""
    from pipex_core.stats.pvalues import mcnemar_exact

    decided = [pair for pair in pairs if pair.is_decided]
    said = Counter(word for pair in pairs for word in (pair.shown_first, pair.shown_second))
    named = said["first"] + said["second"]
    # The two verdicts of a pair are no independent tosses; pairs that one place won both times are.
    always = Counter(pair.shown_first for pair in pairs if pair.shown_first == pair.shown_second)
    return Positions(
        consistency=sum(p.agrees for p in decided) / len(decided) if decided else None,
        first_share=said["first"] / named if named else None,
        p=mcnemar_exact(worse=always["second"], better=always["first"]),
    )


class Pairwise(Judged):
    """Is the answer better than another one to the same question?

    The other answer is that of the baseline, or stands at ``other`` in the case.
    """

    info = MetricInfo(
        name="pairwise",
        summary="better than the baseline's answer: 1, tie 0.5, worse 0",
        needs=frozenset({"output", "input", "judge"}),
        levels=("case", "corpus"),
        cost_class="judge",
        options={
            **judge_options,
            "criteria": OptionInfo(kind="str", description="what makes an answer the better one"),
            "other": OptionInfo(
                kind="str",
                description="place of the other answer in the case; that of the baseline when left out",
            ),
        },
    )
    combine: Combine = "label"

    def __init__(
        self, *, criteria: str | None = None, other: str | None = None, **rest: Json
    ) -> None:
        super().__init__(**rest)
        self.other = other
        wanted = criteria or "which one serves the person who asked better, and is true"
        self.template = Template(
            name="pairwise",
            task=(
                f"{judge_role} Two systems answered the same question. Judge which answer is better by"
                f" these criteria: {wanted}. The order of the answers is random and means nothing, and"
                " neither does their length."
            ),
            shape=OneOf(labels=sides),
        )
        self.templates = (self.template,)

    def opinion(self, item: MetricInput) -> Opinion:
        """Two questions, one for each order; without another answer ``missing_input``."""
        if item.other is None:
            where = f"at {self.other!r} of the case" if self.other else "of a baseline"
            return Unscored(code="missing_input", reason=f"there is no other answer {where}")
        asked, output = text_of_input(item), item.output or ""
        one = yield self.ask(
            self.template, question=asked, first_answer=output, second_answer=item.other
        )
        two = yield self.ask(
            self.template, question=asked, first_answer=item.other, second_answer=output
        )
        return Both(shown_first=one.label or "", shown_second=two.label or "").scored()

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        """Win rate with ties as halves; of the judge: ties, consistency and taste for a place."""
        from pipex_core.stats.estimates import wilson

        if not items:
            return None
        labels = Counter(str(found.label) for _, found in items)
        wins, losses, n = labels["win"], labels["loss"], len(items)
        place = positions([Both(shown_first=a, shown_second=b) for a, b in _orders(items)])
        parts = {
            "tie_rate": labels["tie"] / n,
            "position_consistency": place.consistency,
            "first_position_preference": place.first_share,
            "first_position_p": place.p,
        }
        details: dict[str, Json] = {"wins": wins, "ties": labels["tie"], "losses": losses}
        if wins + losses:
            found = wilson(passed=wins, total=wins + losses)
            details["decided_win_rate"] = wins / (wins + losses)
            details["decided_interval"] = [found.low, found.high]
        return Corpus(
            value=(wins + labels["tie"] / 2) / n,
            details=details,
            submetrics={name: value for name, value in parts.items() if value is not None},
        )


def _orders(items: Sequence[tuple[MetricInput, Scored]]) -> list[tuple[str, str]]:
    said = [found.details["orders"] for _, found in items if "orders" in found.details]
    return [(one[0], one[1]) for one in said]
