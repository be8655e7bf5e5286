"""Judges from Python: by file, by model or by map; their certificates on disk; where nobody is asked."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipex_core.app.evaluations import open_desk, run_eval
from pipex_core.app.hearings import shown_judges
from pipex_core.app.judges import Certificates, judges_of, worded_bench
from pipex_core.app.settings import read_settings
from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.judgefile import seat
from tests.fakes.judges import judge
from tests.fakes.metrics import entry_of
from tests.fakes.project import write_project


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, {}),
        ("claude-x", {"default": {"model": "claude-x"}}),
        ({"model": "m", "votes": 1}, {"default": {"model": "m", "votes": 1}}),
        ({"judges": {"a": {"model": "m"}}}, {"a": {"model": "m"}}),
        ({"a": {"model": "m"}}, {"a": {"model": "m"}}),
    ],
)
def test_judges_are_a_model_a_map_or_several_by_name(word: Any, expected: Any) -> None:
    assert judges_of(word) == expected


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    gate = (
        "gate: {rules: [{id: r, metric: coherence, kind: threshold, value: 0.5, bound: point}]}\n"
    )
    write_project(tmp_path, gate=gate)
    rules = [{"when": {"type": "judge"}, "json": {"reasoning": "fine", "score": 5}}]
    (tmp_path / "mock.json").write_text(json.dumps({"responses": rules}), encoding="utf-8")
    return tmp_path


def evaluate(**options: Any) -> Any:
    return run_eval(
        "test_suites/sums",
        {"kind": "recorded", "path": "good.jsonl"},
        ["coherence"],
        mock_responses="mock.json",
        **options,
    )


def test_a_python_run_takes_a_judge_and_may_let_it_gate(project: Path) -> None:
    found = evaluate(judge={"id": "strict", "model": "j"})
    assert found.metrics["coherence"].mean == 1.0
    assert found.manifest["judges"][0]["id"] == "strict"
    assert found.verdict.verdict == "INCONCLUSIVE"
    allowed = evaluate(judge="j", allow_uncertified=True)
    assert allowed.verdict.verdict == "PASS"
    (project / "judge.yaml").write_text("model: from-file\n", encoding="utf-8")
    assert evaluate(judge="judge.yaml").manifest["judges"][0]["id"] == "from-file"


def test_a_python_run_without_a_judge_asks_nobody(project: Path) -> None:
    with pytest.raises(SpecError) as caught:
        evaluate()
    assert [problem.code for problem in caught.value.problems] == ["no_judge"]
    assert not (project / "results").exists()


def test_a_step_of_a_pipeline_asks_judges_too(project: Path) -> None:
    from pipex_core.app.pipelines import run_pipeline

    (project / "judged.yaml").write_text(
        "workflow:\n  name: judged\n  steps:\n"
        "    - {name: check, type: eval_batch, test_suite: test_suites/sums,"
        " predictions: good.jsonl, metrics: [{type: coherence, model: j}]}\n",
        encoding="utf-8",
    )
    result = run_pipeline("judged.yaml", provider="mock", mock_responses="mock.json")
    assert result.steps["check"].data["metrics"]["coherence"]["mean"] == 1.0


def test_show_says_what_is_wrong_with_a_judge(project: Path) -> None:
    del project
    with pytest.raises(SpecError) as caught:
        shown_judges(open_desk(kind="mock"), ["coherence"], judges={"default": {"votes": 2}})
    assert {problem.code for problem in caught.value.problems} == {"bad_option"}


def test_certificates_stand_by_judge_and_fingerprint(tmp_path: Path) -> None:
    kept = Certificates(tmp_path, date(2026, 11, 24))
    assert kept.path(judge) == tmp_path / "j" / "ffffffffffff.json"
    assert (kept.state(judge), kept.valid(judge), list(kept.all())) == ("missing", None, [])
    kept.path(judge).parent.mkdir()
    kept.path(judge).write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ffffffffffff\.json: the certificate cannot be read"):
        kept.state(judge)
    kept.path(judge).write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ffffffffffff\.json"):
        kept.state(judge)


def test_where_nobody_is_asked_the_words_of_a_judge_count() -> None:
    bench = worded_bench(read_settings(options={"judge_model": "gemini-x"}))
    found = seat([entry_of("coherence")], bench)
    member = found.entries[0].judge.members[0]  # type: ignore[union-attr]  # the entry is judged
    assert (member.provider, member.model) == ("gemini", "gemini-x")
