"""Judges in a run: asked once about each answer, durably, within the budget, and never counted as the target."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.engine.journal import open_journal
from pipex_core.errors import StoreError
from pipex_core.evals.archive import Archive
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.preflight import dry_run
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import Budget
from pipex_core.llm.provider import Request, Response, Usage
from pipex_core.secrets import Redactor, Secret
from tests.fakes.evaluation import answering, capitals, case, recorded, run
from tests.fakes.journals import BreakableJournals
from tests.fakes.judged_runs import always_four, calls, carried, judged_job, judging, row
from tests.fakes.judges import bench, replies, ruling_of_the_mock, scored
from tests.fakes.provider import MemoryCallCache, ScriptedProvider
from tests.fakes.world import World


def test_a_judged_metric_has_a_score_and_says_who_gave_it() -> None:
    found = run(judged_job(), judging(always_four))
    one = row(found, "fr")
    assert (one["score"], one["passed"], one["status"]) == (0.75, True, "scored")
    assert json.loads(one["explanation"]) == {"reasoning": "good", "score": 4}
    assert (one["judge_id"], one["judge_certificate"]) == ("j-1", None)
    assert len(one["judge_fingerprint"]) == 64
    assert json.loads(one["judge_votes"]) == [{"label": None, "model": "j-1", "value": 0.75}]
    assert one["judge_cost_nanousd"] == 1_000_000
    assert row(found, "fr", "exact_match")["judge_id"] is None


def test_cost_and_time_of_the_judge_are_not_those_of_the_candidate() -> None:
    found = run(judged_job(), judging(always_four))
    totals = found.summary.totals
    assert (totals.calls, totals.cost_nanousd) == (5, 5_000_000)
    assert totals.judge_cost_nanousd == 5_000_000
    assert found.responses["latency_ms"].to_pylist() == [10.0] * 5
    assert found.spent.nanousd == 10_000_000
    assert found.manifest["run"]["judge_cost_nanousd"] == 5_000_000


def test_calls_of_judges_stand_in_the_table_of_calls() -> None:
    blobs = MemoryBlobs()
    run(judged_job(), judging(always_four), blobs=blobs)
    archive = Archive(blobs)
    rows = archive.table(archive.find("ev_1"), "calls").to_pylist()
    judges = [one for one in rows if one["role"] == "judge"]
    assert {one["case_id"] for one in judges} == set(capitals)
    assert {one["metric"] for one in judges} == {"relevance"}
    assert {one["model"] for one in judges} == {"j-1"}
    assert sum(one["role"] == "target" for one in rows) == 5


def test_the_manifest_names_the_judges() -> None:
    found = run(judged_job(), judging(always_four))
    (judge,) = found.manifest["judges"]
    assert (judge["metric"], judge["id"], judge["votes"]) == ("relevance", "j-1", 1)
    assert judge["members"][0]["options"] == {"temperature": 0.0}


def test_a_failing_judge_leaves_the_score_open_and_the_run_incomplete() -> None:
    broken = {
        "when": {"type": "judge", "contains": "Capital of fr?"},
        "error": {"kind": "invalid_request"},
    }
    found = run(judged_job(), judging(broken, always_four))
    assert (row(found, "fr")["code"], row(found, "fr")["score"]) == ("judge_error", None)
    assert found.metrics["relevance"].mean == 0.75
    assert found.metrics["relevance"].n_missing == 1
    assert (found.status, found.judgement.outcome.reason) == ("incomplete", "missing_scores")


def test_an_unreadable_judge_is_mended_or_open() -> None:
    found = run(
        judged_job(), judging(replies(["nonsense"], contains="Capital of it?"), always_four)
    )
    assert row(found, "it")["code"] == "judge_parse"
    assert row(found, "it")["explanation"] == "nonsense\n\nnonsense\n\nnonsense"


def test_nobody_is_asked_about_an_answer_that_is_not_there() -> None:
    cases = [case("fr"), case("xx", expected_output="x")]
    target = recorded()
    world = judging(always_four)
    found = run(judged_job(cases=cases, target=target), world)
    assert row(found, "xx")["code"] == "not_run"
    assert calls(world) == 1


def test_a_second_run_asks_no_judge_and_its_price_is_not_paid_again() -> None:
    first = run(judged_job(), judging(always_four))
    world = judging(always_four)
    again = run(judged_job(run_id="ev_2"), world, carry=carried(first))
    assert calls(world) == 0
    assert row(again, "fr")["carried"] is True
    assert row(again, "fr")["judge_cost_nanousd"] == 1_000_000
    assert again.summary.totals.judge_cost_nanousd == 0
    assert again.row_digest == first.row_digest


def test_another_judge_makes_its_scores_stale_and_no_answer() -> None:
    first = run(judged_job(), judging(always_four))
    world = judging(always_four)
    other = judged_job(("exact_match", {"type": "relevance", "model": "j-2"}), run_id="ev_2")
    run(other, world, carry=carried(first))
    assert (calls(world), calls(world, "target")) == (5, 0)


def test_a_threshold_or_a_certificate_changes_no_verdict() -> None:
    first = run(judged_job(), judging(always_four))
    world = judging(always_four)
    certified = bench(certificate=lambda _: "cert-1")
    other = judged_job(({"type": "relevance", "threshold": 0.9},), run_id="ev_2", bench=certified)
    again = run(other, world, carry=carried(first))
    assert calls(world) == 0
    assert (row(again, "fr")["passed"], row(again, "fr")["judge_certificate"]) == (False, "cert-1")


def test_equal_answers_to_one_case_are_judged_once() -> None:
    world = judging(always_four)
    found = run(judged_job(repeats=3), world)
    assert calls(world, "target") == 15
    assert calls(world) == 5
    assert [one["score"] for one in found.scores.to_pylist() if one["metric"] == "relevance"] == [
        0.75
    ] * 15


def test_an_interrupted_run_goes_on_without_asking_again() -> None:
    journals = BreakableJournals()
    whole = run(judged_job(), judging(always_four))
    first = World({"responses": [always_four, *answering()["responses"]]}, journals=journals)
    broken = BlobsThatFail()
    with pytest.raises(StoreError):
        run(judged_job(), first, blobs=broken)
    assert calls(first) == 5
    second = World({"responses": [always_four, *answering()["responses"]]}, journals=journals)
    found = run(judged_job(), second)
    assert len(second.provider.sent) == 0
    assert found.row_digest == whole.row_digest
    assert found.spent == whole.spent


def test_calls_that_cost_money_are_not_paid_twice_when_a_run_goes_on() -> None:
    journals = BreakableJournals()
    first, _ = live_world(journals)
    made = judged_job(("relevance",), cases=[case("fr"), case("de")])
    with pytest.raises(StoreError):
        run(made, first, blobs=BlobsThatFail())
    second, _ = live_world(journals)
    found = run(made, second)
    assert second.provider.sent == []
    assert (found.spent.calls, found.metrics["relevance"].mean) == (4, 0.75)


def test_a_journal_that_fails_stops_the_judges() -> None:
    whole = BreakableJournals()
    rules = {"responses": [always_four, *answering()["responses"]]}
    made = judged_job(options={"max_concurrency": 1})
    run(made, World(rules, journals=whole))
    # The last appends are those of five verdicts and of the end.
    world = World(rules, journals=BreakableJournals(good_appends=whole.appends - 4))
    with pytest.raises(StoreError):
        run(made, world)
    assert 0 < calls(world) < 5


class BlobsThatFail(MemoryBlobs):
    """A store that takes nothing."""

    def put(self, key: str, data: bytes) -> None:
        raise StoreError(f"no room for {len(data)} bytes at {key}", code="disk_full")


def test_an_open_verdict_is_asked_for_again_when_the_run_goes_on() -> None:
    journals = BreakableJournals()
    down = {"when": {"type": "judge"}, "error": {"kind": "invalid_request"}}
    first = World({"responses": [down, *answering()["responses"]]}, journals=journals)
    assert run(judged_job(), first).status == "incomplete"
    second = World({"responses": [always_four, *answering()["responses"]]}, journals=journals)
    found = run(judged_job(), second, blobs=MemoryBlobs())
    assert found.status == "completed"
    assert (calls(second), calls(second, "target")) == (5, 0)


def test_another_judge_is_another_run() -> None:
    one = judged_job()
    other = judged_job(("exact_match", {"type": "relevance", "model": "j-2"}))
    assert one.plan_digest != other.plan_digest


def test_the_budget_of_the_run_holds_for_judges_too() -> None:
    budget = Budget(max_cost_usd=Decimal("0.007"))
    world = judging(always_four)
    found = run(judged_job(options={"budget": budget, "max_concurrency": 1}), world)
    codes = [one["code"] for one in found.scores.to_pylist() if one["metric"] == "relevance"]
    assert sorted(map(str, codes)) == ["None", "None", "budget", "budget", "budget"]
    assert found.spent.nanousd == 7_000_000
    assert (found.status, found.judgement.outcome.reason) == ("incomplete", "budget")
    assert found.metrics["exact_match"].n_scored == 5


def paid(request: Request) -> Response:
    is_judge = request.origin.role == "judge"
    text = json.dumps(scored("good", 4)) if is_judge else "Paris"
    return Response(text=text, usage=Usage(input=1000, output=200))


def live_world(journals: BreakableJournals | None = None) -> tuple[World, MemoryCallCache]:
    """A provider that costs money, behind a call cache."""
    world = World(provider=ScriptedProvider([paid], name="mock"), journals=journals)
    cache = MemoryCallCache()
    client = LlmClient(
        providers={"mock": world.provider},
        clock=world.clock,
        rng=world.services.rng,
        prices=world.services.client.prices,
        cache=cache,
    )
    return world.with_services(client=client), cache


def test_replies_that_cost_money_are_journalled_one_by_one_and_cached() -> None:
    journals = BreakableJournals()
    world, cache = live_world(journals)
    made = judged_job(("relevance",), cases=[case("fr"), case("de")])
    found = run(made, world)
    assert found.metrics["relevance"].mean == 0.75
    assert len(cache.entries) == 4
    records = open_journal(
        journals, "ev_1", clock=world.clock, faults=world.services.faults
    ).records()
    judged = [one for one in records if str(one.get("unit", "")).startswith("judge:")]
    assert [one["t"] for one in judged].count("begin") == 2
    assert [one["t"] for one in judged].count("done") == 2
    ends = [one for one in judged if one["t"] == "unit_end"]
    assert {one["unit"] for one in ends} == {"judge:fr#0/relevance", "judge:de#0/relevance"}


def test_a_cached_reply_costs_what_it_cost_and_is_not_sent() -> None:
    world, cache = live_world()
    made = judged_job(("relevance",), cases=[case("fr")])
    first = run(made, world)
    other, _ = live_world()
    client = LlmClient(
        providers={"mock": other.provider},
        clock=other.clock,
        rng=other.services.rng,
        prices=other.services.client.prices,
        cache=cache,
    )
    again = run(replace(made, run_id="ev_2"), other.with_services(client=client))
    assert other.provider.sent == []
    assert again.row_digest == first.row_digest
    assert again.spent.calls == 0


def test_secrets_are_in_no_record_of_a_judge() -> None:
    journals = BreakableJournals()
    leak = ruling_of_the_mock("relevance", scored("the key is s3cr3t-key", 4))
    world = World({"responses": [leak, *answering()["responses"]]}, journals=journals)
    redactor = Redactor(secrets=[Secret("KEY", "s3cr3t-key")])
    world = world.with_services(redact=redactor.text)
    found = run(judged_job(), world)
    assert "s3cr3t" not in row(found, "fr")["explanation"]
    records = open_journal(
        journals, "ev_1", clock=world.clock, faults=world.services.faults
    ).records()
    assert "s3cr3t" not in str(list(records))


def test_warnings_about_judges_are_events_and_stand_in_plan_and_manifest() -> None:
    world = judging(always_four)
    made = judged_job(({"type": "relevance", "model": "m"},))
    assert [code for code, _ in made.warnings] == ["self_judged"]
    plan = dry_run(made, carried=lambda _: None, done=lambda _: None)
    assert plan.warnings[0][0] == "self_judged"
    found = run(made, world)
    assert [e.data["code"] for e in world.events if e.kind == "warning"] == ["self_judged"]
    assert found.manifest["warnings"][0]["code"] == "self_judged"


gate = gate_of({"rules": [{"id": "r", "metric": "relevance", "kind": "threshold", "value": 0.5, "bound": "point"}]})  # fmt: skip


def test_a_judge_without_certificate_cannot_gate() -> None:
    found = run(judged_job(gate=gate), judging(always_four))
    assert found.verdict is not None
    assert found.verdict.verdict == "INCONCLUSIVE"
    assert found.verdict.rules[0].reason == "judge_uncertified"


def test_a_certified_judge_gates_and_an_allowed_one_is_told() -> None:
    certified = judged_job(gate=gate, bench=bench(certificate=lambda _: "cert"))
    assert run(certified, judging(always_four)).verdict.verdict == "PASS"  # type: ignore[union-attr]  # there is a gate
    allowed = run(judged_job(gate=replace(gate, require_certificate=False)), judging(always_four))
    assert allowed.verdict is not None
    assert allowed.verdict.verdict == "PASS"
    assert allowed.verdict.warnings[0].startswith("uncertified_judge: allowed to gate")
