"""The names that an expression may use, nearest first (sections 5.3 and 26)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pipex_core.expressions.records import StepEntry, Steps
from pipex_core.expressions.values import Undefined, undefined
from pipex_core.jsonvalue import Json

Names = Mapping[str, Json]

_root_names: Final = {"vars": "variables", "inputs": "inputs", "steps": "steps"} | {
    name: name for name in ("global_vars", "loop", "workflow", "run", "step")
}
_roots: Final = {**_root_names, "state": "variables", "variables": "variables"}
_built_ins: Final = {"timestamp": "timestamp", "date": "date", "run_id": "id", "execution_id": "id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Names and what they mean at one place of a run; the mappings are never changed from here.

    A root that is None does not exist: a local name or an item's field of that name is then reached
    even with a path behind it.

    Attributes:
        local: Iterators of the enclosing loops and other names that win over all that follow.
        loop: The ``loop`` map of the innermost loop.
        variables: Loop, session and global variables, the nearer ones already over the others.
        steps: Step name to record (section 16.1) or plain data.
        aliases: Output field to the name of the step whose result it is.
        run: ``id``, ``timestamp`` and ``date``, which also answer as built-in names.
        step: ``name``, ``type`` and ``attempt`` of the step that is running.
        now: The wall clock, for ``now()`` and ``date()``; None where there is none.
    """

    local: Names = field(default_factory=dict)
    loop: Names | None = None
    variables: Names | None = None
    inputs: Names | None = None
    steps: Names | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    global_vars: Names | None = None
    workflow: Names | None = None
    run: Names | None = None
    step: Names | None = None
    now: Callable[[], datetime] | None = None

    @classmethod
    def of(cls, names: "Scope | Names", *, now: Callable[[], datetime] | None = None) -> "Scope":
        """The scope of a plain map with any of the roots; its other keys are local names."""
        if isinstance(names, Scope):
            return names
        roots = {
            field_name: names[root]
            for root, field_name in _root_names.items()
            if isinstance(names.get(root), Mapping)
        }
        local = {name: value for name, value in names.items() if name not in _root_names}
        return cls(local=local, now=now, **roots)

    def with_local(self, names: Names) -> "Scope":
        """This scope with more local names, which win over those it has."""
        return replace(self, local={**self.local, **names})

    def find(self, name: str) -> Json | StepEntry | Steps | Undefined:
        """What a bare name means."""
        if name in self.local:
            return self.local[name]
        if name == "loop" and self.loop is not None:
            return self.loop
        for names in (self.variables, self.inputs):
            if names is not None and name in names:
                return names[name]
        found = self.previous(name)
        if found is not undefined:
            return found
        for names, key in ((self.global_vars, name), (self.run, _built_ins.get(name))):
            if names is not None and key is not None and key in names:
                return names[key]
        return self.root(name)

    def root(self, name: str) -> Json | Steps | Undefined:
        """What a root means, or undefined when ``name`` is no root of this scope."""
        if name == "steps":
            return self._entries() or undefined
        home = _roots.get(name)
        found = getattr(self, home) if home is not None else None
        return undefined if found is None else found

    def previous(self, name: str) -> Json | StepEntry | Undefined:
        """What ``previous_response:name`` means: a step, else a result of that name."""
        steps = self._entries()
        if steps is None:
            return undefined
        found = steps.find(name)
        return steps.aliased(name) if found is undefined else found

    def names(self) -> Iterator[str]:
        """Every bare name that means something, for messages."""
        yield from self.local
        for names in (self.variables, self.inputs, self.steps, self.aliases, self.global_vars):
            yield from names or ()
        yield from (root for root in _root_names if self.root(root) is not undefined)

    def _entries(self) -> Steps | None:
        return None if self.steps is None else Steps(entries=self.steps, aliases=self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemNames:
    """The item of a predicate or operation; the fields of a map item come first.

    Attributes:
        value: What ``value`` means, or undefined where it means nothing.
    """

    item: Json
    value: Json = undefined

    def find(self, name: str) -> Json:
        """What a bare name means, or undefined."""
        if isinstance(self.item, Mapping) and name in self.item:
            return self.item[name]
        if name == "item":
            return self.item
        return self.value if name == "value" else undefined
