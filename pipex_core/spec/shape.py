"""A map that somebody wrote, checked against a table of fields: canonical values, and what is wrong.

The reader goes on after a finding, so that one look at a file shows everything. It gives aliases
their canonical names, keeps where each was written, and leaves defaults out: which layer a value
comes from is decided later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipex_core.errors import Severity
from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json, equal, type_name
from pipex_core.registry import nearest
from pipex_core.spec.fields import Table, part_fields
from pipex_core.spec.model import FieldShape, Finding, TypeWord
from pipex_core.spec.synonyms import field_synonyms, suggestion, value_synonyms

_expected: Final[Mapping[TypeWord, str]] = {
    "str": "text",
    "int": "an integer",
    "num": "a number",
    "bool": "true or false",
    "list": "a list",
    "map": "a map",
    "any": "anything",
}
_type_words: Final[Mapping[str, tuple[TypeWord, ...]]] = {
    "null": (),
    "boolean": ("bool",),
    "integer": ("int", "num"),
    "number": ("num",),
    "string": ("str",),
    "list": ("list",),
    "map": ("map",),
}
# Nested steps are read by the loader, which knows the step types; the others by ``spec.check``.
_read_later: Final = frozenset({"steps", "cases", "pipeline", "condition", "operations"})
_text_kinds: Final = frozenset({"expression", "pipeline_file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where a value stands.

    Attributes:
        path: In the document, as written.
        canon: In its step or workflow, aliases resolved.
    """

    path: str
    canon: str = ""

    def key(self, written: str, canonical: str | None = None) -> "At":
        """The place of an entry, with its canonical name where that is another one."""
        return At(
            path=join_path(self.path, written),
            canon=join_path(self.canon, written if canonical is None else canonical),
        )

    def item(self, index: int) -> "At":
        """The place of an item of a list."""
        return At(path=f"{self.path}[{index}]", canon=f"{self.canon}[{index}]")


