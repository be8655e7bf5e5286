"""Shell patterns for paths: ``*`` and ``?`` inside one name, ``**`` across folders."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

most_alternatives = 100


def matches(pattern: str, path: str) -> bool:
    """Whether the whole of a relative path matches; ``**`` stands for any number of folders, none included.

    Also understood: ``[abc]`` and ``[!abc]`` for one character, and ``{a,b}`` for alternatives.
    """
    names = path.split("/")
    return any(_matches(part.split("/"), names) for part in expanded(pattern))


def expanded(pattern: str) -> Sequence[str]:
    """The pattern without braces, once for each alternative, at most 100 of them.

    Braces that hold no comma or are not closed stand for themselves.
    """
    done: list[str] = []
    pending = [pattern]
    while pending and len(done) + len(pending) < most_alternatives:
        text = pending.pop(0)
        alternatives = _split(text)
        if alternatives:
            pending = [*alternatives, *pending]
        else:
            done.append(text)
    return [*done, *pending]


def _split(text: str) -> Sequence[str]:
    """The alternatives of the innermost first pair of braces; empty when there is none."""
    end = text.find("}")
    start = text.rfind("{", 0, end)
    while end >= 0 and (start < 0 or "," not in text[start:end]):
        end = text.find("}", end + 1)
        start = text.rfind("{", 0, end)
    if end < 0:
        return ()
    inside = text[start + 1 : end].split(",")
    return [text[:start] + part + text[end + 1 :] for part in inside]


def _matches(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """By dynamic programming: ``reached`` holds how many names the pattern so far can take."""
    reached = {0}
    for part in pattern:
        if part == "**":
            reached = set(range(min(reached), len(names) + 1)) if reached else set()
        else:
            reached = {n + 1 for n in reached if n < len(names) and fnmatchcase(names[n], part)}
    return len(names) in reached
