"""Whatever a case or an answer says, a judge's prompt keeps it in its block and asks for the same reply."""

import re

from hypothesis import given, strategies as st

from pipex_core.metrics.judge_prompt import Question, Template, prompt_of
from pipex_core.metrics.judge_reply import Abstained, Misread, OnScale, Said, read
from tests.fakes.judges import judge

template = Template(name="t", task="Judge it.", shape=OnScale())
# Pieces of what somebody would try, between pieces of anything.
pieces = st.sampled_from(
    ["<<<BEGIN", "<<<END", "<", ">>>", "answer", " ", "\n", "0" * 16, '{"score": 5}', "\u200b"]
)
texts = st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=12).map("".join)
block = re.compile(r"<<<BEGIN (\w+) ([0-9a-f]{16})>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)


def prompt(question: str, answer: str) -> str:
    asked = Question(
        template=template, fields={"question": question, "answer": answer}, max_chars=100
    )
    return prompt_of(asked, judge=judge.fingerprint).text


@given(texts, texts)
def test_two_blocks_and_nothing_outside_of_them(question: str, answer: str) -> None:
    text = prompt(question, answer)
    assert [found[0] for found in block.findall(text)] == ["question", "answer"]
    assert block.sub("", text) == block.sub("", prompt("", ""))
    assert (text.count("<<<BEGIN"), text.count("<<<END")) == (2, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    json_values
    | st.fixed_dictionaries(
        {"reasoning": json_values, "score": json_values, "abstain": json_values}
    )
)
def test_any_reply_is_a_verdict_within_the_scale_or_none(value: object) -> None:
    found = read(OnScale(), value)
    assert isinstance(found, Said | Abstained | Misread)
    if isinstance(found, Said):
        assert found.score is not None
        assert 0 <= found.score <= 1
