"""Stored runs are found, read back as they were, compared and carried; frames are tidy."""

import pandas as pd
import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive, flip_texts
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.manifest import metric_facts_document, metric_facts_from
from pipex_core.evals.notebook import Results
from tests.fakes.evaluation import answering, capital_suite, case, job, prompt, run
from tests.fakes.world import World


def stored() -> MemoryBlobs:
    """A run with one wrong answer, and a later one with another."""
    blobs = MemoryBlobs()
    metrics = ["exact_match", "token_f1", "latency"]
    first = job(run_id="ev_20260101T000000_aaaaaaaa", metrics=metrics)
    run(first, World(answering({"it": "Milan"})), blobs=blobs)
    second = job(run_id="ev_20260102T000000_bbbbbbbb", metrics=metrics)
    run(second, World(answering({"pt": "Porto"})), blobs=blobs)
    return blobs


def test_a_damaged_file_of_one_run_is_left_out_with_a_warning() -> None:
    blobs = stored()
    (damaged,) = (
        key for key in blobs.list("responses/") if "ev_20260102" in key and key.endswith(".parquet")
    )
    blobs.put(damaged, b"PAR1 torn")
    world = World(answering())
    index = Archive(blobs).carry()
    again = run(job(run_id="ev_3"), world, carry=index)
    assert set(again.responses["origin_run_id"].to_pylist()) == {"ev_20260101T000000_aaaaaaaa"}
    told = [event.data for event in world.events if event.kind == "warning"]
    assert [one["code"] for one in told] == ["cache_damaged"]
    assert "ev_20260102T000000_bbbbbbbb" in told[0]["message"]


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive(stored())


