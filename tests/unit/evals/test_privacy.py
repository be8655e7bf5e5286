"""Scores and hashes of what was said, and nothing of it kept that a suite or a secret forbids."""

from typing import Any

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import ConfigError
from pipex_core.evals.answers import Answer
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.keys import response_hash
from pipex_core.evals.privacy import Privacy, hash_of, privacy_of
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import Suite
from pipex_core.secrets import Redactor, Secret
from tests.fakes.evaluation import capital_suite, case, job, run
from tests.fakes.journals import BreakableJournals
from tests.fakes.world import World

planted = "hunter2-hunter2"
mail = "berta@example.org"
redact = Redactor(secrets=[Secret("key", planted)]).text
original = f"Ask {mail} for {planted}"


def asked(privacy: str = "keep") -> Suite:
    """One case whose right answer holds a secret and an address."""
    extra = {} if privacy == "keep" else {"privacy": privacy}
    return capital_suite([case("de", expected_output=original)], extra=extra)


class Kept:
    """A run, and everything that is left of it."""

    def __init__(self, privacy: str = "keep", **fields: Any) -> None:
        self.blobs, self.journals = MemoryBlobs(), BreakableJournals()
        self.suite = asked(privacy)
        self.fields = {"metrics": ["exact_match", "rouge"], **fields}
        self.world, self.run = self.again()

    def again(self, **more: Any) -> tuple[World, EvalRun]:
        """The same run once more, by its journal."""
        world = World({"default": {"reply": original}}, journals=self.journals)
        world = world.with_services(redact=redact)
        made = job(self.suite, **{**self.fields, **more})
        return world, run(made, world, blobs=self.blobs)

    @property
    def text(self) -> str:
        files = [self.blobs.get(key) for key in self.blobs.list()]
        tables = [self.run.responses, self.run.scores]
        rows = [str(table.to_pylist()) for table in tables]
        return "".join([*map(str, files), *rows, str(self.journals.records_of("ev_1"))])

    def scores(self) -> dict[str, float]:
        rows = self.run.scores.to_pylist()
        return {row["metric"]: row["score"] for row in rows if row["submetric"] is None}


said = response_hash(
    status="ok", output=original, output_json=None, has_output_json=False, tool_calls=None
)


@pytest.mark.parametrize(
    ("privacy", "output", "gone"),
    [
        ("keep", f"Ask {mail} for [redacted:key]", [planted]),
        ("redact", "Ask [EMAIL_1] for [redacted:key]", [planted, mail]),
        ("drop", None, [planted, mail, "Ask "]),
    ],
)
def test_the_original_is_scored_and_hashed_and_not_kept(
    privacy: str, output: str | None, gone: list[str]
) -> None:
    kept = Kept(privacy)
    (row,) = kept.run.responses.to_pylist()
    assert (row["output"], row["response_hash"], row["passed"]) == (output, said, True)
    assert kept.scores() == {"exact_match": 1.0, "rouge": 1.0}
    assert not [text for text in gone if text in kept.text]


@pytest.mark.parametrize("privacy", ["keep", "redact", "drop"])
def test_a_resumed_run_has_the_scores_of_the_original_although_its_text_is_gone(
    privacy: str,
) -> None:
    kept = Kept(privacy)
    world, again = kept.again()
    assert world.provider.sent == []
    assert again.row_digest == kept.run.row_digest
    assert not [text for text in (planted,) if text in str(again.scores.to_pylist())]


def test_an_answer_that_is_kept_whole_has_no_scores_beside_it_in_the_journal() -> None:
    journals = BreakableJournals()
    world = World({"default": {"reply": "Berlin"}}, journals=journals).with_services(redact=redact)
    run(job(capital_suite([case("de")])), world)
    (end,) = [one for one in journals.records_of("ev_1") if one["t"] == "unit_end"]
    assert {"scores", "original_hash"}.isdisjoint(end["result"])


def test_a_metric_that_comes_later_is_told_to_see_what_was_kept() -> None:
    kept = Kept()

    carry = CarryIndex(responses=[kept.run.responses], scores=[kept.run.scores])
    world = World({"default": {"reply": "never"}}).with_services(redact=redact)
    made = job(kept.suite, metrics=["exact_match", "fuzzy_match"], run_id="ev_2")
    found = run(made, world, carry=carry)
    assert world.provider.sent == []
    exact, fuzzy = found.scores.to_pylist()
    assert (exact["score"], exact["carried"]) == (1.0, True)
    assert fuzzy["score"] < 1.0
    assert found.responses["response_hash"].to_pylist() == [said]


def test_an_answer_whose_text_nobody_kept_is_asked_for_by_a_new_run() -> None:

    kept = Kept("drop")
    carry = CarryIndex(responses=[kept.run.responses], scores=[kept.run.scores])
    world = World({"default": {"reply": original}}).with_services(redact=redact)
    run(job(kept.suite, metrics=["exact_match"], run_id="ev_2"), world, carry=carry)
    assert len(world.provider.sent) == 1
    assert carry.damaged == []


def test_dropping_leaves_hashes_and_numbers_in_every_column() -> None:
    (row,) = Kept("drop").run.responses.to_pylist()
    texts = ("input", "expected", "output", "output_json", "tool_calls", "metadata")
    assert [row[name] for name in texts] == ["", None, None, None, None, "{}"]
    assert len(row["input_hash"]) == len(row["response_hash"]) == 64


def test_what_needs_no_change_is_the_same_object() -> None:
    answer = Answer(status="ok", text="Berlin")
    assert Privacy().answer(answer) is answer
    assert Privacy(redact=redact).answer(answer) is answer
    assert Privacy(drops=True).answer(Answer(status="timeout")).original_hash is None
    changed = Privacy(redact=redact).answer(Answer(status="ok", text=planted))
    assert hash_of(changed) == changed.original_hash
    assert Privacy(redact=redact).answer(changed) is changed


def test_hashing_personal_data_needs_a_key_that_a_run_does_not_have() -> None:
    with pytest.raises(ConfigError, match="needs a key"):
        privacy_of(asked("hash"), str)
