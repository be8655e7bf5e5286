"""Accounts, histories and upkeep of a results folder and of the call cache."""

import getpass
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipex_core.app import wiring
from pipex_core.app.answering import cache_store
from pipex_core.app.pointers import blessed_runs
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stored import find_run, open_archive
from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals import upkeep
from pipex_core.evals.archive import Archive
from pipex_core.evals.costs import By, Spent, account
from pipex_core.evals.histories import Point, history
from pipex_core.evals.publication import Place
from pipex_core.evals.upkeep import Finding
from pipex_core.expressions.patterns import search
from pipex_core.jsonvalue import canonical, digest, parse
from pipex_core.ports import BlobStore

cache_prefix = "calls/"
erasure_log = "erasures.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFacts:
    """The call cache.

    Attributes:
        oldest: When the oldest answer was stored, RFC 3339; None without any.
        damaged: Keys of entries that are not what was stored.
        removed: Entries that were removed.
    """

    entries: int = 0
    size_bytes: int = 0
    oldest: str | None = None
    newest: str | None = None
    damaged: tuple[str, ...] = ()
    removed: int = 0


def costs(
    run: str | None, by: By, *, results: str | None = None, reprice: bool = False
) -> list[Spent]:
    """The account of one run, or of all.

    Raises:
        ConfigError: ``no_results`` or ``unknown_run``.
    """
    archive = open_archive(results)
    places = [find_run(archive, run)] if run else archive.places()
    prices = wiring.prices_of(read_settings()) if reprice else None
    return account(archive, places, by, prices=prices)


def suite_history(
    suite: str, *, results: str | None, metric: str | None, model: str | None, last: int | None
) -> tuple[str, list[Point]]:
    """A metric of a suite over its runs; see ``history``."""
    return history(open_archive(results), suite, metric=metric, model=model, last=last)


def verify_results(results: str | None = None, run: str | None = None) -> list[Finding]:
    """Whether runs are what their manifests say."""
    archive, places, _ = _opened(results, run)
    return list(upkeep.verify(archive, places))


def compact_results(results: str | None = None) -> list[Finding]:
    """Write runs of many files as few."""
    archive, places, blobs = _opened(results, None)
    return list(upkeep.compact(archive, blobs, places))


def migrate_results(results: str | None = None) -> list[Finding]:
    """Write runs of earlier minor versions in the present form."""
    archive, places, blobs = _opened(results, None)
    return list(upkeep.migrate(archive, blobs, places))


def prune_results(
    results: str | None,
    *,
    older_than_days: float | None,
    keep: int | None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[Finding]:
    """Remove old runs that no baseline needs.

    Raises:
        ConfigError: ``missing_option``, neither an age nor a number to keep is given.
    """
    if older_than_days is None and keep is None:
        raise ConfigError(
            "say what may go: --older-than DAYS, --keep N, or both", code="missing_option"
        )
    archive, _, blobs = _opened(results, None)
    at = now or wiring.now()
    limit = None if older_than_days is None else at - timedelta(days=older_than_days)
    found = upkeep.prune(
        archive, blobs, older_than=limit, keep=keep, blessed=blessed_runs(), dry_run=dry_run
    )
    return list(found)


def erase_subject(pattern: str, results: str | None = None, *, reason: str = "") -> list[Finding]:
    """Take the texts of everybody whom a pattern matches out of all results.

    The erasure is kept in ``erasures.jsonl`` of the results folder: when, by whom, how many rows, and
    the hash of the pattern, which is personal data itself.
    """
    archive, places, blobs = _opened(results, None)
    at = wiring.now().isoformat(timespec="seconds")
    note = {"at": at, "by": getpass.getuser(), "pattern_sha256": digest(pattern), "reason": reason}
    found = list(
        upkeep.erase(
            archive,
            blobs,
            places,
            mentions=lambda text: bool(search(pattern, text, limit_s=1)),
            note=note,
        )
    )
    rows = sum(one.rows for one in found)
    log = b"" if not blobs.exists(erasure_log) else blobs.get(erasure_log)
    runs = [one.run_id for one in found if one.rows]
    blobs.put(erasure_log, log + f"{canonical({**note, 'rows': rows, 'runs': runs})}\n".encode())
    return found


def cache_facts() -> CacheFacts:
    """How many answers the call cache holds, how old they are, and which are not what was stored."""
    return _looked_at(cache_store(), keep=lambda _: True)


def prune_cache(older_than_days: float, *, now: datetime | None = None) -> CacheFacts:
    """Remove answers that are older, and damaged entries."""
    limit = (now or wiring.now()).timestamp() - older_than_days * 86_400
    blobs = cache_store()
    found = _looked_at(blobs, keep=lambda at_s: at_s >= limit)
    for key in found.damaged:
        blobs.delete(key)
    return found


def _looked_at(blobs: BlobStore, *, keep: Callable[[float], bool]) -> CacheFacts:
    times: list[float] = []
    damaged: list[str] = []
    removed = size = 0
    for key in list(blobs.list(cache_prefix)):
        try:
            data = blobs.get(key)
            entry = parse(data.decode())
            is_whole = entry["sha256"] == digest(entry["reply"])
            at_s = float(entry.get("at", 0))
        except (StoreError, ValueError, KeyError, TypeError, AttributeError):
            is_whole, at_s, data = False, 0.0, b""
        if not is_whole:
            damaged.append(key)
        elif keep(at_s):
            times.append(at_s)
            size += len(data)
        else:
            blobs.delete(key)
            removed += 1
    return CacheFacts(
        entries=len(times),
        size_bytes=size,
        oldest=_day(min(times)) if times else None,
        newest=_day(max(times)) if times else None,
        damaged=tuple(damaged),
        removed=removed,
    )


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


def _opened(results: str | None, run: str | None) -> tuple[Archive, Iterable[Place], BlobStore]:
    folder = results or _folder(read_settings())
    archive = open_archive(folder)
    places = [find_run(archive, run)] if run else archive.places()
    return archive, places, wiring.results_store(folder)


def _folder(settings: Settings) -> str:
    return settings.text("results_dir")
