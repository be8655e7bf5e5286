"""``pipex eval retry``, ``score``, ``status`` and ``cancel``, and the options that say how a run is done."""

import json
from pathlib import Path

import pytest

from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import Done, invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(*words: object, code: int = 0) -> Done:
    done = invoke("eval", "run", "sums", *words)
    assert done.code == code, done.out + done.err
    return done


def events(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_only_cases_for_which_an_expression_holds_are_run() -> None:
    done = evaluated("good.jsonl", "--where", "id in ['q1', 'q3']", "--json")
    assert done.document["counts"]["rows"] == 2
    assert (
        "expression_syntax" in invoke("eval", "run", "sums", "good.jsonl", "--where", "id ==").err
    )
    assert invoke("eval", "run", "sums", "good.jsonl", "--where", "nothing == 1").code == 2


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("imput=worst", "did you mean 'impute'"),
        ("zzz=1", "known: timeout_is"),
        ("impute=best", "one of worst, exclude"),
        ("second_pass=maybe", "one of true, false"),
        ("max_attempts=0", "at least 1"),
        ("max_attempts", "KEY=VALUE"),
    ],
)
def test_an_option_that_is_not_known_runs_nothing(word: str, said: str) -> None:
    done = invoke("eval", "run", "sums", "good.jsonl", "--set", word)
    assert done.code == 2
    assert said in done.err
    assert not Path("results").exists()


def test_options_of_a_run_are_kept_with_it() -> None:
    run_id = evaluated(
        "pipelines/adder.yaml", "--set", "impute=exclude", "--set", "accept_degraded=true",
        "--set", "max_attempts=3", "--set", "second_pass=false", "--set", "reuse=always",
        "--set", "timeout_is=failure", "--allow-path", ".", "--json",
    ).document["run_id"]  # fmt: skip
    (kept,) = Path().glob(f"**/{run_id}/eval.json")
    options = json.loads(kept.read_text("utf-8"))["options"]
    assert {name: options[name] for name in ("impute", "accept_degraded", "max_attempts")} == {
        "impute": "exclude",
        "accept_degraded": True,
        "max_attempts": 3,
    }
    assert (options["second_pass"], options["reuse"], options["allow_paths"]) == (
        False,
        "always",
        ["."],
    )
    assert options["timeout_is"] == "failure"


def test_a_reroll_asks_every_case_anew_and_says_so() -> None:
    evaluated("pipelines/asker.yaml")
    again = evaluated("pipelines/asker.yaml", "--reroll", "--json").document
    assert (again["calls"], again["carried"]) == (4, 0)
    (manifest,) = Path("results").glob(f"runs/**/run_id={again['run_id']}/manifest.json")
    assert json.loads(manifest.read_text("utf-8"))["rerolled"] is True
    carried = evaluated("pipelines/asker.yaml", "--json").document
    assert carried["carried"] == 4


def test_events_are_numbered_without_gaps_and_tell_the_whole_run() -> None:
    run_id = evaluated("pipelines/asker.yaml", "--events", "ev.jsonl", "--json").document["run_id"]
    told = events("ev.jsonl")
    own = [event for event in told if event["run_id"] == run_id]
    assert [event["seq"] for event in own] == list(range(1, len(own) + 1))
    kinds = [event["event"] for event in own]
    assert (kinds[0], kinds[-1]) == ("eval_started", "eval_finished")
    assert {"plan", "case_started", "case_finished", "progress"} <= set(kinds)
    plan = next(event for event in own if event["event"] == "plan")
    assert plan["data"] == {"rows": 4, "done": 0, "carried": 0, "to_ask": 4}
    assert invoke("eval", "run", "sums", "good.jsonl", "--events", "no/such/x").code == 2


def test_the_results_folder_has_another_name_for_older_scripts() -> None:
    evaluated("good.jsonl", "--output", "outputs/mine")
    assert list(Path("outputs/mine/runs").rglob("manifest.json"))


def test_targets_are_compared_with_the_first() -> None:
    document = evaluated("--recorded", "good.jsonl", "--recorded", "poor.jsonl", "--json").document
    (row,) = document["comparisons"]
    assert (row["target"], row["baseline_run_id"]) == ("poor", document["runs"][0]["run_id"])
    assert (row["mean_a"], row["mean_b"], row["family"]) == (1.0, 0.25, "targets")
    said = evaluated("--recorded", "good.jsonl", "--recorded", "poor.jsonl").out
    assert "poor against good:" in said


