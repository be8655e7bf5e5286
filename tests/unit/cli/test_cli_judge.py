"""``pipex judge`` and ``--judge`` as people type them, on a small labelled suite and a mock that judges."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.project import write_lines
from tests.fakes.shell import Done, invoke

quality = {1: "awful", 2: "poor", 3: "fair", 4: "nice", 5: "great"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path / "labelled")
    write_mock(tmp_path, quality)
    return tmp_path


def write_suite(folder: Path, *, cases: int = 50, **head: Any) -> None:
    """Sixty percent of the cases are of the split ``test``; people grade from 1 to 5."""
    folder.mkdir(exist_ok=True)
    fields = {
        "id": folder.name,
        "defaults": {"metrics": ["relevance"]},
        "judges": {"main": {"model": "judge-1"}},
        **head,
    }
    (folder / "suite.yaml").write_text(json.dumps(fields), encoding="utf-8")
    write_lines(
        folder / "cases.jsonl",
        [
            {
                "id": f"c{n:02}",
                "input": f"Question {n}?",
                "metadata": {
                    "human": n % 5 + 1,
                    "output": f"a {quality[n % 5 + 1]} answer{' indeed' * (n * 7 % 11)}",
                },
                "split": "dev" if n % 5 < 2 or n % 3 == 0 else "test",
            }
            for n in range(cases)
        ],
    )


def write_mock(folder: Path, words: dict[int, str], *, more: list[Any] | None = None) -> None:
    """A judge who gives the grade of the word that an answer holds."""
    rules = [
        {"when": {"type": "judge", "contains": f"a {word} answer"}, "json": {"reasoning": word, "score": grade}}
        for grade, word in words.items()
    ]  # fmt: skip
    document = {"responses": [*(more or []), *rules]}
    (folder / "mock.json").write_text(json.dumps(document), encoding="utf-8")


def judge(*words: str) -> Done:
    return invoke("judge", *words, "--mock-responses", "mock.json")


def certify(*words: str) -> Done:
    return judge("certify", "--suite", "labelled", *words)


def test_a_judge_who_agrees_with_people_gets_a_certificate(place: Path) -> None:
    done = certify()
    assert done.code == 0
    assert "judge main on relevance: passes, 50 cases" in done.out
    assert "kappa 1" in done.out
    (path,) = (place / "judges" / "main").glob("*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["fingerprint"].startswith(path.stem)
    assert document["figures"]["n"] == 50
    shown = certify("--json").document
    assert {**shown, "path": None} == {**document, "path": None}


def test_a_judge_who_does_not_agree_fails_and_is_kept(place: Path) -> None:
    write_mock(place, {6 - grade: word for grade, word in quality.items()})
    done = certify()
    assert done.code == 1
    assert "fails" in done.out
    assert "agreement with people is" in done.out
    listed = invoke("judge", "list", "--json").document["certificates"]
    assert [one["state"] for one in listed] == ["failing"]


def test_every_judged_metric_gets_its_own_certificate(place: Path) -> None:
    done = certify("-m", "relevance", "-m", "coherence", "--json")
    assert done.code == 0
    assert [one["metric"] for one in done.document["certificates"]] == ["relevance", "coherence"]
    assert len(list((place / "judges" / "main").glob("*.json"))) == 2
    # One block alone has no other order.
    assert done.document["certificates"][1]["figures"]["position_consistency"] is None


def test_a_judge_who_is_down_gives_no_certificate_and_exit_4(place: Path) -> None:
    write_mock(place, {}, more=[{"when": {"type": "judge"}, "error": {"kind": "invalid_request"}}])
    done = certify("--json")
    assert done.code == 4
    assert done.document["code"] == "judge_incomplete"
    assert not (place / "judges").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-m", "exact_match"), "not_judged"),
        (("--human-field", "metadata.grade"), "too_few_labels"),
        (("--human-field", "metadata"), "bad_label"),
        (("--judge", "absent.yaml"), "file_not_found"),
    ],
)
def test_what_cannot_be_certified_is_exit_2(place: Path, words: tuple[str, ...], code: str) -> None:
    del place
    done = certify("--json", *words)
    assert (done.code, done.document["code"]) == (2, code)


def test_limits_and_recorded_answers_come_from_files(place: Path) -> None:
    (place / "limits.yaml").write_text("cases: 3\ntest_retest: 1\n", encoding="utf-8")
    write_lines(
        place / "answers.jsonl",
        [{"case_id": f"c{n:02}", "output": f"a {quality[n % 5 + 1]} answer"} for n in range(5)],
    )
    done = certify(
        "--limits", "limits.yaml", "--recorded", "answers.jsonl", "--repeats", "2", "--json"
    )
    assert done.document["figures"]["n"] == 5
    assert done.document["limits"]["cases"] == 3
    (place / "limits.yaml").write_text("- 3\n", encoding="utf-8")
    assert certify("--limits", "limits.yaml", "--json").document["code"] == "bad_option"


def test_calibrating_proposes_a_threshold_and_certifies_nothing(place: Path) -> None:
    done = judge("calibrate", "--suite", "labelled", "--json")
    assert done.code == 0
    (one,) = done.document["metrics"]
    assert one["proposed"] == {"threshold": 0.75, "kappa": 1.0, "tpr": 1.0, "tnr": 1.0}
    assert not (place / "judges").exists()
    text = judge("calibrate", "--suite", "labelled")
    assert "threshold 0.75 (now 0.7)" in text.out


def test_entries_with_other_words_are_compared_with_one_another(place: Path) -> None:
    blind = {"when": {"type": "judge", "contains": "blind"}, "json": {"reasoning": "r", "score": 3}}
    write_mock(place, quality, more=[blind])
    entries = [{"type": "criteria", "name": name, "criteria": name} for name in ("blind", "seeing")]
    (place / "entries.yaml").write_text(json.dumps({"metrics": entries}), encoding="utf-8")
    done = judge("calibrate", "--suite", "labelled", "--metrics", "entries.yaml")
    assert "agrees best: seeing" in done.out
    assert "blind: 30 labelled cases, kappa 0" in done.out


def test_a_split_that_is_not_there_is_told(place: Path) -> None:
    del place
    done = judge("calibrate", "--suite", "labelled", "--split", "train", "--json")
    assert (done.code, done.document["code"]) == (2, "no_such_split")


def test_show_gives_the_words_the_judge_and_his_certificate(place: Path) -> None:
    del place
    certify()
    done = judge("show", "--suite", "labelled", "--json")
    (one,) = done.document["judges"]
    assert (one["metric"], one["judge"]["id"]) == ("relevance", "main")
    assert one["certificate"]["state"] == "valid"
    assert one["templates"][0]["version"] == 1
    assert "<<<BEGIN answer" in one["example"]
    text = judge("show", "relevance", "--judge", "judge-1")
    assert "judge: judge-1, judge-1 by mock, votes 1" in text.out
    assert "certificate: missing" in text.out


def test_show_works_without_a_model_and_refuses_what_is_no_judge(place: Path) -> None:
    del place
    done = invoke("judge", "show")
    assert done.code == 0
    assert "judge: none is named" in done.out
    assert all(name in done.out for name in ("faithfulness", "pairwise", "context_recall"))
    assert "rubric (" not in done.out  # it has options that somebody must give
    assert judge("show", "relevance", "--judge", "a-model").code == 0
    assert invoke("judge", "show", "relevence", "--json").document["code"] == "unknown_metric"


def test_without_certificates_the_list_says_how_to_make_one(place: Path) -> None:
    del place
    done = invoke("judge", "list")
    assert (done.code, done.out.strip()) == (
        0,
        "there is no certificate; next: pipex judge certify --help",
    )


def test_a_damaged_certificate_is_named(place: Path) -> None:
    (place / "judges" / "x").mkdir(parents=True)
    (place / "judges" / "x" / "1.json").write_text("{}", encoding="utf-8")
    done = invoke("judge", "list", "--json")
    assert (done.code, done.document["code"]) == (2, "bad_certificate")
    assert "judges/x/1.json" in done.document["message"]


# -- judges of a run


gate = {
    "rules": [
        {"id": "r", "metric": "relevance", "kind": "threshold", "value": 0.1, "bound": "point"}
    ]
}


@pytest.fixture
def gated(place: Path) -> Path:
    write_suite(place / "labelled", gate=gate)
    write_lines(
        place / "answers.jsonl",
        [{"case_id": f"c{n:02}", "output": f"a {quality[n % 5 + 1]} answer"} for n in range(50)],
    )
    return place


def evaluate(*words: str) -> Done:
    return invoke(
        "eval",
        "run",
        "labelled",
        "--recorded",
        "answers.jsonl",
        "--mock-responses",
        "mock.json",
        *words,
    )


def test_a_gate_waits_for_the_certificate_and_then_passes(gated: Path) -> None:
    del gated
    first = evaluate("--json")
    assert first.code == 3
    assert first.document["verdict"]["rules"][0]["reason"] == "judge_uncertified"
    assert certify().code == 0
    assert evaluate("--json").code == 0
    # The stored run is judged by what the certificates say today.
    assert invoke("gate", first.document["run_id"]).code == 0


def test_an_expired_or_foreign_certificate_does_not_gate(gated: Path) -> None:
    certify()
    (path,) = (gated / "judges" / "main").glob("*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "expires": "2026-01-01"}), encoding="utf-8")
    assert evaluate().code == 3
    assert invoke("judge", "list", "--json").document["certificates"][0]["state"] == "expired"
    path.write_text(json.dumps({**document, "fingerprint": "0" * 64}), encoding="utf-8")
    assert evaluate().code == 3
    assert invoke("gate", "latest").code == 3


def test_an_uncertified_judge_may_be_let_in_and_every_report_says_so(gated: Path) -> None:
    done = evaluate("--allow-uncertified", "--report", "markdown")
    assert done.code == 0
    assert "uncertified_judge: allowed to gate without a certificate: relevance" in done.out
    (report,) = (gated / "results" / "reports").glob("*.md")
    head = report.read_text(encoding="utf-8").split("### Rules")[0]
    assert "allowed to gate without a certificate" in head
    gate_done = invoke("gate", "latest", "--allow-uncertified")
    assert gate_done.code == 0
    assert gate_done.out.splitlines()[1].startswith("  uncertified_judge")
    assert invoke("gate", "latest").code == 3


def test_a_gate_file_may_ask_for_no_certificate(gated: Path) -> None:
    (gated / "gate.yaml").write_text(
        json.dumps({**gate, "require_certificate": False}), encoding="utf-8"
    )
    assert evaluate("--gate", "gate.yaml").code == 0


def test_a_certificate_may_stand_elsewhere(gated: Path) -> None:
    certify()
    (path,) = (gated / "judges" / "main").glob("*.json")
    path.rename(gated / "kept.json")
    judges = {"main": {"model": "judge-1", "certificate": "kept.json"}}
    write_suite(gated / "labelled", gate=gate, judges=judges)
    assert evaluate().code == 0
    assert invoke("gate", "latest").code == 0


@pytest.mark.parametrize(
    ("text", "judge_id"),
    [
        ("model: from-file\n", "from-file"),
        ("judge: {id: strict, model: m}\n", "strict"),
        ("judges:\n  default: {model: d}\n  other: {model: o}\n", "d"),
    ],
)
def test_a_file_of_judges_comes_before_the_suite(gated: Path, text: str, judge_id: str) -> None:
    (gated / "judge.yaml").write_text(text, encoding="utf-8")
    evaluate("--judge", "judge.yaml")
    (manifest,) = (gated / "results" / "runs").rglob("manifest.json")
    found = json.loads(manifest.read_text(encoding="utf-8"))
    assert [one["id"] for one in found["judges"]] == [judge_id]


def test_a_file_that_holds_no_judge_is_refused(gated: Path) -> None:
    (gated / "judge.yaml").write_text("- a\n", encoding="utf-8")
    done = evaluate("--judge", "judge.yaml", "--json")
    assert (done.code, done.document["problems"][0]["code"]) == (2, "wrong_type")


def test_no_model_anywhere_is_found_before_anything_is_asked(gated: Path) -> None:
    write_suite(gated / "labelled", judges={})
    done = evaluate("--json")
    assert (done.code, done.document["problems"][0]["code"]) == (2, "no_judge")
    assert not (gated / "results").exists()


def test_the_setting_names_the_judge(gated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(gated / "labelled", judges={})
    monkeypatch.setenv("PIPEX_JUDGE_MODEL", "judge-9")
    assert evaluate("--json").document["metrics"]["relevance"]["n_scored"] == 50


def test_the_judge_has_a_price_of_its_own(gated: Path) -> None:
    rules = json.loads((gated / "mock.json").read_text(encoding="utf-8"))["responses"]
    priced = {"responses": [{**rule, "cost": 0.002} for rule in rules]}
    (gated / "mock.json").write_text(json.dumps(priced), encoding="utf-8")
    document = evaluate("--json").document
    assert (document["cost"], document["judge_cost"]) == (0.0, pytest.approx(0.1))
    assert "judges 0.1000 USD" in evaluate("--carry", "none").out


def test_pairwise_compares_with_the_run_before(gated: Path) -> None:
    win = {
        "when": {"type": "judge", "step": "pairwise"},
        "json": {"reasoning": "r", "label": "first"},
    }
    write_mock(gated, quality, more=[win])
    evaluate("--json")
    done = evaluate("--json", "-m", "pairwise", "--baseline", "latest", "--gate", "none.yaml")
    assert done.code == 2  # there is no such gate: nothing was asked
    (gated / "plain.yaml").write_text(
        json.dumps({"rules": [{"id": "c", "metric": "pairwise", "kind": "coverage", "min": 0.5}]}),
        encoding="utf-8",
    )
    done = evaluate(
        "--json",
        "-m",
        "pairwise",
        "--baseline",
        "latest",
        "--gate",
        "plain.yaml",
        "--allow-uncertified",
    )
    assert done.document["metrics"]["pairwise"]["mean"] == 0.5
    explained = invoke("explain", "c00", "--run", done.document["run_id"], "--json").document
    assert [one["state"] for one in explained["scores"]] == ["carried"]


def test_a_stopped_run_goes_on_with_its_judges(gated: Path) -> None:
    del gated
    document = evaluate("--judge", "judge-7", "--max-calls", "20", "--json").document
    assert document["status"] == "incomplete"
    resumed = invoke("eval", "resume", document["run_id"], "--max-cost", "1", "--json")
    assert resumed.document["status"] == "completed"
    assert resumed.document["metrics"]["relevance"]["n_scored"] == 50


def test_lint_looks_at_the_judges_of_a_suite_and_leaves_the_model_to_the_run(gated: Path) -> None:
    write_suite(gated / "labelled", judges={})
    assert invoke("suite", "lint", "labelled", "--json").document["ok"] is True
    write_suite(gated / "labelled", judges={"main": {"model": "m", "votes": 2}})
    found = invoke("suite", "lint", "labelled", "--json")
    assert found.code == 2
    codes = {
        problem["code"] for problem in found.document["problems"] if problem["severity"] == "error"
    }
    assert codes == {"bad_option"}
