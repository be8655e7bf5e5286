"""What the rows of a run say: its arm, its summary, its outcome, and the verdict of its gate."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.answers import cleaned
from pipex_core.evals.arms import Arm, arm_of
from pipex_core.evals.columns import column_of, holds, redacted, values_of
from pipex_core.evals.compare import Comparison, compare
from pipex_core.evals.curate import unverified_ids
from pipex_core.evals.gate import judge
from pipex_core.evals.job import EvalJob
from pipex_core.evals.judged import Judged, totals
from pipex_core.evals.outcome import Outcome, outcome_of
from pipex_core.evals.pairs import match
from pipex_core.evals.results import verdict_of_response
from pipex_core.evals.summary import Summary, summary_of
from pipex_core.evals.table import joined, record_batch, schema
from pipex_core.evals.verdict import Verdict
from pipex_core.jsonvalue import canonical, parse


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """What the rows say.

    Attributes:
        arm: Values by case.
        gated: The same without cases whose references nobody accepted; None where there are none.
        comparisons: With the baseline: rows of the gate's rules first, then one per metric.
        verdict: None without a gate.
    """

    arm: Arm
    summary: Summary
    outcome: Outcome
    gated: "Gated | None" = None
    comparisons: Sequence[Comparison] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gated:
    """The part of a run that may gate.

    Attributes:
        unverified: Number of cases that are left out.
    """

    arm: Arm
    summary: Summary
    unverified: int


def gated_of(
    measure: Callable[[pa.Table, pa.Table], Arm],
    responses: pa.Table,
    scores: pa.Table,
    *,
    unverified: Iterable[str],
) -> Gated | None:
    """What a gate may look at: all cases but those whose references came from a log or a model.

    Args:
        measure: Makes the arm of rows of responses and scores.
        responses: All rows.
        scores: All rows.
        unverified: Ids of the cases whose references nobody accepted.

    Returns:
        None where no case is left out.
    """
    given = column_of(sorted(unverified), pa.string())
    ids = responses["case_id"].cast(pa.string())
    gone = pc.unique(ids.filter(pc.is_in(ids, given)))
    if not len(gone):
        return None
    responses, scores = (_without(table, gone) for table in (responses, scores))
    arm = measure(responses, scores)
    summary = summary_of(arm, responses, scores, slices=())
    return Gated(arm=arm, summary=summary, unverified=len(gone))


def _without(table: pa.Table, case_ids: pa.Array) -> pa.Table:
    """The rows of other cases; rows about the whole suite are of no one's."""
    return table.filter(pc.invert(pc.is_in(table["case_id"].cast(pa.string()), case_ids)))


def summarise(job: EvalJob, responses: pa.Table, scores: pa.Table) -> Judgement:
    """What the rows say, without a verdict."""
    measure = partial(
        arm_of,
        metrics=job.facts(),
        run_id=job.run_id,
        reducer=job.reducer,
        impute=job.options.impute,
    )
    arm = measure(responses, scores)
    wanted = [path for rule in (job.gate.rules if job.gate else ()) for path in rule.slices]
    summary = summary_of(
        arm,
        responses,
        scores,
        slices=("tags", "split", *wanted),
        min_slice=job.gate.min_slice if job.gate else 30,
    )
    gated = gated_of(measure, responses, scores, unverified=unverified_ids(job.cases))
    outcome = outcome_of(responses, scores)
    return Judgement(arm=arm, summary=summary, outcome=outcome, gated=gated)


def decide(job: EvalJob, found: Judgement) -> Judgement:
    """The same with comparisons and verdict, as far as the job has a baseline and a gate.

    Raises:
        ConfigError: ``not_comparable``, or another reason why a gate can say nothing (exit code 2).
    """
    run = judged_of(found, uncertified=job.uncertified)
    verdict = None if job.gate is None else judge(job.gate, run, baseline=job.baseline)
    rows = [result.row for result in verdict.rules] if verdict else []
    if isinstance(job.baseline, Judged):
        before = job.baseline.arm
        rows += compare(before, found.arm, matched=match(before, found.arm))
    return replace(found, comparisons=rows, verdict=verdict)


def judged_of(found: Judgement, *, uncertified: frozenset[str] = frozenset()) -> Judged:
    """The run as gates see it.

    Args:
        found: What its rows say.
        uncertified: Metrics whose judge has no valid certificate.
    """
    names = totals.keys() - {"missing_rate"}
    seen = found.gated or found
    return Judged(
        arm=seen.arm,
        totals={name: seen.summary.value(name) for name in names},
        finished=found.outcome.finished,
        uncertified=uncertified,
        unverified=found.gated.unverified if found.gated else 0,
    )


def passed_filled_in(responses: pa.Table, scores: pa.Table) -> pa.Table:
    """The responses with ``passed``: what their required metrics with a threshold say together."""
    flags: dict[tuple[str, int], list[tuple[bool | None, float | None]]] = {}
    of_cases = holds(scores["level"], "case")
    names = ("case_id", "repeat", "passed", "threshold")
    heads = scores.select(names).filter(
        pc.and_(pc.and_(scores["required"], of_cases), pc.is_null(scores["submetric"]))
    )
    for case_id, repeat, passed, threshold in zip(*map(values_of, heads.columns), strict=True):
        flags.setdefault((case_id, repeat), []).append((passed, threshold))
    columns = (values_of(responses[name]) for name in ("case_id", "repeat", "class"))
    values = [
        verdict_of_response(flags.get((case_id, repeat), ()), response_class=word)
        for case_id, repeat, word in zip(*columns, strict=True)
    ]
    place = responses.schema.get_field_index("passed")
    return responses.set_column(place, responses.schema.field(place), column_of(values, pa.bool_()))


def scores_without_secrets(scores: pa.Table, redact: Callable[[str], str]) -> pa.Table:
    """The scores as they may be kept: what a metric says may quote the case, or the answer."""

    def redact_json(text: str) -> str:
        return text if redact(text) == text else canonical(cleaned(parse(text), redact))

    if redact is str:
        return scores
    for name in ("reason", "label", "explanation", "details", "judge_votes"):
        place = scores.schema.get_field_index(name)
        known = redact_json if name in ("details", "judge_votes") else redact
        clean = redacted(scores[name], known)
        scores = scores.set_column(place, scores.schema.field(place), clean)
    return scores


def comparison_table(comparisons: Sequence[Comparison]) -> pa.Table:
    """The table ``comparisons``, sorted."""
    names = schema("comparisons").names
    records = [{name: getattr(one, name) for name in names} for one in comparisons]
    return joined("comparisons", [record_batch("comparisons", records)])
