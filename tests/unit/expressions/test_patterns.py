"""Patterns mean what Python's re says, and never take long."""

import re

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.patterns import compiled, complaint, search


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("b.d", "abcd"),
        ("^lib/", "lib/a.ex"),
        (r"\.ex$", "a.ex"),
        ("(?i)ABC", "xabc"),
        ("h(?=e)", "hello"),
        (r"(a)\1", "aa"),
        ("a++b", "aab"),
        ("x{,2}y", "xxy"),
        ("a{2}", "aa"),
        ("a{", "a{"),
        ("a{,}", "a{,}"),
        ("(foo){e<=1}", "foo{e<=1}"),
        ("[]a]", "]"),
        ("[^]a]", "b"),
        (r"[\]a]", "]"),
        ("[-a]", "-"),
        ("[a[b]", "["),
        ("(?x) a  b  # [ {", "ab"),
        ("(?x) a # (\n b", "ab"),
        ("(?x)(?# a [ {) b", "b"),
        ("(?#[)a", "a"),
        ("é", "été"),
    ],
)
def test_a_pattern_finds_what_python_finds(pattern: str, text: str) -> None:
    assert re.search(pattern, text)
    assert search(pattern, text, limit_s=1.0) is True
    assert search(pattern, "", limit_s=1.0) is (re.search(pattern, "") is not None)
    assert complaint(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        # Python reads these as sets of single characters, and warns that it may not always do so.
        ("[[:alpha:]]", ":]"),
        ("[a&&b]", "&"),
        ("[a||b]", "|"),
        ("[[a]", "["),
    ],
)
def test_signs_of_set_operations_are_characters(pattern: str, text: str) -> None:
    assert search(pattern, text, limit_s=1.0) is True
    assert search("[[:alpha:]]", "b]", limit_s=1.0) is False


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "(?#a",
        "(?a)(?u)b",
        "a)",
        "[",
        "[^",
        "[a",
        "\\",
        "a{2}{3}",
        "(?<=a|bc)x",
        r"\z",
        "[a--b]",
        r"\p{L}",
    ],
)
def test_what_python_refuses_is_found_nowhere(pattern: str) -> None:
    found = complaint(pattern)
    assert found is not None
    assert found.code == "bad_pattern"
    assert search(pattern, "a) [x", limit_s=1.0) is False


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 1001,
        "(" * 400 + "a" + ")" * 400,
        "((a{1000}){1000}){1000}",
        "(?:(?:ab){300}c){300}",
        "[ab]{60000}",
        "a{99999999999}",
    ],
    ids=["long", "deep", "thousands", "groups", "set", "huge"],
)
def test_a_pattern_beyond_the_limits_is_too_complex(pattern: str) -> None:
    found = complaint(pattern)
    assert found is not None
    assert found.code == "expression_too_complex"
    with pytest.raises(ExpressionError):
        search(pattern, "a", limit_s=1.0)


def test_a_search_without_an_end_is_given_up() -> None:
    assert search("^(a|a)*$", "a" * 40 + "!", limit_s=0.01) is None


def test_a_pattern_may_be_compiled_for_more_than_a_search() -> None:
    ready = compiled("(b+)")
    assert ready is not None
    assert ready.search("abbc", timeout=1.0).span(1) == (1, 3)
    assert compiled("(") is None
