"""Where the values of a JSON text stand, for messages about a text that parsed."""

import re
from bisect import bisect_right
from json import JSONDecoder
from typing import Final

from pipex_core.expressions.paths import join_path
from pipex_core.spec.model import SourceMap

_blank: Final = re.compile(r"[ \t\r\n]*")
_decode: Final = JSONDecoder().raw_decode


def source_of_json(text: str, *, file: str) -> SourceMap:
    """Line and column of every value and key of a valid JSON text.

    Args:
        text: Its nesting is bounded by whoever parsed it.
        file: As the user gave it.
    """
    walk = _Walk(text)
    walk.value(walk.skip(0), "")
    return SourceMap(file=file, places=walk.places, keys=walk.keys)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.places: dict[str, tuple[int, int]] = {}
        self.keys: dict[str, tuple[int, int]] = {}

    def skip(self, position: int) -> int:
        """The first position from here on that is not blank."""
        found = _blank.match(self._text, position)
        return found.end() if found else position

    def value(self, start: int, path: str) -> int:
        """Note the value at ``start`` and all inside it; gives the position behind it."""
        self.places[path] = self._place(start)
        opening = self._text[start]
        if opening not in "[{":
            return _decode(self._text, start)[1]
        position, index = self.skip(start + 1), 0
        while self._text[position] not in "]}":
            inner = f"{path}[{index}]"
            if opening == "{":
                key, end = _decode(self._text, position)
                inner = join_path(path, key)
                self.keys[inner] = self._place(position)
                position = self.skip(self.skip(end) + 1)
            position = self.skip(self.value(position, inner))
            if self._text[position] == ",":
                position = self.skip(position + 1)
            index += 1
        return position + 1

    def _place(self, position: int) -> tuple[int, int]:
        line = bisect_right(self._lines, position)
        return line, position - self._lines[line - 1] + 1
