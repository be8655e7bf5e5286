"""Pointers, moves and the chained log, as values."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.baselines import (
    Move,
    Pointer,
    before_of,
    check_unmoved,
    check_worthy,
    checked_name,
    line_hash,
    line_of,
    lines_from,
    pointer_from,
    pointer_of,
    problems_of,
)


def move(to: str, seen: str | None = None, **given: Any) -> Move:
    words = {"action": "set", "name": "champion", "actor": "ann", "at": "t", "reason": "r"}
    return Move(to=to, seen=seen, **{**words, **given})


def log_of(*moves: Move) -> str:
    lines: list[dict[str, Any]] = []
    for one in moves:
        lines.append(line_of(one, lines[-1] if lines else None))
    return "".join(f"{json.dumps(line)}\n" for line in lines)


three = log_of(move("a"), move("b", "a"), move("a", "b", action="rollback"))
stands = {"champion": Pointer(name="champion", run_id="a")}


def test_the_hash_of_a_line_is_that_of_the_chain() -> None:
    first = lines_from(three)[0]
    assert first["prev_hash"] == "0" * 64
    text = (
        '{"action":"set","actor":"ann","at":"t","from":null,"gate_digest":null,'
        '"name":"champion","reason":"r","seq":1,"to":"a","verdict":null}'
    )
    assert first["hash"] == hashlib.sha256(bytes(32) + text.encode()).hexdigest()


def test_a_log_as_it_was_written_has_no_problems() -> None:
    assert problems_of(three, stands) == []
    assert problems_of("", {}) == []


def edited(text: str) -> str:
    return text.replace('"reason": "r"', '"reason": "x"', 1)


def without(number: int) -> Callable[[str], str]:
    return lambda text: "".join(text.splitlines(keepends=True)[:number] + text.splitlines(keepends=True)[number + 1 :])  # fmt: skip


def swapped(text: str) -> str:
    first, second, third = text.splitlines(keepends=True)
    return second + first + third


def rehashed(text: str) -> str:
    """The last line changed by somebody who knows how to hash it again."""
    lines = lines_from(text)
    lines[1]["to"] = "evil"
    lines[1]["hash"] = line_hash(lines[1])
    return "".join(f"{json.dumps(line)}\n" for line in lines)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (edited, "line 1: it was changed after it was written"),
        (without(0), "line 1: it is number 2, a line is missing, added or moved"),
        (without(1), "line 2: it is number 3, a line is missing, added or moved"),
        (without(2), "champion: the pointer names a, and the log says b"),
        (swapped, "line 1: it is number 2, a line is missing, added or moved"),
        (rehashed, "line 3: it does not follow from the line before, which was changed or taken"),
        (lambda text: text + "no JSON\n", "line 4: it is no line of a log"),
        (lambda text: "[]\n" + text, "line 1: it is no line of a log"),
    ],
)
def test_what_was_done_to_a_log_is_found_at_its_line(
    damage: Callable[[str], str], said: str
) -> None:
    (found,) = problems_of(damage(three), stands)
    assert found.startswith(said)


def test_a_line_that_tells_of_another_start_is_found() -> None:
    log = log_of(move("a"), move("c", "b"))
    assert problems_of(log, {}) == ["line 2: champion stood for a before it"]


def test_pointers_that_moved_without_a_line_are_found() -> None:
    moved = {"champion": Pointer(name="champion", run_id="z")}
    assert problems_of(three, moved) == ["champion: the pointer names z, and the log says a"]
    assert problems_of(three, {}) == ["champion: the log says a, and the pointer is gone"]
    other = {**stands, "night": Pointer(name="night", run_id="q")}
    assert problems_of(three, other) == ["night: the pointer names q, and the log does not know it"]


def test_a_damaged_log_is_not_written_on() -> None:
    with pytest.raises(ConfigError, match="line 2 of the log is damaged") as caught:
        lines_from('{"seq":1}\n3\n')
    assert caught.value.code == "bad_baseline_log"
    with pytest.raises(ConfigError, match="line 1 of the log is damaged"):
        lines_from('{"seq":\n')


def test_what_stood_before_a_run_is_known_after_rollbacks() -> None:
    lines = lines_from(log_of(move("a"), move("b", "a"), move("c", "b"), move("b", "c", action="rollback")))  # fmt: skip
    assert before_of(lines, "champion", "b") == "a"
    assert before_of(lines, "champion", "a") is None
    assert before_of(lines, "night", "a") is None


def test_a_move_that_others_were_faster_with_is_refused() -> None:
    check_unmoved(move("b", "a"), "a")
    with pytest.raises(ConfigError, match="now names c, and named a when") as caught:
        check_unmoved(move("b", "a"), "c")
    assert caught.value.code == "baseline_moved"
    with pytest.raises(ConfigError, match="now names c, and named no run when"):
        check_unmoved(move("b"), "c")
    with pytest.raises(ConfigError, match="now names no run, and named a when"):
        check_unmoved(move("b", "a"), None)


def manifest(status: str = "completed", *, is_subset: bool = False) -> dict[str, Any]:
    return {
        "run_id": "ev_1",
        "run": {"status": status},
        "suite": {"digest": "s", "is_subset": is_subset},
        "target": {"digest": "t", "target_id": "good", "model_id": "m"},
        "metrics": [{"name": "exact_match", "fingerprint": "f"}],
        "summary": {"metrics": {"exact_match": {"mean": 0.75}}},
    }


def test_only_completed_runs_of_whole_suites_are_baselines() -> None:
    check_worthy(manifest())
    with pytest.raises(ConfigError) as caught:
        check_worthy(manifest("incomplete"))
    assert caught.value.code == "baseline_incomplete"
    with pytest.raises(ConfigError) as caught:
        check_worthy(manifest(is_subset=True))
    assert caught.value.code == "baseline_subset"
    check_worthy(manifest("incomplete", is_subset=True), allow_incomplete=True, allow_subset=True)


def test_a_pointer_says_what_the_run_was() -> None:
    pointer = pointer_of(manifest(), move("ev_1"), previous="ev_0")
    assert pointer.document() == {
        "name": "champion",
        "run_id": "ev_1",
        "suite_digest": "s",
        "target_digest": "t",
        "target_id": "good",
        "model_id": "m",
        "metric_fingerprints": {"exact_match": "f"},
        "summary": {"exact_match": 0.75},
        "blessed_by": "ann",
        "blessed_at": "t",
        "reason": "r",
        "previous": "ev_0",
    }
    assert pointer_from(json.dumps(pointer.document()), "champion") == pointer


def test_a_pointer_written_by_hand_needs_a_run_only() -> None:
    assert pointer_from('{"run_id": "ev_1", "x": 1}', "night") == Pointer(name="night", run_id="ev_1")  # fmt: skip
    for text in ("{", "[]", '{"run_id": 3}'):
        with pytest.raises(ConfigError) as caught:
            pointer_from(text, "night")
        assert caught.value.code == "bad_baseline"


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "x" * 65])
def test_a_name_that_could_be_no_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_name(name)
    assert caught.value.code == "bad_baseline_name"
    assert checked_name("champion-2.night_run") == "champion-2.night_run"
