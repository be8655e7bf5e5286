"""The parts of a report about the run alone: retries, caches, limits and origin."""

from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipex_core.evals.findings import Findings
from pipex_core.evals.html import report_html
from pipex_core.evals.judged import SummaryBaseline
from pipex_core.evals.reportparts import cost, metrics, reproducibility
from pipex_core.evals.verifying import verify_report
from tests.fakes.evaluation import job, run
from tests.fakes.reports import findings


def with_column(found: Findings, name: str, values: list[Any]) -> Findings:
    table = found.responses
    field = table.schema.field(name)
    plain = pa.string() if pa.types.is_dictionary(field.type) else field.type
    column = pa.array(values, type=plain).cast(field.type)
    place = table.schema.get_field_index(name)
    return replace(found, responses=table.set_column(place, field, column))


def with_run(found: Findings, **fields: Any) -> Findings:
    return replace(found, manifest={**found.manifest, "run": {**found.manifest["run"], **fields}})


def test_a_plain_run_says_nothing_of_caches_retries_and_limits() -> None:
    assert [line.split()[0] for line in cost(findings(run(job()))).lines] == [
        "Cost", "Tokens:", "Latency:",
    ]  # fmt: skip


def test_rows_that_were_not_asked_again_are_counted() -> None:
    found = with_column(
        findings(run(job())), "cache", ["carried", "carried", "hit", "miss", "miss"]
    )
    assert (
        cost(found)
        .lines[-1]
        .startswith("Not asked again: 2 rows carried from earlier runs, 1 from the call cache;")
    )


def test_further_tries_are_counted() -> None:
    found = with_column(findings(run(job())), "attempts", [1, 3, 2, 1, 1])
    assert cost(found).lines[-1] == "Retries: 2 rows needed 3 further tries."


def test_the_history_of_limits_is_told_by_service_and_cut_at_its_end() -> None:
    changes = [
        {"after_ms": i, "provider": "anthropic", "model": "m", "limit": i} for i in range(12)
    ]
    made = findings(run(job()))
    found = replace(
        made, manifest={**made.manifest, "limiter": [*changes, {"after_ms": 99, "limit": 4}]}
    )
    assert list(cost(found).lines)[-2:] == [
        (
            "Calls at once to anthropic/m: …, then 2, then 3, then 4, then 5, then 6, then 7, then 8,"
            " then 9, then 10, then 11."
        ),
        "Calls at once to provider: 4.",
    ]


def test_money_of_judges_is_told_apart() -> None:
    found = findings(run(job()))
    totals = replace(found.judgement.summary.totals, judge_cost_nanousd=2_000_000)
    summary = replace(found.judgement.summary, totals=totals)
    judged = replace(found, judgement=replace(found.judgement, summary=summary))
    assert cost(judged).lines[0].endswith("in 5 calls, judges 0.002000 USD.")


def origin(found: Findings) -> dict[str, str]:
    grid = reproducibility(found).grid
    assert grid is not None
    return {row[0]: row[1] for row in grid.rows}


def test_the_commit_the_model_and_the_orchestrator_are_named_when_they_are_known() -> None:
    found = findings(run(job()))
    assert {"commit", "Dagster", "command", "libraries"} & origin(found).keys() == set()
    known = with_run(
        found, git_sha="a" * 40, git_dirty=True, model_resolved="m-1", orchestrator_run_id="r",
        partition_key="p", packages={"scipy": "1", "numpy": "2"},
    )  # fmt: skip
    facts = origin(known)
    assert facts["commit"] == f"{'a' * 12}, with changes not committed"
    assert facts["provider"].endswith(", served by m-1")
    assert facts["Dagster"] == "r p"
    assert facts["libraries"] == "numpy 2, scipy 1"
    assert origin(with_run(known, git_dirty=False))["commit"] == "a" * 12


def test_metrics_show_what_missing_cases_could_mean() -> None:
    grid = metrics(findings(run(job()))).grid
    assert grid is not None
    assert [name for name, _ in grid.header][-1] == "bounds"
    assert grid.rows[0][-1] == "-"


def test_a_baseline_of_means_goes_with_the_report() -> None:
    found = findings(run(job()), against=SummaryBaseline(means={"exact_match": 0.5}))
    assert verify_report(report_html(found), made_by="").differences == []
