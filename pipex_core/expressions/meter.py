"""What one evaluation may cost: fuel for work, a few slow searches, never time."""

from collections.abc import Mapping

from pipex_core.expressions.values import too_complex
from pipex_core.jsonvalue import Json

full_tank = 2_000_000
characters_per_unit = 64  # what one unit of fuel reads of a text, about what a processor does
slow_searches = 2


class Meter:
    """Fuel of one evaluation: 1 for each node visited and each element touched by a function.

    A regular expression that runs into its time limit is worth a second of work, which fuel does
    not see; so there is a separate small number of those, and ``refill`` leaves it alone.

    Attributes:
        search_limit_s: What one search of a regular expression may take.
    """

    __slots__ = ("_fuel", "_slow", "search_limit_s")

    def __init__(self, *, search_limit_s: float = 1.0) -> None:
        self.search_limit_s = search_limit_s
        self._fuel = full_tank
        self._slow = slow_searches

    def refill(self) -> None:
        """Fuel for the next item of a transform."""
        self._fuel = full_tank

    def spend(self, units: int) -> None:
        """Take fuel.

        Raises:
            ExpressionError: ``expression_too_complex``, the tank is empty.
        """
        self._fuel -= units
        if self._fuel < 0:
            raise too_complex("an expression takes more than 2 000 000 units of work")

    def read(self, *texts: str) -> None:
        """Take fuel for reading or writing whole texts."""
        self.spend(1 + sum(map(len, texts)) // characters_per_unit)

    def touch(self, value: Json) -> None:
        """Take fuel for every element inside ``value``."""
        if isinstance(value, str):
            self.read(value)
        elif isinstance(value, list | tuple):
            self.spend(len(value))
            for item in value:
                self._inside(item)
        elif isinstance(value, Mapping):
            self.spend(len(value))
            for item in value.values():
                self._inside(item)

    def _inside(self, item: Json) -> None:
        if isinstance(item, str | list | tuple | Mapping) and item:
            self.touch(item)

    def timed_out(self) -> None:
        """Note a search that ran into its time limit.

        Raises:
            ExpressionError: ``expression_too_complex``, it is the third one.
        """
        self._slow -= 1
        if self._slow < 0:
            raise too_complex("regular expressions ran into their time limit too often")
