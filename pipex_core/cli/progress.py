"""Progress of an evaluation on standard error: one live line on a terminal, a plain line every ten seconds else."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipex_core.telemetry import Event

plain_every_s = 10.0
clear_line = "\r\x1b[2K"


@dataclass(slots=True)
class ProgressLine:
    """Hears the events of a run and shows the newest counts.

    Attributes:
        quiet: Show warnings only.
    """

    quiet: bool = False
    clock: Callable[[], float] = time.perf_counter
    _shown_at: float = field(default=0.0, init=False)
    _is_open: bool = field(default=False, init=False)
    _warned: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._shown_at = self.clock()

    def __call__(self, event: "Event") -> None:
        """Show what an event says, if it says something to a person."""
        if event.kind == "warning":
            self._warn(str(event.data.get("code")), str(event.data.get("message")))
        elif event.kind == "progress" and not self.quiet:
            self._show(event.data)
        elif event.kind == "eval_finished":
            self.close()
            self._tell_repeated()

    def close(self) -> None:
        """End the live line, if there is one."""
        if self._is_open:
            sys.stderr.write(clear_line)
            sys.stderr.flush()
            self._is_open = False

    def _warn(self, code: str, message: str) -> None:
        """Show the first warning of each code; the others are counted."""
        self._warned[code] += 1
        if self._warned[code] == 1:
            self.close()
            print(f"warning: {message} [{code}]", file=sys.stderr)

    def _tell_repeated(self) -> None:
        for code, times in self._warned.items():
            if times > 1:
                print(f"warning: {times - 1} more like the one above [{code}]", file=sys.stderr)
        self._warned.clear()

    def _show(self, counts: Mapping[str, Any]) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"{clear_line}{progress_text(counts)}")
            sys.stderr.flush()
            self._is_open = True
        elif self.clock() - self._shown_at >= plain_every_s and counts["done"] < counts["total"]:
            print(progress_text(counts), file=sys.stderr)
            self._shown_at = self.clock()


def progress_text(counts: Mapping[str, Any]) -> str:
    """One line: how far, what was carried, calls, money, time left, means so far."""
    done, total = counts["done"], counts["total"]
    parts = [f"{done}/{total} ({done / total:.0%})" if total else "0/0"]
    if counts["carried"]:
        parts.append(f"carried {counts['carried']}")
    if counts["missing"]:
        parts.append(f"missing {counts['missing']}")
    parts.append(f"calls {counts['calls']}")
    if counts["cost_usd"]:
        parts.append(f"{counts['cost_usd']:.4f} USD")
    if counts["eta_s"] is not None and done < total:
        parts.append(f"{_duration(counts['eta_s'])} left")
    parts += [
        f"{name} {one['mean']:.3g}"
        for name, one in list(counts["per_metric"].items())[:2]
        if one.get("mean") is not None
    ]
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
