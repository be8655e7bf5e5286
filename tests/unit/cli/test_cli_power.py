"""``pipex power`` on assumptions, on suites and on runs that were really made."""

from pathlib import Path

import pytest

from pipex_core.app.evaluations import run_eval
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, cases=60)
    return tmp_path


def test_a_margin_alone_is_answered_from_an_assumed_discordance() -> None:
    done = invoke("power", "--margin", "0.03")
    assert done.code == 0
    assert "assuming that 0.2 of the cases change sides" in done.out
    assert "a margin of 0.03 needs 1,374 cases" in done.out


def test_a_suite_says_what_it_can_see() -> None:
    found = invoke("power", "--suite", "sums", "--discordance", "0.1", "--json").document
    assert found["schema"] == "pipex.power/1"
    assert (found["n_suite"], found["n_needed"]) == (60, None)
    assert found["mde"] == pytest.approx(2.486475 * (0.1 / 60) ** 0.5, abs=1e-6)


def test_runs_say_how_much_differences_vary_and_what_a_case_costs(project: Path) -> None:
    (project / "mock.yaml").write_text('default: {reply: "2", cost: 0.01}\n', encoding="utf-8")
    asked = {"kind": "prompt", "model": "claude-haiku-5-5"}
    run_eval("sums", asked, mock_responses="mock.yaml")
    run_eval("sums", "good.jsonl")
    invoke("baseline", "set", "claude-haiku-5-5", "--reason", "first")
    found = invoke("power", "--from", "good", "champion", "--margin", "0.1", "--json").document
    assert (found["sd_source"], found["n_pairs"], found["metric"]) == ("runs", 60, "exact_match")
    assert found["cost_per_case"] == pytest.approx(0.01)
    assert found["cost_usd"] == pytest.approx(found["n_needed"] * 0.01)
    said = invoke("power", "--from", "champion", "good", "--margin", "0.1").out
    assert "from 60 pairs of runs" in said
    priced = invoke("power", "--suite", "sums", "--margin", "0.1", "--json").document
    assert priced["cost_per_case"] == 0.0  # of the newest run, whose answers were recorded


def test_repeats_of_earlier_runs_are_planned_with(project: Path) -> None:
    def answers(name: str, right: int) -> None:
        lines = [
            {"case_id": f"q{i}", "repeat": r, "output": str(1 + i) if (i + r) % right else "?"}
            for i in range(1, 61)
            for r in range(2)
        ]
        write_lines(project / f"{name}.jsonl", lines)

    answers("three", 3)
    answers("four", 4)
    for name in ("three", "four"):
        run_eval("sums", f"{name}.jsonl", repeats=2)
    now = invoke("power", "--from", "three", "four", "--margin", "0.2", "--json").document
    more = invoke("power", "--from", "three", "four", "--margin", "0.2", "--repeats", "8", "--json").document  # fmt: skip
    assert now["repeats"] == 2
    assert more["repeats"] == 8
    assert more["sd"] < now["sd"]
    assert more["n_needed"] < now["n_needed"]
    assert now["repeats_needed"] >= 1
    text = invoke("power", "--from", "three", "four", "--margin", "0.2").out
    assert "per case over the 60 cases that are there" in text
    odd = [
        {"case_id": f"q{i}", "repeat": r, "output": str(1 + i) if i % 2 else "?"}
        for i in range(1, 61)
        for r in range(2)
    ]
    write_lines(project / "odd.jsonl", odd)
    run_eval("sums", "odd.jsonl", repeats=2)
    narrow = invoke("power", "--from", "three", "odd", "--margin", "0.001").out
    assert "no number of answers per case" in narrow


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "nothing_asked"),
        (("--margin", "0.1", "--repeats", "3"), "repeats_unknown"),
        (("--from", "good", "poor", "--discordance", "0.1"), "conflicting_options"),
        (("--from", "good", "nobody"), "no_results"),
        (("--margin", "0"), "usage"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], code: str) -> None:
    done = invoke("power", *words, "--json")
    assert (done.code, done.document["code"]) == (2, code)
