"""Whole workflows that evaluate, in the layouts that older documents use: five steps, or one without a target."""

import json
import re
import sys
from pathlib import Path

import pytest

from pipex_core.app.authored import register_metric
from pipex_core.app.pipelines import run_pipeline
from pipex_core.engine.records import RunResult
from pipex_core.jsonvalue import Json

# Every option stands in `config`, values come from the `config` of the workflow by template, and the
# gate's condition is itself in braces.
five_steps = """\
workflow:
  name: "support_answers"
  config:
    test_suite: "test_suites/support.json"
    batch_size: 10
    parallel: true
    max_concurrency: 3
    checkpoint_interval: 2
    pipeline_under_test:
      path: "pipelines/support.yaml"
      output_step: "final_answer"
    baseline_path: "baselines/support.json"
  steps:
    - name: "load"
      type: "eval_load_suite"
      config:
        suite_path: "{{test_suite}}"
        filters:
          category: "billing"
          difficulty: ["easy", "medium"]
        sample_size: 3
    - name: "measure"
      type: "eval_batch"
      config:
        test_suite: "{{load.suite}}"
        pipeline: "{{pipeline_under_test}}"
        metrics:
          - type: "semantic_similarity"
            threshold: 0.80
            opts: {model: "claude-sonnet-4"}
          - type: "faithfulness"
            threshold: 0.85
            opts: {source_field: "context"}
          - type: "relevance"
            threshold: 0.75
            opts: {query_field: "question"}
          - type: "bleu"
            threshold: 0.40
            opts: {n_gram: 4}
          - type: "rouge"
            threshold: 0.50
            opts: {rouge_type: "rouge-l"}
          - type: "embedding_similarity"
            threshold: 0.75
            opts: {model: "all-MiniLM-L6-v2"}
          - type: "custom:names_a_step"
            threshold: 1.0
        batch_size: "{{batch_size}}"
        parallel: "{{parallel}}"
        max_concurrency: "{{max_concurrency}}"
        checkpoint_interval: "{{checkpoint_interval}}"
    - name: "sum_up"
      type: "eval_aggregate"
      config:
        results: "{{measure.results}}"
        baseline: "{{baseline_path}}"
        regression_threshold: 5
    - name: "write_up"
      type: "eval_report"
      config:
        results: "{{sum_up}}"
        formats: ["json", "html"]
        output_dir: "outputs/reports"
    - name: "hold"
      type: "eval_gate"
      condition: "{{sum_up.summary.pass_rate >= 85}}"
      on_failure: "warn"
      config:
        thresholds:
          pass_rate: 85.0
          semantic_similarity_mean: 0.80
          no_regression: true
"""
without_target = """\
workflow:
  name: snippet
  defaults: {claude_model: claude-haiku-5-5}
  steps:
    - name: "measure_model"
      type: "eval_batch"
      eval_config:
        test_suite: "test_suites/support.json"
        metrics:
          - type: "semantic_similarity"
            threshold: 0.85
          - type: "faithfulness"
            threshold: 0.90
          - type: "bleu"
            n_gram: 4
            threshold: 0.70
        parallel: true
        max_concurrent: 10
        save_results: "outputs/measured_{{timestamp}}.json"
        fail_on_threshold: false
"""
pipeline_under_test = """\
workflow:
  name: support
  inputs: {question: {type: string}}
  steps:
    - name: final_answer
      type: claude
      prompt: "{{ inputs.question }}"
"""
answer = "Open the billing page and choose the step called refund."
opinion = {
    "reasoning": "the same",
    "score": 5,
    "claims": ["There is a billing page."],
    "verdicts": [{"item": 1, "verdict": "supported"}],
}
rules = {"responses": [{"when": {"type": "judge"}, "json": opinion}, {"reply": answer}]}


def suite() -> dict[str, Json]:
    def case(number: int, **metadata: Json) -> dict[str, Json]:
        return {
            "id": f"b{number}",
            "input": {"question": f"How do I get refund {number}?"},
            "expected_output": answer,
            "context": "Refunds are a step of the billing page.",
            "metadata": metadata,
        }

    billing = [case(i, category="billing", difficulty="easy") for i in range(4)]
    others = [case(7, category="billing", difficulty="hard"), case(8, category="login")]
    return {"id": "support", "cases": [*billing, *others]}


