"""Baselines: named pointers to runs, and the log of every move, whose lines are chained by hashes.

A pointer is small JSON that lives beside the suite in Git. The log is written first and the pointer
after it, so that a pointer that moved without a line is always found. The functions here decide and
check; ``app.baselines`` reads and writes the files.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Final, Literal

from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse

Action = Literal["set", "promote", "force", "auto_promote", "rollback"]

champion: Final = "champion"
first_hash: Final = "0" * 64
safe_name: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_actions: Final = frozenset({"set", "promote", "force", "auto_promote", "rollback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What a baseline's file says.

    Attributes:
        metric_fingerprints: By metric, as the run was scored.
        summary: Mean by metric; None where there was none.
        blessed_at: RFC 3339, UTC.
        previous: The run that the name stood for before, where a rollback goes; None at first.
    """

    name: str
    run_id: str
    suite_digest: str = ""
    target_digest: str = ""
    target_id: str = ""
    model_id: str = ""
    metric_fingerprints: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, float | None] = field(default_factory=dict)
    blessed_by: str = ""
    blessed_at: str = ""
    reason: str = ""
    previous: str | None = None

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What somebody wants done to a name.

    Attributes:
        to: Run that the name shall stand for.
        seen: Run that it stood for when that was decided; None when the name was new.
        verdict: Of the gate at that moment; None when no gate was asked.
        reason: In the words of ``actor``.
    """

    action: Action
    name: str
    to: str
    seen: str | None
    actor: str
    at: str
    reason: str
    verdict: str | None = None
    gate_digest: str | None = None


def checked_name(name: str) -> str:
    """The name of a baseline.

    Raises:
        ConfigError: ``bad_baseline_name``, it could not be the name of a file.
    """
    if not safe_name.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a baseline: letters, digits, dot, dash and underscore only",
            code="bad_baseline_name",
        )
    return name


def pointer_of(manifest: Mapping[str, Json], move: Move, *, previous: str | None) -> Pointer:
    """The pointer after a move to the run of a manifest."""
    target = manifest["target"]
    means = manifest["summary"]["metrics"]
    return Pointer(
        name=move.name,
        run_id=move.to,
        suite_digest=manifest["suite"]["digest"],
        target_digest=target["digest"],
        target_id=target["target_id"],
        model_id=target["model_id"],
        metric_fingerprints={one["name"]: one["fingerprint"] for one in manifest["metrics"]},
        summary={name: one["mean"] for name, one in means.items()},
        blessed_by=move.actor,
        blessed_at=move.at,
        reason=move.reason,
        previous=previous,
    )


def pointer_from(text: str, name: str) -> Pointer:
    """The pointer that the file of a name holds; one written by hand may name a run and no more.

    Raises:
        ConfigError: ``bad_baseline``, it names no run.
    """
    try:
        data = parse(text)
    except ValueError as exc:
        raise ConfigError(f"baseline {name} is no JSON: {exc}", code="bad_baseline") from exc
    if not isinstance(data, dict) or not isinstance(data.get("run_id"), str):
        raise ConfigError(f"baseline {name} names no run", code="bad_baseline")
    known = {one.name for one in fields(Pointer)}
    return Pointer(**{key: data[key] for key in known & data.keys()} | {"name": name})


def check_worthy(
    manifest: Mapping[str, Json], *, allow_incomplete: bool = False, allow_subset: bool = False
) -> None:
    """Refuse a run that others should not be measured by.

    Raises:
        ConfigError: ``baseline_incomplete`` or ``baseline_subset``.
    """
    run_id, status = manifest["run_id"], manifest["run"]["status"]
    if status != "completed" and not allow_incomplete:
        raise ConfigError(
            f"run {run_id} is {status}, not completed",
            code="baseline_incomplete",
            next_step=f"pipex eval resume {run_id}, or say --allow-incomplete",
        )
    if manifest["suite"]["is_subset"] and not allow_subset:
        raise ConfigError(
            f"run {run_id} saw only some cases of its suite",
            code="baseline_subset",
            next_step="evaluate the whole suite, or say --allow-subset",
        )


def check_unmoved(move: Move, now: str | None) -> None:
    """Refuse a move that was decided while the name stood for another run.

    Raises:
        ConfigError: ``baseline_moved``.
    """
    if now != move.seen:
        raise ConfigError(
            f"baseline {move.name} now names {now or 'no run'}, and named"
            f" {move.seen or 'no run'} when this was decided",
            code="baseline_moved",
            next_step="look at pipex baseline log, and decide again",
        )


def line_of(move: Move, last: Mapping[str, Json] | None) -> dict[str, Json]:
    """The line of the log that tells of a move, chained to the one before."""
    entry: dict[str, Json] = {
        "seq": last["seq"] + 1 if last else 1,
        "at": move.at,
        "actor": move.actor,
        "action": move.action,
        "name": move.name,
        "from": move.seen,
        "to": move.to,
        "verdict": move.verdict,
        "gate_digest": move.gate_digest,
        "reason": move.reason,
        "prev_hash": last["hash"] if last else first_hash,
    }
    return {**entry, "hash": line_hash(entry)}


def line_hash(entry: Mapping[str, Json]) -> str:
    """SHA-256 of the hash before, as bytes, and of the canonical JSON of the other fields."""
    rest = {key: value for key, value in entry.items() if key not in ("hash", "prev_hash")}
    return digest_bytes(bytes.fromhex(entry["prev_hash"]) + canonical_bytes(rest))


def lines_from(text: str) -> list[dict[str, Json]]:
    """The lines of a log, unchecked.

    Raises:
        ConfigError: ``bad_baseline_log``, a line is no JSON object.
    """
    found = []
    for number, line in enumerate(_lines(text), start=1):
        try:
            entry = parse(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ConfigError(
                f"line {number} of the log is damaged",
                code="bad_baseline_log",
                next_step="pipex baseline verify; take the file from Git",
            )
        found.append(entry)
    return found


def before_of(lines: Sequence[Mapping[str, Json]], name: str, run_id: str) -> str | None:
    """The run that a name stood for before it first came to stand for ``run_id`` for the last time.

    A rollback brings back a run without telling what stood before it; the line that put it there does.
    """
    for line in reversed(lines):
        if line["name"] == name and line["to"] == run_id and line["action"] != "rollback":
            before: str | None = line["from"]
            return before
    return None


def problems_of(text: str, pointers: Mapping[str, Pointer]) -> list[str]:
    """What is wrong with a log and the pointers beside it; empty when all is as it was written.

    Args:
        text: Of ``log.jsonl``.
        pointers: By name, every pointer of the suite.
    """
    problems: list[str] = []
    before, names = first_hash, dict[str, str | None]()
    for number, line in enumerate(_lines(text), start=1):
        wrong = _wrong_with(line, number, before, names)
        if wrong:
            return [*problems, f"line {number}: {wrong}"]
        entry = parse(line)
        before, names[entry["name"]] = entry["hash"], entry["to"]
    return [*problems, *_unlike(names, pointers)]


def _lines(text: str) -> Iterable[str]:
    """The lines of a log; a reason may hold what other texts break lines at."""
    return text.removesuffix("\n").split("\n") if text else ()


def _wrong_with(line: str, number: int, before: str, names: Mapping[str, str | None]) -> str:
    """Why a line does not follow from those before it, or nothing."""
    try:
        entry = parse(line)
        if entry["seq"] != number:
            return f"it is number {entry['seq']}, a line is missing, added or moved"
        if entry["prev_hash"] != before:
            return "it does not follow from the line before, which was changed or taken out"
        if line_hash(entry) != entry["hash"]:
            return "it was changed after it was written"
        if entry["from"] != names.get(entry["name"]) or entry["action"] not in _actions:
            return f"{entry['name']} stood for {names.get(entry['name']) or 'no run'} before it"
    except (ValueError, KeyError, TypeError):
        return "it is no line of a log"
    return ""


def _unlike(names: Mapping[str, str | None], pointers: Mapping[str, Pointer]) -> Iterable[str]:
    for name, run_id in sorted(names.items()):
        found = pointers.get(name)
        if found is None:
            yield f"{name}: the log says {run_id}, and the pointer is gone"
        elif found.run_id != run_id:
            yield f"{name}: the pointer names {found.run_id}, and the log says {run_id}"
    for name in sorted(pointers.keys() - names.keys()):
        yield f"{name}: the pointer names {pointers[name].run_id}, and the log does not know it"
