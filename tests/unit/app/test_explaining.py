"""Why a case would be computed again: one edit at a time, and the part that it changes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipex_core.app.evaluations import Desk, job_of_run, open_desk, run_eval
from pipex_core.app.explaining import explain_case
from pipex_core.app.requests import EvalRequest
from pipex_core.jsonvalue import Json
from tests.fakes.project import write_project

Edit = Callable[[], object]


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the second run of the pipeline target."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    run_eval("sums", "pipelines/adder.yaml")
    return run_eval("sums", "pipelines/adder.yaml").run_id


def explained(case_id: str = "q1", metrics: list[Json] | None = None) -> dict[str, Json]:
    desk: Desk = open_desk()
    request = EvalRequest(suite="test_suites/sums", target="pipelines/adder.yaml", metrics=metrics)
    return explain_case(desk.job(request), desk.archive, case_id)


def replaced(path: str, old: str, new: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


def parts(layer: Mapping[str, Json]) -> set[str]:
    return {change["part"] for change in layer["differs"]}


def test_nothing_changed_and_everything_is_carried(run_id: str) -> None:
    found = explained()
    (score,) = found["scores"]
    assert found["schema"] == "pipex.explain/1"
    assert (found["response"]["state"], score["state"]) == ("carried", "carried")
    # The second run carried its rows; the first one paid for them.
    assert found["response"]["origin_run_id"] <= run_id
    assert found["response"]["differs"] == score["differs"] == []


def test_a_comment_changes_nothing(run_id: str) -> None:
    del run_id
    replaced("pipelines/adder.yaml", "workflow:", "# a note\nworkflow:")
    assert explained()["response"]["state"] == "carried"


def test_a_step_that_changed_is_named(run_id: str) -> None:
    del run_id
    replaced("pipelines/adder.yaml", "'2'", "'two'")
    found = explained()
    assert found["response"]["state"] == "would compute"
    assert "target.steps.answer" in parts(found["response"])
    (score,) = found["scores"]
    assert (score["state"], parts(score)) == ("would compute", {"response"})


def test_an_input_that_changed_is_named(run_id: str) -> None:
    del run_id
    replaced("test_suites/sums/cases.jsonl", '"1 + 1"', '"1 +  1"')
    assert parts(explained()["response"]) == {"input_hash"}


def test_a_reference_that_changed_leaves_the_answer(run_id: str) -> None:
    del run_id
    replaced("test_suites/sums/cases.jsonl", '"expected_output": "2"', '"expected_output": "two"')
    found = explained()
    (score,) = found["scores"]
    assert found["response"]["state"] == "carried"
    assert (score["state"], parts(score)) == ("would compute", {"reference_hash"})


def test_an_option_of_a_metric_that_changed_is_named(run_id: str) -> None:
    del run_id
    found = explained(metrics=[{"type": "exact_match", "ignore_case": True}])
    (score,) = found["scores"]
    assert found["response"]["state"] == "carried"
    assert score["state"] == "would compute"
    assert "fingerprint" in parts(score)
    assert any("ignore_case" in str(change) for change in score["differs"])


def test_a_threshold_computes_nothing(run_id: str) -> None:
    del run_id
    (score,) = explained(metrics=["exact_match:0.5"])["scores"]
    assert score["state"] == "carried"


def test_a_metric_that_nobody_asked_for_yet_has_nothing_to_differ_from(run_id: str) -> None:
    del run_id
    (score,) = explained(metrics=["token_f1"])["scores"]
    assert (score["state"], score["differs"]) == ("would compute", [])


def test_a_case_that_nobody_asked_yet_has_nothing_to_differ_from(run_id: str) -> None:
    del run_id
    lines = Path("test_suites/sums/cases.jsonl")
    lines.write_text(
        lines.read_text() + '{"id": "q9", "input": "9 + 9", "expected_output": "18"}\n'
    )
    found = explained("q9")
    assert (found["response"]["state"], found["response"]["differs"]) == ("would compute", [])


def test_a_stored_run_is_explained_by_its_own_words_as_the_files_are_now(run_id: str) -> None:
    desk, job = job_of_run(run_id)
    assert explain_case(job, desk.archive, "q1")["response"]["state"] == "carried"
    replaced("pipelines/adder.yaml", "'2'", "'two'")
    desk, job = job_of_run(run_id)
    assert explain_case(job, desk.archive, "q1")["response"]["state"] == "would compute"


def test_a_value_over_all_repeats_is_carried_until_it_is_measured_in_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    chance: Json = {"type": "pass_at_k", "k": 2}
    never = explained(metrics=["exact_match", chance])["scores"]
    assert {one["state"] for one in never} == {"would compute"}
    run_eval("sums", "pipelines/adder.yaml", metrics=["exact_match", chance], repeats=2)
    _, same = explained(metrics=["exact_match", chance])["scores"]
    assert (same["state"], same["differs"]) == ("carried", [])
    assert len(same["key"]) == 64
    _, other = explained(metrics=["exact_match", {**chance, "k": 1}])["scores"]
    assert (other["state"], parts(other)) == ("would compute", {"fingerprint"})
    _, new = explained(metrics=["exact_match", "consistency"])["scores"]
    assert (new["state"], new["differs"]) == ("would compute", [])
