"""Steps into values: ``a.b[0]`` read from a value, written as text, set in a copy."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from pipex_core.expressions.values import Undefined, type_error, undefined
from pipex_core.jsonvalue import Json, type_name

Key: TypeAlias = str | int

_segment: Final = re.compile(
    r"""(?:^|\.)(?P<name>[^.\[\]]+)|\[(?P<index>-?[0-9]{1,18})\]|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]"""
)
_index: Final = re.compile(r"[0-9]{1,18}")
_plain_key: Final = re.compile(r"""[^.\[\]"'\s]+""")


def entry(key: str) -> str:
    """How the path of a map goes on to an entry: ``.b``, or ``["odd key"]``."""
    return f".{key}" if _plain_key.fullmatch(key) else f'["{key}"]'


def join_path(path: str, key: str) -> str:
    """The path of a map's entry: ``a.b``, or ``a["odd key"]``."""
    return path + entry(key) if path else entry(key).removeprefix(".")


@lru_cache(maxsize=1024)
def parse_path(text: str) -> tuple[Key, ...]:
    """The steps of a path such as ``a.b[0]["odd key"]``; digits after a dot stay text.

    A text that is no path is one step, so that columns like ``first name [m]`` can be named.
    """
    keys: list[Key] = []
    position = 0
    while position < len(text):
        found = _segment.match(text, position)
        if found is None:
            return (text,)
        if found["name"] is not None:
            keys.append(found["name"])
        elif found["index"] is not None:
            keys.append(int(found["index"]))
        else:
            keys.append(found["key"])
        position = found.end()
    return tuple(keys) or (text,)


def step(value: Json, key: Json) -> Json | Undefined:
    """What ``value[key]`` is: a list takes integers, a map takes texts and integers as texts."""
    if isinstance(value, Mapping):
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        return value.get(key, undefined) if isinstance(key, str) else undefined
    if isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else undefined
    return undefined


def dotted(value: Json, name: str, index: int | None = None) -> Json | Undefined:
    """What ``value.name`` is; ``.length`` is the size where no such key is.

    ``index`` is the number that ``name`` spells, for ``.0`` of lists.
    """
    if isinstance(value, list | tuple) and index is not None:
        return step(value, index)
    found = step(value, name)
    if found is undefined and name == "length" and isinstance(value, str | list | tuple | Mapping):
        return len(value)
    return found


def get(value: Json, path: str) -> Json | Undefined:
    """What a path leads to; a key that is the whole text of the path comes first."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for key in parse_path(path):
        value = dotted(value, key, _number(key)) if isinstance(key, str) else step(value, key)
    return value


def put(value: Json, path: str, new: Json) -> Json:
    """A copy of ``value`` with ``new`` at ``path``; maps that are missing on the way are made.

    Raises:
        ExpressionError: ``type_error``, the path leads through something that has no such step.
    """
    keys = (path,) if isinstance(value, Mapping) and path in value else parse_path(path)
    return _put(value, keys, new)


def _put(value: Json, keys: Sequence[Key], new: Json) -> Json:
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if isinstance(value, Mapping) or value is None:
        name = str(key)
        old = value or {}
        return {**old, name: _put(old.get(name), rest, new)}
    place = key if isinstance(key, int) else _number(key)
    if isinstance(value, list | tuple) and place is not None and -len(value) <= place < len(value):
        changed = list(value)
        changed[place] = _put(changed[place], rest, new)
        return changed
    raise type_error(f"a field ({key!r}) is set in maps, got {type_name(value)}")


def _number(text: str) -> int | None:
    return int(text) if _index.fullmatch(text) else None
