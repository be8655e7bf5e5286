"""What an evaluation will cost, said before it begins, and whether the budget of the day has room for it.

The best guess is what an answer of the same target cost the last time. Without such a run it is the
upper bound of the calls; of a pipeline that has never run nothing is known.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from pipex_core.app.answering import day_left_usd
from pipex_core.app.evaluations import Desk
from pipex_core.app.settings import Settings
from pipex_core.app.wiring import today
from pipex_core.evals.archive import Archive
from pipex_core.evals.job import EvalJob
from pipex_core.evals.publication import Place

Basis = Literal["nothing_to_ask", "free", "history", "bound", "unknown"]
Key = TypeVar("Key", bound=Hashable)

free_kinds = frozenset({"mock", "replay"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one evaluation will do.

    Attributes:
        to_ask: Answers that are not known yet.
        carried: Answers that are.
        cost_usd: Of the answers to ask; None when nothing is known about it.
        basis: Where ``cost_usd`` comes from.
    """

    to_ask: int
    carried: int
    cost_usd: float | None
    basis: Basis

    @property
    def text(self) -> str:
        """In words, such as ``30 answers for about 0.0300 USD (history)``."""
        asked = f"{self.to_ask:,} answers" if self.to_ask != 1 else "1 answer"
        if self.cost_usd is None:
            return f"{asked}, whose cost nobody knows yet"
        return f"{asked} for about {self.cost_usd:.4f} USD ({self.basis.replace('_', ' ')})"


def forecast(desk: Desk, job: EvalJob, *, carry: bool = True) -> Forecast:
    """What a job will ask and cost, found out without a call.

    Args:
        desk: Where it will be run.
        job: Any job.
        carry: Whether known answers are taken over.
    """
    plan = desk.plan(job, carry=carry)
    cost_usd, basis = _cost(desk, job, to_ask=plan.to_ask, bound_usd=plan.max_cost_usd)
    return Forecast(to_ask=plan.to_ask, carried=plan.carried, cost_usd=cost_usd, basis=basis)


def _cost(
    desk: Desk, job: EvalJob, *, to_ask: int, bound_usd: float | None
) -> tuple[float | None, Basis]:
    if to_ask == 0:
        return 0.0, "nothing_to_ask"
    if desk.providing.kind in free_kinds:
        return 0.0, "free"
    known = cost_per_answer(desk.archive, job.suite.id, job.target.target_id)
    if known is not None:
        return known * to_ask, "history"
    return (None, "unknown") if bound_usd is None else (bound_usd, "bound")


def cost_per_answer(archive: Archive, suite_id: str, target_id: str) -> float | None:
    """USD that an answer of a target cost in its newest run that asked for any, judges included; or None."""
    for place in archive.places(suite=suite_id):
        row = _run_of(archive, place, target_id)
        asked = row.get("n_rows", 0) - row.get("n_carried", 0)
        if asked > 0:
            return (row["cost_nanousd"] + row["judge_cost_nanousd"]) / asked / 1e9
    return None


def _run_of(archive: Archive, place: Place, target_id: str) -> Mapping[str, int]:
    """The row of a run of this target; empty for a run of another one."""
    manifest = archive.manifest(place)
    row: Mapping[str, int] = manifest["run"]
    return row if manifest["target"]["target_id"] == target_id else {}


def room_today(settings: Settings) -> float | None:
    """USD that the budget of the day has left for all processes; None without such a budget."""
    return day_left_usd(settings, today())


def admitted(wanted: Iterable[tuple[Key, Forecast]], *, left_usd: float | None) -> set[Key]:
    """Those that fit into what is left, one after another; all where there is no budget.

    What nothing is known about is let through while anything is left: each of its calls still has to
    find room in the account of the day.
    """
    left = float("inf") if left_usd is None else left_usd
    found: set[Key] = set()
    for key, one in wanted:
        if one.cost_usd == 0 or (left > 0 if one.cost_usd is None else one.cost_usd <= left):
            found.add(key)
            left -= one.cost_usd or 0.0
    return found
