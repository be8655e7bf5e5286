"""Cases that a model writes: exactly as many as were asked for, valid and unique, or those that there are."""

import asyncio
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from pipex_core.errors import AuthFailed, ConfigError, ProviderError, SpecError
from pipex_core.evals.curate import is_unverified
from pipex_core.evals.suite import Case, Suite, hashes
from pipex_core.evals.synthesis import Author, CaseSpec, Generated, generate_cases
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Response, Usage
from tests.fakes.calling import prices
from tests.fakes.clock import ManualClock
from tests.fakes.provider import MemoryCallLog, ScriptedProvider

empty = Suite(id="qa", cases=())
spec = CaseSpec(text="Questions about orders.")


def draft(text: str, **more: Json) -> dict[str, Json]:
    return {"input": text, "expected_output": f"about {text}", **more}


def reply(*drafts: Json, fenced: bool = False) -> Response:
    text = json.dumps({"cases": drafts})
    return Response(
        text=f"```json\n{text}\n```" if fenced else text, usage=Usage(input=9, output=9)
    )


trees = "alder birch cedar damson elder fir ginkgo hazel iroko juniper kapok larch maple"


def numbered(*numbers: int) -> list[Json]:
    words = trees.split()
    return [draft(f"{words[i % 13]} number {i} of {words[-1 - i % 13]}") for i in numbers]


def generated(
    provider: ScriptedProvider, count: int, *, suite: Suite = empty, of: CaseSpec = spec, **more: Any
) -> Generated:  # fmt: skip
    client = LlmClient(
        providers={provider.name: provider},
        clock=ManualClock(auto=True),
        rng=random.Random(1),
        prices=prices,
        limits=Limits(),
    )
    known = {
        "ledger": Ledger(Budget()),
        "created_at": "2026-01-02T03:04:05Z",
        "retry": RetryPolicy(max_retries=0),
        **more,
    }
    author = Author(
        client=client, log=MemoryCallLog("generate"), provider=provider.name, model="m", **known
    )
    return asyncio.run(generate_cases(of, count, suite=suite, author=author))


def test_duplicates_and_invalid_drafts_are_replaced_until_there_are_exactly_twelve() -> None:
    twice = [draft("alder number 0 of maple"), draft("birch number 1 of larch"), *numbered(2)]
    provider = ScriptedProvider(
        [
            reply(
                *numbered(0, 1, 2, 3, 4, 5), *twice, {"expected_output": "none"}, draft(" "), "x"
            ),
            reply(*numbered(*range(6, 20)), fenced=True),
        ]
    )
    found = generated(provider, 12, seed=7)
    assert found.is_complete
    assert len(found.cases) == len({hashes(case).input_hash for case in found.cases}) == 12
    assert dict(found.counts) == {
        "rounds": 2, "proposed": 26, "invalid": 3, "duplicates": 3, "near_duplicates": 0,
        "surplus": 8, "unusable_replies": 0,
    }  # fmt: skip
    assert len(found.invalid) == 3
    assert found.stopped_by is None
    assert "Write 6 test cases" in provider.sent[1].prompt
    assert "Write 12 test cases" in provider.sent[0].prompt


def test_a_case_says_who_wrote_it_and_that_nobody_looked_at_it_yet() -> None:
    sly = draft(
        "alder", id="mine", status="frozen", weight=9, source={"reference": "accepted"}, tags=["b"]
    )
    provider = ScriptedProvider([reply(sly, {"input": "no reference"})])
    found = generated(provider, 2, seed=3)
    by_input = {str(case.input): case for case in found.cases}
    made = by_input["alder"]
    assert made.id == f"syn_{hashes(made).input_hash[:12]}"
    source = dict(made.source or {})
    assert len(str(source.pop("prompt_sha256"))) == 64
    assert source == {
        "generator": "pipex.synthesis/1", "model": "m", "seed": 3, "reference": "synthetic",
    }  # fmt: skip
    assert (made.tags, made.created_at) == (("b", "synthetic"), "2026-01-02T03:04:05Z")
    assert (made.status, made.weight) == ("active", 1.0)
    assert is_unverified(made)
    assert not is_unverified(by_input["no reference"])


def test_what_the_suite_asks_is_not_asked_again_and_the_last_batch_is_shown() -> None:
    long = "please tell me how I can change the address of my order before it leaves"
    suite = Suite(
        id="qa", cases=(Case(id="a", input=f"{long} today"), Case(id="b", input="Hi there"))
    )
    provider = ScriptedProvider(
        [reply(draft(f"{long} now"), draft("Hi there"), draft("new one")), reply(*numbered(1, 2))]
    )
    found = generated(provider, 2, suite=suite)
    assert found.counts["near_duplicates"] == found.counts["duplicates"] == 1
    assert found.counts["surplus"] == 1
    first, second = (request.prompt for request in provider.sent)
    assert "Hi there" in first
    assert "written already" not in first
    assert f'written already, so write others:\n"{long} now"\n"Hi there"\n"new one"' in second


