"""Steps that ask one model: tools, sessions, fallbacks, functions, values of a schema."""

import asyncio
from typing import Any

import pytest

from pipex_core.errors import InvalidReply, Overloaded, RateLimited, StepError
from pipex_core.llm.provider import Request, Response, ToolCall
from pipex_core.llm.session import Session
from pipex_core.spec.model import Effect
from pipex_core.steps.contract import Outcome, Step
from pipex_core.steps.single import (
    Claude,
    ClaudeRobust,
    ClaudeSession,
    ClaudeSmart,
    Gemini,
    GeminiInstructor,
)
from tests.fakes.commands import ScriptedCommands
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace


def run(step: type[Step], bench: Bench) -> Outcome:
    return asyncio.run(step().run(bench.context))


def calling(name: str, arguments: dict[str, Any], **more: Any) -> Response:
    call = ToolCall(id="t1", name=name, arguments=arguments)
    return Response(text="", finish_reason="tool_calls", tool_calls=(call,), **more)


# -- tools


def test_a_model_reads_a_file_and_answers_with_what_it_read() -> None:
    bench = Bench(
        spec("claude", prompt="what is in a.txt?"),
        options={"allowed_tools": ["Read", "Search"], "disallowed_tools": ["Grep"]},
        replies=[calling("Read", {"path": "a.txt"}), "it says one"],
        workspace=MemoryWorkspace({"a.txt": "one"}),
    )
    outcome = run(Claude, bench)
    assert outcome.text == "it says one"
    assert [tool.name for tool in bench.asked[0].tools] == ["Read"]
    assert bench.asked[1].messages[-1].text == "one"
    assert outcome.metadata == {
        "turns": 2,
        "tool_calls": [{"tool": "Read", "decision": "done", "reason": None}],
    }


def test_a_refused_call_is_told_to_the_model_and_recorded_with_its_reason() -> None:
    bench = Bench(
        spec("claude", prompt="x"),
        options={"allowed_tools": ["Read"]},
        replies=[calling("Read", {"path": "../etc/passwd"}), "I may not"],
    )
    outcome = run(Claude, bench)
    assert "path_denied" in bench.asked[1].messages[-1].text
    assert outcome.metadata["tool_calls"] == [
        {"tool": "Read", "decision": "refused", "reason": "path_denied"}
    ]


def test_tools_work_below_the_working_directory() -> None:
    workspace = MemoryWorkspace({"sub/a.txt": "inner", "a.txt": "outer"})
    bench = Bench(
        spec("claude", prompt="x"),
        options={"allowed_tools": ["Read"], "cwd": "{{inputs.folder}}"},
        scope={"inputs": {"folder": "sub"}},
        replies=[calling("Read", {"path": "a.txt"}), "done"],
        workspace=workspace,
    )
    run(Claude, bench)
    assert bench.asked[1].messages[-1].text == "inner"


def test_a_model_that_never_stops_calling_is_stopped() -> None:
    bench = Bench(
        spec("claude", prompt="x"),
        options={"allowed_tools": ["LS"], "max_turns": 2},
        replies=[calling("LS", {})],
    )
    with pytest.raises(InvalidReply) as failure:
        run(Claude, bench)
    assert failure.value.code == "max_turns"
    assert len(bench.asked) == 2


def test_bash_is_offered_only_where_the_deployment_runs_commands() -> None:
    options = {"allowed_tools": ["Bash"]}
    without = Bench(spec("claude", prompt="x"), options=options)
    assert run(Claude, without).metadata == {}
    assert without.asked[0].tools == ()
    assert without.warnings == [
        ("tool_denied", "the settings of this deployment do not allow Bash")
    ]
    with_commands = Bench(spec("claude", prompt="x"), options=options, commands=ScriptedCommands())
    run(Claude, with_commands)
    assert [tool.name for tool in with_commands.asked[0].tools] == ["Bash"]


def test_a_tool_that_does_not_exist_is_not_offered() -> None:
    bench = Bench(spec("claude", prompt="x"), options={"allowed_tools": ["Wish"]})
    run(Claude, bench)
    assert bench.warnings == [("unknown_tool", "there is no tool 'Wish'; it is not offered")]
    assert bench.asked[0].tools == ()


def test_after_a_fallback_the_conversation_stays_with_the_other_model() -> None:
    bench = Bench(
        spec("claude", prompt="x"),
        options={"allowed_tools": ["LS"], "model": "big", "fallback_model": "small"},
        replies=[calling("LS", {}), "done"],
        fallback_from="big",
    )
    run(Claude, bench)
    assert [request.model for request in bench.asked] == ["big", "small"]
    assert bench.fallbacks == ["small", None]


