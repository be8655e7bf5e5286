"""Run the tests that show what evaluation promises, and write down what they printed: ``python docs/acceptance.py``.

Words choose lines, such as ``E31``; without them all are run, which takes some minutes.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

docs = Path(__file__).resolve().parent
page = docs / "acceptance.md"
head = """<!-- Written by docs/acceptance.py from acceptance.yaml. -->

# What is promised of evaluations, and what shows it

Each line is a command of its own: `python -m pytest <tests>`. `python docs/acceptance.py` runs all of them and writes this page.

Not shown yet: memory at 1,000,000 cases and a throughput within 5 % of a bare loop (E33; `python -m benchmarks harness throughput` measures what there is), a miss for each single part of a request key (E12), and equal bytes of two reports (E46).

| id | promise | tests | printed |
|---|---|---|---|
"""


def main(words: list[str]) -> int:
    """Run the lines and write the page; 1 when a test failed."""
    lines = yaml.safe_load((docs / "acceptance.yaml").read_text(encoding="utf-8"))
    before = dict(re.findall(r"^\| (E\d+) \|.*\| ([^|]*) \|$", _old(), re.MULTILINE))
    printed = {
        name: _printed(line[1:]) if not words or name in words else before.get(name, "not run")
        for name, line in lines.items()
    }
    rows = [
        f"| {name} | {line[0]} | {'<br>'.join(f'`{path}`' for path in line[1:])} | {printed[name]} |"
        for name, line in lines.items()
    ]
    page.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    failed = [name for name in printed if "failed" in printed[name] or "error" in printed[name]]
    sys.stdout.write("".join(f"{name}: {printed[name]}\n" for name in printed))
    return 1 if failed else 0


def _printed(paths: list[str]) -> str:
    """What pytest says at the end, without its time."""
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        cwd=docs.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(\d+ .*) in [\d.]+s.*$", done.stdout, re.MULTILINE)
    return found[-1] if found else f"error {done.returncode}"


def _old() -> str:
    return page.read_text(encoding="utf-8") if page.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
