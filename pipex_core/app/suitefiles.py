"""Suites on disk in all their forms: read, streamed case by case, written whole or not at all.

What a suite names beside itself (attachments, a gate file) is read below its folder and nowhere else.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pipex_core.app import suitewiring
from pipex_core.app.files import head_name, read_bytes
from pipex_core.app.suiteplaces import placed
from pipex_core.errors import ConfigError, PipexError, Problem, SpecError
from pipex_core.evals.caselines import Text, stream_lines
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from pipex_core.evals.suitefile import (
    dump_directory,
    dump_json,
    dump_lines,
    dump_yaml,
    read_directory,
    read_file,
)
from pipex_core.evals.suitetable import dump_table, open_table, read_table
from pipex_core.jsonvalue import digest_bytes

cases_name: Final = "cases.jsonl"
max_attachment_bytes: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStream:
    """A suite whose cases come one by one.

    Attributes:
        suite: All of it but the cases.
        cases: Each as soon as it is read; to be walked through once. Attachments are not looked at.
    """

    suite: Suite
    cases: Iterator[Case]


def read_suite(place: Path, *, read: Callable[[Path], bytes] = read_bytes) -> Suite:
    """The suite of a folder or file.

    Args:
        place: Where it lies.
        read: The bytes of a file of it, wherever they come from.

    Raises:
        SpecError: All problems, each with file, line and column.
    """
    if is_folder_form(place):
        head, cases = place / head_name, place / cases_name
        return read_directory(
            Text(file=str(head), text=read(head)), Text(file=str(cases), text=read(cases))
        )
    text = Text(file=str(place), text=read(place))
    return read_table(text) if place.suffix == ".parquet" else read_file(text)


def is_folder_form(place: Path) -> bool:
    """Is the suite of this path a folder? One that is not there yet is, unless its name says a form."""
    return place.is_dir() or place.suffix not in (*_writers, ".yml")


def check_attachments(suite: Suite, folder: Path) -> None:
    """Return when every attachment lies below the folder and is what its hash says.

    Raises:
        SpecError: ``attachment_mismatch`` for another content or none, ``path_denied`` for a path that
            leads out of the folder, ``too_large`` above 64 MB.
    """
    named = [
        (case.id, number, attachment)
        for case in suite.cases
        for number, attachment in enumerate(case.attachments or ())
    ]
    if not named:
        return
    inside = suitewiring.files_below(folder)
    problems = []
    for case_id, number, attachment in named:
        path = f"cases[{case_id}].attachments[{number}]"
        try:
            data = inside.read_bytes(attachment["path"], max_bytes=max_attachment_bytes)
        except PipexError as exc:
            problems.append(
                Problem(code=_codes.get(exc.code, exc.code), message=exc.message, path=path)
            )
            continue
        if digest_bytes(data) != attachment["sha256"]:
            message = f"the attachment {attachment['path']} is not the one that was hashed"
            problems.append(Problem(code="attachment_mismatch", message=message, path=path))
    if problems:
        raise SpecError(placed(problems, suite.location))


def stream_suite(path: str | Path) -> CaseStream:
    """A suite whose cases are not held in memory: a folder, ``.jsonl`` or Parquet.

    JSON and YAML files are one value and are read as a whole. Cases come in the order of the file.

    Raises:
        SpecError: At once for the fields of the suite; while walking, for the first bad case.
    """
    place = Path(path)
    if is_folder_form(place):
        empty = Text(file=str(place / cases_name), text="")
        head = place / head_name
        suite = read_directory(Text(file=str(head), text=read_bytes(head)), empty)
        return CaseStream(suite=suite, cases=_lines(place / cases_name))
    if place.suffix == ".jsonl":
        suite = read_file(Text(file=str(place), text=""))
        return CaseStream(suite=suite, cases=_lines(place))
    if place.suffix == ".parquet":
        require_file(place)
        with place.open("rb") as file:
            suite = open_table(str(place), file).suite
        return CaseStream(suite=suite, cases=_rows(place))
    whole = read_suite(place)
    return CaseStream(suite=replace(whole, cases=()), cases=iter(whole.cases))


def require_file(place: Path) -> None:
    """Return when there is such a file.

    Raises:
        SpecError: ``file_unreadable``.
    """
    if not place.is_file():
        read_bytes(place)


def write_suite(suite: Suite, place: Path) -> list[Path]:
    """Write a suite in the form that its path says, each file whole or not at all; the paths written.

    Raises:
        ConfigError: ``lossy_form``, a ``.jsonl`` file cannot hold what is not a case.
    """
    if is_folder_form(place):
        texts = dump_directory(suite)
        # The head, which names the version, comes last: until then it is the version before.
        written = [(name, texts[name]) for name in (cases_name, head_name)]
        return [write_whole(place / name, text.encode()) for name, text in written]
    if place.suffix == ".jsonl":
        _require_bare(suite, place)
    form = ".yaml" if place.suffix == ".yml" else place.suffix
    return [write_whole(place, _writers[form](suite))]


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file durably, whole or not at all; the path itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _lines(path: Path) -> Iterator[Case]:
    require_file(path)
    with path.open("rb") as file:
        yield from stream_lines(file, file=str(path))


def _rows(path: Path) -> Iterator[Case]:
    with path.open("rb") as file:
        yield from open_table(str(path), file).cases()


def _require_bare(suite: Suite, place: Path) -> None:
    held = replace(suite, id=place.stem, version="1", cases=())
    bare = Suite(id=place.stem, cases=(), defaults=SuiteDefaults())
    if held != bare or suite.id != place.stem:
        message = f"{place} can hold cases only; the id, defaults, gate and the like would be lost"
        raise ConfigError(
            message, code="lossy_form", next_step="save it as a folder, .json, .yaml or .parquet"
        )


_codes: Final = {"file_not_found": "attachment_mismatch", "limit_exceeded": "too_large"}
_writers: Final[Mapping[str, Callable[[Suite], bytes]]] = MappingProxyType(
    {
        ".json": lambda suite: dump_json(suite).encode(),
        ".yaml": lambda suite: dump_yaml(suite).encode(),
        ".jsonl": lambda suite: dump_lines(suite.cases).encode(),
        ".parquet": dump_table,
    }
)
