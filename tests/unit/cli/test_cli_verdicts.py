"""``pipex compare``, ``gate`` and ``explain`` as a person types them."""

from pathlib import Path

import pytest

from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty cases, evaluated on ``poor`` and then on ``good``."""
    write_project(tmp_path, cases=30)
    monkeypatch.chdir(tmp_path)
    for name in ("poor", "good"):
        assert invoke("eval", "run", "sums", f"{name}.jsonl").code == 0
    return tmp_path


def test_a_comparison_says_better_with_interval_and_flips() -> None:
    done = invoke("compare", "poor", "good")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].startswith("sums: good (ev_")
    assert lines[3].split()[0] == "exact_match"
    assert lines[3].split()[-1] == "better"
    assert "29/1/0" in lines[3]
    assert any(line.startswith("exact_match: better by 0.967 (95% interval +0.") for line in lines)
    assert lines.count("changed cases:") == 1
    assert sum(line.strip().startswith("before:") for line in lines) == 5


def test_the_other_way_round_it_is_worse() -> None:
    (row,) = invoke("compare", "good", "poor", "--json").document["comparisons"]
    assert (row["outcome"], row["n_wins"], row["n_losses"]) == ("worse", 0, 29)


def test_a_comparison_in_json_holds_rows_and_flips() -> None:
    document = invoke("compare", "poor", "latest", "--json", "--flips", "2").document
    assert document["schema"] == "pipex.compare/1"
    assert document["verdict"] is None
    assert [flip["passed_now"] for flip in document["flips"]] == [True, True]
    assert invoke("compare", "poor", "good", "--json", "--flips", "0").document["flips"] == []
    assert "changed cases" not in invoke("compare", "good", "good").out


def test_a_comparison_can_be_judged(project: Path) -> None:
    gate = project / "gate.yaml"
    gate.write_text(
        "rules:\n  - {id: n, metric: exact_match, kind: noninferiority, margin: 0.05}\n"
    )
    better = invoke("compare", "poor", "good", "--gate", gate, "--json")
    assert (better.code, better.document["verdict"]["verdict"]) == (0, "PASS")
    worse = invoke("compare", "good", "poor", "--gate", gate)
    assert worse.code == 1
    assert "FAIL" in worse.out


def test_runs_that_share_few_cases_are_not_compared() -> None:
    invoke("eval", "run", "sums", "good.jsonl", "--limit", "10")
    refused = invoke("compare", "poor", "latest")
    assert (refused.code, refused.out) == (2, "")
    assert "share 10 cases of 30 and 10" in refused.err
    assert invoke("compare", "poor", "latest", "--allow-partial").code == 0


def test_runs_of_different_cases_stand_side_by_side_when_asked_for(project: Path) -> None:
    cases = project / "test_suites" / "sums" / "cases.jsonl"
    cases.write_text('{"id": "new", "input": "9 + 9", "expected_output": "18"}\n', encoding="utf-8")
    (project / "one.jsonl").write_text('{"case_id": "new", "output": "18"}\n', encoding="utf-8")
    invoke("eval", "run", "sums", "one.jsonl")
    assert invoke("compare", "poor", "one").code == 2
    done = invoke("compare", "poor", "one", "--allow-partial", "--json")
    (row,) = done.document["comparisons"]
    assert (done.code, row["reason"], row["outcome"]) == (0, "unpaired", "cannot_tell")


def test_slices_and_metrics_are_chosen(project: Path) -> None:
    done = invoke("compare", "poor", "good", "-m", "exact_match", "--by", "tags")
    assert done.code == 0
    del project


def test_a_gate_judges_a_stored_run(project: Path) -> None:
    gate = project / "gate.yaml"
    gate.write_text("rules:\n  - {id: floor, metric: exact_match, kind: threshold, value: 0.5}\n")
    passed = invoke("gate", "good", "--gate", gate)
    assert passed.code == 0
    assert passed.out.splitlines()[0].startswith("PASS")
    assert "floor: threshold of exact_match, critical" in passed.out
    failed = invoke("gate", "poor", "--gate", gate, "--json")
    assert (failed.code, failed.document["verdict"]) == (1, "FAIL")
    assert failed.document["schema"] == "pipex.verdict/1"


@pytest.mark.parametrize(
    ("rule", "answers", "code"),
    [
        ("kind: threshold, value: 0.9", 30, 3),
        ("kind: threshold, value: 0.5", 10, 4),
    ],
)
def test_a_gate_that_cannot_tell_has_a_code_of_its_own(
    rule: str, answers: int, code: int, project: Path
) -> None:
    numbers = range(1, answers + 1)
    wrong = {2, 4} if code == 3 else set()
    write_lines(
        project / "some.jsonl",
        [{"case_id": f"q{i}", "output": "0" if i in wrong else str(1 + i)} for i in numbers],
    )
    invoke("eval", "run", "sums", "some.jsonl")
    gate = project / "gate.yaml"
    gate.write_text(f"rules:\n  - {{id: floor, metric: exact_match, {rule}}}\n")
    assert invoke("gate", "some", "--gate", gate).code == code


def test_a_case_is_explained_by_a_run_or_by_a_suite_and_a_target(project: Path) -> None:
    done = invoke("explain", "q1")
    assert done.out.splitlines()[0] == "case q1 of sums on good"
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == ["carried", "exact_match"]
    document = invoke("explain", "q1", "--run", "poor", "--json").document
    assert (document["schema"], document["target"]) == ("pipex.explain/1", "poor")
    assert document["response"]["state"] == "carried"
    new = invoke(
        "explain", "q1", "--suite", "sums", "--target", "pipelines/adder.yaml", "-m", "token_f1"
    )
    assert "would compute" in new.out
    assert "response: not asked yet" in new.out
    before = sorted(project.rglob("*"))
    invoke("explain", "q1")
    assert sorted(project.rglob("*")) == before


def test_explain_shows_what_an_edit_changed(project: Path) -> None:
    invoke("eval", "run", "sums", "--model", "claude-haiku-5-5", "--prompt", "Add: {{ input }}")
    target = project / "target.yaml"
    target.write_text('kind: prompt\nmodel: claude-haiku-5-5\nprompt: "Sum: {{ input }}"\n')
    said = invoke("explain", "q1", "--suite", "sums", "--target", target).out
    assert "    target.prompt: Add: {{ input }} -> Sum: {{ input }}\n" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("q0",), "the suite has no case 'q0'"),
        (("q1", "--suite", "sums"), "--suite needs --target"),
    ],
)
def test_explain_asks_for_what_it_needs(words: tuple[str, ...], said: str) -> None:
    done = invoke("explain", *words)
    assert done.code == 2
    assert said in done.err
