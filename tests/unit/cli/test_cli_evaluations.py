"""``pipex eval run``, ``resume``, ``list`` and ``show`` as a person types them."""

import json
from pathlib import Path

import pytest

from pipex_core.jsonvalue import Json
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import Done, invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(*words: object) -> Done:
    return invoke("eval", "run", "sums", *words)


def gate(value: float, *, kind: str = "threshold", field: str = "value", more: str = "") -> str:
    Path("gate.yaml").write_text(
        f"rules:\n  - {{id: r, metric: exact_match, kind: {kind}, {field}: {value}{more}}}\n"
    )
    return "gate.yaml"


def test_a_run_says_what_it_found_and_what_comes_next() -> None:
    done = evaluated("pipelines/adder.yaml")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0] == "sums on adder: completed, 4 cases, 0 carried, 0 calls, 0.0000 USD"
    assert lines[2].split() == [
        "exact_match",
        "0.25",
        "[0.0456,",
        "0.699]",
        "4/4",
        "0",
        "25.00",
        "%",
    ]
    assert lines[-2].startswith("wrote ./results/runs/") or lines[-2].startswith(
        "wrote results/runs/"
    )
    assert "; next: pipex eval show ev_" in lines[-1]


def test_a_second_run_carries_every_answer() -> None:
    assert evaluated("pipelines/asker.yaml", "--json").document["calls"] == 4
    again = evaluated("pipelines/asker.yaml", "--json").document
    assert (again["calls"], again["carried"], again["counts"]["carried"]) == (0, 4, 4)
    anew = evaluated("pipelines/asker.yaml", "--json", "--carry", "none").document
    assert (anew["calls"], anew["carried"]) == (4, 0)
    assert anew["row_digest"] == again["row_digest"]


def test_several_targets_give_one_run_each_and_the_worst_code() -> None:
    words = ("--recorded", "good.jsonl", "--recorded", "poor.jsonl")
    document = evaluated(*words, "--json").document
    assert document["schema"] == "pipex.evals/1"
    assert [run["target"] for run in document["runs"]] == ["good", "poor"]
    done = evaluated(*words, "--gate", gate(0.9, more=", bound: point"))
    assert done.code == 1
    assert done.out.count("PASS") == done.out.count("FAIL") == 1


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (("--pipeline", "pipelines/adder.yaml"), ["adder"]),
        (("--target", "good.jsonl", "--target", "pipelines/adder.yaml"), ["adder", "good"]),
        (("--model", "claude-haiku-5-5", "--model", "gemini-3-flash"), ["prompt", "prompt"]),
        (("--prompt", "Say {{ input }}", "--model", "claude-haiku-5-5"), ["prompt"]),
        (("pipelines/asker.yaml", "--model", "claude-opus-5-1"), ["asker"]),
        (("pipelines/adder.yaml", "--output-step", "answer", "--bind", "tone=kind"), None),
    ],
)
def test_targets_are_named_in_many_ways(words: tuple[str, ...], targets: list[str] | None) -> None:
    done = evaluated(*words, "--json")
    if targets is None:
        assert done.code == 2
        assert "tone" in done.document["message"]
        return
    document = done.document
    runs = document.get("runs", [document])
    assert sorted(run["target"] for run in runs) == targets


@pytest.mark.parametrize(
    ("words", "cases"),
    [
        (("--limit", "2"), 2),
        (("--sample", "3"), 3),
        (("--filter", "id=q2"), 1),
        (("--repeats", "2"), 4),
    ],
)
def test_a_run_may_take_some_cases_or_repeat_them(words: tuple[str, ...], cases: int) -> None:
    document = evaluated("good.jsonl", *words, "--json").document
    assert document["summary"]["total_tests"] == cases


def test_metrics_come_from_words_and_files() -> None:
    Path("m.yaml").write_text("metrics:\n  - {type: token_f1, threshold: 0.5}\n")
    document = evaluated("good.jsonl", "-m", "exact_match:1.0", "--metrics", "m.yaml", "--json")
    metrics = document.document["metrics"]
    assert {name: one["threshold"] for name, one in metrics.items()} == {
        "exact_match": 1.0,
        "token_f1": 0.5,
    }


@pytest.mark.parametrize(("answers", "code"), [("good.jsonl", 0), ("poor.jsonl", 1)])
def test_a_missed_threshold_is_one_when_asked_for(answers: str, code: int) -> None:
    assert evaluated(answers).code == 0
    assert evaluated(answers, "--fail-on-threshold").code == code


def test_missing_answers_are_four_and_said_with_their_reason() -> None:
    write_lines(Path("part.jsonl"), [{"case_id": "q1", "output": "2"}])
    done = evaluated("part.jsonl")
    assert done.code == 4
    assert "missing 3: no_recorded_answer, such as: no recorded answer for this case" in done.out
    assert done.out.splitlines()[-1].startswith("next: pipex eval resume ev_")
    assert evaluated("part.jsonl", "--max-missing", "0.75").code == 0


