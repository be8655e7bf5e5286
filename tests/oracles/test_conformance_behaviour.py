"""Small pipelines of the conformance material, with the run that each of them must give."""

from pathlib import Path

import pytest
import yaml

from tests.conformance import Command, folder, judge

files = sorted((folder / "behaviour").glob("*.yaml"))


@pytest.mark.parametrize("file", files, ids=[file.stem for file in files])
def test_a_pipeline_behaves_as_the_language_says(file: Path) -> None:
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert judge().judge_behaviour(Command(), case) is None


def test_the_judge_sees_a_run_that_differs() -> None:
    case = {
        "pipeline": {"workflow": {"name": "w", "steps": [{"name": "a", "type": "echo"}]}},
        "expect": {"exit_code": 0, "result": {"steps": {"a": {"data": 1}}}},
    }
    if not files:
        pytest.skip(f"the conformance material is not at {folder}")
    assert "want 1, got None" in judge().judge_behaviour(Command(), case)
