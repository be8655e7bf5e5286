"""What stored runs cost: added up by run, suite, model, day, step or metric, and computed again from tokens."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pipex_core.evals.archive import Archive
from pipex_core.evals.publication import Place
from pipex_core.jsonvalue import Json
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Usage

By = Literal["run", "suite", "model", "day", "step", "metric"]
kinds: tuple[str, ...] = get_args(By)
of_calls = frozenset({"step", "metric"})
call_columns = (
    *("role", "step_path", "metric", "model", "model_served", "cost_nanousd", "input_tokens"),
    *("output_tokens", "cache_read_tokens", "cache_write_tokens", "case_id"),
)


@dataclass(slots=True, kw_only=True)
class Spent:
    """One line of an account.

    Attributes:
        name: Of the run, suite, model, day, step or metric.
        cost_nanousd: Of targets and judges together.
        saved_nanousd: What carried answers cost when they were made.
        repriced_nanousd: The cost at today's prices; None where no tokens were kept.
    """

    name: str
    runs: set[str] = field(default_factory=set)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int = 0
    judge_cost_nanousd: int = 0
    saved_nanousd: int = 0
    repriced_nanousd: int | None = None

    def as_json(self) -> dict[str, Json]:
        """The line as a document; money in USD."""
        found: dict[str, Json] = {
            "name": self.name,
            "runs": len(self.runs),
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_nanousd / 1e9,
            "judge_cost_usd": self.judge_cost_nanousd / 1e9,
            "saved_usd": self.saved_nanousd / 1e9,
        }
        if self.repriced_nanousd is not None:
            found["repriced_usd"] = self.repriced_nanousd / 1e9
        return found


def account(
    archive: Archive, places: Iterable[Place], by: By, *, prices: PriceTable | None = None
) -> list[Spent]:
    """The lines of an account, the dearest first, then by name.

    Args:
        archive: Holds the runs.
        places: The runs to add up.
        by: What a line is about. ``step`` and ``metric`` are of single calls and know only runs whose
            calls were kept.
        prices: Compute costs again at these prices, from the tokens of the kept calls.

    Raises:
        StoreError: A run is damaged.
    """
    lines: dict[str, Spent] = {}
    for place in places:
        if by in of_calls:
            for name, row in _calls(archive, place, by):
                _add_call(_line(lines, name, place), row, prices)
            continue
        line = _line(lines, _name_of(archive, place, by), place)
        _add_run(line, archive.manifest(place)["run"])
        if prices is not None:
            for _, row in _calls(archive, place, "step"):
                line.repriced_nanousd = (line.repriced_nanousd or 0) + _priced(row, prices)
    return sorted(lines.values(), key=lambda line: (-line.cost_nanousd, line.name))


def _line(lines: dict[str, Spent], name: str, place: Place) -> Spent:
    line = lines.setdefault(name, Spent(name=name))
    line.runs.add(place.run_id)
    return line


def _name_of(archive: Archive, place: Place, by: By) -> str:
    match by:
        case "suite":
            return place.suite_id
        case "model":
            return place.model_id
        case "day":
            return str(archive.manifest(place)["run"]["started_at"])[:10]
        case _:
            return place.run_id


def _add_run(line: Spent, run: Mapping[str, Json]) -> None:
    line.calls += run["calls"]
    line.input_tokens += run["input_tokens"]
    line.output_tokens += run["output_tokens"]
    line.cost_nanousd += run["cost_nanousd"] + run["judge_cost_nanousd"]
    line.judge_cost_nanousd += run["judge_cost_nanousd"]
    line.saved_nanousd += run["saved_nanousd"]


def _calls(archive: Archive, place: Place, by: By) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for row in archive.table(place, "calls", columns=call_columns).to_pylist():
        step = row["step_path"] or ("(judge)" if row["role"] == "judge" else "(prompt)")
        yield (row["metric"] or "(target)") if by == "metric" else step, row


def _add_call(line: Spent, row: Mapping[str, Json], prices: PriceTable | None) -> None:
    line.calls += 1
    line.input_tokens += row["input_tokens"] or 0
    line.output_tokens += row["output_tokens"] or 0
    line.cost_nanousd += row["cost_nanousd"]
    line.judge_cost_nanousd += row["cost_nanousd"] if row["role"] == "judge" else 0
    if prices is not None:
        line.repriced_nanousd = (line.repriced_nanousd or 0) + _priced(row, prices)


def _priced(row: Mapping[str, Json], prices: PriceTable) -> int:
    """The cost of a call at some prices; a call without tokens keeps what it was charged."""
    if row["input_tokens"] is None:
        return int(row["cost_nanousd"])
    read, written = row["cache_read_tokens"] or 0, row["cache_write_tokens"] or 0
    usage = Usage(
        input=row["input_tokens"] - read - written,
        cache_read=read,
        cache_write_5m=written,
        output=row["output_tokens"] or 0,
    )
    return prices.cost(usage, row["model_served"] or row["model"]).nanousd


def totals(lines: Iterable[Spent]) -> Spent:
    """All lines as one; a run that stands in several is counted once."""
    found = Spent(name="total")
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        found.runs |= line.runs
        for name in (
            "calls",
            "input_tokens",
            "output_tokens",
            "cost_nanousd",
            "judge_cost_nanousd",
        ):
            sums[name] += getattr(line, name)
        sums["saved_nanousd"] += line.saved_nanousd
        if line.repriced_nanousd is not None:
            found.repriced_nanousd = (found.repriced_nanousd or 0) + line.repriced_nanousd
    for name, value in sums.items():
        setattr(found, name, value)
    return found
