"""What earlier runs already know: stored answers and scores by their keys.

Only final rows are found, and only rows that still hash to what they say: a damaged row is a miss. The
rows stay in Arrow and become objects a few hundred at a time, where a run walks over them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.answers import Answer, shared_columns
from pipex_core.evals.keys import response_hash
from pipex_core.evals.results import is_open
from pipex_core.jsonvalue import Json, parse

rows_per_chunk = 256
_taken_out = re.compile(r"\[(?:redacted:[^\]]+|[A-Z][A-Z0-9_]*_[0-9]+)\]")
chunks_kept = 64

_answer_columns = (*shared_columns, "origin_run_id")
_response_columns = ("response_hash", "status", "output", "output_json", *_answer_columns)
_score_columns = (
    *("submetric", "status", "code", "reason", "score", "label", "explanation", "details"),
    *("judge_id", "judge_fingerprint", "judge_certificate", "judge_votes", "judge_cost_nanousd"),
    *("duration_ms", "origin_run_id"),
)


class CarryIndex:
    """Final rows of earlier runs; the first table that has a key wins.

    Attributes:
        damaged: Response keys whose row no longer hashes to what it says.
        left_out: What was to be indexed and could not be read, in words.
    """

    def __init__(
        self,
        *,
        responses: Iterable[pa.Table] = (),
        scores: Iterable[pa.Table] = (),
        left_out: Sequence[str] = (),
    ) -> None:
        """Index the tables, newest first, in the present schema.

        ``left_out`` may grow while the tables are taken.
        """
        self.left_out = left_out
        self.damaged: list[str] = []
        self._responses = [table.select(_response_index) for table in responses]
        self._scores = [table.select(_score_index) for table in scores]
        self._answers: dict[str, tuple[int, int]] = {}
        self._marks: dict[str, tuple[int, int, int]] = {}
        self._index_responses()
        self._index_scores()
        self._chunk = lru_cache(maxsize=chunks_kept)(self._read_chunk)

    def answer(self, key: str) -> Answer | None:
        """The stored answer under a response key, marked as carried, or None."""
        place = self._answers.get(key)
        if place is None:
            return None
        row = self._row("responses", *place)
        is_kept_whole = not _is_redacted(row)
        if row["output"] is None and row["class"] == "observed" and is_kept_whole:
            is_dropped = row["status"] != "model_refusal"
            if is_dropped:
                return None  # A text that nobody kept cannot be measured again.
        stored = response_hash(
            status=row["status"],
            output=row["output"],
            output_json=_value(row["output_json"]),
            has_output_json=row["output_json"] is not None,
            tool_calls=_value(row["tool_calls"]),
        )
        if is_kept_whole and stored != row["response_hash"]:
            self.damaged.append(key)
            return None
        return Answer(
            status=row["status"],
            text=row["output"],
            json=_value(row["output_json"]),
            has_json=row["output_json"] is not None,
            cache="carried",
            original_hash=None if stored == row["response_hash"] else row["response_hash"],
            **{
                **{name: row[name] for name in _answer_columns},
                "tool_calls": _value(row["tool_calls"]),
            },
        )

    def scores(self, key: str) -> Sequence[Mapping[str, Json]] | None:
        """The stored rows under a score key, the metric itself first, or None.

        JSON columns hold values, not text.
        """
        place = self._marks.get(key)
        if place is None:
            return None
        number, start, count = place
        return [self._row("scores", number, start + i) for i in range(count)]

    def _index_responses(self) -> None:
        for number, table in enumerate(self._responses):
            keys = table["response_key"].to_pylist()
            words = table["class"].cast(pa.string()).to_pylist()
            for row, (key, word) in enumerate(zip(keys, words, strict=True)):
                if word != "missing":
                    self._answers.setdefault(key, (number, row))

    def _index_scores(self) -> None:
        for number, table in enumerate(self._scores):
            columns = [table[name].to_pylist() for name in ("score_key", "status", "code")]
            first = pc.is_null(table["submetric"]).to_pylist()
            heads = [row for row, is_head in enumerate(first) if is_head]
            keys, statuses, codes = columns
            for head, following in zip(heads, [*heads[1:], table.num_rows], strict=True):
                if not is_open(status=statuses[head], code=codes[head]):
                    self._marks.setdefault(keys[head], (number, head, following - head))

    def _row(self, kind: str, number: int, row: int) -> Mapping[str, Json]:
        chunk, within = divmod(row, rows_per_chunk)
        return self._chunk(kind, number, chunk)[within]

    def _read_chunk(self, kind: str, number: int, chunk: int) -> Sequence[Mapping[str, Json]]:
        tables = self._responses if kind == "responses" else self._scores
        part = tables[number].slice(chunk * rows_per_chunk, rows_per_chunk)
        rows: list[Mapping[str, Json]] = part.to_pylist()
        return rows


_response_index = ("response_key", "class", *_response_columns)
_score_index = ("score_key", *_score_columns)


def _is_redacted(row: Mapping[str, Json]) -> bool:
    """Whether secrets or personal data were taken out of what an answer said."""
    said = (row[name] for name in ("output", "output_json", "tool_calls"))
    return any(text is not None and _taken_out.search(text) for text in said)


def _value(text: str | None) -> Json:
    return None if text is None else parse(text)
