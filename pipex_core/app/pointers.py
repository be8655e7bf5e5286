"""The files of baselines: ``baselines/<suite_id>/<name>.json`` and the log beside them."""

from pathlib import Path
from typing import Final

from pipex_core.app import wiring
from pipex_core.app.settings import read_settings
from pipex_core.errors import ConfigError
from pipex_core.evals.baselines import Pointer, checked_name, pointer_from
from pipex_core.ports import BlobStore, key_part

log_name: Final = "log.jsonl"
ending: Final = ".json"


def folder_of_suite(suite_id: str) -> Path:
    """Where the baselines of a suite stand, or would stand."""
    folder = Path(read_settings().text("project_dir")) / "baselines"
    return folder / key_part(suite_id)


def shelf(suite_id: str) -> BlobStore:
    """The baselines of a suite as a store: pointers by file name, and the log."""
    return wiring.results_store(str(folder_of_suite(suite_id)))


def suites() -> list[str]:
    """Ids of the suites that have baselines, sorted."""
    folder = folder_of_suite("any").parent
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def pointer(suite_id: str, name: str) -> Pointer | None:
    """The pointer of a name; None when the name stands for nothing yet.

    Raises:
        ConfigError: ``bad_baseline``.
    """
    store, key = shelf(suite_id), f"{name}{ending}"
    return pointer_from(store.get(key).decode(), name) if store.exists(key) else None


def pointers(suite_id: str) -> dict[str, Pointer]:
    """All pointers of a suite by name, sorted."""
    names = [key.removesuffix(ending) for key in shelf(suite_id).list() if key.endswith(ending)]
    found = ((name, pointer(suite_id, name)) for name in names)
    return {name: one for name, one in found if one is not None}


def log_text(suite_id: str) -> str:
    """The log of a suite; empty when nothing was ever moved."""
    store = shelf(suite_id)
    return store.get(log_name).decode("utf-8", "replace") if store.exists(log_name) else ""


def pointed(word: str, suite: str | None = None) -> tuple[str, Pointer] | None:
    """The suite and the pointer that ``NAME`` or ``NAME:SUITE`` means; None when it is no baseline.

    Args:
        word: As somebody wrote it.
        suite: The only one that is asked when the word names none; None asks all.

    Raises:
        ConfigError: ``unknown_run``, several suites have a baseline of this name.
    """
    name, _, own = word.partition(":")
    try:
        checked_name(name)
    except ConfigError:
        return None
    only = own or suite
    asked = [only] if only else suites()
    found = [(one, known) for one in asked if (known := pointer(one, name)) is not None]
    if len(found) > 1:
        raise ConfigError(
            f"several suites have a baseline {name!r}: {', '.join(one for one, _ in found)}",
            code="unknown_run",
            next_step=f"say which, such as {name}:{found[0][0]}",
        )
    return found[0] if found else None


def blessed_runs() -> frozenset[str]:
    """Ids of the runs that a baseline names, or would name after a rollback."""
    known = [one for suite in suites() for one in pointers(suite).values()]
    return frozenset(run for one in known for run in (one.run_id, one.previous) if run)
