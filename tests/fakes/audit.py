"""An audit log in memory."""

from collections.abc import Mapping
from typing import Any

from pipex_core.errors import StoreError


class MemoryAudit:
    """Keeps acts in a list; refuses them while ``is_full``.

    Attributes:
        acts: What was written, in order.
    """

    def __init__(self, *, is_full: bool = False) -> None:
        self.acts: list[dict[str, Any]] = []
        self.is_full = is_full

    def append(
        self,
        action: str,
        *,
        resource: str,
        outcome: str = "done",
        reason: str = "",
        correlation_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if self.is_full:
            raise StoreError("no space left", code="storage_full")
        self.acts.append(
            {
                "action": action,
                "resource": resource,
                "outcome": outcome,
                "reason": reason,
                "correlation_id": correlation_id,
                "details": dict(details or {}),
            }
        )
