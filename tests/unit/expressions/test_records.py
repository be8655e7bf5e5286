"""The view of a step that expressions have, section 5.4."""

import pytest

from pipex_core.expressions.records import StepEntry, Steps, fields_of, is_record
from pipex_core.expressions.values import undefined
from pipex_core.jsonvalue import Json

succeeded: dict[str, Json] = {
    "name": "draft",
    "type": "claude",
    "status": "succeeded",
    "success": True,
    "skipped": False,
    "text": "reply",
    "data": {"score": 4, "success": "a lie", "length": 9, "tags": ["a"]},
    "cost_usd": 0.5,
    "tokens": {"input": 3},
}
skipped = {**succeeded, "status": "skipped", "skipped": True, "text": None, "data": None}


def test_a_record_has_name_type_status_and_success() -> None:
    assert is_record(succeeded)
    assert not is_record({key: succeeded[key] for key in succeeded if key != "status"})
    assert not is_record([])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", "reply"),
        ("content", "reply"),
        ("success", True),
        ("cost", 0.5),
        ("tokens", {"input": 3}),
        ("error", None),
        ("result", succeeded["data"]),
        ("score", 4),
        ("length", 9),
        ("status", undefined),
        ("nothing", undefined),
    ],
)
def test_record_fields_win_over_the_data(name: str, expected: Json) -> None:
    entry = StepEntry(entry=succeeded)
    assert entry.dotted(name) == expected
    if name != "length":
        assert entry.index(name) == expected


def test_integers_look_into_a_list_of_data() -> None:
    entry = StepEntry(entry={**succeeded, "data": [7, 8]})
    assert (entry.dotted("0", 0), entry.index(-1), entry.dotted("length")) == (7, 8, 2)


def test_a_step_stands_for_its_data_else_its_text() -> None:
    assert StepEntry(entry=succeeded).value() == succeeded["data"]
    assert StepEntry(entry={**succeeded, "data": None}).value() == "reply"
    assert StepEntry(entry=[1]).value() == [1]


def test_inside_a_text_a_step_is_its_reply() -> None:
    assert StepEntry(entry=succeeded).text() == "reply"
    assert StepEntry(entry={**succeeded, "text": None}).text().startswith('{"score":4')
    assert StepEntry(entry={"text": "plain data"}).text() == '{"text":"plain data"}'


def test_what_a_skipped_step_does_not_have_is_null() -> None:
    entry = StepEntry(entry=skipped)
    assert entry.dotted("score") is None
    assert entry.index("score") is None
    assert entry.dotted("skipped") is True


def test_the_result_of_plain_data_is_the_data() -> None:
    assert StepEntry(entry=7).dotted("result") == 7
    assert StepEntry(entry={"result": 1}).dotted("result") == 1
    assert StepEntry(entry={"a": 1}).index("a") == 1
    assert StepEntry(entry={"a": 1}).dotted("b") is undefined


def test_a_result_can_have_a_name_of_its_own() -> None:
    steps = Steps(entries={"t": {**succeeded, "data": [1]}}, aliases={"rows": "t"})
    entry = steps.find("t")
    assert isinstance(entry, StepEntry)
    assert entry.dotted("rows") == [1]
    assert entry.index("rows") == [1]
    assert steps.aliased("rows") == [1]
    assert steps.aliased("other") is undefined


def test_the_root_answers_names_of_steps() -> None:
    steps = Steps(entries={"a-b": 1, "c": 2}, aliases={})
    assert steps.index("a-b") == StepEntry(entry=1)
    assert steps.dotted("c") == StepEntry(entry=2)
    assert steps.dotted("length") == 2
    assert steps.index(0) is undefined
    assert steps.dotted("d") is undefined


def test_the_fields_for_messages() -> None:
    assert list(fields_of({"a": 1, 2: 3})) == ["a"]
    assert list(fields_of([1])) == []
    assert list(fields_of(Steps(entries={"s": 1}, aliases={}))) == ["s"]
    assert {"text", "score"} <= set(fields_of(StepEntry(entry=succeeded)))
    assert list(fields_of(StepEntry(entry={"k": 1}))) == ["k"]
