"""What judges said of answers, by score key: the score, the words and the votes behind it, and its price."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.results import is_open
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Score, Scored, Unscored

most_explained: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One verdict of a judge.

    Attributes:
        explanation: What the judge wrote, cut at 4 000 characters.
        votes: One map per vote.
        cost_nanousd: Of the replies that it is made of, also of those found in the call cache.
        tokens: Of these replies.
        calls: Replies that it is made of.
        noted_calls: Calls that cost nothing and are journalled beside the ruling; see ``callrows``.
    """

    score: Score
    explanation: str | None = None
    votes: Sequence[Mapping[str, Json]] = ()
    cost_nanousd: int = 0
    tokens: int = 0
    calls: int = 0
    noted_calls: Sequence[Mapping[str, Json]] = field(default=(), compare=False)

    @property
    def is_final(self) -> bool:
        """Would asking again make no sense?"""
        code = self.score.code if isinstance(self.score, Unscored) else None
        return not is_open(status="scored" if code is None else "unscored", code=code)

    def columns(self) -> dict[str, Json]:
        """Columns of the score's row that only judged metrics fill."""
        return {
            "explanation": self.explanation,
            "judge_votes": [dict(vote) for vote in self.votes] or None,
            "judge_cost_nanousd": self.cost_nanousd,
        }

    def stored(self) -> dict[str, Json]:
        """JSON for the journal."""
        return {
            "score": _score_document(self.score),
            "explanation": self.explanation,
            "votes": [dict(vote) for vote in self.votes],
            "cost_nanousd": self.cost_nanousd,
            "tokens": self.tokens,
            "calls": self.calls,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Json]) -> "Ruling":
        """The ruling that ``stored`` came from."""
        return cls(**{**stored, "score": _score_from(stored["score"])})


Rulings = Callable[[str], Ruling | None]


def no_rulings(key: str) -> None:
    """Nobody was asked."""
    del key


def rulings_in(scores: pa.Table) -> Rulings:
    """What stored rows say that no key carries over: judgements that are still open, as they were left."""
    wanted = pc.and_(pc.is_valid(scores["judge_id"]), pc.is_null(scores["submetric"]))
    names = ("score_key", "status", "code", "reason", "explanation", "judge_cost_nanousd")
    rows = scores.select(names).filter(wanted).to_pylist()
    known = {
        row["score_key"]: Ruling(
            score=Unscored(code=row["code"], reason=row["reason"] or ""),
            explanation=row["explanation"],
            cost_nanousd=row["judge_cost_nanousd"],
        )
        for row in rows
        if row["status"] == "unscored"
    }
    return known.get


def _score_document(score: Score) -> dict[str, Json]:
    if isinstance(score, Unscored):
        return {"code": score.code, "reason": score.reason}
    return {
        "value": score.value,
        "label": score.label,
        "details": dict(score.details),
        "submetrics": dict(score.submetrics),
    }


def _score_from(document: Mapping[str, Json]) -> Score:
    return Unscored(**document) if "code" in document else Scored(**document)
