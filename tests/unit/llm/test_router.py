"""Groups of models: who is asked first, who stands in after which failure, and files that cannot be used."""

from dataclasses import replace

import pytest

from pipex_core.errors import (
    AuthFailed,
    CircuitOpen,
    ConfigError,
    ConnectionFailed,
    EmptyReply,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    Refused,
    ServerFailed,
    SpendLimit,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Message, Request
from pipex_core.llm.router import Router, Strategy, gives_up, groups_of, rerouted
from tests.fakes.calling import World, run
from tests.fakes.provider import answer

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [big], valid_from: 2026-11-23, input: "4", output: "20", cache_read: "1"}
  - {provider: anthropic, match: [mid], valid_from: 2026-11-23, input: "1", output: "2", cache_read: "1"}
  - {provider: gemini, match: [wordy], valid_from: 2026-11-23, input: "0.1", output: "9", cache_read: "1"}
"""
)
question = Request(
    provider="anthropic",
    model="any",
    messages=[Message(role="user", text="x" * 100)],
    max_tokens=100,
)


def router(strategy: Strategy, *models: Json, serves: dict[str, str] | None = None) -> Router:
    document = {"groups": {"any": {"strategy": strategy, "models": list(models)}}}
    return Router(groups_of(document, prices), prices=prices, serves=serves)


def order(found: Router, request: Request = question) -> list[str]:
    return [one.model for one in found.routed(request)]


def test_a_model_is_not_routed() -> None:
    asked = replace(question, model="mid")
    assert Router({}, prices=prices).routed(asked) == [asked]
    assert not router("in_order", "big").is_group("mid")


def test_models_are_tried_in_the_order_of_the_file() -> None:
    assert order(router("in_order", "wordy", "mid", "big")) == ["wordy", "mid", "big"]


def test_a_list_is_a_group_in_order() -> None:
    groups = groups_of({"groups": {"any": ["mid", "big"]}}, prices)
    assert order(Router(groups, prices=prices)) == ["mid", "big"]


def test_the_cheapest_depends_on_the_call() -> None:
    found = router("cheapest", "big", "wordy", "mid")
    # 132 bytes and 100 tokens out: mid 332, wordy 913, big 2 528 millionths of a dollar
    assert order(found) == ["mid", "wordy", "big"]
    # 10 032 bytes and 1 token out: wordy 1 012, mid 10 034, big 40 148
    long = replace(question, messages=[Message(role="user", text="x" * 10_000)], max_tokens=1)
    assert order(found, long) == ["wordy", "mid", "big"]


def test_the_most_capable_is_the_dearest() -> None:
    assert order(router("most_capable", "mid", "wordy", "big")) == ["big", "wordy", "mid"]


def test_the_fastest_is_measured_and_the_unmeasured_come_first() -> None:
    found = router("fastest", "big", "mid", "wordy")
    asked = {one.model: one for one in found.routed(question)}
    found.answered(asked["big"], latency_ms=1000, output=100)  # 10 ms a token
    assert order(found) == ["mid", "wordy", "big"]
    found.answered(asked["mid"], latency_ms=2000, output=100)
    found.answered(asked["wordy"], latency_ms=500, output=0)
    assert order(found) == ["big", "mid", "wordy"]
    for _ in range(3):
        found.answered(asked["big"], latency_ms=9000, output=100)
    assert order(found) == ["mid", "big", "wordy"]


def test_turns_go_round() -> None:
    found = router("round_robin", "big", "mid", "wordy")
    assert [order(found)[0] for _ in range(4)] == ["big", "mid", "wordy", "big"]
    assert order(found) == ["mid", "wordy", "big"]


def test_each_model_goes_to_its_vendor_or_to_who_answers_for_it() -> None:
    models = ("big", "wordy", {"provider": "gemini", "model": "unheard-of"})
    assert [(r.provider, r.model) for r in router("in_order", *models).routed(question)] == [
        ("anthropic", "big"),
        ("gemini", "wordy"),
        ("gemini", "unheard-of"),
    ]
    mocked = router("in_order", *models, serves={"anthropic": "mock", "gemini": "mock"})
    assert {r.provider for r in mocked.routed(question)} == {"mock"}


def test_what_a_vendor_wrote_for_itself_is_not_sent_to_another() -> None:
    turn = Message(role="assistant", text="hm", parts=[{"thinking": "x", "signature": "s"}])
    asked = replace(question, messages=[*question.messages, turn])
    assert rerouted(asked, provider="anthropic", model="mid").messages == asked.messages
    assert rerouted(asked, provider="gemini", model="wordy").messages == [
        question.messages[0],
        replace(turn, parts=()),
    ]


@pytest.mark.parametrize(
    ("error", "alone", "in_a_list"),
    [
        (Overloaded("x"), True, True),
        (ServerFailed("x"), True, True),
        (ModelNotFound("x"), True, True),
        (CircuitOpen("x"), True, True),
        (ConnectionFailed("x"), False, True),
        (ProviderTimeout("x"), False, True),
        (ConnectionFailed("x", detail="attempts_used_up"), True, True),
        (RateLimited("x"), False, False),
        (CircuitOpen("x", detail="auth"), False, False),
        (CircuitOpen("x", detail="spend_limit"), False, False),
        (AuthFailed("x"), False, False),
        (SpendLimit("x"), False, False),
        (Refused("x"), False, False),
        (EmptyReply("x"), False, False),
    ],
    ids=lambda value: f"{value.code} {value.detail}" if isinstance(value, ProviderError) else "",
)
def test_only_failures_that_say_nothing_of_the_question_are_stood_in_for(
    error: ProviderError, *, alone: bool, in_a_list: bool
) -> None:
    assert gives_up(error, in_a_list=False) is alone
    assert gives_up(error, in_a_list=True) is in_a_list


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the file: expected a map with groups and nothing else"),
        ({"groups": {}, "more": 1}, "the file: expected a map with groups"),
        ({"groups": {"g": "big"}}, "groups.g: must be a map or a list, not string"),
        ({"groups": {"g": {"models": []}}}, "groups.g.models: must be a list with at least one"),
        ({"groups": {"g": {"models": ["bug"]}}}, "groups.g.models[0]: whose model 'bug' is"),
        ({"groups": {"g": {"models": [1]}}}, "groups.g.models[0]: must be a model's id or a map"),
        ({"groups": {"g": [{"model": "x"}]}}, "groups.g.models[0].provider: must be text"),
        (
            {"groups": {"g": [{"provider": "gemini", "model": "x", "modell": 1}]}},
            "groups.g.models[0].modell: unknown field; did you mean 'model'?",
        ),
        (
            {"groups": {"g": {"strategy": "cheap", "models": ["big"]}}},
            "groups.g.strategy: must be one of in_order, cheapest, fastest, most_capable, round_robin",
        ),
        ({"groups": {"g": {"strat": 1, "models": ["big"]}}}, "groups.g.strat: unknown field"),
        ({"groups": {"big": ["mid"]}}, "groups.big: a model has this name"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(document: Json, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        groups_of(document, prices)
    assert message in caught.value.message
    assert caught.value.code == "invalid_model_groups"


def test_a_call_that_belongs_to_no_step_names_no_group() -> None:
    world = World()
    world.route(router("in_order", "big"))
    with pytest.raises(ConfigError, match="'any' is a group of models"):
        run(world.call(question))
    assert world.provider.sent == []


def test_answers_of_calls_are_measured() -> None:
    world = World(replace(answer(), latency_ms=10.0))
    found = router("fastest", "big", "mid")
    world.route(found)
    run(world.call(replace(question, model="big")))
    assert order(found) == ["mid", "big"]
