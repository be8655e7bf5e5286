"""Runs over the capitals with judges: jobs, worlds whose mock judges, and single rows of what came out."""

from typing import Any

import pyarrow as pa

from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.job import EvalJob
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.jsonvalue import Json
from tests.fakes.evaluation import answering, capital_suite, job
from tests.fakes.judges import ruling_of_the_mock, scored
from tests.fakes.world import World

judged_by = ("exact_match", "relevance")


def judging(*rules: dict[str, Any], answers: dict[str, str] | None = None) -> World:
    """A mock that knows capitals, and judges by these rules."""
    return World({"responses": [*rules, *answering(answers)["responses"]]})


def judged_job(metrics: tuple[Json, ...] = judged_by, **fields: Any) -> EvalJob:
    suite = capital_suite(
        fields.pop("cases", None),
        defaults=SuiteDefaults(metrics=metrics),
        **fields.pop("suite", {}),
    )
    return job(suite, **fields)


def row(found: EvalRun | pa.Table, case_id: str, metric: str = "relevance") -> dict[str, Any]:
    table = found.scores if isinstance(found, EvalRun) else found
    (one,) = [
        one
        for one in table.to_pylist()
        if (one["case_id"], one["metric"], one["submetric"]) == (case_id, metric, None)
    ]
    return dict(one)


def calls(world: World, role: str = "judge") -> int:
    return sum(request.origin.role == role for request in world.provider.sent)


def carried(*runs: EvalRun) -> CarryIndex:
    return CarryIndex(
        responses=[one.responses for one in runs], scores=[one.scores for one in runs]
    )


always_four = ruling_of_the_mock("relevance", scored("good", 4))
