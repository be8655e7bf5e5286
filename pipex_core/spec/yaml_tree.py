"""Values of a YAML text with their places, as a tree; what of it a ``SourceMap`` keeps."""

import re
from typing import Any, Final

from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json
from pipex_core.spec.model import SourceMap

max_places: Final = (
    50_000_000  # characters of all paths and texts that are kept; long keys repeat in each
)
line_end: Final = re.compile("\r\n|[\r\n]")


class Node:
    """A value with its place; of a map its entries after merging, of a list its items."""

    __slots__ = (
        *("characters", "column", "end", "entries", "height", "line", "nodes", "style"),
        *("text_column", "value"),
    )

    def __init__(self, mark: Any, style: str = "") -> None:  # noqa: ANN401 - of libyaml or of PyYAML
        self.line: int = mark.line + 1
        self.column: int = mark.column + 1
        self.text_column = self.column  # of a scalar: behind its anchor
        self.end = 0  # of a scalar on one line: offset in the line just behind it
        self.style = style  # of a scalar on one line: "p", "'" or '"'; else empty
        self.value: Json = None
        self.entries: list[tuple[str, Node, Node]] | None = None  # key, its node, value
        self.nodes = 1  # aliases expanded
        self.characters = 0  # of all texts inside, aliases expanded
        self.height = 0


def source_of(root: Node | None, text: str, file: str) -> SourceMap:
    """The places of all values and keys below ``root``.

    In a file whose aliases and long keys would make too much of them the last ones are left out; what
    stands there is then found at the place of what encloses it.
    """
    source = _Places(text)
    if root is not None:
        source.walk(root, "")
    return SourceMap(
        file=file,
        places=source.places,
        keys=source.keys,
        flow_text=source.flow_text,
        escaped=source.escaped,
    )


class _Places:
    """Paths of a tree of nodes, as ``SourceMap`` wants them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] = []
        self._room = max_places
        self.places: dict[str, tuple[int, int]] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        self.flow_text: dict[str, int] = {}
        self.escaped: dict[str, str] = {}

    def walk(self, node: Node, path: str) -> None:
        """Note the place of ``node`` and of all inside it."""
        self._room -= len(path)
        if self._room < 0:
            return
        self.places[path] = (node.line, node.column)
        if node.entries is None:
            self._note_text(node, path)
        elif isinstance(node.value, dict):
            for text, key, inner in node.entries:
                inside = join_path(path, text)
                self.keys[inside] = (key.line, key.column)
                self.walk(inner, inside)
        else:
            for index, (_, _, inner) in enumerate(node.entries):
                self.walk(inner, f"{path}[{index}]")

    def _note_text(self, node: Node, path: str) -> None:
        if not node.style or not isinstance(node.value, str):
            return
        if node.style == "p":
            self.flow_text[path] = node.text_column
            return
        self.flow_text[path] = node.text_column + 1
        escape = "\\" if node.style == '"' else "'"
        line = self._line(node.line)
        if escape in line[node.text_column : node.end - 1]:
            self.escaped[path] = line[node.text_column - 1 : node.end]
            self._room -= len(self.escaped[path])

    def _line(self, number: int) -> str:
        if not self._lines:
            self._lines = line_end.split(self._text)
        return self._lines[number - 1]
