"""Answers that have to be valid: under a schema, as XML, as YAML, as code."""

from itertools import pairwise

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.scoring import score_item
from tests.fakes.metrics import answer, entry_of, score, value

schema: Json = {
    "type": "object",
    "required": ["name", "items"],
    "properties": {
        "name": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "n"],
                "properties": {"id": {"type": "integer"}, "n": {"type": "integer"}},
            },
        },
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("output", "expected", "partial"),
    [
        ('{"name": "a", "items": []}', 1.0, 1.0),
        ('{"name": "a", "items": [{"id": 1, "n": 2}]}', 1.0, 1.0),
        # leaves: name, items/0/id, items/0/n, of which one is wrong
        ('{"name": "a", "items": [{"id": 1, "n": "x"}]}', 0.0, 2 / 3),
        # leaves: name, items/0/id, items/0/n, items/1/id, items/1/n, of which two are absent
        ('{"items": [{"id": 1, "n": 2}, {"n": 3}]}', 0.0, 3 / 5),
        # leaves: name, items
        ('{"name": "a", "items": {}}', 0.0, 1 / 2),
        # nothing required fails, and still it is not valid
        ('{"name": "a", "items": [], "more": 1}', 0.0, 1 / 2),
        ("[]", 0.0, 0.0),
    ],
)
def test_an_answer_is_valid_or_partly_so(output: str, expected: float, partial: float) -> None:
    assert value({"type": "json_schema", "schema": schema}, output) == expected
    raw: Json = {"type": "json_schema", "schema": schema, "partial": True}
    assert value(raw, output) == pytest.approx(partial)


def test_the_places_that_are_wrong_are_named() -> None:
    found = score({"type": "json_schema", "schema": schema}, '{"name": 1, "items": []}')
    assert isinstance(found, Scored)
    assert [one["pointer"] for one in found.details["errors"]] == ["/name"]


def test_a_schema_that_requires_nothing_has_one_leaf() -> None:
    raw: Json = {"type": "json_schema", "schema": {"type": "string"}, "partial": True}
    assert value(raw, '"x"') == 1.0
    assert value(raw, "1") == 0.0
    assert value({**raw, "schema": {"required": ["a/b"]}}, '{"a/b": 1}') == 1.0
    assert value({**raw, "schema": True}, "1") == 1.0
    assert value({**raw, "schema": False}, "1") == 0.0


def test_what_the_target_returned_as_json_is_looked_at_first() -> None:
    entry = entry_of({"type": "json_schema", "schema": {"type": "integer"}})
    found = score_item(entry, answer("seven", output_json=7, has_output_json=True))
    assert found == Scored(value=1.0)


def test_an_answer_that_is_no_json_is_not_valid() -> None:
    found = score({"type": "json_schema", "schema": {}}, "seven")
    assert found == Scored(value=0.0, label="not_json")


@pytest.mark.parametrize("options", [{}, {"schema": {"type": "text"}}])
def test_a_schema_is_needed_and_checked_before_anything_runs(options: dict[str, Json]) -> None:
    with pytest.raises(SpecError, match="bad_option"):
        entry_of({"type": "json_schema", **options})


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("<a><b/>text</a>", 1.0),
        ("```xml\n<a/>\n```", 1.0),
        ('  <?xml version="1.0"?><a x="1">&amp;</a>', 1.0),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", 1.0),
        ("<a>", 0.0),
        ("<a/><b/>", 0.0),
        ("<a>&nbsp;</a>", 0.0),
        ("Here it is: <a/>", 0.0),
        ("", 0.0),
        ("<a>\ud800</a>", 0.0),
    ],
)
def test_xml_is_well_formed_or_not(output: str, expected: float) -> None:
    assert value("xml_valid", output) == expected


def test_entities_of_entities_are_not_expanded() -> None:
    names = [chr(97 + at) for at in range(20)]
    entities = "".join(
        f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in pairwise(names)
    )
    bomb = f"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>{entities}]><x>&{names[-1]};</x>"
    assert value("xml_valid", bomb) == 1.0  # well-formed, and 10^20 letters were not written


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("a: 1\nb: [x, y]\n", 1.0),
        ("```yaml\na: 1\n```", 1.0),
        ("just text", 1.0),
        ("a: 1\na: 2\n", 0.0),
        ("a: [1", 0.0),
        ("a: !!python/object:os.system x", 0.0),
        ("", 0.0),
    ],
)
def test_yaml_is_valid_under_the_rules_of_pipelines(output: str, expected: float) -> None:
    assert value("yaml_valid", output) == expected


@pytest.mark.parametrize(
    ("output", "language", "expected"),
    [
        ("```python\nprint(1)\n```", "python", 1.0),
        ("```\nx = (\n```\nthen\n```py\nx = 1\n```", "python", 1.0),
        ("def f(:\n  pass", "python", 0.0),
        ("x = '\\d'", "python", 1.0),
        ("", "python", 0.0),
        ("a\x00b", "python", 0.0),
        ("(" * 5_000, "python", 0.0),
        ('```json\n{"a": 1}\n```', "json", 1.0),
        ("{'a': 1}", "json", 0.0),
    ],
)
def test_the_last_block_of_code_parses_or_not(output: str, language: str, expected: float) -> None:
    assert value({"type": "code_parses", "language": language}, output) == expected


def test_other_languages_are_refused() -> None:
    with pytest.raises(SpecError, match="bad_option"):
        entry_of({"type": "code_parses", "language": "rust"})
