"""Functions of users as metrics: what they are given by name, what they may answer, what they declare.

A function takes ``(predicted, expected)``; further parameters are given by their names, ``input``,
``context`` or anything else that a metric may need. A parameter with a default value is not needed, and
one with a name that means nothing here is an option of the metric.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol, get_args

from pipex_core.jsonvalue import Json, type_name
from pipex_core.metrics.contract import (
    CostClass,
    Direction,
    Metric,
    MetricInfo,
    MetricInput,
    Need,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    best,
)

Judgement = Callable[..., Any]
usual_threshold: Final = 0.7  # of metrics whose values lie in 0..1


class Caller(Protocol):
    """Calls a function somewhere else."""

    def start(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> None:
        """Begin a call whose answer will be asked for."""
        ...

    def result(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> Score:
        """What the function answers; the call that was begun with the same arguments, if any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What the author of a function declares of its numbers.

    Attributes:
        default_threshold: None takes 0.7 for values in 0..1 that are better when higher, and no
            threshold for others.
        needs: What the function reads besides the parameters that it names.
        depends: Paths, distributions or texts whose change changes numbers too.
    """

    version: int = 1
    range: tuple[float, float] = (0.0, 1.0)
    direction: Direction = "higher"
    default_threshold: float | None = None
    needs: Sequence[Need] = ()
    cost_class: CostClass = "inline"
    skewed: bool = False
    depends: Sequence[str] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        low, high = self.range
        if not low < high:
            raise ValueError(f"a range is (lowest, highest), got {self.range!r}")
        if self.direction not in get_args(Direction):
            raise ValueError(f"direction is higher, lower or none, got {self.direction!r}")
        if self.cost_class not in get_args(CostClass):
            raise ValueError(f"cost_class is inline, pool or judge, got {self.cost_class!r}")
        for need in self.needs:
            if need not in get_args(Need):
                raise ValueError(f"{need!r} is nothing that a metric can need")
        reached = self.default_threshold
        if reached is not None and not low <= reached <= high:
            raise ValueError(f"default_threshold {reached:g} is outside of {low:g}..{high:g}")

    @property
    def threshold(self) -> float | None:
        """The declared threshold, or the usual one of shares."""
        if self.default_threshold is not None:
            return self.default_threshold
        is_share = tuple(self.range) == (0, 1) and self.direction == "higher"
        return usual_threshold if is_share else None


class FunctionType:
    """A function as a metric type; called with options it gives the metric.

    Args:
        name: As entries name it, such as ``custom:tone``.
        function: From a prediction and whatever else it names to a number.
        contract: What its author declares.
        source: Digest of the file that defines it and of what it depends on; part of the fingerprint.
        caller: Calls the function, where it is called elsewhere.

    Raises:
        ValueError: The function's parameters cannot be given.
    """

    def __init__(
        self,
        name: str,
        function: Judgement,
        contract: Contract,
        *,
        source: Json = None,
        caller: Caller | None = None,
    ) -> None:
        self.function = function
        self._name = name
        self._contract = contract
        self._source = source
        self._caller = caller
        self._reading = _read(function, name)
        doc = (inspect.getdoc(function) or "").partition("\n")[0]
        self.info = MetricInfo(
            name=name,
            summary=(contract.summary or doc or f"what {name} says").rstrip("."),
            version=contract.version,
            range=(float(contract.range[0]), float(contract.range[1])),
            direction=contract.direction,
            needs=self._reading.needs | set(contract.needs),
            default_threshold=contract.threshold,
            cost_class=contract.cost_class,
            options=self._reading.options,
            skewed=contract.skewed,
            identity={"source": source, "depends": list(contract.depends)},
            reads_case=self._reading.reads_case,
        )

    def called_by(self, caller: Caller) -> "FunctionType":
        """The same metric, its function called elsewhere."""
        return FunctionType(
            self._name, self.function, self._contract, source=self._source, caller=caller
        )

    def __call__(self, **options: Json) -> Metric:
        if self._caller is None:
            return FunctionMetric(self.info, self.function, self._reading, options)
        return CalledElsewhere(self.info, self.function, self._reading, options, self._caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the parameters of a function ask for.

    Attributes:
        in_place: What parameters without a name for callers are given, in their order.
        named: Parameter to what it is given.
        optional: Parameters whose default value serves where there is nothing to give.
        options: Parameters that mean nothing here: options of the metric.
    """

    in_place: Sequence[str]
    named: Mapping[str, str]
    optional: frozenset[str]
    options: Mapping[str, OptionInfo]
    needs: frozenset[Need]
    reads_case: bool


