"""The command that repeats a run: typed again, it asks for the same."""

import shlex
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import pytest

from pipex_core.app.commandline import command_of
from pipex_core.app.requests import EvalRequest
from pipex_core.evals.job import RunOptions
from pipex_core.llm.cost import Budget

plain = EvalRequest(suite="suites/a", target="p.yaml")


def words(request: EvalRequest, **provider: Any) -> list[str]:
    return shlex.split(command_of(request, {"kind": "mock", **provider}, results="results"))


def test_a_run_without_options_is_its_suite_and_its_target() -> None:
    assert words(plain) == [
        *("pipex", "eval", "run", "suites/a", "--target", "p.yaml"),
        *("--provider", "mock", "--results", "results"),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"metrics": ["exact_match:0.5", "bleu"]}, "--metric exact_match:0.5 --metric bleu"),
        ({"gate": "my gate.yaml", "baseline": "champion"},
         "--gate 'my gate.yaml' --baseline champion"),
        ({"repeats": 3, "seed": 7, "limit": 5}, "--repeats 3 --limit 5 --seed 7"),
        ({"sample_size": 9, "stratify": "tags"}, "--sample 9 --stratify tags"),
        ({"where": {"tags": "hard"}}, "--filter tags=hard"),
        ({"allow_uncertified": True, "allow_code": True, "fail_on_threshold": True},
         "--allow-uncertified --allow-code --fail-on-threshold"),
        ({"options": RunOptions(budget=Budget(name="run", max_cost_usd=Decimal("0.50"),
                                              max_calls=7, max_tokens=9))},
         "--max-cost 0.50 --max-calls 7 --max-tokens 9"),
        ({"options": RunOptions(budget=Budget(name="run", max_calls=7))}, "--max-calls 7"),
        ({"reducer": "median", "holding": "len(input) > 3"},
         "--reducer median --where 'len(input) > 3'"),
        ({"options": RunOptions(impute="exclude", second_pass=False, max_attempts=2)},
         "--set impute=exclude --set second_pass=false --set max_attempts=2"),
        ({"target": {"path": "p.yaml", "model": "m", "output_step": "s",
                     "bindings": {"inputs": {"a": "x y", "n": 2}}}},
         "--target p.yaml --output-step s --model m --bind 'a=x y' --bind n=2"),
        ({"target": {"kind": "prompt", "model": "m", "prompt": "{{ input }}"}},
         "--model m --prompt '{{ input }}'"),
    ],
    ids=["metrics", "gate", "numbers", "sample", "where", "flags", "caps", "cap", "where expression", "options", "pipeline", "prompt"],
)  # fmt: skip
def test_what_was_asked_for_is_said(fields: dict[str, Any], told: str) -> None:
    command = command_of(replace(plain, **fields), {"kind": "mock"}, results="results")
    assert told in command


def test_who_answered_is_said() -> None:
    replayed = words(plain, kind="replay", cassette="a b.jsonl", mock_responses=None)
    assert replayed[-6:-2] == ["--provider", "replay", "--cassette", "a b.jsonl"]


def test_nothing_is_said_where_no_words_can_say_it() -> None:
    provider = {"kind": "mock"}
    asked = (
        replace(plain, metrics=[{"type": "bleu"}]),
        replace(plain, judges={"default": {"model": "m"}}),
    )
    assert [command_of(one, provider, results="r") for one in asked] == ["", ""]


def test_every_field_of_a_request_was_thought_of() -> None:
    said = {
        *("suite", "target", "metrics", "gate", "baseline", "repeats", "where", "sample_size"),
        *("stratify", "limit", "seed", "options", "fail_on_threshold", "judges"),
        *("allow_uncertified", "allow_code", "reducer", "holding"),
    }
    # Of the run itself, or nothing that changes what is computed.
    unsaid = {"run_id", "labels", "carry"}
    assert set(asdict(plain)) - said - unsaid == set()
