"""Shell patterns match paths as shells do."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given, strategies as st

from pipex_core.llm.globs import expanded, matches


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.py", "a.py", True),
        ("*.py", "sub/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/y/a.py", True),
        ("src/**/test_?.py", "src/test_1.py", True),
        ("src/**/test_?.py", "src/a/b/test_1.py", True),
        ("src/**/test_?.py", "src/a/b/test_12.py", False),
        ("src/**", "src/a/b", True),
        ("src/**", "other/a", False),
        ("**", "a/b/c", True),
        ("**/a/**/b", "x/a/y/z/b", True),
        ("**/a/**/b", "x/y/z/b", False),
        ("[abc].txt", "b.txt", True),
        ("[!abc].txt", "b.txt", False),
        ("*.{ts,tsx}", "a.tsx", True),
        ("*.{ts,tsx}", "a.js", False),
        ("{a,b/{c,d}}.x", "b/d.x", True),
        ("{a}.x", "{a}.x", True),
        ("a.X", "a.x", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, *, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_alternatives_are_bounded() -> None:
    assert expanded("{a,b}{c,d}") == ["ac", "ad", "bc", "bd"]
    assert expanded("a}b{c,d") == ["a}b{c,d"]
    assert expanded("x{a}y") == ["x{a}y"]
    assert len(expanded("{a,b}" * 40)) <= 101


def test_many_stars_are_answered_at_all() -> None:
    assert not matches("**/*a*b*c*d*e" * 8 + "/z", "/".join(["abcde" * 20] * 40))


words = st.text(alphabet="ab.", min_size=1, max_size=4).filter(lambda text: set(text) != {"."})


@given(st.lists(words, min_size=1, max_size=4), st.text(alphabet="ab.*?", min_size=1, max_size=5))
def test_one_name_matches_as_pathlib_says(names: list[str], pattern: str) -> None:
    if set(pattern) != {"."} and "**" not in pattern:
        last = names[-1]
        assert matches(pattern, last) is PurePosixPath(last).match(pattern)
