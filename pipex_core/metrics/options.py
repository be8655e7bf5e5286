"""Options of a metric: known names, kinds and choices, completed with the defaults of ``MetricInfo``.

The options that many metrics have stand here once. ``library_normalize_option`` is for metrics that a
library defines: they get the text as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from pipex_core.jsonvalue import Json, type_name
from pipex_core.metrics.contract import OptionInfo
from pipex_core.metrics.words import forms
from pipex_core.registry import nearest, similar

normalize_option: Final = OptionInfo(
    kind="str", default="nfc", choices=forms, description="Unicode form of both texts"
)
library_normalize_option: Final = replace(normalize_option, default="none")
ignore_case_option: Final = OptionInfo(
    kind="bool", default=False, description="compare without case"
)
strip_option: Final = OptionInfo(
    kind="bool", default=True, description="ignore blanks at both ends"
)


class BadOption(NamedTuple):
    """Why an option cannot be used.

    Attributes:
        suggestion: The nearest known word, or None.
    """

    option: str
    message: str
    suggestion: str | None = None


class Completed(NamedTuple):
    """All options of a metric in canonical spelling, defaults included, and what was wrong."""

    options: Mapping[str, Json]
    wrong: tuple[BadOption, ...]


def completed(given: Mapping[str, Json], known: Mapping[str, OptionInfo]) -> Completed:
    """The options that a metric is made with.

    Two entries that mean the same give equal options, whatever alias or synonym they use.
    """
    names = {alias: name for name, info in known.items() for alias in (name, *info.aliases)}
    options: dict[str, Json] = {}
    wrong: list[BadOption] = []
    for word, value in given.items():
        name = names.get(word)
        if name is None:
            wrong.append(_unknown(word, names))
        elif name in options:
            wrong.append(BadOption(word, f"option {name!r} is given twice"))
        elif value is not None:
            options[name], faults = _checked(word, value, known[name])
            wrong.extend(faults)
    for name, info in known.items():
        if info.required and name not in options:
            wrong.append(BadOption(name, f"option {name!r} is required"))
        default = info.default
        options.setdefault(name, list(default) if isinstance(default, tuple) else default)
    return Completed({name: options[name] for name in known if name in options}, tuple(wrong))


_kinds: Final[Mapping[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "list": (list, tuple),
    "map": (dict,),
    "any": (object,),
}


def _unknown(word: str, names: Mapping[str, str]) -> BadOption:
    near = nearest(word, names) or next(iter(similar(word, names, count=1)), None)
    known = ", ".join(sorted(set(names.values()))) or "none"
    return BadOption(word, f"unknown option {word!r}; the options are: {known}", near)


def _checked(word: str, value: Json, info: OptionInfo) -> tuple[Json, tuple[BadOption, ...]]:
    kinds = info.kind.split("|")
    if not any(_is(kind, value) for kind in kinds):
        wanted = " or ".join(kinds)
        return value, (
            BadOption(word, f"option {word!r} must be {wanted}, not {type_name(value)}"),
        )
    if info.least is not None and not value >= info.least:
        return value, (BadOption(word, f"option {word!r} must be at least {info.least:g}"),)
    if isinstance(value, list | tuple) and "any" not in kinds:
        items = [info.synonyms.get(item, item) for item in value if isinstance(item, str)]
        if len(items) < len(value):
            return value, (BadOption(word, f"option {word!r} must be a list of texts"),)
        return items, tuple(_unlisted(word, items, info))
    if isinstance(value, str) and "any" not in kinds:
        value = info.synonyms.get(value, value)
        return value, tuple(_unlisted(word, [value], info))
    # 1 and 1.0 are one number, and must be one fingerprint.
    return float(value) if kinds == ["float"] else value, ()


def _is(kind: str, value: Json) -> bool:
    is_bool = isinstance(value, bool)
    return isinstance(value, _kinds[kind]) and (kind in {"bool", "any"} or not is_bool)


def _unlisted(word: str, values: list[str], info: OptionInfo) -> Iterator[BadOption]:
    for value in values if info.choices else ():
        if value not in info.choices:
            allowed = [*info.choices, *info.synonyms]
            text = f"option {word!r} is {value!r}; allowed: {', '.join(info.choices)}"
            yield BadOption(word, text, nearest(value, allowed))
