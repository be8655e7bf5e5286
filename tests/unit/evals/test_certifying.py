"""Labelled cases before a judge: which are heard, how often, and how their verdicts are laid beside labels."""

import asyncio
from typing import Any

import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.certifying import Bailiff, Hearing, labels_of, ruler_of
from pipex_core.evals.responding import respond
from pipex_core.evals.suite import Case, SuiteDefaults
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored, Unscored
from pipex_core.metrics.judge_reply import OnScale
from tests.fakes.evaluation import capital_suite, case, job, recorded
from tests.fakes.judges import replies, ruling_of_the_mock, scored
from tests.fakes.metrics import entry_of
from tests.fakes.world import World


def labelled(name: str, human: Json, **fields: Any) -> Case:
    return case(name, metadata={"human": human}, **fields)


def heard(world: World, cases: list[Case], metric: Json = "relevance", **options: Any) -> Hearing:
    suite = capital_suite(cases, defaults=SuiteDefaults(metrics=(metric,)))
    made = job(suite, recorded(), repeats=options.pop("answers", 1), options={"max_concurrency": 1})

    async def hearing() -> Hearing:
        responses = (await respond(made, world.services)).table
        bailiff = Bailiff(
            job=made,
            services=world.services,
            responses=responses,
            entry=made.judged[0],
            **options,
        )
        return await bailiff.hear()

    return asyncio.run(hearing())


def judging(*rules: dict[str, Any]) -> World:
    return World({"responses": list(rules)})


four = ruling_of_the_mock("relevance", scored("r", 4))


def test_each_labelled_case_is_judged_several_times_and_once_turned() -> None:
    world = judging(four)
    found = heard(world, [labelled("de", 4), labelled("fr", [5, 4]), case("it")])
    assert [one.case_id for one in found.cases] == ["de", "fr"]
    assert [one.human for one in found.cases] == [(4,), (5, 4)]
    assert found.cases[0].verdicts == [Scored(value=0.75)] * 3
    assert found.cases[0].reversed_ == Scored(value=0.75)
    assert found.cases[0].length == len("Berlin")
    assert len(world.provider.sent) == 8
    assert found.spent_nanousd == 8_000_000
    assert sorted({request.repeat for request in world.provider.sent}) == [0, 100, 200]


def test_the_samples_may_be_fewer_and_nothing_turned() -> None:
    world = judging(four)
    found = heard(world, [labelled("de", 4)], samples=1, turned=False)
    assert (len(found.cases[0].verdicts), found.cases[0].reversed_) == (1, None)
    assert len(world.provider.sent) == 1


def test_a_single_block_has_no_other_order() -> None:
    world = judging(ruling_of_the_mock("coherence", scored("r", 4)))
    (one,) = heard(world, [labelled("de", 4)], "coherence").cases
    assert one.reversed_ is None


def test_verdicts_that_differ_are_kept_apart() -> None:
    world = judging(replies([scored("r", n) for n in (5, 1, 3, 3)]))
    (one,) = heard(world, [labelled("de", 4)], turned=False).cases
    assert one.verdicts == [Scored(value=1.0), Scored(value=0.0), Scored(value=0.5)]


def test_of_several_answers_the_first_is_judged_and_quarantined_cases_are_not() -> None:
    world = judging(four)
    found = heard(world, [labelled("de", 4), labelled("fr", 4, status="quarantined")], answers=2)
    assert [one.case_id for one in found.cases] == ["de"]


def test_a_case_without_an_answer_has_no_verdict() -> None:
    (one,) = heard(judging(four), [labelled("xx", 4, expected_output="x")]).cases
    assert all(isinstance(verdict, Unscored) for verdict in one.verdicts)
    assert (one.reversed_, one.length) == (None, 0)


def test_two_answers_are_compared_by_how_much_longer_one_is() -> None:
    world = judging(ruling_of_the_mock("pairwise", {"reasoning": "r", "label": "tie"}))
    cases = [case("de", metadata={"human": "tie", "other": "Bonn"})]
    (one,) = heard(world, cases, {"type": "pairwise", "other": "metadata.other"}).cases
    assert one.length == len("Berlin") - len("Bonn")


@pytest.mark.parametrize(
    ("human", "expected"),
    [(4, (4,)), ("yes", ("yes",)), (True, (True,)), ([1, 2], (1, 2)), (None, ())],
)
def test_labels_are_one_or_several(human: Json, expected: tuple[Any, ...]) -> None:
    assert labels_of(labelled("de", human), "metadata.human") == expected


@pytest.mark.parametrize("human", [{"a": 1}, [[1]], [None]])
def test_what_is_no_label_is_refused(human: Json) -> None:
    with pytest.raises(ConfigError, match="of case 'de' is no label"):
        labels_of(labelled("de", human), "metadata.human")


def test_the_ruler_is_that_of_the_metric() -> None:
    ruler = ruler_of(entry_of("relevance:0.6"))
    assert isinstance(ruler.shape, OnScale)
    assert ruler.threshold == 0.6
    with pytest.raises(ConfigError, match="exact_match needs no judge"):
        ruler_of(entry_of("exact_match"))
