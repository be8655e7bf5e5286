"""Providers as a person chooses them: live, recorded, replayed, mixed; what a day may cost; groups of models."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.provider_server import (
    ProviderServer,
    Reply as Served,
    anthropic_error,
    anthropic_message,
    good_key,
    running,
)
from tests.fakes.shell import Done, invoke

pytestmark = pytest.mark.e2e
asking = """\
workflow:
  name: asking
  defaults: {claude_model: haiku, gemini_model: gemini-3.8-flash}
  steps:
    - {name: a, type: claude, prompt: "one", claude_options: {max_tokens: 100}}
    - {name: b, type: gemini, prompt: "two", token_budget: {max_output_tokens: 100}}
"""


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ProviderServer) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("asking.yaml").write_text(asking)
    monkeypatch.setenv("PIPEX_ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("GEMINI_BASE_URL", server.url)
    return tmp_path


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", good_key)
    monkeypatch.setenv("GEMINI_API_KEY", good_key)


def ran(*words: str) -> Done:
    return invoke("run", "asking.yaml", *words, "--json")


def texts(done: Done) -> list[str]:
    return [record["text"] for record in done.document["steps"].values()]


def codes(done: Done) -> list[str]:
    return [warning["code"] for warning in done.document["warnings"]]


@pytest.mark.usefixtures("keys")
def test_what_was_recorded_is_replayed_without_a_server_at_the_same_cost(
    server: ProviderServer,
) -> None:
    recorded = ran("--provider", "live", "--record", "calls.jsonl")
    lines = [json.loads(line) for line in Path("calls.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [{"key", "request", "reply"}] * 2
    server.stop()
    replayed = ran("--provider", "replay", "--cassette", "calls.jsonl")
    assert texts(replayed) == texts(recorded) == ["four", "four"]
    assert replayed.document["cost_usd"] == recorded.document["cost_usd"] > 0
    Path("asking.yaml").write_text(asking.replace("haiku", "opus"))
    missed = ran("--provider", "replay", "--cassette", "calls.jsonl")
    assert (missed.code, missed.document["error"]["code"]) == (1, "replay_miss")


def test_mixed_asks_the_vendor_whose_key_is_set_and_mocks_the_other(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MODE", "mixed")
    monkeypatch.setenv("GEMINI_API_KEY", good_key)
    assert texts(ran()) == ["Mock response for: one", "four"]
    assert [request.path for request in server.requests] == [
        "/v1beta/models/gemini-3.8-flash:generateContent"
    ]
    monkeypatch.delenv("GEMINI_API_KEY")
    assert texts(ran()) == ["Mock response for: one", "Mock response for: two"]


@pytest.mark.usefixtures("keys")
def test_a_wait_of_an_hour_parks_the_run_for_somebody_to_resume(server: ProviderServer) -> None:
    server.script(anthropic_error(429, "rate_limit_error", headers={"retry-after": "3600"}))
    parked = ran("--provider", "live")
    assert parked.code == 75
    error = parked.document["error"]
    assert (error["code"], error["retryable"]) == ("rate_limit", True)
    assert error["retry_at"] > parked.document["started_at"]
    resumed = invoke("resume", parked.document["run_id"], "--json")
    assert (resumed.code, texts(resumed)) == (0, ["four", "four"])


@pytest.mark.usefixtures("keys")
def test_a_day_has_one_cap_for_all_runs(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {"input_tokens": 10, "output_tokens": 100}
    server.script(Served(body=anthropic_message(usage=usage)))
    # In millionths of a dollar, claude takes 51 and then 2.7, gemini 25.05 and at most 401.25 each time:
    # before its second call 78.75 are spent.
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "0.000470")
    assert ran("--provider", "live").code == 0
    stopped = ran("--provider", "live")
    error = stopped.document["error"]
    assert (stopped.code, error["code"]) == (1, "budget_exceeded")
    assert "budget 'day'" in error["message"]
    assert stopped.document["steps"]["a"]["success"]
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "1")
    assert invoke("resume", stopped.document["run_id"], "--json").code == 0


def test_alerts_of_a_budget_come_once_each() -> None:
    Path("rules.yaml").write_text("responses: [{reply: x, cost: 0.25}]\n")
    budget = "  budget: {max_cost_usd: 0.6}\n  environment: {cost_alerts: {threshold_usd: 0.4}}\n"
    Path("asking.yaml").write_text(asking.replace("  name: asking\n", f"  name: asking\n{budget}"))
    done = ran("--mock-responses", "rules.yaml")
    assert (done.code, codes(done)) == (0, ["budget_alert", "cost_alert"])
    quiet = budget.replace("{threshold_usd: 0.4}", "{enabled: false, threshold_usd: 0.4}")
    Path("asking.yaml").write_text(asking.replace("  name: asking\n", f"  name: asking\n{quiet}"))
    assert codes(ran("--mock-responses", "rules.yaml")) == ["budget_alert"]


def test_a_group_of_models_is_named_like_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("groups.yaml").write_text("groups: {quick: [claude-haiku-5-5, gemini-3.8-flash]}\n")
    Path("rules.yaml").write_text(
        "responses:\n"
        "  - {when: {model: claude-haiku-5-5, step: a}, error: {kind: not_found}}\n"
        "  - {reply: hi}\n"
    )
    monkeypatch.setenv("PIPEX_MODEL_GROUPS", "groups.yaml")
    Path("asking.yaml").write_text(
        asking.replace("haiku", "quick").replace("gemini-3.8-flash", "quick")
    )
    done = ran("--mock-responses", "rules.yaml")
    records = done.document["steps"]
    assert [(one["model"], one["degraded"]) for one in records.values()] == [
        ("gemini-3.8-flash", True),
        ("claude-haiku-5-5", False),
    ]
    assert records["a"]["metadata"]["fallback_from"] == "claude-haiku-5-5"
    Path("groups.yaml").write_text("groups: {quick: {strategy: best, models: [opus]}}\n")
    wrong = ran("--mock-responses", "rules.yaml")
    assert (wrong.code, wrong.document["error"]["code"]) == (2, "invalid_model_groups")
