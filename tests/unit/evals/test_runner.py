"""The engine: phases one by one and in one go, carried rows, resumed runs, budgets, and every kind of end."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.engine.journal import open_journal
from pipex_core.errors import ConfigError, RunLocked, StoreError
from pipex_core.evals.archive import Archive
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judgement import decide, judged_of, passed_filled_in, summarise
from pipex_core.evals.manifest import Circumstances
from pipex_core.evals.publication import Place, places, read_manifest
from pipex_core.evals.responding import respond
from pipex_core.evals.resuming import check_resume, header_of
from pipex_core.evals.runner import (
    EvalRun,
    evaluate,
    publish_run,
)
from pipex_core.evals.scoring import score
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.evals.table import from_parquet, row_digest
from pipex_core.evals.watching import watch
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import Budget
from pipex_core.llm.provider import Request, Response, Usage
from pipex_core.secrets import Redactor, Secret
from pipex_core.telemetry import Event
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.evaluation import (
    answering,
    capital_suite,
    capitals,
    case,
    job,
    prompt,
    recorded,
    run,
)
from tests.fakes.journals import BreakableJournals
from tests.fakes.provider import MemoryCallCache, ScriptedProvider
from tests.fakes.world import World

of_the_run = ["origin_run_id", "started_at", "finished_at", "cache", "carried"]


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """Rows without what only tells who made them and when."""
    kept = [name for name in table.column_names if name not in of_the_run]
    rows: list[dict[str, Any]] = table.select(kept).to_pylist()
    return rows


def carried_from(*runs: EvalRun) -> CarryIndex:
    return CarryIndex(
        responses=[one.responses for one in runs], scores=[one.scores for one in runs]
    )


def test_a_run_asks_every_case_scores_it_and_sums_up() -> None:
    world = World(answering({"it": "Milan"}))
    found = run(job(), world)
    assert found.status == "completed"
    assert len(world.provider.sent) == 5
    assert found.metrics["exact_match"].mean == 0.8
    assert found.responses["passed"].to_pylist() == [True, True, True, False, True]
    totals = found.summary.totals
    assert (totals.calls, totals.cost_nanousd, totals.n_passed, totals.n_case_failed) == (
        5,
        5_000_000,
        4,
        1,
    )


def test_phases_called_one_by_one_give_the_same_rows_as_in_one_go() -> None:
    made = job(run_id="ev_parts")
    world = World(answering())

    async def parts() -> EvalRun:
        journal = open_journal(
            world.journals, made.run_id, clock=world.clock, faults=world.services.faults
        )
        check_resume(made, journal)
        journal.start(header_of(made, world.services))
        responses = (await respond(made, world.services, journal=journal)).table
        await journal.close("completed")
        scores = score(made, responses)
        judgement = decide(made, summarise(made, responses, scores))
        around = Circumstances(started_at=world.clock.now(), finished_at=world.clock.now())
        return publish_run(made, responses, scores, judgement, around=around, blobs=MemoryBlobs())

    assert asyncio.run(parts()).row_digest == run(job()).row_digest


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_tables_are_equal_whatever_the_concurrency(at_once: int) -> None:
    found = run(job(options={"max_concurrency": at_once}))
    assert plain(found.responses) == plain(run(job()).responses)
    assert found.row_digest == run(job()).row_digest


def test_two_runs_of_the_same_are_equal_apart_from_ids_and_times() -> None:
    first, second = run(job(run_id="ev_1")), run(job(run_id="ev_2"))
    assert plain(first.scores) == plain(second.scores)
    assert first.row_digest == second.row_digest
    assert first.responses["origin_run_id"].to_pylist() == ["ev_1"] * 5


def test_one_answer_changed_is_another_digest() -> None:
    assert run(job(), World(answering({"fr": "Lyon"}))).row_digest != run(job()).row_digest


def test_what_an_earlier_run_has_is_carried_and_costs_nothing() -> None:
    first = run(job(run_id="ev_1"))
    world = World(answering())
    second = run(job(run_id="ev_2"), world, carry=carried_from(first))
    assert world.provider.sent == []
    assert plain(second.responses) == plain(first.responses)
    assert second.row_digest == first.row_digest
    assert second.responses["cache"].to_pylist() == ["carried"] * 5
    assert second.responses["origin_run_id"].to_pylist() == ["ev_1"] * 5
    assert second.scores["carried"].to_pylist() == [True] * 5
    totals = second.summary.totals
    assert (totals.cost_nanousd, totals.saved_nanousd, totals.n_carried, totals.calls) == (
        0,
        5_000_000,
        5,
        0,
    )


def test_a_changed_case_is_asked_again_and_no_other() -> None:
    first = run(job())
    cases = [case(name) for name in ("de", "es", "fr", "it")]
    changed = capital_suite([*cases, case("pt", input="And of Portugal?")])
    world = World(answering())
    run(job(changed, run_id="ev_2"), world, carry=carried_from(first))
    assert [request.prompt for request in world.provider.sent] == ["And of Portugal?"]


def test_a_renamed_case_keeps_its_answer_and_its_score() -> None:
    first = run(job())
    renamed = replace(case("pt"), id="portugal")
    suite = capital_suite([*(case(name) for name in ("de", "es", "fr", "it")), renamed])
    world = World(answering())
    second = run(job(suite, run_id="ev_2"), world, carry=carried_from(first))
    assert world.provider.sent == []
    assert second.responses["case_id"].to_pylist()[-1] == "portugal"
    assert second.scores["carried"].to_pylist() == [True] * 5


def test_another_model_shares_no_answer() -> None:
    first = run(job())
    world = World(answering())
    run(job(target=replace(prompt, model="n")), world, carry=carried_from(first))
    assert len(world.provider.sent) == 5


def test_a_metric_added_calls_no_model_and_scores_only_itself() -> None:
    first = run(job())
    world = World(answering())
    more = job(run_id="ev_2", metrics=["exact_match", "token_f1"])
    second = run(more, world, carry=carried_from(first))
    assert world.provider.sent == []
    by_metric = {
        (row["metric"], row["carried"]) for row in second.scores.to_pylist() if not row["submetric"]
    }
    assert by_metric == {("exact_match", True), ("token_f1", False)}


def test_a_threshold_changes_what_passed_and_computes_no_score() -> None:
    first = run(job(metrics=["token_f1"]), World(answering({"fr": "Paris it is"})))
    strict = job(run_id="ev_2", metrics=[{"type": "token_f1", "threshold": 0.9}])
    second = run(strict, World(), carry=carried_from(first))
    heads = [row for row in second.scores.to_pylist() if row["submetric"] is None]
    assert {row["carried"] for row in heads} == {True}
    assert {row["threshold"] for row in heads} == {0.9}
    assert [row["passed"] for row in heads] == [True, True, False, True, True]
    assert first.scores.num_rows == second.scores.num_rows


def test_submetrics_are_carried_with_their_metric() -> None:
    first = run(job(metrics=["token_f1"]))
    second = run(job(run_id="ev_2", metrics=["token_f1"]), World(), carry=carried_from(first))
    assert plain(second.scores) == plain(first.scores)
    assert second.row_digest == first.row_digest


def test_open_rows_of_an_earlier_run_are_asked_again() -> None:
    broken = {"responses": [{"when": {"contains": "it?"}, "error": {"kind": "server_error"}}]}
    rules = {"responses": broken["responses"] + answering()["responses"]}
    first = run(job(), World(rules))
    assert first.status == "incomplete"
    world = World(answering())
    second = run(job(run_id="ev_2"), world, carry=carried_from(first))
    assert [request.prompt for request in world.provider.sent] == ["Capital of it?"]
    assert second.row_digest == run(job()).row_digest


def test_a_damaged_stored_answer_is_a_miss_with_a_warning() -> None:
    first = run(job())
    place = first.responses.schema.get_field_index("output")
    changed = pa.array(["Bonn", *first.responses["output"].to_pylist()[1:]])
    damaged = first.responses.set_column(place, first.responses.schema.field(place), changed)
    world = World(answering())
    second = run(job(run_id="ev_2"), world, carry=CarryIndex(responses=[damaged]))
    assert len(world.provider.sent) == 1
    assert second.responses["output"].to_pylist()[0] == "Berlin"
    codes = [event.data["code"] for event in world.events if event.kind == "warning"]
    assert codes == ["cache_damaged"]


def test_a_killed_run_goes_on_with_the_rest_and_ends_as_if_it_had_not_been() -> None:
    journals = BreakableJournals(good_appends=3)
    world = World(answering(), journals=journals)
    with pytest.raises(StoreError):
        run(job(options={"max_concurrency": 1}), world)
    done = len({r["unit"] for r in journals.records_of("ev_1") if r["t"] == "unit_end"})
    assert 0 < done < 5
    journals.good_appends = 10**9
    again = World(answering(), journals=journals)
    found = run(job(options={"max_concurrency": 1}), again)
    assert len(again.provider.sent) == 5 - done
    assert plain(found.responses) == plain(run(job()).responses)
    assert found.row_digest == run(job()).row_digest


def test_a_finished_run_run_again_asks_nothing_and_says_the_same() -> None:
    journals = BreakableJournals()
    first = run(job(), World(answering(), journals=journals))
    world = World(answering(), journals=journals)
    assert run(job(), world).row_digest == first.row_digest
    assert world.provider.sent == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"target": replace(prompt, model="n")}, "target_digest"),
        ({"metrics": ["token_f1"]}, "plan_digest"),
        ({"suite": capital_suite([case("de")])}, "suite_digest, plan_digest"),
    ],
)
def test_a_run_is_not_resumed_as_another_one(changed: dict[str, Any], named: str) -> None:
    journals = BreakableJournals()
    run(job(), World(answering(), journals=journals))
    with pytest.raises(ConfigError, match=named) as refusal:
        run(job(**changed), World(answering(), journals=journals))
    assert refusal.value.code == "resume_mismatch"


def test_a_second_writer_is_refused() -> None:
    world = World(answering())
    log = world.journals.open_log("ev_1", "main")
    with pytest.raises(RunLocked):
        run(job(), world)
    log.close()


def test_results_that_cannot_be_written_leave_a_run_that_can_be_finished() -> None:
    journals, blobs = BreakableJournals(), BreakableBlobs()
    blobs.refuse = "storage_full"
    with pytest.raises(StoreError):
        run(job(), World(answering(), journals=journals), blobs=blobs)
    assert list(places(blobs)) == []
    blobs.refuse = ""
    world = World(answering(), journals=journals)
    run(job(), world, blobs=blobs)
    assert world.provider.sent == []
    assert [place.run_id for place in places(blobs)] == ["ev_1"]


def test_the_end_of_the_budget_is_incomplete_and_a_higher_cap_finishes_the_run() -> None:
    journals = BreakableJournals()
    small = {"budget": Budget(max_cost_usd=Decimal("0.0035")), "max_concurrency": 1}
    first = run(job(options=small), World(answering(), journals=journals))
    assert (first.status, first.judgement.outcome.reason) == ("incomplete", "budget")
    statuses = first.responses["status"].to_pylist()
    assert (statuses.count("ok"), statuses.count("not_run_budget")) == (3, 2)
    assert first.summary.metrics["exact_match"].n_missing == 2
    larger = {"budget": Budget(max_cost_usd=Decimal("0.0055")), "max_concurrency": 1}
    world = World(answering(), journals=journals)
    second = run(job(options=larger), world)
    assert (second.status, len(world.provider.sent)) == ("completed", 2)
    assert second.row_digest == run(job()).row_digest


def test_what_was_spent_before_a_resume_counts_against_the_budget() -> None:
    journals = BreakableJournals()
    cap = {"budget": Budget(max_cost_usd=Decimal("0.0035")), "max_concurrency": 1}
    run(job(options=cap), World(answering(), journals=journals))
    world = World(answering(), journals=journals)
    assert run(job(options=cap), world).status == "incomplete"
    assert world.provider.sent == []


def test_cases_are_asked_in_the_order_of_the_file_and_fairly_under_a_budget() -> None:
    def order(**options: Any) -> list[str]:
        world = World(answering())
        run(job(options={"max_concurrency": 1, **options}), world)
        return [request.prompt for request in world.provider.sent]

    in_file = [f"Capital of {name}?" for name in ("de", "es", "fr", "it", "pt")]
    assert order() == in_file
    fair = order(budget=Budget(max_calls=100))
    assert fair != in_file
    assert sorted(fair) == in_file


def test_an_error_of_the_account_fails_the_run() -> None:
    world = World({"default": {"error": {"kind": "auth", "message": "no key"}}})
    found = run(job(options={"max_concurrency": 1}), world)
    assert (found.status, found.judgement.outcome.reason) == ("failed", "auth")
    assert len(world.provider.sent) == 1


def test_a_deadline_of_a_case_is_a_hole_or_a_failure_as_the_run_says() -> None:
    slow = {"default": {"reply": "late", "latency_ms": 5000}}
    options = {"timeout_s": 1.0, "second_pass": False}
    hole = run(job(options=options), World(slow))
    assert set(hole.responses["class"].to_pylist()) == {"missing"}
    failure = run(job(options={**options, "timeout_is": "failure"}), World(slow))
    assert set(failure.responses["class"].to_pylist()) == {"target_failure"}
    assert set(failure.responses["status"].to_pylist()) == {"timeout"}
    assert (failure.status, failure.summary.metrics["exact_match"].mean) == ("completed", 0.0)


def test_a_deadline_that_counted_as_a_failure_is_asked_again_where_it_is_a_hole() -> None:
    slow = {"default": {"reply": "late", "latency_ms": 5000}}
    options = {"timeout_s": 1.0, "second_pass": False}
    failed = run(job(options={**options, "timeout_is": "failure"}), World(slow))
    world = World(answering())
    again = run(job(run_id="ev_2", options=options), world, carry=carried_from(failed))
    assert len(world.provider.sent) == 5
    assert set(again.responses["status"].to_pylist()) == {"ok"}
    kept = job(run_id="ev_3", options={**options, "timeout_is": "failure"})
    assert set(run(kept, World(), carry=carried_from(failed)).responses["cache"].to_pylist()) == {
        "carried"
    }


def test_a_resumed_run_asks_again_what_counts_as_a_hole_now() -> None:
    slow = {"default": {"reply": "late", "latency_ms": 5000}}
    options = {"timeout_s": 1.0, "second_pass": False}
    first = World(slow)
    run(job(options={**options, "timeout_is": "failure"}), first)
    world = World(answering(), journals=first.journals)
    again = run(job(options=options), world)
    assert set(again.responses["status"].to_pylist()) == {"ok"}


def test_what_was_paid_for_is_published_although_the_gate_can_say_nothing() -> None:
    rule = {"metric": "cost_total", "kind": "threshold", "value": 1, "bound": "ci"}
    blobs = MemoryBlobs()
    with pytest.raises(ConfigError) as refusal:
        run(replace(job(), gate=gate_of({"rules": [rule]})), World(answering()), blobs=blobs)
    assert refusal.value.code == "no_interval"
    (place,) = Archive(blobs).places()
    kept = Archive(blobs).load(place)
    assert kept.responses.num_rows == 5
    assert kept.manifest["run"]["verdict"] is None


def test_repeats_are_independent_answers() -> None:
    replies = {"responses": [{"replies": ["Berlin", "Bonn"]}]}
    found = run(
        job(capital_suite([case("de")]), repeats=2, options={"max_concurrency": 1}),
        World(replies),
    )
    assert found.responses["repeat"].to_pylist() == [0, 1]
    assert len(set(found.responses["response_key"].to_pylist())) == 2
    assert found.summary.metrics["exact_match"].mean == 0.5
    assert found.judgement.arm.metrics["exact_match"].flake_rate == 1.0


def test_recorded_answers_are_judged_without_a_call() -> None:
    world = World()
    found = run(job(target=recorded({"pt": "Porto"})), world)
    assert (found.summary.metrics["exact_match"].mean, world.provider.sent) == (0.8, [])
    assert found.manifest["target"]["kind"] == "recorded"


def test_an_answer_of_the_call_cache_is_the_same_row_and_costs_nothing() -> None:
    cache = MemoryCallCache()
    made = partial(job, target=paid)
    first = run(made(), cached(World(provider=Billed()), cache))
    world = cached(World(provider=Billed()), cache)
    second = run(made(run_id="ev_2"), world)
    assert world.provider.sent == []
    assert second.responses["cache"].to_pylist() == ["hit"] * 5
    assert second.row_digest == first.row_digest
    totals = second.summary.totals
    # Five times 1 000 tokens in and 100 out at 1 and 5 USD per million.
    assert (totals.cost_nanousd, totals.saved_nanousd, totals.calls) == (0, 7_500_000, 0)


def test_answers_that_cost_nothing_are_not_cached() -> None:
    cache = MemoryCallCache()
    run(job(), cached(World(answering()), cache))
    assert cache.entries == {}


def cached(world: World, cache: MemoryCallCache) -> World:
    client = LlmClient(
        providers={world.provider.name: world.provider},
        clock=world.clock,
        rng=Random(0),
        prices=world.services.client.prices,
        cache=cache,
    )
    return world.with_services(client=client)


def gated(**fields: Any) -> Any:
    rules = [{"metric": "exact_match", "kind": "threshold", "value": 0.7, "bound": "point"}]
    return gate_of({"baseline": "none", "rules": rules, **fields})


def test_a_gate_gives_its_verdict_and_stands_in_row_and_manifest() -> None:
    blobs = MemoryBlobs()
    found = run(job(gate=gated()), World(answering({"it": "Milan"})), blobs=blobs)
    assert found.verdict is not None
    assert found.verdict.verdict == "PASS"
    place = Place(suite_id="capitals", model_id="m", run_id="ev_1")
    manifest = read_manifest(blobs, place)
    assert manifest["verdict"]["verdict"] == "PASS"
    assert manifest["run"]["verdict"] == "PASS"
    rows = from_parquet("runs", blobs.get(place.key("runs", "part-00000.parquet")))
    assert rows["verdict"].to_pylist() == ["PASS"]


def test_a_baseline_gives_a_comparison_per_metric() -> None:
    before = run(job(), World(answering({"it": "Milan"})))
    baseline = judged_of(before.judgement)
    found = run(job(run_id="ev_2", baseline=baseline))
    rows = found.judgement.comparisons
    assert [(row.metric, row.baseline_run_id, row.n_wins) for row in rows] == [
        ("exact_match", "ev_1", 1)
    ]


def test_the_published_run_is_the_run() -> None:
    blobs = MemoryBlobs()
    found = run(job(), blobs=blobs)
    place = Place(suite_id="capitals", model_id="m", run_id="ev_1")
    stored = {
        name: from_parquet(name, blobs.get(place.key(name, "part-00000.parquet")))
        for name in ("responses", "scores")
    }
    assert row_digest(stored) == found.row_digest == read_manifest(blobs, place)["row_digest"]
    run_row = from_parquet("runs", blobs.get(place.key("runs", "part-00000.parquet"))).to_pylist()
    assert (run_row[0]["n_cases"], run_row[0]["pass_rate"], run_row[0]["status"]) == (
        5,
        1.0,
        "completed",
    )


def test_quarantined_cases_leave_every_number_that_a_gate_can_ask_for() -> None:
    suite = capital_suite([case("de"), case("fr", status="quarantined")])
    rules = answering()["responses"]
    slow = {"when": {"contains": "of fr?"}, "reply": "Paris", "latency_ms": 90_000, "cost": 1.0}
    summary = run(job(suite), World({"responses": [slow, *rules]})).summary
    numbers = {name: summary.value(name) for name in ("cost_total", "cost_per_case", "latency_p95")}
    assert numbers == {"cost_total": 0.001, "cost_per_case": 0.001, "latency_p95": 10.0}
    assert summary.totals.cost_nanousd == 1_001_000_000
    refused = {"when": {"contains": "of fr?"}, "error": {"kind": "content_filter", "message": "m"}}
    summary = run(job(suite), World({"responses": [refused, *rules]})).summary
    assert (summary.value("refusal_rate"), summary.totals.n_rows) == (0.0, 2)
    down = {"when": {"contains": "of fr?"}, "error": {"kind": "server_error", "message": "m"}}
    summary = run(job(suite), World({"responses": [down, *rules]})).summary
    assert (summary.value("missing_rate"), summary.totals.n_missing) == (0.0, 1)


def test_quarantined_cases_run_and_count_nowhere() -> None:
    suite = capital_suite([case("de"), case("fr", status="quarantined")])
    found = run(job(suite), World(answering({"fr": "Lyon"})))
    assert found.responses.num_rows == 2
    assert (found.summary.totals.n_cases, found.summary.metrics["exact_match"].mean) == (1, 1.0)
    assert found.summary.totals.n_quarantined == 1


def test_a_metric_of_one_case_judges_that_case_alone() -> None:
    special = case("de", metrics=({"type": "contains", "value": "Ber"},))
    found = run(job(capital_suite([special, case("fr")])))
    rows = {(row["case_id"], row["metric"]) for row in found.scores.to_pylist()}
    assert rows == {("de", "exact_match"), ("de", "contains"), ("fr", "exact_match")}
    assert found.summary.metrics["contains"].n_planned == 1


def test_a_metric_of_a_case_takes_the_place_of_the_runs_metric_of_that_name() -> None:
    lax = case("de", metrics=({"type": "exact_match", "ignore_case": True},))
    found = run(job(capital_suite([lax, case("fr")])), World(answering({"de": "BERLIN"})))
    assert found.scores["score"].to_pylist() == [1.0, 1.0]


def test_events_tell_start_progress_and_end() -> None:
    world = World(answering({"it": "Milan"}))
    run(job(), world)
    evaluation = [e for e in world.events if e.run_id == "ev_1"]
    assert [event.seq for event in evaluation] == list(range(1, len(evaluation) + 1))
    assert (evaluation[0].kind, evaluation[-1].kind) == ("eval_started", "eval_finished")
    assert evaluation[-1].data["status"] == "completed"
    last = [event for event in evaluation if event.kind == "progress"][-1].data
    assert (last["done"], last["total"], last["passed"], last["failed"]) == (5, 5, 4, 1)
    assert last["per_metric"] == {"exact_match": {"n": 5, "mean": 0.8}}


def test_the_journal_knows_how_the_run_ended() -> None:
    world = World(answering())
    run(job(), world)
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    closes = [r["status"] for r in journals.records_of("ev_1") if r["t"] == "close"]
    assert closes == ["completed"]


def test_a_cancelled_run_keeps_what_is_durable() -> None:
    journals = BreakableJournals()
    world = World(answering(), journals=journals)

    async def cancelled() -> None:
        made = job(options={"max_concurrency": 1})
        journal = open_journal(
            journals, made.run_id, clock=world.clock, faults=world.services.faults
        )
        journal.start(header_of(made, world.services))
        third = asyncio.Event()

        def hear(event: Event) -> None:
            if event.kind == "case_started" and len(world.provider.sent) == 2:
                third.set()

        services = world.with_services(listener=hear).services
        work = asyncio.create_task(respond(made, services, journal=journal))
        await third.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await journal.close()

    asyncio.run(cancelled())
    done = {r["unit"] for r in journals.records_of("ev_1") if r["t"] == "unit_end"}
    assert 1 <= len(done) < 5
    again = World(answering(), journals=journals)
    found = run(job(options={"max_concurrency": 1}), again)
    assert len(again.provider.sent) == 5 - len(done)
    assert found.row_digest == run(job()).row_digest


def test_watching_counts_planned_rows() -> None:
    made = job(repeats=3)
    assert watch(made, World().services).progress.total == 15


def test_passed_is_filled_in_from_required_metrics_with_a_threshold() -> None:
    entries = ["exact_match", {"type": "token_f1", "required": False, "threshold": 1.0}]
    found = run(job(metrics=entries), World(answering({"de": "berlin"})))
    refilled = passed_filled_in(found.responses, found.scores)
    assert refilled["passed"].to_pylist() == [False, True, True, True, True]


def test_the_manifest_says_what_was_measured_and_with_what() -> None:
    manifest = run(job(metrics=["exact_match", "latency"])).manifest
    assert [one["name"] for one in manifest["metrics"]] == ["exact_match", "latency"]
    assert manifest["metrics"][1]["range"] == [0.0, None]
    assert manifest["suite"]["id"] == "capitals"
    assert json.loads(json.dumps(manifest)) == manifest


def test_the_reducer_and_cluster_of_the_suite_hold() -> None:
    defaults = SuiteDefaults(
        metrics=("exact_match",), repeats=3, reducer="min", cluster_by="metadata.continent"
    )
    suite = capital_suite([case("de", metadata={"continent": "eu"})], defaults=defaults)
    replies = {"responses": [{"replies": ["Berlin", "Bonn", "Berlin"]}]}
    found = run(job(suite, options={"max_concurrency": 1}), World(replies))
    assert found.summary.metrics["exact_match"].mean == 0.0
    assert found.responses["cluster_id"].to_pylist() == ["eu"] * 3


class Billed(ScriptedProvider):
    """A provider that costs money and answers by the prompt."""

    def __init__(self) -> None:
        super().__init__([self._capital], name="anthropic")

    def _capital(self, request: Request) -> Response:
        name = request.prompt.removeprefix("Capital of ").removesuffix("?")
        return Response(text=capitals[name], usage=Usage(input=1_000, output=100))


def billed(journals: BreakableJournals) -> World:
    return World(provider=Billed(), journals=journals)


paid = replace(prompt, provider="anthropic", model="priced")


def test_an_answer_that_was_paid_is_not_bought_again_after_a_crash() -> None:
    journals = BreakableJournals(good_appends=6)
    one = {"max_concurrency": 1}
    with pytest.raises(StoreError):
        run(job(target=paid, options=one), billed(journals))
    answered = {r["unit"] for r in journals.records_of("ev_1") if r["t"] == "done"}
    assert answered
    journals.good_appends = 10**9
    again = billed(journals)
    found = run(job(target=paid, options=one), again)
    assert len(again.provider.sent) == 5 - len(answered)
    assert found.row_digest == run(job(target=paid), billed(BreakableJournals())).row_digest
    # 1 000 tokens in and 100 out at 1 and 5 USD per million.
    assert found.responses["cost_nanousd"].to_pylist() == [1_500_000] * 5


def test_a_call_whose_tries_crashes_used_up_is_asked_afresh_in_the_second_pass() -> None:
    journals = BreakableJournals()
    made = job(target=paid, options={"max_concurrency": 1})

    async def cut_off() -> None:
        provider = Billed()
        provider.gate = asyncio.Event()
        world = World(provider=provider, journals=journals)
        work = asyncio.create_task(evaluate(made, world.services, blobs=MemoryBlobs()))
        await world.provider.first_call()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    for _ in range(4):
        asyncio.run(cut_off())
    found = run(made, billed(journals))
    assert found.status == "completed"
    assert found.responses["attempts"].to_pylist() == [2, 1, 1, 1, 1]


def test_what_the_journal_says_was_paid_counts_against_the_budget_of_a_resumed_run() -> None:
    journals = BreakableJournals()
    options = {"max_concurrency": 1, "budget": Budget(max_calls=3)}
    first = run(job(target=paid, options=options), billed(journals))
    assert first.responses["status"].to_pylist().count("ok") == 3
    world = billed(journals)
    second = run(job(target=paid, options=options), world)
    assert (second.status, world.provider.sent) == ("incomplete", [])
    more = {"max_concurrency": 1, "budget": Budget(max_calls=5)}
    third = billed(journals)
    assert run(job(target=paid, options=more), third).status == "completed"
    assert len(third.provider.sent) == 2


def test_no_secret_reaches_a_table_or_the_journal() -> None:
    planted = "hunter2-hunter2"
    redact = Redactor(secrets=[Secret("key", planted)]).text
    asked = case(
        "de", input=f"Capital of de? {planted}", expected_output=planted, metadata={"k": planted}
    )
    blobs, journals = MemoryBlobs(), BreakableJournals()
    rules = {"default": {"json": {"answer": [planted], "n": 1}}}
    world = World(rules, journals=journals).with_services(redact=redact)
    found = run(job(capital_suite([asked])), world, blobs=blobs)
    assert found.responses["output"].to_pylist() == ['{"answer":["[redacted:key]"],"n":1}']
    assert found.responses["expected"].to_pylist() == ["[redacted:key]"]
    kept = [str(record) for record in journals.records_of("ev_1")]
    for name in ("responses", "scores"):
        key = Place(suite_id="capitals", model_id="m", run_id="ev_1").key(
            name, "part-00000.parquet"
        )
        kept.append(str(from_parquet(name, blobs.get(key)).to_pylist()))
    assert not [text for text in kept if planted in text]
    again = World(rules).with_services(redact=redact)
    run(job(capital_suite([asked]), run_id="ev_2"), again, carry=carried_from(found))
    assert again.provider.sent == []


def test_nothing_that_looks_like_a_secret_stands_in_any_file_of_a_run() -> None:
    planted = "sk-ant-api03-abcdefgh"
    redact = Redactor().text
    cases = [
        case(
            "de",
            metadata={planted: {planted: planted}},
            tags=(planted,),
            split=planted,
            cluster_id=planted,
            expected_output=f"Berlin {planted}",
        ),
        case("fr", expected_output={planted: 1}),
    ]
    metrics = [
        {"type": "regex_match", "name": "r", "pattern": planted},
        {"type": "json_valid", "name": "j"},
        "exact_match",
    ]
    blobs, journals = MemoryBlobs(), BreakableJournals()
    rules = {"default": {"json": {planted: [planted]}}}
    world = World(rules, journals=journals).with_services(redact=redact)
    asked = replace(prompt, prompt=f"{{{{ input }}}} {planted}", system=planted)
    made = job(capital_suite(cases), target=asked, metrics=metrics, labels={"k": planted})
    found = run(made, world, blobs=blobs)
    kept = [str(record) for record in journals.records_of("ev_1")]
    for key in blobs.list(""):
        data = blobs.get(key)
        if key.endswith(".parquet"):
            name = key.split("/")[0]
            kept.append(str(from_parquet(name, data).to_pylist()))  # type: ignore[arg-type]  # of the layout
            kept.append(str(pq.read_schema(pa.BufferReader(data)).metadata))
        else:
            kept.append(data.decode())
    assert not [text for text in kept if planted in text]
    again = World(rules).with_services(redact=redact)
    run(replace(made, run_id="ev_2"), again, carry=carried_from(found))
    assert again.provider.sent == []


def test_replies_that_were_paid_are_journalled_without_secrets() -> None:
    journals = BreakableJournals()
    world = billed(journals).with_services(redact=lambda text: text.replace("Berlin", "[redacted]"))
    run(job(target=paid), world)
    assert "Berlin" not in str(journals.records_of("ev_1"))


def test_recorded_answers_are_kept_without_secrets_too() -> None:
    redact = Redactor(secrets=[Secret("key", "hunter2-hunter2")]).text
    world = World().with_services(redact=redact)
    found = run(job(target=recorded({"de": "hunter2-hunter2"})), world)
    assert found.responses["output"].to_pylist()[0] == "[redacted:key]"
