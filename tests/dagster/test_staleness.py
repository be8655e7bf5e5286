"""What an edit marks as stale, and nothing else: Dagster's own word on each partition."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import (  # noqa: TID251 - what the UI shows has no public name
    CachingStaleStatusResolver,
)
from dagster._core.loader import LoadingContextForTest  # noqa: TID251 - as above

from tests.dagster.conftest import Project, adder, models, numbers, suite_head

layers = ("suite", "responses", "scores", "summary", "verdict")


def stale(project: Project, target: str = "good") -> dict[str, str]:
    """Layer to the reason why it is stale; fresh ones are left out."""
    resolver = CachingStaleStatusResolver(
        project.instance,
        project.definitions().resolve_asset_graph(),
        LoadingContextForTest(project.instance),
    )
    found = {}
    for layer in layers:
        key, partition = dg.AssetKey(["sums", layer]), None if layer == "suite" else target
        causes = resolver.get_stale_causes(key, partition)
        if causes:
            found[layer] = causes[0].reason
    return found


@pytest.fixture
def evaluated(project: Project) -> Project:
    assert project.evaluate("good").success
    return project


def test_right_after_a_run_everything_is_fresh(evaluated: Project) -> None:
    assert stale(evaluated) == {}


def test_a_comment_changes_nothing(evaluated: Project) -> None:
    path = evaluated.root / "test_suites/sums/suite.yaml"
    path.write_text(f"# A comment.\n{path.read_text()}")
    evaluated.materialize("suite")
    assert stale(evaluated) == {}


def test_a_changed_metric_leaves_responses_fresh(evaluated: Project) -> None:
    strict = [{"type": "numeric_match", "threshold": 1.0, "which": "first"}]
    evaluated.write_suite(defaults={**suite_head["defaults"], "metrics": strict})
    assert stale(evaluated) == {
        "scores": "has a new code version",
        "summary": "has a new code version",
        "verdict": "has a new code version",
    }


def test_a_changed_threshold_leaves_scores_fresh(evaluated: Project) -> None:
    looser = [{"type": "numeric_match", "threshold": 0.5}]
    evaluated.write_suite(defaults={**suite_head["defaults"], "metrics": looser})
    assert list(stale(evaluated)) == ["summary", "verdict"]


def test_a_changed_gate_marks_the_verdict_alone(evaluated: Project) -> None:
    gate = {**suite_head["gate"], "rules": suite_head["gate"]["rules"][:1]}
    evaluated.write_suite(gate=gate)
    assert stale(evaluated) == {"verdict": "has a new code version"}


def test_a_changed_question_is_told_when_the_suite_is_materialized(evaluated: Project) -> None:
    evaluated.write_cases(expected_output="1")
    evaluated.materialize("suite")
    assert list(stale(evaluated)) == ["responses", "scores"]


def test_a_changed_tag_leaves_answers_and_scores_fresh(evaluated: Project) -> None:
    evaluated.write_cases(tags=["new"])
    evaluated.materialize("suite")
    assert list(stale(evaluated)) == ["summary", "verdict"]


def test_a_changed_prompt_makes_the_answers_stale(evaluated: Project) -> None:
    prompt = "case {{ name }}: {{ question }} Think."
    evaluated.write_suite(defaults={**suite_head["defaults"], "prompt": prompt})
    assert stale(evaluated)["responses"] == "has a new code version"


def test_a_comment_in_a_pipeline_leaves_its_answers_fresh(evaluated: Project) -> None:
    evaluated.write("pipelines/adder.yaml", f"# A comment.\n{adder}")
    assert stale(evaluated) == {}


def test_a_changed_pipeline_makes_the_answers_stale(evaluated: Project) -> None:
    evaluated.write("pipelines/adder.yaml", adder.replace("+", "-"))
    assert stale(evaluated)["responses"] == "has a new code version"


def test_a_changed_file_of_a_prompt_makes_the_answers_stale(project: Project) -> None:
    reading = "    - {name: said, type: claude, prompt: [{type: file, path: note.txt}]}\n"
    project.write("pipelines/note.txt", "one")
    project.write("pipelines/adder.yaml", f"{adder}{reading}")
    assert project.evaluate("good").success
    assert stale(project) == {}
    project.write("pipelines/note.txt", "two")
    assert stale(project)["responses"] == "has a new code version"


def test_a_new_model_leaves_the_others_fresh(evaluated: Project) -> None:
    new = {**models["models"][1], "name": "newest", "model": "newest-3"}
    evaluated.write("test_suites/models.yaml", {"models": [*models["models"], new]})
    assert stale(evaluated) == {}


def test_what_comes_out_the_same_keeps_what_follows_fresh(evaluated: Project) -> None:
    same = [{"type": "numeric_match", "threshold": 1.0, "which": "last"}]
    evaluated.write_suite(defaults={**suite_head["defaults"], "metrics": same})
    again = evaluated.materialize("responses", target="good")
    assert numbers(again, "responses")["calls"] == 0
    assert stale(evaluated) == {}


def rebuilt(project: Project) -> dict[str, Any]:
    """Materialize what is stale until nothing is, and count what that took."""
    calls = scored = 0
    made: list[str] = []
    while layers_now := list(stale(project)):
        layer = layers_now[0]
        result = project.materialize(layer, target=None if layer == "suite" else "good")
        assert result.success
        made.append(layer)
        found = numbers(result, layer)
        calls += int(found["calls"]) if layer == "responses" else 0
        scored += int(found["dagster/row_count"] - found["carried"]) if layer == "scores" else 0
    return {"layers": made, "calls": calls, "scored": scored}


def test_materializing_what_is_stale_does_exactly_what_an_edit_asks_for(evaluated: Project) -> None:
    strict = [{"type": "numeric_match", "threshold": 1.0, "which": "first"}]
    looser = [{**strict[0], "threshold": 0.5}]
    edits: dict[str, tuple[Callable[[], None], int, int]] = {
        "metric": (lambda: with_metrics(evaluated, strict), 0, 30),
        "threshold": (lambda: with_metrics(evaluated, looser), 0, 0),
        "reference": (lambda: evaluated.write_cases(expected_output="7"), 0, 1),
        "question": (lambda: evaluated.write_cases(expected_output="7", input=other), 1, 1),
    }
    for name, (edit, calls, scored) in edits.items():
        edit()
        if name in ("reference", "question"):
            evaluated.materialize("suite")
        found = rebuilt(evaluated)
        assert (name, found["calls"], found["scored"]) == (name, calls, scored)
    assert stale(evaluated) == {}


other = {"name": "c07", "question": "What is 7 plus 7 , please ?"}


def with_metrics(project: Project, metrics: Sequence[Mapping[str, Any]]) -> None:
    project.write_suite(defaults={**suite_head["defaults"], "metrics": list(metrics)})
