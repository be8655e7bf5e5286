"""Four recorded models on GSM8K as partitions, against the verdicts that were recorded with them.

Source: openai/grade-school-math, 1,319 problems with an ``is_correct`` flag for each of four models.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipex_dagster.building import build_definitions
from tests.dagster.conftest import quiet

problems = 1319
right = {
    "6b_finetuning": 286,
    "6b_verification": 515,
    "175b_finetuning": 458,
    "175b_verification": 742,
}
champion = "6b_verification"
suite = {
    "id": "gsm8k",
    "defaults": {
        "metrics": [
            {"type": "numeric_match", "threshold": 1.0, "extract": {"regex": r"(?m)^A: (.*)\Z"}}
        ]
    },
    "gate": {
        "rules": [
            {"id": "not_worse", "metric": "numeric_match", "kind": "noninferiority", "margin": 0.02}
        ]
    },
}


def write_project(root: Path, source: Path) -> None:
    """The suite, the recorded answers and the models file."""
    records = [json.loads(line) for line in source.read_text().splitlines()]
    folder = root / "test_suites/gsm8k"
    folder.mkdir(parents=True)
    cases = [
        {
            "id": f"p{number:04}",
            "input": record["question"],
            "expected_output": record["ground_truth"].rpartition("A:")[2].strip(),
        }
        for number, record in enumerate(records)
    ]
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    for name in right:
        lines = [
            {"case_id": f"p{number:04}", "output": record[name]["solution"]}
            for number, record in enumerate(records)
        ]
        (root / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    entries = [
        {
            "name": name,
            "kind": "recorded",
            "path": f"{name}.jsonl",
            "suites": ["gsm8k"],
            "champion": name == champion,
        }
        for name in right
    ]
    (root / "test_suites/models.yaml").write_text(yaml.safe_dump({"models": entries}))


@pytest.fixture(scope="module")
def folder(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose four partitions are materialized, the champion first."""
    root = tmp_path_factory.mktemp("gsm8k")
    write_project(root, shared_dir / "data/gsm8k/example_model_solutions.jsonl")
    order = sorted(right, key=lambda name: name != champion)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.chdir(root)
        instance.add_dynamic_partitions("pipex_targets", order)
        found = build_definitions(str(root))
        for name in order:
            found.resolve_job_def("evaluate__gsm8k").execute_in_process(
                instance=instance, partition_key=name, raise_on_error=False, run_config=quiet
            )
        found.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(["gsm8k", "leaderboard"])],
            run_config=quiet,
        )
        yield root


def table(folder: Path, layer: str) -> pa.Table:
    return pq.read_table(folder / f"results/dagster/assets/gsm8k/{layer}.parquet")


def verdict(folder: Path, name: str) -> dict[str, Any]:
    metadata = table(folder, f"verdict/{name}").schema.metadata
    found: dict[str, Any] = json.loads(metadata[b"pipex.end"])
    return found


@pytest.mark.parametrize("name", right)
def test_each_partition_has_the_recorded_number_of_right_answers(folder: Path, name: str) -> None:
    scores = table(folder, f"scores/{name}").to_pylist()
    assert len(scores) == problems
    assert sum(row["passed"] for row in scores) == right[name]


def test_the_flags_of_all_answers_are_the_recorded_ones(folder: Path, shared_dir: Path) -> None:
    source = shared_dir / "data/gsm8k/example_model_solutions.jsonl"
    records = [json.loads(line) for line in source.read_text().splitlines()]
    for name in right:
        flags = {
            row["case_id"]: row["passed"] for row in table(folder, f"scores/{name}").to_pylist()
        }
        recorded = {f"p{i:04}": record[name]["is_correct"] for i, record in enumerate(records)}
        assert flags == recorded


def test_the_comparison_counts_the_discordant_pairs_of_the_source(folder: Path) -> None:
    rows = table(folder, "verdict/175b_finetuning").to_pylist()
    rule = next(row for row in rows if row["rule_id"] == "not_worse")
    assert (rule["n_pairs"], rule["n_wins"], rule["n_losses"]) == (problems, 152, 209)


def test_the_gate_tells_the_better_model_from_the_worse_ones(folder: Path) -> None:
    words = {name: verdict(folder, name)["verdict"] for name in right if name != champion}
    assert words == {
        "6b_finetuning": "FAIL",
        "175b_finetuning": "FAIL",
        "175b_verification": "PASS",
    }


def test_the_leaderboard_has_all_four_the_champion_first(folder: Path) -> None:
    rows = table(folder, "leaderboard").to_pylist()
    assert [row["target"] for row in rows] == [
        "6b_verification",
        "175b_verification",
        "175b_finetuning",
        "6b_finetuning",
    ]
    assert [row["mean"] for row in rows] == pytest.approx(
        [right[row["target"]] / problems for row in rows]
    )


def test_every_run_is_published_with_its_partition(folder: Path) -> None:
    runs = [
        pq.read_table(path).to_pylist()[0] for path in (folder / "results/runs").rglob("*.parquet")
    ]
    assert {run["partition_key"] for run in runs} == set(right)
    assert {run["n_cases"] for run in runs} == {problems}
