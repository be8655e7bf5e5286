"""The expression language for callers outside a run: plain maps as scopes, the machine's clock."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipex_core.expressions import evaluate as expressions, template, transform as transforms
from pipex_core.jsonvalue import Json


def evaluate(expression: Json, scope: Mapping[str, Json]) -> Json:
    """Value of an expression or structured condition, what is undefined as null; null gives true.

    ``scope`` has any of the roots ``steps inputs vars global_vars loop workflow run step``; its other
    keys are local names, which win.

    Raises:
        ExpressionError: The text is wrong or takes too much work.
    """
    return expressions.evaluate(expression, scope, now=_now)


def render(template_value: Json, scope: Mapping[str, Json]) -> Json:
    """Any value with the templates in its texts expanded, strictly.

    Raises:
        ExpressionError: A template is wrong, takes too much work, or has no value.
    """
    return template.render(template_value, scope, now=_now)


def transform(data: Json, operations: Json, scope: Mapping[str, Json]) -> Json:
    """What a list of operations makes of a list or a map; nothing handed in is changed.

    Raises:
        TransformError: An operation or the data is wrong.
        ExpressionError: An expression of an operation is wrong or has no value.
    """
    return transforms.transform(data, operations, scope, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a call from outside a run has no services, hence no clock
