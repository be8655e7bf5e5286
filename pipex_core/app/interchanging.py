"""Suites from and to the files of other tools, on disk."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipex_core.app import suitewiring
from pipex_core.app.files import read_bytes
from pipex_core.app.suitefiles import write_whole
from pipex_core.app.suites import load_suite
from pipex_core.errors import ConfigError, PipexError
from pipex_core.evals.exporters import export_suite_as
from pipex_core.evals.foreign import Imported
from pipex_core.evals.importers import import_suite_file
from pipex_core.evals.lossreport import LossReport
from pipex_core.evals.suite import Suite, hashes
from pipex_core.evals.suitetable import dump_table
from pipex_core.jsonvalue import Json, compact
from pipex_core.spec.yaml_writing import write_yaml

most_sibling_bytes = 256 << 20


def import_file(  # noqa: PLR0913 - a file and how to read it, all named
    path: str | Path,
    *,
    suite_id: str,
    form: str = "auto",
    preset: str | None = None,
    mapping: Mapping[str, str] | None = None,
    id_prefix: str = "case",
    limit: int | None = None,
) -> Imported:
    """The suite in a file of another tool, with a report of what could not be carried over.

    Files that it names are read below its own folder and nowhere else; nothing is executed.

    Raises:
        SpecError: The file cannot be read.
        ConfigError: A format, a preset, a field or a file that it names is wrong.
        ExpressionError: An expression of the mapping cannot be parsed.
    """
    place = Path(path)
    data = read_bytes(place)
    below = suitewiring.files_below(place.resolve().parent)

    def sibling(name: str) -> bytes:
        try:
            return below.read_bytes(name.removeprefix("./"), max_bytes=most_sibling_bytes)
        except PipexError as exc:
            message = f"{place} names {name!r}: {exc.message}"
            raise ConfigError(
                message, code=exc.code, next_step="put the file below the folder of the import"
            ) from exc

    return import_suite_file(
        data,
        file=place.name,
        suite=suite_id,
        sibling=sibling,
        form=form,
        preset=preset,
        mapping=mapping,
        id_prefix=id_prefix,
        limit=limit,
    )


def recorded_answers(
    path: str | Path,
    expression: str,
    *,
    suite: Suite,
    **reading: Any,  # noqa: ANN401 - the options of import_file
) -> Iterator[dict[str, Json]]:
    """Answers that stand beside the cases in a file, as records of a recorded target.

    Args:
        path: The file that ``suite`` was imported from.
        expression: The answer, over a record's fields; ``record`` is the whole of it.
        suite: As imported.
        reading: As ``import_file`` was given, ``mapping`` included.
    """
    mapping = {**(reading.pop("mapping", None) or {}), "expected_output": expression}
    found = import_file(path, suite_id=suite.id, form="records", mapping=mapping, **reading)
    known = {case.id for case in suite.cases}
    for case in found.suite.cases:
        if case.id in known and case.expected_output is not None:
            yield {
                "case_id": case.id,
                "input_hash": hashes(case).input_hash,
                "output": case.expected_output,
            }


def write_targets(found: Imported, folder: Path) -> list[Path]:
    """Write the recorded answers and prompts that came with a suite beside it; the paths written."""
    written = [
        write_answers(folder / "recorded" / f"{name}.jsonl", records)
        for name, records in found.answers.items()
    ]
    for name, target in found.targets.items():
        text = write_yaml({"target": target})
        written.append(write_whole(folder / "targets" / f"{name}.yaml", text.encode()))
    return written


def write_answers(path: Path, records: Sequence[Mapping[str, Json]]) -> Path:
    """Write the file of a recorded target."""
    text = "".join(f"{compact(dict(record))}\n" for record in records)
    return write_whole(path, text.encode())


def export_bytes(path: str | Path, form: str) -> tuple[bytes, LossReport]:
    """The suite at a path as the bytes of a file in another form, and what that form cannot hold.

    Raises:
        SpecError: The suite cannot be read.
        ConfigError: ``unknown_suite`` or ``unknown_format``.
    """
    suite = load_suite(path)
    if form == "parquet":
        count = len(suite.cases)
        return dump_table(suite), LossReport(format=form, n_in=count, n_out=count)
    made = export_suite_as(suite, form)
    return made.text.encode(), made.report
