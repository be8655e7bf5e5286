"""Targets by the words people use for them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipex_core.app.targets import read_records, target_map, vendor_of
from pipex_core.errors import ConfigError, SpecError


@pytest.mark.parametrize(
    ("model", "vendor"),
    [
        ("gemini-3-flash", "gemini"),
        ("models/gemini-3-flash", "gemini"),
        ("claude-haiku-5-5", "anthropic"),
        ("smollm2-135m-instruct", "anthropic"),
    ],
)
def test_a_model_belongs_to_a_vendor_by_its_name(model: str, vendor: str) -> None:
    assert vendor_of(model) == vendor


def test_a_map_is_a_target_as_it_is() -> None:
    assert target_map({"kind": "prompt", "model": "m"}) == {"kind": "prompt", "model": "m"}


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.parquet"])
def test_recorded_answers_are_called_by_their_stem(name: str) -> None:
    assert target_map(f"there/{name}") == {
        "kind": "recorded",
        "path": f"there/{name}",
        "name": "answers",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target: {kind: prompt, model: m}\n", {"kind": "prompt", "model": "m"}),
        ("kind: prompt\nmodel: m\n", {"kind": "prompt", "model": "m"}),
        ("steps: []\nmodel: m\n", None),
        ("workflow: {name: x}\n", None),
        ("- a\n", None),
    ],
)
def test_a_yaml_file_is_a_target_or_else_a_pipeline(
    text: str, expected: dict[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert target_map(str(path)) == (expected or {"kind": "pipeline", "path": str(path)})


@pytest.mark.parametrize("word", ["answers", "run.txt", "ev_1"])
def test_another_word_is_no_target(word: str) -> None:
    with pytest.raises(ConfigError, match="is no target") as caught:
        target_map(word)
    assert caught.value.code == "unknown_target"


records = [{"case_id": "a", "output": "1"}, {"case_id": "b", "output": "2"}]


def test_records_are_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    lines, whole, columns = (tmp_path / f"a.{end}" for end in ("jsonl", "json", "parquet"))
    lines.write_text("\n".join(map(json.dumps, records)) + "\n\n")
    whole.write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), columns)
    for path in (lines, whole, columns):
        assert list(read_records(str(path))) == records


def test_a_line_that_is_no_map_is_the_answer_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('"yes"\n7\n')
    assert list(read_records(str(path))) == [{"output": "yes"}, {"output": 7}]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": ]\n', "a.jsonl:2:7: error: this is no JSON: expecting value"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "a.jsonl:1:1: error: "),
        (
            "a.json",
            '[\n  {"a": 1}\n  {"b": 2}]',
            "a.json:3:3: error: this is no JSON: expecting ','",
        ),
        ("a.json", '{"a": 1}\n', "a.json: error: recorded answers are a list of records"),
    ],
)
def test_broken_records_are_named_with_their_place(
    name: str, text: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(SpecError) as caught:
        list(read_records(name))
    assert str(caught.value).startswith(place)
