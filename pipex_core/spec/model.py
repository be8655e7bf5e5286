"""A pipeline file as values: the workflow, its steps, and the shapes that step types bring along.

A shape is a table: which fields a step type has, what may stand in each, and how the field's text is
read (a template, an expression, a nested list of steps). ``spec.load`` checks any file against such
tables, ``spec.check`` and ``spec.plan`` find references and effects through them; none of the three
knows a step type by name, so a plug-in's step is checked like a built-in one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

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
    "pipeline",  # an inline pipeline
    "pipeline_file",  # path of a pipeline file, from the file that names it
    "function_names",  # list of names in the workflow's gemini_functions
    "plain",  # read as it stands
]
TypeWord = Literal["str", "int", "num", "bool", "list", "map", "any"]
Family = Literal["", "claude", "gemini"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """What may stand in one field.

    Attributes:
        types: Type words that are accepted; a whole-string template is accepted in every ``template`` field.
        choices: Allowed values; empty when all of the type are.
        low: Smallest number, or None.
        high: Largest number, or None.
        above: Number that the value must exceed, or None.
        choices_of: Shorter or older words to the one they stand for, such as ``stream-json``.
        alias_of: The field that this one is another name of, or an empty string; ``retry.max_retries``
            is a field inside another.
        alias_values: For an alias, what each value of it stands for in the other field; values that
            are not listed leave the other field alone. Empty: the same value.
        fields: Of a map: its known keys; None when any key is allowed.
        values: Of a map with free keys: shape of each value, or None.
        keys: Of such a map: the keys it may have; empty when all.
        item: Of a list: shape of each item, or None.
        sees: What the field of a composite step is read after: nothing of its blocks (``outside``),
            names that the step opens (``iteration``), also the records of its body (``body``).
        ignored: Accepted for old files, without effect: warning ``ignored_field``.
        unsupported: Refused with ``unsupported_feature`` and this advice; empty when supported.
    """

    kind: FieldKind = "template"
    types: tuple[TypeWord, ...] = ("any",)
    required: bool = False
    default: Json = None
    choices: tuple[Json, ...] = ()
    choices_of: Mapping[str, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    above: float | None = None
    alias_of: str = ""
    alias_values: tuple[tuple[Json, Json], ...] = ()
    fields: "Mapping[str, FieldShape] | None" = None
    values: "FieldShape | None" = None
    keys: tuple[str, ...] = ()
    item: "FieldShape | None" = None
    sees: Literal["outside", "iteration", "body"] = "outside"
    ignored: bool = False
    unsupported: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A thing outside the step that it reads or writes; conflicting effects keep file order.

    Attributes:
        kind: ``session``, ``variable``, ``workspace``, ``output`` or ``all``.
        name: Which one; ``*`` conflicts with every name of the kind.
        scope: Of a variable: how long what is written lives.
        session: Of a variable in the scope of a session: its name, empty for that of the workflow.
    """

    kind: Literal["session", "variable", "workspace", "output", "all"]
    name: str = ""
    writes: bool = False
    scope: Literal["global", "session", "loop"] = "global"
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem without its place in the file: where in the document it is, and what it says.

    Attributes:
        position: 0-based offset in the text that stands at ``path``.
        in_text: Whether it is about the character at ``position``, not about the whole value.
    """

    code: str
    message: str
    path: str = ""
    severity: Severity = "error"
    suggestion: str | None = None
    position: int = 0
    in_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step as written, checked against its shape.

    Attributes:
        path: Place in the document, such as ``workflow.steps[2]``.
        fields: All fields under their canonical names, aliases resolved, defaults not filled in;
            without those that hold nested steps or an inline pipeline.
        blocks: Nested steps by field: ``steps`` of a loop, ``cases.<text>`` and ``default`` of a switch,
            ``rollback``.
        child: The inline pipeline of a ``pipeline`` step, or None.
        written: Canonical place to the place in the step where it was written, where they differ:
            ``condition`` to ``when``, ``metrics`` to ``config.metrics``.
    """

    name: str
    type: str
    path: str
    fields: Mapping[str, Json]
    blocks: "Mapping[str, tuple[StepSpec, ...]]" = field(default_factory=dict)
    child: "PipelineSpec | None" = None
    written: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, default: Json = None) -> Json:
        """Value of a field as written, or ``default``."""
        return self.fields.get(name, default)

    def place(self, inner: str) -> str:
        """The document path of something in the step, ``inner`` being its canonical place."""
        known = inner
        while known and known not in self.written:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        if known:
            inner = self.written[known] + inner[len(known) :]
        return f"{self.path}.{inner}" if inner and not inner.startswith("[") else self.path + inner


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


