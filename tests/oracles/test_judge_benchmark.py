"""Recorded verdicts of a public judge benchmark, in both orders, replayed through the pairwise judge.

LLMBar (princeton-nlp/LLMBar, commit 900616b, MIT): 8 606 verdicts of 18 judges on 685 pairs, with the
accuracies, agreements and kappas that its authors recorded. Its ``winner_swapped`` names the answer, not
the place; a verdict that their reader could not parse is null.
"""

import asyncio
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from pipex_core.adapters.local import VirtualClock
from pipex_core.evals.asking import Courtroom, ruling_of
from pipex_core.llm.client import LlmClient, NullCallLog
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Request, Response
from pipex_core.metrics.contract import Corpus, MetricInput, Scored, Unscored
from pipex_core.metrics.judge_pairwise import Pairwise
from pipex_core.metrics.judge_reply import Said
from pipex_core.stats.agreement import cohen_kappa
from pipex_core.telemetry import NullSink
from tests.fakes.clock import start
from tests.fakes.judges import judge, metric_of, opinion
from tests.fakes.provider import ScriptedProvider
from tests.fakes.world import prices

# SOURCE.md: GPT-4 Vanilla with rules, accuracy over both orders and agreement of the orders, in percent.
published = {
    "Natural": (95.5, 95.0),
    "Neighbor": (78.7, 93.3),
    "GPTInst": (86.4, 94.6),
    "GPTOut": (77.7, 93.6),
    "Manual": (80.4, 82.6),
}
place_of = {True: {"1": "first", "2": "second"}, False: {"1": "second", "2": "first"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """A pair, which answer people prefer, and what a judge said in both orders."""

    pair: Mapping[str, Any]
    verdict: Mapping[str, Any]

    @property
    def item(self) -> MetricInput:
        pair = self.pair
        return MetricInput(
            output=pair["output_1"],
            other=pair["output_2"],
            input=pair["input"],
            query=pair["input"],
        )

    @property
    def is_parsed(self) -> bool:
        return None not in (self.verdict["winner"], self.verdict["winner_swapped"])

    def said(self) -> tuple[Said, Said]:
        first = place_of[True][self.verdict["winner"]]
        return Said(label=first), Said(label=place_of[False][self.verdict["winner_swapped"]])


@pytest.fixture(scope="module")
def duels(shared_dir: Path) -> Mapping[tuple[str, str], list[Duel]]:
    """Judge and subset to its duels."""
    folder = shared_dir / "data" / "llmbar"
    pairs = {pair["id"]: pair for pair in lines((folder / "instances.jsonl").read_bytes())}
    found = defaultdict(list)
    for verdict in lines(gzip.decompress((folder / "verdicts.jsonl.gz").read_bytes())):
        pair = pairs[verdict["id"]]
        found[verdict["evaluator"], pair["set"]].append(Duel(pair=pair, verdict=verdict))
    return found


@pytest.fixture(scope="module")
def statistics(shared_dir: Path) -> list[dict[str, Any]]:
    path = shared_dir / "data" / "llmbar" / "recorded_statistics.jsonl"
    return list(lines(path.read_bytes()))


def lines(data: bytes) -> Iterator[Any]:
    return map(json.loads, data.decode("utf-8").splitlines())


def scores(found: list[Duel]) -> list[tuple[MetricInput, Scored]]:
    rows = []
    for duel in found:
        score, _ = opinion("pairwise", duel.item, *duel.said())
        assert isinstance(score, Scored)
        rows.append((duel.item, score))
    return rows


def test_consistency_and_accuracy_of_every_judge_are_the_recorded_ones(
    duels: Mapping[tuple[str, str], list[Duel]], statistics: list[dict[str, Any]]
) -> None:
    metric = metric_of("pairwise")
    checked = 0
    for row in statistics:
        found = duels[row["evaluator"], row["set"]]
        if not all(duel.is_parsed for duel in found):
            continue
        rows = scores(found)
        corpus = metric.aggregate(rows)
        assert isinstance(corpus, Corpus)
        count, of = row["equal"].partition("=")[0].split("/")
        assert corpus.submetrics["position_consistency"] == pytest.approx(int(count) / int(of))
        ties = sum(score.label == "tie" for _, score in rows)
        assert ties == int(of) - int(count)  # inconsistent pairs are ties, and there are no others
        right = sum(accuracy(duel, score) for duel, (_, score) in zip(found, rows, strict=True))
        assert (
            f"{right / len(found):.1%}" == f"{float(row['correct_average'].rstrip('%')) / 100:.1%}"
        )
        checked += 1
    assert checked == 71  # of 98; in the others some verdicts could not be parsed


def accuracy(duel: Duel, score: Scored) -> float:
    """Share of the two orders that name the answer people prefer."""
    shown_first, shown_second = score.details["orders"]
    wanted: str = str(duel.pair["label"])
    right = [shown_first == place_of[True][wanted], shown_second == place_of[False][wanted]]
    return right.count(True) / 2


def test_the_kappa_between_the_orders_is_the_recorded_one(
    duels: Mapping[tuple[str, str], list[Duel]], statistics: list[dict[str, Any]]
) -> None:
    checked = 0
    for row in statistics:
        found = duels[row["evaluator"], row["set"]]
        if not row["evaluator"].startswith("GPT-4") or not all(duel.is_parsed for duel in found):
            continue
        plain = [duel.verdict["winner"] for duel in found]
        swapped = [duel.verdict["winner_swapped"] for duel in found]
        kappa = cohen_kappa(plain, swapped)
        assert kappa is not None
        assert kappa.value == pytest.approx(row["kappa_agreement"], abs=1e-9)
        checked += 1
    assert checked >= 15


def test_the_kappa_with_people_is_that_of_scikit_learn(
    duels: Mapping[tuple[str, str], list[Duel]],
) -> None:
    found = [duel for subset in published for duel in duels["GPT-4/Vanilla", subset]]
    people = [str(duel.pair["label"]) for duel in found]
    model = [duel.verdict["winner"] for duel in found]
    kappa = cohen_kappa(people, model)
    assert kappa is not None
    assert kappa.value == pytest.approx(cohen_kappa_score(people, model), abs=1e-9)
    assert kappa.n == 419


def test_the_published_figures_of_gpt4_come_out(
    duels: Mapping[tuple[str, str], list[Duel]],
) -> None:
    for subset, (right, agreed) in published.items():
        found = duels["GPT-4/Vanilla", subset]
        rows = scores(found)
        corpus = metric_of("pairwise").aggregate(rows)
        assert corpus is not None
        share = sum(accuracy(d, s) for d, (_, s) in zip(found, rows, strict=True)) / len(found)
        assert 100 * share == pytest.approx(right, abs=0.05001)
        assert 100 * corpus.submetrics["position_consistency"] == pytest.approx(agreed, abs=0.05)


def test_a_judge_with_a_taste_for_the_first_place_is_found_out(
    duels: Mapping[tuple[str, str], list[Duel]],
) -> None:
    found = [duel for duel in duels["Falcon/Vanilla_NoRules", "GPTInst"] if duel.is_parsed]
    corpus = metric_of("pairwise").aggregate(scores(found))
    assert corpus is not None
    first = sum(duel.verdict["winner"] == "1" for duel in found)
    first += sum(duel.verdict["winner_swapped"] == "2" for duel in found)
    assert corpus.submetrics["first_position_preference"] == pytest.approx(first / (2 * len(found)))
    assert corpus.submetrics["position_consistency"] < 0.75


def test_replies_that_nobody_can_read_are_no_verdicts(
    duels: Mapping[tuple[str, str], list[Duel]],
) -> None:
    """Through prompts, calls, repairs and votes: the recorded texts, as JSON where they were understood."""
    unread = [one for found in duels.values() for one in found if not one.is_parsed]
    read = duels["GPT-4/Vanilla", "Manual"][:20]
    rulings = asyncio.run(replayed([*unread, *read]))
    assert all(
        isinstance(score, Unscored) and score.code == "judge_parse"
        for score in rulings[: len(unread)]
    )
    expected = [score for _, score in scores(read)]
    assert rulings[len(unread) :] == expected


async def replayed(found: list[Duel]) -> list[Any]:
    metric = metric_of("pairwise")
    assert isinstance(metric, Pairwise)
    result = []
    for duel in found:
        provider = ScriptedProvider([recorded(duel)], name="mock")
        clock = VirtualClock(start)
        client = LlmClient(
            providers={"mock": provider},
            clock=clock,
            rng=random.Random(1),
            prices=PriceTable.from_text(prices),
        )
        room = Courtroom(
            metric="pairwise",
            client=client,
            log=NullCallLog(),
            ledger=Ledger(),
            retry=RetryPolicy(max_retries=0),
            sink=NullSink(),
        )
        result.append((await ruling_of(metric, judge, duel.item, room)).score)
    return result


def recorded(duel: Duel) -> Any:
    def reply(request: Request) -> Response:
        first = request.prompt.partition("BEGIN first_answer")[2].partition(">>>\n")[2]
        is_plain = first.startswith(duel.pair["output_1"] + "\n<<<END")
        winner = duel.verdict["winner" if is_plain else "winner_swapped"]
        raw = duel.verdict["raw" if is_plain else "raw_swapped"]
        if winner is None:
            return Response(text=raw or "(no text)")
        label = place_of[is_plain][winner]
        return Response(text=json.dumps({"reasoning": raw, "label": label}))

    return reply
