"""Cases as a stream of lines."""

import json
from collections.abc import Iterator

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.caselines import max_cases, stream_lines
from pipex_core.evals.suite import Case


def line(case_id: str) -> bytes:
    return json.dumps({"id": case_id, "input": "x"}).encode() + b"\n"


def refusal(lines: list[bytes]) -> str:
    with pytest.raises(SpecError) as caught:
        list(stream_lines(lines, file="c.jsonl"))
    return str(caught.value)


def test_a_case_comes_before_the_next_line_is_read() -> None:
    read: list[str] = []

    def lines() -> Iterator[bytes]:
        for case_id in ("a", "b", "c"):
            read.append(case_id)
            yield line(case_id)

    stream = stream_lines(lines(), file="c.jsonl")
    assert next(stream) == Case(id="a", input="x")
    assert read == ["a"]
    assert [case.id for case in stream] == ["b", "c"]


def test_blank_lines_a_mark_and_other_line_ends_are_fine() -> None:
    lines = [b"\xef\xbb\xbf" + line("a"), b"\n", b"  \r\n", line("b").replace(b"\n", b"\r\n")]
    assert [case.id for case in stream_lines(lines, file="c.jsonl")] == ["a", "b"]


def test_the_first_problem_ends_the_stream_with_its_place() -> None:
    assert refusal([line("a"), b'{"id": "b", "inptu": "x"}']).splitlines() == [
        "c.jsonl:2:13: error: unknown field 'inptu'; did you mean 'input'? [unknown_field]",
        "c.jsonl:2:1: error: the field 'input' is missing [missing_field]",
    ]
    assert "c.jsonl:2:1: error: the file is not UTF-8" in refusal([line("a"), b"\xff\n"])


def test_an_id_used_twice_is_found_at_once_or_at_the_end() -> None:
    assert "c.jsonl:2:1: error: the id 'a' is already used in the line before" in refusal(
        [line("a"), line("a")]
    )
    far = [line("b"), line("a"), line("b")]
    assert "c.jsonl: error: an id is used twice" in refusal(far)
    assert [case.id for case in stream_lines([line("b"), line("a")], file="c")] == ["b", "a"]


def test_too_many_cases_are_refused_when_the_next_one_comes() -> None:
    stream = stream_lines([line("a"), b"\n", line("b"), line("c")], file="c.jsonl", limit=2)
    assert [next(stream).id, next(stream).id] == ["a", "b"]
    with pytest.raises(SpecError, match="more than 2 cases") as caught:
        next(stream)
    assert (caught.value.code, caught.value.problems[0].line) == ("too_large", 4)
    assert max_cases == 1_000_000
    assert list(stream_lines([], file="c.jsonl")) == []
