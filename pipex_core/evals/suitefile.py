"""The text forms of a suite: a directory, or one file of JSON, YAML or JSON lines; read and written.

All forms of one suite load to equal values and digests. A text with problems raises one error that
lists all of them with line and column; places are looked up only then, so a good file costs nothing.
Reading takes texts and names, never paths: files are opened elsewhere.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.caselines import (
    Text,
    case_of_line,
    case_too_large,
    max_case_bytes,
    max_cases,
    problems_of_line,
    syntax_finding,
)
from pipex_core.evals.jsonplaces import source_of_json
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suiteshape import case_data, read_case, read_suite_fields, suite_data
from pipex_core.jsonvalue import Json, compact, parse
from pipex_core.spec.model import Finding, SourceMap
from pipex_core.spec.yaml_text import max_nodes, read_yaml
from pipex_core.spec.yaml_writing import write_yaml

Source: TypeAlias = Callable[[], SourceMap]

_max_yaml_bytes: Final = 1 << 30


def read_directory(suite: Text, cases: Text) -> Suite:
    """The suite of a directory: ``suite.yaml`` (YAML or JSON) and ``cases.jsonl``.

    Raises:
        SpecError: All problems of both files, sorted by place.
    """
    folder = PurePosixPath(suite.file).parent
    problems: list[Problem] = []
    head, source = _document(suite, problems)
    findings: list[Finding] = []
    if isinstance(head, Mapping):
        misplaced = [key for key in ("cases", "test_cases") if key in head]
        message = "the cases of a directory stand in cases.jsonl"
        findings += (Finding(code="conflicting_fields", message=message, path=m) for m in misplaced)
        head = {key: value for key, value in head.items() if key not in misplaced}
    fields: Mapping[str, Any] = {}
    if not problems:
        fields, more = read_suite_fields(head, default_id=folder.name or "suite")
        problems += _placed((*findings, *more), source, suite.file)
    found = _cases_of_lines(cases, problems)
    return _suite(fields, found, location=str(folder), problems=problems)


def read_file(text: Text) -> Suite:
    """The suite of a single file; ``.jsonl`` holds cases only, anything else one JSON or YAML map.

    Raises:
        SpecError: All problems, sorted by place.
    """
    problems: list[Problem] = []
    name = PurePosixPath(text.file)
    if name.suffix == ".jsonl":
        cases = _cases_of_lines(text, problems)
        fields, findings = read_suite_fields({}, default_id=name.stem)
        problems += _placed(findings, partial(SourceMap, file=text.file), text.file)
        return _suite(fields, cases, location=text.file, problems=problems)
    document, source = _document(text, problems)
    if problems:
        raise SpecError(problems)
    head, data, at = _split(document)
    twice = "test_cases" in head if isinstance(head, Mapping) else False
    if twice:
        head = {key: value for key, value in head.items() if key != "test_cases"}
    fields, findings = read_suite_fields(head, default_id=name.stem)
    if twice:
        message = "the cases stand under cases already; test_cases is another name for it"
        both = Finding(code="conflicting_fields", message=message, path="test_cases")
        findings = (*findings, both)
    cases, more = _cases_of_list(data, at, could_be_large=len(text.text) > max_case_bytes)
    problems += _placed((*findings, *more), source, text.file)
    return _suite(fields, cases, location=text.file, problems=problems)


def dump_directory(suite: Suite) -> Mapping[str, str]:
    """The canonical form: ``suite.yaml`` and ``cases.jsonl``, the same bytes for equal suites."""
    return {"suite.yaml": write_yaml(suite_data(suite)), "cases.jsonl": dump_lines(suite.cases)}


def dump_lines(cases: Iterable[Case]) -> str:
    """One line per case, sorted by id."""
    return "".join(f"{_line(case)}\n" for case in sorted(cases, key=lambda case: case.id))


def dump_json(suite: Suite) -> str:
    """The suite as one JSON file, indented by 2."""
    return f"{_encodable(partial(json.dumps, _whole(suite), indent=2))}\n"


def dump_yaml(suite: Suite) -> str:
    """The suite as one YAML file."""
    return write_yaml(_whole(suite))


def _whole(suite: Suite) -> dict[str, Json]:
    ordered = sorted(suite.cases, key=lambda case: case.id)
    return {**suite_data(suite), "cases": [case_data(case) for case in ordered]}


def _line(case: Case) -> str:
    return _encodable(partial(json.dumps, case_data(case), separators=(",", ":")))


def _encodable(dumps: "partial[str]") -> str:
    """The JSON text, in ASCII when it holds a lone surrogate, which no UTF-8 file can hold."""
    text = dumps(ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return dumps(ensure_ascii=True, allow_nan=False)
    return text


def _suite(
    fields: Mapping[str, Any],
    cases: Sequence[Case],
    *,
    location: str,
    problems: Sequence[Problem],
) -> Suite:
    if problems:
        raise SpecError(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
    ordered = tuple(sorted(cases, key=lambda case: case.id))
    return Suite(**fields, cases=ordered, location=location)


def _decoded(text: Text, problems: list[Problem]) -> str:
    if isinstance(text.text, str):
        return text.text.removeprefix("\ufeff")
    try:
        return text.text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = text.text.count(b"\n", 0, exc.start) + 1
        message = f"the file is not UTF-8: {exc.reason}"
        problems.append(
            Problem(file=text.file, line=line, column=1, code="not_utf8", message=message)
        )
        return ""


def _split(document: Json) -> tuple[Json, Json, str]:
    """Suite fields, cases and the name of the field that holds them."""
    if not isinstance(document, Mapping):
        return document, [], "cases"
    at = "test_cases" if "test_cases" in document and "cases" not in document else "cases"
    head = {key: value for key, value in document.items() if key != at}
    return head, document.get(at, []), at


def _cases_of_list(
    data: Json, at: str, *, could_be_large: bool
) -> tuple[Sequence[Case], Sequence[Finding]]:
    if not isinstance(data, list):
        return (), [Finding(code="wrong_type", message=f"{at}: a list is needed", path=at)]
    if len(data) > max_cases:
        # Without a path: looking for its place would take longer than reading the file did.
        return (), [Finding(code="too_large", message=f"more than {max_cases} cases")]
    cases: list[Case] = []
    findings: list[Finding] = []
    first: dict[str, str] = {}
    for index, item in enumerate(data):
        path = f"{at}[{index}]"
        if could_be_large and len(compact(item).encode("utf-8", "replace")) > max_case_bytes:
            findings.append(case_too_large(path))
            continue
        case, wrong = read_case(item, path=path)
        findings += wrong
        if case is None:
            continue
        cases.append(case)
        if first.setdefault(case.id, path) != path:
            message = f"the id {case.id!r} is already used by {first[case.id]}"
            findings.append(Finding(code="duplicate_id", message=message, path=f"{path}.id"))
    return cases, findings


def _cases_of_lines(text: Text, problems: list[Problem]) -> Sequence[Case]:
    lines = _decoded(text, problems).split("\n")
    if len(lines) > max_cases + 1:
        message = f"more than {max_cases} lines"
        problems.append(Problem(file=text.file, code="too_large", message=message))
        return ()
    cases: list[Case] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        case, wrong = case_of_line(line)
        if case is not None:
            cases.append(case)
            if first.setdefault(case.id, number) != number:
                message = f"the id {case.id!r} is already used in line {first[case.id]}"
                wrong = [Finding(code="duplicate_id", message=message, path="id")]
        if wrong:
            problems += problems_of_line(wrong, line, file=text.file, number=number)
    return cases


def _placed(findings: Sequence[Finding], source: Source, file: str) -> list[Problem]:
    wanted = any(finding.path for finding in findings)
    places = source() if wanted else SourceMap(file=file)
    return list(map(places.problem, findings))


def _document(text: Text, problems: list[Problem]) -> tuple[Json, Source]:
    """The value of a JSON or YAML text and where its parts stand; None when it cannot be read."""
    nothing = partial(SourceMap, file=text.file)
    found = _decoded(text, problems)
    if problems:
        return None, nothing
    if PurePosixPath(text.file).suffix != ".json":
        return _yaml_document(found, text.file, problems)
    try:
        return parse(found), partial(source_of_json, found, file=text.file)
    except ValueError as exc:
        finding = syntax_finding(exc)
        line = found.count("\n", 0, finding.position) + 1
        column = finding.position - found.rfind("\n", 0, finding.position)
        problems.append(replace(nothing().problem(finding), line=line, column=column))
        return None, nothing


def _yaml_document(text: str, file: str, problems: list[Problem]) -> tuple[Json, Source]:
    try:
        # No text has more nodes than characters, so aliases can add no more than the file is large.
        document = read_yaml(text, file, limit=max(max_nodes, len(text)), size=_max_yaml_bytes)
    except SpecError as exc:
        problems += exc.problems
        return None, partial(SourceMap, file=file)
    return document.value, lambda: document.source
