"""What a report carries so that anybody can compute it again: rows, gate, baseline, and what was said.

The document ``pipex.proof/1`` holds the values of every case that rules look at, of the run and of its
baseline. ``retold`` computes summary, comparisons and verdict from rows alone; a report is made from
what it says, and a reader who does not trust the report can let it be made again.
"""

import base64
import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import pyarrow as pa

from pipex_core.errors import StoreError
from pipex_core.evals.arms import Arm, arm_of
from pipex_core.evals.compare import Comparison, compare
from pipex_core.evals.findings import Findings, FlipText, Witness
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.judged import Baseline, SummaryBaseline
from pipex_core.evals.judgement import Judgement, gated_of, judged_of
from pipex_core.evals.manifest import gate_from, metric_facts_from
from pipex_core.evals.movement import moved_slices, slicings_of
from pipex_core.evals.outcome import outcome_of
from pipex_core.evals.pairs import match
from pipex_core.evals.regressions import Regression
from pipex_core.evals.rendering import cut
from pipex_core.evals.summary import Summary, metric_document, summary_of, totals_document
from pipex_core.evals.table import TableName, schema
from pipex_core.evals.verdict import RuleResult, Verdict
from pipex_core.jsonvalue import Json, canonical, canonical_bytes, digest, parse

proof_schema: Final = "pipex.proof/1"
most_text_bytes: Final = 10_000_000
mark_digits: Final = 10

text_columns: Final = ("input", "expected", "output", "error")
response_columns: Final = (
    "case_id", "repeat", "case_hash", "cluster_id", "weight", "tags", "split", "slices",
    "quarantined", "class", "status", "error_code", "failed_step", "attempts", "passed", "cache",
    "latency_ms", "calls", "input_tokens", "output_tokens", "cost_nanousd",
)  # fmt: skip
score_columns: Final = (
    "case_id", "repeat", "metric", "submetric", "level", "metric_type", "metric_fingerprint",
    "status", "code", "score", "passed", "threshold", "required", "fallback_of", "judge_id",
    "judge_cost_nanousd", "carried",
)  # fmt: skip
manifest_of_baseline: Final = ("run_id", "metrics", "reducer", "impute", "target", "suite")
Columns = Mapping[str, Sequence[Json]]


# -- from rows to what is said


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retold:
    """What the rows of a run and of its baseline say."""

    judgement: Judgement
    moved: Sequence[Comparison] = ()


def retold(
    run: Witness,
    against: Witness | SummaryBaseline | None = None,
    *,
    uncertified: frozenset[str] = frozenset(),
) -> Retold:
    """Summary, comparisons and verdict, computed from rows alone.

    Args:
        run: With its gate in the manifest, when it has one.
        against: The baseline.
        uncertified: Metrics whose judge may not gate.

    Raises:
        ConfigError: A gate can say nothing, such as ``not_comparable``.
    """
    gate = None if run.manifest["gate"] is None else gate_from(run.manifest["gate"])
    found = _judgement(run, gate)
    before = _judgement(against, None).arm if isinstance(against, Witness) else None
    baseline = _baseline(against)
    verdict = None
    if gate is not None:
        verdict = judge(gate, judged_of(found, uncertified=uncertified), baseline=baseline)
    rows = [result.row for result in verdict.rules] if verdict else []
    moved: list[Comparison] = []
    if before is not None:
        rows += compare(before, found.arm, matched=match(before, found.arm))
        moved = moved_slices(
            before, found.arm, wanted=_wanted(gate), min_slice=gate.min_slice if gate else 30
        )
    return Retold(judgement=replace(found, comparisons=rows, verdict=verdict), moved=moved)


def as_stored(run: Witness, comparisons: pa.Table) -> Judgement:
    """What was stored of a run's comparisons and verdict, beside a summary of its rows."""
    gate = None if run.manifest["gate"] is None else gate_from(run.manifest["gate"])
    names = schema("comparisons").names
    rows = [Comparison(**row) for row in comparisons.select(names).to_pylist()]
    ruled = {(row.rule_id, row.slice_by, row.slice): row for row in rows if row.rule_id}
    said = run.manifest["verdict"]
    verdict = None if said is None else _verdict(said, ruled.values())
    return replace(_judgement(run, gate), comparisons=rows, verdict=verdict)


