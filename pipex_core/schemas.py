"""JSON Schema, draft 2020-12: what is wrong with a schema, and a validator that ends and is exact.

The library validates; three things are decided here. A reference never leaves its schema.
``multipleOf`` counts in decimals, and a regular expression has a second.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Any  # a JSON value, also of data
Validator: TypeAlias = Any  # jsonschema makes its classes at run time

max_digits: Final = (
    5_000  # of a quotient: 4 300 of an integer by the smallest of 324 behind the point
)
max_search_s: Final = 1.0  # of a regular expression in one text
max_reason: Final = 300  # characters; longer ones quote a whole document

_types: Final = ("null", "boolean", "object", "array", "number", "string", "integer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong at one place, which ``pointer`` (RFC 6901) names."""

    pointer: str
    reason: str


def validator(schema: Schema) -> Validator:
    """A validator of draft 2020-12, whatever ``$schema`` says; it fetches nothing.

    ``schema`` has no ``faults``, and is spelled out in place as the library needs it.
    """
    # jsonschema takes a tenth of a second to import, and most commands check no schema.
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    for part, _ in list(_parts(schema)):
        _spell_out(part)
    made = validators.extend(  # type: ignore[no-untyped-call] # the stubs give it no types
        Draft202012Validator, {"multipleOf": _multiple_of, "pattern": _pattern}
    )
    return made(schema, registry=Registry())


def faults(schema: Schema) -> Sequence[Fault]:
    """What is wrong with a schema, each place once, by place: its form, or else its references."""
    from jsonschema import Draft202012Validator

    meta = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    wrong: dict[str, str] = {}
    for error in meta.iter_errors(schema):
        path = list(error.absolute_path)
        is_type = error.validator == "anyOf" and path[-1:] == ["type"]
        known = f"{error.instance!r} is no type; the types are {', '.join(_types)}"
        wrong.setdefault(pointer(path), known if is_type else shortened(error.message))
    if wrong:
        return [Fault(pointer=place, reason=reason) for place, reason in sorted(wrong.items())]
    return sorted(_lost_references(schema), key=lambda fault: fault.pointer)


def pointer(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901); empty for the whole document."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def shortened(message: str) -> str:
    """The message, cut to 300 characters."""
    return message if len(message) <= max_reason else message[: max_reason - 3] + "..."


# -- parts and their references


def _parts(schema: Schema) -> Iterator[tuple[dict[str, Schema], list[str]]]:
    """Each part of a schema that is a schema itself, with its words of reference that lead nowhere."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    nothing_else: Registry[Schema] = Registry()
    root = _resource(schema)
    todo = [(root, nothing_else.resolver_with_root(root))]
    seen: set[int] = set()
    while todo:
        resource, resolver = todo.pop()
        part = resource.contents
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        lost = []
        for word in ("$ref", "$dynamicRef"):
            if word not in part:
                continue
            try:
                end = resolver.lookup(part[word])
            except Unresolvable:
                lost.append(word)
            else:
                # What a reference leads to may stand where no keyword would lead.
                todo.append((_resource(end.contents), end.resolver))
        todo.extend((inner, resolver.in_subresource(inner)) for inner in resource.subresources())
        yield part, lost


def _lost_references(schema: Schema) -> Iterator[Fault]:
    for part, lost in _parts(schema):
        for word in lost:
            reason = f"{part[word]!r} leads to nothing within the schema"
            yield Fault(pointer=_place(part, schema) + pointer([word]), reason=reason)


def _resource(schema: Schema) -> Any:  # noqa: ANN401 - a generic of the library over Any
    from referencing.jsonschema import DRAFT202012

    return DRAFT202012.create_resource(schema)


def _place(part: Schema, schema: Schema) -> str:
    """Where a map stands in the schema that holds it."""
    todo: list[tuple[str, Schema]] = [("", schema)]
    while True:
        place, here = todo.pop()
        if here is part:
            return place
        inside = here.items() if isinstance(here, dict) else enumerate(here)
        todo += [(place + pointer([key]), x) for key, x in inside if isinstance(x, dict | list)]


def _spell_out(part: dict[str, Schema]) -> None:
    """Write ``false`` as ``{"not": {}}``, since jsonschema 4.26 reports a bare one at its parent."""
    for word in ("properties", "patternProperties"):
        if word in part:
            part[word] = {name: _spelled(inner) for name, inner in part[word].items()}
    if "prefixItems" in part:
        part["prefixItems"] = [_spelled(inner) for inner in part["prefixItems"]]


def _spelled(schema: Schema) -> Schema:
    return {"not": {}} if schema is False else schema


# -- keywords


def _multiple_of(_: Validator, step: float, value: Schema, __: Schema) -> Iterator[Exception]:
    """As doubles 19.99 is no multiple of 0.01, and jsonschema 4.26 says so."""
    from jsonschema import ValidationError

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not _divides(Decimal(repr(step)), Decimal(repr(value))):
        yield ValidationError(f"{value!r} is not a multiple of {step!r}")


def _divides(step: Decimal, value: Decimal) -> bool:
    with localcontext(prec=max_digits):
        return value % step == 0


def _pattern(_: Validator, pattern: str, value: Schema, __: Schema) -> Iterator[Exception]:
    """A search that takes longer than a second has found nothing."""
    import regex
    from jsonschema import ValidationError

    if not isinstance(value, str):
        return
    try:
        found = regex.search(pattern, value, flags=regex.VERSION0, timeout=max_search_s)
    except TimeoutError:
        found = None
    if found is None:
        yield ValidationError(f"{value!r} does not match {pattern!r}")
