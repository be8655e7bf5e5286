"""JSON values: canonical text (RFC 8785), digests, strict parsing, and JSON Schema checks with pointers."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, cast

from pipex_core import schemas
from pipex_core.errors import Problem, SpecError

Json = Any  # None, bool, int, float, str, list or dict with string keys, nested

max_depth = 64
plain_floats = 1e16  # from here on Python writes an exponent

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
    try:
        return _encode_plain(_settled(value))
    except LookupError:
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
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_pairs,
        )
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


def identity(value: Json) -> Hashable:
    """A hashable stand-in: two values have equal ones exactly when ``equal`` holds of them."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list | tuple):
        return (list, *map(identity, value))
    if isinstance(value, Mapping):
        return (dict, frozenset((key, identity(inner)) for key, inner in value.items()))
    return cast("Hashable", value)


def check_schema(data: Json, schema: Json) -> list[tuple[str, str]]:
    """What is wrong with ``data``: ``(JSON Pointer, message)`` sorted by pointer, empty when valid.

    Draft 2020-12 whatever ``$schema`` says; ``format`` is not asserted; ``$ref`` works within the
    schema only. A missing property is reported at the object that lacks it.

    Raises:
        SpecError: ``invalid_schema``, the schema itself is wrong; see ``require_schema``.
    """
    find = _finder(_schema_text(schema))
    try:
        return find(data)
    except RecursionError as exc:
        reason = "it refers to itself without an end, or the data nests too deeply"
        raise SpecError([_invalid(reason)]) from exc


def require_schema(schema: Json) -> None:
    """Return when ``check_schema`` can use the schema.

    Raises:
        SpecError: ``invalid_schema``, once for each place that is wrong; the ``path`` of a problem is
            the JSON Pointer of the place in the schema.
    """
    _finder(_schema_text(schema))


def _schema_text(schema: Json) -> str:
    try:
        return canonical(schema)
    except (TypeError, ValueError) as exc:
        raise SpecError([_invalid(str(exc))]) from exc


@lru_cache(maxsize=256)
def _finder(text: str) -> Callable[[Json], list[tuple[str, str]]]:
    """What finds the problems of data under the schema of that text; most schemas are used often."""
    schema = json.loads(text)
    wrong = schemas.faults(schema)
    if wrong:
        raise SpecError([_invalid(fault.reason, fault.pointer) for fault in wrong])
    validator = schemas.validator(schema)

    def find(data: Json) -> list[tuple[str, str]]:
        return sorted(
            (schemas.pointer(error.absolute_path), schemas.shortened(error.message))
            for error in validator.iter_errors(data)
        )

    return find


def _invalid(reason: str, pointer: str = "") -> Problem:
    place = f" at {pointer}" if pointer else ""
    message = f"the JSON Schema is wrong{place}: {reason}"
    return Problem(code="invalid_schema", message=message, path=pointer)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is beyond the floats")
    return value


def _unique_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise ValueError(f"duplicate key {counted.most_common(1)[0][0]!r}")
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


def _settled(value: Json) -> Json:
    """A copy that Python's own encoder, which is several times faster, writes canonically.

    Whole floats become integers. ``LookupError``: something is inside that the encoder writes or
    sorts in another way, such as 1e-7, or a key beyond the basic plane.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        # In these ranges both notations write digits without an exponent.
        if value.is_integer() and -plain_floats < value < plain_floats:
            return int(value)
        if 1e-4 <= value < plain_floats or -plain_floats < value <= -1e-4:  # noqa: PLR2004 - see above
            return value
    elif kind is dict:
        if all(type(key) is str and (key.isascii() or max(key) < "\ud800") for key in value):
            return {key: _settled(inner) for key, inner in value.items()}
    elif kind is list or kind is tuple:
        return [_settled(inner) for inner in value]
    raise LookupError


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
