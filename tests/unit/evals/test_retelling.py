"""Reports of stored runs: what the rows say again, and what is shown when the baseline's are gone."""

import dataclasses

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.evals.archive import Archive
from pipex_core.evals.findings import result_document, warning_lines
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judged import SummaryBaseline
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.publication import publish
from pipex_core.evals.report import verdict_report
from pipex_core.evals.retelling import Made, stored_findings
from pipex_core.evals.runner import place_of_job
from pipex_core.evals.table import empty
from pipex_core.jsonvalue import canonical
from tests.fakes.evaluation import answering, job, run
from tests.fakes.reports import archived
from tests.fakes.world import World


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def test_a_stored_run_says_what_it_said_when_it_was_made(blobs: MemoryBlobs) -> None:
    archive, place, before = archived(blobs)
    found = stored_findings(archive, place, made=Made(by="1.2", command="pipex eval run x"))
    assert found.is_retold
    assert found.judgement.verdict is not None
    assert canonical(found.judgement.verdict.as_json()) == canonical(found.manifest["verdict"])
    assert {row.baseline_run_id for row in found.judgement.comparisons} == {before.run_id}
    assert (found.made_by, found.command) == ("1.2", "pipex eval run x")


def test_cases_that_changed_sides_have_the_answers_of_both_runs(blobs: MemoryBlobs) -> None:
    archive, place, _ = archived(blobs)
    found = stored_findings(archive, place)
    assert len(found.flips) == 20
    first = found.flips[0]
    assert (first.case_id, first.metric, first.passed_now) == ("q01", "exact_match", False)
    assert (first.output_before, first.output_now) == ("w1", "a wrong word")
    assert [one.metric for one in found.regressions] == ["exact_match", "token_f1"]


def test_slices_that_moved_are_told_and_those_that_did_not_are_not(blobs: MemoryBlobs) -> None:
    archive, place, _ = archived(blobs)
    found = stored_findings(archive, place)
    assert {(row.metric, row.slice, row.outcome) for row in found.moved} == {
        ("exact_match", "hard", "worse"),
        ("token_f1", "hard", "worse"),
    }
    (part,) = [one for one in verdict_report(found).sections if one.part == "moved"]
    assert part.lines == ["2 became worse and 0 better."]
    # Half of the hard cases fell: 20 of 40.
    assert part.grid is not None
    assert part.grid.rows[0][:4] == ["exact_match [tags=hard]", "1", "0.5", "-0.5"]


def test_without_the_rows_of_the_baseline_the_stored_verdict_is_shown_with_a_warning(
    blobs: MemoryBlobs,
) -> None:
    archive, place, before = archived(blobs)
    whole = stored_findings(archive, place)
    for key in [key for key in blobs.list("") if before.run_id in key]:
        blobs.delete(key)
    found = stored_findings(archive, place)
    assert not found.is_retold
    assert found.judgement.verdict is not None
    assert found.judgement.verdict.as_json() == whole.manifest["verdict"]
    assert len(found.judgement.comparisons) == len(whole.judgement.comparisons)
    assert warning_lines(found)[-1].startswith("not_recomputed: ")
    assert result_document(found)["verdict"] == whole.manifest["verdict"]


def test_a_damaged_baseline_does_not_keep_a_report_from_being_made(blobs: MemoryBlobs) -> None:
    archive, place, before = archived(blobs)
    blobs.put(before.key("scores", "part-00000.parquet"), b"rubbish")
    assert not stored_findings(archive, place).is_retold


def test_a_baseline_of_means_alone_is_read_from_the_stored_comparisons(blobs: MemoryBlobs) -> None:
    rules = [{"id": "drop", "metric": "exact_match", "kind": "regression_pct", "drop": 5,
              "bound": "point"}]  # fmt: skip
    baseline = SummaryBaseline(means={"exact_match": 0.9})
    made = run(job(gate=gate_of({"rules": rules}), baseline=baseline),
               World(answering({"it": "Milan"})), blobs=blobs)  # fmt: skip
    found = stored_findings(Archive(blobs), place_of_job(made.job))
    assert found.judgement.verdict is not None
    assert found.judgement.verdict.verdict == made.manifest["verdict"]["verdict"]


def test_runs_that_share_few_cases_are_told_as_they_were_stored(blobs: MemoryBlobs) -> None:
    # The gate was let look at both by hand; by itself it would refuse.
    archive, place, before = archived(blobs)
    other = run(job(), World(answering()), blobs=MemoryBlobs())
    blobs.delete(before.manifest)
    stranger = {**other.manifest, **before.ids()}
    publish(
        blobs, before, {"responses": other.responses, "scores": other.scores, "runs": empty("runs")},
        {k: v for k, v in stranger.items() if k not in ("files", "schema", "row_digest")},
    )  # fmt: skip
    found = stored_findings(archive, place)
    assert not found.is_retold
    assert list(found.regressions) == []


def test_a_baseline_without_the_deciding_metric_has_no_flips(blobs: MemoryBlobs) -> None:
    before = run(job(metrics=["token_f1"]), blobs=blobs)
    made = job(run_id="ev_2", baseline=judged_of(before.judgement))
    now = run(made, World(answering({"it": "Milan"})), blobs=blobs)
    found = stored_findings(Archive(blobs), place_of_job(now.job))
    assert list(found.flips) == []


def test_a_run_without_gate_and_baseline_is_compared_with_nothing(blobs: MemoryBlobs) -> None:
    made = run(job(), blobs=blobs)
    found = stored_findings(Archive(blobs), place_of_job(made.job))
    assert found.against is None
    assert found.judgement.verdict is None
    assert list(found.flips) == list(found.moved) == list(found.regressions) == []


def test_findings_name_who_was_barred_from_gating(blobs: MemoryBlobs) -> None:
    archive, place, _ = archived(blobs)
    manifest = dict(archive.manifest(place))
    verdict = {
        **manifest["verdict"],
        "warnings": ["uncertified_judge: allowed to gate without a certificate: a, b"],
    }
    blobs.put(place.manifest, canonical({**manifest, "verdict": verdict}).encode())
    found = stored_findings(archive, place)
    assert found.uncertified == {"a", "b"}
    assert dataclasses.replace(found, uncertified=frozenset()).uncertified == frozenset()
