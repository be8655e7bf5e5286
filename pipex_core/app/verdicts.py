"""One verdict of a judge on one answer, outside of any run."""

from dataclasses import dataclass

from pipex_core.app.evaluations import Desk, open_desk
from pipex_core.app.pipelines import waited
from pipex_core.errors import SpecError
from pipex_core.evals.asking import Courtroom, ruling_of
from pipex_core.evals.judgefile import seat
from pipex_core.evals.jury import matter_of
from pipex_core.evals.rulings import Ruling
from pipex_core.llm.client import NullCallLog
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.structured import data_of
from pipex_core.metrics.contract import MetricInput, Score
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.scoring import score_item
from pipex_core.telemetry import NullSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge said of one answer.

    Attributes:
        ruling: None when nobody had to be asked.
    """

    entry: Entry
    score: Score
    ruling: Ruling | None

    @property
    def reasoning(self) -> str | None:
        """Why, in the judge's words; the whole reply where it has another form."""
        explanation = self.ruling.explanation if self.ruling else None
        last = data_of((explanation or "").rpartition("\n\n")[2])
        said = last.get("reasoning") if isinstance(last, dict) else None
        return said if isinstance(said, str) else explanation


def judged(
    entry: Entry,
    item: MetricInput,
    *,
    provider: str | None = None,
    mock_responses: str | None = None,
    cassette: str | None = None,
) -> Verdict:
    """What the entry's judge says of one answer; works in a notebook too.

    Raises:
        SpecError: ``no_judge`` and other problems of the judge.
        ConfigError: The provider cannot be used.
    """
    desk = open_desk(kind=provider, mock_responses=mock_responses, cassette=cassette)
    seated = seat([entry], desk.bench({}))
    if seated.problems:
        raise SpecError(seated.problems)
    return waited(_verdict(desk, seated.entries[0], item))


async def _verdict(desk: Desk, entry: Entry, item: MetricInput) -> Verdict:
    matter = matter_of(entry, item, key="", where="score#0")
    if matter is None:
        return Verdict(entry=entry, score=score_item(entry, item), ruling=None)
    services = desk.services
    room = Courtroom(
        metric=matter.name,
        client=services.client,
        log=NullCallLog(matter.unit),
        ledger=Ledger(),
        retry=RetryPolicy(max_retries=services.settings.get("max_retries", 3)),
        sink=NullSink(),
        cache="use",
    )
    try:
        ruling = await ruling_of(matter.metric, matter.judge, matter.item, room)
    finally:
        await desk.aclose()
    return Verdict(entry=entry, score=score_item(entry, item, given=ruling.score), ruling=ruling)