class ShapeReader:
    """Reads the fields of one workflow or step; findings go to ``found``.

    Attributes:
        written: Canonical place to the document path where it was written, where an alias was used.
    """

    def __init__(self, found: list[Finding]) -> None:
        self._found = found
        self.written: dict[str, str] = {}

    def add(
        self,
        code: str,
        message: str,
        path: str,
        *,
        severity: Severity = "error",
        near: str | None = None,
    ) -> None:
        """Note a finding."""
        self._found.append(
            Finding(code=code, message=message, path=path, severity=severity, suggestion=near)
        )

    def fields(self, given: Mapping[str, Json], table: Table, at: At) -> dict[str, Json]:
        """The known fields under their canonical names; what is missing is asked for separately."""
        values: dict[str, Json] = {}
        inner: list[tuple[str, Json, FieldShape]] = []
        for key, value in given.items():
            shape = table.get(key)
            if shape is None:
                self._unknown(key, table, at)
            elif shape.unsupported:
                message = f"{key!r} is not supported: {shape.unsupported}"
                self.add("unsupported_feature", message, at.key(key).path)
            elif shape.ignored:
                message = f"{key!r} is accepted for old files and changes nothing"
                self.add("ignored_field", message, at.key(key).path, severity="warning")
            elif "." in shape.alias_of:
                inner.append((key, value, shape))
            else:
                self._take(values, key, value, table, at)
        for key, value, shape in inner:
            self._take_inner(values, key, value, shape, table, at)
        return values

    def require(self, values: Mapping[str, Json], table: Table, at: At) -> None:
        """Note the required fields that are missing."""
        for name, shape in table.items():
            if shape.required and name not in values:
                path = join_path(at.path, name)
                self.add("missing_field", f"the field {name!r} is required", path)

    def value(self, value: Json, shape: FieldShape, at: At) -> Json:
        """The value with aliases inside resolved, after all that its shape asks was checked."""
        if shape.kind == "prompt":
            return self._prompt(value, at)
        later = shape.kind in _read_later
        filled_later = shape.kind in {"template", "source"} and _is_template(value)
        if later or filled_later or not self._fits(value, shape, at):
            return value
        match value:
            case Mapping():
                return self._map(value, shape, at)
            case list() if shape.item is not None:
                return [self.value(one, shape.item, at.item(i)) for i, one in enumerate(value)]
            case list():
                return value
            case _:
                return self._scalar(value, shape, at)

    # -- fields

    def _unknown(self, key: str, table: Table, at: At) -> None:
        known = [name for name, shape in table.items() if not shape.unsupported]
        meant = next((one for one in field_synonyms.get(key, ()) if one in known), None)
        near = meant or _inner(key, table) or suggestion(key, known, field_synonyms)
        if key == "options" and "depends_on" in table:
            near = "claude_options"  # what section 28 says of every step
        message = f"there is no field {key!r} here"
        self.add("unknown_field", message, at.key(key).path, severity="warning", near=near)

    def _take(self, values: dict[str, Json], key: str, value: Json, table: Table, at: At) -> None:
        shape = table[key]
        name = shape.alias_of or key
        here = at.key(key, name)
        meant = self._meant(value, shape, table[name], here)
        if meant is None:
            return
        checked = meant[0]
        if name in values and not equal(values[name], checked):
            other = self.written.get(here.canon, join_path(at.path, name))
            message = f"{key!r} and {other.rpartition('.')[2]!r} say different things"
            self.add("conflicting_fields", message, here.path)
            return
        values[name] = checked
        if name != key:
            self.written[here.canon] = here.path

    def _take_inner(
        self,
        values: dict[str, Json],
        key: str,
        value: Json,
        shape: FieldShape,
        table: Table,
        at: At,
    ) -> None:
        """A field such as ``max_retries`` that stands for one inside ``retry``."""
        outer, _, name = shape.alias_of.partition(".")
        here = At(path=at.key(key).path, canon=at.key(outer).key(name).canon)
        meant = self._meant(value, shape, (table[outer].fields or {})[name], here)
        before = values.get(outer, {})
        if meant is None or not isinstance(before, Mapping):
            return
        checked = meant[0]
        if name in before and not equal(before[name], checked):
            message = f"{key!r} and {outer}.{name} say different things"
            self.add("conflicting_fields", message, here.path)
            return
        values[outer] = {**before, name: checked}
        self.written[here.canon] = here.path

    def _meant(
        self, value: Json, shape: FieldShape, target: FieldShape, here: At
    ) -> tuple[Json] | None:
        """What a field or an alias says for ``target``, in a tuple of one; None when nothing."""
        if not shape.alias_values:
            return (self.value(value, target, here),)
        if not self._fits(value, shape, here):
            return None
        return next(((to,) for given, to in shape.alias_values if equal(given, value)), None)

    # -- values

    def _fits(self, value: Json, shape: FieldShape, at: At) -> bool:
        types = shape.types
        if types == ("any",) and shape.kind in _text_kinds:
            types = ("str",)
        if "any" in types or set(types).intersection(_type_words[type_name(value)]):
            return True
        expected = " or ".join(_expected[word] for word in types)
        name = at.path.rpartition(".")[2]
        message = f"{name!r} must be {expected}, got {got(value)}"
        self.add("wrong_type", message, at.path)
        return False

    def _map(self, value: Mapping[str, Json], shape: FieldShape, at: At) -> Json:
        if shape.fields is not None:
            values = self.fields(value, shape.fields, at)
            self.require(values, shape.fields, at)
            return values
        for key in value:
            if shape.keys and key not in shape.keys:
                message = f"the keys here are {', '.join(shape.keys)}, not {key!r}"
                near = nearest(key, shape.keys)
                self.add("unknown_value", message, at.key(key).path, near=near)
        if shape.values is not None:
            return {
                key: self.value(inner, shape.values, at.key(key)) for key, inner in value.items()
            }
        return value

    def _scalar(self, value: Json, shape: FieldShape, at: At) -> Json:
        if isinstance(value, str):
            value = shape.choices_of.get(value, value)
        if shape.choices:
            self._check_choice(value, shape, at)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._check_bounds(value, shape, at)
        return value

    def _check_choice(self, value: Json, shape: FieldShape, at: At) -> None:
        if any(equal(value, choice) for choice in shape.choices):
            return
        if shape.kind != "plain" and isinstance(value, str) and "{{" in value:
            return
        words = [choice for choice in shape.choices if isinstance(choice, str)]
        near = suggestion(value, words, value_synonyms) if isinstance(value, str) else None
        name = at.path.rpartition(".")[2]
        message = f"{name!r} must be one of {', '.join(map(str, shape.choices))}, got {value!r}"
        self.add("unknown_value", message, at.path, near=near)

    def _check_bounds(self, value: float, shape: FieldShape, at: At) -> None:
        bounds = []
        if shape.low is not None and value < shape.low:
            bounds.append(f"at least {shape.low}")
        if shape.high is not None and value > shape.high:
            bounds.append(f"at most {shape.high}")
        if shape.above is not None and value <= shape.above:
            bounds.append(f"above {shape.above}")
        if bounds:
            name = at.path.rpartition(".")[2]
            message = f"{name!r} must be {' and '.join(bounds)}, got {value}"
            self.add("out_of_range", message, at.path)

    # -- prompts

    def _prompt(self, value: Json, at: At) -> Json:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            message = f"a prompt must be text or a list of parts, got {got(value)}"
            self.add("wrong_type", message, at.path)
            return value
        return [self._part(part, at.item(i)) for i, part in enumerate(value)]

    def _part(self, part: Json, at: At) -> Json:
        if isinstance(part, str):
            return part
        if not isinstance(part, Mapping):
            message = f"a part of a prompt must be text or a map, got {got(part)}"
            self.add("wrong_type", message, at.path)
            return part
        kind = part.get("type")
        if kind is None:
            message = "a part of a prompt needs the field 'type'"
            self.add("missing_field", message, f"{at.path}.type")
            for key in part:
                if nearest(key, ["type"]):
                    self._unknown(key, part_fields["static"], at)
            return part
        table = part_fields.get(kind) if isinstance(kind, str) else None
        if table is None:
            near = suggestion(kind, part_fields, value_synonyms) if isinstance(kind, str) else None
            message = f"a part of a prompt is one of {', '.join(part_fields)}, not {kind!r}"
            self.add("unknown_value", message, f"{at.path}.type", near=near)
            return part
        values = self.fields(part, table, at)
        self.require(values, table, at)
        return values


def _inner(key: str, table: Table) -> str | None:
    """Where ``key`` stands that was written one level too far out: ``claude_options.model``."""
    fields = ((name, shape) for name, shape in table.items() if not shape.alias_of)
    return next((f"{name}.{key}" for name, shape in fields if key in (shape.fields or ())), None)


def _is_template(value: Json) -> bool:
    """Whether a value is text that one template fills, so that its type shows at run time only."""
    return isinstance(value, str) and value.startswith("{{") and value.endswith("}}")


def got(value: Json) -> str:
    """What stands somewhere, for messages: ``nothing``, ``an integer``, ``a map``."""
    name = type_name(value)
    article = "an" if name == "integer" else "a"
    return "nothing" if value is None else f"{article} {name}"
