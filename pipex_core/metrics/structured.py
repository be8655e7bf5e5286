"""Judgements of answers that are meant to be JSON, XML, YAML or code."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json, check_schema, parse, require_schema
from pipex_core.metrics.contract import MetricInfo, MetricInput, OptionInfo, Score, Scored
from pipex_core.metrics.extraction import answered_json, code_blocks, unfenced


class JsonValid:
    """1 if the answer is one JSON value, inside at most one code fence and with nothing around it.

    Strict: duplicate keys, NaN and nesting deeper than 64 are invalid. ``repair`` changes no value; it
    tells in the details whether an invalid answer holds JSON that a reader could mend.
    """

    info = MetricInfo(
        name="json_valid",
        summary="1 if the answer is valid JSON, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "repair": OptionInfo(
                kind="bool",
                default=False,
                description="say in the details whether it can be mended",
            ),
        },
    )

    def __init__(self, *, repair: bool = False) -> None:
        self._repair = repair

    def score(self, item: MetricInput) -> Score:
        output = item.output or ""
        try:
            parse(unfenced(output))
        except ValueError as exc:
            details: dict[str, Json] = {"error": str(exc)}
            if self._repair:
                details["repairable"] = repaired(output) is not None
            return Scored(value=0.0, details=details)
        return Scored(value=1.0)


def repaired(text: str) -> tuple[Json] | None:
    """The map or list that a text holds, in a box, or None when no mending helps.

    Mended are prose around it, trailing commas, and Python's ``None``, ``True`` and ``False``.
    """
    for candidate in _candidates(text):
        for mended in (candidate, _mended(candidate)):
            try:
                return (parse(mended),)
            except ValueError:
                continue
    return None


# A string that is not closed lasts to the end, so that no part of the text is read twice.
_string: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_slip: Final = re.compile(r",(?=\s*[\]}])|\b(?:None|True|False)\b")
_as_json: Final = {",": "", "None": "null", "True": "true", "False": "false"}


def _candidates(text: str) -> Iterator[str]:
    """The text without its fence, then from the first opening to the last closing bracket."""
    bare = unfenced(text)
    yield bare
    for first, last in (("{", "}"), ("[", "]")):
        start, end = bare.find(first), bare.rfind(last)
        if 0 <= start < end:
            yield bare[start : end + 1]


def _mended(text: str) -> str:
    """Slips outside of strings put right."""
    parts: list[str] = []
    at = 0
    for found in _string.finditer(text):
        parts += [_outside(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _outside(text[at:])])


def _outside(text: str) -> str:
    return _slip.sub(lambda found: _as_json[found[0]], text)


class JsonSchema:
    """1 if the answer is valid under a JSON Schema, draft 2020-12, else 0.

    With ``partial`` it is 1 minus the share of required leaves that are absent or invalid; an answer that
    is invalid elsewhere has at least one. An answer that is no JSON has the label ``not_json``.
    """

    info = MetricInfo(
        name="json_schema",
        summary="1 if the answer is valid under the schema, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "schema": OptionInfo(kind="map|bool", required=True),
            "partial": OptionInfo(
                kind="bool", default=False, description="share of required leaves that are valid"
            ),
        },
        libraries=("jsonschema",),
    )

    def __init__(self, *, schema: Json, partial: bool = False) -> None:
        try:
            require_schema(schema)
        except SpecError as exc:
            raise ValueError(exc.problems[0].message) from exc
        self._schema = schema
        self._partial = partial

    def score(self, item: MetricInput) -> Score:
        given = answered_json(item)
        if given is None:
            return Scored(value=0.0, label="not_json")
        found = check_schema(given[0], self._schema)
        details: dict[str, Json] = {
            "errors": [{"pointer": at, "message": message} for at, message in found[:_shown]]
        }
        value = float(not found)
        if self._partial and found:
            value = self._valid_share(given[0], [pointer for pointer, _ in found])
        return Scored(value=value, details=details if found else {})

    def _valid_share(self, given: Json, wrong: list[str]) -> float:
        leaves = list(_required_leaves(self._schema, (given,), ""))
        failing = [
            pointer
            for pointer, is_there in leaves
            if not is_there or any(f"{at}/".startswith(f"{pointer}/") for at in wrong)
        ]
        return 1 - max(len(failing), 1) / len(leaves) if leaves else 0.0


class XmlValid:
    """1 if the answer is one well-formed XML document, after at most one code fence, else 0.

    Entities are not expanded, and nothing outside of the text is read.
    """

    info = MetricInfo(
        name="xml_valid",
        summary="1 if the answer is well-formed XML, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
    )

    def score(self, item: MetricInput) -> Score:
        from xml.parsers.expat import ExpatError, ParserCreate

        parser = ParserCreate()
        # With a default handler, expat hands the names of entities over instead of expanding them.
        parser.DefaultHandler = lambda _text: None
        try:
            parser.Parse(unfenced(item.output or "").strip().encode(), True)  # noqa: FBT003 - it is the end; expat knows no names
        except (ExpatError, UnicodeEncodeError) as exc:
            return Scored(value=0.0, details={"error": str(exc)})
        return Scored(value=1.0)


class YamlValid:
    """1 if the answer is one YAML document under the rules of pipex, after at most one code fence.

    Args:
        complaint: Text to what is wrong with it, or None.
    """

    info = MetricInfo(
        name="yaml_valid",
        summary="1 if the answer is valid YAML, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
    )

    def __init__(self, *, complaint: Callable[[str], str | None]) -> None:
        self._complaint = complaint

    def score(self, item: MetricInput) -> Score:
        output = unfenced(item.output or "")
        wrong = self._complaint(output) if output.strip() else "the text is empty"
        return Scored(value=1.0) if wrong is None else Scored(value=0.0, details={"error": wrong})


class CodeParses:
    """1 if the last code block of the answer parses, else 0; an answer without one is read as code itself."""

    info = MetricInfo(
        name="code_parses",
        summary="1 if the code in the answer parses, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "language": OptionInfo(kind="str", default="python", choices=("python", "json")),
        },
    )

    def __init__(self, *, language: str = "python") -> None:
        self._parse: Callable[[str], object] = _parse_python if language == "python" else parse

    def score(self, item: MetricInput) -> Score:
        output = item.output or ""
        blocks = code_blocks(output)
        try:
            self._parse(blocks[-1][1] if blocks else output)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as exc:
            # CPython gives up on code that nests too deep in one of the last two ways.
            return Scored(value=0.0, details={"error": f"{type(exc).__name__}: {exc}"[:_longest]})
        return Scored(value=1.0)


_shown: Final = 20
_longest: Final = 300


def _parse_python(code: str) -> None:
    import ast
    import warnings

    if not code.strip():
        raise ValueError("there is no code")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes: the code is not ours
        ast.parse(code)


def _required_leaves(
    schema: Json, box: tuple[Json] | None, pointer: str
) -> Iterator[tuple[str, bool]]:
    """Pointer of each leaf that a schema requires, and whether the value has it.

    Args:
        schema: The part of the schema for this place.
        box: The value at this place, or None where there is none.
        pointer: Of this place.
    """
    known = schema if isinstance(schema, Mapping) else {}
    value: Json = box[0] if box else None
    required = known.get("required")
    properties = known.get("properties")
    items = known.get("items")
    if required:
        inner = properties if isinstance(properties, Mapping) else {}
        for key in required:
            found = (value[key],) if isinstance(value, Mapping) and key in value else None
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _required_leaves(inner.get(key), found, place)
    elif isinstance(items, Mapping) and isinstance(value, list) and value:
        for at, one in enumerate(value):
            yield from _required_leaves(items, (one,), f"{pointer}/{at}")
    else:
        yield pointer, box is not None
