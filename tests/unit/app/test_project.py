"""The models file: what its entries mean, and every problem at its line."""

from pathlib import Path

import pytest

from pipex_core.app.project import list_project, open_project, read_models
from pipex_core.errors import ConfigError, SpecError
from tests.fakes.project import write_project

root = Path(__file__).resolve().parents[3]
models = """\
models:
  - name: zero-shot
    since: "2026-11-24"
    provider: replay
    cassette: recordings/m.jsonl
    kind: prompt
    model: smollm2
    options: {temperature: 0}
    suites: [sums, words]
    champion: true
    description: A small model.
  - name: rules
    kind: pipeline
    paths: {sums: pipelines/adder.yaml}
  - name: one-pipeline
    kind: pipeline
    path: pipelines/any.yaml
    mock_responses: rules.yaml
    suites: [words]
"""


def test_an_entry_is_a_target_of_each_of_its_suites() -> None:
    zero, rules, one = read_models(models, "models.yaml")
    shared = {
        "kind": "prompt",
        "name": "zero-shot",
        "model": "smollm2",
        "options": {"temperature": 0},
    }
    assert zero.targets == {"sums": shared, "words": shared}
    assert (zero.provider, zero.cassette, zero.champion) == ("replay", "recordings/m.jsonl", True)
    assert (zero.since, zero.description) == ("2026-11-24", "A small model.")
    assert rules.targets == {
        "sums": {"kind": "pipeline", "path": "pipelines/adder.yaml", "name": "rules"}
    }
    assert (rules.provider, rules.champion, rules.mock_responses) == ("mock", False, None)
    assert one.targets["words"]["path"] == "pipelines/any.yaml"
    assert one.mock_responses == "rules.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model: []\n", "models.yaml:1:1: error: a models file holds a list `models` [missing_field]"),
        ("- a\n", "models.yaml:1:1: error: a models file holds a list `models` [missing_field]"),
        ("models:\n  - 5\n", "models.yaml:2:5: error: a model is a map [wrong_type]"),
        ("models:\n  - suites: [a]\n", "models.yaml:2:5: error: a model needs a name [missing_field]"),
        (
            "models:\n  - name: a\n    suite: [a]\n    suites: [a]\n",
            "models.yaml:3:5: error: a model has no field 'suite'; did you mean 'suites'? [unknown_field]",
        ),
        (
            "models:\n  - name: a\n    suites: [a]\n    provider: liv\n",
            "models.yaml:4:15: error: provider must be one of mock, live, mixed, replay, not 'liv' [unknown_value]",
        ),
        (
            "models:\n  - name: a\n    suites: [a]\n    model: claude-latest\n",
            "models.yaml:4:12: error: 'claude-latest' may mean another model tomorrow; name a fixed version [moving_alias]",
        ),
        (
            "models:\n  - name: a\n    model: m\n",
            "models.yaml:2:5: error: model 'a' names neither `suites` nor `paths` [missing_field]",
        ),
        (
            "models:\n  - {name: a, suites: [s]}\n  - {name: a, suites: [s]}\n",
            "models.yaml:3:12: error: two models are called 'a' [duplicate_id]",
        ),
        (
            "models:\n  - {name: a, suites: [s], provider: replay}\n",
            "models.yaml:2:5: error: model 'a' replays and names no `cassette` [missing_field]",
        ),
        (
            "models:\n  - {name: a, suites: [s], champion: 'yes'}\n",
            "models.yaml:2:38: error: champion is true or false, not 'yes' [wrong_type]",
        ),
        (
            "models:\n  - 5\n  - {name: a, suites: [s], since: 2026}\n",
            ("models.yaml:2:5: error: a model is a map [wrong_type]\n"
            "models.yaml:3:35: error: since is text, not 2026 [wrong_type]"),
        ),
        (
            ("models:\n  - {name: a, suites: [s, t], champion: true}\n"
            "  - {name: b, suites: [t], champion: true}\n"),
            "models.yaml:3:28: error: the champion of suite 't' is 'a' already [conflicting_fields]",
        ),
    ],
)  # fmt: skip
def test_a_problem_is_shown_at_its_line(text: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_models(text, "models.yaml")
    assert str(caught.value) == problem


def test_all_problems_are_shown_in_the_order_of_the_file() -> None:
    text = "models:\n  - {name: a, suites: [s], provider: x}\n  - 5\n  - {nam: b}\n"
    with pytest.raises(SpecError) as caught:
        read_models(text, "models.yaml")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 4]


def test_a_project_is_its_pipelines_suites_and_models(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "pipelines" / "deeper").mkdir()
    (tmp_path / "pipelines" / "deeper" / "other.yml").write_text("", "utf-8")
    (tmp_path / "pipelines" / "fixtures" / "adder").mkdir(parents=True)
    (tmp_path / "pipelines" / "fixtures" / "adder" / "mock.yaml").write_text("", "utf-8")
    assert open_project(tmp_path).models == ()
    (tmp_path / "test_suites" / "models.yaml").write_text(models, "utf-8")
    found = open_project(tmp_path)
    assert [path.name for path in found.pipelines] == ["adder.yaml", "asker.yaml", "other.yml"]
    assert found.suites == {"sums": tmp_path / "test_suites" / "sums"}
    assert [entry.name for entry in found.entries("sums")] == ["zero-shot", "rules"]
    champion = found.champion("sums")
    assert champion is not None
    assert champion.name == "zero-shot"
    assert found.champion("nothing") is None


def test_listing_a_project_does_not_read_its_models(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "test_suites" / "models.yaml").write_text("broken: [", "utf-8")
    assert list_project(tmp_path).models == ()
    with pytest.raises(SpecError):
        open_project(tmp_path)


def test_what_is_no_folder_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        open_project(tmp_path / "nowhere")


def test_the_shipped_project_opens() -> None:
    found = open_project(root)
    assert {"docs_qa", "shop_arithmetic", "ticket_triage"} <= set(found.suites)
    for suite in found.suites:
        assert found.champion(suite) is not None
