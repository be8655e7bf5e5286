"""A table of names: what is built in, what plug-ins add, and the nearest word when a name is wrong.

Nothing is imported until somebody asks for it, and a name never means two things: a plug-in that
takes a name that exists is refused.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Generic, TypeVar, cast

from pipex_core.errors import ConfigError


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs from ``word`` by at most two edits, or None.

    Of several equally near ones the first in sorted order is taken.
    """
    lowered = word.lower()
    best = min(
        ((_edits(lowered, candidate.lower(), limit=3), candidate) for candidate in sorted(known)),
        default=(3, ""),
    )
    return best[1] if best[0] <= 2 and best[0] < max(len(word), 1) else None  # noqa: PLR2004 - two edits are a slip, three a different word


def _edits(left: str, right: str, *, limit: int) -> int:
    """Damerau-Levenshtein distance (adjacent transpositions count one), capped at ``limit``."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return min(last[-1], limit)


def similar(word: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Up to ``count`` known words that look like ``word``, best first."""
    return difflib.get_close_matches(word, sorted(known), n=count, cutoff=0.6)


Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Names of one kind, each standing for ``"module:attr"``; read-only once made.

    Attributes:
        kind: What the names are, for messages: ``metric``, ``step type``.
    """

    def __init__(
        self,
        kind: str,
        targets: Mapping[str, str | Item],
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self._targets: Mapping[str, str | Item] = MappingProxyType(dict(targets))
        self._aliases: Mapping[str, str] = MappingProxyType(dict(aliases or {}))

    def __contains__(self, name: object) -> bool:
        return name in self._targets or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def __len__(self) -> int:
        return len(self._targets)

    def aliases(self) -> Mapping[str, str]:
        """Other names, each with the name it stands for."""
        return self._aliases

    def target(self, name: str) -> "str | Item":
        """What a name stands for, as it was given: ``"module:attr"`` or the thing itself."""
        return self._targets[name]

    def canonical(self, name: str) -> str:
        """The name that ``name`` stands for; itself when it is not an alias."""
        return self._aliases.get(name, name)

    def nearest(self, name: str) -> str | None:
        """The known name, alias or not, that ``name`` was probably meant to be, or None."""
        return nearest(name, [*self._targets, *self._aliases])

    def get(self, name: str) -> Item:
        """What the name stands for, imported now if it was not yet.

        Raises:
            ConfigError: The name is unknown (code ``unknown_<kind>``), or its module needs a
                library that is not installed (``dependency_missing``).
        """
        target = self._targets.get(self.canonical(name))
        if target is None:
            near = self.nearest(name)
            hint = f"; did you mean {near!r}?" if near else ""
            code = "unknown_" + self.kind.replace(" ", "_")
            raise ConfigError(f"unknown {self.kind} {name!r}{hint}", code=code)
        if not isinstance(target, str):
            return target
        module, _, attribute = target.partition(":")
        try:
            return cast("Item", getattr(import_module(module), attribute))
        except ImportError as exc:
            raise ConfigError(
                f"{self.kind} {name!r} needs a library that is not installed: {exc}",
                code="dependency_missing",
            ) from exc

    def with_items(self, more: Mapping[str, str | Item]) -> "Registry[Item]":
        """This registry and more names.

        Raises:
            ConfigError: ``duplicate_<kind>``, a name is taken.
        """
        for name in more:
            if name in self:
                code = "duplicate_" + self.kind.replace(" ", "_")
                raise ConfigError(f"the {self.kind} {name!r} exists already", code=code)
        return Registry(self.kind, {**self._targets, **more}, aliases=self._aliases)

    def with_plugins(self, group: str) -> "Registry[Item]":
        """This registry and the names of an entry-point group; none of them is imported yet.

        Raises:
            ConfigError: ``duplicate_<kind>``, a name is taken or two plug-ins take the same one.
        """
        made = self
        for name, target in sorted(
            {(point.name, point.value) for point in entry_points(group=group)}
        ):
            made = made.with_items({name: target})
        return made