def test_failed_answers_are_said_with_their_reason() -> None:
    Path("rules.yaml").write_text(
        "responses: [{error: {kind: content_filter, message: this was refused}}]\n"
    )
    done = evaluated("pipelines/asker.yaml", "--mock-responses", "rules.yaml")
    assert "failed 4: content_filter, such as: " in done.out
    assert "this was refused" in done.out


@pytest.mark.parametrize(
    ("answers", "words", "code", "verdict"),
    [
        ("good.jsonl", (0.9, ", bound: point"), 0, "PASS"),
        ("poor.jsonl", (0.9, ", bound: point"), 1, "FAIL"),
        ("good.jsonl", (0.9, ""), 3, "INCONCLUSIVE"),
    ],
)
def test_the_exit_code_is_the_verdicts(
    answers: str, words: tuple[float, str], code: int, verdict: str
) -> None:
    done = evaluated(answers, "--gate", gate(words[0], more=words[1]), "--json")
    assert (done.code, done.document["verdict"]["verdict"]) == (code, verdict)


def test_answers_that_are_missing_make_the_verdict_incomplete() -> None:
    write_lines(Path("part.jsonl"), [{"case_id": "q1", "output": "2"}])
    done = evaluated("part.jsonl", "--gate", gate(0.9, kind="coverage", field="min"), "--json")
    assert (done.code, done.document["verdict"]["verdict"]) == (4, "INCOMPLETE")


def test_a_dry_run_calls_and_writes_nothing(project: Path) -> None:
    done = evaluated("--model", "claude-haiku-5-5", "--model", "claude-opus-5-1", "--dry-run")
    assert done.code == 0
    assert [line.split(",")[0] for line in done.out.splitlines()] == [
        "claude-haiku-5-5: 4 rows",
        "claude-opus-5-1: 4 rows",
    ]
    assert "at most 0." in done.out
    assert not (project / "results").exists()
    evaluated("good.jsonl")
    (plan,) = evaluated("good.jsonl", "--dry-run", "--json").document["targets"]
    assert (plan["target"], plan["carried"], plan["to_ask"]) == ("good.jsonl", 4, 0)
    both = evaluated(
        "pipelines/asker.yaml", "--model", "claude-opus-5-1", "--dry-run", "--json"
    ).document
    assert both["targets"][0]["target"] == "pipelines/asker.yaml claude-opus-5-1"


def test_a_budget_stop_is_four_and_resumes_under_a_higher_one() -> None:
    Path("rules.yaml").write_text('responses: [{reply: "2", cost: 0.04}]\n')
    stopped = evaluated(
        "pipelines/asker.yaml", "--mock-responses", "rules.yaml", "--max-cost", "0.1",
        "--max-concurrency", "1", "--json",
    )  # fmt: skip
    document = stopped.document
    assert (stopped.code, document["status"]) == (4, "incomplete")
    assert document["cost"] <= 0.1
    done = invoke("eval", "resume", document["run_id"], "--max-cost", "1", "--json")
    assert (done.code, done.document["status"]) == (0, "completed")
    assert done.document["run_id"] == document["run_id"]
    assert done.document["counts"]["ok"] == 4


def test_limits_of_calls_and_tokens_stop_too() -> None:
    for words in (("--max-calls", "2"), ("--max-tokens", "1")):
        done = evaluated("pipelines/asker.yaml", *words, "--json", "--carry", "none")
        assert (done.code, done.document["status"]) == (4, "incomplete")


def test_reports_are_written_beside_the_results(project: Path) -> None:
    evaluated("poor.jsonl")
    path = gate(0.1, kind="noninferiority", field="margin", more=", min_pairs: 2")
    done = evaluated(
        "good.jsonl", "--gate", path, "--baseline", "poor", "--report", "markdown", "--report",
        "json", "--json",
    )  # fmt: skip
    files = [file for file in done.document["files"] if "/reports/" in file]
    assert sorted(Path(file).suffix for file in files) == [".json", ".md"]
    found = json.loads((project / files[1]).read_text())
    assert found["schema"] == "pipex.result/1"
    assert "q2" in (project / files[0]).read_text()


def test_every_format_has_its_file(project: Path) -> None:
    words = [w for form in ("html", "junit", "csv", "github") for w in ("--report", form)]
    done = evaluated("poor.jsonl", *words, "--json")
    names = [Path(file).name for file in done.document["files"] if "/reports/" in file]
    run_id = done.document["run_id"]
    assert names == [f"{run_id}.{end}" for end in ("html", "xml", "csv", "github.md")]
    folder = project / "results" / "reports"
    assert (folder / names[0]).read_text().startswith("<!DOCTYPE html>")
    assert (folder / names[1]).read_text().startswith("<?xml")
    assert (folder / names[2]).read_bytes().startswith(b"run_id,suite_id,")
    assert b"\r\r\n" not in (folder / names[2]).read_bytes()
    assert (folder / names[3]).read_text().startswith("**COMPLETED")


