"""Baselines are moved here and nowhere else: set, promoted after a verdict, rolled back; each by one line of a log."""

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipex_core.app import suitewiring, wiring
from pipex_core.app.pointers import (
    ending,
    folder_of_suite,
    log_name,
    log_text,
    pointer,
    pointers,
    shelf,
)
from pipex_core.app.settings import read_settings
from pipex_core.app.stored import Ruled, find_run, judge_stored
from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive
from pipex_core.evals.baselines import (
    Action,
    Move,
    Pointer,
    before_of,
    champion,
    check_unmoved,
    check_worthy,
    checked_name,
    line_of,
    lines_from,
    pointer_of,
    problems_of,
)
from pipex_core.evals.publication import Place
from pipex_core.evals.verdict import Verdict
from pipex_core.jsonvalue import Json, canonical_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How somebody wants a baseline moved.

    Attributes:
        reason: Why, for those who read the log.
        force: Promote whatever the verdict is.
        actor: Who asks; the user of this process when None.
    """

    name: str = champion
    reason: str = ""
    allow_incomplete: bool = False
    allow_subset: bool = False
    force: bool = False
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of a wish.

    Attributes:
        pointer: As it is now; None when nothing ever stood under the name.
        entry: The new line of the log; None when nothing moved.
        verdict: Of a promotion.
    """

    suite_id: str
    pointer: Pointer | None
    entry: Mapping[str, Json] | None = None
    verdict: Verdict | None = None


def set_baseline(archive: Archive, word: str, wish: Wish) -> Moved:
    """Let a name stand for a run, without asking a gate.

    Raises:
        ConfigError: ``reason_required``, ``baseline_incomplete``, ``baseline_subset``,
            ``baseline_moved``, ``bad_baseline_name`` or ``unknown_run``.
    """
    _check_reason(wish)
    place = find_run(archive, word)
    seen = _seen(place.suite_id, wish.name)
    return _moved(archive, place, _move("set", place, wish, seen), wish)


def promote(
    archive: Archive,
    word: str,
    wish: Wish,
    *,
    gate_file: str | None = None,
    ruled: Ruled | None = None,
) -> Moved:
    """Let a name stand for a run that passes its gate against the run that the name stands for now.

    The verdict is computed here and now from the rows, under one ruler where ``ruled`` brings that
    about. One that is no PASS moves nothing, unless
    ``wish.force`` says so, which the log and the audit log tell.

    Raises:
        ConfigError: As ``set_baseline``, and ``no_gate``.
    """
    if wish.force:
        _check_reason(wish)
    place = find_run(archive, word)
    seen = _seen(place.suite_id, wish.name)
    if seen == place.run_id:
        return Moved(suite_id=place.suite_id, pointer=pointer(place.suite_id, wish.name))
    check_worthy(
        archive.manifest(place),
        allow_incomplete=wish.allow_incomplete,
        allow_subset=wish.allow_subset,
    )
    named = wish.name if seen else None  # a name that is new is judged as the gate says
    verdict = judge_stored(
        archive, archive.load(place), gate_file=gate_file, baseline=named, ruled=ruled
    )
    passed = verdict.verdict == "PASS"
    if not (passed or wish.force):
        return Moved(
            suite_id=place.suite_id,
            pointer=pointer(place.suite_id, wish.name),
            verdict=verdict,
        )
    move = _move("promote" if passed else "force", place, wish, seen)
    move = replace(move, verdict=verdict.verdict, gate_digest=verdict.gate_digest)
    return replace(_moved(archive, place, move, wish), verdict=verdict)


def roll_back(archive: Archive, suite_id: str, wish: Wish) -> Moved:
    """Let a name stand again for the run that it stood for before.

    Raises:
        ConfigError: ``reason_required``; ``no_baseline``, the name never stood for another run; or
            ``baseline_missing``, that run is not in the results any more.
    """
    _check_reason(wish)
    now = pointer(suite_id, checked_name(wish.name))
    if now is None or now.previous is None:
        raise ConfigError(
            f"{suite_id} has no baseline {wish.name} that stood for another run before",
            code="no_baseline",
            next_step=f"pipex baseline log {suite_id}",
        )
    for place in archive.places(suite=suite_id):
        if place.run_id == now.previous:
            return _moved(archive, place, _move("rollback", place, wish, now.run_id), wish)
    raise ConfigError(
        f"run {now.previous}, which {wish.name} stood for before, is not in the results",
        code="baseline_missing",
        next_step="bring the run back, or set another one",
    )


