"""CPU of ``pipex --help`` and of ``import pipex_core``, beside a bare interpreter start."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

runs = 7


def cpu_s(command: list[str]) -> float:
    """Median CPU seconds of a whole process, user and system."""
    taken = []
    for _ in range(runs):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        taken.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    return statistics.median(taken)


def main() -> None:
    """Measure and print JSON."""
    bare = cpu_s([sys.executable, "-c", "pass"])
    helped = cpu_s([str(Path(sys.executable).with_name("pipex")), "--help"])
    imported = cpu_s([sys.executable, "-c", "import pipex_core"])
    found = {
        "cpu_s_help": round(helped, 3),
        "cpu_s_import_pipex_core": round(imported, 3),
        "cpu_s_bare_interpreter": round(bare, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
