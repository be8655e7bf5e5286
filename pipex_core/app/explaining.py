"""Why a case was or would be computed again: the keys of one case against the store, layer by layer."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import pyarrow as pa

from pipex_core.evals.archive import Archive
from pipex_core.evals.columns import holds
from pipex_core.evals.items import case_fields
from pipex_core.evals.job import EvalJob
from pipex_core.evals.keys import Explained, differences, explain, response_parts, score_parts
from pipex_core.evals.publication import Place
from pipex_core.evals.results import is_open
from pipex_core.evals.scorekeys import compared_with
from pipex_core.evals.suite import Case
from pipex_core.jsonvalue import Json, digest
from pipex_core.metrics.contract import RepeatsMetric, Usage
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.lookup import looked_up

explain_schema = "pipex.explain/1"
measured = ("type", "opts", "extract", "negate")


def explain_case(job: EvalJob, archive: Archive, case_id: str) -> dict[str, Json]:
    """The document ``pipex.explain/1`` of a case under the job as it stands; nothing is called.

    For the answer and each score: its key, the parts of the key, whether the store has it and from
    which run, and else which part differs from the newest stored key of the same case and target.
    """
    case = next(one for one in job.suite.cases if one.id == case_id)
    runs = archive.places(suite=job.suite.id)
    found = [row for place in runs if (row := _stored_row(archive, place, case_id)) is not None]
    same_target = [row for row in found if row["target_id"] == job.target.target_id]
    answer = _answer(job, case, found, same_target)
    return {
        "schema": explain_schema,
        "case_id": case_id,
        "suite": job.suite.id,
        "target": job.target.target_id,
        "response": _shown(answer),
        "scores": list(_scores(job, case, answer, found, archive)),
        "verdict": {"rules": [rule.id for rule in (job.gate.rules if job.gate else ())]},
    }


def _answer(
    job: EvalJob, case: Case, found: list[dict[str, Json]], same: list[dict[str, Json]]
) -> Explained:
    parts = response_parts(job.target.digest, job.hashes[case.id].input_hash, repeat=0)
    stored = {row["response_key"]: row["run_id"] for row in reversed(found) if row["is_final"]}
    newest = same[0] if same else None
    if newest is None:
        return explain(parts, stored=stored, newest=None)
    known = explain(
        parts,
        stored=stored,
        newest=response_parts(newest["target_digest"], newest["input_hash"], repeat=0),
    )
    if not known.differs:
        return known
    # Digests say that something differs; the parts of the target say what.
    now = response_parts(dict(job.target.parts), parts["input_hash"], repeat=0)
    before = response_parts(newest["target_parts"], newest["input_hash"], repeat=0)
    detailed = explain(now, stored={}, newest=before)
    return Explained(
        key=known.key,
        parts=known.parts,
        state=known.state,
        differs=detailed.differs or known.differs,
    )


def _scores(
    job: EvalJob, case: Case, answer: Explained, found: list[dict[str, Json]], archive: Archive
) -> Iterator[dict[str, Json]]:
    row = next((one for one in found if one["response_key"] == answer.key), None)
    for entry in job.entries(case.id):
        if row is None:
            yield {
                "metric": entry.name,
                "state": "would compute",
                "differs": [{"part": "response", "before": None, "after": "not asked yet"}],
            }
            continue
        if isinstance(entry.metric, RepeatsMetric):
            found_score = _score_of_repeats(job, case, entry, archive)
        else:
            found_score = _score(job, case, entry, row, archive)
        yield {"metric": entry.name, **_shown(found_score)}


def _score_of_repeats(job: EvalJob, case: Case, entry: Entry, archive: Archive) -> Explained:
    """A value over all repeats: it is there when the newest one was measured in the same way."""
    parts = {"fingerprint": entry.fingerprint}
    for place in archive.places(suite=job.suite.id):
        for score in _score_rows(archive, place, case.id, entry.name):
            if score["repeat"] < 0:
                same = score["metric_fingerprint"] == entry.fingerprint
                stored = {digest(parts): place.run_id} if same else {}
                newest = {"fingerprint": score["metric_fingerprint"]}
                known = explain(parts, stored=stored, newest=newest)
                return replace(known, key=score["score_key"]) if same else known
    return explain(parts, stored={}, newest=None)


def _score(
    job: EvalJob, case: Case, entry: Entry, row: Mapping[str, Json], archive: Archive
) -> Explained:
    usage = Usage(
        latency_ms=row["latency_ms"],
        ttft_ms=row["ttft_ms"],
        cost_usd=row["cost_nanousd"] / 1e9,
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
    )

    def parts_under(fingerprint: str, reference_hash: str | None = None) -> Mapping[str, Json]:
        parts = dict(
            score_parts(
                metric=entry.type,
                fingerprint=fingerprint,
                needs=entry.info.needs,
                response=row["response_hash"],
                case=job.hashes[case.id],
                usage=usage,
                looked_up={
                    **looked_up(entry.fields, case_fields(case), whole=entry.info.reads_case),
                    **compared_with(job, entry, case),
                },
            )
        )
        if reference_hash is not None and "reference_hash" in parts:
            parts["reference_hash"] = reference_hash
        return parts

    stored: dict[str, str] = {}
    newest: Mapping[str, Json] | None = None
    before: Mapping[str, Json] = {}
    for place in archive.places(suite=job.suite.id):
        for score in _score_rows(archive, place, case.id, entry.name):
            if not is_open(status=score["status"], code=score["code"]):
                stored.setdefault(score["score_key"], place.run_id)
            if newest is None:
                newest = parts_under(score["metric_fingerprint"], row["reference_hash"])
                before = _entry_of(archive, place, entry.name)
    found: Explained = explain(parts_under(entry.fingerprint), stored=stored, newest=newest)
    if not any(one.part == "fingerprint" for one in found.differs):
        return found
    # A fingerprint is a hash; what the entry says is what somebody edited.
    edits = differences(before, {name: entry.document()[name] for name in measured})
    return replace(found, differs=(*found.differs, *edits))


def _entry_of(archive: Archive, place: Place, metric: str) -> Mapping[str, Json]:
    """What an entry said in a stored run, as far as it can change a number."""
    entries = archive.manifest(place)["entries"]
    found: Mapping[str, Json] = next((one for one in entries if one["name"] == metric), {})
    return {name: found.get(name) for name in measured}


def _stored_row(archive: Archive, place: Place, case_id: str) -> dict[str, Json] | None:
    columns = [
        "case_id", "repeat", "response_key", "response_hash", "input_hash", "reference_hash",
        "status", "class", "latency_ms", "ttft_ms", "cost_nanousd", "input_tokens",
        "output_tokens", "reasoning_tokens",
    ]  # fmt: skip
    rows = _of_case(archive.table(place, "responses", columns=columns), case_id)
    if not rows:
        return None
    manifest = archive.manifest(place)
    target = manifest["target"]
    return {
        **rows[0],
        "run_id": place.run_id,
        "is_final": rows[0]["class"] != "missing",
        "target_id": target["target_id"],
        "target_digest": target["digest"],
        "target_parts": target["parts"],
    }


def _score_rows(archive: Archive, place: Place, case_id: str, metric: str) -> list[dict[str, Json]]:
    columns = [
        "case_id",
        "repeat",
        "metric",
        "submetric",
        "status",
        "code",
        "score_key",
        "metric_fingerprint",
    ]
    rows = _of_case(archive.table(place, "scores", columns=columns), case_id)
    return [row for row in rows if row["metric"] == metric and row["submetric"] is None]


def _of_case(table: pa.Table, case_id: str) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = table.filter(holds(table["case_id"], case_id)).to_pylist()
    return rows


def _shown(found: Explained) -> dict[str, Json]:
    return {
        "key": found.key,
        "parts": dict(found.parts),
        "state": found.state,
        "origin_run_id": found.origin_run_id,
        "differs": [asdict(one) for one in found.differs],
    }
