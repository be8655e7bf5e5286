"""What changes a digest and what does not: evaluation.md 2.1 and 2.3."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import load_plan
from tests.fakes.step_shapes import step_shapes

base = """
workflow:
  name: qa
  inputs: {question: {type: string}}
  steps:
    - name: answer
      type: claude
      prompt: "Q: {{ inputs.question }}"
      claude_options: {model: sonnet, temperature: 0}
    - name: nested
      type: pipeline
      pipeline_file: child.yaml
    - name: each
      type: for_loop
      items: [1]
      steps: [{name: in, type: echo, value: {description: a}}]
"""
child = "workflow: {name: child, steps: [{name: a, type: echo, value: 1}]}"


def digest(text: str, child_text: str = child, **layers: Json) -> str:
    def load_child(path: str) -> PipelineSpec:
        return load_pipeline(child_text, path, step_shapes)

    return load_plan(text, "main.yaml", step_shapes, load_child=load_child, **layers).digest


def changed(old: str, new: str) -> str:
    assert old in base
    return base.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  name: qa", "  # a comment\n  name: qa"),
        ("  name: qa", "  name: qa\n  description: all about tea\n  author: me\n  tags: [a]"),
        ("  name: qa", "  name: qa\n  max_concurrency: 9\n  execution: dag"),
        ("  name: qa", "  name: qa\n  budget: {max_calls: 3}\n  resource_limits: {max_depth: 2}"),
        ("  name: qa", "  name: qa\n  workspace_dir: w\n  output_dir: o\n  checkpoint_dir: c"),
        ("type: claude\n", "type: claude\n      description: d\n      role: r\n      tags: [t]\n"),
        ("type: claude\n", "type: claude\n      retry: {max_retries: 9}\n"),
        ("type: claude\n", "type: claude\n      timeout_seconds: 9\n      cache: true\n"),
        ("type: claude\n", "type: claude\n      pin_model: true\n      streaming: true\n"),
        ("items: [1]\n", "items: [1]\n      max_parallel: 2\n"),
        ("{model: sonnet, temperature: 0}", "{temperature: 0, model: sonnet}"),
        ("{model: sonnet, temperature: 0}", "{model: claude-sonnet-5-5, temperature: 0}"),
        ("temperature: 0}", "temperature: 0, timeout_ms: 5, verbose: true}"),
        ("temperature: 0}", "temperature: 0, max_turns: 3}"),
        (
            '      prompt: "Q: {{ inputs.question }}"',
            '      prompt: [{type: static, content: "Q: {{ inputs.question }}"}]',
        ),
        ('"Q: {{ inputs.question }}"', '["Q: {{ inputs.question }}"]'),
    ],
)
def test_what_has_no_meaning_leaves_the_digest_alone(old: str, new: str) -> None:
    assert digest(changed(old, new)) == digest(base)


def test_the_defaults_of_a_workflow_mean_the_same_as_the_options_of_a_step() -> None:
    text = changed("      claude_options: {model: sonnet, temperature: 0}\n", "")
    text = text.replace(
        "  steps:\n    - name: answer",
        "  defaults: {claude_model: sonnet, claude_options: {temperature: 0}}\n"
        "  steps:\n    - name: answer",
    )
    assert digest(text) == digest(base)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: qa", "name: qb"),
        ("name: qa", 'name: qa\n  version: "2"'),
        ("name: qa", "name: qa\n  templates: lenient"),
        ("name: qa", "name: qa\n  variables: {a: 1}"),
        ("name: qa", "name: qa\n  outputs: {answer: steps.answer}"),
        ("{type: string}", "{type: string, default: why}"),
        ("Q: ", "Question: "),
        ("model: sonnet", "model: opus"),
        ("temperature: 0", "temperature: 1"),
        ("temperature: 0", "temperature: 0, max_turns: 4"),
        ("type: claude\n", "type: claude\n      on_failure: continue\n"),
        ("type: claude\n", "type: claude\n      condition: inputs.question\n"),
        ("- name: answer", "- name: reply"),
        ("items: [1]", "items: [2]"),
        ("{description: a}", "{description: b}"),
    ],
)
def test_what_has_a_meaning_changes_the_digest(old: str, new: str) -> None:
    assert digest(changed(old, new)) != digest(base)


def test_a_nested_file_belongs_to_the_digest_by_its_meaning() -> None:
    assert digest(base, child.replace("value: 1", "value: 2")) != digest(base)
    assert digest(base, "# words\n" + child) == digest(base)


def test_layers_from_outside_belong_to_the_digest() -> None:
    assert digest(base, run_options={"model": "other"}) != digest(base)
    assert digest(base, environment={"max_retries": 9}) == digest(base)


def test_a_description_that_a_template_reads_has_a_meaning() -> None:
    text = changed("Q: ", "{{ workflow.description }} Q: ")
    one = text.replace("name: qa", "name: qa\n  description: one")
    two = text.replace("name: qa", "name: qa\n  description: two")
    assert digest(one) != digest(two)
    whole = changed("name: qa", 'name: qa\n  author: me\n  outputs: {w: "{{ workflow }}"}')
    assert digest(whole) != digest(whole.replace("author: me", "author: you"))
    named = changed("name: qa", 'name: qa\n  author: me\n  outputs: {w: "{{ workflow.name }}"}')
    assert digest(named) == digest(named.replace("author: me", "author: you"))


def test_digests_of_steps_tell_which_one_changed() -> None:
    def steps(text: str) -> list[str]:
        def load_child(path: str) -> PipelineSpec:
            return load_pipeline(child, path, step_shapes)

        found = load_plan(text, "main.yaml", step_shapes, load_child=load_child)
        return [step.digest for step in found.steps]

    before, after = steps(base), steps(changed("items: [1]", "items: [2]"))
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, True, False]


def test_tasks_of_a_batch_mean_their_options_but_not_their_deadlines() -> None:
    text = "workflow: {{name: x, steps: [{{name: b, type: claude_batch, tasks: [{{prompt: p, claude_options: {{{}}}}}]}}]}}"
    assert digest(text.format("model: a")) != digest(text.format("model: b"))
    assert digest(text.format("model: a, timeout_ms: 5")) == digest(text.format("model: a"))
