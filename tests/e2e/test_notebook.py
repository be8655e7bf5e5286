"""The notebook runs from its first to its last cell on results that were really made."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pipex_core.app.evaluations import run_eval

root = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with results of two targets on one suite."""
    shutil.copytree(root / "pipelines", tmp_path / "pipelines")
    shutil.copytree(root / "test_suites" / "ticket_triage", tmp_path / "suite")
    guess = tmp_path / "pipelines" / "always_bug.yaml"
    guess.write_text(
        "workflow:\n"
        "  name: always_bug\n"
        "  inputs: {ticket: {type: string}}\n"
        "  steps: [{name: queue, type: echo, value: bug}]\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    for pipeline in ("triage_rules", "always_bug"):
        run_eval("suite", f"pipelines/{pipeline}.yaml", results="results")
    return tmp_path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_first_look_runs_and_draws(project: Path) -> None:
    notebook = nbformat.read(root / "notebooks" / "first_look.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(project)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "image/png" in kinds
    text = "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "triage_rules" in text
    assert "better" in text
