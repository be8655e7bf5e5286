"""Suites and gate files on disk: load, save, import; targets as files and words of the command line."""

from collections.abc import Mapping
from pathlib import Path

from pipex_core.app import suitewiring, wiring
from pipex_core.app.authored import is_code
from pipex_core.app.files import is_suite_id, located, read_bytes, read_list, suite_place
from pipex_core.app.suitefiles import check_attachments, read_suite, write_whole
from pipex_core.app.suiteplaces import placed
from pipex_core.app.suiteversions import load_saved
from pipex_core.errors import ConfigError, ExpressionError, Problem, SpecError, StepError
from pipex_core.evals.gatefile import Gate, gate_of
from pipex_core.evals.suite import Suite
from pipex_core.evals.suitefile import dump_directory
from pipex_core.expressions.reading import checked
from pipex_core.jsonvalue import Json
from pipex_core.metrics.entries import resolve_entries
from pipex_core.ports import BlobStore
from pipex_core.spec.yaml_text import read_yaml


def load_suite(
    path: str | Path, version: str = "latest", *, store: BlobStore | None = None
) -> Suite:
    """The suite of a folder (``suite.yaml`` and ``cases.jsonl``) or of a single file.

    Args:
        path: Folder, a ``.json``, ``.yaml``, ``.yml``, ``.jsonl`` or ``.parquet`` file, or the id of a
            suite under ``test_suites/``; a version may follow behind ``@``: ``qa@2.1``.
        version: ``latest`` is what lies there now; a label, ``@`` and at least 8 digits of a digest, or
            ``git:<revision>`` is what was saved.
        store: Where saved versions lie; ``.pipex/suites`` when None.

    Raises:
        SpecError: All problems, each with file, line and column; ``attachment_mismatch`` among them.
        ConfigError: ``unknown_suite`` or ``unknown_version``, with those that exist.
        StoreError: ``suite_tampered``, a saved version is not what was saved.
    """
    place, wanted = place_and_version(path, version)
    if wanted != "latest":
        return load_saved(place, wanted, store=store)
    suite = read_suite(place)
    check_attachments(suite, folder_of(place))
    return suite


def place_and_version(path: str | Path, version: str) -> tuple[Path, str]:
    """Where a suite lies, and the version that stands behind ``@`` unless one is asked for.

    Raises:
        ConfigError: ``unknown_suite``.
    """
    word = str(path)
    if version != "latest" or Path(word).exists():
        return suite_place(path), version
    names = [
        word[:at] for at, letter in enumerate(word) if letter == "@" and 0 < at < len(word) - 1
    ]
    # A folder's name may hold an @ too, and so may a version: the first name that is there is meant.
    known = [name for name in names if Path(name).exists() or is_suite_id(name)]
    if not names:
        return suite_place(path), version
    name = known[0] if known else names[0]
    return suite_place(name), word[len(name) + 1 :]


def suite_word(word: str) -> str:
    """The path of the suite that a word names, with the version behind it, as ``load_suite`` reads it.

    Raises:
        ConfigError: ``unknown_suite``.
    """
    place, version = place_and_version(word, "latest")
    return str(place) if version == "latest" else f"{place}@{version}"


def folder_of(place: Path) -> Path:
    """The folder that a suite's own paths start from."""
    return place if place.is_dir() else place.parent


def write_directory(suite: Suite, folder: str | Path) -> list[Path]:
    """Write the canonical form of a suite, each file whole or not at all; the paths written."""
    place = Path(folder)
    texts = dump_directory(suite)
    return [write_whole(place / name, text.encode()) for name, text in texts.items()]


def load_gate(path: str | Path) -> Gate:
    """The gate of a file.

    Raises:
        SpecError: All problems, each with its line.
    """
    document = read_yaml(read_bytes(Path(path)), str(path))
    data = document.value
    if isinstance(data, Mapping) and "gate" in data and "rules" not in data:
        return _gate_in(path, data["gate"], within="gate")
    return gate_of(data, source=document.source)


def check_expressions(option: str, pairs: Mapping[str, str]) -> Mapping[str, str]:
    """The expressions of an option ``NAME=EXPRESSION``, as they are.

    Raises:
        ConfigError: One cannot be parsed; the message says which, and where in it.
    """
    for name, expression in pairs.items():
        try:
            checked(expression)
        except ExpressionError as exc:
            place = f"character {exc.position + 1} of {expression!r}"
            raise ConfigError(f"{option} {name}: {exc.message} at {place}", code=exc.code) from exc
    return pairs


def load_metrics(path: str) -> list[Json]:
    """The metric entries of a file, checked.

    Raises:
        ConfigError: The file is not there or holds no list of metrics.
        SpecError: All problems, each with its line.
    """
    found = read_list(path, "metrics")
    try:
        resolve_entries(found, wiring.metrics())
    except SpecError as exc:
        # Which code may be run, and where it lies, is known once the suite is.
        code = {f"metrics[{at}]" for at, entry in enumerate(found) if is_code(entry)}
        wrong = [one for one in exc.problems if one.path.partition(".")[0] not in code]
        if wrong:
            raise SpecError(located(wrong, path)) from exc
    return found


def gate_of_suite(suite: Suite) -> Gate | None:
    """The gate that a suite brings: a map, or the path of a file beside it; None without one."""
    if suite.gate is None:
        return None
    if isinstance(suite.gate, str):
        return _gate_beside(suite, suite.gate)
    return _gate_in(suite.location, suite.gate, within="gate")


def _gate_beside(suite: Suite, name: str) -> Gate:
    """The gate of a file below the folder of the suite; no other is opened."""
    folder = folder_of(Path(suite.location))
    inside = suitewiring.files_below(folder)
    try:
        inside.read_bytes(name)
    except StepError as exc:
        problem = Problem(code=exc.code, message=f"gate: {exc.message}", path="gate")
        raise SpecError(placed([problem], suite.location)) from exc
    return load_gate(folder / name)


def _gate_in(file: str | Path, data: Json, *, within: str) -> Gate:
    try:
        return gate_of(data)
    except SpecError as exc:
        raise SpecError(located(exc.problems, file, within=within)) from exc
