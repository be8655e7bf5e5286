"""Who is told how much of a budget is used: at 50, 80 and 100 percent of each cap, and at a threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipex_core.jsonvalue import Json

shares = (50, 80, 100)  # percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something about the use of a budget that is said once.

    Attributes:
        code: ``budget_alert`` for a share of a cap, ``cost_alert`` for a threshold that only warns.
        budget: Name of the budget.
        cap: Name of its cap or threshold.
        share: Percent of the cap that are used at least; None for a threshold.
    """

    code: Literal["budget_alert", "cost_alert"]
    budget: str
    cap: str
    share: int | None = None

    @property
    def message(self) -> str:
        """What to tell the user."""
        if self.share is None:
            return f"budget {self.budget!r}: more than {self.cap} is spent"
        return f"budget {self.budget!r}: {self.share} % of {self.cap} is used"

    @property
    def facts(self) -> dict[str, Json]:
        """What an event says of it."""
        return {"code": self.code, "level": self.budget, "cap": self.cap, "share": self.share}


class Alarm:
    """Watches the account of one budget.

    Args:
        budget: Its name.
        caps: Name of a cap to its value; a cap of 0 has no shares.
        threshold: Amount of the first cap's unit above which a ``cost_alert`` is due, or None.
        threshold_text: The threshold as it is shown.
    """

    def __init__(
        self,
        budget: str,
        caps: Mapping[str, int],
        *,
        threshold: int | None = None,
        threshold_text: str = "",
    ) -> None:
        self._budget = budget
        self._caps = {name: cap for name, cap in caps.items() if cap > 0}
        self._told = dict.fromkeys(self._caps, 0)
        self._threshold = threshold
        self._threshold_text = threshold_text

    def due(self, used: Mapping[str, int], *, nanousd: int) -> list[Alert]:
        """What is to be said now that so much is used; of several shares of a cap the highest.

        Args:
            used: Name of a cap to what counts against it.
            nanousd: Money spent.
        """
        found = [alert for name in self._caps if (alert := self._share(name, used[name]))]
        if self._threshold is not None and nanousd > self._threshold:
            self._threshold = None
            text = self._threshold_text
            found.append(Alert(code="cost_alert", budget=self._budget, cap=text))
        return found

    def refused(self, cap: str) -> list[Alert]:
        """What is to be said now that a call found no room under ``cap``."""
        return [alert] if (alert := self._at(cap, shares[-1])) else []

    def _share(self, name: str, used: int) -> Alert | None:
        reached = [share for share in shares if used * 100 >= self._caps[name] * share]
        return self._at(name, reached[-1]) if reached else None

    def _at(self, name: str, share: int) -> Alert | None:
        if self._told.get(name, shares[-1]) >= share:
            return None
        self._told[name] = share
        return Alert(code="budget_alert", budget=self._budget, cap=name, share=share)
