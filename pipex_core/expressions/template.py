"""Templates: ``{{ expression }}`` in texts, anywhere inside a value (section 6).

A text that is exactly one template becomes the value with its type; otherwise each template becomes
text. A result is never expanded again, so nothing that a model or a case wrote is ever a template.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pipex_core.errors import ExpressionError
from pipex_core.expressions.evaluate import Evaluation, Mode, Now
from pipex_core.expressions.paths import entry
from pipex_core.expressions.reading import Reading, checked, read_expression, together, wrong
from pipex_core.expressions.scope import Names, Scope
from pipex_core.expressions.tree import Node
from pipex_core.expressions.values import max_text, too_complex
from pipex_core.jsonvalue import Json

Warn: TypeAlias = Callable[[ExpressionError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One ``{{ expression }}``.

    Attributes:
        expression: The text between the braces.
        position: 0-based offset of that text in the template.
    """

    expression: str
    position: int


@lru_cache(maxsize=4096)
def template_parts(text: str) -> tuple[str | Hole, ...]:
    r"""The literal pieces and the holes of a text, in order; ``\{{`` is a literal ``{{``.

    Raises:
        ExpressionError: ``expression_syntax``, an opening has no end or nothing inside.
    """
    parts: list[str | Hole] = []
    literal, position = "", 0
    while (opening := text.find("{{", position)) >= 0:
        if opening > position and text[opening - 1] == "\\":
            literal += text[position : opening - 1] + "{{"
            position = opening + 2
            continue
        literal += text[position:opening]
        end = _end(text, opening)
        if literal:
            parts.append(literal)
        literal = ""
        parts.append(Hole(expression=text[opening + 2 : end], position=opening + 2))
        position = end + 2
    literal += text[position:]
    return (*parts, literal) if literal else tuple(parts)


def has_template(text: str) -> bool:
    """Whether a text has anything that ``render`` would change or refuse."""
    return "{{" in text


def render(
    template: Json,
    scope: Scope | Names,
    *,
    mode: Mode = "strict",
    now: Now | None = None,
    warn: Warn | None = None,
) -> Json:
    """The value with the templates of all its texts expanded; keys are left alone.

    A plain map as scope has roots of the language and local names, and ``now`` is its wall clock.
    ``warn`` is told each undefined reference and wrong type that lenient mode turns into null.

    Raises:
        ExpressionError: A template is wrong, takes too much work, makes more than 10 MB of text, or
            (strict) has no value.
    """
    names = Scope.of(scope, now=now)
    try:
        return _rendered(template, names, mode, warn)
    except RecursionError as exc:
        raise too_complex("a template nests too deeply") from exc


def read_template(template: Json) -> Reading:
    """Findings and references of all templates inside a value."""
    if isinstance(template, str):
        return _read_text(template)
    if isinstance(template, Mapping):
        return together(read_template(inner).at(entry(key)) for key, inner in template.items())
    if isinstance(template, list | tuple):
        return together(
            read_template(inner).at(f"[{place}]") for place, inner in enumerate(template)
        )
    return Reading()


def _read_text(text: str) -> Reading:
    try:
        parts = template_parts(text)
    except ExpressionError as exc:
        return wrong(exc.code, exc.message).at("", offset=exc.position)
    return together(
        read_expression(part.expression).at("", offset=part.position)
        for part in parts
        if isinstance(part, Hole)
    )


def _end(text: str, opening: int) -> int:
    """Where the first ``}}`` outside a string literal stands."""
    quote, position = "", opening + 2
    while position < len(text):
        sign = text[position]
        if quote:
            position += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif text.startswith("}}", position):
            if not text[opening + 2 : position].strip():
                raise ExpressionError("a template is blank", position=opening)
            return position
        position += 1
    raise ExpressionError("a template has no end: '}}' is missing", position=opening)


def _rendered(template: Json, scope: Scope, mode: Mode, warn: Warn | None) -> Json:
    if isinstance(template, str):
        return _rendered_text(template, scope, mode, warn) if "{{" in template else template
    if isinstance(template, Mapping):
        return {key: _rendered(inner, scope, mode, warn) for key, inner in template.items()}
    if isinstance(template, list | tuple):
        return [_rendered(inner, scope, mode, warn) for inner in template]
    return template


def _rendered_text(text: str, scope: Scope, mode: Mode, warn: Warn | None) -> Json:
    parts = template_parts(text)
    if len(parts) == 1 and isinstance(parts[0], Hole):
        value = _filled(parts[0], Evaluation.value, scope, mode, warn)
        _check_size(value, 0)
        return value
    made: list[str] = []
    size = 0
    for part in parts:
        piece = part if isinstance(part, str) else _filled(part, Evaluation.text, scope, mode, warn)
        size = _check_size(piece, size)
        made.append(piece)
    return "".join(made)


def _filled(
    hole: Hole,
    result: Callable[[Evaluation, Node], Json],
    scope: Scope,
    mode: Mode,
    warn: Warn | None,
) -> Json:
    def placed(error: ExpressionError) -> ExpressionError:
        return ExpressionError(
            error.message, code=error.code, position=error.position + hole.position
        )

    told = None if warn is None else (lambda error: warn(placed(error)))
    try:
        return result(Evaluation(scope, mode, warn=told), checked(hole.expression))
    except ExpressionError as exc:
        raise placed(exc) from exc


def _check_size(value: Json, before: int) -> int:
    """``before`` and the size of ``value``: bytes of its texts, and one for anything else.

    Shared lists count as often as they occur, since that is what storing them would cost.
    """
    size = before
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            size += len(item) if item.isascii() else len(item.encode("utf-8", "surrogatepass"))
        else:
            size += 1
        if size > max_text:
            raise too_complex(f"a template makes more than {max_text} bytes")
        if isinstance(item, Mapping):
            todo.extend(item)
            todo.extend(item.values())
        elif isinstance(item, list | tuple):
            todo.extend(item)
    return size
