"""Cases as lines of JSON: one line read by itself, and a file of them read as a stream.

A stream holds one case at a time. Of the ids it keeps eight bytes each, and nothing but the last one
while they come in order, as they do in a saved file.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.jsonplaces import source_of_json
from pipex_core.evals.suite import Case
from pipex_core.evals.suiteshape import read_case
from pipex_core.jsonvalue import parse
from pipex_core.spec.model import Finding, SourceMap

max_cases: Final = 1_000_000
max_case_bytes: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text with the name that messages use.

    Attributes:
        file: Path as the user gave it; its stem names a suite without id.
    """

    file: str
    text: str | bytes


def case_of_line(line: str) -> tuple[Case | None, Sequence[Finding]]:
    """The case of one line of JSON, or what is wrong with it."""
    if len(line) > max_case_bytes // 4 and len(line.encode("utf-8", "replace")) > max_case_bytes:
        return None, [case_too_large()]
    try:
        data = parse(line)
    except ValueError as exc:
        return None, [syntax_finding(exc)]
    return read_case(data, path="")


def case_too_large(path: str = "") -> Finding:
    """The finding of a case above the limit."""
    return Finding(code="too_large", message="the case is larger than 16 MB", path=path)


def syntax_finding(exc: ValueError) -> Finding:
    """What ``parse`` says of a text, with its offset where it knows it."""
    if isinstance(exc, json.JSONDecodeError):
        return Finding(code="json_syntax", message=f"not JSON: {exc.msg}", position=exc.pos)
    code = "too_large" if str(exc).startswith("nesting") else "json_syntax"
    return Finding(code=code, message=f"not a JSON value as pipex reads it: {exc}")


def problems_of_line(
    findings: Iterable[Finding], line: str, *, file: str, number: int
) -> Iterator[Problem]:
    """The findings of a line with their places in the file; ``number`` counts lines from 1."""
    source = SourceMap(file=file)
    if any(finding.path for finding in findings):
        source = source_of_json(line, file=file)
    for finding in findings:
        problem = source.problem(finding)
        yield replace(problem, line=number, column=problem.column + finding.position)


def stream_lines(lines: Iterable[bytes], *, file: str, limit: int = max_cases) -> Iterator[Case]:
    """The cases of a file, each as soon as its line is read; memory does not grow with their number.

    Args:
        lines: With or without their ends; a line above the limit may come in pieces of any length.
        file: As the user gave it.
        limit: Most cases.

    Raises:
        SpecError: The problems of the first line that has some, ``too_large`` for too many cases, or
            ``duplicate_id``: at once where ids are in order, else behind the last case.
    """
    ids = _Ids(file)
    count = 0
    for number, data in enumerate(lines, 1):
        if not data.strip():
            continue
        count += 1
        if count > limit:
            message = f"more than {limit} cases"
            raise SpecError([Problem(file=file, line=number, code="too_large", message=message)])
        yield ids.noted(_streamed(data, file=file, number=number), number)
    ids.check()


def _streamed(data: bytes, *, file: str, number: int) -> Case:
    try:
        line = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as exc:
        message = f"the file is not UTF-8: {exc.reason}"
        problem = Problem(file=file, line=number, column=1, code="not_utf8", message=message)
        raise SpecError([problem]) from exc
    case, wrong = case_of_line(line)
    if case is None:
        raise SpecError(problems_of_line(wrong, line, file=file, number=number))
    return case


class _Ids:
    """Has an id come before? Known at once in order; out of order, known at the end."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._last = ""
        self._in_order = True
        self._marks = array("Q")

    def noted(self, case: Case, number: int) -> Case:
        if case.id == self._last:
            raise self._twice(f"the id {case.id!r} is already used in the line before", number)
        self._in_order = self._in_order and case.id > self._last
        self._last = case.id
        mark = blake2b(case.id.encode(), digest_size=8).digest()
        self._marks.append(int.from_bytes(mark, "big"))
        return case

    def check(self) -> None:
        if not self._in_order and len(set(self._marks)) < len(self._marks):
            raise self._twice("an id is used twice; pipex suite lint says which", 0)

    def _twice(self, message: str, number: int) -> SpecError:
        problem = Problem(
            file=self._file,
            line=number,
            column=1 if number else 0,
            code="duplicate_id",
            message=message,
        )
        return SpecError([problem])
