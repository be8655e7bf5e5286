"""JSON values: canonical text (RFC 8785), digests, strict parsing, and JSON Schema checks with pointers."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from pipex_core.errors import Problem, SpecError

Json = Any  # None, bool, int, float, str, list or dict with string keys, nested

max_depth = 64

_encode_plain = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_encode_compact = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def canonical(value: Json) -> str:
    """The one text of ``value`` by RFC 8785: sorted keys, no spaces, numbers as ECMAScript writes them.

    Integers keep all their digits (RFC 8785 would round those above 2**53).

    Raises:
        ValueError: A NaN or an infinity.
        TypeError: Something that is no JSON value.
    """
    if _is_plain(value):
        return _encode_plain(value)
    return _canonical(value)


def canonical_bytes(value: Json) -> bytes:
    """``canonical`` in UTF-8; a lone surrogate is written as its three bytes, so nothing fails here."""
    return canonical(value).encode("utf-8", "surrogatepass")


def digest(value: Json) -> str:
    """SHA-256 of the canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def short(full: str) -> str:
    """The 12 digits of a digest that people see."""
    return full[:12]


def compact(value: Json) -> str:
    """JSON without spaces, keys in stored order, non-ASCII kept."""
    return _encode_compact(value)


def type_name(value: Json) -> str:
    """``null boolean integer number string list map``, as the pipeline language names types."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list" if isinstance(value, list | tuple) else "map"


def parse(text: str) -> Json:
    """The value of a JSON text, strictly: no NaN, no duplicate keys, nesting at most 64.

    Raises:
        ValueError: The text is not JSON in this sense; the message says where.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_pairs)
    except RecursionError as exc:
        raise ValueError(f"nesting deeper than {max_depth}") from exc
    if _depth(value) > max_depth:
        raise ValueError(f"nesting deeper than {max_depth}")
    return value


def equal(left: Json, right: Json) -> bool:
    """Strict deep equality: numbers by value, a boolean never equals a number, text never a number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def check_schema(data: Json, schema: Json) -> list[tuple[str, str]]:
    """What is wrong with ``data``: ``(JSON Pointer, message)`` pairs sorted by pointer, empty when valid.

    Draft 2020-12; ``format`` is not asserted; ``$ref`` works within the schema only. A missing
    property is reported at the object that lacks it.

    Raises:
        SpecError: ``invalid_schema``, the schema itself is wrong.
    """
    from pipex_core.jsonschema_check import validate

    return validate(data, schema)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _unique_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"duplicate key {twice!r}")
    return made


def _depth(value: Json) -> int:
    deepest = 0
    level: list[Json] = [value]
    while level:
        inner = [v for v in level if isinstance(v, dict | list)]
        if not inner:
            return deepest
        deepest += 1
        level = [x for v in inner for x in (v.values() if isinstance(v, dict) else v)]
    return deepest


def _is_plain(value: Json) -> bool:
    """Whether Python's encoder already gives the canonical text: no floats, keys in the BMP."""
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is str or kind is int or kind is bool or item is None:
            continue
        if kind is dict:
            for key in item:
                if type(key) is not str or not (key.isascii() or max(key, default="") < "\ud800"):
                    return False
            stack.extend(item.values())
        elif kind is list or kind is tuple:
            stack.extend(item)
        else:
            return False
    return True


def _canonical(value: Json) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return _encode_plain(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key must be text, got {key!r}")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_encode_plain(k)}:{_canonical(value[k])}" for k in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _number(value: float) -> str:
    """A double as ECMAScript's ``Number::toString``, which RFC 8785 section 3.2.2.3 prescribes."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    point -= len(whole + fraction) - len((whole + fraction).lstrip("0"))
    stripped = digits.rstrip("0")
    n, k = point, len(stripped)
    if k <= n <= 21:  # noqa: PLR2004 - the bounds are ECMAScript's
        return sign + stripped + "0" * (n - k)
    if 0 < n <= 21:  # noqa: PLR2004
        return sign + stripped[:n] + "." + stripped[n:]
    if -6 < n <= 0:  # noqa: PLR2004
        return sign + "0." + "0" * -n + stripped
    tail = f"e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return sign + stripped[0] + ("." + stripped[1:] if k > 1 else "") + tail
