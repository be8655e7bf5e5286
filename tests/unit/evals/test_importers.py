"""Suites from the files of other tools: what becomes of each feature, and that nothing is executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.foreign import Imported
from pipex_core.evals.importers import detect, import_suite_file
from pipex_core.evals.suite import Case

promptfoo = """
description: Greetings
tags: {team: support}
providers: [openai:gpt-9]
prompts:
  - "Greet {{ name }} in {{language}}"
  - {label: "short one", raw: "{{ name }}?"}
  - "{% if formal %}Dear{% endif %} {{ name }}"
  - file://prompts/long.txt
  - file://prompt.py
assertionTemplates:
  polite: {type: llm-rubric, value: Is polite}
defaultTest:
  vars: {language: English}
  assert: [{$ref: "#/assertionTemplates/polite", weight: 2}]
tests:
  - description: by name
    vars: {name: [Ann, Bo]}
    assert:
      - {type: icontains, value: hello}
      - {type: not-contains, value: Sir, metric: no sir}
      - {type: javascript, value: "require('fs').writeFileSync('canary', '')"}
      - {type: assert-set, threshold: 0.5, assert: [{type: equals, value: "Hello!"}, {type: latency, threshold: 900}]}
    metadata: {topic: names}
    options: {transform: output.trim()}
  - file://more.csv
scenarios:
  - config: [{vars: {language: French}}, {vars: {language: Greek}}]
    tests: [{vars: {name: Zoe}}]
