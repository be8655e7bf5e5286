"""A metric in the pipeline expression language, named by its author."""

from collections.abc import Mapping
from dataclasses import asdict, replace

from pipex_core.expressions.evaluate import Scope, evaluate
from pipex_core.expressions.reading import read_expression
from pipex_core.expressions.values import is_number
from pipex_core.jsonvalue import Json, type_name
from pipex_core.metrics.contract import (
    Direction,
    MetricInfo,
    MetricInput,
    Need,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)

names = ("output", "output_json", "expected", "input", "case", "usage")


class ExpressionMetric:
    """The value of an expression over ``output output_json expected input case usage``.

    True is 1 and false is 0. A value that is no number, or outside ``low..high``, is no score. The
    expression has no clock: ``now()`` has no value in it.
    """

    info = MetricInfo(
        name="expression",
        summary="value of an expression over answer and case",
        needs=frozenset({"output"}),
        default_threshold=0.7,
        options={
            "expr": OptionInfo(kind="str", required=True, description="expression of pipelines"),
            "low": OptionInfo(kind="float", default=0.0, description="least value"),
            "high": OptionInfo(kind="float", default=1.0, description="greatest value"),
            "direction": OptionInfo(
                kind="str", default="higher", choices=("higher", "lower", "none")
            ),
        },
    )

    def __init__(
        self, *, expr: str, low: float = 0.0, high: float = 1.0, direction: Direction = "higher"
    ) -> None:
        reading = read_expression(expr)
        errors = [one for one in reading.findings if one.severity == "error"]
        if errors:
            raise ValueError(errors[0].message)
        if not low < high:
            raise ValueError(f"low {low:g} is not below high {high:g}")
        self._expr = expr
        roots = {one.root for one in reading.references if not one.in_item}
        reads = roots & set(names)
        unknown = sorted(roots - set(names))
        if unknown:
            raise ValueError(f"{unknown[0]!r} means nothing here; known are {', '.join(names)}")
        self.info = _info(reads, (low, high), direction)

    def score(self, item: MetricInput) -> Score:
        value = evaluate(self._expr, Scope(local=_names_of(item)), mode="strict")
        if isinstance(value, bool):
            return Scored(value=float(value))
        if not is_number(value):
            reason = f"the expression gave {type_name(value)}, which is no number"
            return Unscored(code="metric_error", reason=reason)
        return Scored(value=float(value))


def _info(reads: set[str], limits: tuple[float, float], direction: Direction) -> MetricInfo:
    kind = ExpressionMetric.info
    needs: set[Need] = {"output"}
    if "expected" in reads:
        needs.add("reference")
    if "input" in reads:
        needs.add("input")
    if "usage" in reads:
        needs.add("usage")
    is_share = limits == (0.0, 1.0) and direction == "higher"
    return replace(
        kind,
        range=limits,
        direction=direction,
        needs=frozenset(needs),
        default_threshold=kind.default_threshold if is_share else None,
        reads_case="case" in reads,
    )


def _names_of(item: MetricInput) -> Mapping[str, Json]:
    expected: Json = item.reference_json if item.has_reference_json else None
    if not item.has_reference_json and item.references:
        several = len(item.references) > 1
        expected = list(item.references) if several else item.references[0]
    return {
        "output": item.output,
        "output_json": item.output_json,
        "expected": expected,
        "input": item.input,
        "case": dict(item.case),
        "usage": asdict(item.usage),
    }
