"""Every pipeline under ``pipelines/`` runs as a person would run it, without a network, and gives what it promises.

Beside each lies ``fixtures/<name>/``: ``inputs.json``, ``mock.yaml`` where a model is asked, ``workspace/`` where files
are read, and ``expected.json`` with the exit code, a part of the result, and texts of files afterwards.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipex_core.app.project import list_project
from tests.fakes.shell import Done, invoke

root = Path(__file__).parents[2]
examples = sorted(path.stem for path in list_project(root).pipelines)


def fixtures(name: str) -> Path:
    return root / "pipelines" / "fixtures" / name


def run(name: str, place: Path, *words: object) -> Done:
    """The example run in an empty folder."""
    found = fixtures(name)
    workspace = place / "workspace"
    if (found / "workspace").is_dir() and not workspace.exists():
        shutil.copytree(found / "workspace", workspace)
    options: list[object] = ["--inputs", found / "inputs.json", "--workspace", workspace]
    options += ["--output-dir", place / "outputs", "--checkpoint-dir", place / "checkpoints"]
    if (found / "mock.yaml").is_file():
        options += ["--mock-responses", found / "mock.yaml"]
    file = root / "pipelines" / f"{name}.yaml"
    return invoke("run", file, "--provider", "mock", "--json", *options, *words)


def missing(wanted: Any, got: Any, path: str = "") -> list[str]:
    """Where ``got`` is not what is wanted; maps may hold more."""
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        absent = [f"{path}/{key} is missing" for key in wanted if key not in got]
        inside = (missing(wanted[key], got[key], f"{path}/{key}") for key in wanted if key in got)
        return absent + [problem for problems in inside for problem in problems]
    return [] if wanted == got else [f"{path}: {got!r} is not {wanted!r}"]


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.e2e
@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("name", examples)
def test_an_example_gives_what_it_promises(name: str, tmp_path: Path) -> None:
    expected = json.loads((fixtures(name) / "expected.json").read_text(encoding="utf-8"))
    done = run(name, tmp_path)
    assert missing(expected["result"], done.document) == []
    assert done.code == expected["exit_code"]
    for folder in ("workspace", "outputs"):
        for path, text in expected.get(f"{folder}_files", {}).items():
            assert (tmp_path / folder / path).read_bytes().decode() == text


@pytest.mark.parametrize("name", examples)
def test_an_example_says_what_it_is_for_and_passes_the_strict_check(name: str) -> None:
    file = root / "pipelines" / f"{name}.yaml"
    assert file.read_text(encoding="utf-8").startswith("# ")
    checked = invoke("validate", file, "--strict", "--json")
    (found,) = checked.document["files"]
    assert found["problems"] == []


def test_fixtures_belong_to_an_example_and_are_none_themselves() -> None:
    folders = sorted(path.name for path in fixtures("").iterdir())
    assert folders == examples


@pytest.mark.e2e
@pytest.mark.usefixtures("_here")
def test_a_conversation_goes_on_in_a_later_run(tmp_path: Path) -> None:
    first = run("research_session", tmp_path).document
    second = run("research_session", tmp_path).document
    assert first["outputs"]["turns"] == 6
    assert second["outputs"]["turns"] == 12


@pytest.mark.e2e
@pytest.mark.usefixtures("_here")
def test_an_invoice_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    rules = {
        "number": "7",
        "date": "2026-01-02",
        "lines": [{"text": "a", "amount": 1}],
        "total": 2,
    }
    mock = tmp_path / "wrong.yaml"
    mock.write_text(json.dumps({"responses": [{"json": rules}]}), encoding="utf-8")
    done = run("extract_invoice", tmp_path, "--mock-responses", mock)
    assert done.code == 1
    assert done.document["error"]["message"] == "the lines of invoice 7 add up to 1, not to 2"
    assert not (tmp_path / "workspace" / "invoices").exists()
