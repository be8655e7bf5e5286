"""Is a report true? It is made again from the values that it carries, and compared word by word.

Four things are looked at, and every difference is named: whether the proof is whole, whether its rows
give the summary and the verdict that the manifest says, whether the page is the one that these rows
give, and, when the result tables are at hand, whether the rows are those of the tables.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals.archive import Archive
from pipex_core.evals.findings import Findings
from pipex_core.evals.html import page_of, proof_begins, seal_begins, seal_of
from pipex_core.evals.manifest import gate_from
from pipex_core.evals.proof import (
    columns_of,
    findings_of_proof,
    marks_of,
    summary_document,
    unpacked,
)
from pipex_core.evals.publication import digested
from pipex_core.evals.retelling import witness_of
from pipex_core.evals.table import row_digest
from pipex_core.jsonvalue import Json, canonical, digest

Part = Literal["proof", "row", "summary", "verdict", "gate", "page", "tables"]
most_differences: Final = 20
most_shown: Final = 120
_proof: Final = re.compile(f"{re.escape(proof_begins)}([^<]*)</script>")
_seal: Final = re.compile(f'{re.escape(seal_begins)}([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something in a report that its rows do not bear out.

    Attributes:
        part: Of the report.
        where: A path, a case, or the heading under which it stands.
        said: What the report says, cut.
        computed: What its rows give, cut; empty where that is not known.
    """

    part: Part
    where: str
    said: str = ""
    computed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What became of a report; true when there are no differences.

    Attributes:
        run_id: Of the report; empty when it could not be read.
        notes: What could not be checked, and why.
    """

    run_id: str
    differences: Sequence[Difference]
    notes: Sequence[str] = ()


def verify_report(text: str, *, made_by: str, archive: Archive | None = None) -> Verification:
    """Everything in a report that is not as its own rows have it.

    Args:
        text: The HTML file.
        made_by: Version of this pipex; a page of another one is checked by its seal alone.
        archive: Result tables to hold the rows against.
    """
    found = _proof.findall(text)
    if len(found) != 1:
        lost = f"the file holds {len(found)} proofs; one is needed"
        return Verification(run_id="", differences=[Difference(part="proof", where=lost)])
    try:
        document = unpacked(found[0])
        findings = findings_of_proof(document)
        run_id = str(document["manifest"]["run_id"])
    except (StoreError, ConfigError) as error:
        return Verification(
            run_id="", differences=[Difference(part="proof", where=error.message[:most_shown])]
        )
    notes: list[str] = []
    differences = [
        *_damage(document),
        *_claims(document, findings),
        *_page(text, found[0], findings, made_by=made_by, notes=notes),
        *(_tables(document, archive) if archive else ()),
    ]
    if not findings.is_retold:
        notes.append("comparisons and verdict cannot be computed again: no rows of the baseline")
    return Verification(
        run_id=run_id, differences=differences[:most_differences], notes=tuple(notes)
    )


def _damage(document: Mapping[str, Json]) -> Iterator[Difference]:
    """Rows that are not what was marked, and a proof that is not what it was."""
    marks = marks_of(document["responses"], document["scores"])
    yield from _unlike(document["marks"], marks)
    digests = document.get("digests", {})
    for name in dict.fromkeys((*document, *digests)):
        if name != "digests" and digest(document.get(name)) != digests.get(name):
            yield Difference(part="proof", where=f"{name} is not what its digest says")


def _unlike(said: Sequence[Json], computed: Sequence[Json]) -> Iterator[Difference]:
    known = {(case, repeat): mark for case, repeat, mark in said}
    own = {(case, repeat): mark for case, repeat, mark in computed}
    for case, repeat in sorted(known.keys() | own.keys()):
        one, other = known.get((case, repeat)), own.get((case, repeat))
        if one != other:
            where = f"case {case}, repeat {repeat}" if case else "the whole suite"
            yield Difference(part="row", where=where, said=one or "none", computed=other or "none")


def _claims(document: Mapping[str, Json], findings: Findings) -> Iterator[Difference]:
    """What the report says of summary, gate and verdict, beside what the rows give."""
    manifest, judgement = findings.manifest, findings.judgement
    verdict = judgement.verdict.as_json() if judgement.verdict else None
    summary = summary_document(judgement.summary)
    yield from _unequal("summary", document["summary"], summary, "summary")
    for place in (manifest["verdict"], document["verdict"]):
        yield from _unequal("verdict", place, verdict, "verdict")
    gate = manifest["gate"]
    yield from _unequal("gate", document["gate"], gate, "gate")
    if gate is not None and gate_from(gate).digest != gate["digest"]:
        yield Difference(
            part="gate", where="gate.digest", said=gate["digest"], computed=gate_from(gate).digest
        )


def _unequal(part: Part, said: Json, computed: Json, path: str) -> Iterator[Difference]:
    """Leaves of two JSON values that differ, by their path."""
    match said, computed:
        case dict(), dict():
            for name in dict.fromkeys((*said, *computed)):
                yield from _unequal(part, said.get(name), computed.get(name), f"{path}.{name}")
        case list(), list() if len(said) == len(computed):
            for i, (one, other) in enumerate(zip(said, computed, strict=True)):
                yield from _unequal(part, one, other, f"{path}[{i}]")
        case _ if canonical(said) != canonical(computed):
            yield Difference(
                part=part,
                where=path,
                said=canonical(said)[:most_shown],
                computed=canonical(computed)[:most_shown],
            )
        case _:
            return


def _page(
    text: str, proof: str, findings: Findings, *, made_by: str, notes: list[str]
) -> Iterator[Difference]:
    """Words of the page that its rows do not give."""
    bare = _proof.sub(f"{proof_begins}</script>", text)
    sealed = _seal.search(bare)
    if findings.made_by != made_by:
        notes.append(
            f"the page was made by pipex {findings.made_by or 'of unknown version'}: its words are"
            " checked by its seal alone"
        )
        unsealed = _seal.sub(f'{seal_begins}"', bare)
        if sealed is None or sealed[1] != seal_of(unsealed):
            yield Difference(part="page", where="seal of the page")
        return
    wanted = _proof.sub(f"{proof_begins}</script>", page_of(findings, proof))
    if bare != wanted:
        yield from _words(bare, wanted)


def _words(said: str, computed: str) -> Iterator[Difference]:
    """The pieces between tags that differ, each with the heading above it."""
    one, other = (re.split(r"(?=<)", text) for text in (said, computed))
    heading, is_told = "head of the page", False
    for piece, wanted in zip(one, other, strict=False):
        if piece == wanted:
            if wanted.startswith("<h2") and ">" in wanted:
                heading = wanted.partition(">")[2]
            continue
        is_told = True
        shown, known = _around(piece, wanted)
        yield Difference(part="page", where=heading, said=shown, computed=known)
        if len(one) != len(other):
            return  # what follows is only displaced
    if not is_told:
        lost, found = len(other), len(one)
        yield Difference(part="page", where="length", said=str(found), computed=str(lost))


def _around(said: str, computed: str) -> tuple[str, str]:
    """Both texts from a little before the first sign in which they differ."""
    pairs = zip(said, computed, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(said), len(computed)))
    start = max(0, first - most_shown // 3)
    return said[start : start + most_shown], computed[start : start + most_shown]


def _tables(document: Mapping[str, Json], archive: Archive) -> Iterator[Difference]:
    """Rows and manifest that are not those of the result tables."""
    run_id = str(document["manifest"]["run_id"])
    place = next((place for place in archive.places() if place.run_id == run_id), None)
    if place is None:
        yield Difference(part="tables", where=f"run {run_id} is not among the results")
        return
    try:
        run = witness_of(archive, place)
    except StoreError as error:
        yield Difference(part="tables", where=error.message)
        return
    yield from _unequal("tables", document["manifest"], dict(run.manifest), "manifest")
    marks = marks_of(*columns_of(run.responses, run.scores))
    yield from _unlike(document["marks"], marks)
    tables = {"responses": run.responses, "scores": run.scores}
    computed = row_digest({name: tables[name] for name in digested})
    if computed != run.manifest["row_digest"]:
        said = run.manifest["row_digest"]
        yield Difference(part="tables", where="row_digest", said=said, computed=computed)
