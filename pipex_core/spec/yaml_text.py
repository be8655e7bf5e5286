"""YAML 1.2 text -> plain values and the place of each: the one reader of files that people write.

PyYAML only cuts the text into events; what they mean is decided here, because its own composer reads
YAML 1.1 (``no`` is false, ``010`` is eight), lets the last of two equal keys win, and expands aliases
before anybody can count them. Nodes are counted as the events arrive: an alias counts as all that it
stands for, so a file that would explode is refused before anything is built. An alias shares the
value it names; whoever changes a value copies it first.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, TypeAlias

import yaml

from pipex_core.errors import Problem, SpecError
from pipex_core.expressions.paths import join_path
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, max_depth
from pipex_core.spec.model import Finding, SourceMap
from pipex_core.spec.yaml_complaints import bare_braces, complaint
from pipex_core.spec.yaml_scalars import is_merge_key, read_scalar
from pipex_core.spec.yaml_tree import Node, line_end, source_of

max_bytes: Final = 1_000_000
max_nodes: Final = 200_000
alias_growth: Final = 10  # times that aliases may make a text longer than the file may be
max_key: Final = 1_000  # characters of a key that is a list or a map; each level doubles its quotes

_old_line_ends: Final = frozenset("\x85\u2028\u2029")

_Yaml: TypeAlias = Any  # events and marks of libyaml and of PyYAML share no type

_Loader: Final[_Yaml] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml where it was built in


class Document:
    """A YAML file as a value.

    Attributes:
        value: None, bool, int, float, str, list or dict with string keys; None for an empty file.
    """

    def __init__(self, root: "Node | None", text: str, file: str) -> None:
        self.value: Json = None if root is None else root.value
        self._root = root
        self._text = text
        self._file = file

    @cached_property
    def source(self) -> SourceMap:
        """Places of all values and keys, found out when first asked for."""
        return source_of(self._root, self._text, self._file)


def read_yaml(
    text: str | bytes, file: str = "", *, limit: int = max_nodes, size: int = max_bytes
) -> Document:
    """The value of a YAML text, under the rules of the pipeline language (section 2.2).

    Args:
        text: Bytes are read as UTF-8; a byte order mark is skipped.
        file: As the user gave it, for the problems.
        limit: Most nodes, keys included and aliases expanded.
        size: Most bytes of UTF-8; aliases expanded, ten times as many characters.

    Raises:
        SpecError: ``yaml_syntax``, ``duplicate_key`` or ``too_large``, with all problems up to the
            first one that hides what follows.
    """
    found = _decoded(text, file, size)
    composer = _Composer(found, file, limit, size * alias_growth)
    root = composer.compose()
    if composer.problems:
        raise SpecError(sorted(composer.problems, key=lambda p: (p.line, p.column)))
    return Document(root, found, file)


def _decoded(text: str | bytes, file: str, size: int) -> str:
    try:
        data = text.encode() if isinstance(text, str) else text
        found = data.decode("utf-8-sig")
    except UnicodeEncodeError as exc:
        raise _no_utf_8(exc.object[: exc.start], exc.reason, file) from exc
    except UnicodeDecodeError as exc:
        before = exc.object[: exc.start].decode("utf-8-sig")
        raise _no_utf_8(before, exc.reason, file) from exc
    if len(data) > size:
        message = f"the file has {len(data)} bytes; at most {size} are read"
        raise _refusal("too_large", message, file)
    return found


def _no_utf_8(before: str, reason: str, file: str) -> SpecError:
    lines = line_end.split(before)
    message = f"the file is not UTF-8 text: {reason}"
    return _refusal("yaml_syntax", message, file, len(lines), len(lines[-1]) + 1)


def _refusal(code: str, message: str, file: str, line: int = 1, column: int = 1) -> SpecError:
    return SpecError([Problem(code=code, message=message, file=file, line=line, column=column)])


class _Open:
    """A map or list whose end has not come yet."""

    __slots__ = ("anchor", "before", "children", "is_map", "keys", "node")

    def __init__(
        self, node: Node, anchor: str | None, before: tuple[int, int], *, is_map: bool
    ) -> None:
        self.node = node
        self.anchor = anchor
        self.before = before
        self.is_map = is_map
        self.children: list[Node] = []  # of a map: keys and values in turn
        self.keys: set[str] = set()

    def here(self) -> str | int:
        """Key or index of the child that comes next or stands open."""
        if not self.is_map:
            return len(self.children)
        return to_text(self.children[-1].value) if len(self.children) % 2 else ""


def _stand_ins(text: str) -> dict[int, int]:
    """Characters that are not in the text, each to the one for which the parser reads it.

    libyaml and PyYAML end a line at U+0085, U+2028 and U+2029, as YAML 1.1 does; in 1.2 they are
    characters like any other, and JSON has them in its texts.
    """
    found = sorted(_old_line_ends.intersection(text))
    if not found:
        return {}
    private = (code for code in range(0xE000, 0xF900) if chr(code) not in text)
    return dict(zip(private, map(ord, found), strict=False))


class _Composer:
    """One pass over the events of a text."""

    def __init__(self, text: str, file: str, limit: int, most_characters: int) -> None:
        self._back = _stand_ins(text)
        self._loader = _Loader(text.translate({old: new for new, old in self._back.items()}))
        self._text = text
        self._file = file
        self._limit = limit
        self._most_characters = most_characters
        self._anchors: dict[str, Node | None] = {}  # None while the anchored value is open
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._count = 0
        self._characters = 0
        self.problems: list[Problem] = []

    @cached_property
    def _lines(self) -> list[str]:
        return line_end.split(self._text)

    def compose(self) -> Node | None:
        """The root of the document; None when it is empty or broken."""
        try:
            for event in self._events():
                self._take(event)
        except yaml.MarkedYAMLError as exc:
            self._unparsable(exc)
        except yaml.reader.ReaderError as exc:
            self._unreadable(exc)
        except SpecError as exc:
            self.problems.extend(exc.problems)
        finally:
            self._loader.dispose()
        return self._root

    def _events(self) -> Iterator[_Yaml]:
        documents = 0
        while self._loader.check_event():
            event = self._loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problem("yaml_syntax", "one file holds one document", event.start_mark)
                    return
            yield event

    def _take(self, event: _Yaml) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add(self._scalar(event), event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case _:
                pass

    def _scalar(self, event: _Yaml) -> Node:
        one_line = event.start_mark.line == event.end_mark.line
        one_line = one_line and event.style not in {"|", ">"}
        node = Node(event.start_mark, (event.style or "p") if one_line else "")
        if event.anchor is not None:
            before = event.start_mark.column + 1 + len(event.anchor)
            text = self._lines[event.start_mark.line][before:]
            node.text_column += before - event.start_mark.column + len(text) - len(text.lstrip())
        self._refuse_tag(event)
        node.characters = len(event.value)
        node.end = event.end_mark.column
        self._spend(node, event.start_mark)
        text = event.value.translate(self._back) if self._back else event.value
        if event.style:
            node.value = text
            return node
        try:
            node.value = read_scalar(text)
        except ValueError as exc:
            self._problem("yaml_syntax", str(exc), event.start_mark)
        return node

    def _alias(self, event: _Yaml) -> None:
        name = event.anchor
        if name not in self._anchors:
            raise self._stop("yaml_syntax", f"alias *{name} has no anchor", event.start_mark)
        target = self._anchors[name]
        if target is None:
            raise self._stop("yaml_syntax", f"alias *{name} contains itself", event.start_mark)
        self._spend(target, event.start_mark)
        self._nest(target.height, event.start_mark)
        node = Node(event.start_mark)
        node.value, node.entries = target.value, target.entries
        node.nodes, node.height = target.nodes, target.height
        node.characters = target.characters
        self._add(node, event)

    def _open(self, event: _Yaml) -> None:
        self._refuse_tag(event)
        self._nest(1, event.start_mark)
        node = Node(event.start_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        before = (self._count, self._characters)
        self._spend(node, event.start_mark)
        is_map = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(node, event.anchor, before, is_map=is_map))

    def _close(self) -> None:
        frame = self._stack[-1]
        node = frame.node
        node.height = 1 + max((child.height for child in frame.children), default=0)
        node.nodes = self._count - frame.before[0]
        node.characters = self._characters - frame.before[1]
        if frame.is_map:
            self._fill_map(frame)
        else:
            node.value = [child.value for child in frame.children]
            node.entries = [("", child, child) for child in frame.children]
        self._stack.pop()
        self._attach(node, frame.anchor)

    def _add(self, node: Node, event: _Yaml) -> None:
        self._attach(node, event.anchor if isinstance(event, yaml.ScalarEvent) else None)

    def _attach(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.children.append(node)
        if frame.is_map and len(frame.children) % 2:
            self._check_braces(node, frame)
            self._check_key(node, frame)

    def _check_braces(self, key: Node, frame: _Open) -> None:
        """Refuse ``{{ name }}`` without quotes, which YAML reads as a map with a map as its key."""
        start = (frame.node.line, frame.node.column + 1)
        if isinstance(key.value, dict) and (key.line, key.column) == start:
            raise _refusal("yaml_syntax", bare_braces, self._file, start[0], start[1] - 1)

    def _check_key(self, key: Node, frame: _Open) -> None:
        text = to_text(key.value)
        if key.entries is not None and len(text) > max_key:
            message = f"a list or a map as a key has at most {max_key} characters"
            raise _refusal("too_large", message, self._file, key.line, key.column)
        if text in frame.keys:
            message = f"the key {text!r} stands twice in one map"
            found = Finding(code="duplicate_key", message=message, path=self._path())
            self._found(found, key.line, key.column)
        frame.keys.add(text)

    def _path(self) -> str:
        """The document path of the child that comes next or stands open."""
        path = ""
        for frame in self._stack:
            here = frame.here()
            path = f"{path}[{here}]" if isinstance(here, int) else join_path(path, here)
        return path

    def _fill_map(self, frame: _Open) -> None:
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in zip(frame.children[::2], frame.children[1::2], strict=True):
            if is_merge_key(key.value, plain=key.style == "p"):
                self._merge(value, merged)
            else:
                own[to_text(key.value)] = (key, value)
        entries = {**merged, **own}
        frame.node.value = {text: value.value for text, (_, value) in entries.items()}
        frame.node.entries = [(text, key, value) for text, (key, value) in entries.items()]

    def _merge(self, value: Node, into: dict[str, tuple[Node, Node]]) -> None:
        """Take over the entries of a map, or of several of which the first wins."""
        sources = [value]
        if isinstance(value.value, list):
            sources = [item for _, _, item in value.entries or ()]
        for source in sources:
            if not isinstance(source.value, dict):
                message = "a merge key << takes a map or a list of maps"
                place = Finding(code="yaml_syntax", message=message)
                self._found(place, source.line, source.column)
                continue
            for text, key, inner in source.entries or ():
                into.setdefault(text, (key, inner))

    # -- limits and problems

    def _spend(self, node: Node, mark: _Yaml) -> None:
        self._count += node.nodes
        self._characters += node.characters
        if self._count > self._limit:
            message = f"more than {self._limit} values, aliases expanded"
            raise self._stop("too_large", message, mark)
        if self._characters > self._most_characters:
            message = f"more than {self._most_characters} characters, aliases expanded"
            raise self._stop("too_large", message, mark)

    def _nest(self, height: int, mark: _Yaml) -> None:
        if len(self._stack) + height > max_depth:
            raise self._stop("too_large", f"nesting deeper than {max_depth}", mark)

    def _refuse_tag(self, event: _Yaml) -> None:
        if event.tag is not None:
            message = f"the tag {event.tag!r} is not read; files hold plain data only"
            self._problem("yaml_syntax", message, event.start_mark)

    def _problem(self, code: str, message: str, mark: _Yaml) -> None:
        lines = self._lines
        line, column = mark.line + 1, mark.column + 1
        if line > len(lines):  # libyaml ends a last line that has no end
            line, column = len(lines), len(lines[-1]) + 1
        self._found(Finding(code=code, message=message), line, column)

    def _stop(self, code: str, message: str, mark: _Yaml) -> SpecError:
        return _refusal(code, message, self._file, mark.line + 1, mark.column + 1)

    def _found(self, finding: Finding, line: int, column: int) -> None:
        source = SourceMap(file=self._file, places={finding.path: (line, column)})
        self.problems.append(source.problem(finding))

    def _unparsable(self, exc: _Yaml) -> None:
        mark = exc.problem_mark or exc.context_mark
        # libyaml looks ahead, so its own limit of depth is met before ours.
        code = "too_large" if "depth" in str(exc.problem) else "yaml_syntax"
        self._problem(code, complaint(exc, self._text), mark)

    def _unreadable(self, exc: _Yaml) -> None:
        character: int = exc.character
        message = f"the character U+{character:04X} is not allowed"
        # The first one stopped the reader; libyaml tells its offset in bytes, PyYAML in characters.
        before = self._text[: self._text.find(chr(character))]
        lines = line_end.split(before)
        self._found(Finding(code="yaml_syntax", message=message), len(lines), len(lines[-1]) + 1)
