"""Judges as people write them: who judges which metric, and everything that can be wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipex_core.adapters.anthropic.turns import sampling
from pipex_core.adapters.gemini.turns import option_names
from pipex_core.evals.judgefile import Seated, decoding, seat, sendable
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.subjects import models_of
from pipex_core.evals.target import PromptTarget
from pipex_core.jsonvalue import Json
from pipex_core.metrics.judge import Judge
from pipex_core.spec.options import resolve_model
from tests.fakes.judges import bench, live_bench
from tests.fakes.metrics import entry_of
from tests.fakes.world import World


def seat_one(raw: Json, **options: Any) -> Seated:
    around = options.pop("around", bench())
    return seat([entry_of(raw)], around, **options)


def judge_of(raw: Json, **options: Any) -> Judge:
    found = seat_one(raw, **options)
    assert found.problems == []
    judge = found.entries[0].judge
    assert judge is not None
    return judge


def problems(raw: Json, **options: Any) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in seat_one(raw, **options).problems]


def models(judge: Judge) -> list[str]:
    return [member.model for member in judge.members]


def test_a_metric_without_a_judge_stays_as_it_is() -> None:
    plain = entry_of("exact_match")
    assert seat([plain], None).entries == [plain]


def test_who_names_nobody_gets_the_model_of_the_settings() -> None:
    judge = judge_of("coherence")
    assert (judge.id, models(judge), judge.votes) == ("j-1", ["j-1"], 1)
    assert judge.members[0].options == {"temperature": 0.0}
    assert judge.members[0].max_tokens == 1024


def test_a_model_is_short_for_a_judge_and_aliases_are_resolved() -> None:
    judge = judge_of({"type": "coherence", "model": "org/x:1"})
    assert (judge.id, models(judge)) == ("org-x-1", ["org/x:1"])
    assert models(judge_of({"type": "coherence", "model": "sonnet"})) != ["sonnet"]


def test_an_entry_may_hold_its_judge() -> None:
    raw = {
        "type": "coherence",
        "opts": {
            "judge": {
                "id": "strict",
                "model": "m",
                "max_tokens": 99,
                "language": "French",
                "reasoning": "before",
                "certificate": "c.json",
                "x-note": "kept unread",
            }
        },
    }
    judge = judge_of(raw)
    assert (judge.id, judge.language, judge.certificate_file) == ("strict", "French", "c.json")
    assert judge.members[0].max_tokens == 99


suite_judges: Mapping[str, Json] = {
    "default": {"model": "d"},
    "panel": {"panel": ["a", {"model": "b", "temperature": 0.5}], "aggregation": "mean"},
    "short": "s",
}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("coherence", ("d", ["d"])),
        ({"type": "coherence", "judge": "panel"}, ("panel", ["a", "b"])),
        ({"type": "coherence", "judge": "short"}, ("short", ["s"])),
        ({"type": "coherence", "model": "own"}, ("own", ["own"])),
    ],
)
def test_judges_of_the_suite_go_by_name(raw: Json, expected: tuple[str, list[str]]) -> None:
    judge = judge_of(raw, judges=suite_judges)
    assert (judge.id, models(judge)) == expected


def test_the_only_judge_of_a_suite_judges_what_names_none() -> None:
    assert judge_of("coherence", judges={"main": {"model": "m"}}).id == "main"


def test_several_judges_without_a_default_leave_it_to_the_settings() -> None:
    named = {"a": {"model": "m"}, "b": {"model": "n"}}
    assert models(judge_of("coherence", judges=named)) == ["j-1"]


def test_a_file_of_judges_comes_before_the_suite() -> None:
    around = bench(shared={"default": {"model": "file"}})
    assert models(judge_of("coherence", judges=suite_judges, around=around)) == ["file"]


def test_votes_of_an_entry_are_those_of_its_judge() -> None:
    warm = {"main": {"model": "m", "temperature": 0.7}}
    judge = judge_of({"type": "coherence", "votes": 3}, judges=warm)
    assert (judge.votes, len(judge.ballots)) == (3, 3)
    entry = seat_one({"type": "coherence", "votes": 3}, judges=warm).entries[0]
    assert "corpus" in entry.info.levels


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        (3, [("wrong_type", "metrics.coherence.judge")]),
        ({"modle": "m"}, [("unknown_field", "metrics.coherence.judge.modle")]),
        ({"id": "a/b"}, [("bad_id", "metrics.coherence.judge.id")]),
        ({"temperature": "hot"}, [("wrong_type", "metrics.coherence.judge.temperature")]),
        ({"reasoning": "after"}, [("unknown_value", "metrics.coherence.judge.reasoning")]),
        ({"votes": 2}, [("bad_option", "metrics.coherence.judge.votes"), ("bad_option", "metrics.coherence.judge.temperature")]),
        ({"votes": 3}, [("bad_option", "metrics.coherence.judge.temperature")]),
        ({"votes": 3, "panel": ["a"], "temperature": 1}, [("bad_option", "metrics.coherence.judge.votes")]),
        ({"panel": [{"temperature": 1}]}, [("missing_field", "metrics.coherence.judge.panel[0]")]),
        ({"panel": [1]}, [("wrong_type", "metrics.coherence.judge.panel[0]")]),
        ({"model": "m", "provider": "openai"}, [("unknown_provider", "metrics.coherence.judge.provider")]),
    ],
)  # fmt: skip
def test_a_judge_is_checked_as_a_whole(judge: Json, expected: Sequence[tuple[str, str]]) -> None:
    assert problems("coherence", judges={"default": judge}) == expected


@pytest.mark.parametrize(
    ("raw", "around", "expected"),
    [
        ("coherence", None, "no_judge"),
        ("coherence", bench(default_model=None), "no_judge"),
        ({"type": "coherence", "judge": "jugde"}, bench(shared={"judge": {}}), "unknown_judge"),
        ({"type": "coherence", "judge": {}, "model": "m"}, bench(), "bad_option"),
        ({"type": "rouge", "fallback": "coherence"}, bench(), "bad_option"),
    ],
)
def test_a_metric_without_a_usable_judge_is_told(raw: Json, around: Any, expected: str) -> None:
    assert [code for code, _ in problems(raw, around=around)] == [expected]


def test_the_nearest_judge_is_proposed() -> None:
    found = seat_one({"type": "coherence", "judge": "jugde"}, around=bench(shared={"judge": {}}))
    assert found.problems[0].suggestion == "judge"


def test_a_vendor_answers_for_its_models_unless_a_provider_is_named() -> None:
    one = judge_of({"type": "coherence", "model": "gemini-x"}, around=live_bench()).members[0]
    assert (one.provider, one.adapter_version) == ("gemini", 2)
    named = {"model": "gemini-x", "provider": "anthropic"}
    other = judge_of({"type": "coherence", "judge": named}, around=live_bench()).members[0]
    assert (other.provider, other.adapter_version) == ("anthropic", 3)


def test_an_option_that_the_provider_cannot_take_is_left_out_and_told_once() -> None:
    seeded = {"default": {"model": "claude-x", "seed": 7, "top_k": 5}}
    found = seat([entry_of("coherence"), entry_of("relevance")], live_bench(), judges=seeded)
    judge = found.entries[0].judge
    assert judge is not None
    assert judge.members[0].options == {"top_k": 5, "temperature": 0.0}
    assert judge.members[0].not_sent == ["seed"]
    assert [code for code, _ in found.warnings] == ["option_not_sent"]


def test_what_is_sent_is_what_the_adapters_take() -> None:
    assert sendable["anthropic"] == set(decoding) & set(sampling)
    assert sendable["gemini"] == set(decoding) & set(option_names)


def test_a_model_that_judges_itself_is_told() -> None:
    found = seat_one("coherence", targets=["j-1"])
    assert [code for code, _ in found.warnings] == ["self_judged"]
    assert seat_one("coherence", targets=["other"]).warnings == []


def test_the_judge_is_part_of_what_is_measured_and_his_name_is_not() -> None:
    def fingerprint(raw: Json, **options: Any) -> str:
        return seat_one(raw, **options).entries[0].fingerprint

    plain = fingerprint("coherence")
    assert fingerprint({"type": "coherence", "model": "j-2"}) != plain
    assert fingerprint({"type": "coherence", "judge": {"id": "named", "model": "j-1"}}) == plain
    assert fingerprint({"type": "coherence", "threshold": 0.1}) == plain
    assert fingerprint({"type": "coherence", "max_chars": 100}) != plain
    assert fingerprint({"type": "coherence", "negate": True}) != plain


def test_a_certificate_is_looked_for_by_the_finished_judge() -> None:
    asked: list[Judge] = []

    def certificate(judge: Judge) -> str:
        asked.append(judge)
        return "cert"

    judge = judge_of("coherence", around=bench(certificate=certificate))
    assert judge.certificate == "cert"
    assert asked[0].fingerprint == judge.fingerprint != ""


nested = """
workflow:
  name: child
  steps:
    - {name: ask, type: claude, claude_options: {model: haiku}, prompt: [{type: static, content: hi}]}
"""
asker = """
workflow:
  name: asker
  inputs: {question: {type: string}}
  defaults: {claude_model: sonnet}
  steps:
    - {name: ask, type: claude, prompt: [{type: static, content: "{{ inputs.question }}"}]}
    - {name: other, type: claude, claude_options: {model: "{{ inputs.question }}"}, prompt: [{type: static, content: hi}]}
    - {name: deep, type: pipeline, pipeline_file: child.yaml}
"""


def test_the_models_of_a_pipeline_are_those_that_it_names() -> None:
    plan = World(files={"child.yaml": nested}).plan(asker)
    target = PipelineTarget(plan=plan, options={"gemini_model": "gemini-x"}, model="bound")
    resolved = {str(resolve_model(name)) for name in ("sonnet", "haiku")}
    assert set(models_of(target)) == {"bound", "gemini-x", *resolved}
    assert models_of(PromptTarget(provider="mock", model="m")) == ["m"]