def test_stored_answers_are_measured_anew_without_a_call() -> None:
    first = evaluated("pipelines/asker.yaml", "--json").document
    done = invoke("eval", "score", first["run_id"], "-m", "rouge", "--json")
    again = done.document
    assert (done.code, again["calls"], again["carried"]) == (0, 0, 4)
    assert (list(again["metrics"]), again["target"]) == (["rouge"], "asker")
    assert again["run_id"] != first["run_id"]
    kept = invoke("eval", "score", again["run_id"], "--json").document
    assert list(kept["metrics"]) == ["rouge"]


def test_answers_of_a_case_that_changed_are_missing_when_measured_anew() -> None:
    first = evaluated("pipelines/asker.yaml", "--json").document
    cases = Path("test_suites/sums/cases.jsonl")
    rows = [json.loads(line) for line in cases.read_text("utf-8").splitlines()]
    write_lines(cases, [{**rows[0], "input": "What else?"}, *rows[1:]])
    done = invoke("eval", "score", first["run_id"], "--json")
    assert (done.code, done.document["counts"]["missing"]) == (4, 1)
    assert invoke("eval", "score", "ev_nothing").code == 2


def stopped() -> str:
    """The id of a run that a budget has stopped after two of four calls."""
    document = evaluated(
        "pipelines/asker.yaml", "--max-calls", 2, "-j", 1, "--json", code=4
    ).document
    assert document["counts"]["missing"] == 2
    return str(document["run_id"])


def test_a_status_is_asked_for_scripts_too() -> None:
    run_id = stopped()
    assert invoke("eval", "status", run_id).code == 0
    assert invoke("eval", "status", run_id, "--check").code == 4
    (found,) = invoke("eval", "status", "latest", "--json").document["runs"]
    assert (found["status"], found["reason"], found["done"], found["missing"]) == (
        *("incomplete", "budget"),
        *(2, 2),
    )
    assert "next: pipex eval resume" in invoke("eval", "status", run_id).out
    evaluated("good.jsonl")
    assert invoke("eval", "status", "--check").code == 0
    assert invoke("eval", "status", "ev_nothing").code == 2


def test_a_run_that_was_never_published_shows_what_is_durable() -> None:
    run_id = stopped()
    for manifest in Path("results").rglob("manifest.json"):
        manifest.unlink()
    (found,) = invoke("eval", "status", run_id, "--json").document["runs"]
    assert (found["status"], found["reason"]) == ("incomplete", "interrupted")
    assert (found["partial"], found["rows"], found["done"]) == (True, 4, 2)
    assert found["summary"]["partial"] is True
    assert found["metrics"]["exact_match"]["n_scored"] == 2
    assert "so far" in invoke("eval", "status", run_id).out


def test_a_higher_limit_lets_a_run_go_on() -> None:
    run_id = stopped()
    done = invoke("eval", "resume", run_id, "--max-calls", 10, "--json")
    assert (done.code, done.document["counts"]["missing"]) == (0, 0)
    whole = evaluated("pipelines/asker.yaml", "--carry", "none", "--json").document
    assert done.document["row_digest"] == whole["row_digest"]


def test_a_retry_asks_only_rows_that_ended_so() -> None:
    error = {"when": {"contains": "1 + 2"}, "error": {"kind": "server_error"}}
    Path("mock.json").write_text(json.dumps({"responses": [error, {"reply": "2"}]}), "utf-8")
    words = ("pipelines/asker.yaml", "--mock-responses", "mock.json", "--set", "second_pass=false")
    run_id = evaluated(*words, "--json", code=4).document["run_id"]

    def asked(*more: str) -> list[object]:
        done = invoke("eval", "retry", run_id, *more, "--events", "ev.jsonl", "--json")
        assert (done.code, done.document["counts"]["missing"]) == (4, 1)
        return [event["step"] for event in events("ev.jsonl") if event["event"] == "case_started"]

    assert asked("--status", "timeout") == []
    assert asked("--status", "timeout", "--status", "infra_error") == ["case:q2#0"]
    assert asked() == ["case:q2#0"]


def test_what_does_not_run_cannot_be_stopped() -> None:
    run_id = evaluated("good.jsonl", "--json").document["run_id"]
    done = invoke("eval", "cancel", run_id)
    assert done.code == 2
    assert "not_running" in done.err
