"""The forms in which a step may name its items."""

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.reading import Reference
from pipex_core.expressions.source import read_source, resolve, source_expression
from pipex_core.jsonvalue import Json

names: dict[str, Json] = {
    "outer": {"parts": [1, 2]},
    "vars": {"rows": [3]},
    "steps": {"load": {"users": [4], "deep": {"x": [5]}}},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ([1, "{{ rows }}"], [1, [3]]),
        ({"a": "{{ rows[0] }}"}, {"a": 3}),
        ("{{ rows }}", [3]),
        ("rows", [3]),
        ("range(1, 3)", [1, 2]),
        ("outer:parts", [1, 2]),
        ("context:rows", [3]),
        ("previous_response:load.users", [4]),
        ("previous_response:load:deep.x", [5]),
        ("rows exists ? rows : outer", [3]),
        (7, 7),
    ],
    ids=str,
)
def test_a_source_is_resolved(source: Json, expected: Json) -> None:
    assert resolve(source, names) == expected


def test_an_undefined_source_fails() -> None:
    with pytest.raises(ExpressionError) as caught:
        resolve("outer:partz", names)
    assert caught.value.code == "undefined_reference"


def test_a_short_form_keeps_the_places_of_its_characters() -> None:
    assert source_expression("context:rows.x") == "        rows.x"
    assert read_source("context:rows.x").references == (
        Reference(root="rows", keys=("x",), position=8),
    )
    assert read_source("outer:parts").references == (Reference(root="outer", keys=("parts",)),)


def test_templates_inside_a_source_are_read() -> None:
    assert read_source(["{{ a }}"]).references == (Reference(root="a", path="[0]", position=3),)
