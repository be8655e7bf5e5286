"""The wiring: who answers, with which keys, by which clock, and which settings stand below a workflow."""

import json
from datetime import date
from pathlib import Path

import pytest

from pipex_core.adapters.local import SystemClock, VirtualClock
from pipex_core.adapters.replay import RecordingProvider
from pipex_core.app.providing import Providing, providing_of
from pipex_core.app.settings import read_settings
from pipex_core.app.wiring import (
    build_services,
    metrics,
    prices_of,
    run_settings,
    shapes,
    shipped_prices,
    step_types,
    today,
)
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError
from pipex_core.spec.plan import Plan

keys = {"ANTHROPIC_API_KEY": "sk-a", "GEMINI_API_KEY": "g"}


def no_child(path: str, file: str) -> Plan:
    raise AssertionError(path + file)


def services(providing: Providing, **environment: str) -> Services:
    return build_services(read_settings(environment), providing, load_pipeline=no_child)


def test_the_mock_answers_for_all_vendors_on_a_clock_that_jumps() -> None:
    found = services(Providing())
    assert found.vendors == {"anthropic": "mock", "gemini": "mock"}
    assert isinstance(found.clock, VirtualClock)


@pytest.mark.parametrize(
    ("environment", "runs"),
    [
        ({}, True),
        ({"PIPEX_ALLOW_BASH": "false"}, False),
        ({"PIPEX_MODE": "production"}, False),
        ({"PIPEX_MODE": "production", "PIPEX_ALLOW_BASH": "true"}, True),
    ],
)
def test_commands_of_models_run_where_the_deployment_allows_them(
    environment: dict[str, str], *, runs: bool
) -> None:
    assert (services(Providing(), **environment).commands is not None) is runs


def test_answers_can_be_watched_on_the_terminal_and_by_the_caller() -> None:
    assert set(services(Providing()).watchers) == {"console", "simple", "debug", "buffer", "file"}
    heard = build_services(
        read_settings({}), Providing(), load_pipeline=no_child, on_delta=lambda _: None
    )
    assert "callback" in heard.watchers


def test_live_providers_are_made_for_the_keys_that_are_set() -> None:
    found = services(Providing(kind="live"), **keys)
    assert found.vendors == {"anthropic": "anthropic", "gemini": "gemini"}
    assert isinstance(found.clock, SystemClock)


@pytest.mark.parametrize(
    ("environment", "vendors", "clock"),
    [
        ({}, {"anthropic": "mock", "gemini": "mock"}, VirtualClock),
        ({"GEMINI_API_KEY": "g"}, {"anthropic": "mock", "gemini": "gemini"}, SystemClock),
        (keys, {"anthropic": "anthropic", "gemini": "gemini"}, SystemClock),
    ],
)
def test_mixed_is_live_where_a_key_is_set(
    environment: dict[str, str], vendors: dict[str, str], clock: type
) -> None:
    found = services(Providing(kind="mixed"), **environment)
    assert found.vendors == vendors
    assert isinstance(found.clock, clock)


def test_live_without_any_key_says_which_variable_to_set() -> None:
    with pytest.raises(ConfigError, match="set ANTHROPIC_API_KEY") as caught:
        services(Providing(kind="live"))
    assert caught.value.code == "auth"
    assert "--provider mock" in caught.value.next_step


def test_recording_stands_around_every_live_provider(tmp_path: Path) -> None:
    file = tmp_path / "cassette.jsonl"
    found = services(Providing(kind="live", record=str(file)), **keys)
    made = found.client.providers.values()
    assert len(made) == 2
    assert all(isinstance(one, RecordingProvider) for one in made)


def test_replay_needs_a_cassette_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a cassette") as caught:
        Providing(kind="replay")
    assert caught.value.next_step == "add --cassette FILE"
    file = tmp_path / "cassette.jsonl"
    with pytest.raises(ConfigError, match="there is no file"):
        services(Providing(kind="replay", cassette=str(file)))
    file.write_text("{}\n")
    with pytest.raises(ConfigError, match=f"^{file}: line 1"):
        services(Providing(kind="replay", cassette=str(file)))
    file.write_text("")
    found = services(Providing(kind="replay", cassette=str(file)))
    assert found.vendors == {"anthropic": "anthropic", "gemini": "gemini"}


def test_the_choice_of_a_call_is_stronger_than_the_setting_and_mock_is_nobodys_choice() -> None:
    settings = read_settings({"PIPEX_PROVIDER": "mixed", "PIPEX_MOCK_RESPONSES": "r.yaml"})
    assert providing_of(settings).kind == "mixed"
    chosen = providing_of(settings, kind="live", record="c.jsonl")
    assert (chosen.kind, chosen.record, chosen.mock_responses) == ("live", "c.jsonl", "r.yaml")
    usual = providing_of(read_settings({}))
    assert (usual.kind, usual.chosen) == ("mock", False)


def test_other_rules_are_another_identity(tmp_path: Path) -> None:
    assert Providing().identity == "mock"
    assert Providing(kind="live").identity == "live"
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("responses: []\n")
    two.write_text("responses: [{reply: a}]\n")
    first, second = (Providing(mock_responses=str(path)).identity for path in (one, two))
    assert first.startswith("mock:")
    assert first != second
    two.write_text("responses: []\n")
    assert Providing(mock_responses=str(two)).identity == first


def test_bad_rules_are_named_with_their_file(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("responses: [{repl: a}]\n")
    with pytest.raises(ConfigError, match=f"^{rules}: ") as caught:
        services(Providing(mock_responses=str(rules)))
    assert caught.value.code == "invalid_mock_responses"


def test_counts_of_the_mock_survive_in_a_checkpoint() -> None:
    found = services(Providing())
    saved = found.provider_state.save()
    assert json.loads(json.dumps(saved)) == saved
    found.provider_state.restore(saved)
    found.provider_state.restore(None)


def test_own_prices_come_before_the_shipped_ones(tmp_path: Path) -> None:
    assert prices_of(read_settings({})) is shipped_prices()
    path = tmp_path / "prices.yaml"
    path.write_text("as_of: 2030-01-01\nmodels: []\n")
    with pytest.raises(ConfigError, match="prices"):
        prices_of(read_settings({"PIPEX_PRICES": str(tmp_path / "none.yaml")}))
    assert today() >= date(2026, 1, 1)


def test_settings_below_a_workflow_leave_out_what_nobody_set() -> None:
    found = run_settings(read_settings({}))
    assert "max_retries" not in found
    assert "claude_model" not in found
    assert found["workspace_dir"] == "./workspace"
    found = run_settings(read_settings({"PIPELINE_MAX_RETRIES": "1", "CLAUDE_MODEL": "m"}))
    assert (found["max_retries"], found["claude_model"]) == (1, "m")


def test_every_step_type_and_alias_has_a_shape() -> None:
    assert {*step_types(), *step_types().aliases()} == set(shapes())
    assert shapes()["test_echo"] == shapes()["echo"]
    assert "exact_match" in metrics()
