"""What a suite lets be kept of the texts of a run: everything but secrets, no personal data, or no text.

Answers are scored and hashed as they were given. What is kept of them passes through here on its way to
the journal and to the tables: secrets are taken out always, personal data when the suite says so, and
with ``drop`` nothing but hashes and numbers stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import pyarrow as pa

from pipex_core.errors import ConfigError
from pipex_core.evals.answers import Answer, cleaned, without_secrets
from pipex_core.evals.columns import column_of, redacted
from pipex_core.evals.keys import response_hash
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.suite import Suite
from pipex_core.jsonvalue import canonical, parse

Mode = Literal["keep", "redact", "drop"]
_json_columns: Final = frozenset({"output_json", "tool_calls", "details", "judge_votes"})
# What a target or a metric said. What a case says passes when its row is made.
_said_in: Final[Mapping[str, tuple[str, ...]]] = {
    "responses": ("output", "output_json", "tool_calls", "error"),
    "scores": ("reason", "label", "explanation", "details", "judge_votes"),
}
_dropped_of: Final[Mapping[str, tuple[str, ...]]] = {
    "responses": (*_said_in["responses"], "input", "expected", "metadata"),
    "scores": ("explanation", "details", "judge_votes"),
}
# What ``drop`` leaves of a text: where a table knows no null, an empty text.
_dropped: Final[Mapping[str, str | None]] = {"input": "", "metadata": "{}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """How texts of a run are kept.

    Attributes:
        redact: Takes secrets, and personal data where the suite says so, out of one text.
        drops: No text is kept at all.
    """

    redact: Callable[[str], str] = str
    drops: bool = False

    def answer(self, answer: Answer) -> Answer:
        """The answer as a journal keeps it; with the hash of the original where that is another."""
        kept = without_secrets(answer, self.redact)
        if self.drops and answer.text is not None:
            kept = replace(kept, text=None, json=None, has_json=False, tool_calls=None, error=None)
        if kept is answer:
            return answer
        return replace(kept, original_hash=answer.original_hash or hash_of(answer))

    def table(self, name: Literal["responses", "scores"], table: pa.Table) -> pa.Table:
        """A table of a run as it is kept."""
        if self.redact is str and not self.drops:
            return table
        dropped = _dropped_of[name] if self.drops else ()
        for column in dict.fromkeys((*_said_in[name], *dropped)):
            place = table.schema.get_field_index(column)
            field = table.schema.field(place)
            if column in dropped:
                values = [_dropped.get(column)] * table.num_rows
                clean = pa.chunked_array([column_of(values, field.type)])
            else:
                known = self._json if column in _json_columns else self.redact
                clean = redacted(table[column], known)
            table = table.set_column(place, field, clean)
        return table

    def _json(self, text: str) -> str:
        """JSON text with its texts redacted; as it stands when there is nothing to redact."""
        return text if self.redact(text) == text else canonical(cleaned(parse(text), self.redact))


def hash_of(answer: Answer) -> str:
    """What an answer says, as it was given."""
    if answer.original_hash is not None:
        return answer.original_hash
    return response_hash(
        status=answer.status,
        output=answer.text,
        output_json=answer.json,
        has_output_json=answer.has_json,
        tool_calls=answer.tool_calls,
    )


def privacy_of(suite: Suite, redact: Callable[[str], str]) -> Privacy:
    """How the texts of a run of a suite are kept.

    Args:
        suite: Its field ``privacy`` says what becomes of personal data.
        redact: Takes secrets out of a text.

    Raises:
        ConfigError: ``bad_option``, personal data shall be hashed and nobody gave a key.
    """
    match suite.extra.get("privacy") or "keep":
        case "keep":
            return Privacy(redact=redact)
        case "redact":
            scrub = Scrubber().text
            return Privacy(redact=lambda text: scrub(redact(text)))
        case "hash":
            # Without a key anybody could try all phone numbers, and a run has none.
            message = (
                f"suite {suite.id}: privacy: hash needs a key, which an evaluation does not have"
            )
            step = "write privacy: redact or drop, or hash the cases with pipex suite from-logs"
            raise ConfigError(message, code="bad_option", next_step=step)
        case _:
            return Privacy(redact=redact, drops=True)
