"""Judges as values, and what a metric needs of one: questions out, replies in, a verdict at the end.

A judge metric calls nobody. ``opinion`` is a generator: it yields a ``Question``, is sent what the judge
``Said``, and returns a score. Whoever runs it (``evals.jury``) does the calls, the repairs and the
votes, so a metric is tested with a list of replies. One run of the generator is one vote.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import ClassVar, Final, Literal, Protocol, cast, runtime_checkable

from pipex_core.jsonvalue import Json, digest
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.judge_prompt import Question, Template, most_characters, templates_digest
from pipex_core.metrics.judge_reply import Said

Aggregation = Literal["median", "mean"]
Combine = Literal["number", "label"]
Opinion = Generator[Question, Said, Score]

judge_words: Final = frozenset({"judge", "model", "votes"})
judge_options: Final[Mapping[str, OptionInfo]] = {
    "judge": OptionInfo(
        kind="str|map", description="who judges: a name of the suite's `judges`, or a map"
    ),
    "model": OptionInfo(kind="str", description="short for a judge that is only a model"),
    "votes": OptionInfo(kind="int", least=1, description="verdicts per question, an odd number"),
    "max_chars": OptionInfo(
        kind="int",
        default=most_characters,
        least=100,
        description="longest text shown to the judge",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model that judges, as it is called.

    Attributes:
        options: Decoding options as sent.
        not_sent: Options that were asked for and that the provider cannot take.
        adapter_version: Of the adapter that sends the calls.
    """

    provider: str
    model: str
    base_url: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    not_sent: Sequence[str] = ()
    max_tokens: int = 1024
    adapter_version: int = 1

    def document(self) -> dict[str, Json]:
        """All that can change what the model says, as JSON."""
        return {
            "provider": self.provider,
            "base_url": self.base_url,
            "model": self.model,
            "options": dict(self.options),
            "max_tokens": self.max_tokens,
            "adapter": self.adapter_version,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who judges for one metric.

    Attributes:
        members: One model, or a panel.
        votes: Verdicts per question of a single model.
        language: What reasons are written in; None leaves it to the judge.
        fingerprint: Digest of the members, the votes and all words of the metric's questions.
        certificate: Id of the certificate that lets it gate, or None.
        certificate_file: Where its certificate is to be found instead of the usual place, or None.
    """

    id: str
    members: Sequence[Member]
    votes: int = 1
    aggregation: Aggregation = "median"
    language: str | None = None
    fingerprint: str = ""
    certificate: str | None = None
    certificate_file: str | None = None

    @property
    def ballots(self) -> Sequence[tuple[Member, int]]:
        """Whom to ask, and for the how-manieth time (from 0)."""
        if len(self.members) > 1:
            return [(member, 0) for member in self.members]
        return [(self.members[0], number) for number in range(self.votes)]

    def document(self) -> dict[str, Json]:
        """The judge for manifests and for people."""
        return {
            "id": self.id,
            "members": [
                {**member.document(), "not_sent": list(member.not_sent)} for member in self.members
            ],
            "votes": self.votes,
            "aggregation": self.aggregation,
            "language": self.language,
            "fingerprint": self.fingerprint,
        }


def judge_fingerprint(judge: Judge, templates: Sequence[Template], *, max_chars: int) -> str:
    """Identity of a judge on one metric: other words, another model or another vote is another judge."""
    return digest(
        {
            "members": [member.document() for member in judge.members],
            "votes": judge.votes,
            "aggregation": judge.aggregation,
            "language": judge.language,
            "templates": templates_digest(templates),
            "max_chars": max_chars,
        }
    )


@runtime_checkable
class JudgeMetric(Protocol):
    """A metric whose number a judge gives."""

    max_chars: int
    combine: Combine

    @property
    def info(self) -> MetricInfo:
        """As of any metric; ``cost_class`` is ``judge``."""
        ...

    @property
    def templates(self) -> Sequence[Template]:
        """All questions that the metric may ask; those of lists as they are for one item."""
        ...

    def opinion(self, item: MetricInput) -> Opinion:
        """One vote: yields questions, is sent replies, returns the score."""
        ...

    def score(self, item: MetricInput) -> Score:
        """What is known without a judge: nothing but that one is needed."""
        ...

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        """What the votes say of the judge over the suite."""
        ...


class Judged:
    """What all judge metrics share.

    Attributes:
        combine: How votes become one verdict: the middle number, or the label of the majority.
        max_chars: Longest text of a block.
    """

    info: MetricInfo
    combine: Combine = "number"
    _unasked: ClassVar[Unscored] = Unscored(code="judge_error", reason="no judge was asked")

    def __init__(
        self,
        *,
        judge: Json = None,
        model: str | None = None,
        votes: int | None = None,
        max_chars: int = most_characters,
    ) -> None:
        # Who judges is decided where models are known; here it only has to be a word of the entry.
        del judge, model, votes
        self.max_chars = max_chars

    def score(self, item: MetricInput) -> Score:
        """No judge was asked."""
        del item
        return self._unasked

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        """The mean, and the agreement of the votes with one another; None with one vote per question."""
        from pipex_core.stats.agreement import krippendorff_alpha

        votes = [found.details.get("votes") for _, found in items]
        rows = [list(one) for one in votes if isinstance(one, list | tuple)]
        alpha = krippendorff_alpha(
            rows, level_of_measurement="nominal" if self.combine == "label" else "interval"
        )
        if alpha is None:
            return None
        mean = fmean(found.value for _, found in items)
        return Corpus(value=mean, submetrics={"vote_alpha": alpha.value})

    def ask(self, template: Template, **fields: str) -> Question:
        """A question about some texts."""
        return Question(template=template, fields=fields, max_chars=self.max_chars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one run of a metric's questions gave.

    Attributes:
        model: Who voted.
        score: A number, or why there is none: ``judge_abstained``, ``judge_parse``, ``judge_error``,
            or a code of the metric's own, such as ``not_applicable``.
        replies: Texts of the judge, in order.
        details: What was odd about prompts and replies.
    """

    model: str
    score: Score
    replies: Sequence[str] = ()
    details: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Did the judge say something? A metric's own reason counts as said."""
        return isinstance(self.score, Scored) or self.score.code not in unsaid

    def document(self) -> dict[str, Json]:
        """For the column ``judge_votes``."""
        if isinstance(self.score, Scored):
            return {"model": self.model, "value": self.score.value, "label": self.score.label}
        return {"model": self.model, "code": self.score.code}


# From the failure that says most about what to do to the one that says least.
unsaid: Final = ("judge_error", "judge_parse", "judge_abstained", "budget")


def counted(votes: Sequence[Vote], *, combine: Combine, aggregation: Aggregation) -> Score:
    """The verdict of some votes: more than half of them must be valid.

    Numbers give their median (or mean), labels the one that most votes have; labels without a winner are
    ``judge_abstained``. A reason of the metric's own that most valid votes have is the verdict too.
    """
    valid = [vote.score for vote in votes if vote.is_valid]
    if 2 * len(valid) <= len(votes):
        return _nothing_said(votes)
    scored = [score for score in valid if isinstance(score, Scored)]
    if 2 * len(scored) < len(valid) or not scored:
        return next(score for score in valid if isinstance(score, Unscored))
    if len(votes) == 1:
        return scored[0]
    if combine == "label":
        return _majority(scored)
    return _middle(scored, aggregation)


def _nothing_said(votes: Sequence[Vote]) -> Unscored:
    silent = [cast("Unscored", vote.score) for vote in votes if not vote.is_valid]
    codes = Counter(score.code for score in silent)
    code = min(codes, key=lambda word: (-codes[word], unsaid.index(word)))
    first = next(score for score in silent if score.code == code)
    if len(votes) == 1:
        return first
    reason = f"{len(silent)} of {len(votes)} votes say nothing; the first: {first.reason}"
    return Unscored(code=code, reason=reason)


def _majority(scored: Sequence[Scored]) -> Score:
    counts = Counter(str(score.label) for score in scored)
    (label, most), *others = counts.most_common(2)
    if others and others[0][1] == most:
        tie = ", ".join(sorted(word for word, count in counts.items() if count == most))
        return Unscored(code="judge_abstained", reason=f"the votes are tied between {tie}")
    winner = next(score for score in scored if score.label == label)
    share = most / len(scored)
    votes = [str(score.label) for score in scored]
    return _with(winner, value=winner.value, details={"votes": votes, "agreed": share})


def _middle(scored: Sequence[Scored], aggregation: Aggregation) -> Scored:
    middle = fmean if aggregation == "mean" else median
    values = [score.value for score in scored]
    names = [name for name in scored[0].submetrics if all(name in s.submetrics for s in scored)]
    parts = {name: float(middle([s.submetrics[name] for s in scored])) for name in names}
    value = float(middle(values))
    nearest = min(scored, key=lambda score: abs(score.value - value))
    details = {"votes": values, "spread": max(values) - min(values)}
    return _with(nearest, value=value, details=details, submetrics=parts)


def _with(
    score: Scored,
    *,
    value: float,
    details: Mapping[str, Json],
    submetrics: Mapping[str, float] | None = None,
) -> Scored:
    return Scored(
        value=value,
        label=score.label,
        details={**score.details, **details},
        submetrics=score.submetrics if submetrics is None else submetrics,
    )
