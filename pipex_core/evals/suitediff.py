"""What changed between two suites, field by field, and what a run would compute again.

A case whose input and reference both changed stands in both lists. A change says what was there before,
so a diff can be undone, and applies to the suite that it was made from and to no other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.errors import ConfigError
from pipex_core.evals.consequences import (
    Side,
    Uses,
    consequences,
    uses_as_written,
    uses_of_needs,
)
from pipex_core.evals.suite import Case, CaseHashes, Suite, hashes_by_id, suite_digest
from pipex_core.evals.suiteshape import case_data, suite_data
from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json, equal
from pipex_core.metrics.contract import Need

schema_name: Final = "pipex.suite_diff/1"
input_fields: Final = frozenset({"input", "choices", "attachments", "context"})
reference_fields: Final = frozenset(
    {"expected_output", "expected_tools", "relevant_ids", "context", "choices"}
)
_plain_key: Final = re.compile(r"""[^.\[\]"'\s]+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that changed.

    Attributes:
        path: Field, or path inside a map such as ``metadata.topic``; empty for a whole case.
        before: In a box; empty when nothing was there. ``after`` likewise.
    """

    path: str
    before: tuple[Json, ...]
    after: tuple[Json, ...]

    def as_json(self) -> dict[str, Json]:
        """``{path, before, after}``, without the side where nothing is."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path} | {name: box[0] for name, box in sides.items() if box}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """All changes of one kind in one case."""

    id: str
    changes: tuple[Change, ...]

    def as_json(self) -> dict[str, Json]:
        """``{id, changes}``."""
        return {"id": self.id, "changes": [change.as_json() for change in self.changes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One side of a diff."""

    id: str
    version: str
    suite_digest: str

    def as_json(self) -> dict[str, Json]:
        """``{id, version, suite_digest}``."""
        return {"id": self.id, "version": self.version, "suite_digest": self.suite_digest}


Changes = tuple[CaseChange, ...]
_lists: Final = ("added", "removed", "input_changed", "reference_changed", "annotation_changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDiff:
    """How to get from one suite to another; lists are sorted by id.

    Attributes:
        renamed: (removed id, added id) of equal content; both stand in their lists as well.
        suite_changed: Fields of the suite itself.
        consequences: Rows of each layer that a run would compute again: ``responses``, ``scores``,
            and cases that change only what is made of them, ``verdict_only``.
    """

    start: End
    end: End
    added: Changes = ()
    removed: Changes = ()
    input_changed: Changes = ()
    reference_changed: Changes = ()
    annotation_changed: Changes = ()
    renamed: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0
    suite_changed: tuple[Change, ...] = ()
    consequences: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Does nothing change?"""
        return not self.suite_changed and not any(getattr(self, name) for name in _lists)

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of cases per list."""
        sizes = {name: len(getattr(self, name)) for name in (*_lists, "renamed")}
        return {**sizes, "unchanged": self.unchanged}

    @property
    def edits(self) -> Mapping[str, Sequence[Change]]:
        """The changes of each case that stays, each once, by id."""
        edits: dict[str, list[Change]] = {}
        for one in (*self.input_changed, *self.reference_changed, *self.annotation_changed):
            known = edits.setdefault(one.id, [])
            known += [change for change in one.changes if change not in known]
        return edits

    def as_json(self) -> dict[str, Json]:
        """The diff as a document, from which ``diff_from_json`` makes it again."""
        lists = {name: [one.as_json() for one in getattr(self, name)] for name in _lists}
        return {
            "schema": schema_name,
            "from": self.start.as_json(),
            "to": self.end.as_json(),
            **lists,
            "renamed": [{"from": old, "to": new} for old, new in self.renamed],
            "unchanged": self.unchanged,
            "suite_changed": [change.as_json() for change in self.suite_changed],
            "counts": dict(self.counts),
            "consequences": dict(self.consequences),
        }


def diff_suites(
    a: Suite,
    b: Suite,
    *,
    metric_needs: Sequence[frozenset[Need]] | None = None,
    uses: tuple[Uses, Uses] | None = None,
) -> SuiteDiff:
    """What has to change for ``a`` to become ``b``.

    Args:
        a: The older one.
        b: The newer one.
        metric_needs: Needs of each metric of a run, where only those are known.
        uses: The metrics of every case of ``a`` and of ``b``, which count the consequences exactly;
            without them and needs, every metric that the suites name is taken to read the reference.
    """
    in_a, in_b = {case.id: case for case in a.cases}, {case.id: case for case in b.cases}
    hashes_a, hashes_b = hashes_by_id(a), hashes_by_id(b)
    added = tuple(_whole(in_b[i], added=True) for i in sorted(in_b.keys() - in_a.keys()))
    removed = tuple(_whole(in_a[i], added=False) for i in sorted(in_a.keys() - in_b.keys()))
    moved = frozenset((*a.hash_metadata, *b.hash_metadata))
    found: dict[str, list[CaseChange]] = {name: [] for name in _lists[2:]}
    unchanged = 0
    for case_id in sorted(in_a.keys() & in_b.keys()):
        kinds = _by_kind(in_a[case_id], in_b[case_id], moved)
        unchanged += not kinds
        for kind, changes in kinds.items():
            found[kind].append(CaseChange(id=case_id, changes=tuple(changes)))
    result = SuiteDiff(
        start=End(id=a.id, version=a.version, suite_digest=suite_digest(a, known=hashes_a)),
        end=End(id=b.id, version=b.version, suite_digest=suite_digest(b, known=hashes_b)),
        added=added,
        removed=removed,
        input_changed=tuple(found["input_changed"]),
        reference_changed=tuple(found["reference_changed"]),
        annotation_changed=tuple(found["annotation_changed"]),
        renamed=_renamed(removed, added, hashes_a, hashes_b),
        unchanged=unchanged,
        suite_changed=tuple(_changes(suite_data(a), suite_data(b), "")),
    )
    if uses is None and metric_needs is not None:
        uses = (uses_of_needs(metric_needs), uses_of_needs(metric_needs))
    uses_a, uses_b = uses or (uses_as_written(a), uses_as_written(b))
    rows = consequences(
        Side(suite=a, hashes=hashes_a, uses=uses_a),
        Side(suite=b, hashes=hashes_b, uses=uses_b),
        relabelled=frozenset(one.id for one in (*result.annotation_changed, *removed)),
    )
    return replace(result, consequences=rows)


def diff_from_json(data: Json) -> SuiteDiff:
    """The diff that ``as_json`` wrote.

    Raises:
        ConfigError: ``not_a_diff``.
    """
    try:
        return SuiteDiff(
            start=End(**data["from"]),
            end=End(**data["to"]),
            **{name: tuple(map(_case_change, data[name])) for name in _lists},
            renamed=tuple((one["from"], one["to"]) for one in data["renamed"]),
            unchanged=data["unchanged"],
            suite_changed=tuple(map(_change, data["suite_changed"])),
            consequences=data["consequences"],
        )
    except (KeyError, TypeError, IndexError) as exc:
        message = f"this is no suite diff: {type(exc).__name__} at {exc}"
        raise ConfigError(message, code="not_a_diff") from exc


def _case_change(data: Mapping[str, Json]) -> CaseChange:
    return CaseChange(id=data["id"], changes=tuple(map(_change, data["changes"])))


def _change(data: Mapping[str, Json]) -> Change:
    before = (data["before"],) if "before" in data else ()
    after = (data["after"],) if "after" in data else ()
    return Change(path=data["path"], before=before, after=after)


def _whole(case: Case, *, added: bool) -> CaseChange:
    box = (case_data(case),)
    change = Change(path="", before=() if added else box, after=box if added else ())
    return CaseChange(id=case.id, changes=(change,))


def _changes(before: Json, after: Json, path: str) -> Iterator[Change]:
    """The changed parts, inside maps whose keys make plain paths, elsewhere as a whole."""
    for key in sorted(before.keys() | after.keys()):
        inner = join_path(path, key)
        old = (before[key],) if key in before else ()
        new = (after[key],) if key in after else ()
        if old and new and equal(old[0], new[0]):
            continue
        if old and new and all(map(_can_enter, (old[0], new[0]))) and _plain_key.fullmatch(key):
            yield from _changes(old[0], new[0], inner)
        else:
            yield Change(path=inner, before=old, after=new)


def _can_enter(value: Json) -> bool:
    return isinstance(value, Mapping) and all(map(_plain_key.fullmatch, value)) and bool(value)


def _by_kind(a: Case, b: Case, moved: Iterable[str]) -> Mapping[str, list[Change]]:
    kinds: dict[str, list[Change]] = {}
    inputs = {f"metadata.{path.removeprefix('metadata.')}" for path in moved}
    for change in _changes(case_data(a), case_data(b), ""):
        top = change.path.partition(".")[0]
        own = ["input_changed"] if top in input_fields or _touches(change.path, inputs) else []
        own += ["reference_changed"] if top in reference_fields else []
        for kind in own or ["annotation_changed"]:
            kinds.setdefault(kind, []).append(change)
    return kinds


def _touches(path: str, inputs: Iterable[str]) -> bool:
    return any(
        f"{path}.".startswith(f"{one}.") or f"{one}.".startswith(f"{path}.") for one in inputs
    )


def _renamed(
    removed: Changes,
    added: Changes,
    hashes_a: Mapping[str, CaseHashes],
    hashes_b: Mapping[str, CaseHashes],
) -> tuple[tuple[str, str], ...]:
    free: dict[str, list[str]] = {}
    for one in reversed(removed):
        free.setdefault(hashes_a[one.id].case_hash, []).append(one.id)
    pairs = [
        (found.pop(), one.id) for one in added if (found := free.get(hashes_b[one.id].case_hash))
    ]
    return tuple(sorted(pairs))
