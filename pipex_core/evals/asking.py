"""One verdict of a judge: its questions sent, its replies read and mended, its votes counted.

Nothing here is ever a number because something broke: a reply that stays unusable is ``judge_parse``, a
service that stays away is ``judge_error``, a call that the budget refuses is ``budget``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from pipex_core.errors import BudgetExceeded, ConfigError, ProviderError
from pipex_core.evals.answers import fatal_codes
from pipex_core.evals.rulings import Ruling, most_explained
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import CachePolicy, LlmClient, Reply
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import CallLog, Message, Origin, Request
from pipex_core.llm.structured import json_of
from pipex_core.metrics.contract import MetricInput, Score, Scored, Unscored
from pipex_core.metrics.judge import Judge, JudgeMetric, Member, Vote, counted
from pipex_core.metrics.judge_prompt import Prompt, Question, prompt_of
from pipex_core.metrics.judge_reply import Abstained, Misread, Said, read, schema_of
from pipex_core.telemetry import EventSink

most_repairs: Final = 2
samples_apart: Final = 100  # more than the votes of a judge: no two samples share a reply
_quoted: Final = 300  # characters of a problem that a repair call repeats


@dataclass(slots=True, kw_only=True)
class Courtroom:
    """What one verdict may use, and what it took.

    Attributes:
        metric: Name of the metric, which rules of the mock match as ``step``.
        log: Journal of the verdict's calls.
        ledger: The run's budget.
        sample: Index of the independent verdict on the same question; replies are shared by none.
        reverse: Show the blocks of a question in the opposite order.
        widest: Most blocks of any question that was asked.
        fatal: Set to the reason once the service says what no later call could change.
    """

    metric: str
    client: LlmClient
    log: CallLog
    ledger: Ledger
    retry: RetryPolicy
    sink: EventSink
    cache: CachePolicy = "off"
    sample: int = 0
    reverse: bool = False
    fatal: str | None = None
    widest: int = 0
    _replies: list[Reply] = field(default_factory=list)

    async def send(self, request: Request) -> Reply:
        """The reply to a request; raises what the client raises."""
        reply = await self.client.call(
            request,
            log=self.log,
            ledger=self.ledger,
            retry=self.retry,
            cache=self.cache,
            sink=self.sink,
        )
        self._replies.append(reply)
        return reply

    def ruling(self, score: Score, votes: Sequence[Vote]) -> Ruling:
        """The verdict with what it took."""
        responses = [reply.response for reply in self._replies]
        texts = [text for vote in votes for text in vote.replies]
        return Ruling(
            score=score,
            explanation="\n\n".join(texts)[:most_explained] or None,
            votes=[vote.document() for vote in votes],
            cost_nanousd=sum(response.cost_nanousd or 0 for response in responses),
            tokens=sum(one.usage.total_input + one.usage.output for one in responses),
            calls=len(responses),
        )


async def ruling_of(
    metric: JudgeMetric, judge: Judge, item: MetricInput, room: Courtroom
) -> Ruling:
    """What the judge says of one answer; never raises for what a service or a reply does.

    Args:
        metric: The questions.
        judge: Who answers them, and how often.
        item: What is judged, as the metric sees it.
        room: What it may use; serves once.
    """
    votes = [
        await _Ballot(metric, judge, member, number, room).vote(item)
        for number, (member, _) in enumerate(judge.ballots)
    ]
    score = counted(votes, combine=metric.combine, aggregation=judge.aggregation)
    odd = _merged([vote.details for vote in votes])
    if isinstance(score, Scored):
        score = replace(score, details={**score.details, **odd})
    return room.ruling(score, votes)


class _Ballot:
    """One vote: a conversation of a metric's questions with one member."""

    def __init__(
        self, metric: JudgeMetric, judge: Judge, member: Member, number: int, room: Courtroom
    ) -> None:
        self._metric = metric
        self._judge = judge
        self._member = member
        self._number = number
        self._room = room
        self._replies: list[str] = []
        self._broken = 0
        self._repairs = 0
        self._truncated: set[str] = set()

    async def vote(self, item: MetricInput) -> Vote:
        """The vote, or why there is none."""
        opinion = self._metric.opinion(item)
        try:
            question = next(opinion)
            while True:
                said = await self._ask(question)
                if isinstance(said, Unscored):
                    opinion.close()
                    return self._cast(said)
                question = opinion.send(said)
        except StopIteration as end:
            score: Score = end.value
            return self._cast(score)

    def _cast(self, score: Score) -> Vote:
        details: dict[str, Json] = {}
        if self._broken:
            details["markers_broken"] = self._broken
        if self._truncated:
            details["truncated"] = sorted(self._truncated)
        if self._repairs:
            details["repairs"] = self._repairs
        return Vote(model=self._member.model, score=score, replies=self._replies, details=details)

    async def _ask(self, question: Question) -> Said | Unscored:
        """What the judge says to a question, mended up to twice."""
        prompt = prompt_of(
            question,
            judge=self._judge.fingerprint,
            language=self._judge.language,
            reverse=self._room.reverse,
        )
        self._room.widest = max(self._room.widest, len(question.fields))
        self._broken += sum(prompt.broken.values())
        self._truncated |= set(prompt.truncated)
        text = prompt.text
        for repair in range(most_repairs + 1):
            self._repairs += repair > 0
            reply = await self._sent(question, text)
            if isinstance(reply, Unscored):
                return reply
            self._replies.append(reply.response.text)
            match read(question.shape, json_of(reply.response.text)):
                case Said() as said:
                    return said
                case Abstained(reasoning):
                    return Unscored(code="judge_abstained", reason=reasoning[:_quoted])
                case Misread(problem):
                    text = _mending(prompt, problem)
                case _ as never:
                    assert_never(never)
        return Unscored(code="judge_parse", reason=f"after {most_repairs} repairs: {problem}")

    async def _sent(self, question: Question, text: str) -> Reply | Unscored:
        if self._room.fatal is not None:
            message = f"the judge is not asked any more: {self._room.fatal}"
            return Unscored(code="judge_error", reason=message)
        try:
            return await self._room.send(self._request(question, text))
        except BudgetExceeded as error:
            return Unscored(code="budget", reason=error.message)
        except (ProviderError, ConfigError) as error:
            if error.code in fatal_codes:
                self._room.fatal = error.code
            return Unscored(code="judge_error", reason=f"{error.code}: {error.message}")

    def _request(self, question: Question, text: str) -> Request:
        member = self._member
        return Request(
            provider=member.provider,
            model=member.model,
            base_url=member.base_url,
            messages=(Message(role="user", text=text),),
            schema=schema_of(question.shape),
            options=member.options,
            max_tokens=member.max_tokens,
            repeat=self._room.sample * samples_apart + self._number,
            origin=Origin(path=self._room.metric, step_type="judge", role="judge"),
        )


def _mending(prompt: Prompt, problem: str) -> str:
    return (
        f"{prompt.text}\n\nYour last reply could not be used: {problem[:_quoted]}."
        " Reply again, with only the JSON object."
    )


def _merged(parts: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """What was odd in any of the votes: numbers add up, fields join."""
    found: dict[str, Json] = {}
    for name in ("markers_broken", "repairs"):
        total = sum(part.get(name, 0) for part in parts)
        if total:
            found[name] = total
    cut = sorted({field for part in parts for field in part.get("truncated", ())})
    if cut:
        found["truncated"] = cut
    return found
