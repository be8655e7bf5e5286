"""The crash report: everything that explains a bad end, and the exact command to go on."""

import json
import platform
from typing import Any

from pipex_core.engine.crash import CrashFacts, causes_of, command_of, crash_report, history_of
from pipex_core.engine.recovery import FailPipeline
from pipex_core.errors import ErrorRecord, StepError
from tests.fakes.world import World


def test_a_crash_report_names_the_error_the_state_and_the_command() -> None:
    facts = CrashFacts(
        run_id="r1",
        root_run_id="r0",
        scope="main",
        workflow="w",
        plan_digest="p",
        inputs_digest="i",
        host="h",
        version="0.1.0",
        at="2026-11-23T12:00:00+00:00",
        unit="a",
        attempt=2,
        action=FailPipeline(4, parked=True),
        history=history_of(
            [
                {"t": "unit_begin", "unit": "a", "attempt": 1, "at": "t1"},
                {"t": "begin", "unit": "a", "at": "t1"},
                {"t": "unit_begin", "unit": "b", "attempt": 1, "at": "t1"},
                {"t": "unit_end", "unit": "a", "at": "t2", "error": {"code": "rate_limit"}},
            ],
            "a",
        ),
        causes=[{"type": "RateLimited", "message": "slow", "frames": []}],
        folder="/my runs",
        in_doubt=[{"unit": "a", "reserved_nanousd": 7, "t": "begin"}],
        journal={"n": 12},
        checkpoints=[{"seq": 1, "verdict": "ok"}],
        budget={"spent_nanousd": 5},
    )
    error = ErrorRecord(code="rate_limit", message="slow", retryable=True, path="a")
    assert crash_report(error, facts) == {
        "schema": "pipex.crash/1",
        "run_id": "r1",
        "root_run_id": "r0",
        "scope": "main",
        "workflow": "w",
        "unit": "a",
        "correlation_id": "r0",
        "attempt": 2,
        "attempts": [{"attempt": 1, "began": "t1", "ended": "t2", "code": "rate_limit"}],
        "at": "2026-11-23T12:00:00+00:00",
        "error": {
            "code": "rate_limit",
            "class": "throttle",
            "message": "slow",
            "retryable": True,
            "path": "a",
            "causes": [{"type": "RateLimited", "message": "slow", "frames": []}],
        },
        "decision": {"row": 4, "strategy": "fail_pipeline"},
        "in_doubt": [{"unit": "a", "reserved_nanousd": 7}],
        "journal": {"n": 12},
        "checkpoints": [{"seq": 1, "verdict": "ok"}],
        "budget": {"spent_nanousd": 5},
        "undo_open": [],
        "plan_digest": "p",
        "inputs_digest": "i",
        "versions": {"pipex": "0.1.0", "python": platform.python_version()},
        "host": "h",
        "command": "pipex resume r1 --checkpoint-dir '/my runs'",
        "written_by": "process",
    }


def report_of(world: World, text: str) -> Any:
    assert not world.run(text).success
    return json.loads(world.journals.blobs("run1").get("crash/1.json"))


def test_the_tries_of_a_step_stand_with_their_times_and_codes() -> None:
    records: list[dict[str, Any]] = [
        {"t": "retry_unit", "unit": "a", "code": "early", "at": "t0"},
        {"t": "unit_begin", "unit": "a", "attempt": 1, "at": "t1"},
        {"t": "retry_unit", "unit": "a", "code": "worker_died", "at": "t2"},
        {"t": "unit_begin", "unit": "a", "attempt": 2, "at": "t3"},
    ]
    found = history_of(records, "a")
    assert [(one["attempt"], one["ended"], one["code"]) for one in found.attempts] == [
        (1, "t2", "worker_died"),
        (2, None, None),
    ]
    end = {"t": "unit_end", "unit": "a", "at": "t4", "error": None}
    assert history_of([end], "a").end == end
    assert history_of([*records, end], "a").attempts[1]["ended"] == "t4"


def raised(secret: str) -> BaseException:
    try:
        try:
            json.loads("{" + secret)
        except ValueError as exc:
            raise StepError(f"no JSON: {secret}", code="type_error") from exc
    except StepError as exc:
        return exc
    raise AssertionError


def test_causes_have_frames_of_our_code_without_variables_and_without_secrets() -> None:
    found = causes_of(raised("hush"), lambda text: text.replace("hush", "[redacted]"))
    assert [one["type"] for one in found] == ["StepError", "JSONDecodeError"]
    assert found[0]["message"] == "no JSON: [redacted]"
    assert all("test_crash_report.py" in frame for one in found for frame in one["frames"])
    assert len(found[1]["frames"]) == 1
    assert "hush" not in json.dumps(found)


def test_what_was_hidden_on_purpose_is_no_cause() -> None:
    try:
        try:
            json.loads("{")
        except ValueError:
            raise StepError("outer") from None
    except StepError as exc:
        found = causes_of(exc, str)
    assert [one["type"] for one in found] == ["StepError"]


def test_a_nested_failure_is_explained_by_the_step_that_failed() -> None:
    body = "{name: bad, type: echo, value: '{{ item.nope }}'}"
    loop = f"{{name: each, type: for_loop, data_source: [{{a: 1}}], steps: [{body}]}}"
    report = report_of(World(), f"workflow: {{name: w, steps: [{loop}]}}")
    assert (report["unit"], report["error"]["path"]) == ("each[0]/bad", "each[0]/bad")
    assert report["error"]["causes"][0]["type"] == "ExpressionError"
    assert any("executor.py" in frame for frame in report["error"]["causes"][0]["frames"])
    assert [one["code"] for one in report["attempts"]] == ["undefined_reference"]
    assert report["attempts"][0]["began"] <= report["attempts"][0]["ended"]
    assert report["journal"]["epoch"] == 1


def test_an_error_of_the_run_itself_has_no_unit() -> None:
    text = "workflow: {name: w, outputs: {n: a.x}, steps: [{name: a, type: echo, value: {}}]}"
    report = report_of(World(), text)
    assert (report["unit"], report["attempts"]) == (None, [])


def test_what_could_not_be_undone_is_listed_and_the_command_says_how_to_go_on_after_it() -> None:
    undone = "{name: r, type: echo, value: 1, fail: true, error_message: stuck}"
    first = f"{{name: a, type: echo, value: 1, rollback: [{undone}]}}"
    text = (
        "workflow: {name: w, transaction: true, steps:"
        f" [{first}, {{name: b, type: echo, value: 1, fail: true}}]}}"
    )
    report = report_of(World(), text)
    assert [one["unit"] for one in report["undo_open"]] == ["a"]
    assert "stuck" in report["undo_open"][0]["error"]["message"]
    assert report["command"] == "pipex resume run1 --force"


def test_the_command_is_quoted_for_a_shell() -> None:
    facts = dict.fromkeys(
        ("run_id", "root_run_id", "scope", "workflow", "plan_digest", "inputs_digest", "host"), "x"
    )
    made = CrashFacts(**facts, version="1", at="t", folder="a b")  # type: ignore[arg-type]
    assert command_of(made) == "pipex resume x --checkpoint-dir 'a b'"