def promote_by_rule(
    archive: Archive, place: Place, verdict: Verdict, promotion: Mapping[str, Json] | None
) -> Moved | None:
    """What the rule ``promotion`` of a gate does after a verdict; None when it asks for nothing.

    ``on: pass`` wants a PASS, ``on: superiority`` also a rule of that kind that passed. Runs that
    others should not be measured by are never promoted by a rule.

    Raises:
        ConfigError: ``baseline_moved``.
    """
    if promotion is None or verdict.verdict != "PASS":
        return None
    better = any(r.row.kind == "superiority" and r.outcome == "PASS" for r in verdict.rules)
    if promotion["on"] == "superiority" and not better:
        return None
    wish = Wish(reason=f"promotion on {promotion['on']}", actor=str(promotion["actor"]))
    seen = _seen(place.suite_id, wish.name)
    if seen == place.run_id or verdict.baseline != seen:
        return None
    try:
        check_worthy(archive.manifest(place))
    except ConfigError:
        return None
    move = _move("auto_promote", place, wish, seen)
    move = replace(move, verdict=verdict.verdict, gate_digest=verdict.gate_digest)
    return replace(_moved(archive, place, move, wish), verdict=verdict)


def verify(suite_id: str) -> list[str]:
    """What is wrong with the log and the pointers of a suite, in words."""
    return problems_of(log_text(suite_id), pointers(suite_id))


def history(suite_id: str, name: str | None = None) -> list[dict[str, Json]]:
    """The lines of the log, oldest first; of one name, or of all."""
    lines = lines_from(log_text(suite_id))
    return [line for line in lines if name in (None, line.get("name"))]


def _seen(suite_id: str, name: str) -> str | None:
    found = pointer(suite_id, checked_name(name))
    return None if found is None else found.run_id


def _check_reason(wish: Wish) -> None:
    if not wish.reason.strip():
        raise ConfigError(
            "say why, for those who read the log later",
            code="reason_required",
            next_step="add --reason TEXT",
        )


def _move(action: Action, place: Place, wish: Wish, seen: str | None) -> Move:
    return Move(
        action=action,
        name=wish.name,
        to=place.run_id,
        seen=seen,
        actor=wish.actor or getpass.getuser(),
        at=wiring.now().isoformat(timespec="milliseconds"),
        reason=wish.reason,
    )


def _moved(archive: Archive, place: Place, move: Move, wish: Wish) -> Moved:
    """Check the run, and move the pointer if it still is where it was seen."""
    manifest = archive.manifest(place)
    if move.action != "rollback":
        check_worthy(
            manifest, allow_incomplete=wish.allow_incomplete, allow_subset=wish.allow_subset
        )
    if move.seen == move.to:
        return Moved(suite_id=place.suite_id, pointer=pointer(place.suite_id, move.name))
    return write_move(place.suite_id, manifest, move)


def write_move(suite_id: str, manifest: Mapping[str, Json], move: Move) -> Moved:
    """Write the line and then the pointer, alone in the folder.

    Raises:
        ConfigError: ``baseline_moved``, somebody else was faster.
        RunLocked: Somebody else holds the folder.
        StoreError: The audit log or the folder cannot be written; the pointer did not move.
    """
    folder, store = folder_of_suite(suite_id), shelf(suite_id)
    folder.mkdir(parents=True, exist_ok=True)
    with suitewiring.held_folder(folder):
        check_unmoved(move, _seen(suite_id, move.name))
        lines = lines_from(log_text(suite_id))
        entry = line_of(move, lines[-1] if lines else None)
        back = move.action == "rollback"
        previous = before_of(lines, move.name, move.to) if back else move.seen
        found = pointer_of(manifest, move, previous=previous)
        wiring.audit_log(read_settings(), actor=move.actor).append(
            f"baseline.{move.action}",
            resource=f"{suite_id}/{move.name}",
            reason=move.reason,
            correlation_id=move.to,
            details={"from": move.seen, "to": move.to, "verdict": move.verdict},
        )
        old = store.get(log_name) if store.exists(log_name) else b""
        store.put(log_name, old + canonical_bytes(entry) + b"\n")
        text = json.dumps(found.document(), ensure_ascii=False, indent=2)
        store.put(f"{move.name}{ending}", f"{text}\n".encode())
    return Moved(suite_id=suite_id, pointer=found, entry=entry)
