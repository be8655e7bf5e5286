"""What judges are asked, word for word, and that no text of a case or an answer can leave its block."""

import json
import re

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Scored
from pipex_core.metrics.judge_prompt import blocks_are_data, prompt_of
from pipex_core.metrics.judge_reply import schema_of
from tests.fakes.judges import judge, metric_of
from tests.golden.judge_prompts import CASES, here, prompts_of, score_of

attacks: list[str] = json.loads((here / "injections.json").read_text(encoding="utf-8"))
block = re.compile(
    r"<<<BEGIN (?P<name>[a-z_0-9]+) (?P<nonce>[0-9a-f]{16})>>>\n(?P<text>.*?)\n"
    r"<<<END (?P=name) (?P=nonce)>>>",
    re.DOTALL,
)


@pytest.mark.parametrize("name", CASES)
def test_the_prompts_of_a_metric_are_exactly_these(name: str) -> None:
    assert prompts_of(name) == (here / f"{name}.txt").read_text(encoding="utf-8")
    assert isinstance(score_of(name), Scored)


def test_every_golden_prompt_belongs_to_a_metric() -> None:
    assert {path.stem for path in here.glob("*.txt")} == set(CASES)


def test_there_are_fifty_attacks() -> None:
    assert len(set(attacks)) == 50


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("number", range(50))
def test_an_attack_stays_in_its_block_and_changes_no_word_outside(name: str, number: int) -> None:
    attacked = first_prompt(CASES[name][0], attacks[number])
    harmless = first_prompt(CASES[name][0], "harmless")
    found = {one["name"]: one["text"] for one in block.finditer(attacked)}
    assert len(found) == len(block.findall(harmless))
    # Nothing but the texts and the nonce differs: the contract is the same.
    assert outside(attacked) == outside(harmless)
    assert attacked.count("<<<BEGIN") == attacked.count("<<<END") == len(found)
    assert attacked.endswith(harmless[harmless.index(blocks_are_data) :])
    broken = attacks[number].replace("<<<BEGIN", "<\u200b<<BEGIN").replace("<<<END", "<\u200b<<END")
    assert broken.strip("\n") in "\n".join(found.values())


def test_no_attack_changes_the_form_of_the_reply() -> None:
    for name, (raw, _) in CASES.items():
        forms = {json.dumps(schema_of(question(raw, attack).shape)) for attack in attacks}
        assert len(forms) == 1, name


def question(raw: Json, text: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a Question
    item = MetricInput(
        output=text,
        other=text,
        # Of a reference each sentence is judged: how many verdicts are asked for follows from it.
        references=("It is." if raw == "context_recall" else text,),
        input=text,
        query=text,
        context=(text, text),
    )
    return next(metric_of(raw).opinion(item))


def first_prompt(raw: Json, text: str) -> str:
    return prompt_of(question(raw, text), judge=judge.fingerprint).text


def outside(prompt: str) -> str:
    """The prompt without the texts in its blocks and without the nonce."""
    return block.sub(lambda one: f"[{one['name']}]", prompt)
