"""Checkpoints of pipeline_ex: the fields of reliability 2.6, as that program wrote them."""

from typing import Any

import pytest

from pipex_core.engine.migration import from_old, is_old
from pipex_core.errors import StoreError

# Newest entry first, atoms as words, as its JSON encoder writes them.
old: dict[str, Any] = {
    "workflow_name": "qa",
    "step_index": 4,
    "version": "1.1",
    "timestamp": "2025-07-04T10:00:09.000Z",
    "results": {
        "draft": {"text": "A draft.", "success": True, "cost": 0.0125, "turns": 2},
        "skip_me": {"success": True, "skipped": True, "reason": "Condition not met: x"},
        "count": 3,
        "note": "plain text",
        "shape": {"a": 1, "success": True},
    },
    "execution_log": [
        {
            "step": "check",
            "type": "claude",
            "status": "failed",
            "error": "rate limited",
            "duration_ms": 5,
            "timestamp": "2025-07-04T10:00:09Z",
        },
        {"step": "shape", "type": "data_transform", "status": "completed", "timestamp": "2025-07-04T10:00:08Z"},
        {"step": "note", "type": "claude", "status": "completed", "timestamp": "2025-07-04T10:00:07Z"},
        {"step": "count", "type": "echo", "status": "completed", "timestamp": "2025-07-04T10:00:06Z"},
        {
            "step": "skip_me",
            "type": "gemini",
            "status": "skipped",
            "condition": "draft.ok",
            "timestamp": "2025-07-04T10:00:05Z",
        },
        {
            "step": "draft",
            "type": "claude",
            "status": "completed",
            "duration_ms": 1234,
            "timestamp": "2025-07-04T10:00:01Z",
        },
    ],
    "variable_state": {"global": {"n": 1, "m": 1}, "session": {"m": 2}, "loop": {"i": 7}},
}  # fmt: skip


def test_steps_come_in_their_order_with_what_they_left() -> None:
    carried = from_old(old)
    assert [(record.name, record.status) for record in carried.records] == [
        ("draft", "succeeded"),
        ("skip_me", "skipped"),
        ("count", "succeeded"),
        ("note", "succeeded"),
        ("shape", "succeeded"),
        ("check", "failed"),
    ]
    draft, skipped, count, note, shape, check = carried.records
    assert (draft.text, draft.data, draft.cost_nanousd) == ("A draft.", {"turns": 2}, 12_500_000)
    assert (draft.type, draft.duration_ms) == ("claude", 1234)
    assert (skipped.attempts, skipped.metadata) == (0, {"reason": "condition not met: draft.ok"})
    assert (count.text, count.data) == (None, 3)
    assert (note.text, note.data) == ("plain text", None)
    assert shape.data == {"a": 1, "success": True}
    assert check.error is not None
    assert (check.error.code, check.error.message) == ("step_failed", "rate limited")
    assert check.ends_run
    # The session's values over the global ones; loops start over.
    assert check.variables == {"n": 1, "m": 2}
    assert (carried.workflow, carried.spent_nanousd) == ("qa", 12_500_000)


def test_a_log_with_the_oldest_entry_first_is_left_as_it_is() -> None:
    turned = {**old, "execution_log": old["execution_log"][::-1]}
    assert from_old(turned) == from_old(old)


def test_a_step_that_was_tried_twice_counts_by_its_last_try() -> None:
    again = {"step": "check", "type": "claude", "status": "completed", "timestamp": "2025-07-04T11:00:00Z"}  # fmt: skip
    results = {**old["results"], "check": {"text": "ok", "success": True}}
    carried = from_old({**old, "results": results, "execution_log": [again, *old["execution_log"]]})
    assert [record.name for record in carried.records].count("check") == 1
    assert carried.is_whole(["draft", "check"])
    assert not carried.is_whole(["draft", "another"])


def test_a_result_that_says_no_success_is_a_failure() -> None:
    results = {**old["results"], "draft": {"success": False, "error": "refused"}}
    draft = from_old({**old, "results": results}).records[0]
    assert draft.error is not None
    assert (draft.status, draft.error.message) == ("failed", "refused")


def test_without_variables_or_steps_there_are_none() -> None:
    empty = {**old, "execution_log": [], "results": {}, "variable_state": None}
    assert from_old(empty).records == []
    one = {**old, "execution_log": old["execution_log"][-1:], "variable_state": {"global": None}}
    assert from_old(one).records[0].variables == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": "1.2"}, "schema_too_new"),
        ({"version": None}, "schema_too_new"),
        ({"execution_log": None}, "checkpoint_damaged"),
        ({"results": []}, "checkpoint_damaged"),
        ({"execution_log": [{"type": "claude"}]}, "checkpoint_damaged"),
    ],
)
def test_what_is_something_else_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(StoreError) as refused:
        from_old({**old, **change})
    assert refused.value.code == code


def test_only_its_own_files_are_taken_for_one() -> None:
    assert is_old(old)
    assert not is_old({"schema": "2.0"})
    assert not is_old([old])
