"""How a step looks to expressions: record fields first, then its data (section 5.4).

Record fields win over equal names in the data, because a model must not be able to claim
``success``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipex_core.expressions.paths import dotted, step
from pipex_core.expressions.values import Undefined, to_text, undefined
from pipex_core.jsonvalue import Json

record_fields: Final[Mapping[str, str]] = {
    "success": "success",
    "skipped": "skipped",
    "error": "error",
    "text": "text",
    "content": "text",
    "data": "data",
    "cost": "cost_usd",
    "tokens": "tokens",
    "model": "model",
    "duration_ms": "duration_ms",
    "degraded": "degraded",
    "attempts": "attempts",
    "metadata": "metadata",
}
_kept: Final = frozenset({"results", "steps", "tasks"})
_marks: Final = ("name", "type", "status", "success")


def is_record(entry: Json) -> bool:
    """Whether a value under ``steps`` is a step record; everything else is plain data."""
    return isinstance(entry, Mapping) and all(mark in entry for mark in _marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """A step named by an expression: more than its value as long as a path may follow.

    Attributes:
        entry: Record or plain data.
        result_name: Another name of its result (``output_field``), or an empty string.
    """

    entry: Json
    result_name: str = ""

    def value(self) -> Json:
        """What the step stands for as an operand: its data if not null, else its text."""
        if not is_record(self.entry):
            return self.entry
        data = self.entry.get("data")
        return self.entry.get("text") if data is None else data

    def text(self) -> str:
        """What the step is inside a text: its text if it has one, else the text of its value."""
        if is_record(self.entry) and isinstance(self.entry.get("text"), str):
            return str(self.entry["text"])
        return to_text(self.value())

    def dotted(self, name: str, index: int | None = None) -> Json | Undefined:
        """``steps.s.name`` and ``steps.s.0``."""
        if name == self.result_name:
            return self.value()
        if not is_record(self.entry):
            found = dotted(self.entry, name, index)
            return self.entry if found is undefined and name == "result" else found
        if name == "result":
            return self.value()
        if name in record_fields:
            return self.entry.get(record_fields[name])
        return self._or_null(dotted(self.value(), name, index))

    def index(self, key: Json) -> Json | Undefined:
        """``steps.s[key]``; texts mean the same as behind a dot, but for ``length``."""
        if isinstance(key, str) and (key in record_fields or key in {"result", self.result_name}):
            return self.dotted(key)
        if not is_record(self.entry):
            return step(self.entry, key)
        return self._or_null(step(self.value(), key))

    def _or_null(self, found: Json | Undefined) -> Json | Undefined:
        """A skipped or failed step lacks fields by nature; reading them is no slip of the author."""
        if found is undefined and self.entry.get("status") != "succeeded":
            return None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The root ``steps``.

    Attributes:
        entries: Step name to record or plain data.
        aliases: Output field to the name of the step whose result it is.
    """

    entries: Mapping[str, Json]
    aliases: Mapping[str, str]

    def find(self, name: str) -> StepEntry | Undefined:
        """The step of that name."""
        if name not in self.entries:
            return undefined
        result_name = next((alias for alias, step in self.aliases.items() if step == name), "")
        return StepEntry(entry=self.entries[name], result_name=result_name)

    def aliased(self, name: str) -> Json | Undefined:
        """The result that is called ``name``."""
        found = self.find(self.aliases.get(name, ""))
        return undefined if found is undefined else found.value()

    def dotted(self, name: str, index: int | None = None) -> Json | Undefined:
        """``steps.name``."""
        found = self.find(name)
        return dotted(self.entries, name, index) if found is undefined else found

    def index(self, key: Json) -> Json | Undefined:
        """``steps[key]``."""
        return self.find(key) if isinstance(key, str) else undefined


def kept_steps(name: str, found: "Json | StepEntry | Steps | Undefined") -> Json:
    """``found``, or the steps in it: the records that a composite step keeps are seen as steps too.

    Loops and switches keep them as ``results``, nested pipelines and tasks in their metadata.
    """
    if name not in _kept or not isinstance(found, Mapping) or not found:
        return found
    if all(map(is_record, found.values())):
        return Steps(entries=found, aliases={})
    return found


def fields_of(seen: Json) -> Iterator[str]:
    """The fields that a path could go on with, for messages."""
    if isinstance(seen, Steps):
        yield from seen.entries
    elif isinstance(seen, StepEntry):
        if is_record(seen.entry):
            yield from record_fields
        yield from fields_of(seen.value())
    elif isinstance(seen, Mapping):
        yield from (key for key in seen if isinstance(key, str))
