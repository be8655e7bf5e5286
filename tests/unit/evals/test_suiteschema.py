"""The JSON Schemas say what the readers say, as far as a schema can."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suitefile import dump_json
from pipex_core.evals.suiteschema import schema_of
from pipex_core.evals.suiteshape import case_fields, read_case
from pipex_core.jsonvalue import check_schema

root = Path(__file__).parents[3]


def wrong(kind: str, value: Any) -> bool:
    return bool(check_schema(value, schema_of(kind)))


def test_every_field_that_is_read_is_in_the_schema() -> None:
    assert set(schema_of("case")["properties"]) == {*case_fields, "custom_metrics"}
    rules = schema_of("gate")["properties"]["rules"]["items"]["properties"]
    assert set(rules) == set(Rule.__slots__)
    gate = set(schema_of("gate")["properties"])
    assert gate == {*Gate.__slots__, "schema", "missing"}


@pytest.mark.parametrize("name", ["docs_qa", "shop_arithmetic", "ticket_triage"])
def test_the_suites_that_come_along_are_valid(name: str) -> None:
    folder = root / "test_suites" / name
    head = yaml.safe_load((folder / "suite.yaml").read_text(encoding="utf-8"))
    assert check_schema(head, schema_of("suite")) == []
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()[:20]:
        assert check_schema(json.loads(line), schema_of("case")) == []
    if isinstance(head.get("gate"), dict):
        assert check_schema(head["gate"], schema_of("gate")) == []


@pytest.mark.parametrize(
    ("case", "is_wrong"),
    [
        ({"id": "a", "input": "x"}, False),
        ({"id": "a/1:b", "input": {"q": 1}, "x-note": 1, "name": None, "weight": None}, False),
        ({"id": "a", "input": [{"role": "user", "content": "x"}]}, False),
        ({"id": "a", "input": "x", "expected_output": {"$value": []}, "metrics": ["b", {"type": "c"}]}, False),
        ({"id": "a", "input": "x", "custom_metrics": [{"name": "n", "threshold": 1}]}, False),
        ({"id": "a"}, True),
        ({"input": "x"}, True),
        ({"id": "a b", "input": "x"}, True),
        ({"id": "a", "input": 1}, True),
        ({"id": "a", "input": None}, True),
        ({"id": "a", "input": [{"role": "user"}]}, True),
        ({"id": "a", "input": "x", "expected_output": []}, True),
        ({"id": "a", "input": "x", "weight": 0}, True),
        ({"id": "a", "input": "x", "version": 0}, True),
        ({"id": "a", "input": "x", "status": "gone"}, True),
        ({"id": "a", "input": "x", "tgas": []}, True),
        ({"id": "a", "input": "x", "expected_tools": [{"nme": "f"}]}, True),
        ({"id": "a", "input": "x", "attachments": [{"path": "p", "sha256": "1", "mime": "m"}]}, True),
    ],
)  # fmt: skip
def test_schema_and_reader_agree_about_cases(case: Any, is_wrong: bool) -> None:  # noqa: FBT001 - a column
    assert wrong("case", case) == is_wrong
    assert (read_case(case, path="")[0] is None) == is_wrong


def test_whole_suites_are_checked_with_their_cases() -> None:
    suite = json.loads(
        dump_json(Suite(id="s", cases=(Case(id="a", input="x"),), gate={"rules": []}))
    )
    assert not wrong("suite", suite)
    assert wrong("suite", {**suite, "cases": [{"id": "a"}]})
    assert wrong("suite", {**suite, "verson": "1"})
    assert wrong("suite", {**suite, "defaults": {"repeats": 0}})
    assert not wrong("suite", {"baseline_results": {"version": 1, "metrics": {"bleu": 0.3}}})
    assert wrong("suite", {"baseline_results": {"metrics": {"bleu": "high"}}})


@pytest.mark.parametrize(
    ("kind", "value", "is_wrong"),
    [
        ("gate", {"rules": [{"metric": "m", "kind": "threshold", "value": 1}]}, False),
        ("gate", {"rules": [{"metric": "m", "kind": "threshold"}]}, True),
        ("gate", {"rules": [{"metric": "m", "kind": "noninferiority", "margin": 0.1}]}, False),
        ("gate", {"rules": [{"metric": "m", "kind": "noninferiority"}]}, True),
        ("gate", {"rules": []}, True),
        ("target", {"path": "p.yaml"}, False),
        ("target", {"kind": "pipeline", "path": "p.yaml", "bindings": {"model": "m"}}, False),
        ("target", {"kind": "prompt", "model": "m", "prompt": "{{ input }}"}, False),
        ("target", {"kind": "recorded", "path": "a.jsonl"}, False),
        ("target", {"kind": "python", "callable": "m:f"}, False),
        ("target", {"kind": "recorded"}, True),
        ("target", {"kind": "piepline", "path": "p.yaml"}, True),
    ],
)
def test_gates_and_targets(kind: str, value: Any, is_wrong: bool) -> None:  # noqa: FBT001 - a column
    assert wrong(kind, value) == is_wrong
