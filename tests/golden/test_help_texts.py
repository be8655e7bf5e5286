"""The help of every command as it is shown; ``python -m tests.golden.regenerate`` writes it anew."""

import pytest

from tests.golden.commands import commands, help_of, here

names = list(commands())


@pytest.mark.parametrize("name", names)
def test_help_is_what_the_golden_file_says(name: str) -> None:
    path = here / "help" / f"{name.replace(' ', '_')}.txt"
    assert help_of(name) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", names)
def test_every_option_says_what_it_does(name: str) -> None:
    lines = help_of(name).splitlines()
    bare = [
        line
        for at, line in enumerate(lines)
        if line.startswith("  -") and "   " not in line.strip() and "  " not in line.strip()
        # A long option has its text on the next line.
        if not lines[at + 1].startswith("    ")
    ]
    assert bare == []


def test_every_golden_file_belongs_to_a_command() -> None:
    known = {name.replace(" ", "_") for name in names}
    assert {path.stem for path in (here / "help").iterdir()} == known
    assert len(names) > 15