def arm_of_rows(run: Witness) -> Arm:
    """The values of a run by case."""
    manifest = run.manifest
    return arm_of(
        run.responses,
        run.scores,
        [metric_facts_from(one) for one in manifest["metrics"]],
        run_id=manifest["run_id"],
        reducer=manifest["reducer"],
        impute=manifest["impute"],
    )


def _judgement(run: Witness, gate: Gate | None) -> Judgement:
    arm = arm_of_rows(run)
    summary = summary_of(
        arm,
        run.responses,
        run.scores,
        slices=slicings_of(arm, _wanted(gate)),
        min_slice=gate.min_slice if gate else 30,
    )
    gated = gated_of(
        lambda responses, scores: arm_of_rows(replace(run, responses=responses, scores=scores)),
        run.responses,
        run.scores,
        unverified=run.manifest.get("suite", {}).get("unverified", ()),
    )
    outcome = outcome_of(run.responses, run.scores)
    return Judgement(arm=arm, summary=summary, outcome=outcome, gated=gated)


def _wanted(gate: Gate | None) -> list[str]:
    return [path for rule in (gate.rules if gate else ()) for path in rule.slices]


def _baseline(against: Witness | SummaryBaseline | None) -> Baseline | None:
    return judged_of(_judgement(against, None)) if isinstance(against, Witness) else against


def _verdict(said: Mapping[str, Json], rows: Iterable[Comparison]) -> Verdict:
    known = {
        (row.rule_id, None if row.slice is None else f"{row.slice_by}={row.slice}"): row
        for row in rows
    }
    rules = [
        RuleResult(
            outcome=rule["outcome"],
            reason=rule["reason"],
            row=known[rule["id"], rule["slice"]],
            repeats_needed=rule["repeats_needed"],
        )
        for rule in said["rules"]
        if (rule["id"], rule["slice"]) in known
    ]
    words = ("verdict", "gate_digest", "alpha", "family_size", "baseline")
    return Verdict(
        **{word: said[word] for word in words},
        reasons=tuple(said["reasons"]),
        rules=tuple(rules),
        warnings=tuple(said["warnings"]),
    )


# -- to a document and back


def proof_document(found: Findings) -> dict[str, Json]:
    """The document ``pipex.proof/1``, with a digest of each part and a mark for each row."""
    responses = {**_columns(found.responses, response_columns), **_texts(found.responses)}
    scores = _columns(found.scores, score_columns)
    document: dict[str, Json] = {
        "schema": proof_schema,
        "manifest": dict(found.manifest),
        "gate": found.manifest.get("gate"),
        "summary": summary_document(found.judgement.summary),
        "verdict": found.judgement.verdict.as_json() if found.judgement.verdict else None,
        "uncertified": sorted(found.uncertified),
        "is_retold": found.is_retold,
        "responses": responses,
        "scores": scores,
        "marks": marks_of(responses, scores),
        "baseline": _baseline_document(found.against),
        "comparisons": [asdict(row) for row in found.judgement.comparisons],
        "moved": [asdict(row) for row in found.moved],
        "flips": [_cut_flip(flip) for flip in found.flips],
        "regressions": [asdict(one) for one in found.regressions],
        "files": list(found.files),
        "command": found.command,
        "made_by": found.made_by,
        "made_at": found.made_at,
    }
    return {**document, "digests": {name: digest(value) for name, value in document.items()}}


def summary_document(summary: Summary) -> dict[str, Json]:
    """Totals and metrics, as manifests have them."""
    metrics = {name: metric_document(one) for name, one in summary.metrics.items()}
    return {**totals_document(summary), "metrics": metrics}


def findings_of_proof(document: Mapping[str, Json]) -> Findings:
    """Findings computed again from the rows of a proof.

    Raises:
        ConfigError: The gate can say nothing of these rows.
        StoreError: ``damaged_file``, a part is missing or is of another shape.
    """
    try:
        return _findings(document)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as exc:
        message = f"the proof lacks what a report is made from: {exc!r}"
        raise StoreError(message, code="damaged_file") from exc


