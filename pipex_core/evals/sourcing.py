"""Cases from the logs of a program in use: read, filtered, scrubbed, made distinct, sampled; all counted.

Nothing leaves this module unscrubbed, messages about broken lines included. What a program answered is
no reference before somebody accepted it, so a case that takes its reference from a log says so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.curate import sample
from pipex_core.evals.deduplication import Distinct, distinct
from pipex_core.evals.interchange import Mapper, checked_mapping
from pipex_core.evals.logfiles import log_records
from pipex_core.evals.logpresets import Unfold, log_presets, mapping_of_presets
from pipex_core.evals.lossreport import Loss
from pipex_core.evals.nearduplicates import default_threshold
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.suite import Case, Suite, hashes
from pipex_core.evals.suiteshape import case_id, read_case
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.reading import checked
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.values import truth
from pipex_core.jsonvalue import Json, digest_bytes, short
from pipex_core.registry import nearest

log_id_field: Final = "source.log_id"
# Epoch times by size: seconds, milliseconds, microseconds, and nanoseconds beyond.
_units: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (float("inf"), 1e9))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A log: its name for people, and its bytes as they lie there."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReading:
    """How logs become cases.

    Attributes:
        mapping: Case field to an expression over a record's fields; overrides the preset's. Beside
            the fields of a case, ``source.log_id`` is where the record came from. Without mapping and
            preset, fields that are case fields are taken as they are.
        preset: One of ``log_presets``.
        where: Expression over a record's fields; records for which it is not true are left out.
        scrubber: Takes personal data out.
        threshold: Least Jaccard index of near duplicates; None keeps them.
        sample_size: Most cases; None for all.
        seed: Of the sample.
        imported_at: RFC 3339, for provenance.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    preset: str | None = None
    where: str | None = None
    scrubber: Scrubber = field(default_factory=Scrubber)
    threshold: float | None = default_threshold
    sample_size: int | None = None
    seed: int = 0
    imported_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage took in and let through; ``facts`` are its own counts."""

    name: str
    n_in: int
    n_out: int
    facts: Mapping[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """``{stage, n_in, n_out, ...}``."""
        return {"stage": self.name, "n_in": self.n_in, "n_out": self.n_out, **self.facts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A record that makes no case."""

    file: str
    where: str
    reason: str

    def as_json(self) -> dict[str, Json]:
        """``{file, where, reason}``."""
        return {"file": self.file, "where": self.where, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """New cases for a suite, and what became of everything else.

    Attributes:
        cases: Sorted by id; none of them asks what another one or a case of the suite asks.
        stages: ``read rejected filter scrub exact_dedup near_dedup sample``, in this order.
        groups: Exact and near duplicates; the case that stays may be one of the suite.
    """

    cases: tuple[Case, ...]
    stages: tuple[Stage, ...]
    rejected: tuple[Rejected, ...]
    groups: Distinct


def cases_from_logs(files: Sequence[LogFile], *, suite: Suite, reading: LogReading) -> Sourced:
    """The cases in some logs that a suite does not have yet.

    Raises:
        ConfigError: ``not_records`` or ``too_large`` for a file; ``unknown_preset``, ``unknown_field``
            or ``out_of_range`` for an option.
        ExpressionError: An expression cannot be parsed, or a user's pattern takes too long.
    """
    reader = _Reader(reading, suite.hash_metadata)
    drafts = [case for file in files for case in reader.cases(file)]
    try:
        once = distinct(
            drafts, known=suite.cases, hash_metadata=suite.hash_metadata, threshold=None
        )
        named = _with_own_ids(once.cases, suite)
        near = replace(once, cases=named)
        if reading.threshold is not None:
            near = replace(
                distinct(
                    named,
                    known=suite.cases,
                    hash_metadata=suite.hash_metadata,
                    threshold=reading.threshold,
                ),
                exact=once.exact,
            )
    except ValueError as exc:
        raise ConfigError(str(exc), code="out_of_range") from exc
    chosen = sorted(near.cases, key=lambda case: case.id)
    if reading.sample_size is not None:
        whole = Suite(id=suite.id, cases=chosen)
        chosen = [*sample(whole, reading.sample_size, seed=reading.seed).suite.cases]
    stages = (
        *reader.stages(),
        Stage(name="exact_dedup", n_in=len(drafts), n_out=len(once.cases)),
        Stage(name="near_dedup", n_in=len(once.cases), n_out=len(near.cases)),
        Stage(name="sample", n_in=len(near.cases), n_out=len(chosen)),
    )
    return Sourced(cases=tuple(chosen), stages=stages, rejected=tuple(reader.rejected), groups=near)


class _Reader:
    """Records -> scrubbed cases; keeps account of what is left out."""

    def __init__(self, reading: LogReading, hash_metadata: Sequence[str]) -> None:
        self.rejected: list[Rejected] = []
        self._reading = reading
        self._paths = hash_metadata
        self._unfold = _unfold_of(reading.preset)
        base = mapping_of_presets if reading.preset else {}
        rules = {**base, **reading.mapping}
        self._log_id = rules.pop(log_id_field, "log_id" if reading.preset else None)
        if self._log_id is not None:
            checked(self._log_id)
        if reading.where is not None:
            checked(reading.where)
        self._mapper = Mapper(checked_mapping(rules))
        self._count: Counter[str] = Counter()
        self._found: Counter[str] = Counter()

    def cases(self, file: LogFile) -> Iterator[Case]:
        """The cases of one log; their ids may still be the same."""
        name = self._reading.scrubber.text(file.name)
        told = {"format": "logs", "file": name, "sha256": digest_bytes(file.data)}
        if self._reading.preset:
            told["preset"] = self._reading.preset
        lost: list[Loss] = []
        start = len(self.rejected)
        for where, whole in log_records(file.data, lost):
            self._count["in"] += 1
            for record in self._unfold(whole):
                self._count["out"] += 1
                case = self._case(record, where, told)
                if isinstance(case, str):
                    self._reject(name, where, case)
                elif case is not None:
                    yield case
        for loss in lost:
            self._count.update(("in", "out"))
            self._reject(name, loss.where, loss.effect)
        self.rejected[start:] = sorted(self.rejected[start:], key=lambda one: _number(one.where))

    def _case(self, record: Json, where: str, told: Mapping[str, Json]) -> Case | str | None:
        """The case of a record, why it makes none, or None when it is filtered out."""
        if not isinstance(record, Mapping):
            return "the record is no map"
        scope = Scope(local={"record": record, **record})
        condition = self._reading.where
        try:
            if condition is not None and not truth(evaluate(condition, scope, mode="lenient")):
                self._count["filtered"] += 1
                return None
            fields = self._mapper.mapped(record)
            log_id = evaluate(self._log_id, scope, mode="lenient") if self._log_id else None
        except ExpressionError as exc:
            return exc.message
        return self._scrubbed(fields, log_id, {**told, "line": _number(where)})

    def _scrubbed(
        self, fields: Mapping[str, Json], log_id: Json, source: Mapping[str, Json]
    ) -> Case | str:
        """The case of some fields: everything in it is scrubbed, in one numbering, before it is looked at."""
        known = {name: value for name, value in fields.items() if value is not None}
        if "created_at" in known:
            known["created_at"] = moment_of(known["created_at"])
        # A time that is none is somebody's text and not this module's, so it is scrubbed too.
        times = {"created_at": known["created_at"]} if _is_moment(known.get("created_at")) else {}
        # The question comes first, so that its numbers do not depend on what else was logged with it.
        order = sorted(known.keys() - times.keys(), key=lambda name: (name != "input", name))
        texts = {name: known[name] for name in order}
        scrubbed = self._reading.scrubber.value({"fields": texts, "log_id": log_id})
        clean = scrubbed.value["fields"]
        if clean.get("id") != known.get("id"):
            clean.pop("id", None)
        if log_id is not None and scrubbed.value["log_id"] == log_id:
            source = {**source, "log_id": log_id}
        if "expected_output" in clean:
            source = {**source, "reference": "log"}
        if self._reading.imported_at is not None:
            source = {**source, "imported_at": self._reading.imported_at}
        wanted = clean.pop("id", None)
        data = {**clean, **times, "id": "x", "source": source}
        case, findings = read_case(data, path="")
        if case is None or _is_blank(case.input):
            said = [finding.message for finding in findings]
            return "; ".join(said) or "the input is empty"
        self._found.update(scrubbed.counts)
        self._count["scrubbed"] += bool(scrubbed.counts)
        self._count["cases"] += 1
        return replace(case, id=self._id(wanted, case))

    def _id(self, wanted: Json, case: Case) -> str:
        text = str(wanted) if isinstance(wanted, int | str) and not isinstance(wanted, bool) else ""
        if case_id.fullmatch(text):
            return text
        return _made_id(case, self._paths)

    def _reject(self, file: str, where: str, reason: str) -> None:
        told = self._reading.scrubber.text(reason)
        self.rejected.append(Rejected(file=file, where=where, reason=told))

    def stages(self) -> tuple[Stage, ...]:
        """What became of the records up to here."""
        n, left = self._count, self._count["out"] - len(self.rejected)
        kinds = dict(sorted(self._found.items()))
        return (
            Stage(name="read", n_in=n["in"], n_out=n["out"]),
            Stage(name="rejected", n_in=n["out"], n_out=left),
            Stage(name="filter", n_in=left, n_out=n["cases"]),
            Stage(
                name="scrub",
                n_in=n["cases"],
                n_out=n["cases"],
                facts={"n_scrubbed": n["scrubbed"], "kinds": kinds},
            ),
        )


def moment_of(value: Json) -> Json:
    """A time as RFC 3339 in UTC; what is no time is given back.

    Numbers, also as text, count seconds, milliseconds, microseconds or nanoseconds since 1970, told by
    their size; a time without a zone is taken to be UTC.
    """
    if isinstance(value, str) and not value.isdecimal():
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return value
        return _text_of(found if found.tzinfo else found.replace(tzinfo=UTC))
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    number = float(value)
    per_second = next(unit for most, unit in _units if number < most)
    try:
        return _text_of(datetime.fromtimestamp(number / per_second, UTC))
    except (ValueError, OverflowError, OSError):
        return value


def _text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def _is_moment(value: Json) -> bool:
    return isinstance(value, str) and value.endswith("Z") and moment_of(value) == value


def _unfold_of(preset: str | None) -> Unfold:
    if preset is None:
        return lambda record: iter((record,))
    if preset not in log_presets:
        near = nearest(preset, log_presets)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no preset {preset!r}{hint} (known: {', '.join(log_presets)})"
        raise ConfigError(message, code="unknown_preset")
    return log_presets[preset]


def _number(where: str) -> int:
    """Of a line or record, as in ``line 3``."""
    return int(where.rpartition(" ")[2])


def _is_blank(value: Json) -> bool:
    return value in ({}, []) or (isinstance(value, str) and not value.strip())


def _made_id(case: Case, paths: Sequence[str]) -> str:
    return f"log_{short(hashes(case, hash_metadata=paths).input_hash)}"


def _with_own_ids(cases: Sequence[Case], suite: Suite) -> tuple[Case, ...]:
    """Cases whose ids nobody else has: a second one of the same name is named by its content."""
    taken = {case.id for case in suite.cases}
    named = []
    for case in cases:
        made, number = case.id, 1
        if made in taken:
            stem = made = _made_id(case, suite.hash_metadata)
            while made in taken:
                number += 1
                made = f"{stem}-{number}"
        taken.add(made)
        named.append(replace(case, id=made))
    return tuple(named)
