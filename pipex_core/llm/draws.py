"""Prepared answers given one after another, exactly once each also across a restart.

A scripted provider (rules, a cassette) has lists of answers. Which one a call got is journalled with the
call, so a resumed run gives every answer whose call has not ended to the call that asks for it now: with
several calls in flight at a kill, a count alone could not say which answers are still to be given.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Drawn(NamedTuple):
    """The answer that a call got.

    Attributes:
        list: Name of the list, the same in every process that reads the same file.
        number: Place in the list, from 0.
    """

    list: str
    number: int


class Draws:
    """What was drawn from one list; the lowest number that is left comes next.

    Attributes:
        next: The number that is drawn next.
    """

    __slots__ = ("_beyond", "next")

    def __init__(self) -> None:
        self.next = 0
        self._beyond: set[int] = set()

    @property
    def count(self) -> int:
        """How many were drawn."""
        return self.next + len(self._beyond)

    def draw(self) -> int:
        """The number of this draw."""
        number = self.next
        self.take(number)
        return number

    def take(self, number: int) -> None:
        """Count a number as drawn; once is enough."""
        if number < self.next:
            return
        self._beyond.add(number)
        while self.next in self._beyond:
            self._beyond.remove(self.next)
            self.next += 1

    def restore(self, count: int) -> None:
        """Go on behind the first ``count`` numbers."""
        self.next, self._beyond = count, set()


class DrawLists:
    """The lists of one file, in its order.

    Args:
        names: Of the lists; of two with the same name only the first is known by it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._draws = [Draws() for _ in self.names]
        self._places = {name: place for place, name in reversed(list(enumerate(self.names)))}

    def __getitem__(self, place: int) -> Draws:
        return self._draws[place]

    def counts(self) -> list[int]:
        """How many were drawn from each."""
        return [one.count for one in self._draws]

    def restore(self, counts: Sequence[int]) -> None:
        """Go on from such counts; those of another file, which has another number of lists, are ignored."""
        if len(counts) == len(self._draws):
            for one, count in zip(self._draws, counts, strict=True):
                one.restore(count)

    def take(self, drawn: Iterable[Drawn]) -> None:
        """Count answers as drawn; those of lists that the file does not have are ignored."""
        for one in drawn:
            if one.list in self._places:
                self._draws[self._places[one.list]].take(one.number)
