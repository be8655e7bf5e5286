"""Which store keeps what, and that a run goes on where its host is gone."""

from pathlib import Path
from shutil import rmtree

import pytest

import pipex_core
from pipex_core.app.pipelines import RunRequest, arun_pipeline, request_of_run, waited
from pipex_core.app.providing import Providing
from pipex_core.app.runfiles import RunFiles
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stores import below, checkpoint_stores, inside, object_store, require_place
from pipex_core.engine.records import RunResult
from pipex_core.errors import ConfigError, StoreError
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.real_servers import Postgres

steps = """
workflow:
  name: two
  steps:
    - {name: long, type: claude, prompt: "hello"}
    - {name: last, type: echo, value: "{{long.text}}", fail: FAIL}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mock.yaml").write_text("responses: [{reply: " + "x" * 70_000 + "}]\n", "utf-8")
    return tmp_path


def run(settings: Settings, *, fail: bool, resume: str | None = None) -> RunResult:
    Path("two.yaml").write_text(steps.replace("FAIL", str(fail).lower()), "utf-8")
    if resume is not None:
        request_of_run(resume, settings)  # as `pipex resume` asks
    request = RunRequest(path="two.yaml", resume=resume, force=resume is not None)
    providing = Providing(kind="mock", mock_responses="mock.yaml")
    return waited(arun_pipeline(request, settings=settings, providing=providing))


def _settings(**variables: str) -> Settings:
    return read_settings(variables)


@pytest.fixture(params=["s3", "sql", "multi"])
def shared(request: pytest.FixtureRequest, bucket: str, postgres: Postgres) -> Settings:
    named = {"S3_CHECKPOINT_BUCKET": bucket, "PIPEX_DATABASE_URL": postgres.url}
    return _settings(CHECKPOINT_BACKEND=request.param, **named)


def test_a_run_goes_on_from_a_shared_store_when_its_host_is_gone(shared: Settings) -> None:
    first = run(shared, fail=True)
    rmtree("checkpoints")
    again = run(shared, fail=False, resume=first.run_id)
    assert again.status == "succeeded"
    assert [warning.code for warning in again.warnings] == ["journal_lost"]
    assert again.steps["long"].text == first.steps["long"].text
    assert (again.calls, again.tokens) == (first.calls, first.tokens)


def test_a_run_that_no_store_knows_is_unknown(shared: Settings) -> None:
    with pytest.raises(ConfigError) as refused:
        run(shared, fail=False, resume="nosuchrunatall")
    assert refused.value.code == "unknown_run"


def test_a_run_without_journal_and_checkpoint_has_lost_its_state(shared: Settings) -> None:
    first = run(shared, fail=True)
    rmtree(Path("checkpoints", first.run_id, "journal"))
    stores = checkpoint_stores(shared)
    assert stores is not None
    blobs = stores.blobs(first.run_id)
    for key in list(blobs.list("checkpoints/")):
        blobs.delete(key)
    with pytest.raises(StoreError) as refused:
        run(shared, fail=False, resume=first.run_id)
    assert refused.value.code == "state_lost"


def test_commands_look_where_checkpoints_are_kept(shared: Settings) -> None:
    first = run(shared, fail=True)
    files = RunFiles(shared)
    listed = files.checkpoints(first.run_id)
    assert {one["verdict"] for one in listed} == {"ok"}
    assert files.checkpoint(first.run_id, None)["steps"]["long"]["status"] == "succeeded"
    new = files.restore(first.run_id, listed[-1]["seq"])
    assert files.find(new) == new


def test_memory_is_said_to_be_volatile() -> None:
    settings = _settings(CHECKPOINT_BACKEND="memory")
    result = run(settings, fail=False)
    assert [warning.code for warning in result.warnings] == ["volatile_store"]
    assert not Path("checkpoints", result.run_id, "checkpoints").exists()
    assert Path("checkpoints", result.run_id, "journal").is_dir()


def test_local_checkpoints_are_beside_the_journal() -> None:
    assert checkpoint_stores(_settings()) is None


@pytest.mark.parametrize(
    ("backend", "variable"),
    [
        ("s3", "S3_CHECKPOINT_BUCKET"),
        ("sql", "PIPEX_DATABASE_URL"),
        ("multi", "S3_CHECKPOINT_BUCKET"),
    ],
)
def test_a_backend_without_its_place_says_what_to_set(backend: str, variable: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checkpoint_stores(_settings(CHECKPOINT_BACKEND=backend))
    assert refused.value.next_step.startswith(f"export {variable}=")


def test_a_database_in_a_file_keeps_checkpoints_too() -> None:
    settings = _settings(CHECKPOINT_BACKEND="sql", PIPEX_DATABASE_URL="sqlite:///kept.sqlite")
    first = run(settings, fail=True)
    rmtree("checkpoints")
    assert run(settings, fail=False, resume=first.run_id).success


# -- places of results


def test_urls_pass_where_folders_are_joined() -> None:
    assert below("project", "results") == "project/results"
    assert below("project", "/elsewhere") == "/elsewhere"
    assert below("project", "s3://bucket/results") == "s3://bucket/results"
    assert inside("results", "dagster", "assets") == "results/dagster/assets"
    assert inside("s3://bucket/results/", "dagster") == "s3://bucket/results/dagster"


@pytest.mark.parametrize("url", ["gs://bucket/x", "s3://", "s3://bucket/x?y=1"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no place for tables"):
        object_store(url)


def test_results_are_written_to_and_read_from_a_bucket(bucket: str, project: Path) -> None:
    (project / "suite.jsonl").write_text(
        '{"id": "a", "input": "x", "expected_output": "x"}\n', "utf-8"
    )
    rules = project / "echo.yaml"
    rules.write_text("responses: [{echo: true}]\n", "utf-8")
    target = {"kind": "prompt", "model": "claude-haiku-4-5", "prompt": "{{input}}"}
    words = {"metrics": ["exact_match"], "mock_responses": str(rules)}
    here = pipex_core.run_eval("suite.jsonl", target, results="results", **words)
    url = f"s3://{bucket}/from-cli"
    there = pipex_core.run_eval("suite.jsonl", target, results=url, **words)
    assert there.row_digest == here.row_digest
    found = pipex_core.load_results(url)
    assert list(found.runs()["run_id"]) == [there.run_id]


def test_a_store_that_takes_nothing_is_refused_before_anything_is_asked() -> None:
    store = BreakableBlobs()
    store.refuse = "storage_error"
    with pytest.raises(ConfigError) as refused:
        require_place("s3://bucket/x", store, option="--results DIR")
    assert refused.value.code == "folder_not_writable"


def test_a_run_that_went_on_elsewhere_can_be_resumed_there_again() -> None:
    settings = _settings(CHECKPOINT_BACKEND="sql", PIPEX_DATABASE_URL="sqlite:///kept.sqlite")
    first = run(settings, fail=True)
    rmtree("checkpoints")
    assert run(settings, fail=True, resume=first.run_id).status == "failed"
    again = run(settings, fail=False, resume=first.run_id)
    assert again.status == "succeeded"
    assert [warning.code for warning in again.warnings] == []
    assert again.calls == first.calls