"""
more = (
    "name,__expected,__expected2,__description,__metadata:kind[],__config:__expected2:weight\n"
    'Cy,"contains-any:a,b\\, c",similar(0.9):Good day,from a table,"x,y",3\n'
    "Di,Hello Di,not-is-json,,,\n"
    "Ed,python: open('canary').read(),grade: Is short,,,\n"
)
files = {"prompts/long.txt": b"Long {{ name }}", "more.csv": more.encode()}


def bring(data: str | bytes, form: str = "auto", file: str = "f.yaml", **given: Any) -> Imported:
    def sibling(path: str) -> bytes:
        if path in given.get("files", {}):
            found: bytes = given["files"][path]
            return found
        raise ConfigError(f"there is no file {path}", code="file_unreadable")

    options = {name: value for name, value in given.items() if name != "files"}
    content = data.encode() if isinstance(data, str) else data
    return import_suite_file(content, file=file, suite="s", sibling=sibling, form=form, **options)


def by_name(found: Imported) -> Mapping[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in found.suite.cases:
        groups.setdefault(case.input["name"], []).append(case)
    return groups


def said(found: Imported) -> str:
    return found.report.as_text()


def test_a_promptfoo_configuration_becomes_cases_prompts_and_metrics(tmp_path: Path) -> None:
    found = bring(promptfoo, files=files)
    cases = by_name(found)
    assert {name: len(group) for name, group in cases.items()} == {
        "Ann": 1, "Bo": 1, "Cy": 1, "Di": 1, "Ed": 1, "Zoe": 2,
    }  # fmt: skip
    ann = cases["Ann"][0]
    assert ann.name == "by name"
    assert ann.input == {"language": "English", "name": "Ann"}
    assert ann.expected_output == "Hello!"
    assert ann.metadata == {"topic": "names"}
    assert ann.metrics == (
        {
            "type": "rubric",
            "items": [{"id": "r1", "text": "Is polite"}],
            "weight": 2,
            "name": "rubric",
        },
        {"type": "contains", "value": "hello", "ignore_case": True, "name": "contains"},
        {"type": "contains", "value": "Sir", "negate": True, "name": "no_sir"},
        {"type": "exact_match", "name": "exact_match"},
        {"type": "latency", "threshold": 900, "name": "latency"},
    )
    assert {case.input["language"] for case in cases["Zoe"]} == {"French", "Greek"}
    assert found.suite.description == "Greetings"
    assert list(found.suite.extra["tags"]) == ["team:support"]
    assert found.targets == {
        "prompt-1": {"kind": "prompt", "prompt": "Greet {{ name }} in {{language}}"},
        "short-one": {"kind": "prompt", "prompt": "{{ name }}?"},
        "prompt-4": {"kind": "prompt", "prompt": "Long {{ name }}"},
    }
    features = {loss.feature for loss in found.report.unsupported}
    assert features == {
        "providers", "template", "file://prompt.py", "assert javascript", "assert-set", "options",
        "assert python",
    }  # fmt: skip
    assert not (tmp_path / "canary").exists()


def test_cells_of_a_promptfoo_table_are_read_with_their_own_syntax() -> None:
    cases = by_name(bring(promptfoo, files=files))
    cy, di, ed = cases["Cy"][0], cases["Di"][0], cases["Ed"][0]
    assert cy.name == "from a table"
    assert cy.metadata == {"kind": ["x", "y"]}
    assert cy.expected_output == "Good day"
    assert [dict(metric) for metric in cy.metrics or ()][1:] == [
        {"type": "contains_any", "values": ["a", "b, c"], "name": "contains_any"},
        {
            "type": "embedding_similarity",
            "threshold": 0.9,
            "weight": 3.0,
            "name": "embedding_similarity",
        },
    ]
    assert di.expected_output == "Hello Di"
    assert [metric["type"] for metric in di.metrics or ()] == [
        "rubric",
        "exact_match",
        "json_valid",
    ]
    assert (di.metrics or ())[-1]["negate"] is True
    assert [metric["type"] for metric in ed.metrics or ()] == ["rubric", "rubric"]


@pytest.mark.parametrize(
    ("assertion", "entry"),
    [
        ({"type": "contains-all", "value": "a, b"}, {"type": "contains_all", "values": ["a", "b"]}),
        ({"type": "icontains-any", "value": ["a"]}, {"type": "contains_any", "values": ["a"], "ignore_case": True}),
        ({"type": "starts-with", "value": "Hi"}, {"type": "starts_with", "value": "Hi"}),
        ({"type": "regex", "value": "^a+$"}, {"type": "regex_match", "pattern": "^a+$"}),
        ({"type": "is-json", "value": {"type": "object"}}, {"type": "json_schema", "schema": {"type": "object"}}),
        ({"type": "is-xml"}, {"type": "xml_valid"}),
        ({"type": "rouge-n", "value": "r"}, {"type": "rouge", "threshold": 0.75, "rouge_type": "rouge1"}),
        ({"type": "bleu", "value": "r", "threshold": 0.4}, {"type": "bleu", "threshold": 0.4}),
        ({"type": "meteor", "value": "r"}, {"type": "meteor", "threshold": 0.5}),
        ({"type": "levenshtein", "value": "0123456789", "threshold": 2}, {"type": "levenshtein", "threshold": 0.8}),
        ({"type": "cost", "threshold": 0.01}, {"type": "cost", "threshold": 0.01}),
        ({"type": "g-eval", "value": ["a", "b"]}, {"type": "criteria", "criteria": "a\nb"}),
        ({"type": "factuality", "value": "r"}, {"type": "correctness"}),
        ({"type": "answer-relevance", "threshold": 0.9}, {"type": "relevance", "threshold": 0.9}),
        ({"type": "context-faithfulness"}, {"type": "faithfulness"}),
        ({"type": "context-recall", "value": "r"}, {"type": "context_recall"}),
        ({"type": "is-refusal"}, {"type": "refusal", "threshold": 0, "negate": True}),
        ({"type": "not-is-refusal"}, {"type": "refusal", "threshold": 0}),
        ({"type": "not-similar", "value": "r", "threshold": 0.75}, {"type": "embedding_similarity", "threshold": 0.25, "negate": True}),
        ({"type": "equals", "value": "r", "weight": 0}, {"type": "exact_match", "required": False}),
    ],
    ids=lambda value: value["type"],
)  # fmt: skip
def test_an_assertion_of_promptfoo_is_a_metric(
    assertion: dict[str, Any], entry: dict[str, Any]
) -> None:
    found = bring(json.dumps({"tests": [{"vars": {"q": "x"}, "assert": [assertion]}]}))
    (metric,) = found.suite.cases[0].metrics or ()
    assert {name: value for name, value in metric.items() if name != "name"} == entry


@pytest.mark.parametrize(
    "assertion",
    [
        *({"type": kind, "value": "x"} for kind in ("gleu", "classifier", "webhook", "ruby", "is-sql")),
        {"type": "no-such-thing"},
        {"type": "python", "value": "file://check.py"},
        {"type": "contains", "value": "file://words.txt"},
        {"type": "contains", "value": ["a"]},
        {"type": "contains-any", "value": 3},
        {"type": "similar"},
        {"type": "equals"},
        {"type": "is-json", "value": "schema"},
        {"type": "levenshtein"},
        {"type": "llm-rubric"},
        {"type": "g-eval"},
        {"$ref": "#/assertionTemplates/absent"},
        "contains: x",
    ],
    ids=str,
)  # fmt: skip
def test_an_assertion_without_a_counterpart_is_said_and_left_out(assertion: Any) -> None:
    found = bring(json.dumps({"tests": [{"vars": {"q": "x"}, "assert": [assertion]}]}))
    assert found.suite.cases[0].metrics is None
    assert len(found.report.unsupported) == 1
    assert not found.report.is_strict


def test_two_different_references_in_one_promptfoo_test_are_a_loss() -> None:
    asserts = [{"type": "equals", "value": "a"}, {"type": "similar", "value": "b"}]
    found = bring(json.dumps({"tests": [{"vars": {"q": "x"}, "assert": asserts}]}))
    assert found.suite.cases[0].expected_output == "a"
    assert "a case has one reference" in said(found)


def test_results_of_promptfoo_are_recorded_answers_of_each_provider() -> None:
    test = {"vars": {"q": "2+2"}, "assert": [{"type": "equals", "value": "4"}]}
    rows = [
        {"testCase": test, "promptIdx": 0, "provider": {"id": "openai:x"}, "response": {"output": "4"}, "latencyMs": 120, "cost": 0.001},
        {"testCase": test, "promptIdx": 0, "provider": {"id": "openai:y"}, "response": {"output": "5"}},
        {"testCase": test, "promptIdx": 0, "provider": {"id": "openai:z"}, "response": {"error": "down"}},
    ]  # fmt: skip
    found = bring(json.dumps({"results": {"version": 3, "results": rows}}))
    (case,) = found.suite.cases
    assert case.expected_output == "4"
    assert set(found.answers) == {"openai-x-prompt-1", "openai-y-prompt-1"}
    (answer,) = found.answers["openai-x-prompt-1"]
    assert (answer["case_id"], answer["output"], answer["latency_ms"], answer["cost_usd"]) == (case.id, "4", 120, 0.001)  # fmt: skip
    assert "there is no answer to keep" in said(found)


def test_deepeval_goldens_keep_lists_in_json_and_lose_them_in_tables() -> None:
    golden = {
        "input": "Who?", "expectedOutput": "Ann", "actual_output": "Bo", "context": ["c1", "c2"],
        "retrieval_context": ["r"], "expected_tools": [{"name": "find", "input_parameters": {"q": "who"}}],
        "additionalMetadata": {"k": 1}, "comments": "hm", "name": "n", "tools_called": [],
    }  # fmt: skip
    found = bring(json.dumps([golden]))
    (case,) = found.suite.cases
    assert (case.input, case.expected_output, case.name) == ("Who?", "Ann", "n")
    assert case.context == ("c1", "c2")
    assert case.expected_tools == ({"name": "find", "arguments": {"q": "who"}},)
    assert case.metadata == {"k": 1, "comments": "hm", "retrieval_context": ["r"]}
    assert found.answers["recorded"][0]["output"] == "Bo"
    assert found.report.lossy_fields == ("retrieval_context", "tools_called")
    table = bring("input,actual_output,retrieval_context,expected_tools\nQ,A,one|two,find;read\n", "deepeval")  # fmt: skip
    (case,) = table.suite.cases
    assert case.context == ("one", "two")
    assert case.expected_tools == ({"name": "find"}, {"name": "read"})
    assert table.report.lossy_fields == ("retrieval_context",)


def test_a_conversation_of_deepeval_is_a_list_of_turns() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    found = bring(
        json.dumps([{"scenario": "a caller", "turns": turns, "expectedOutcome": "helped"}])
    )
    (case,) = found.suite.cases
    assert case.input == turns
    assert case.metadata == {"scenario": "a caller", "expected_outcome": "helped"}


def test_samples_of_inspect_keep_letters_and_say_that_no_sandbox_is_made() -> None:
    lines = [
        {"id": 7, "input": "2+2?", "target": "B", "choices": ["3", "4"], "metadata": '{"k": 1}'},
        {"input": [{"role": "user", "content": "Hi"}], "target": ["a", "b"], "sandbox": "docker"},
    ]
    found = bring("".join(f"{json.dumps(line)}\n" for line in lines))
    first = next(case for case in found.suite.cases if case.id == "7")
    assert (first.expected_output, first.choices, first.metadata) == ("B", ("3", "4"), {"k": 1})
    second = next(case for case in found.suite.cases if case.id != "7")
    assert second.input == [{"role": "user", "content": "Hi"}]
    assert second.expected_output == ["a", "b"]
    assert [loss.feature for loss in found.report.unsupported] == ["sandbox"]


def test_rows_of_ragas_read_lists_as_json_or_as_python_without_running_them() -> None:
    rows = (
        "user_input,retrieved_contexts,reference,response,reference_tool_calls\n"
        "Q1,\"['a, b', 'c']\",R,A,\"[{'name': 'f', 'args': {'x': 1}}]\"\n"
        "Q2,\"[__import__('os').system('touch canary')]\",R,A,\n"
    )
    found = bring(rows)
    one, two = sorted(found.suite.cases, key=lambda case: case.input)
    assert one.context == ("a, b", "c")
    assert one.expected_tools == ({"name": "f", "arguments": {"x": 1}},)
    assert two.context == ("[__import__('os').system('touch canary')]",)
    assert len(found.answers["recorded"]) == 2
    old = bring(json.dumps([{"question": "Q", "contexts": ["c"], "ground_truths": ["t"], "answer": "a"}]), "ragas")  # fmt: skip
    assert (old.suite.cases[0].input, old.suite.cases[0].expected_output) == ("Q", "t")


task = """
include: base.yaml
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
doc_to_text: "Q: {{ question.strip() }}\\nA:"
doc_to_target: answer
metadata: {version: 2.0}
"""
base = b"""
output_type: generate_until
num_fewshot: 2
metric_list: [{metric: exact_match, ignore_case: true}, {metric: acc_mutual_info}]
filter_list:
  - {name: maj, filter: [{function: regex, regex_pattern: "(-?[0-9]+)"}, {function: majority_vote}, {function: take_first}]}
