"""Broken pipeline files and the problems that each must show, decided by hand from the language.

A line of ``<name>.expected`` is ``[file] line:column [warning] code [path] [? suggestion]``.
"""

from pathlib import Path

import pytest

from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import load_plan
from tests.fakes.step_shapes import step_shapes

folder = Path(__file__).parent / "problems"
names = sorted(path.stem for path in folder.glob("*.expected"))


def load_child(path: str) -> PipelineSpec:
    file = folder / path
    if not file.is_file():
        raise ConfigError(f"there is no file {path}", code="file_not_found")
    return load_pipeline(file.read_bytes(), path, step_shapes)


def shown(problem: Problem, file: str) -> str:
    words = [
        problem.file if problem.file != file else "",
        f"{problem.line}:{problem.column}",
        "warning" if problem.severity == "warning" else "",
        problem.code,
        problem.path,
        f"? {problem.suggestion}" if problem.suggestion else "",
    ]
    return " ".join(word for word in words if word)


@pytest.mark.parametrize("name", names)
def test_a_broken_file_shows_exactly_its_problems(name: str) -> None:
    file = f"{name}.yaml"
    with pytest.raises(SpecError) as caught:
        load_plan((folder / file).read_bytes(), file, step_shapes, load_child=load_child)
    expected = (folder / f"{name}.expected").read_text(encoding="utf-8").splitlines()
    assert [shown(problem, file) for problem in caught.value.problems] == expected


@pytest.mark.parametrize("name", names)
def test_every_problem_says_something(name: str) -> None:
    file = f"{name}.yaml"
    with pytest.raises(SpecError) as caught:
        load_plan((folder / file).read_bytes(), file, step_shapes, load_child=load_child)
    assert all(len(problem.message) > 10 for problem in caught.value.problems)


def test_every_broken_file_has_its_list() -> None:
    assert sorted(path.stem for path in folder.glob("*.yaml")) == names
    assert len(names) >= 25
