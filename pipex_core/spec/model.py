"""A pipeline file as values: the workflow, its steps, and the shapes that step types bring along.

A shape is a table: which fields a step type has, what may stand in each, and how the field's text is
read (a template, an expression, a nested list of steps). ``spec.load`` checks any file against such
tables, ``spec.check`` and ``spec.plan`` find references and effects through them; none of the three
knows a step type by name, so a plug-in's step is checked like a built-in one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipex_core.errors import Problem, Severity
from pipex_core.jsonvalue import Json

FieldKind = Literal[
    "template",  # any value; its strings may hold templates
    "expression",  # text of an expression
    "source",  # a value, an expression, a template or a compatibility form such as a:b
    "condition",  # expression, boolean, or structured condition
    "prompt",  # text or list of prompt parts
    "steps",  # nested list of steps
    "cases",  # map of text to nested list of steps
    "operations",  # list of transform operations
    "schema",  # a JSON Schema
    "plain",  # read as it stands
]
TypeWord = Literal["str", "int", "num", "bool", "list", "map", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """What may stand in one field.

    Attributes:
        types: Type words that are accepted; a whole-string template is accepted in every ``template`` field.
        choices: Allowed values; empty when all of the type are.
        low: Smallest number, or None.
        high: Largest number, or None.
        above: Number that the value must exceed, or None.
        alias_of: The field that this one is another name of, or an empty string.
        fields: Of a map: its known keys; None when any key is allowed.
        item: Of a list: shape of each item, or None.
        ignored: Accepted for old files, without effect: warning ``ignored_field``.
        unsupported: Refused with ``unsupported_feature`` and this advice; empty when supported.
    """

    kind: FieldKind = "template"
    types: tuple[TypeWord, ...] = ("any",)
    required: bool = False
    default: Json = None
    choices: tuple[Json, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    alias_of: str = ""
    fields: "Mapping[str, FieldShape] | None" = None
    item: "FieldShape | None" = None
    ignored: bool = False
    unsupported: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A thing outside the step that it reads or writes; conflicting effects keep file order.

    Attributes:
        kind: ``session``, ``variable``, ``workspace``, ``output`` or ``all``.
        name: Which one; ``*`` conflicts with every name of the kind.
    """

    kind: Literal["session", "variable", "workspace", "output", "all"]
    name: str = ""
    writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem without its place in the file: where in the step it is, and what it says."""

    code: str
    message: str
    path: str = ""
    severity: Severity = "error"
    suggestion: str | None = None
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step as written, checked against its shape.

    Attributes:
        path: Place in the document, such as ``workflow.steps[2]``.
        fields: All fields under their canonical names, aliases resolved, defaults not filled in.
        blocks: Nested steps by field: ``steps`` of a loop, ``cases.<text>`` and ``default`` of a switch,
            ``rollback``.
        child: The inline pipeline of a ``pipeline`` step, or None.
    """

    name: str
    type: str
    path: str
    fields: Mapping[str, Json]
    blocks: "Mapping[str, tuple[StepSpec, ...]]" = field(default_factory=dict)
    child: "PipelineSpec | None" = None

    def get(self, name: str, default: Json = None) -> Json:
        """Value of a field as written, or ``default``."""
        return self.fields.get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """A declared or implied input of a pipeline.

    Attributes:
        type: ``string integer number boolean list map``, or None when anything is accepted.
        implied: Not declared; found as a name that nothing binds.
    """

    name: str
    type: str | None = None
    default: Json = None
    has_default: bool = False
    required: bool = True
    enum: tuple[Json, ...] = ()
    description: str = ""
    implied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMap:
    """Places of a file's values.

    Attributes:
        file: Path as given; empty for text without a file.
        places: Document path to (line, column), both from 1; keys of maps under ``<path>.<key>``.
        flow_text: Paths of scalars that stand on one line plain or quoted, so that a character offset
            inside the scalar is a column offset in the file; with the column of the first character.
    """

    file: str = ""
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    flow_text: Mapping[str, int] = field(default_factory=dict)

    def problem(self, finding: Finding) -> Problem:
        """The finding with its file, line and column: of its path, else of the nearest enclosing one."""
        path = finding.path
        while path and path not in self.places:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        line, column = self.places.get(path, (1, 1))
        if path == finding.path and finding.position and path in self.flow_text:
            column = self.flow_text[path] + finding.position
        return Problem(
            file=self.file,
            line=line,
            column=column,
            path=finding.path,
            code=finding.code,
            severity=finding.severity,
            message=finding.message,
            suggestion=finding.suggestion,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """A workflow as written, checked against the shapes.

    Attributes:
        fields: All workflow fields under their canonical names except ``steps``.
        inputs: Declared inputs, then implied ones.
        source: Places, for problems found later.
    """

    name: str
    steps: tuple[StepSpec, ...]
    fields: Mapping[str, Json]
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    source: SourceMap = field(default_factory=SourceMap)

    def get(self, name: str, default: Json = None) -> Json:
        """Value of a workflow field as written, or ``default``."""
        return self.fields.get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """What a step type looks like to the loader, the checker and the planner.

    Attributes:
        fields: The type's own fields; the fields of every step are added by the loader.
        is_model: Calls a model: retries by default, options of section 13 apply.
        is_eval: An evaluation step: options may stand in ``config`` or ``eval_config``, and the
            workflow may hold ``config``.
        boundary: Later steps wait for it (``checkpoint``, ``eval_gate``).
        effects: Effects beyond those that fields alone show (variables read, files of prompt parts).
        check: Further findings about one step, with paths relative to the step.
        opens: Names that the step binds for its nested blocks (iterators).
    """

    type: str
    summary: str
    fields: Mapping[str, FieldShape]
    is_model: bool = False
    is_eval: bool = False
    boundary: bool = False
    effects: Callable[[StepSpec], Iterable[Effect]] = lambda step: ()
    check: Callable[[StepSpec], Iterable[Finding]] = lambda step: ()
    opens: Callable[[StepSpec], Iterable[str]] = lambda step: ()


Shapes = Mapping[str, StepShape]
