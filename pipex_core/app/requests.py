"""What somebody wants evaluated, in words; kept beside the journal, so that a run can go on by its id."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal

from pipex_core.evals.curate import filter_cases, sample
from pipex_core.evals.job import RunOptions
from pipex_core.evals.suite import Case, Suite
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What somebody wants evaluated, in words.

    Attributes:
        suite: Path of a suite.
        target: Map of a target, or the path of a target file, a pipeline or recorded answers.
        metrics: Entries as written; None takes the suite's.
        gate: Path of a gate file; None takes the suite's gate.
        reducer: How repeats become one value; None takes the suite's.
        baseline: Run, target or ``champion`` to compare with; None takes the gate's.
        where: Field to value, or list of values.
        holding: Expression over the fields of a case that holds for the cases wanted; None for all.
        run_id: Of a run to go on with; None makes a new one.
        carry: Whether answers of earlier runs are used.
        judges: Judges by name, in front of the suite's; ``default`` judges what names none.
        allow_uncertified: Whether a judge without a valid certificate may gate.
        allow_code: Whether metrics that are code beside the suite or at a dotted path may be imported.
        fail_on_threshold: Whether a mean below its threshold ends the command with 1.
    """

    suite: str
    target: str | Mapping[str, Json]
    metrics: Sequence[Json] | None = None
    gate: str | None = None
    baseline: str | None = None
    repeats: int | None = None
    reducer: str | None = None
    where: Mapping[str, Json] = field(default_factory=dict)
    holding: str | None = None
    sample_size: int | None = None
    stratify: str | None = None
    limit: int | None = None
    seed: int = 0
    options: RunOptions = field(default_factory=RunOptions)
    labels: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    carry: bool = True
    fail_on_threshold: bool = False
    judges: Mapping[str, Json] = field(default_factory=dict)
    allow_uncertified: bool = False
    allow_code: bool = False


def request_document(request: EvalRequest) -> dict[str, Json]:
    """A request as JSON; money as decimal text."""
    document = asdict(request)
    budget = request.options.budget
    if budget is not None and budget.max_cost_usd is not None:
        document["options"]["budget"]["max_cost_usd"] = str(budget.max_cost_usd)
    return document


def request_of_document(document: Mapping[str, Json]) -> EvalRequest:
    """The request that ``request_document`` wrote."""
    options = dict(document["options"])
    budget = options.pop("budget")
    if budget is not None:
        cost = budget["max_cost_usd"]
        budget = Budget(**{**budget, "max_cost_usd": None if cost is None else Decimal(cost)})
    return EvalRequest(**{**document, "options": RunOptions(**options, budget=budget)})


def selected_cases(suite: Suite, request: EvalRequest) -> tuple[Sequence[Case] | None, bool]:
    """The cases that a request asks for, None for all, and whether these are fewer than all."""
    chosen = suite
    if request.where or request.holding is not None:
        chosen = filter_cases(chosen, request.where, where=request.holding)
    if request.sample_size is not None:
        drawn = sample(chosen, request.sample_size, seed=request.seed, stratify_by=request.stratify)
        chosen = drawn.suite
    if request.limit is not None:
        chosen = replace(chosen, cases=list(chosen.cases)[: request.limit])
    is_subset = len(chosen.cases) < len(suite.cases)
    return (chosen.cases if is_subset else None), is_subset