def test_a_streamed_answer_says_when_its_first_piece_came() -> None:
    reply = Response(text="hi", ttft_ms=12.4, latency_ms=50)
    for streaming in (True, {"handler": "simple"}, {"enabled": True}):
        bench = Bench(spec("claude", prompt="x"), options={"streaming": streaming}, replies=[reply])
        assert run(Claude, bench).metadata == {"time_to_first_token_ms": 12}
    whole = Bench(
        spec("claude", prompt="x"),
        options={"output_format": "stream_json"},
        replies=[Response(text="hi", latency_ms=50)],
    )
    assert run(Claude, whole).metadata == {"time_to_first_token_ms": 50}
    off = Bench(spec("claude", prompt="x"), options={"streaming": {"enabled": False}})
    assert run(Claude, off).metadata == {}


def test_a_smart_step_asks_as_any_other() -> None:
    assert run(ClaudeSmart, Bench(spec("claude_smart", prompt="x"))).text == "ok"


# -- sessions


def history(name: str, *, fresh: bool = False) -> Session:
    session = Session(name=name)
    if fresh:
        return session
    return session.with_exchange(
        asked="before", answered="yes", step="q0", run_id="r0", cost_nanousd=5
    )


def in_session(**config: Any) -> Bench:
    step = spec("claude_session", prompt="now", session_config={"session_name": "s1", **config})
    replies = [Response(text="then", cost_nanousd=2_000_000_000)]
    scope = {"run": {"id": "r1"}}
    return Bench(step, replies=replies, session=history, scope=scope)


def test_a_session_sends_the_earlier_turns_and_gives_the_new_ones() -> None:
    bench = in_session()
    outcome = run(ClaudeSession, bench)
    assert [(m.role, m.text) for m in bench.asked[0].messages] == [
        ("user", "before"),
        ("assistant", "yes"),
        ("user", "now"),
    ]
    assert bench.asked[0].origin.session == "s1"
    assert outcome.metadata == {
        "session_name": "s1",
        "turn_count": 4,
        "cost_usd_total": 2.000000005,
    }
    (said,) = outcome.written.said
    assert (said.session, said.persists, said.is_fresh) == ("s1", True, False)
    assert [(turn.role, turn.text, turn.step, turn.run_id) for turn in said.turns] == [
        ("user", "now", "outer/s", "r1"),
        ("assistant", "then", "outer/s", "r1"),
    ]


def test_a_session_may_start_empty_in_each_run() -> None:
    for config, persists in (({"persist": False}, False), ({"continue_on_restart": False}, True)):
        bench = in_session(**config)
        (said,) = run(ClaudeSession, bench).written.said
        assert [m.text for m in bench.asked[0].messages] == ["now"]
        assert (said.persists, said.is_fresh) == (persists, True)


def test_a_full_session_is_refused_before_any_call() -> None:
    bench = in_session(max_turns=1)
    with pytest.raises(StepError) as failure:
        run(ClaudeSession, bench)
    assert failure.value.code == "session_limit"
    assert bench.asked == []


def test_a_session_is_an_effect_and_a_templated_name_may_be_any() -> None:
    def effects(**fields: Any) -> list[Effect]:
        return list(ClaudeSession.shape.effects(spec("claude_session", **fields)))

    assert effects(session_config={"session_name": "a"}) == [
        Effect(kind="session", name="a", writes=True)
    ]
    anything = [Effect(kind="session", name="*", writes=True)]
    assert effects(session_config={"session_name": "{{x}}"}) == anything
    assert effects(session_config="wrong") == anything
    assert effects() == anything


def test_an_option_may_name_a_session_which_starts_anew_unless_it_is_resumed() -> None:
    for options, texts in (
        ({"session_id": "s1"}, ["hi"]),
        ({"session_id": "s1", "resume_session": True}, ["before", "yes", "hi"]),
    ):
        bench = Bench(spec("claude", prompt="hi"), options=options, session=history)
        assert run(Claude, bench).written.said[0].session == "s1"
        assert [m.text for m in bench.asked[0].messages] == texts


