"""Suite files on disk: streams, attachments, and folders that nothing leads out of."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipex_core.app.suitefiles import stream_suite, write_suite
from pipex_core.app.suites import gate_of_suite, load_suite
from pipex_core.errors import SpecError
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from tests.fakes.project import write_lines, write_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["qa", "qa.json", "qa.yaml", "qa.yml", "qa.parquet"])
def test_every_form_is_written_loaded_and_streamed_as_the_same_suite(name: str) -> None:
    suite = Suite(
        id="qa",
        name="Questions",
        defaults=SuiteDefaults(metrics=("exact_match",), repeats=2),
        cases=(Case(id="a", input="x", expected_output="y"), Case(id="b", input={"q": "z"})),
    )
    write_suite(suite, Path(name))
    assert load_suite(name) == suite
    stream = stream_suite(name)
    assert (stream.suite.name, stream.suite.defaults) == ("Questions", suite.defaults)
    assert stream.suite.cases == ()
    assert tuple(stream.cases) == suite.cases
    assert not list(Path().glob("**/*.part"))


def test_bare_lines_are_streamed_under_the_name_of_the_file() -> None:
    write_lines(Path("bare.jsonl"), [{"id": "a", "input": "x"}, {"id": "b", "input": "y"}])
    stream = stream_suite("bare.jsonl")
    assert (stream.suite.id, [case.id for case in stream.cases]) == ("bare", ["a", "b"])


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.parquet"])
def test_a_stream_of_a_file_that_is_not_there_says_so(name: str) -> None:
    with pytest.raises(SpecError, match=f"{name}: error: there is no such file"):
        list(stream_suite(name).cases)


def with_attachment(**changes: Any) -> None:
    """A case with an attachment ``page.txt`` that holds ``text``."""
    folder = Path("test_suites/sums")
    (folder / "page.txt").write_text("text")
    one = {"path": "page.txt", "sha256": hashlib.sha256(b"text").hexdigest(), "mime": "text/plain"}
    write_lines(
        folder / "cases.jsonl",
        [{"id": "q0", "input": "x"}, {"id": "q1", "input": "y", "attachments": [one | changes]}],
    )


def refusal() -> str:
    with pytest.raises(SpecError) as caught:
        load_suite("sums")
    return str(caught.value)


def test_attachments_are_read_below_the_suite_and_checked() -> None:
    with_attachment()
    assert len(load_suite("sums").cases) == 2
    with_attachment(sha256="0" * 64)
    assert refusal() == (
        "test_suites/sums/cases.jsonl:2:44: error: the attachment page.txt is not the one that was"
        " hashed [attachment_mismatch]"
    )
    with_attachment(path="absent.txt")
    assert "cases.jsonl:2:44: error: " in refusal()
    assert "[attachment_mismatch]" in refusal()


@pytest.mark.parametrize("path", ["../../good.jsonl", "/etc/hostname", "link.txt", "a\x00b", ""])
def test_no_attachment_leads_out_of_the_suite(path: str) -> None:
    Path("test_suites/sums/link.txt").symlink_to(Path("good.jsonl").resolve())
    with_attachment(path=path, sha256=hashlib.sha256(Path("good.jsonl").read_bytes()).hexdigest())
    assert "[path_denied]" in refusal()


def test_a_large_attachment_is_too_large(project: Path) -> None:
    with_attachment(path="big.bin")
    with (project / "test_suites/sums/big.bin").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert "[too_large]" in refusal()


def test_a_gate_lies_below_the_folder_of_its_suite(project: Path) -> None:
    rule = "rules: [{metric: exact_match, kind: threshold, value: 0.5}]\n"
    (project / "outside.yaml").write_text(rule)
    head = project / "test_suites/sums/suite.yaml"
    head.write_text("id: sums\ngate: ../../outside.yaml\n")
    with pytest.raises(SpecError, match=r"suite\.yaml:2:7: error: gate: .*\[path_denied\]"):
        gate_of_suite(load_suite("sums"))
    head.write_text("id: sums\ngate: absent.yaml\n")
    with pytest.raises(SpecError, match=r"suite\.yaml:2:7: error: gate: .*\[file_not_found\]"):
        gate_of_suite(load_suite("sums"))
    (project / "one.yaml").write_text("id: one\ngate: outside.yaml\ncases: []\n")
    gate = gate_of_suite(load_suite("one.yaml"))
    assert gate is not None
    assert gate.rules[0].metric == "exact_match"


def test_hostile_files_are_refused_with_words(project: Path) -> None:
    deep = "[" * 70 + "]" * 70
    (project / "deep.json").write_text(
        json.dumps({"id": "d", "cases": []})[:-1] + f',"x-a":{deep}}}'
    )
    (project / "nan.jsonl").write_text('{"id": "a", "input": {"x": NaN}}\n')
    (project / "tag.yaml").write_text("id: !!python/name:os.system x\ncases: []\n")
    (project / "loop.yaml").write_text("id: x\nmetadata: &a {b: *a}\ncases: []\n")
    codes = {}
    for name in ("deep.json", "nan.jsonl", "tag.yaml", "loop.yaml"):
        with pytest.raises(SpecError) as caught:
            load_suite(name)
        codes[name] = caught.value.code
    assert codes == {
        "deep.json": "too_large",
        "nan.jsonl": "json_syntax",
        "tag.yaml": "yaml_syntax",
        "loop.yaml": "yaml_syntax",
    }
