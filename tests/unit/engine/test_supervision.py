"""How a run stands by its journal: ended, died, or given up after three recoveries without anything new."""

from typing import Any

import pytest

from pipex_core.engine.supervision import Standing, standing_of

opening, finished, asked = "open", "unit_end", "begin"


def records(*kinds: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    epoch = 0
    for kind in kinds:
        epoch += kind == "open"
        name, _, status = kind.partition(":")
        found.append({"t": name, "epoch": epoch, **({"status": status} if status else {})})
    return found


@pytest.mark.parametrize(
    ("kinds", "state", "fruitless"),
    [
        ((), "ended", 0),
        (("open", "begin"), "died", 0),
        (("open", "begin", "open"), "died", 1),
        (("open", "done", "open", "begin", "open", "begin"), "died", 2),
        (("open", "begin", "open", "open", "open"), "dead_letter", 3),
        (("open", "done", "open", "open", "open"), "dead_letter", 3),
        (("open", "open", "open", "done", "open", "open"), "died", 2),
        (("open", "open", "open", "tool_done", "open", "open", "open"), "dead_letter", 3),
        (("open", "close:failed", "open", "begin"), "died", 1),
    ],
)
def test_a_run_is_given_up_after_three_recoveries_without_anything_new(
    kinds: tuple[str, ...], state: str, fruitless: int
) -> None:
    found = standing_of(records(*kinds))
    assert (found.state, found.fruitless) == (state, fruitless)


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_run_that_was_closed_has_ended_whatever_went_before(status: str) -> None:
    found = standing_of(records("open", "open", "open", "open", f"close:{status}"))
    assert found == Standing(state="ended", status=status, epoch=4)
