"""Regular expressions of authors: Python's syntax, searched within a limit of time.

Python's ``re`` cannot be stopped, so the search is made by ``regex``, which gives up at a deadline.
What a pattern *means* stays ``re``'s business: ``re`` must accept it, and the few signs that the two
read differently (a brace that repeats nothing, a bracket inside a set) are escaped for both.
``regex`` also unrolls counted repeats, so ``(a{1000}){1000}`` must be refused before it is compiled.
"""

import re
from functools import lru_cache
from typing import Final

import regex

from pipex_core.errors import ExpressionError
from pipex_core.expressions.values import too_complex

max_characters = 1_000
max_unrolled = 50_000

_repeat: Final = re.compile(r"\{(?:([0-9]+)(?:,[0-9]*)?|,[0-9]*)\}")
_verbose: Final = re.compile(r"\(\?[aiLmsux]*x")
_doubled: Final = frozenset("-&|~")


def search(pattern: str, text: str, *, limit_s: float) -> bool | None:
    """Whether ``pattern`` occurs in ``text``, or None when ``limit_s`` did not suffice to tell.

    A pattern that is none occurs nowhere.

    Raises:
        ExpressionError: ``expression_too_complex``, the pattern exceeds the limits.
    """
    compiled = _compiled(pattern)
    if compiled is None:
        return False
    try:
        return compiled.search(text, timeout=limit_s) is not None
    except TimeoutError:
        return None


def complaint(pattern: str) -> ExpressionError | None:
    """What is wrong with a pattern: ``bad_pattern`` or ``expression_too_complex``, or None."""
    try:
        compiled = _compiled(pattern)
    except ExpressionError as exc:
        return exc
    if compiled is None:
        return ExpressionError(f"{pattern!r} is no regular expression", code="bad_pattern")
    return None


def compiled(pattern: str) -> "regex.Pattern[str] | None":
    """The pattern ready for searches that take a ``timeout``, or None when it is no pattern.

    Raises:
        ExpressionError: ``expression_too_complex``, the pattern exceeds the limits.
    """
    return _compiled(pattern)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> "regex.Pattern[str] | None":
    if len(pattern) > max_characters:
        raise too_complex(
            f"a regular expression of {len(pattern)} characters; at most {max_characters}"
        )
    escaped, unrolled = _Reader(pattern).read()
    if unrolled > max_unrolled:
        raise too_complex(f"a regular expression repeats more than {max_unrolled} times")
    try:
        re.compile(escaped)
        return regex.compile(escaped, regex.VERSION0)
    except (re.error, regex.error, OverflowError, ValueError):  # `re` refuses (?a)(?u) so
        return None
    except RecursionError as exc:
        raise too_complex("a regular expression nests too deeply") from exc


class _Reader:
    """One pass over a pattern: escapes what is literal, and counts what repeats unroll to."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._verbose = _verbose.match(pattern) is not None
        self._at = 0
        self._out: list[str] = []
        self._sizes = [0]  # of the open groups, outermost first
        self._last = 0  # size of the atom that a repeat would repeat

    def read(self) -> tuple[str, int]:
        while self._at < len(self._pattern):
            self._next()
        return "".join(self._out), sum(self._sizes)

    def _next(self) -> None:
        sign = self._pattern[self._at]
        match sign:
            case "\\":
                self._atom(self._pattern[self._at : self._at + 2])
            case "[":
                self._set()
            case "{":
                self._brace()
            case "(" if self._pattern.startswith("(?#", self._at):
                end = self._pattern.find(")", self._at)
                self._copy(self._pattern[self._at : end + 1 if end >= 0 else None])
            case "(":
                self._copy("(")
                self._sizes.append(0)
            case ")":
                self._copy(")")
                self._close()
            case "#" if self._verbose:
                end = self._pattern.find("\n", self._at)
                self._copy(self._pattern[self._at : end if end >= 0 else None])
            case _:
                self._atom(sign)

    def _copy(self, text: str) -> None:
        self._out.append(text)
        self._at += len(text)

    def _escape(self) -> None:
        self._out.append("\\")
        self._copy(self._pattern[self._at])

    def _atom(self, text: str) -> None:
        self._copy(text)
        self._last = 1
        self._sizes[-1] += 1

    def _close(self) -> None:
        if len(self._sizes) > 1:
            self._last = max(self._sizes.pop(), 1)
            self._sizes[-1] += self._last

    def _brace(self) -> None:
        found = _repeat.match(self._pattern, self._at)
        if found is None:
            self._escape()
            self._last = 1
            self._sizes[-1] += 1
            return
        self._copy(found[0])
        times = min(int((found[1] or "1")[:9]), 10**9)
        self._sizes[-1] += self._last * max(times - 1, 0)
        self._last *= max(times, 1)

    def _set(self) -> None:
        start = self._at
        self._copy(self._pattern[start : start + 2] if self._peek(1) == "^" else "[")
        if (first := self._peek()) and first not in "\\[":
            self._copy(first)
        while (sign := self._peek()) and sign != "]":
            if sign == "\\":
                self._copy(self._pattern[self._at : self._at + 2])
            elif sign == "[":
                self._escape()
            else:
                self._copy(sign)
                if sign in _doubled and self._peek() == sign:
                    self._escape()
        self._copy(sign)
        self._last = 1
        self._sizes[-1] += 1

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]
