"""JSON out of replies, and repairs of values that fail their schema."""

import asyncio
from typing import Any

import pytest

from pipex_core.errors import StepError
from pipex_core.expressions.values import undefined
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Message, Request, Response
from pipex_core.llm.structured import data_of, json_of, loosened, mended, problems_of, repair_of

schema = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "s": {"type": "string"}},
    "required": ["n"],
}
question = Request(
    provider="mock",
    model="m",
    messages=(
        Message(role="user", text="earlier"),
        Message(role="assistant", text="yes"),
        Message(role="user", text="How many?"),
    ),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \n[1, 2] \n", [1, 2]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[1]\n```", [1]),
        ("```json\n```", undefined),
        ("7", 7),
        ("Sure: {}", undefined),
        ("```json\n{}\n```\nDone.", undefined),
        ("```a\n```b\n1\n```\n```", undefined),
        ("", undefined),
        ('{"a": 1, "a": 2}', undefined),
    ],
)
def test_a_whole_reply_is_json_or_it_is_not(text: str, value: object) -> None:
    found = json_of(text)
    assert found is value if value is undefined else found == value
    assert data_of(text) == (value if isinstance(value, dict | list) else None)


def test_problems_name_their_place() -> None:
    assert problems_of(undefined, None) == ()
    assert problems_of(undefined, schema) == [("", "the reply is not JSON")]
    assert [pointer for pointer, _ in problems_of({"n": "x", "s": 1}, schema)] == ["/n", "/s"]
    assert list(problems_of({"n": 1}, schema)) == []


def test_a_repair_is_the_original_prompt_with_what_was_wrong() -> None:
    repair = repair_of(question, [("/n", "must be a number"), ("", "is odd")])
    assert repair.messages[:2] == question.messages[:2]
    assert repair.prompt == (
        "How many?\n"
        "\n"
        "The previous reply did not match the required JSON Schema:\n"
        "- /n: must be a number\n"
        "- : is odd\n"
        "Return only the corrected JSON."
    )


class Model:
    """Answers with a script and keeps the prompts."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)
        self.prompts: list[str] = []

    async def send(self, request: Request) -> Reply:
        self.prompts.append(request.prompt)
        response = Response(text=self._texts.pop(0))
        return Reply(response=response, attempts=1, cost_nanousd=0)


def test_a_value_is_mended_from_the_original_prompt_each_time() -> None:
    model, voided = Model("no", '{"n": "x"}', '{"n": 3}'), []
    found = asyncio.run(
        mended(
            question,
            send=model.send,
            schema=schema,
            repairs=2,
            before_repair=lambda: voided.append(len(model.prompts)),
        )
    )
    assert (found.value, found.repairs, voided) == ({"n": 3}, 2, [1, 2])
    first, second, third = model.prompts
    assert first == "How many?"
    assert "- : the reply is not JSON" in second
    assert "- /n: " in third
    assert "not JSON" not in third


def test_a_value_that_cannot_be_mended_fails_with_its_pointers() -> None:
    model = Model('{"n": 1, "s": 2}', '{"s": 2}')
    with pytest.raises(StepError) as caught:
        asyncio.run(mended(question, send=model.send, schema=schema, repairs=1))
    assert caught.value.code == "output_schema_failed"
    assert "(whole): " in caught.value.message
    assert "/s: " in caught.value.message


def test_without_a_schema_the_first_reply_is_taken() -> None:
    found = asyncio.run(mended(question, send=Model("text").send, schema=None, repairs=5))
    assert (found.value, found.repairs) == (undefined, 0)


@pytest.mark.parametrize(
    ("value", "schema", "loose"),
    [
        ({"a": "1", "b": 2}, {"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({"a": "1.5"}, {"properties": {"a": {"type": "number"}}}, {"a": 1.5}),
        ({"a": " TRUE "}, {"properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"a": "1"}, {"properties": {"a": {"type": ["integer", "string"]}}}, {"a": "1"}),
        ({"a": "1"}, {"properties": {"a": True}}, {"a": "1"}),
        ({"a": "no"}, {"properties": {"a": {"type": "integer"}}}, {"a": "no"}),
        ({"a": "true"}, {"properties": {"a": {"type": "integer"}}}, {"a": "true"}),
        ({"a": "1"}, {"properties": {"a": {"type": "boolean"}}}, {"a": "1"}),
        ({"a": 1}, {}, {"a": 1}),
        (["1", "2"], {"items": {"type": "integer"}}, [1, 2]),
        (["1"], {"type": "array"}, ["1"]),
        (None, {"type": "integer"}, None),
    ],
)
def test_a_loose_value_comes_nearer_to_its_schema(value: Any, schema: Any, loose: Any) -> None:
    found = loosened(value, schema)
    assert (found, type(found)) == (loose, type(loose))