repeats: 4
generation_kwargs: {until: ["\\n"], temperature: 0.7}
process_results: !function utils.score
"""


def test_a_task_of_the_harness_becomes_prompts_with_an_extract_and_a_reducer() -> None:
    data = b'{"question": " 2+2? ", "answer": 4}\n{"question": "1+1?", "answer": 2}\n'
    found = bring(task, files={"base.yaml": base, "sums.jsonl": data})
    assert sorted(case.input for case in found.suite.cases) == ["Q: 1+1?\nA:", "Q: 2+2?\nA:"]
    assert sorted(map(str, (case.expected_output for case in found.suite.cases))) == ["2", "4"]
    assert found.suite.version == "2.0"
    assert found.suite.name == "sums"
    assert (found.suite.defaults.repeats, found.suite.defaults.reducer) == (4, "mode")
    extract = {"regex": "(-?[0-9]+)", "group": 1, "which": "first"}
    assert found.suite.defaults.metrics == ({"type": "exact_match", "ignore_case": True, "extract": extract},)  # fmt: skip
    assert {loss.feature for loss in found.report.unsupported} == {
        "!function utils.score", "few shots", "acc_mutual_info", "temperature, until",
    }  # fmt: skip


def test_a_multiple_choice_task_names_letters() -> None:
    choice = """