class FunctionMetric:
    """A function under the options of one entry.

    Of alternative references the best value counts, when the function takes a reference.
    """

    def __init__(
        self,
        info: MetricInfo,
        function: Judgement,
        reading: Reading,
        options: Mapping[str, Json],
    ) -> None:
        self.info = info
        self._function = function
        self._reading = reading
        self._options = dict(options)

    def score(self, item: MetricInput) -> Score:
        found = [self._answer(*self._arguments(one)) for one in self._alternatives(item)]
        scored = [one for one in found if isinstance(one, Scored)]
        if len(scored) < len(found):
            return next(one for one in found if isinstance(one, Unscored))
        return best(scored, lowest=self.info.direction == "lower")

    def _alternatives(self, item: MetricInput) -> Sequence[MetricInput]:
        """The item with each of its references, where the function takes one."""
        given = {*self._reading.in_place, *self._reading.named.values()}
        takes_one = not given.isdisjoint(("expected", "reference"))
        if not takes_one or item.has_reference_json or len(item.references) <= 1:
            return (item,)
        return [replace(item, references=(one,)) for one in item.references]

    def _arguments(self, item: MetricInput) -> tuple[list[Json], dict[str, Json]]:
        reading = self._reading
        in_place = [_values[known](item) for known in reading.in_place]
        named = {
            name: _values[known](item)
            for name, known in reading.named.items()
            if name not in reading.optional or _has(known, item)
        }
        return in_place, {**named, **self._options}

    def _answer(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> Score:
        return score_of(self._function(*in_place, **named))


class CalledElsewhere(FunctionMetric):
    """A function that another process calls; the calls for many items run side by side."""

    def __init__(
        self,
        info: MetricInfo,
        function: Judgement,
        reading: Reading,
        options: Mapping[str, Json],
        caller: Caller,
    ) -> None:
        super().__init__(info, function, reading, options)
        self._caller = caller

    def prepare(self, items: Sequence[MetricInput]) -> None:
        """Begin the calls for many items; ``score`` gives the same without."""
        for item in items:
            for one in self._alternatives(item):
                self._caller.start(*self._arguments(one))

    def _answer(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> Score:
        return self._caller.result(in_place, named)


def score_of(answer: object) -> Score:
    """What a function answered, as a score: a number, a bool, ``(value, details)``, ``{score, ...}`` or a score.

    Raises:
        TypeError: It is none of these.
    """
    match answer:
        case Scored() | Unscored():
            return answer
        case bool() | int() | float():
            return Scored(value=float(answer))
        case (value, Mapping() as details):
            found = score_of(value)
            return found if isinstance(found, Unscored) else replace(found, details=dict(details))
        case Mapping() if "score" in answer:
            return _of_map(answer)
        case _:
            number = _as_number(answer)
            if number is None:
                raise TypeError(f"the function answered {type(answer).__name__}, which is no score")
            return Scored(value=number)


def _of_map(answer: Mapping[str, Any]) -> Score:
    rest = {key: value for key, value in answer.items() if key not in _score_fields}
    if answer["score"] is None:
        code = str(answer.get("code") or "not_applicable")
        return Unscored(code=code, reason=str(answer.get("reason") or "the function gave no score"))
    found = score_of(answer["score"])
    if isinstance(found, Unscored):
        return found
    return replace(
        found,
        label=answer.get("label"),
        details={**(answer.get("details") or {}), **rest},
        submetrics={name: float(value) for name, value in (answer.get("submetrics") or {}).items()},
    )


_score_fields: Final = frozenset({"score", "label", "details", "submetrics", "code", "reason"})


def _as_number(answer: object) -> float | None:
    """Numbers of other libraries, such as numpy's; texts are none."""
    if isinstance(answer, str | bytes) or not hasattr(answer, "__float__"):
        return None
    value = float(answer)
    return value if math.isfinite(value) else math.nan


def _expected(item: MetricInput) -> Json:
    if item.has_reference_json:
        return item.reference_json
    return item.references[0] if item.references else None


_values: Final[Mapping[str, Callable[[MetricInput], Json]]] = MappingProxyType(
    {
        "predicted": lambda item: item.output,
        "output": lambda item: item.output,
        "output_json": lambda item: item.output_json,
        "expected": _expected,
        "reference": _expected,
        "references": lambda item: list(item.references),
        "reference_json": lambda item: item.reference_json,
        "input": lambda item: item.input,
        "query": lambda item: item.query,
        "context": lambda item: list(item.context),
        "choices": lambda item: list(item.choices),
        "tools": lambda item: list(item.tools),
        "expected_tools": lambda item: list(item.expected_tools or ()),
        "relevant_ids": lambda item: list(item.relevant_ids or ()),
        "usage": lambda item: item.usage,
        "logprobs": lambda item: list(item.logprobs or ()),
        "case": lambda item: dict(item.case),
        "metadata": lambda item: dict(item.case.get("metadata") or {}),
    }
)
_places: Final = ("predicted", "expected")
_needs_of: Final[Mapping[str, Need]] = MappingProxyType(
    {"predicted": "output", "expected": "reference", "references": "reference"}
)


def _need(name: str) -> Need | None:
    known: tuple[Need, ...] = get_args(Need)
    mapped = _needs_of.get(name)
    return mapped if mapped is not None else next((one for one in known if one == name), None)


def _has(name: str, item: MetricInput) -> bool:
    """Is there something to give for a parameter, or does its default value serve?"""
    value = _values[name](item)
    return name in {"case", "metadata", "usage"} or value not in (None, [], {})


def _read(function: Judgement, name: str) -> Reading:
    in_place: list[str] = []
    named: dict[str, str] = {}
    options: dict[str, OptionInfo] = {}
    needs: set[Need] = {"output"}
    optional: set[str] = set()
    for at, one in enumerate(_parameters(function, name)):
        known = one.name if one.name in _values else _by_place(at, one)
        if known is None:
            options[one.name] = _option(one, name)
            continue
        if one.kind is inspect.Parameter.POSITIONAL_ONLY:
            in_place.append(known)
        else:
            named[one.name] = known
        need = _need(known)
        if one.default is not inspect.Parameter.empty:
            optional.add(one.name)
        elif need is not None:
            needs.add(need)
    return Reading(
        in_place=in_place,
        named=named,
        optional=frozenset(optional),
        options=options,
        needs=frozenset(needs),
        reads_case=not {"case", "metadata"}.isdisjoint(named.values()),
    )


def _parameters(function: Judgement, name: str) -> Sequence[inspect.Parameter]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as exc:
        raise ValueError(f"{name}: the parameters of the function cannot be seen") from exc
    if inspect.iscoroutinefunction(function):
        raise ValueError(f"{name}: a metric is a plain function, and this one is async")
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one for one in found if one.kind not in starred]


def _by_place(at: int, one: inspect.Parameter) -> str | None:
    """The first two parameters are prediction and reference, whatever their names are."""
    in_place = one.kind is not inspect.Parameter.KEYWORD_ONLY
    has_default = one.default is not inspect.Parameter.empty
    return _places[at] if in_place and not has_default and at < len(_places) else None


def _option(one: inspect.Parameter, name: str) -> OptionInfo:
    default = one.default
    if default is inspect.Parameter.empty:
        raise ValueError(
            f"{name}: nothing is known to give for the parameter {one.name!r}; known are "
            f"{', '.join(sorted(_values))}, and a parameter with a default value is an option"
        )
    if not (default is None or isinstance(default, str | int | float | bool | list | dict | tuple)):
        raise ValueError(f"{name}: the default of {one.name!r} is a {type_name(default)}")
    return OptionInfo(kind="any", default=default)