def _findings(document: Mapping[str, Json]) -> Findings:
    run = Witness(
        manifest=document["manifest"],
        responses=table_of("responses", document["responses"]),
        scores=table_of("scores", document["scores"]),
    )
    against = _against(document["baseline"])
    if document["is_retold"]:
        told = retold(run, against, uncertified=frozenset(document["uncertified"]))
    else:
        rows = [Comparison(**row) for row in document["comparisons"]]
        gate = run.manifest["gate"]
        own = _judgement(run, None if gate is None else gate_from(gate))
        verdict = None if document["verdict"] is None else _verdict(document["verdict"], rows)
        told = Retold(judgement=replace(own, comparisons=rows, verdict=verdict))
    return Findings(
        manifest=run.manifest,
        judgement=told.judgement,
        responses=run.responses,
        scores=run.scores,
        flips=[FlipText(**flip) for flip in document["flips"]],
        regressions=[Regression(**one) for one in document["regressions"]],
        moved=told.moved,
        files=document["files"],
        command=document["command"],
        against=against,
        uncertified=frozenset(document["uncertified"]),
        is_retold=document["is_retold"],
        made_by=document["made_by"],
        made_at=document["made_at"],
    )


def packed(document: Mapping[str, Json]) -> str:
    """A document as gzip in base64; equal for equal documents on one machine."""
    return base64.b64encode(gzip.compress(canonical_bytes(document), mtime=0)).decode()


def unpacked(text: str) -> Mapping[str, Json]:
    """The document that ``packed`` wrote.

    Raises:
        StoreError: ``damaged_file``.
    """
    try:
        document = parse(gzip.decompress(base64.b64decode(text, validate=True)).decode())
    except (ValueError, OSError, EOFError, zlib.error) as exc:
        raise StoreError(f"the proof cannot be read: {exc}", code="damaged_file") from exc
    if not isinstance(document, dict) or document.get("schema") != proof_schema:
        raise StoreError(f"this is no {proof_schema} document", code="schema_too_new")
    return document


def marks_of(responses: Columns, scores: Columns) -> list[Json]:
    """Case, repeat and a short hash of all that a report knows of them, in order of the rows."""
    parts: dict[tuple[str, int], list[Json]] = defaultdict(list)
    for columns in (responses, scores):
        for cells in zip(*columns.values(), strict=True):
            row = dict(zip(columns, cells, strict=True))
            parts[row["case_id"] or "", row["repeat"]].append(row)
    return [[*key, digest(rows)[:mark_digits]] for key, rows in parts.items()]


def columns_of(responses: pa.Table, scores: pa.Table) -> tuple[Columns, Columns]:
    """What a proof would hold of these tables."""
    return (
        {**_columns(responses, response_columns), **_texts(responses)},
        _columns(scores, score_columns),
    )


def table_of(name: TableName, columns: Columns) -> pa.Table:
    """Columns of a proof as a table with the types of its kind."""
    types = schema(name)
    arrays = {
        column: pa.array(values, type=_plain(types.field(column).type)).cast(
            types.field(column).type
        )
        for column, values in columns.items()
    }
    return pa.table(arrays)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _columns(table: pa.Table, names: Iterable[str]) -> dict[str, list[Json]]:
    return {name: parse(canonical(table[name].to_pylist())) for name in names}


def _texts(table: pa.Table) -> dict[str, list[Json]]:
    """The texts, long ones without their middle; past ten megabytes together there are none more."""
    columns: dict[str, list[Json]] = {name: table[name].to_pylist() for name in text_columns}
    room = most_text_bytes
    for i in range(table.num_rows):
        for values in columns.values():
            if values[i] is not None:
                values[i] = cut(values[i]) if room > 0 else None
                room -= len((values[i] or "").encode(errors="replace"))
    return columns


def _cut_flip(flip: FlipText) -> dict[str, Json]:
    found = asdict(flip)
    names = ("output_before", "output_now", "expected")
    return {**found, **{name: None if found[name] is None else cut(found[name]) for name in names}}


def _baseline_document(against: Witness | SummaryBaseline | None) -> Json:
    match against:
        case Witness():
            return {
                "kind": "run",
                "manifest": {
                    name: against.manifest[name]
                    for name in manifest_of_baseline
                    if name in against.manifest
                },
                "responses": _columns(against.responses, response_columns),
                "scores": _columns(against.scores, score_columns),
            }
        case SummaryBaseline():
            return {"kind": "means", "means": dict(against.means), "run_id": against.run_id}
        case None:
            return None


def _against(document: Json) -> Witness | SummaryBaseline | None:
    if document is None:
        return None
    if document["kind"] == "means":
        return SummaryBaseline(means=document["means"], run_id=document["run_id"])
    return Witness(
        manifest=document["manifest"],
        responses=table_of("responses", document["responses"]),
        scores=table_of("scores", document["scores"]),
    )
