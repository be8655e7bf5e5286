"""Functions that a user might call metrics, well behaved and not."""

import os
import signal

from pipex_core.metrics.contract import Usage


def graded(predicted: str, expected: str) -> dict[str, object]:
    """Half for everything with a text."""
    if not predicted:
        return {"score": None, "reason": "no text"}
    return {
        "score": 0.5 * len(expected),
        "label": "half",
        "details": {"said": predicted},
        "submetrics": {"length": len(predicted)},
    }


def priced(predicted: str, usage: Usage) -> float:
    """What it cost."""
    assert predicted
    assert usage.cost_usd is not None
    return usage.cost_usd


def stalled(predicted: str, expected: str) -> float:
    """Never comes back, and cannot be told to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
    while predicted != expected:
        signal.pause()
    return 0.0


def killed(predicted: str, expected: str) -> float:
    """Dies as a crashed native library would."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return float(predicted == expected)


def swollen(predicted: str, expected: str) -> float:
    """Takes more memory than there is."""
    return float(len((predicted + expected) * (1 << 29)))


def raised(predicted: str, expected: str) -> float:
    """Fails."""
    raise LookupError(predicted + expected)


def wordy(predicted: str, expected: str) -> str:
    """Answers no number."""
    return predicted + expected
