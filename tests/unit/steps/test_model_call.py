"""Prompts, requests and replies of model steps, against a bench."""

import asyncio
import json
from typing import Any

import pytest

from pipex_core.errors import ExpressionError, InvalidReply, StepError
from pipex_core.expressions.values import undefined
from pipex_core.llm.provider import Response
from pipex_core.llm.purse import CallWarning
from pipex_core.llm.structured import json_of
from pipex_core.steps.contract import Outcome
from pipex_core.steps.prompts import prompt_text
from pipex_core.steps.single import Claude, Gemini
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace


def record(**fields: Any) -> dict[str, Any]:
    whole = {"name": "x", "type": "claude", "status": "succeeded", "success": True}
    return {**whole, "skipped": False, "text": None, "data": None, **fields}


def prompt(parts: Any, **bench: Any) -> str:
    return prompt_text(Bench(spec("claude", prompt=parts), **bench).context)


def run(bench: Bench, step: type[Claude | Gemini] = Claude) -> Outcome:
    return asyncio.run(step().run(bench.context))


steps = {
    "talk": record(text="said", data=None),
    "json": record(text='{"a": 1}', data={"a": {"b": [10, 20]}, "t": "text", "n": None}),
    "data": record(data={"k": "ü"}),
    "nothing": record(status="skipped", skipped=True),
    "a-b": record(data=[1, 2]),
}


def test_a_text_prompt_is_one_part_with_its_templates_expanded() -> None:
    assert prompt("hi {{inputs.who}}", scope={"inputs": {"who": "you"}}) == "hi you"


def test_parts_are_joined_with_one_newline() -> None:
    parts = ["one {{1 + 1}}", {"type": "static", "content": "two"}, {"content": 3}]
    assert prompt(parts) == "one 2\ntwo\n3"


def test_a_raw_part_is_not_expanded() -> None:
    assert prompt([{"type": "static", "content": "{{x}}", "raw": True}]) == "{{x}}"


def test_a_part_whose_condition_is_false_is_dropped() -> None:
    parts = [{"content": "a", "condition": "1 > 2"}, {"content": "b", "condition": "2 > 1"}]
    assert prompt(parts) == "b"


def test_a_file_part_is_read_and_never_expanded() -> None:
    workspace = MemoryWorkspace({"in/x.txt": "raw {{y}}"})
    parts = [{"type": "file", "path": "in/{{name}}.txt"}]
    assert prompt(parts, scope={"name": "x"}, workspace=workspace) == "raw {{y}}"


def test_a_missing_file_fails_the_step() -> None:
    with pytest.raises(StepError) as failure:
        prompt([{"type": "file", "path": "none"}])
    assert failure.value.code == "file_not_found"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"step": "talk"}, "said"),
        ({"step": "json"}, '{"a": 1}'),
        ({"step": "data"}, '{\n  "k": "ü"\n}'),
        ({"step": "nothing"}, ""),
        ({"step": "plain"}, '{\n  "p": 1\n}'),
        ({"step": "talk", "format": "json"}, '"said"'),
        ({"step": "json", "extract": "a.b[1]"}, "20"),
        ({"step": "json", "extract": "a.b.0"}, "10"),
        ({"step": "json", "extract": "a.b[-1]"}, "20"),
        ({"step": "json", "extract": "t"}, "text"),
        ({"step": "json", "extract": "n"}, "null"),
        ({"step": "json", "extract": "a"}, '{\n  "b": [\n    10,\n    20\n  ]\n}'),
        ({"step": "json", "extract": "text"}, '{"a": 1}'),
        ({"step": "json", "extract": "t", "format": "json"}, '"text"'),
        ({"step": "a-b", "extract": "[1]"}, "2"),
        ({"step": "json", "extract": "none", "strict": False}, "null"),
        ({"step": "talk", "max_length": 2}, "sa..."),
        ({"step": "talk", "max_length": 4}, "said"),
    ],
)
def test_an_earlier_step_gives_its_text_or_something_inside(part: Any, text: str) -> None:
    scope = {"steps": {**steps, "plain": {"p": 1}}}
    assert prompt([{"type": "previous_response", **part}], scope=scope) == text


def test_a_summary_is_cut_at_500_characters() -> None:
    scope = {"steps": {"long": record(text="x" * 600)}}
    part = {"type": "previous_response", "step": "long", "summary": True}
    assert prompt([part], scope=scope) == "x" * 500 + "..."


def test_a_missing_path_lists_the_fields_and_an_unknown_step_is_undefined() -> None:
    for part, word in (({"step": "json", "extract": "q"}, "a, n, t"), ({"step": "q"}, "'q'")):
        with pytest.raises(ExpressionError) as failure:
            prompt([{"type": "previous_response", **part}], scope={"steps": steps})
        assert failure.value.code == "undefined_reference"
        assert word in failure.value.message


def test_the_path_of_a_step_without_fields_says_so() -> None:
    part = {"type": "previous_response", "step": "talk", "extract": "q"}
    with pytest.raises(ExpressionError, match="its fields: none"):
        prompt([part], scope={"steps": steps})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \n[1]\n", [1]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[1,\n2]\n```\n", [1, 2]),
        ("7", 7),
        ("say {}", undefined),
        ('{"a": 1, "a": 2}', undefined),
        ("", undefined),
        ("```json\nno\n```", undefined),
    ],
)
def test_a_reply_is_json_when_all_of_it_is(text: str, value: Any) -> None:
    assert json_of(text) == value


