"""Where the cases of a suite stand: file, line and column for problems that know a case by its id."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipex_core.app.files import located, read_bytes
from pipex_core.errors import Problem
from pipex_core.evals.jsonplaces import source_of_json
from pipex_core.jsonvalue import Json
from pipex_core.spec.model import SourceMap
from pipex_core.spec.yaml_text import read_yaml

# An id ends at the first bracket behind it; ids have none.
_case_path: Final = re.compile(r"cases\[([^\]]+)\](.*)", re.DOTALL)


def placed(problems: Iterable[Problem], location: str) -> list[Problem]:
    """The problems with their places in the suite's file, in the order given.

    Args:
        problems: Those of a case have a path such as ``cases[q7].tags``; those with a line stay.
        location: Folder or file of the suite; problems of Parquet files get the file only.
    """
    found = [replace(problem, file=problem.file or location) for problem in problems]
    wanted = [one for one in found if not one.line and _case_path.match(one.path)]
    others = [one for one in found if not one.line and not _case_path.match(one.path)]
    known = dict(zip(map(id, others), _of_head(others, location), strict=True))
    if wanted:
        known |= dict(zip(map(id, wanted), _of_cases(wanted, Path(location)), strict=True))
    return [known.get(id(problem), problem) for problem in found]


def _of_head(problems: list[Problem], location: str) -> list[Problem]:
    nameless = [replace(one, file="") if one.path else one for one in problems]
    return [replace(one, file=one.file or location) for one in located(nameless, location)]


def _of_cases(problems: list[Problem], place: Path) -> list[Problem]:
    if place.is_dir() or place.suffix == ".jsonl":
        path = place / "cases.jsonl" if place.is_dir() else place
        return _of_lines(problems, path)
    if place.suffix == ".parquet":
        return problems
    text = read_bytes(place).decode("utf-8-sig")
    if place.suffix == ".json":
        value, source = json.loads(text), source_of_json(text, file=str(place))
    else:
        document = read_yaml(text, str(place), limit=max(len(text), 200_000), size=1 << 30)
        value, source = document.value, document.source
    at = "cases" if "cases" in value else "test_cases"
    index = {case["id"]: f"{at}[{i}]" for i, case in enumerate(value[at])}
    return [_found(problem, source, index) for problem in problems]


def _of_lines(problems: list[Problem], path: Path) -> list[Problem]:
    wanted = {_id(problem) for problem in problems}
    lines: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(read_bytes(path).decode("utf-8-sig").split("\n"), 1):
        # The cheap test first: of a large suite only the lines in question are parsed.
        if any(f'"{name}"' in line for name in wanted):
            name = json.loads(line)["id"]
            if name in wanted:
                lines[name] = (number, line)
    sources = {name: source_of_json(line, file=str(path)) for name, (_, line) in lines.items()}
    return [
        replace(_found(one, sources[_id(one)], {_id(one): ""}), line=lines[_id(one)][0])
        if _id(one) in lines
        else one
        for one in problems
    ]


def _id(problem: Problem) -> str:
    found = _case_path.match(problem.path)
    return found[1] if found else ""


def _found(problem: Problem, source: SourceMap, index: Mapping[str, str]) -> Problem:
    """The problem at the place of its path, or of the nearest part around it that has one."""
    found = _case_path.match(problem.path)
    path: Json = index.get(found[1], "") + found[2] if found else ""
    path = path.removeprefix(".")
    while path and path not in source.places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    line, column = source.places.get(path, (1, 1))
    return replace(problem, file=source.file, line=line, column=column)