output_type: multiple_choice
dataset_path: csv
dataset_kwargs: {data_files: rows.csv}
doc_to_text: question
doc_to_choice: "{{ [a, b] }}"
doc_to_target: right
"""
    found = bring(choice, "lm-eval", files={"rows.csv": b"question,a,b,right\nBig?,cat,cow,1\n"})
    (case,) = found.suite.cases
    assert (case.input, case.choices, case.expected_output) == ("Big?", ("cat", "cow"), "B")
    assert found.suite.defaults.metrics == ({"type": "choice_match"},)


@pytest.mark.parametrize(
    "text",
    [
        "doc_to_text: q\noutput_type: loglikelihood\n",
        "doc_to_text: !function utils.text\ndataset_path: json\n",
        "doc_to_text: q\ndataset_path: org/hosted\n",
        "doc_to_text: q\ninclude: f.yaml\n",
    ],
    ids=["loglikelihood", "code", "hosted", "circular"],
)
def test_a_task_that_cannot_be_carried_over_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bring(text, "lm-eval", files={"f.yaml": text.encode()})
    assert caught.value.code == "unsupported_feature"


def test_logged_samples_of_the_harness_are_recorded_answers() -> None:
    lines = [
        {"doc_id": 0, "doc": {"q": "x"}, "target": "4", "arguments": [["Q: 2+2", {}]], "resps": [["4!"]], "filtered_resps": ["4"]},
        {"doc_id": 1, "doc": {}, "target": "2", "arguments": {"gen_args_0": {"arg_0": "Q: 1+1"}}, "resps": [["3"]]},
    ]  # fmt: skip
    found = bring("".join(f"{json.dumps(line)}\n" for line in lines), file="samples_x.jsonl")
    assert [(case.id, case.input, case.expected_output) for case in found.suite.cases] == [
        ("doc_0", "Q: 2+2", "4"),
        ("doc_1", "Q: 1+1", "2"),
    ]
    assert [answer["output"] for answer in found.answers["recorded"]] == ["4", "3"]


registry = """
animals: {id: animals.v1, metrics: [accuracy]}
animals.v1:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args: {samples_jsonl: animals.jsonl, modelgraded_spec: fact, eval_type: cot_classify, extra: 1}
"""


def test_a_registry_of_openai_evals_brings_samples_and_what_judges_them() -> None:
    samples = b'{"input": [{"role": "user", "content": "Cow?"}], "ideal": ["Moo", "moo"]}\n'
    spec = b"fact: {prompt: Is it right, choice_strings: [A, B], choice_scores: {A: 1, B: 0}}\n"
    found = bring(registry, files={"animals.jsonl": samples, "modelgraded/fact.yaml": spec})
    assert found.suite.cases[0].expected_output == ["Moo", "moo"]
    assert found.suite.defaults.metrics == (
        {"type": "rubric", "items": [{"id": "fact", "text": "Is it right"}],
         "choice_strings": ["A", "B"], "choice_scores": {"A": 1, "B": 0}},
    )  # fmt: skip
    assert [loss.feature for loss in found.report.unsupported] == ["args.extra"]
    without = bring(registry, files={"animals.jsonl": samples})
    assert "its file is not beside the registry" in said(without)


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("Match", "starts_with"), ("Includes", "contains"), ("FuzzyMatch", "expression"), ("JsonMatch", "json_match")],
)  # fmt: skip
def test_a_class_of_openai_evals_is_a_metric(kind: str, metric: str) -> None:
    text = f"e.v1: {{class: 'evals.elsuite.basic.x:{kind}', args: {{samples_jsonl: s.jsonl}}}}\n"
    found = bring(text, files={"s.jsonl": b'{"input": "q", "ideal": "a"}\n'})
    assert [entry["type"] for entry in found.suite.defaults.metrics] == [metric]


dataset = """
name: capitals
cases:
  - name: easy one
    inputs: {question: Capital of France?}
    expected_output: Paris
    metadata: {level: 1}
    evaluators: [EqualsExpected, {Contains: {value: par, case_sensitive: false}}, {Custom: 1}]
  - name: second
    inputs: 3
    expected_output: [a, b]