# Findings with these codes are about a field, not about what stands in it.
_about_fields: Final = frozenset(
    {
        *("unknown_field", "ignored_field", "unsupported_feature", "conflicting_fields"),
        "duplicate_key",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMap:
    """Places of a file's values.

    Attributes:
        file: Path as given; empty for text without a file.
        places: Document path to (line, column) of the value, both from 1.
        keys: Document path of a map's entry to (line, column) of its key.
        flow_text: Paths of texts that stand on one line plain or quoted, so that a character offset
            inside the text is a column offset in the file; with the column of the first character.
        escaped: Of those in quotes with escapes the line from the opening quote on, in which an offset
            has to be counted.
    """

    file: str = ""
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    keys: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    flow_text: Mapping[str, int] = field(default_factory=dict)
    escaped: Mapping[str, str] = field(default_factory=dict)

    def problems(self, findings: Iterable[Finding], *, strict: bool = False) -> list[Problem]:
        """The findings with their places, in the order of the file; strict: no field is unknown."""
        placed = [
            self.problem(
                replace(one, severity="error") if strict and one.code == "unknown_field" else one
            )
            for one in findings
        ]
        return sorted(placed, key=lambda problem: (problem.line, problem.column))

    def problem(self, finding: Finding) -> Problem:
        """The finding with its file, line and column: of its path, else of the nearest enclosing one."""
        path = finding.path
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line, column = self.places.get(path, (1, 1))
        if path == finding.path:
            if finding.code in _about_fields:
                line, column = self.keys.get(path, (line, column))
            elif path in self.flow_text and finding.in_text:
                column = self.flow_text[path] + self._offset(path, finding.position)
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

    def _offset(self, path: str, position: int) -> int:
        """Characters of the file before the character at ``position`` of a text."""
        raw = self.escaped.get(path)
        if raw is None:
            return position
        at = 1
        for _ in range(position):
            if raw[0] == "'":
                at += 2 if raw.startswith("''", at) else 1
            else:
                at += _escape_lengths.get(raw[at + 1], 2) if raw[at] == "\\" else 1
        return at - 1


_escape_lengths: Final = {"x": 4, "u": 6, "U": 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """A workflow as written, checked against the shapes.

    Attributes:
        fields: All workflow fields under their canonical names except ``steps``.
        inputs: Declared inputs, then implied ones.
        path: Place of the workflow in the document: ``workflow``, empty for the old form without it,
            or the place of an inline pipeline.
        source: Places, for problems found later.
        warnings: What was found and does not keep it from being used.
    """

    name: str
    steps: tuple[StepSpec, ...]
    fields: Mapping[str, Json]
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    path: str = "workflow"
    source: SourceMap = field(default_factory=SourceMap)
    warnings: tuple[Problem, ...] = ()

    def get(self, name: str, default: Json = None) -> Json:
        """Value of a workflow field as written, or ``default``."""
        return self.fields.get(name, default)

    def place(self, inner: str) -> str:
        """The document path of something in the workflow."""
        return f"{self.path}.{inner}" if self.path else inner


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """What a step type looks like to the loader, the checker and the planner.

    Attributes:
        fields: The type's own fields; the fields of every step are added by the loader, and a field
            of the same name here replaces them. A type with an own ``condition`` is skipped by
            ``when`` only.
        is_model: Calls a model: retries by default, options of section 13 apply.
        family: Whose options and defaults apply to a model step.
        preset: Preset of the type where nobody names one, or an empty string.
        is_eval: An evaluation step: options may stand in ``config`` or ``eval_config``, and the
            workflow may hold ``config``.
        boundary: Later steps wait for it (``checkpoint``, ``eval_gate``).
        is_loop: Its blocks may hold steps that need a loop.
        needs_loop: It ends a loop or an iteration (``break``, ``continue``).
        in_loop_only: Whether a step says something that has a meaning inside a loop only.
        effects: Effects beyond those that fields alone show: variables written, sessions and the
            workspace used. What templates and prompt parts show is found without it.
        check: Further findings about one step, with paths relative to the step.
        opens: Names that the step binds for its nested blocks (iterators).
        aliases: Further names of the step's result (``output_field``).
        parallel: Whether its blocks run at the same time, so that they may not write variables.
    """

    type: str
    summary: str
    fields: Mapping[str, FieldShape]
    is_model: bool = False
    family: Family = ""
    preset: str = ""
    is_eval: bool = False
    boundary: bool = False
    is_loop: bool = False
    needs_loop: bool = False
    effects: Callable[[StepSpec], Iterable[Effect]] = lambda _: ()
    check: Callable[[StepSpec], Iterable[Finding]] = lambda _: ()
    opens: Callable[[StepSpec], Iterable[str]] = lambda _: ()
    aliases: Callable[[StepSpec], Iterable[str]] = lambda _: ()
    parallel: Callable[[StepSpec], bool] = lambda _: False
    in_loop_only: Callable[[StepSpec], bool] = lambda _: False

    def skip_condition(self, step: StepSpec) -> Json:
        """The condition whose falsity skips the step; None when there is none."""
        return step.get("when" if "condition" in self.fields else "condition")


Shapes = Mapping[str, StepShape]
