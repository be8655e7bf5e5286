"""Everything that can be wrong with an evaluation, found before it costs anything; and what it will do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

import numpy as np

from pipex_core.errors import ConfigError, PipexError, Problem, SpecError
from pipex_core.evals.answers import Answer
from pipex_core.evals.arms import Arm, CaseFacts, MetricArm
from pipex_core.evals.curate import is_unverified
from pipex_core.evals.demand import demanded
from pipex_core.evals.gatefile import Gate, paired_kinds
from pipex_core.evals.job import EvalJob, RunOptions, facts_of, in_issue_order
from pipex_core.evals.judged import Baseline, Judged
from pipex_core.evals.judgefile import Bench, is_judged, seat
from pipex_core.evals.pairs import comparable
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.reducers import problems_of
from pipex_core.evals.respond import Unit
from pipex_core.evals.subjects import models_of
from pipex_core.evals.suite import Case, Suite, hashes_by_id, plan_digest, suite_digest
from pipex_core.evals.target import PromptTarget, Target, moving
from pipex_core.expressions.template import read_template
from pipex_core.jsonvalue import Json, canonical
from pipex_core.llm.cost import Budget
from pipex_core.llm.prices import PriceTable
from pipex_core.metrics.contract import MetricType
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.repeats import problems_of_repeats
from pipex_core.registry import Registry

dear_usd = 0.50  # above it, a run without a budget deserves a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants evaluated; whatever is None comes from the suite.

    Attributes:
        cases: The cases to run; None for all. ``is_subset`` says that some were left out.
        metrics: Entries as written.
        target: The system under test.
        others: Case id to the baseline's answer, for metrics that compare two.
    """

    run_id: str
    suite: Suite
    target: Target
    cases: Sequence[Case] | None = None
    metrics: Sequence[Json] | None = None
    repeats: int | None = None
    reducer: str | None = None
    gate: Gate | None = None
    baseline: Baseline | None = None
    seed: int = 0
    options: RunOptions = field(default_factory=RunOptions)
    is_subset: bool = False
    others: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a run would do, as ``--dry-run`` prints it.

    Attributes:
        rows: Cases times repeats.
        carried: Rows that earlier runs have.
        done: Rows that an earlier try of this run has.
        to_ask: The rest.
        max_cost_usd: Upper bound of the calls to come; None for targets whose calls are not known.
    """

    rows: int
    carried: int
    done: int
    to_ask: int
    scores: int
    max_cost_usd: float | None = None
    warnings: Sequence[tuple[str, str]] = ()

    def as_json(self) -> dict[str, Json]:
        """The plan of a run as an event and as ``--json`` shows it."""
        return {
            "rows": self.rows,
            "carried": self.carried,
            "done": self.done,
            "to_ask": self.to_ask,
            "scores": self.scores,
            "max_cost_usd": self.max_cost_usd,
            "warnings": [{"code": code, "message": message} for code, message in self.warnings],
        }


def prepare(
    request: Request,
    *,
    registry: Registry[MetricType],
    bench: Callable[[], Bench] | None = None,
) -> EvalJob:
    """The job, when nothing is wrong with the request.

    Args:
        request: Any request.
        registry: Names of metrics.
        bench: Makes what judges are read with, once a metric needs one; without it that is ``no_judge``.

    Raises:
        SpecError: All problems of metrics, gate and target at once.
        ConfigError: ``dependency_missing``.
    """
    cases = list(request.suite.cases if request.cases is None else request.cases)
    seating = _Seating(registry, bench, request)
    entries, case_metrics = _checked(request, cases, seating)
    suite = request.suite
    known = hashes_by_id(suite)
    repeats = suite.defaults.repeats if request.repeats is None else request.repeats
    reducer = request.reducer or suite.defaults.reducer
    options = _completed(request.options, suite)
    limited = options.budget is not None or options.max_time_s is not None
    return EvalJob(
        run_id=request.run_id,
        suite=suite,
        cases=in_issue_order(cases, seed=request.seed, fair=limited),
        hashes=known,
        target=_bound(request.target, options, suite),
        metrics=entries,
        case_metrics=case_metrics,
        repeats=repeats,
        reducer=reducer,
        gate=request.gate,
        baseline=request.baseline,
        seed=request.seed,
        options=options,
        suite_digest=suite_digest(suite, known=known),
        plan_digest=plan_digest(
            suite,
            metrics=[_measured(entry) for entry in entries],
            repeats=repeats,
            reducer=reducer,
            cluster_by=suite.defaults.cluster_by,
            known=known,
        ),
        is_subset=request.is_subset or len(cases) < len(suite.cases),
        others=request.others,
        warnings=list(seating.warnings),
        labels=request.labels,
        origin=request.origin,
    )


def _checked(
    request: Request, cases: Sequence[Case], seating: "_Seating"
) -> tuple[tuple[Entry, ...], Mapping[str, Sequence[Entry]]]:
    """The entries of the run and of single cases, when nothing is wrong with the request."""
    suite = request.suite
    problems: list[Problem] = []
    raw = suite.defaults.metrics if request.metrics is None else request.metrics
    entries = seating.entries(list(raw), "metrics", problems)
    if not raw and not any(case.metrics for case in suite.cases):
        problems.append(
            Problem(code="missing_field", message="no metrics: name one, or give the suite some")
        )
    problems += problems_of_repeats(entries)
    repeats = request.repeats or suite.defaults.repeats
    problems += problems_of(request.reducer or suite.defaults.reducer, repeats=repeats)
    case_metrics = _case_metrics(cases, entries, seating, problems)
    problems += [*moving(request.target), *_target_problems(request.target, cases)]
    if request.gate is not None and not problems:
        every = [*entries, *_flat(case_metrics)]
        problems += _gate_problems(request.gate, _expected(request, cases, every), request.baseline)
    if problems:
        raise SpecError(problems)
    return entries, case_metrics


def dry_run(
    job: EvalJob,
    *,
    carried: Callable[[Unit], Answer | None],
    done: Callable[[Unit], Answer | None],
    prices: PriceTable | None = None,
) -> DryRun:
    """What the run would do, found out without a call.

    Args:
        job: Any job.
        carried: Answers of earlier runs.
        done: Answers of an earlier try of this run.
        prices: For the bound of the cost.
    """
    units = job.units()
    finished = [unit for unit in units if _serves(job, done(unit))]
    names = {unit.name for unit in finished}
    rest = [unit for unit in units if unit.name not in names]
    to_ask = [unit for unit in rest if not _serves(job, carried(unit))]
    bound = _bound_usd(job.target, to_ask, prices)
    warnings = [*job.warnings, *_money_warnings(bound, job.options.budget)]
    return DryRun(
        rows=len(units),
        carried=len(rest) - len(to_ask),
        done=len(finished),
        to_ask=len(to_ask),
        scores=sum(len(job.entries(unit.case.id)) for unit in units),
        max_cost_usd=bound,
        warnings=warnings,
    )


def _money_warnings(bound: float | None, budget: Budget | None) -> Iterator[tuple[str, str]]:
    """What to say of the most that the calls may cost, in USD, and the cap on it."""
    cap = None if budget is None else budget.max_cost_usd
    if bound is None:
        return
    if bound > dear_usd and budget is None:
        yield "no_budget", f"the calls may cost up to {bound:.2f} USD and there is no budget"
    elif cap is not None and bound > cap:
        text = f"the calls may cost up to {bound:.6f} USD, and the budget is {cap} USD"
        yield "budget_too_small", text


def _serves(job: EvalJob, answer: Answer | None) -> bool:
    return answer is not None and job.class_of(answer) != "missing"


def _bound_usd(target: Target, units: Sequence[Unit], prices: PriceTable | None) -> float | None:
    if prices is None or not isinstance(target, PromptTarget):
        return 0.0 if not units else None
    total = 0
    for unit in units:
        try:
            total += prices.bound(target.request(unit.case, unit.repeat)).nanousd
        except PipexError:
            continue  # A case whose prompt cannot be rendered is sent nowhere and costs nothing.
    return total / 1e9


def _completed(options: RunOptions, suite: Suite) -> RunOptions:
    """The options with what the suite says where the run says nothing."""
    given = suite.extra.get("budget")
    budget = options.budget
    if budget is None and given:
        cost = given.get("max_cost_usd")
        budget = Budget(
            max_cost_usd=None if cost is None else Decimal(str(cost)),
            max_tokens=given.get("max_tokens"),
            max_calls=given.get("max_calls"),
        )
    timeout_s = suite.defaults.timeout_seconds if options.timeout_s is None else options.timeout_s
    return replace(options, budget=budget, timeout_s=timeout_s)


def _measured(entry: Entry) -> Mapping[str, Json]:
    """The entry and who judges: what a journal must have been started with to go on."""
    judge = {} if entry.judge is None else {"judge": entry.judge.fingerprint}
    return {**entry.document(), **judge}


class _Seating:
    """Reads entries and gives the judged ones their judge.

    Attributes:
        warnings: What is to be said of the judges, each once.
    """

    def __init__(
        self,
        registry: Registry[MetricType],
        bench: Callable[[], Bench] | None,
        request: Request,
    ) -> None:
        self._registry = registry
        self._make = bench
        self._bench: Bench | None = None
        self._judges = request.suite.extra.get("judges")
        self._targets = models_of(request.target)
        self.warnings: dict[tuple[str, str], None] = {}

    def entries(
        self, raw: Sequence[Json], where: str, problems: list[Problem]
    ) -> tuple[Entry, ...]:
        """The entries; none when something is wrong with them."""
        try:
            found = resolve_entries(raw, self._registry, where=where)
        except SpecError as exc:
            problems += exc.problems
            return ()
        if self._bench is None and self._make is not None and any(map(is_judged, found)):
            self._bench = self._make()
        seated = seat(found, self._bench, judges=self._judges, targets=self._targets)
        problems += seated.problems
        self.warnings |= dict.fromkeys(seated.warnings)
        return tuple(seated.entries)


def _case_metrics(
    cases: Sequence[Case],
    entries: Sequence[Entry],
    seating: _Seating,
    problems: list[Problem],
) -> Mapping[str, Sequence[Entry]]:
    """The entries of cases that have some of their own: added, or in place of one of the same name."""
    read: dict[str, tuple[Entry, ...]] = {}
    first = {entry.name: entry for entry in entries}
    found: dict[str, Sequence[Entry]] = {}
    for case in cases:
        if case.metrics is None:
            continue
        text = canonical(list(case.metrics))
        if text not in read:
            where = f"cases[{case.id}].metrics"
            read[text] = seating.entries(list(case.metrics), where, problems)
            problems += _scale_problems(read[text], first, where)
        own = {entry.name: entry for entry in read[text]}
        kept = [own.pop(entry.name, entry) for entry in entries]
        found[case.id] = [*kept, *own.values()]
        if not problems:
            problems += problems_of_repeats(found[case.id], where=f"cases[{case.id}].metrics")
    return found


def _scale_problems(own: Sequence[Entry], first: dict[str, Entry], where: str) -> Iterator[Problem]:
    """Entries under a name that already stands for other numbers: no mean could be taken of both."""
    for entry in own:
        other = first.setdefault(entry.name, entry).info
        if (entry.info.range, entry.info.direction) != (other.range, other.direction):
            message = (
                f"{entry.name!r} is {other.name} elsewhere, whose range or direction is another one;"
                " give the case's metric a name of its own"
            )
            yield Problem(code="bad_option", message=message, path=f"{where}.{entry.name}")


def _flat(case_metrics: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    return [entry for entries in case_metrics.values() for entry in entries]


def _bound(target: Target, options: RunOptions, suite: Suite) -> Target:
    """The target with what the run and the suite say of answers that others gave in its place."""
    if isinstance(target, PipelineTarget):
        return replace(
            target,
            accept_degraded=options.accept_degraded,
            allow_fallback=suite.extra.get("allow_fallback") is True,
        )
    return target


def _target_problems(target: Target, cases: Sequence[Case]) -> list[Problem]:
    match target:
        case PromptTarget():
            return [
                Problem(
                    code=one.code, message=one.message, path="prompt", suggestion=one.suggestion
                )
                for one in read_template(target.prompt).findings
                if one.severity == "error"
            ]
        case PipelineTarget():
            return target.problems(cases)
        case RecordedTarget():
            return []
        case _:
            assert_never(target)


def _expected(request: Request, cases: Sequence[Case], entries: Sequence[Entry]) -> Judged:
    """The run as far as it is known before anything is asked: its cases and metrics."""
    arms = {
        entry.name: MetricArm(facts=facts_of(entry), states=(), values=np.empty(0), passed=())
        for entry in entries
    }
    known = hashes_by_id(request.suite)
    facts = [
        CaseFacts(id=case.id, case_hash=known[case.id].case_hash)
        for case in cases
        if case.status != "quarantined" and not is_unverified(case)
    ]
    return Judged(arm=Arm(run_id=request.run_id, cases=facts, metrics=arms, passed=(), missing=()))


def _gate_problems(gate: Gate, run: Judged, baseline: Baseline | None) -> list[Problem]:
    """Rules that nothing could be said of, however the target answers."""
    problems = []
    for rule in gate.rules:
        try:
            demanded(rule, run, baseline)
        except ConfigError as exc:
            problems.append(Problem(code=exc.code, message=exc.message, path="gate"))
    if isinstance(baseline, Judged) and any(rule.kind in paired_kinds for rule in gate.rules):
        try:
            comparable(baseline.arm, run.arm)
        except ConfigError as exc:
            problems.append(Problem(code=exc.code, message=exc.message, path="gate"))
    return problems