def test_the_summary_of_a_job_is_added_to_and_annotations_are_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = project / "summary.md"
    summary.write_text("# Earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = evaluated("poor.jsonl", "--gate", gate(0.9), "--report", "github", "--json")
    assert summary.read_text().startswith("# Earlier\n**INCONCLUSIVE")
    assert "::warning title=sums::INCONCLUSIVE" in done.err
    assert str(summary) in done.document["files"]
    assert not list((project / "results" / "reports").glob("*.md"))


def test_a_full_summary_is_left_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project / "summary.md"
    summary.write_text("x" * 1024 * 1024)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = evaluated("good.jsonl", "--report", "github")
    assert done.code == 0
    assert "has no room for the report" in done.err
    assert summary.stat().st_size == 1024 * 1024
    assert list((project / "results" / "reports").glob("*.github.md"))


def test_a_summary_that_cannot_be_written_costs_no_exit_code(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "nowhere" / "s.md"))
    done = evaluated("good.jsonl", "--report", "github")
    assert done.code == 0
    assert "GITHUB_STEP_SUMMARY: cannot write" in done.err
    assert list((project / "results" / "reports").glob("*.github.md"))


def test_labels_are_kept_with_the_run() -> None:
    evaluated("good.jsonl", "--label", "branch=main")
    assert invoke("eval", "show", "good", "--json").document["run"]["labels"] == {"branch": "main"}


@pytest.mark.parametrize("words", [("--no-cache",), ("--refresh",), ("--max-time", "600")])
def test_the_other_options_are_taken(words: tuple[str, ...]) -> None:
    assert evaluated("pipelines/asker.yaml", *words).code == 0


def test_unknown_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEX_RESULT_DIR", "r")
    done = evaluated("good.jsonl", "--json")
    assert "unknown setting PIPEX_RESULT_DIR; did you mean PIPEX_RESULTS_DIR?" in done.err
    assert done.document["status"] == "completed"


def test_the_list_shows_the_newest_first_and_can_be_narrowed() -> None:
    for words in (("good.jsonl",), ("poor.jsonl",), ("--model", "claude-haiku-5-5")):
        evaluated(*words)

    def targets(*words: str) -> list[Json]:
        document = invoke("eval", "list", *words, "--json").document
        assert document["schema"] == "pipex.runs/1"
        return [run["target_id"] for run in document["runs"]]

    assert targets() == ["prompt", "poor", "good"]
    assert targets("--limit", "1") == ["prompt"]
    assert targets("--model", "claude-haiku-5-5") == ["prompt"]
    assert targets("--suite", "sums", "--status", "completed") == ["prompt", "poor", "good"]
    assert targets("--suite", "words") == []
    assert invoke("eval", "list").out.splitlines()[1].split()[1:4] == [
        "sums",
        "prompt",
        "completed",
    ]
    assert invoke("eval", "list", "--suite", "words").out.startswith(
        "no finished evaluation; next:"
    )


def test_show_gives_the_run_a_case_or_the_failures() -> None:
    evaluated("poor.jsonl", "-m", "exact_match", "-m", "token_f1")
    assert "exact_match" in invoke("eval", "show").out
    assert invoke("eval", "show", "latest", "--json").document["schema"] == "pipex.result/1"
    failed = invoke("eval", "show", "poor", "--failed")
    assert failed.out.splitlines()[0] == "q2: ok: '3' != '2'"
    cases = invoke("eval", "show", "poor", "--failed", "--json").document["cases"]
    assert [case["case_id"] for case in cases] == ["q2", "q3", "q4"]
    lines = invoke("eval", "show", "poor", "--case", "q2").out.splitlines()
    assert lines[:4] == [
        "case q2 repeat 0: ok",
        "  input     1 + 2",
        "  expected  3",
        "  output    2",
    ]
    assert lines[4].split() == ["exact_match", "0", "failed"]
    one = invoke("eval", "show", "poor", "--case", "q2", "--json").document
    assert {score["metric"] for score in one["scores"]} == {"exact_match", "token_f1"}
    evaluated("good.jsonl")
    assert invoke("eval", "show", "good", "--failed").out == "every case passed\n"


def test_show_tells_errors_and_reasons_of_a_case() -> None:
    write_lines(Path("part.jsonl"), [{"case_id": "q1", "output": "2"}])
    evaluated("part.jsonl")
    said = invoke("eval", "show", "part", "--case", "q2").out
    assert "error     no recorded answer for this case" in said
    assert "exact_match" in said


def test_an_unknown_case_shows_the_nearest_ones() -> None:
    evaluated("good.jsonl")
    done = invoke("eval", "show", "good", "--case", "q11")
    assert done.code == 2
    assert done.err.startswith("error: the run has no case 'q11'; did you mean ")
