"""How a run ended, read from its rows: completed, incomplete or failed, and why."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.answers import fatal_codes
from pipex_core.evals.columns import holds, values_of
from pipex_core.evals.respond import first_calls
from pipex_core.evals.results import RunStatus, is_open
from pipex_core.evals.summary import Summary
from pipex_core.evals.verdict import Verdict

stops = ("stopped_fatal", "stopped_budget", "stopped_max_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a run.

    Attributes:
        reason: A code, such as ``budget`` or ``auth``; None for a completed run.
        n_open: Rows that a resumed run would compute: answers, and scores of answers that are there.
        finished: Nothing stopped the run before every row had its chance.
    """

    status: RunStatus
    reason: str | None = None
    n_open: int = 0
    finished: bool = True


def outcome_of(responses: pa.Table, scores: pa.Table) -> Outcome:
    """The outcome that the rows tell, whoever computed them."""
    missing = pc.sum(holds(responses["class"], "missing")).as_py() or 0
    codes = set(pc.unique(_text(responses["error_code"])).to_pylist())
    n_open = int(missing) + _open_scores(scores)
    if "stopped_fatal" in codes or codes & fatal_codes or _is_unreachable(responses, codes):
        reason = min(codes & (fatal_codes | {"connection"}), default="fatal")
        return Outcome(status="failed", reason=reason, n_open=n_open, finished=False)
    if "budget_exceeded" in codes or "stopped_budget" in codes or _is_unjudged(scores):
        return Outcome(status="incomplete", reason="budget", n_open=n_open, finished=False)
    if "stopped_max_time" in codes:
        return Outcome(status="incomplete", reason="max_time", n_open=n_open, finished=False)
    if missing:
        return Outcome(status="incomplete", reason="missing_responses", n_open=n_open)
    if n_open:
        return Outcome(status="incomplete", reason="missing_scores", n_open=n_open)
    return Outcome(status="completed")


def _is_unreachable(responses: pa.Table, codes: set[str | None]) -> bool:
    """Did the first calls find nobody, with no case left to be stopped?"""
    return codes == {"connection"} and responses.num_rows >= first_calls


def exit_code(
    summary: Summary,
    verdict: Verdict | None,
    *,
    finished: bool = True,
    fail_on_threshold: bool = False,
    max_missing: float = 0.0,
) -> int:
    """Exit code of ``eval run``: the verdict's; without one 1 for a missed threshold, 4 for holes.

    Args:
        summary: Of the run.
        verdict: Of its gate, or None.
        finished: Whether the run came to its own end; one that was stopped is 4 whatever is missing.
        fail_on_threshold: Whether a required metric whose mean misses its threshold, or has none, is 1.
        max_missing: Share of missing rows, of the answers or of any metric, that is accepted.
    """
    if verdict is not None:
        return verdict.exit_code
    if fail_on_threshold and missed_thresholds(summary):
        return 1
    return 4 if not finished or (summary.totals.missing_rate or 0.0) > max_missing else 0


def missed_thresholds(summary: Summary) -> list[str]:
    """Required metrics whose mean misses the threshold, or could not be computed."""
    missed = []
    for name, one in summary.metrics.items():
        facts = one.facts
        if facts.required and facts.threshold is not None and not facts.reached_by(one.mean):
            missed.append(name)
    return missed


def _is_unjudged(scores: pa.Table) -> bool:
    """Did the budget refuse a judge? His score is open where the answer is there."""
    judged = scores.filter(pc.is_valid(scores["judge_id"]))
    return "budget" in pc.unique(_text(judged["code"])).to_pylist()


def _open_scores(scores: pa.Table) -> int:
    """Metrics without final score on answers that are there."""
    codes = values_of(scores["code"].filter(holds(scores["status"], "unscored")))
    return sum(
        code not in ("not_run", "budget") and is_open(status="unscored", code=code)
        for code in codes
    )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())
