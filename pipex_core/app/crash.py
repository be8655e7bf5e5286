"""The report that a crash of a command leaves behind: what happened, where, and in which versions."""

import json
import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pipex_core.secrets import Redactor


def write_crash_report(error: BaseException) -> Path:
    """Write a JSON crash report, readable by its owner only, and give its path.

    The report holds the redacted message, the frames without their variables, the versions and the
    command; never prompts, answers or the environment.
    """
    frames = traceback.extract_tb(error.__traceback__)
    redact = Redactor().text
    report = {
        "schema": "pipex.crash/1",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - for display only
        "error": {"type": type(error).__name__, "message": redact(str(error))},
        "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in frames],
        "command": [redact(word) for word in sys.argv],
        "versions": {"pipex": version("pipex"), "python": platform.python_version()},
    }
    handle, path = tempfile.mkstemp(prefix="pipex-crash-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
    return Path(path)
