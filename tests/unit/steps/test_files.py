"""Operations on files, on the bench."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import StepError
from pipex_core.ports import FileEntry
from pipex_core.spec.model import Effect
from pipex_core.steps.contract import Outcome
from pipex_core.steps.files import FileOps
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace


def workspace() -> MemoryWorkspace:
    return MemoryWorkspace(
        {"a.txt": "one\nTwo", "b.txt": "b", "in/c.csv": "n\n1\n", "in/d.md": "d"}
    )


def run(workspace: MemoryWorkspace, operation: str, /, **fields: Any) -> Outcome:
    step = spec("file_ops", operation=operation, **fields)
    bench = Bench(step, workspace=workspace, scope={"inputs": {"name": "a", "rows": [{"x": 1}]}})
    return asyncio.run(FileOps().run(bench.context))


def done(operation: str, *files: str) -> dict[str, Any]:
    return {"operation": operation, "files": list(files), "count": len(files)}


def test_a_file_is_copied_to_a_name_or_into_a_folder() -> None:
    files = workspace()
    outcome = run(files, "copy", source="{{inputs.name}}.txt", destination="x/y.txt")
    assert outcome.data == done("copy", "x/y.txt")
    run(files, "copy", source="b.txt", destination="out/")
    assert (files.files["x/y.txt"], files.files["out/b.txt"]) == (b"one\nTwo", b"b")


def test_several_sources_and_globs_mean_a_folder() -> None:
    files = workspace()
    outcome = run(files, "copy", source=["a.txt", "in/*.md", "a.txt"], destination="out")
    assert outcome.data == done("copy", "out/a.txt", "out/d.md")
    run(files, "move", source="*.txt", destination="moved")
    assert {"moved/a.txt", "moved/b.txt"} <= set(files.files)
    assert "a.txt" not in files.files


def test_a_folder_is_copied_with_its_files() -> None:
    outcome = run(workspace(), "copy", source="in", destination="out/")
    assert outcome.data == done("copy", "out/in/c.csv", "out/in/d.md")


def test_two_sources_of_one_name_do_not_overwrite_each_other() -> None:
    files = MemoryWorkspace({"a/x": "1", "b/x": "2"})
    with pytest.raises(StepError, match="several sources would become out/x") as failure:
        run(files, "copy", source=["a/x", "b/x"], destination="out")
    assert failure.value.code == "validation_failed"
    assert set(files.files) == {"a/x", "b/x"}


@pytest.mark.parametrize("source", ["none.txt", "*.none", ["a.txt", "none.txt"]])
def test_a_missing_source_is_an_error(source: Any) -> None:
    with pytest.raises(StepError) as failure:
        run(workspace(), "copy", source=source, destination="x")
    assert failure.value.code == "file_not_found"


def test_files_are_deleted_and_missing_ones_only_when_allowed() -> None:
    files = workspace()
    assert run(files, "delete", path="a.txt").data == done("delete", "a.txt")
    outcome = run(files, "delete", files=["in/*", "none"], missing_ok=True)
    assert outcome.data == done("delete", "in/c.csv", "in/d.md")
    assert set(files.files) == {"b.txt"}
    with pytest.raises(StepError) as failure:
        run(files, "delete", path="a.txt")
    assert failure.value.code == "file_not_found"


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("n: {{inputs.name}}", "n: a"),
        ("{{inputs.rows}}", '[\n  {\n    "x": 1\n  }\n]'),
        (None, "null"),
    ],
)
def test_text_is_written_as_it_is_and_values_as_indented_json(content: Any, written: str) -> None:
    files = workspace()
    assert run(files, "write", path="o/p", content=content).data == done("write", "o/p")
    assert files.files["o/p"].decode() == written


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("\ufeffplain", "text", "plain"),
        ('{"a": 1}', "json", {"a": 1}),
        ("a: 1", "yaml", {"a": 1}),
        ("a\n1\n", "csv", [{"a": "1"}]),
    ],
)
def test_a_file_is_read_in_its_format(text: str, form: str, value: Any) -> None:
    outcome = run(MemoryWorkspace({"f": text}), "read", path="f", format=form)
    assert (outcome.text if form == "text" else outcome.data) == value


def test_what_is_no_text_is_refused() -> None:
    files = workspace()
    files.files["bin"] = b"\xff"
    with pytest.raises(StepError, match="no text in UTF-8"):
        run(files, "read", path="bin")


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({}, ["a.txt", "b.txt"]),
        ({"path": "in"}, ["in/c.csv", "in/d.md"]),
        ({"recursive": True}, ["a.txt", "b.txt", "in/c.csv", "in/d.md"]),
        ({"recursive": True, "pattern": "*.md"}, ["in/d.md"]),
        ({"recursive": True, "pattern": "in/*"}, ["in/c.csv", "in/d.md"]),
        ({"recursive": True, "pattern": r"^[ab]\.", "regex": True}, ["a.txt", "b.txt"]),
        ({"pattern": "[", "regex": True}, []),
        ({"pattern": "**/*.md"}, ["in/d.md"]),
        ({"pattern": "in/*.c?v"}, ["in/c.csv"]),
        ({"pattern": "**/*.txt", "recursive": False}, ["a.txt", "b.txt"]),
        ({"pattern": "in/c", "regex": True}, []),
    ],
)
def test_a_listing_shows_files_that_match(fields: Any, listed: list[str]) -> None:
    assert run(workspace(), "list", **fields).data == {"files": listed, "count": len(listed)}


def test_a_pattern_that_is_too_much_is_refused() -> None:
    with pytest.raises(StepError) as failure:
        run(workspace(), "list", pattern="a" * 2000, regex=True)
    assert failure.value.code == "expression_too_complex"


def test_files_that_are_as_they_must_be_are_valid() -> None:
    asked = [
        "a.txt",
        {"path": "b.txt", "min_size": 1, "max_size": 1, "must_be_file": True},
        {"path": "in", "must_be_dir": True},
        {"path": "none", "must_exist": False, "min_size": 5},
        {"path": "a.txt", "must_be_readable": True, "must_be_writable": True},
    ]
    outcome = run(workspace(), "validate", files=asked)
    assert outcome.failure is None
    assert outcome.data["valid"] is True
    assert outcome.data["results"][0] == {"path": "a.txt", "valid": True, "problems": []}
    assert run(workspace(), "validate", files="a.txt").data["valid"] is True


class OddWorkspace(MemoryWorkspace):
    """Has one file outside of the workspace, and one that cannot be read."""

    def stat(self, path: str) -> FileEntry | None:
        found = super().stat("a.txt")
        assert found is not None
        return replace(found, path=path) if path.startswith(("/", "locked")) else super().stat(path)

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        if path == "locked":
            raise StepError("permission denied", code="path_denied")
        return super().read_bytes(path, max_bytes=max_bytes)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"path": "none"}, "it does not exist"),
        ({"path": "in", "must_be_file": True}, "it is a folder"),
        ({"path": "a.txt", "must_be_dir": True}, "it is no folder"),
        ({"path": "b.txt", "min_size": 2}, "it has 1 bytes, fewer than 2"),
        ({"path": "b.txt", "max_size": 0}, "it has 1 bytes, more than 0"),
        ({"path": "/ro/a.txt", "must_be_writable": True}, "it may only be read"),
        ({"path": "locked", "must_be_readable": True}, "it cannot be read: permission denied"),
    ],
)
def test_what_is_wrong_fails_the_step_and_is_all_kept(asked: Any, problem: str) -> None:
    files = OddWorkspace({"a.txt": "one", "b.txt": "b", "in/c": "c"})
    outcome = run(files, "validate", files=["b.txt", asked])
    assert outcome.failure is not None
    assert outcome.failure.code == "validation_failed"
    assert f"{asked['path']}: {problem}" in outcome.failure.message
    assert outcome.data["valid"] is False
    assert outcome.data["results"][1]["problems"] == [problem]


def test_a_file_is_converted() -> None:
    files = workspace()
    outcome = run(files, "convert", source="in/c.csv", destination="c.json", format="csv_to_json")
    assert outcome.data == done("convert", "c.json")
    assert files.files["c.json"] == b'[\n  {\n    "n": "1"\n  }\n]\n'


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({"processor": "identity"}, " one\nTwo \n"),
        ({"processor": "uppercase"}, " ONE\nTWO \n"),
        ({"processor": "lowercase"}, " one\ntwo \n"),
        ({"processor": "trim"}, "one\nTwo\n"),
        ({"processor": "replace", "pattern": "o", "replacement": "0"}, " 0ne\nTw0 \n"),
        ({"processor": "replace", "pattern": "o"}, " ne\nTw \n"),
        ({"processor": "replace", "pattern": ""}, " one\nTwo \n"),
    ],
)
def test_a_file_is_processed_line_by_line(fields: Any, made: str) -> None:
    files = MemoryWorkspace({"f": " one\nTwo \n"})
    assert run(files, "stream_process", source="f", **fields).data == done("stream_process", "f")
    assert files.files["f"].decode() == made
    run(files, "stream_process", source="f", destination="g", processor="identity")
    assert files.files["g"].decode() == made


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"operation": "copy"}, ["missing_field", "missing_field"]),
        ({"operation": "delete"}, ["missing_field"]),
        ({"operation": "delete", "files": ["x"]}, []),
        ({"operation": "read", "path": "x", "format": "jsn"}, ["unknown_value"]),
        ({"operation": "read", "path": "x", "format": "csv"}, []),
        (
            {"operation": "convert", "source": "a", "destination": "b", "format": "csv"},
            ["unknown_value"],
        ),
        (
            {"operation": "stream_process", "source": "a", "processor": "replace"},
            ["missing_field"],
        ),
        ({"operation": "list"}, []),
    ],
)
def test_an_operation_knows_what_it_needs(fields: Any, codes: list[str]) -> None:
    found = list(FileOps.shape.check(spec("file_ops", **fields)))
    assert [finding.code for finding in found] == codes


def test_only_looking_leaves_the_workspace_as_it_is() -> None:
    for operation, writes in (
        ("read", False),
        ("list", False),
        ("validate", False),
        ("copy", True),
    ):
        effects = FileOps.shape.effects(spec("file_ops", operation=operation))
        assert list(effects) == [Effect(kind="workspace", writes=writes)]