def test_a_part_makes_a_step_go_on_with_a_session() -> None:
    part = {"type": "claude_continue", "session_id": "{{name}}", "new_prompt": "and {{name}}?"}
    step = spec("claude", prompt=["first", part])
    bench = Bench(step, session=history, scope={"name": "s1"})
    outcome = run(Claude, bench)
    assert [m.text for m in bench.asked[0].messages] == ["before", "yes", "first\nand s1?"]
    assert outcome.metadata["session_name"] == "s1"
    silent = spec("claude", prompt=["first", {"type": "claude_continue", "session_id": "s1"}])
    again = Bench(silent, session=history)
    run(Claude, again)
    assert again.asked[0].prompt == "first"


def test_the_context_of_a_session_is_shown_as_lines() -> None:
    part = {"type": "session_context", "session_id": "s1"}
    bench = Bench(spec("claude", prompt=[part, {**part, "include_last_n": 1}]), session=history)
    run(Claude, bench)
    assert bench.asked[0].prompt == "user: before\nassistant: yes\nassistant: yes"


# -- fallbacks

busy = Overloaded("busy with sk-1", provider="mock", model="m")


def robust(*replies: Any, action: str = "fail", **more: Any) -> Bench:
    retry = {"fallback_action": action, **more.pop("retry", {})}
    step = spec("claude_robust", prompt="p" * 600, **more.pop("fields", {}))
    return Bench(
        step,
        replies=replies or [busy],
        options={"retry": retry, "allowed_tools": ["LS"], "fallback_model": "other"},
        redact=lambda text: text.replace("sk-1", "****"),
        **more,
    )


last_error = {
    "code": "overloaded",
    "message": "busy with ****",
    "retryable": True,
    "path": "outer/s",
}


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("graceful_degradation", "[degraded] busy with ****"),
        ("emergency_response", "[emergency] no response available"),
        ("mock_response", f"Mock response for: {'p' * 50}..."),
        ("use_cached_response", "[degraded] busy with ****"),
        ("cached_response", "[degraded] busy with ****"),
        ("simplified_prompt", "[degraded] busy with ****"),
    ],
)
def test_a_fallback_gives_a_marked_text(action: str, text: str) -> None:
    outcome = run(ClaudeRobust, robust(action=action))
    assert (outcome.text, outcome.degraded, outcome.skipped) == (text, True, None)
    assert outcome.metadata == {"fallback_action": action, "last_error": last_error}


def test_without_a_fallback_the_last_error_is_the_steps_error() -> None:
    with pytest.raises(Overloaded):
        run(ClaudeRobust, robust())


def test_a_step_may_be_skipped_instead() -> None:
    outcome = run(ClaudeRobust, robust(action="skip"))
    assert outcome.skipped == "no attempt succeeded: busy with ****"
    assert (outcome.text, outcome.degraded) == (None, False)


def test_the_text_of_an_emergency_is_the_authors() -> None:
    bench = robust(
        action="emergency_response",
        retry={"emergency_text": "call {{n}}"},
        scope={"n": 112},
    )
    assert run(ClaudeRobust, bench).text == "call 112"


def test_an_earlier_answer_to_the_same_prompt_is_found_in_the_run_and_then_in_the_cache() -> None:
    answers: dict[tuple[str, str], str] = {}
    run(ClaudeRobust, robust("first", answers=answers))
    again = run(ClaudeRobust, robust(action="cached_response", answers=answers))
    assert (again.text, again.degraded) == ("first", True)

    def cached(request: Request) -> str | None:
        return f"kept for {len(request.prompt)}"

    outcome = run(ClaudeRobust, robust(action="use_cached_response", cached=cached))
    assert outcome.text == "kept for 600"


def test_a_simplified_prompt_is_asked_once_and_without_tools() -> None:
    bench = robust(busy, "short answer", action="simplified_prompt")
    outcome = run(ClaudeRobust, bench)
    assert (outcome.text, outcome.degraded) == ("short answer", True)
    assert outcome.metadata["fallback_action"] == "simplified_prompt"
    assert bench.asked[1].prompt == "p" * 500
    assert bench.asked[1].tools == ()
    assert (bench.retries, bench.fallbacks) == ([None, 0], ["other", None])


def test_a_value_that_cannot_be_mended_falls_back_too() -> None:
    schema = {"type": "object"}
    bench = robust("no", action="graceful_degradation", fields={"output_schema": schema})
    outcome = run(ClaudeRobust, bench)
    assert outcome.metadata["last_error"]["code"] == "output_schema_failed"
    simple = robust("no", action="simplified_prompt", fields={"output_schema": schema})
    assert (run(ClaudeRobust, simple).text or "").startswith("[degraded] the reply does not match")