@pytest.fixture(scope="module")
def results() -> Results:
    return Results(stored())


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("latest", "ev_20260102T000000_bbbbbbbb"),
        ("latest:capitals", "ev_20260102T000000_bbbbbbbb"),
        ("ev_20260101", "ev_20260101T000000_aaaaaaaa"),
        ("ev_20260102T000000_bbbbbbbb", "ev_20260102T000000_bbbbbbbb"),
    ],
)
def test_a_run_is_found_by_id_prefix_or_age(archive: Archive, name: str, run_id: str) -> None:
    assert archive.find(name).run_id == run_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ev_2026", "fits several runs"),
        ("ev_20260101T000000_aaaaaaab", "did you mean ev_20260101T000000_aaaaaaaa"),
        ("zzz", "there is no run 'zzz'"),
        ("latest:other", "there is no run yet of 'other'"),
    ],
)
def test_a_run_that_is_not_meant_clearly_is_unknown(
    archive: Archive, name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        archive.find(name)
    assert refusal.value.code == "unknown_run"


def test_an_empty_folder_has_no_latest_run() -> None:
    with pytest.raises(ConfigError, match="no run yet"):
        Archive(MemoryBlobs()).find("latest")


def test_runs_come_newest_first_and_may_be_narrowed(archive: Archive) -> None:
    ids = [place.run_id[-8:] for place in archive.places()]
    assert ids == ["bbbbbbbb", "aaaaaaaa"]
    assert archive.places(suite="other") == archive.places(model="other") == []


def test_a_run_read_back_judges_as_the_run_itself() -> None:
    blobs = MemoryBlobs()
    fresh = run(job(metrics=["exact_match", "latency"]), blobs=blobs)
    again = Archive(blobs).load(Archive(blobs).find("latest"))
    assert again.responses.equals(fresh.responses)
    assert again.scores.equals(fresh.scores)
    assert again.judgement.summary.metrics == fresh.summary.metrics
    assert again.judged.totals == judged_of(fresh.judgement).totals
    assert again.judged.finished


def test_a_table_that_a_run_has_not_is_empty(archive: Archive) -> None:
    place = archive.find("latest")
    assert archive.table(place, "comparisons").num_rows == 0
    assert archive.table(place, "comparisons", columns=["p"]).column_names == ["p"]


def test_stored_rows_are_carried_into_a_new_run(archive: Archive) -> None:
    world = World(answering())
    found = run(job(run_id="ev_3"), world, carry=archive.carry(suite="capitals"))
    assert world.provider.sent == []
    assert set(found.responses["origin_run_id"].to_pylist()) == {"ev_20260102T000000_bbbbbbbb"}


def test_flips_show_both_answers_the_worst_first(archive: Archive) -> None:
    before, now = (archive.load(archive.find(name)) for name in ("ev_20260101", "ev_20260102"))
    found = flip_texts(before, now, "exact_match")
    assert [(f.case_id, f.passed_now, f.output_before, f.output_now) for f in found] == [
        ("pt", False, "Lisbon", "Porto"),
        ("it", True, "Milan", "Rome"),
    ]
    assert [flip.expected for flip in found] == ["Lisbon", "Rome"]


def test_facts_of_a_metric_survive_their_document() -> None:
    for facts in job(metrics=["exact_match", "latency"]).facts():
        assert metric_facts_from(metric_facts_document(facts)) == facts


def test_runs_as_a_frame(results: Results) -> None:
    frame = results.runs()
    assert frame["run_id"].str[-8:].tolist() == ["bbbbbbbb", "aaaaaaaa"]
    assert frame["pass_rate"].tolist() == [0.8, 0.8]
    assert str(frame["started_at"].dtype).startswith("datetime64")
    assert len(results.runs(latest=1)) == 1
    assert results.runs(status="failed").empty
    assert results.runs(suite="other").empty


def test_responses_as_a_frame_with_categories_text_ids_and_partition_columns(
    results: Results,
) -> None:
    frame = results.responses("latest")
    assert frame.columns[:3].tolist() == ["suite_id", "model_id", "run_id"]
    assert isinstance(frame["status"].dtype, pd.CategoricalDtype)
    assert frame["model_id"].unique().tolist() == ["m"]
    narrow = results.responses("latest", columns=["output"], where={"case_id": ["pt", "de"]})
    assert narrow.columns.tolist() == ["suite_id", "model_id", "run_id", "output"]
    assert narrow["output"].tolist() == ["Berlin", "Porto"]


def test_scores_of_one_metric(results: Results) -> None:
    frame = results.scores("latest", metric="exact_match")
    assert frame["score"].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert len(results.scores("latest")) > 5


def test_wide_has_a_row_per_answer_and_a_column_per_metric(results: Results) -> None:
    wide = results.wide("latest")
    assert wide.columns.tolist() == [
        "case_id", "repeat", "input", "expected", "output", "status", "passed",
        "exact_match", "token_f1", "latency",
    ]  # fmt: skip
    assert wide["exact_match"].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert wide["exact_match"].dtype == "float64"
    assert results.wide("latest", value="passed")["exact_match"].tolist()[-1] is False


def test_wide_of_an_answer_without_score_is_missing_and_not_zero() -> None:
    blobs = MemoryBlobs()
    suite = capital_suite([case("de"), case("xx")])
    run(job(suite), World({**answering(), "default": {"reply": "?"}}), blobs=blobs)
    wide = Results(blobs).wide("latest")
    assert wide["exact_match"].isna().tolist() == [False, True]


def test_the_summary_as_a_frame(results: Results) -> None:
    frame = results.summary("latest").set_index("metric")
    assert frame.loc["exact_match", "mean"] == 0.8
    assert frame.loc["exact_match", "ci_method"] == "wilson"
    assert frame.loc["latency", "n_scored"] == 5


def test_slices_as_a_frame() -> None:
    blobs = MemoryBlobs()
    suite = capital_suite([case("de", tags=("eu",)), case("es", tags=("eu", "south"))])
    run(job(suite), blobs=blobs)
    frame = Results(blobs).slices("latest", "tags")
    assert frame[["tags", "n_scored"]].to_numpy().tolist() == [["eu", 2], ["south", 1]]


def test_a_comparison_as_a_frame(results: Results) -> None:
    frame = results.compare("ev_20260101", "ev_20260102", metrics=["exact_match"])
    assert frame[["metric", "n_pairs", "n_wins", "n_losses", "outcome"]].to_numpy().tolist() == [
        ["exact_match", 5, 1, 1, "cannot_tell"]
    ]


def test_flips_and_failures_as_frames(results: Results) -> None:
    flips = results.flips("ev_20260101", "ev_20260102", "exact_match")
    assert flips["case_id"].tolist() == ["pt", "it"]
    assert results.flips("ev_20260101", "ev_20260101", "exact_match").empty
    assert results.failures("latest")["case_id"].astype(str).tolist() == ["pt"]


def test_failures_of_the_targets_own_making_come_first() -> None:
    blobs = MemoryBlobs()
    rules = {
        "responses": [
            {"when": {"contains": "of fr"}, "reply": " "},
            *answering({"de": "Bonn"})["responses"],
        ]
    }
    run(job(capital_suite([case("de"), case("fr")])), World(rules), blobs=blobs)
    frame = Results(blobs).failures("latest")
    assert frame["case_id"].astype(str).tolist() == ["fr", "de"]


def test_the_rest_of_a_run_is_there(results: Results) -> None:
    calls = results.calls("latest")
    assert calls["case_id"].tolist() == ["de", "es", "fr", "it", "pt"]
    assert calls["latency_ms"].tolist() == [10.0] * 5
    assert results.comparisons("latest").empty
    assert results.manifest("latest")["run_id"] == "ev_20260102T000000_bbbbbbbb"


def test_two_models_stand_side_by_side() -> None:
    blobs = MemoryBlobs()
    for model in ("m", "n/1"):
        target = type(prompt)(provider="mock", model=model)
        run(job(run_id=f"ev_{model[0]}", target=target), blobs=blobs)
    assert sorted(Results(blobs).runs()["model_id"]) == ["m", "n/1"]