evaluators:
  - {IsInstance: str}
  - {MaxDuration: 1.5}
  - {LLMJudge: {rubric: Is it short}}
  - {Equals: "it's"}
"""


def test_a_dataset_of_pydantic_evals_keeps_names_as_ids_and_maps_evaluators() -> None:
    found = bring(dataset)
    easy = next(case for case in found.suite.cases if case.name == "easy one")
    assert [old for old, _ in found.report.renamed_ids] == ["easy one"]
    assert easy.metrics == (
        {"type": "exact_match", "name": "exact_match"},
        {"type": "contains", "value": "par", "ignore_case": True, "name": "contains"},
    )
    second = next(case for case in found.suite.cases if case.id == "second")
    assert second.input == {"value": 3}
    assert second.expected_output == {"$value": ["a", "b"]}
    assert [entry["type"] for entry in found.suite.defaults.metrics] == ["expression", "latency", "rubric", "expression"]  # fmt: skip
    assert found.suite.defaults.metrics[1]["threshold"] == 1500
    assert found.suite.defaults.metrics[3]["expr"] == r"output == 'it\'s'"
    assert [loss.feature for loss in found.report.unsupported] == ["evaluator Custom"]


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (promptfoo, "promptfoo"),
        (more, "promptfoo"),
        ('[{"vars": {"a": 1}, "assert": []}]', "promptfoo"),
        ('{"results": {"version": 3, "results": []}}', "promptfoo"),
        ('[{"input": "a", "actual_output": "b"}]', "deepeval"),
        ('{"input": "a", "target": "b"}\n', "inspect"),
        ('{"input": "a", "ideal": "b"}\n', "openai-evals"),
        (registry, "openai-evals"),
        (task, "lm-eval"),
        ("doc_to_text: !function x.y\n", "lm-eval"),
        ('{"doc_id": 0, "resps": []}\n', "lm-eval"),
        (dataset, "pydantic-evals"),
        ("user_input,reference\na,b\n", "ragas"),
        ('[{"question": "a", "contexts": [], "ground_truth": "t"}]', "ragas"),
        ('[{"question": "a", "answer": "b"}]', "records"),
        ("PAR1....", "records"),
        ("no records at all", "records"),
    ],
)
def test_a_format_is_told_by_its_content(data: str, form: str) -> None:
    assert detect(data.encode()) == form


def test_an_unknown_format_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'deepeval'"):
        bring("[]", "deepevl")
    with pytest.raises(ConfigError, match="id of a suite"):
        import_suite_file(b"[]", file="f", suite="a b", sibling=lambda _: b"")


@pytest.mark.parametrize(
    "data", ["!!python/object/apply:os.system ['touch canary']", "tests: !js x"]
)
def test_a_tag_in_a_file_is_an_error_and_runs_nothing(data: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        bring(data, "promptfoo")
    assert not list(tmp_path.iterdir())
