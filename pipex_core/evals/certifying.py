"""Runs a judge on cases that people have judged: several times, and once with the blocks the other way round.

Nothing is journalled: what was paid for is in the call cache, so that a second try costs what is missing.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

import pyarrow as pa

from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError
from pipex_core.evals.asking import Courtroom, ruling_of
from pipex_core.evals.callrows import NotedCalls
from pipex_core.evals.items import item_of
from pipex_core.evals.job import EvalJob
from pipex_core.evals.jury import Matter, matter_of
from pipex_core.evals.labelled import Labelled, Ruler
from pipex_core.evals.rulings import Ruling
from pipex_core.evals.scorekeys import with_other
from pipex_core.evals.suite import Case
from pipex_core.expressions.paths import get
from pipex_core.expressions.values import exists
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.metrics.contract import MetricInput, Score
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.judge import JudgeMetric
from pipex_core.metrics.scoring import score_item
from pipex_core.stats.agreement import Label
from pipex_core.telemetry import NullSink

human_field: Final = "metadata.human"
output_field: Final = "metadata.output"
repeats: Final = 3
_turned: Final = -1  # stands for the sample whose blocks are shown the other way round


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What a judge said of labelled cases.

    Attributes:
        spent_nanousd: Of the replies behind it, also of those that the call cache had.
    """

    cases: Sequence[Labelled]
    spent_nanousd: int


@dataclass(slots=True, kw_only=True)
class Bailiff:
    """Brings labelled cases before a judge; an object serves once.

    Attributes:
        job: Whose cases.
        responses: Rows of the job; of each case the first repeat is judged.
        entry: The metric with its judge.
        human: Place of the labels in a case.
        samples: Independent verdicts of each case.
        turned: Whether each case is also judged with its blocks the other way round.
    """

    job: EvalJob
    services: Services
    responses: pa.Table
    entry: Entry
    human: str = human_field
    samples: int = repeats
    turned: bool = True
    _found: dict[tuple[str, int], tuple[Ruling, int]] = field(default_factory=dict)

    async def hear(self) -> Hearing:
        """The verdicts beside the labels, in the order of the cases.

        Raises:
            ConfigError: ``bad_label``, a label is neither text, number nor flag, nor a list of them.
        """
        brought = [(case, item) for case, item in self._items() if labels_of(case, self.human)]
        samples = [*range(self.samples), *([_turned] if self.turned else [])]
        ledger = Ledger(self.job.options.budget)
        queue = iter(product(brought, samples))
        async with asyncio.TaskGroup() as group:
            for _ in range(self.job.options.max_concurrency):
                group.create_task(self._work(queue, ledger))
        rulings = [ruling for ruling, _ in self._found.values()]
        return Hearing(
            cases=[self._labelled(case, item) for case, item in brought],
            spent_nanousd=sum(ruling.cost_nanousd for ruling in rulings),
        )

    def _items(self) -> Iterator[tuple[Case, MetricInput]]:
        cases = {case.id: case for case in self.job.cases if case.status != "quarantined"}
        for response in self.responses.to_pylist():
            case = cases.get(response["case_id"])
            if case is not None and response["repeat"] == 0:
                yield case, with_other(self.job, self.entry, item_of(case, response), case)

    async def _work(
        self, queue: Iterator[tuple[tuple[Case, MetricInput], int]], ledger: Ledger
    ) -> None:
        for (case, item), sample in queue:
            matter = matter_of(self.entry, item, key="", where=f"{case.id}#0")
            if matter is not None:
                self._found[case.id, sample] = await self._ruled(matter, sample, ledger)

    async def _ruled(self, matter: Matter, sample: int, ledger: Ledger) -> tuple[Ruling, int]:
        room = Courtroom(
            metric=matter.name,
            client=self.services.client,
            log=NotedCalls(matter.unit, self.services.clock),
            ledger=ledger,
            retry=RetryPolicy(max_retries=self.services.settings.get("max_retries", 3)),
            sink=NullSink(),
            cache=self.job.options.cache,
            sample=max(sample, 0),
            reverse=sample == _turned,
        )
        return await ruling_of(matter.metric, matter.judge, matter.item, room), room.widest

    def _labelled(self, case: Case, item: MetricInput) -> Labelled:
        found = [self._found.get((case.id, sample)) for sample in range(self.samples)]
        verdicts = [self._scored(item, one[0] if one else None) for one in found]
        turned = self._found.get((case.id, _turned))
        other = 0 if item.other is None else len(item.other)
        return Labelled(
            case_id=case.id,
            human=labels_of(case, self.human),
            verdicts=verdicts,
            # One block alone has no other order: the same question again says nothing of places.
            reversed_=self._scored(item, turned[0]) if turned and turned[1] > 1 else None,
            length=len(item.output or "") - other,
        )

    def _scored(self, item: MetricInput, ruling: Ruling | None) -> Score:
        return score_item(self.entry, item, given=ruling.score if ruling else None)


def ruler_of(entry: Entry) -> Ruler:
    """How the verdicts of a metric are compared with labels."""
    if not isinstance(entry.metric, JudgeMetric):
        raise ConfigError(f"{entry.type} needs no judge", code="not_judged")
    return Ruler(shape=entry.metric.templates[0].shape, threshold=entry.threshold)


def labels_of(case: Case, place: str) -> tuple[Label, ...]:
    """What people said of a case: one label, or those of several raters; empty when it has none.

    Raises:
        ConfigError: ``bad_label``.
    """
    value = get({"metadata": case.metadata}, place)
    if not exists(value):
        return ()
    several = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, str | int | float) for one in several):
        raise ConfigError(
            f"{place} of case {case.id!r} is no label: a number, a text, true or false, or a list",
            code="bad_label",
        )
    return tuple(several)
