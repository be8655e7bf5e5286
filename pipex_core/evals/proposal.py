"""A change that is proposed for a suite: how it came about, and the diff that ``pipex suite apply`` takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pipex_core.evals.suitediff import SuiteDiff
from pipex_core.jsonvalue import Json

schema_name: Final = "pipex.proposal/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed change.

    Attributes:
        origin: Where the cases come from.
        stages: What each stage took in and let through, in order.
        diff: From the suite as it stands to the suite as it would be.
        facts: What else the origin has to say, by field of the document.
        problem: Why the proposal is less than was asked for, as ``{code, message}``; None when it is not.
    """

    origin: Literal["logs", "generator"]
    stages: tuple[Mapping[str, Json], ...]
    diff: SuiteDiff
    facts: Mapping[str, Json] = field(default_factory=dict)
    problem: Mapping[str, Json] | None = None

    @property
    def added(self) -> int:
        """Cases that the suite would gain."""
        return len(self.diff.added)

    def as_json(self) -> dict[str, Json]:
        """The document."""
        return {
            "schema": schema_name,
            "origin": self.origin,
            "stages": [dict(stage) for stage in self.stages],
            **self.facts,
            "problem": None if self.problem is None else dict(self.problem),
            "diff": self.diff.as_json(),
        }