def test_what_no_attempt_caused_has_no_fallback() -> None:
    options = {"retry": {"fallback_action": "skip"}, "session_id": "s1"}
    bench = Bench(
        spec("claude_robust", prompt="x"), options=options, session=lambda name, **_: _full(name)
    )
    with pytest.raises(StepError) as failure:
        run(ClaudeRobust, bench)
    assert failure.value.code == "session_limit"


def _full(name: str) -> Session:
    session = Session(name=name)
    for _ in range(50):
        session = session.with_exchange(
            asked="q", answered="a", step="s", run_id="r", cost_nanousd=0
        )
    return session


def test_an_unknown_fallback_is_found_when_the_file_is_loaded() -> None:
    def found(**fields: Any) -> list[tuple[str, str | None]]:
        findings = ClaudeRobust.shape.check(spec("claude_robust", **fields))
        return [(one.code, one.suggestion) for one in findings]

    assert found(retry={"fallback_action": "skipp"}) == [("unknown_value", "skip")]
    assert found(retry={"fallback_action": "skip"}) == []
    assert found(retry="wrong") == []


# -- Gemini

functions = {
    "grade": {
        "description": "Give a grade.",
        "parameters": {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}},
            "required": ["n"],
        },
    }
}


def gemini(*replies: Any, step_type: str = "gemini", **fields: Any) -> Bench:
    options = fields.pop("options", {})
    step = spec(step_type, prompt="x", **fields)
    return Bench(step, replies=replies or ["ok"], functions=functions, options=options)


def test_a_call_of_a_declared_function_is_the_value() -> None:
    bench = gemini(calling("grade", {"n": 3}), functions=["grade"])
    outcome = run(Gemini, bench)
    assert outcome.data == {"n": 3}
    assert outcome.metadata == {"function_calls": [{"name": "grade", "arguments": {"n": 3}}]}
    (sent,) = bench.asked[0].tools
    assert (sent.name, sent.description) == ("grade", "Give a grade.")
    assert sent.parameters == functions["grade"]["parameters"]


def test_json_in_the_text_comes_before_a_call() -> None:
    call = ToolCall(id="t", name="grade", arguments={"n": 3})
    reply = Response(text='{"n": 9}', tool_calls=(call,))
    assert run(Gemini, gemini(reply, functions=["grade"])).data == {"n": 9}


@pytest.mark.parametrize("wrong", [calling("grade", {"n": "x"}), calling("other", {"n": 1})])
def test_a_wrong_call_is_an_invalid_reply(wrong: Response) -> None:
    with pytest.raises(InvalidReply) as failure:
        run(Gemini, gemini(wrong, functions=["grade"]))
    assert (failure.value.code, failure.value.retryable) == ("invalid_reply", False)


def test_a_prompt_that_is_too_long_is_not_sent() -> None:
    bench = gemini(options={"max_input_tokens": 1, "system_prompt": "1234"})
    with pytest.raises(StepError) as failure:
        run(Gemini, bench)
    assert failure.value.code == "invalid_request"
    assert bench.asked == []
    assert run(Gemini, gemini(options={"max_input_tokens": 1})).text == "ok"


def test_an_instructor_takes_the_schema_of_its_first_function() -> None:
    bench = gemini(
        *("no", '{"n": 4}'),
        step_type="gemini_instructor",
        functions=["grade"],
        options={"repair": 1},
    )
    outcome = run(GeminiInstructor, bench)
    assert outcome.data == {"n": 4}
    assert outcome.metadata == {"repairs": 1}
    assert bench.asked[0].schema == functions["grade"]["parameters"]


def test_an_instructor_without_schema_and_functions_is_a_plain_gemini() -> None:
    bench = gemini("hi", step_type="gemini_instructor")
    assert run(GeminiInstructor, bench).text == "hi"
    assert bench.asked[0].schema is None


def test_loose_validation_drops_and_converts_before_it_checks() -> None:
    schema = functions["grade"]["parameters"]
    fields: dict[str, Any] = {"step_type": "gemini_instructor", "output_schema": schema}
    reply = '{"n": "4", "ok": "TRUE", "more": 1}'
    with pytest.raises(StepError):
        run(GeminiInstructor, gemini(reply, **fields))
    loose = gemini(reply, validation_mode="loose", **fields)
    assert run(GeminiInstructor, loose).data == {"n": 4, "ok": True}
    silent = gemini("none", validation_mode="loose", step_type="gemini_instructor")
    assert run(GeminiInstructor, silent).data is None


def test_an_error_of_the_call_is_let_through() -> None:
    with pytest.raises(RateLimited):
        run(Gemini, gemini(RateLimited("slow", provider="mock", model="m")))
