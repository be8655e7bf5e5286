"""Answers taken apart, on the bench."""

import asyncio
from typing import Any

import pytest

from pipex_core.errors import StepError
from pipex_core.steps.contract import Outcome
from pipex_core.steps.extract import ClaudeExtract
from tests.fakes.steps import Bench, spec

answer = """\
Before all.

# Findings ##
See [the docs](https://a.example/x "title"), ![img](https://a.example/i.png)
and https://b.example/y.

- first *point*
2. second point
   * nested

You should rename `x`.

## Recommendations

- Add tests
- Done already

```python
# not a heading
- not an item
should = "not advice"
```

~~~
open end
"""


def run(*replies: str, **fields: Any) -> Outcome:
    bench = Bench(spec("claude_extract", prompt="x", **fields), replies=replies or [answer])
    return asyncio.run(ClaudeExtract().run(bench.context))


def extracted(*processors: str, reply: str = answer, **config: Any) -> Any:
    config = {"post_processing": list(processors), **config}
    return run(reply, extraction_config=config).metadata["extracted"]


def formed(reply: str, wanted: str, **config: Any) -> Outcome:
    return run(reply, extraction_config={"format": wanted, **config})


def test_text_stays_as_it_is() -> None:
    outcome = run("plain  \n\n\n text")
    assert (outcome.text, outcome.data) == ("plain  \n\n\n text", None)
    assert formed("x", "text").text == "x"


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("7", 7),
        ("words", {"content": "words", "format": "text"}),
    ],
)
def test_json_is_parsed_or_wrapped(reply: str, data: Any) -> None:
    outcome = formed(reply, "json")
    assert (outcome.text, outcome.data) == (reply, data)


def test_markdown_becomes_sections_code_and_links() -> None:
    data = formed(answer, "structured").data
    assert [section["title"] for section in data["sections"]] == ["", "Findings", "Recommendations"]
    assert data["sections"][0]["content"] == "Before all."
    assert data["sections"][2]["content"].startswith("- Add tests\n- Done already\n\n```python\n#")
    assert data["code_blocks"] == [
        {
            "language": "python",
            "code": '# not a heading\n- not an item\nshould = "not advice"',
        },
        {"language": "", "code": "open end"},
    ]
    assert data["links"] == [
        {"text": "the docs", "url": "https://a.example/x"},
        {"text": "https://b.example/y", "url": "https://b.example/y"},
    ]


def test_a_link_that_was_given_a_text_is_not_listed_again() -> None:
    reply = "[t](https://a.example) and <https://a.example>"
    assert extracted("extract_links", reply=reply)["links"] == [
        {"text": "t", "url": "https://a.example"}
    ]


def test_a_heading_without_text_opens_a_section_only_with_content() -> None:
    assert formed("#\n\n# A\n", "structured").data["sections"] == [{"title": "A", "content": ""}]


def test_a_summary_is_cut() -> None:
    assert formed("abcdef", "summary", max_summary_length=3).text == "abc..."
    assert formed("abc", "summary", max_summary_length=3).text == "abc"
    assert formed("x" * 501, "summary").text == "x" * 500 + "..."


def test_blocks_are_parted_by_single_blank_lines_outside_of_code() -> None:
    reply = "\n\na  \n\n\n \nb\n```\nx  \n\n\ny\n```\n\n\nc\n\n"
    assert formed(reply, "markdown").text == "a\n\nb\n```\nx  \n\n\ny\n```\n\nc"


def test_points_are_the_items_of_lists() -> None:
    assert extracted("extract_key_points")["key_points"] == [
        "first *point*",
        "second point",
        "nested",
        "Add tests",
        "Done already",
    ]


def test_recommendations_are_items_under_their_heading_and_lines_that_advise() -> None:
    assert extracted("extract_recommendations")["recommendations"] == [
        "You should rename `x`.",
        "Add tests",
        "Done already",
    ]


def test_code_and_a_summary_can_be_taken() -> None:
    found = extracted("extract_code_blocks", "generate_summary", max_summary_length=6)
    assert [block["language"] for block in found["code_blocks"]] == ["python", ""]
    assert found["summary"] == "Before..."


def test_the_text_is_changed_in_the_order_of_the_list() -> None:
    config = {"post_processing": ["trim", "format_markdown", "validate"]}
    outcome = run(" a \n\n\n b ", extraction_config=config)
    assert outcome.text == "a\n\n b"
    assert outcome.metadata == {}


def test_what_is_blank_in_the_end_can_fail() -> None:
    with pytest.raises(StepError) as failure:
        run("\n \n", extraction_config={"post_processing": ["trim", "validate"]})
    assert failure.value.code == "validation_failed"


def test_facts_about_the_extraction_are_given_on_request() -> None:
    outcome = formed("two words", "text", include_metadata=True, post_processing=["trim"])
    assert outcome.metadata["extraction"] == {
        "format": "text",
        "post_processing": ["trim"],
        "characters": 9,
        "words": 2,
    }


schema = {"type": "object", "required": ["n"]}


@pytest.mark.parametrize("name", ["schema", "output_schema"])
def test_a_schema_is_held_under_either_name(name: str) -> None:
    outcome = run('{"n": 1}', **{name: schema}, extraction_config={"format": "structured"})
    assert outcome.data == {"n": 1}
    with pytest.raises(StepError) as failure:
        run("{}", **{name: schema})
    assert failure.value.code == "output_schema_failed"


def test_an_example_of_a_value_is_no_schema() -> None:
    assert run("hi", schema={"title": "string"}).text == "hi"


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"schema": schema}, []),
        ({"schema": schema, "output_schema": schema}, []),
        ({"schema": {"type": ["string", "null"]}}, []),
        ({"schema": {"type": "invoice"}}, ["ignored_field"]),
        ({"schema": {"title": "string"}}, ["ignored_field"]),
        ({"schema": "text"}, ["ignored_field"]),
        ({"schema": {"type": 5}}, ["ignored_field"]),
        ({"schema": {"type": "object", "properties": 5}}, ["invalid_schema"]),
        ({"schema": schema, "output_schema": {}}, ["conflicting_fields"]),
        ({"extraction_config": {"post_processing": ["trim", "shout"]}}, ["unknown_value"]),
        ({"extraction_config": {"post_processing": "trim"}}, []),
        ({"extraction_config": "wrong"}, []),
    ],
)
def test_the_file_is_checked(fields: Any, codes: list[str]) -> None:
    found = list(ClaudeExtract.shape.check(spec("claude_extract", **fields)))
    assert [finding.code for finding in found] == codes
