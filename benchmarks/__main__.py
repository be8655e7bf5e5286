"""Run the benchmarks by name, or all of them, and keep what they measured as JSON.

    python -m benchmarks                 # all
    python -m benchmarks harness loading # two of them

Each benchmark runs in a process of its own, so that memory and imports of one do not touch another.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
names = (
    "harness",
    "throughput",
    "pipelines",
    "steps",
    "loading",
    "definitions",
    "suites",
    "startup",
    "rouge",
    "simulations",
)


def main() -> int:
    """Run what was asked for and write ``benchmarks/results/<name>.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*names, []], metavar="NAME")
    chosen = parser.parse_args().names or names
    (here / "results").mkdir(exist_ok=True)
    failed = 0
    for name in chosen:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=here.parent,
        )
        if done.returncode != 0:
            failed += 1
            print(f"{name}: failed\n{done.stderr}", file=sys.stderr)
            continue
        found = {**json.loads(done.stdout), "python": platform.python_version()}
        text = json.dumps(found, indent=2) + "\n"
        (here / "results" / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}:")
        for key, value in found.items():
            print(f"  {key}: {value}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
