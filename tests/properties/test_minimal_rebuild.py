"""The minimal rebuild law: a run asks exactly what no earlier run knows, and its tables are those of a clean run."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import Case, SuiteDefaults
from pipex_core.jsonvalue import Json
from tests.fakes.evaluation import capital_suite, case, job, prompt, run
from tests.fakes.world import World

edits = (
    *("input", "reference", "tags", "weight", "context", "rename", "remove", "add"),
    *("prompt", "model", "option", "threshold", "repeats", "metric"),
)


@dataclass(slots=True)
class Bench:
    """An evaluation that is edited again and again, and all that its runs have left."""

    cases: list[Case] = field(default_factory=lambda: [case(f"c{i}") for i in range(3)])
    prompt: str = "{{ input }}"
    model: str = "m"
    repeats: int = 1
    threshold: float = 0.5
    ignore_case: bool = False
    metrics: tuple[str, ...] = ("fuzzy_match",)
    runs: list[EvalRun] = field(default_factory=list)
    number: int = 0

    def edit(self, kind: str, place: int) -> None:  # noqa: C901, PLR0912 - one branch for each kind
        """Change one thing; ``place`` says which case."""
        self.number += 1
        at = place % len(self.cases)
        one = self.cases[at]
        match kind:
            case "input":
                self.cases[at] = replace(one, input=f"Question {self.number}?")
            case "reference":
                self.cases[at] = replace(one, expected_output=f"answer {self.number}")
            case "tags":
                self.cases[at] = replace(one, tags=(f"t{self.number}",))
            case "weight":
                self.cases[at] = replace(one, weight=1.0 + place)
            case "context":
                self.cases[at] = replace(one, context=f"source {self.number}")
            case "rename":
                self.cases[at] = replace(one, id=f"r{self.number}")
            case "remove":
                self.cases = self.cases[:at] + self.cases[at + 1 :] if at else self.cases
            case "add":
                self.cases.append(case(f"n{self.number}", input=f"New {self.number}?"))
            case "prompt":
                self.prompt = f"{{{{ input }}}} {place % 3}"
            case "model":
                self.model = f"m{place % 3}"
            case "option":
                self.ignore_case = not self.ignore_case
            case "threshold":
                self.threshold = place / 10
            case "repeats":
                self.repeats = 1 + place % 3
            case _:
                self.metrics = (
                    ("fuzzy_match",) if len(self.metrics) == 2 else ("fuzzy_match", "levenshtein")
                )

    def evaluated(self, carry: CarryIndex) -> tuple[World, EvalRun]:
        """The evaluation as it stands, and the world that answered."""
        options: dict[str, Json] = {"threshold": self.threshold}
        entries = [{"type": name, **options} for name in self.metrics]
        entries[0]["ignore_case"] = self.ignore_case
        suite = capital_suite(sorted(self.cases, key=lambda one: one.id), defaults=SuiteDefaults())
        target = replace(prompt, prompt=self.prompt, model=self.model)
        made = job(
            suite,
            target=target,
            metrics=entries,
            repeats=self.repeats,
            run_id=f"ev_{len(self.runs)}",
        )
        world = World({"default": {"reply": "Berlin"}})
        return world, run(made, world, carry=carry)


def keys_of(found: EvalRun, table: str, column: str) -> set[Any]:
    return set(getattr(found, table)[column].to_pylist())


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(edits), st.integers(0, 9)), min_size=20, max_size=22))
def test_a_run_executes_exactly_what_is_not_known(steps: list[tuple[str, int]]) -> None:
    bench = Bench()
    answers: set[str] = set()
    scores: set[str] = set()
    for kind, place in [("tags", 0), *steps]:
        bench.edit(kind, place)
        newest = bench.runs[::-1]
        carry = CarryIndex(
            responses=[one.responses for one in newest], scores=[one.scores for one in newest]
        )
        world, found = bench.evaluated(carry)
        clean, whole = bench.evaluated(CarryIndex())
        wanted = keys_of(found, "responses", "response_key")
        assert len(world.provider.sent) == len(wanted - answers), kind
        assert len(clean.provider.sent) == found.responses.num_rows
        rows = found.scores.to_pylist()
        computed = {row["score_key"] for row in rows if not row["carried"]}
        assert computed == {row["score_key"] for row in rows} - scores, kind
        assert found.row_digest == whole.row_digest, kind
        answers |= wanted
        scores |= keys_of(found, "scores", "score_key")
        bench.runs.append(found)
