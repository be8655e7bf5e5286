"""The documentation: links and anchors lead somewhere, generated pages are fresh, and commands work as shown.

In a ``console`` block a line after ``$ `` is typed; the lines below it must come out in this order, where
``...`` stands for anything. ``# exit code N`` says how a command ends when it is not 0. A block whose
first line is ``# file: PATH`` is written to that file first.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipex_core.expressions.functions import FUNCTIONS
from pipex_core.expressions.operations import operation_shapes

root = Path(__file__).resolve().parents[2]
pages = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])
runnable = [
    page
    for page in pages
    if page.parent.name in {"tutorial", "howto"} or page == root / "README.md"
]
fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
link = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
exit_code = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command of a page with what it must print."""

    line: str
    code: int
    printed: tuple[str, ...]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    for found in fence.finditer(page.read_text(encoding="utf-8")):
        yield found[1], found[2]


def typed(block: str) -> Iterator[Typed]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *printed = part.rstrip("\n").splitlines()
        code = exit_code.search(line)
        yield Typed(
            line=exit_code.sub("", line), code=int(code[1]) if code else 0, printed=tuple(printed)
        )


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = fence.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(root)))
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    dead = []
    for target in link.findall(fence.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            dead.append(target)
    assert dead == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    reached = {
        (root / "docs" / target.partition("#")[0]).resolve() for target in link.findall(index)
    }
    own = [page for page in pages if (root / "docs") in page.parents and page.name != "README.md"]
    assert [str(page) for page in own if page not in reached and page.parent.name != "adr"] == []


def test_generated_pages_are_fresh_and_complete() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_of_the_language_names_every_function_and_operation() -> None:
    page = (root / "docs" / "reference" / "language.md").read_text(encoding="utf-8")
    code = " ".join(re.findall(r"`([^`]+)`", page))
    words = set(re.findall(r"[A-Za-z_]+", code))
    assert [name for name in FUNCTIONS if name not in words] == []
    assert [name for name in operation_shapes if name not in words] == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A fresh copy of what a reader has in the root of a clone."""
    for name in ("pipelines", "test_suites"):
        shutil.copytree(root / name, tmp_path / name)
    return tmp_path


@pytest.mark.e2e
@pytest.mark.parametrize("page", runnable, ids=lambda page: str(page.relative_to(root)))
def test_commands_do_what_the_page_shows(page: Path, copy: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    environment = dict(os.environ)  # noqa: TID251 - a shell inherits it
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for language, block in blocks(page):
        first, _, rest = block.partition("\n")
        if first.startswith("# file: "):
            path = copy / first.removeprefix("# file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rest, encoding="utf-8")
        if language != "console":
            continue
        for command in typed(block):
            if command.line.startswith("make "):
                assert f"\n{command.line.split()[1]}:" in makefile
                continue
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=copy,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            said = done.stdout + done.stderr
            assert done.returncode == command.code, f"{command.line}\n{said}"
            missing = first_missing(command.printed, said.splitlines())
            assert missing is None, f"{command.line}\ndoes not print: {missing}\n{said}"


def first_missing(expected: tuple[str, ...], lines: list[str]) -> str | None:
    """The first expected line that does not come after the ones before it; None when all do."""
    rest = iter(lines)
    for wanted in expected:
        pattern = re.compile(".*".join(map(re.escape, squeezed(wanted).split("..."))))
        if wanted.strip() and not any(pattern.fullmatch(squeezed(line)) for line in rest):
            return wanted
    return None


def squeezed(text: str) -> str:
    """A line with single blanks, so that columns may differ in width."""
    return " ".join(text.split())


def test_the_tutorial_and_the_guides_show_commands() -> None:
    counts = {
        page.stem: sum(len(list(typed(block))) for kind, block in blocks(page) if kind == "console")
        for page in runnable
        if page.parent.name in {"tutorial", "howto"}
    }
    ours = {name: count for name, count in counts.items() if name != "run-in-dagster"}
    assert len(ours) >= 9
    assert min(ours.values()) >= 1
