"""Scores kept beside an answer in the journal, where what is kept of the answer is not what was said.

A score is that of the original. Once secrets or personal data are out of it, the original is gone with
its process, so the scores are computed before and a resumed run takes them from the journal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.evals.answers import Answer, cleaned
from pipex_core.evals.job import EvalJob
from pipex_core.evals.privacy import Privacy
from pipex_core.evals.respond import Unit
from pipex_core.evals.results import is_open
from pipex_core.evals.scoring import Scoring, Stored
from pipex_core.evals.table import response_batch
from pipex_core.jsonvalue import Json

_columns: Final = (
    *("score_key", "submetric", "status", "code", "reason", "score", "label", "explanation"),
    *("details", "judge_votes", "judge_cost_nanousd", "duration_ms", "origin_run_id"),
)


class DurableScores:
    """Scores of answers whose text is not kept as it was: made for the journal, and found there again.

    Attributes:
        without_original: Answers whose original is gone; metrics that have no score of them yet see what
            was kept.
    """

    def __init__(self, job: EvalJob, privacy: Privacy, *, carried: Stored) -> None:
        self._job = job
        self._privacy = privacy
        self._carried = carried
        self._known: dict[str, list[Mapping[str, Json]]] = {}
        self.without_original = 0

    def kept(self, unit: Unit, answer: Answer) -> Answer:
        """What the journal keeps of an answer: the answer itself, or what may be kept and its scores."""
        clean = self._privacy.answer(answer)
        if clean is answer:
            return answer
        row = self._job.row_of(unit, answer, redact=self._privacy.redact)
        scoring = Scoring(self._job, carried=self._carried)
        scoring.add(response_batch([row]))
        rows = [
            {name: cleaned(one[name], self._privacy.redact) for name in _columns}
            for one in scoring.table().to_pylist()
            if one["level"] == "case" and not is_open(status=one["status"], code=one["code"])
        ]
        return replace(clean, scores=rows)

    def take(self, answer: Answer) -> None:
        """Remember the scores of an answer that was read back."""
        self.without_original += answer.original_hash is not None
        # Equal answers share keys: the rows of one of them are those of all.
        own: dict[str, list[Mapping[str, Json]]] = {}
        for row in answer.scores:
            own.setdefault(row["score_key"], []).append(row)
        self._known |= own

    def scores(self, key: str) -> Sequence[Mapping[str, Json]] | None:
        """The stored rows under a key, from the journal or from earlier runs; None without any."""
        return self._known.get(key) or self._carried(key)
