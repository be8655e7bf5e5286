"""Where a step's items come from: a value, a template, an expression, or an old short form.

Loop sources, inputs of transforms and right sides of joins accept the same forms (sections 9.1 and
10.1): a list or map as it stands with its templates expanded, a text with ``{{``, an expression, and
``context:name`` or ``outer:field`` from older files.
"""

import re
from typing import Final

from pipex_core.expressions.evaluate import Evaluation, Now
from pipex_core.expressions.reading import Reading, checked, read_expression
from pipex_core.expressions.scope import Names, Scope
from pipex_core.expressions.template import has_template, read_template, render
from pipex_core.jsonvalue import Json

_short: Final = re.compile(r"\s*(?P<root>[^\W\d]\w*):(?P<path>[^\W\d].*)", re.DOTALL)


def resolve(source: Json, scope: Scope | Names, *, now: Now | None = None) -> Json:
    """The value that a source stands for, in strict mode.

    Raises:
        ExpressionError: The source is wrong or undefined.
    """
    names = Scope.of(scope, now=now)
    if not isinstance(source, str) or has_template(source):
        return render(source, names)
    return Evaluation(names, "strict").value(checked(source_expression(source)))


def read_source(source: Json) -> Reading:
    """Findings and references of a source."""
    if not isinstance(source, str) or has_template(source):
        return read_template(source)
    return read_expression(source_expression(source))


def source_expression(text: str) -> str:
    """The expression that a source text means, of the same length so that positions stay true."""
    found = _short.fullmatch(text)
    if found is None or found["root"] == "previous_response":
        return text
    start = found.start("path")
    if found["root"] == "context":
        return " " * start + text[start:]
    return f"{text[: start - 1]}.{text[start:]}"
