"""``pipex metric run`` and ``test``."""

import json
from pathlib import Path

import pytest

from tests.fakes.project import write_project
from tests.fakes.shell import invoke

own_metrics = '''
import pipex_core

calls = []

@pipex_core.metric(default_threshold=0.5)
def overlap(predicted: str, expected: str) -> float:
    """Share of the letters of the reference that occur."""
    if not predicted or not expected:
        return float(predicted == expected)
    return len(set(predicted) & set(expected)) / len(set(expected))

@pipex_core.metric()
def moody(predicted: str, expected: str) -> float:
    calls.append(predicted)
    return len(calls) % 2

@pipex_core.metric()
def loud(predicted: str, expected: str) -> float:
    return float(len(predicted))

@pipex_core.metric()
def careless(predicted: str, expected: str) -> float:
    return 1 / len(predicted)
'''


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    (tmp_path / "test_suites" / "sums" / "metrics.py").write_text(own_metrics, encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("exact_match", "--output", "a", "--expected", "a"), 0, "exact_match: 1, passed"),
        (("exact_match", "--output", "a", "--expected", "b"), 1, "exact_match: 0, missed"),
        (("rouge", "--output", "a cat", "--expected", "the cat"), 0, "rouge: 0.5"),
        (("rouge:0.6", "--output", "a cat", "--expected", "the cat"), 1, "rouge: 0.5, missed"),
        (("bleu", "--output", "a"), 4, "bleu: no score, no_reference: bleu compares with a reference, and the case has none"),
        (("grounded_overlap", "--output", "cows eat grass", "--context", "cows eat grass daily"), 0, "grounded_overlap: 1"),
        (("contains", "--output", "Hello", "--set", "value=hello", "--set", "ignore_case=true"), 0, "contains: 1, passed"),
        (("custom:overlap", "--suite", "sums", "--allow-code", "--output", "ab", "--expected", "bcde"), 1, "custom:overlap: 0.25, missed"),
    ],
)  # fmt: skip
def test_one_answer_is_measured(words: tuple[str, ...], code: int, text: str) -> None:
    done = invoke("metric", "run", *words)
    assert (done.code, done.out.strip()) == (code, text)


def test_answers_on_standard_input_are_measured_line_by_line() -> None:
    lines = [{"output": "4", "expected": "4"}, {"output": "5", "expected": ["4", "5"]}, {"output": "6"}]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines)
    done = invoke("metric", "run", "exact_match", "--json", stdin=text)
    assert done.code == 4
    assert done.document["schema"] == "pipex.score/1"
    assert [one["value"] for one in done.document["scores"]] == [1.0, 1.0, None]
    assert done.document["scores"][2]["code"] == "no_reference"


@pytest.mark.parametrize(("text", "said"), [("{", "line 1 is no JSON"), ("[1]", "needs an object")])
def test_a_line_that_is_no_answer_is_named(text: str, said: str) -> None:
    done = invoke("metric", "run", "exact_match", stdin=text)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("name", ["exact_match", "rouge", "cer", "json_match", "output_length"])
def test_shipped_metrics_keep_the_promises_of_metrics(name: str) -> None:
    done = invoke("metric", "test", name, "--json")
    assert (done.code, done.document["ok"]) == (0, True)
    assert {check["rule"] for check in done.document["checks"]} == {"R1", "R2", "R3", "R4", "R7", "R8", "R9", "R10"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "broken"),
    [("overlap", set()), ("moody", {"R3", "R7", "R10"}), ("loud", {"R1"}), ("careless", {"R1"})],
)
def test_the_promises_that_a_metric_of_a_user_breaks_are_named(name: str, broken: set[str]) -> None:
    words = (f"custom:{name}", "--suite", "sums", "--allow-code")
    done = invoke("metric", "test", *words, "--json")
    found = {check["rule"] for check in done.document["checks"] if check["ok"] is False}
    assert found <= broken
    assert bool(found) == bool(broken)
    assert done.code == (1 if broken else 0)
    assert invoke("metric", "test", *words).code == done.code


def test_what_cannot_be_tried_or_does_not_exist_is_refused() -> None:
    assert invoke("metric", "test", "pass_at_k", "--set", "k=1", "--json").document["code"] == "not_checkable"  # fmt: skip
    assert invoke("metric", "test", "ruge", "--json").document["code"] == "unknown_metric"
    assert invoke("metric", "run", "rouge", "--set", "oops", "--output", "a").code == 2
