"""A small project of its own for every test, and Dagster runs that are real but quiet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipex_dagster.building import build_definitions
from pipex_dagster.translator import partition_of, targets_partitions

quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
cases = 30
poor = 8  # cases that the poor model gets wrong

suite_head: dict[str, Any] = {
    "schema": "pipex.suite/1",
    "id": "sums",
    "name": "Sums",
    "description": "Thirty sums.",
    "defaults": {
        "prompt": "case {{ name }}: {{ question }}",
        "metrics": [{"type": "numeric_match", "threshold": 1.0}],
    },
    "gate": {
        "baseline": "champion",
        "min_pairs": 10,
        "rules": [
            {"id": "answered", "metric": "numeric_match", "kind": "coverage", "min": 0.98},
            {"id": "floor", "metric": "numeric_match", "kind": "threshold", "value": 0.8, "bound": "point"},
            {
                "id": "not-worse",
                "metric": "numeric_match",
                "kind": "noninferiority",
                "margin": 0.1,
                "tier": "supporting",
            },
        ],
    },
}  # fmt: skip
models: dict[str, Any] = {
    "schema": "pipex.models/1",
    "models": [
        {
            "name": "good",
            "provider": "mock",
            "mock_responses": "mock.yaml",
            "kind": "prompt",
            "model": "good-1",
            "suites": ["sums"],
            "champion": True,
        },
        {
            "name": "poor/2",
            "provider": "mock",
            "mock_responses": "mock.yaml",
            "kind": "prompt",
            "model": "poor-2",
            "suites": ["sums"],
        },
        {"name": "rules", "kind": "pipeline", "paths": {"sums": "pipelines/adder.yaml"}},
    ],
}
adder = """
workflow:
  name: adder
  description: Adds two numbers.
  inputs:
    name: {type: string, default: nobody}
    question: {type: string, description: Two numbers.}
  steps:
    - name: numbers
      type: data_transform
      input_source: "split(inputs.question, ' ')"
      operations:
        - {operation: filter, condition: "@ matches '^[0-9]+$'"}
        - {operation: map, expression: "number(@)"}
    - name: sum
      type: echo
      value: "{{ string(numbers.data[0] + numbers.data[1]) }}"
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder with its instance."""

    root: Path
    instance: dg.DagsterInstance

    def write(self, name: str, value: Any) -> None:
        """Write a file: text as it is, anything else as YAML."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False))

    def write_all(self) -> None:
        """Write the whole project."""
        self.write("pipelines/adder.yaml", adder)
        self.write("test_suites/models.yaml", models)
        self.write_suite()
        self.write_cases()
        self.write_mock()

    def write_suite(self, **changed: Any) -> None:
        """Write ``suite.yaml`` with some fields changed."""
        self.write("test_suites/sums/suite.yaml", {**suite_head, **changed})

    def write_cases(self, **changed: Any) -> None:
        """Write ``cases.jsonl`` with fields of the first case changed."""
        lines = [_case(n) for n in range(cases)]
        lines[0] = {**lines[0], **changed}
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        self.write("test_suites/sums/cases.jsonl", text)

    def write_mock(self) -> None:
        """Write the rules of both models."""
        rules: list[dict[str, Any]] = [
            {
                "when": {"model": model, "contains": f"case c{n:02}:"},
                "reply": f"The answer is {2 * n + (n < wrong)}",
                "cost": 0.001,
                "latency_ms": 20,
            }
            for model, wrong in (("good-1", 0), ("poor-2", poor))
            for n in range(cases)
        ]
        self.write("mock.yaml", {"responses": rules})

    def definitions(self) -> dg.Definitions:
        """The definitions as the files are now."""
        return build_definitions(str(self.root))

    def evaluate(self, target: str, **options: Any) -> dg.ExecuteInProcessResult:
        """One run of all layers for a target."""
        partition = partition_of(target)
        self.instance.add_dynamic_partitions(targets_partitions, [partition])
        config = options.pop("run_config", {})
        job = self.definitions().resolve_job_def("evaluate__sums")
        return job.execute_in_process(
            instance=self.instance,
            partition_key=partition,
            raise_on_error=False,
            run_config={**quiet, **config},
            **options,
        )

    def materialize(
        self, *layers: str, target: str | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        """Some layers of the suite, for a target or for none."""
        job = self.definitions().resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            partition_key=None if target is None else partition_of(target),
            asset_selection=[dg.AssetKey(["sums", layer]) for layer in layers],
            raise_on_error=False,
            run_config=quiet,
            **options,
        )


def _case(number: int) -> dict[str, Any]:
    return {
        "id": f"c{number:02}",
        "input": {"name": f"c{number:02}", "question": f"What is {number} plus {number} ?"},
        "expected_output": str(2 * number),
        "tags": ["even" if number % 2 == 0 else "odd"],
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)  # the call cache lies in the working directory
    with dg.DagsterInstance.ephemeral() as instance:
        made = Project(tmp_path, instance)
        made.write_all()
        yield made


def numbers(result: dg.ExecuteInProcessResult, layer: str) -> dict[str, Any]:
    """The metadata of a layer that a run materialized; empty when it did not."""
    for event in result.get_asset_materialization_events():
        if event.asset_key is not None and event.asset_key.path[-1] == layer:
            metadata = event.step_materialization_data.materialization.metadata
            return {name: value.value for name, value in metadata.items()}
    return {}


def materialized(result: dg.ExecuteInProcessResult) -> list[tuple[str, str | None]]:
    """Layers and partitions that a run materialized, in their order."""
    return [
        (event.asset_key.path[-1], event.partition)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    ]


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the first failed step says."""
    data = result.get_step_failure_events()[0].step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message if data.error else ""
