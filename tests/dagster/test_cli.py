"""The command ``pipex-dagster``: a whole project in one go, for free the second time, and a run repeated."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from pipex_dagster.cli import run_command
from tests.dagster.conftest import Project, cases


@pytest.fixture
def home(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project with DAGSTER_HOME set, as ``make`` sets it."""
    folder = project.root / "home"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with dg.DagsterInstance.get() as instance:
        yield replace(project, instance=instance)


def test_the_demo_evaluates_everything_and_compares_it(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["good", "poor/2", "rules"]
    assert lines[0].split()[2:6] == [str(cases), "cases", str(cases), "calls"]
    assert [line.split()[-1] for line in lines[:3]] == ["PASS", "FAIL", "PASS"]
    text = "\n".join(lines)
    assert "sums (* champion: good)" in text
    assert "good *" in text
    assert "poor/2: FAIL: " in text
    assert f"{2 * cases} model calls, {3 * cases} answers made, 0 carried." in text
    assert "make dev" in text
    assert len(home.instance.get_runs()) == 4


def test_a_second_demo_says_that_nothing_was_computed_again(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(["demo"])
    capsys.readouterr()
    assert run_command(["demo", "--project", str(home.root)]) == 0
    assert (
        f"Nothing was computed again: 0 calls, {3 * cases} answers carried."
        in capsys.readouterr().out
    )


def test_a_target_that_cannot_run_is_named_and_the_others_are_evaluated(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.root / "mock.yaml").unlink()
    assert run_command(["demo"]) == 1
    out = capsys.readouterr().out
    assert "good                 failed: file_not_found: there is no file" in out
    assert f"rules                    {cases} cases" in out


def test_a_failed_run_is_repeated_by_its_id(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    job = home.definitions().resolve_job_def("plg__adder")
    failed = job.execute_in_process(
        instance=home.instance,
        raise_on_error=False,
        run_config={"inputs": {"question": "no numbers"}},
    )
    assert not failed.success
    assert run_command(["reexecute", failed.run_id]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("failed: run ")
    assert "\nsum: " in captured.err


def test_a_run_that_succeeded_is_repeated_only_as_a_whole(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    result = home.evaluate("rules")
    assert run_command(["reexecute", result.run_id]) == 2
    assert "--all-steps" in capsys.readouterr().err
    assert run_command(["reexecute", result.run_id, "--all-steps"]) == 0
    assert capsys.readouterr().out.startswith("succeeded: run ")


def test_assets_that_were_chosen_by_hand_are_repeated_for_their_partition(home: Project) -> None:
    home.evaluate("rules")
    home.write_suite(defaults={"metrics": ["numeric_match"]})
    first = home.materialize("scores", "summary", target="rules")
    assert run_command(["reexecute", first.run_id, "--all-steps"]) == 0
    event = home.instance.get_latest_materialization_event(dg.AssetKey(["sums", "summary"]))
    assert event is not None
    assert event.run_id != first.run_id
    assert event.dagster_event is not None
    assert event.dagster_event.partition == "rules"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reexecute", "none"], 2, "the instance has no run none [unknown_run]"),
        (["demo", "--project", "nowhere"], 2, "nowhere is not a folder"),
        (["demo", "--projekt"], 2, "No such option"),
        (["--help"], 0, ""),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    home: Project,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    assert run_command(arguments) == code
    assert said in capsys.readouterr().err
    assert home.instance.get_runs() == []


def test_without_an_instance_the_next_step_is_told(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert run_command(["demo", "--project", str(project.root)]) == 2
    assert "export DAGSTER_HOME" in capsys.readouterr().err


def test_a_folder_without_a_models_file_has_nothing_to_evaluate(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.root / "test_suites/models.yaml").unlink()
    assert run_command(["demo"]) == 2
    assert "[nothing_to_evaluate]" in capsys.readouterr().err