def test_a_dry_provider_ends_after_the_last_round_with_what_there_is() -> None:
    provider = ScriptedProvider([reply(*numbered(0, 1))])
    found = generated(provider, 21)
    assert not found.is_complete
    assert (len(found.cases), found.stopped_by) == (2, "max_rounds")
    assert len(provider.sent) == 2 + 3 * 2
    assert len({request.repeat for request in provider.sent}) == 8
    fewer = ScriptedProvider([reply(*numbered(0, 1))])
    generated(fewer, 3, of=CaseSpec(text="x", max_rounds=4))
    assert len(fewer.sent) == 4


def test_a_budget_and_a_failing_service_end_the_work_and_keep_what_there_is() -> None:
    ledger = Ledger(Budget(max_calls=1))
    found = generated(ScriptedProvider([reply(*numbered(0, 1))]), 5, ledger=ledger)
    assert (len(found.cases), found.stopped_by) == (2, "budget_exceeded")
    dear = Ledger(Budget(max_cost_usd=Decimal("0.000001")))
    none = generated(ScriptedProvider(), 5, ledger=dear)
    assert (none.cases, none.stopped_by) == ((), "budget_exceeded")
    error: ProviderError = AuthFailed("no key")
    broken = generated(ScriptedProvider([reply(*numbered(0)), error]), 2)
    assert (len(broken.cases), broken.stopped_by, broken.message) == (1, "auth", "no key")


def test_a_reply_that_is_no_list_costs_a_round_and_halves_the_next() -> None:
    lines = [Response(text='{"cases": [{"inp'), Response(text="[1]"), reply(*numbered(*range(20)))]
    provider = ScriptedProvider(lines)
    found = generated(provider, 20)
    assert found.counts["unusable_replies"] == 1
    assert found.counts["invalid"] == 1
    sizes = [request.prompt.split()[1] for request in provider.sent]
    assert sizes[:3] == ["20", "10", "10"]
    assert found.is_complete


def test_every_case_satisfies_the_schema_of_the_specification() -> None:
    schema = {
        "type": "object",
        "properties": {"input": {"type": "object", "required": ["order"]}},
        "required": ["input"],
    }
    provider = ScriptedProvider(
        [reply({"input": "text"}, {"input": {"order": 1}}, {"input": {"order": 2}, "metadat": {}})]
    )
    found = generated(provider, 1, of=CaseSpec(text="x", case_schema=schema))
    assert [case.input for case in found.cases] == [{"order": 1}]
    assert found.invalid == ("/input: 'text' is not of type 'object'", "unknown field 'metadat'")
    assert '"required":["order"]' in provider.sent[0].prompt
    sent = provider.sent[0].schema
    assert sent is not None
    assert sent["properties"]["cases"]["items"] == schema
    assert (provider.sent[0].origin.step_type, provider.sent[0].origin.role) == (
        "generator", "generator",
    )  # fmt: skip


def test_five_examples_of_the_seed_are_shown_in_the_form_that_is_wanted() -> None:
    cases = [Case(id=f"e{i}", input={"n": i}, expected_output=i) for i in range(9)]
    of = CaseSpec(text="x", examples=cases)

    def shown(seed: int) -> str:
        provider = ScriptedProvider([reply(draft("a"))])
        generated(provider, 1, of=of, seed=seed)
        items = (provider.sent[0].schema or {})["properties"]["cases"]["items"]
        assert items["properties"] == {"input": {}, "expected_output": {}}
        return provider.sent[0].prompt

    assert shown(1).count('{"input":{"n":') == 5
    assert shown(1) == shown(1)
    assert shown(1) != shown(2)


def test_what_cannot_be_wanted_is_refused_before_anything_is_sent() -> None:
    for wrong in ({"text": " "}, {"text": "x", "max_rounds": 0}, {"text": "x", "threshold": 0.0}):
        with pytest.raises(ConfigError):
            CaseSpec(**wrong)
    with pytest.raises(SpecError):
        CaseSpec(text="x", case_schema={"type": "nothing"})
    provider = ScriptedProvider()
    with pytest.raises(ConfigError, match="at least 1 case"):
        generated(provider, 0)
    assert provider.sent == []
