"""Sessions: named lists of turns that later steps, and later runs, go on with.

A session is a value; what a step adds is a new value, stored whole when the step has succeeded. So a
failed attempt adds nothing, and a turn is never kept without the one that it answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from pipex_core.errors import StepError, StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest, parse, short
from pipex_core.llm.provider import Message
from pipex_core.ports import BlobStore, key_part

session_schema: Final = "pipex.session/1"
longest_shown_name: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing said.

    Attributes:
        step: Path of the step that said or asked it.
        cost_nanousd: Of the call that gave an assistant turn; 0 for a user turn.
    """

    role: Literal["user", "assistant"]
    text: str
    step: str
    run_id: str
    cost_nanousd: int = 0

    def as_json(self) -> dict[str, Json]:
        """The turn as people see it, money in USD."""
        return {
            "role": self.role,
            "text": self.text,
            "step": self.step,
            "run_id": self.run_id,
            "cost_usd": self.cost_nanousd / 1_000_000_000,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A named list of turns, oldest first; user and assistant take turns."""

    name: str
    turns: Sequence[Turn] = ()

    @property
    def exchanges(self) -> int:
        """Pairs of a user turn and its answer."""
        return sum(turn.role == "assistant" for turn in self.turns)

    @property
    def cost_nanousd(self) -> int:
        """Of all calls that its answers came from."""
        return sum(turn.cost_nanousd for turn in self.turns)

    def check_room(self, max_turns: int) -> None:
        """Pass when one more exchange is allowed.

        Raises:
            StepError: ``session_limit``; to be asked before any call.
        """
        if self.exchanges >= max_turns:
            raise StepError(
                f"session {self.name!r} has had its {max_turns} exchanges; raise max_turns",
                code="session_limit",
            )

    def with_exchange(
        self, *, asked: str, answered: str, step: str, run_id: str, cost_nanousd: int
    ) -> Self:
        """The session after one more exchange."""
        user = Turn(role="user", text=asked, step=step, run_id=run_id)
        answer = Turn(
            role="assistant",
            text=answered,
            step=step,
            run_id=run_id,
            cost_nanousd=cost_nanousd,
        )
        return replace(self, turns=(*self.turns, user, answer))

    def kept(self, *, run_id: str, is_finished: Callable[[str], bool]) -> Self:
        """The session without turns that steps of a run added which did not finish.

        What other runs added stays.
        """
        turns = [t for t in self.turns if t.run_id != run_id or is_finished(t.step)]
        return replace(self, turns=tuple(turns))

    def messages(self) -> Sequence[Message]:
        """The turns as they stand before the next request of the session."""
        return tuple(Message(role=turn.role, text=turn.text) for turn in self.turns)

    def last_n(self, count: int) -> str:
        """The last turns as ``role: text`` lines, oldest first; empty without any."""
        recent = self.turns[len(self.turns) - count :] if count < len(self.turns) else self.turns
        return "\n".join(f"{turn.role}: {turn.text}" for turn in recent)

    def stored(self) -> dict[str, Json]:
        """The session as it is kept."""
        return {
            "schema": session_schema,
            "name": self.name,
            "turns": [_turn_json(turn) for turn in self.turns],
        }

    @classmethod
    def from_stored(cls, document: Mapping[str, Json]) -> Self:
        """The session that ``stored`` wrote.

        Raises:
            StoreError: ``schema_too_new``, or ``storage_error`` for what is no session.
        """
        schema = document.get("schema")
        if schema != session_schema:
            raise StoreError(
                f"the session has the schema {schema!r}, this pipex knows {session_schema!r}",
                code="schema_too_new",
            )
        try:
            turns = tuple(Turn(**turn) for turn in document["turns"])
            return cls(name=document["name"], turns=turns)
        except (KeyError, TypeError) as exc:
            raise StoreError(f"a stored session cannot be read: {exc}") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One exchange as a step gives it to later steps: the user turn and its answer.

    Attributes:
        persists: Whether later runs go on with it.
        is_fresh: Whether the session began in this run, whatever earlier runs had kept of it.
    """

    session: str
    turns: Sequence[Turn]
    persists: bool = True
    is_fresh: bool = False

    def stored(self) -> dict[str, Json]:
        """The exchange as records keep it."""
        return {
            "session": self.session,
            "turns": [_turn_json(turn) for turn in self.turns],
            "persists": self.persists,
            "is_fresh": self.is_fresh,
        }

    @classmethod
    def from_stored(cls, document: Mapping[str, Json]) -> Self:
        """The exchange that ``stored`` wrote."""
        turns = tuple(Turn(**turn) for turn in document["turns"])
        return cls(**{**document, "turns": turns})


class SessionStore:
    """Sessions that outlive a run, in a blob store below ``sessions/``.

    One session is written by one run at a time: the last one to save it wins.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def load(self, name: str) -> Session:
        """The session; an empty one when it was never saved.

        Raises:
            StoreError: It is damaged, of a newer program, or cannot be read.
        """
        key = session_key(name)
        if not self._blobs.exists(key):
            return Session(name=name)
        try:
            document = parse(self._blobs.get(key).decode("utf-8"))
        except ValueError as exc:
            raise StoreError(f"session {name!r} is damaged: {exc}") from exc
        if not isinstance(document, Mapping):
            raise StoreError(f"session {name!r} is damaged: it is no object")
        return Session.from_stored(document)

    def save(self, session: Session) -> None:
        """Keep the session, whole or not at all."""
        self._blobs.put(session_key(session.name), canonical_bytes(session.stored()))


def _turn_json(turn: Turn) -> dict[str, Json]:
    return {
        "role": turn.role,
        "text": turn.text,
        "step": turn.step,
        "run_id": turn.run_id,
        "cost_nanousd": turn.cost_nanousd,
    }


def session_key(name: str) -> str:
    """Key of a session: readable, and different for different names."""
    shown = key_part(name)[:longest_shown_name]
    return f"sessions/{shown}-{short(digest(name))}.json"