def test_the_request_carries_prompt_options_and_origin() -> None:
    options = {
        "model": "m1",
        "temperature": 0.5,
        "top_k": 3,
        "max_tokens": 77,
        "timeout_ms": 1500,
        "system_prompt": "be {{inputs.how}}",
        "append_system_prompt": "and brief",
        "fallback_model": "m2",
    }
    bench = Bench(spec("claude", prompt="hi"), scope={"inputs": {"how": "kind"}}, options=options)
    outcome = run(bench)
    request = bench.asked[0]
    assert (request.provider, request.model, request.prompt) == ("mock", "m1", "hi")
    assert request.system == "be kind\n\nand brief"
    assert request.options == {"temperature": 0.5, "top_k": 3}
    assert (request.max_tokens, request.timeout_s) == (77, 1.5)
    assert (request.origin.path, request.origin.step_type) == ("outer/s", "claude")
    assert bench.fallbacks == ["m2"]
    assert (outcome.text, outcome.data, outcome.model) == ("ok", None, "served")


def test_without_options_the_request_has_the_built_in_bounds() -> None:
    bench = Bench(spec("gemini", prompt="hi"))
    run(bench, Gemini)
    request = bench.asked[0]
    assert (request.model, request.max_tokens, request.timeout_s) == ("mock", 4096, 300.0)
    assert (request.system, request.options) == (None, {})


def test_a_live_vendor_needs_a_model() -> None:
    with pytest.raises(StepError, match="set `model`"):
        run(Bench(spec("claude", prompt="hi"), vendors={}))


def test_an_object_or_array_in_the_reply_becomes_data_and_a_scalar_does_not() -> None:
    assert run(Bench(spec("claude", prompt="x"), replies=['{"a": 1}'])).data == {"a": 1}
    assert run(Bench(spec("claude", prompt="x"), replies=["7"])).data is None


def test_output_format_json_takes_any_json_and_refuses_the_rest() -> None:
    options = {"output_format": "json"}
    assert run(Bench(spec("claude", prompt="x"), options=options, replies=["7"])).data == 7
    with pytest.raises(InvalidReply):
        run(Bench(spec("claude", prompt="x"), options=options, replies=["no"]))


def test_a_reply_that_fails_its_schema_is_mended_with_the_problems_listed() -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    step = spec("claude", prompt="count", output_schema=schema, repair=2)
    bench = Bench(step, replies=['{"n": "x"}', "not json", '{"n": 3}'])
    outcome = run(bench)
    assert outcome.data == {"n": 3}
    assert outcome.metadata == {"repairs": 2}
    first, second, third = (request.prompt for request in bench.asked)
    assert first == "count"
    assert second.splitlines()[:3] == [
        "count",
        "",
        "The previous reply did not match the required JSON Schema:",
    ]
    assert second.splitlines()[3].startswith("- /n: ")
    assert second.splitlines()[4:] == ["Return only the corrected JSON."]
    assert "- : the reply is not JSON" in third
    assert bench.asked[0].schema == schema


def test_a_value_that_never_fits_fails_with_its_pointers() -> None:
    step = spec("claude", prompt="x", output_schema={"required": ["a"], "type": "object"}, repair=1)
    bench = Bench(step, replies=["{}"])
    with pytest.raises(StepError, match=r"\(whole\)") as failure:
        run(bench)
    assert failure.value.code == "output_schema_failed"
    assert len(bench.asked) == 2


def test_a_schema_for_a_scalar_takes_a_scalar() -> None:
    step = spec("gemini", prompt="x", output_schema={"type": "integer"})
    assert run(Bench(step, replies=["42"]), Gemini).data == 42


def test_what_the_call_found_becomes_a_warning_and_a_fallback_is_marked() -> None:
    findings = [CallWarning(code="truncated", message="cut")]
    bench = Bench(spec("claude", prompt="x", cache=True), fallback_from="m1", findings=findings)
    outcome = run(bench)
    assert bench.warnings == [("truncated", "cut")]
    assert outcome.degraded
    assert outcome.metadata == {
        "cache": "miss",
        "fallback_from": "m1",
        "model_served": "served",
    }


def test_a_reply_that_was_cut_says_so_in_the_record() -> None:
    cut = Response(text="half", model_served="served", finish_reason="max_tokens")
    assert run(Bench(spec("claude", prompt="x"), replies=[cut])).metadata == {
        "finish_reason": "max_tokens"
    }
    assert run(Bench(spec("claude", prompt="x"))).metadata == {}


def test_a_lenient_step_fills_holes_with_nothing_and_says_so() -> None:
    bench = Bench(spec("claude", prompt="[{{nobody}}]"), mode="lenient")
    run(bench)
    assert bench.asked[0].prompt == "[]"
    assert [code for code, _ in bench.warnings] == ["undefined_reference"]


def test_a_hole_in_a_strict_prompt_names_step_and_field() -> None:
    with pytest.raises(ExpressionError, match=r"step 's', field 'prompt\[0\]'"):
        run(Bench(spec("claude", prompt="[{{nobody}}]")))


def test_the_smallest_indented_json_is_that_of_the_standard_library() -> None:
    value = {"a": [1, {"b": None}]}
    part = {"type": "previous_response", "step": "v"}
    assert prompt([part], scope={"steps": {"v": value}}) == json.dumps(value, indent=2)
