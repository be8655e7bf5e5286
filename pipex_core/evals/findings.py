"""Everything a report of a run is made from, and its complete form: the document ``pipex.result/1``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from pipex_core.evals.compare import Comparison
from pipex_core.evals.judged import SummaryBaseline
from pipex_core.evals.judgement import Judgement
from pipex_core.evals.regressions import Regression
from pipex_core.evals.summary import metric_document, totals_document
from pipex_core.jsonvalue import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipText:
    """A case whose passed changed, with both answers.

    Attributes:
        change: Value of the run less that of the baseline, turned so that positive is better.
    """

    case_id: str
    metric: str
    change: float
    passed_now: bool
    output_before: str | None = None
    output_now: str | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Witness:
    """The rows of a run, from which all that is said of it can be computed again.

    Attributes:
        manifest: Of the run; ``run_id metrics reducer impute`` are needed.
        responses: At least the columns of ``proof.response_columns``.
        scores: At least the columns of ``proof.score_columns``.
    """

    manifest: Mapping[str, Json]
    responses: pa.Table
    scores: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """A run as a report sees it, fresh or read from its tables.

    Attributes:
        manifest: ``pipex.manifest/1``.
        responses: Rows of the run.
        flips: Worst first.
        moved: Slices that became better or worse, worse first.
        files: What was written, for people.
        command: The command that repeats the run, when it is known.
        against: What the run was compared with, when its values are known.
        uncertified: Metrics whose judge had no valid certificate when the verdict was made.
        is_retold: Comparisons and verdict follow from the rows that are here; else they are those
            that were stored, because the rows of the baseline are gone.
        made_by: Version of what makes the report.
        made_at: When the report was made; empty stands for the end of the run.
    """

    manifest: Mapping[str, Json]
    judgement: Judgement
    responses: pa.Table
    scores: pa.Table
    flips: Sequence[FlipText] = ()
    regressions: Sequence[Regression] = ()
    moved: Sequence[Comparison] = ()
    files: Sequence[str] = ()
    command: str = ""
    against: Witness | SummaryBaseline | None = None
    uncertified: frozenset[str] = frozenset()
    is_retold: bool = True
    made_by: str = ""
    made_at: str = ""


def result_document(found: Findings) -> dict[str, Json]:
    """The document ``pipex.result/1``."""
    judgement = found.judgement
    summary = judgement.summary
    return {
        "schema": "pipex.result/1",
        "run": {**found.manifest["run"], **_ids(found.manifest)},
        "summary": totals_document(summary),
        "metrics": {name: metric_document(one) for name, one in summary.metrics.items()},
        "slices": {
            by: {
                value: {name: metric_document(one) for name, one in metrics.items()}
                for value, metrics in values.items()
            }
            for by, values in summary.slices.items()
        },
        "comparisons": [asdict(row) for row in judgement.comparisons],
        "moved": [asdict(row) for row in found.moved],
        "verdict": judgement.verdict.as_json() if judgement.verdict else None,
        "regressions": [asdict(one) for one in found.regressions],
        "failures": failure_rows(found.responses),
        "flips": [asdict(flip) for flip in found.flips],
        "files": list(found.files),
        "warnings": warning_lines(found),
    }


def result_rows(found: Findings) -> list[dict[str, Json]]:
    """The ``results`` that ``save_results`` adds: one map per response, with its metrics."""
    marks: dict[tuple[str, int], list[dict[str, Json]]] = {}
    names = (
        *("case_id", "repeat", "metric_type", "metric", "score", "passed", "threshold"),
        *("status", "code", "submetric", "level"),
    )
    for row in found.scores.select(names).to_pylist():
        if row["level"] == "case" and row["submetric"] is None:
            mark = {
                "type": row["metric_type"],
                "name": row["metric"],
                **{word: row[word] for word in ("score", "passed", "threshold", "status", "code")},
            }
            marks.setdefault((row["case_id"], row["repeat"]), []).append(mark)
    columns = ("case_id", "repeat", "status", "input", "expected", "output", "passed")
    return [
        {**row, "metrics": marks.get((row["case_id"], row["repeat"]), [])}
        for row in found.responses.select(columns).to_pylist()
    ]


def warning_lines(found: Findings) -> list[str]:
    """What changes how the numbers are to be read, each with its code first."""
    judgement = found.judgement
    totals = judgement.summary.totals
    lines = list(judgement.verdict.warnings) if judgement.verdict else []
    told = found.manifest.get("warnings", ())
    lines += [f"{one['code']}: {one['message']}" for one in told]
    if judgement.outcome.n_open:
        why = judgement.outcome.reason
        lines.append(f"open_rows: {judgement.outcome.n_open} rows are open ({why})")
    if totals.n_quarantined:
        lines.append(f"quarantined: {totals.n_quarantined} cases are left out of all numbers")
    if found.manifest["suite"].get("is_subset"):
        lines.append("subset: only some cases of the suite were run")
    if not found.is_retold:
        lines.append(
            "not_recomputed: comparisons and verdict are those that were stored; the rows of the"
            " baseline are not among the results"
        )
    return lines


def failure_rows(responses: pa.Table) -> list[dict[str, Json]]:
    """Failed cases, failures of the target first."""
    columns = ("case_id", "repeat", "status", "class", "error_code", "error", "failed_step")
    rows = responses.select((*columns, "passed", "input", "output", "expected")).to_pylist()
    failed = [row for row in rows if row["passed"] is False]
    return sorted(failed, key=lambda row: (row["class"] != "target_failure", row["case_id"]))


def _ids(manifest: Mapping[str, Json]) -> dict[str, Json]:
    names = ("run_id", "suite_id", "model_id", "row_digest")
    return {name: manifest.get(name) for name in names}
