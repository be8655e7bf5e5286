"""Files of data: CSV, JSON, YAML and XML as text <-> values.

XML has no lists and no types, so a rule is needed both ways: an element with nothing but text is a text,
an empty one is null, any other is a map of its children by name, a name that occurs several times
standing for a list; attributes are ``@name`` and text beside children is ``#text``.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat  # entities are refused below, and they are what makes expat dangerous
from xml.sax.saxutils import escape, quoteattr

from pipex_core.errors import SpecError, StepError
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, parse, type_name
from pipex_core.spec.yaml_text import read_yaml
from pipex_core.spec.yaml_writing import write_yaml
from pipex_core.steps.prompts import indented

most_bytes: Final = 100_000_000
deepest_xml: Final = 200
_xml_name: Final = re.compile(r"[^\W\d][\w.\-]*(?::[^\W\d][\w.\-]*)?")
_no_xml: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_json(text: str) -> Json:
    """The value of a JSON text.

    Raises:
        StepError: ``type_error``, it is none.
    """
    try:
        return parse(text)
    except ValueError as exc:
        raise _wrong("JSON", str(exc)) from exc


def write_json(value: Json) -> str:
    """Indented JSON, ended by a line end."""
    return indented(value) + "\n"


def read_yaml_value(text: str) -> Json:
    """The value of a YAML text, by the rules of pipeline files.

    Raises:
        StepError: ``type_error``, it is none.
    """
    try:
        return read_yaml(text, size=most_bytes, limit=most_bytes).value
    except SpecError as exc:
        first = exc.problems[0]
        raise _wrong("YAML", f"line {first.line}: {first.message}") from exc


def read_csv(text: str) -> list[dict[str, Json]]:
    """The rows of a CSV text as maps of texts, by the names in its first line.

    Source: RFC 4180; lines may also end in a bare line feed, and empty ones are passed over.

    Raises:
        StepError: ``type_error``, a quote is not closed, a row has more or fewer fields than there are
            names, or two columns have one name.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, Json]] = []
    names: Sequence[str] | None = None
    try:
        for fields in reader:
            if not fields:
                continue
            if names is None:
                names = _column_names(fields)
                continue
            if len(fields) != len(names):
                raise _wrong(
                    "CSV", f"line {reader.line_num}: {len(fields)} fields for {len(names)} columns"
                )
            rows.append(dict(zip(names, fields, strict=True)))
    except csv.Error as exc:
        raise _wrong("CSV", f"line {reader.line_num}: {exc}") from exc
    return rows


def _column_names(fields: Sequence[str]) -> Sequence[str]:
    twice = next((name for name in fields if fields.count(name) > 1), None)
    if twice is not None:
        raise _wrong("CSV", f"two columns are called {twice!r}")
    return fields


def write_csv(value: Json) -> str:
    """A list of maps as CSV: one column per key, in order of first appearance; null is empty.

    One map is a list of one. Values inside a cell are written by the text rule.

    Raises:
        StepError: ``type_error``, the value is no list of maps.
    """
    rows = [value] if isinstance(value, Mapping) else value
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise StepError(
            f"only a list of maps can become CSV, not a {type_name(value)}", code="type_error"
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    if names:
        writer.writerow(names)
    for row in rows:
        writer.writerow([to_text(row.get(name)) for name in names])
    return target.getvalue()


@dataclass(slots=True, kw_only=True)
class _Element:
    """An element that is being read: attributes and children as (name, value), and pieces of text."""

    name: str
    entries: list[tuple[str, Json]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def value(self) -> Json:
        text = "".join(self.text).strip()
        if not self.entries:
            return text or None
        found: dict[str, list[Json]] = {}
        for name, value in self.entries:
            found.setdefault(name, []).append(value)
        merged = {name: one[0] if len(one) == 1 else one for name, one in found.items()}
        return {**merged, "#text": text} if text else merged


class _XmlReader:
    """Builds values from the events of a parser."""

    def __init__(self) -> None:
        self.root: dict[str, Json] = {}
        self._open: list[_Element] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, text: str) -> Json:
        """The value of a whole document."""
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)  # noqa: FBT003 - positional in expat
        except expat.ExpatError as exc:
            raise _wrong("XML", str(exc)) from exc
        return self.root

    def _doctype(self, *_: object) -> None:
        raise _wrong("XML", "a document type declaration may define entities and is not read")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) >= deepest_xml:
            raise _wrong("XML", f"elements are nested more than {deepest_xml} deep")
        entries: list[tuple[str, Json]] = [(f"@{key}", value) for key, value in attributes.items()]
        self._open.append(_Element(name=name, entries=entries))

    def _end(self, name: str) -> None:
        value = self._open.pop().value()
        if self._open:
            self._open[-1].entries.append((name, value))
        else:
            self.root[name] = value

    def _characters(self, text: str) -> None:
        self._open[-1].text.append(text)


