"""The ``inputs`` of a workflow as written -> what each declares (section 3)."""

from collections.abc import Mapping

from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json, equal
from pipex_core.registry import nearest
from pipex_core.spec.fields import input_fields
from pipex_core.spec.inputs import fits_type, type_of
from pipex_core.spec.model import InputSpec
from pipex_core.spec.shape import At, ShapeReader


def read_inputs(given: Json, path: str, reader: ShapeReader) -> dict[str, InputSpec]:
    """The declared inputs by name, in the order of the file; what is wrong goes to ``reader``."""
    if not isinstance(given, Mapping):
        return {}  # the field table reported it
    return {
        name: _input(name, value, join_path(path, name), reader) for name, value in given.items()
    }


def _input(name: str, value: Json, path: str, reader: ShapeReader) -> InputSpec:
    if not _declares(value):
        _hint_at_slips(value, path, reader)
        return InputSpec(
            name=name, type=type_of(value), default=value, has_default=True, required=False
        )
    given = reader.fields(value or {}, input_fields, At(path=path))
    kind = given.get("type")
    has_default = "default" in given
    enum = given.get("enum")
    spec = InputSpec(
        name=name,
        type=kind if isinstance(kind, str) else None,
        default=given.get("default"),
        has_default=has_default,
        required=given.get("required", not has_default) is True,
        enum=tuple(enum) if isinstance(enum, list) else (),
        description=str(given.get("description") or ""),
    )
    _check_values(spec, path, reader)
    return spec


def _declares(value: Json) -> bool:
    """Whether a value is a declaration, and not a plain default."""
    is_map = isinstance(value, Mapping)
    return value is None or (is_map and (not value or bool(input_fields.keys() & value.keys())))


def _hint_at_slips(value: Json, path: str, reader: ShapeReader) -> None:
    """A map all of whose keys look like those of a declaration was hardly meant as a value."""
    if not isinstance(value, Mapping):
        return
    near = {key: nearest(key, input_fields) for key in value}
    if all(near.values()):
        for key, word in near.items():
            message = f"the map is taken as the default, since {key!r} declares nothing"
            reader.add(
                "unknown_field", message, join_path(path, key), severity="warning", near=word
            )


def _check_values(spec: InputSpec, path: str, reader: ShapeReader) -> None:
    for index, allowed in enumerate(spec.enum):
        if not fits_type(allowed, spec.type):
            message = f"a value that {spec.name!r} may have is no {spec.type}"
            reader.add("wrong_type", message, f"{path}.enum[{index}]")
    if not spec.has_default:
        return
    if not fits_type(spec.default, spec.type):
        message = f"the default of {spec.name!r} is no {spec.type}"
        reader.add("wrong_type", message, f"{path}.default")
    elif spec.enum and not any(equal(spec.default, allowed) for allowed in spec.enum):
        message = f"the default of {spec.name!r} is not in its enum"
        reader.add("unknown_value", message, f"{path}.default")