library = """\
class SentenceTransformer:
    def __init__(self, *_, **__):
        pass

    def encode(self, texts, **_):
        import numpy as np

        return np.array([[float(len(text)), 1.0] for text in texts])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "five.yaml": five_steps,
        "snippet.yaml": without_target,
        "pipelines/support.yaml": pipeline_under_test,
        "test_suites/support.json": json.dumps(suite()),
        "baselines/support.json": json.dumps(
            {"version": "2.0", "date": "2025-01-31", "metrics": {"bleu": {"mean": 0.9, "n": 50}}}
        ),
        "mock.json": json.dumps(rules),
        "all-MiniLM-L6-v2/modules.json": "[]",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PIPEX_JUDGE_MODEL", "claude-opus-5-5")
    return tmp_path


def run(file: str) -> RunResult:
    return run_pipeline(file, mock_responses="mock.json")


@pytest.fixture
def embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library of the extra, in front of the real one, which takes seconds to load."""
    site = tmp_path / "site"
    (site / "transformers" / "utils").mkdir(parents=True)
    (site / "sentence_transformers.py").write_text(library, encoding="utf-8")
    (site / "transformers" / "__init__.py").write_text("", encoding="utf-8")
    (site / "transformers" / "utils" / "__init__.py").write_text(
        "class logging:\n    disable_progress_bar = staticmethod(lambda: None)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(site))
    for name in ("sentence_transformers", "transformers", "transformers.utils"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def names_a_step(predicted: str, expected: str) -> bool:
    """Does the answer name a step?"""
    del expected
    return "step" in predicted


@pytest.fixture
def custom_metric() -> None:
    register_metric("names_a_step", names_a_step, replace=True)


@pytest.mark.usefixtures("embeddings", "custom_metric")
def test_five_steps_load_measure_sum_up_write_and_hold(project: Path) -> None:
    found = run("five.yaml")
    assert found.status == "succeeded", found.error
    loaded, measured, summed, written, held = (step.data for step in found.steps.values())
    # Four cases pass the filters, three of them are drawn.
    assert (loaded["count"], loaded["suite"]["sample_size"]) == (3, 3)
    assert all(case["metadata"]["difficulty"] == "easy" for case in loaded["cases"])
    assert measured["results"]["count"] == 3
    assert list(measured["metrics"]) == [
        *("semantic_similarity", "faithfulness", "relevance", "bleu", "rouge"),
        *("embedding_similarity", "custom:names_a_step"),
    ]
    assert measured["summary"]["pass_rate"] == 100.0
    assert summed["summary"] == measured["summary"]
    assert summed["metrics"]["bleu"]["mean"] == pytest.approx(1.0)
    assert (summed["regressions"], summed["regression_detected"]) == ([], False)
    assert [Path(file).suffix for file in written["files"]] == [".json", ".html"]
    report = json.loads((project / "outputs" / written["files"][0]).read_text("utf-8"))
    assert report["summary"]["total_tests"] == 3
    # Nobody has shown that this judge agrees with people, so it cannot gate; the run is only warned.
    assert (held["passed"], held["verdict"]) == (False, "INCONCLUSIVE")
    assert [(rule["id"], rule["outcome"], rule["reason"]) for rule in held["rules"]] == [
        ("condition", "PASS", None),
        ("pass_rate", "PASS", None),
        ("semantic_similarity_mean", "INCONCLUSIVE", "judge_uncertified"),
        ("no_regression", "PASS", None),
    ]


def test_a_batch_without_a_target_asks_the_default_model_and_keeps_its_results(
    project: Path,
) -> None:
    found = run("snippet.yaml")
    assert found.status == "succeeded", found.error
    assert [warning.code for warning in found.warnings] == ["implied_target"]
    results = found.steps["measure_model"].data["results"]
    assert re.fullmatch(r"outputs/measured_\d{8}T\d{6}Z\.json", results["path"])
    kept = json.loads((project / "outputs" / results["path"]).read_text("utf-8"))
    assert len(kept["results"]) == results["count"] == 6
    assert kept["run"]["target_id"] == "prompt"