def read_xml(text: str) -> Json:
    """An XML document as a map of its root element's name to its value.

    Raises:
        StepError: ``type_error``, it is not well-formed, has a document type, or is nested too deep.
    """
    # A declaration of another encoding would be wrong: the text was decoded already.
    return _XmlReader().read(
        re.sub(r"\A\ufeff?\s*<\?xml.*?\?>", "", text, count=1, flags=re.DOTALL)
    )


def write_xml(value: Json) -> str:
    """A value as an XML document; a map with one key is its root, anything else stands in ``root``.

    Raises:
        StepError: ``type_error``, a key is no XML name or a text holds a character that XML cannot.
    """
    is_root = isinstance(value, Mapping) and len(value) == 1
    name, inner = next(iter(value.items())) if is_root else ("root", value)
    if isinstance(inner, list):
        name, inner = "root", {name if is_root else "item": inner}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *_element(name, inner, "")]
    return "\n".join(lines) + "\n"


def _element(name: str, value: Json, indent: str) -> Iterator[str]:
    _check_name(name)
    if not isinstance(value, Mapping):
        text = escape(_xml_text(value))
        yield f"{indent}<{name}>{text}</{name}>" if text else f"{indent}<{name}/>"
        return
    given = {key[1:]: inner for key, inner in value.items() if key.startswith("@")}
    for key in given:
        _check_name(key)
    attributes = "".join(f" {key}={quoteattr(_xml_text(v))}" for key, v in given.items())
    text = escape(_xml_text(value.get("#text")))
    children = [
        line
        for key, inner in value.items()
        if not key.startswith("@") and key != "#text"
        for one in (inner if isinstance(inner, list) else [inner])
        for line in _element(key, {"item": one} if isinstance(one, list) else one, indent + "  ")
    ]
    if not children:
        whole = f"{indent}<{name}{attributes}"
        yield f"{whole}>{text}</{name}>" if text else f"{whole}/>"
        return
    yield f"{indent}<{name}{attributes}>{text}"
    yield from children
    yield f"{indent}</{name}>"


def _check_name(name: str) -> None:
    if not _xml_name.fullmatch(name):
        raise StepError(f"{name!r} cannot be the name of an XML element", code="type_error")


def _xml_text(value: Json) -> str:
    text = to_text(value)
    found = _no_xml.search(text)
    if found:
        raise StepError(f"XML cannot hold the character {found[0]!r}", code="type_error")
    return text


conversions: Final[Mapping[str, Callable[[str], str]]] = {
    "csv_to_json": lambda text: write_json(read_csv(text)),
    "json_to_csv": lambda text: write_csv(read_json(text)),
    "yaml_to_json": lambda text: write_json(read_yaml_value(text)),
    "json_to_yaml": lambda text: write_yaml(read_json(text)),
    "xml_to_json": lambda text: write_json(read_xml(text)),
    "json_to_xml": lambda text: write_xml(read_json(text)),
}
readers: Final[Mapping[str, Callable[[str], Json]]] = {
    "json": read_json,
    "yaml": read_yaml_value,
    "csv": read_csv,
}


def _wrong(kind: str, reason: str) -> StepError:
    return StepError(f"this is no {kind} that can be read: {reason}", code="type_error")
