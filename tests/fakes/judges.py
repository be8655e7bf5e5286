"""Judges in one line: an opinion run against a list of replies, benches, and rules of a mock that judges."""

from collections.abc import Sequence
from typing import Any

from pipex_core.evals.judgefile import Bench
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Score, Scored, Unscored
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.judge import Judge, JudgeMetric, Member, Vote
from pipex_core.metrics.judge_prompt import Question
from pipex_core.metrics.judge_reply import Said
from tests.fakes.metrics import entry_of

judge = Judge(id="j", members=[Member(provider="mock", model="j-1")], fingerprint="f" * 64)


def metric_of(raw: Json) -> JudgeMetric:
    """The judge metric that one raw entry names."""
    metric = entry_of(raw).metric
    assert isinstance(metric, JudgeMetric)
    return metric


def opinion(raw: Json, item: MetricInput, *said: Said) -> tuple[Score, list[Question]]:
    """The score of a metric whose judge gives these replies in turn, and what it asked."""
    run = metric_of(raw).opinion(item)
    asked: list[Question] = []
    try:
        question = next(run)
        for reply in said:
            asked.append(question)
            question = run.send(reply)
    except StopIteration as end:
        score: Score = end.value
        assert len(asked) == len(said), "fewer questions than replies"
        return score, asked
    raise AssertionError(f"there is no reply to {question.template.name}")


def value(raw: Json, item: MetricInput, *said: Said) -> float:
    """The number of such a score."""
    score, _ = opinion(raw, item, *said)
    assert isinstance(score, Scored), score
    return score.value


def vote(score: float | str, label: str | None = None, **details: Any) -> Vote:
    """A vote with a number, or with a code."""
    if isinstance(score, str):
        return Vote(model="m", score=Unscored(code=score, reason=f"because of {score}"))
    return Vote(model="m", score=Scored(value=score, label=label, **details))


def bench(**fields: Any) -> Bench:
    """A bench on which the mock answers for everybody, and ``j-1`` judges where nobody is named."""
    known: dict[str, Any] = {
        "vendor_of": lambda model: "gemini" if model.startswith("gemini") else "anthropic",
        "vendors": {"anthropic": "mock", "gemini": "mock"},
        "adapters": {"mock": 1},
        "default_model": "j-1",
    }
    return Bench(**{**known, **fields})


def live_bench(**fields: Any) -> Bench:
    """A bench on which the vendors answer for themselves."""
    return bench(vendors={}, adapters={"anthropic": 3, "gemini": 2}, **fields)


def seated(raw: Json, with_judge: Judge = judge) -> Entry:
    """The entry with a judge."""
    return entry_of(raw).judged_by(with_judge)


def ruling_of_the_mock(step: str, reply: Json, **when: Json) -> dict[str, Json]:
    """A rule of the mock for a judge."""
    return {"when": {"type": "judge", "step": step, **when}, "json": reply, "cost": 0.001}


def scored(reasoning: str, score: float) -> dict[str, Json]:
    """A reply on a scale."""
    return {"reasoning": reasoning, "score": score}


def replies(texts: Sequence[Json], **when: Json) -> dict[str, Json]:
    """A rule of the mock that answers a judge's calls in turn."""
    found = [{"reply": one} if isinstance(one, str) else {"json": one} for one in texts]
    return {"when": {"type": "judge", **when}, "replies": found, "cost": 0.001}
