"""Judgements of how an answer was reached: the tools that were called, and in which order."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipex_core.expressions.paths import get
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, equal
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    too_many_tokens,
)
from pipex_core.metrics.extraction import answered_json
from pipex_core.metrics.overlap import f1_of, order_of

Call = Mapping[str, Json]
Agrees = Callable[[Call, Call], bool]


class ToolCalls:
    """F1 of the calls that were made and those that were expected; none of both is 1.

    A call is the expected one when the names are equal and the arguments agree: ``subset`` asks for the
    expected arguments among those given, ``exact`` for no others, ``fuzzy`` for texts that are alike
    (Levenshtein similarity of 0.8) and numbers within a millionth, ``ignore`` for nothing. With
    ``ordered`` only calls in the expected order count, with ``allow_extra`` further calls are no fault.

    Submetrics: ``name_f1`` of the names alone, ``args`` the share of calls with a right name whose
    arguments agree too, ``order`` the share of pairs of right names in the expected order.
    """

    info = MetricInfo(
        name="tool_calls",
        summary="F1 of the tool calls made and expected",
        needs=frozenset({"tools", "expected_tools"}),
        default_threshold=1.0,
        options={
            "args": OptionInfo(
                kind="str", default="subset", choices=("exact", "subset", "ignore", "fuzzy")
            ),
            "ordered": OptionInfo(kind="bool", default=False),
            "allow_extra": OptionInfo(kind="bool", default=False),
        },
        libraries=("rapidfuzz",),
    )

    def __init__(
        self, *, args: str = "subset", ordered: bool = False, allow_extra: bool = False
    ) -> None:
        self._args = args
        self._ordered = ordered
        self._allow_extra = allow_extra

    def score(self, item: MetricInput) -> Score:
        made, wanted = list(item.tools), list(item.expected_tools or ())
        refused = too_many_tokens(len(made) * max(len(wanted), 1))
        if refused is not None:
            return refused
        same = (
            _in_order(made, wanted, self._agrees)
            if self._ordered
            else _paired(made, wanted, self._agrees)
        )
        names, expected = [_name(one) for one in made], [_name(one) for one in wanted]
        named = (Counter(names) & Counter(expected)).total()
        free = _paired(made, wanted, self._agrees)
        if self._allow_extra:
            value = same / len(wanted) if wanted else 1.0
        else:
            value = f1_of(same, given=len(made), wanted=len(wanted)).value
        return Scored(
            value=value,
            submetrics={
                "name_f1": f1_of(named, given=len(made), wanted=len(wanted)).value,
                "args": free / named if named else float(not wanted),
                "order": order_of(names, expected),
            },
        )

    def _agrees(self, made: Call, wanted: Call) -> bool:
        if _name(made) != _name(wanted):
            return False
        expected = wanted.get("arguments")
        if self._args == "ignore" or expected is None:
            return True
        given = made.get("arguments") or {}
        if self._args == "exact":
            return equal(given, expected)
        like = _alike if self._args == "fuzzy" else _has
        return isinstance(given, Mapping) and like(given, expected)


class Trajectory:
    """1 if the steps that were taken are the expected ones, else 0.

    ``exact``: the same steps in the same order. ``in_order``: all expected ones in their order, others
    may lie between them. ``any_order``: all expected ones. ``subset``: none but expected ones.

    The steps are the names of the tools that were called, or the list at ``steps_from`` in the JSON of
    the answer. Expected are the names of ``expected_tools``, else the list of the reference.
    """

    info = MetricInfo(
        name="trajectory",
        summary="1 if the steps taken are those expected, else 0",
        needs=frozenset({"tools"}),
        default_threshold=1.0,
        options={
            "mode": OptionInfo(
                kind="str",
                default="exact",
                choices=("exact", "in_order", "any_order", "subset"),
            ),
            "steps_from": OptionInfo(
                kind="str", description="path of the steps in the JSON of the answer"
            ),
        },
    )

    def __init__(self, *, mode: str = "exact", steps_from: str | None = None) -> None:
        self._mode = mode
        self._steps_from = steps_from
        if steps_from is not None:
            self.info = replace(type(self).info, needs=frozenset({"output"}))

    def score(self, item: MetricInput) -> Score:
        wanted = _expected_steps(item)
        if wanted is None:
            reason = "trajectory compares with expected_tools or a list, and the case has neither"
            return Unscored(code="no_reference", reason=reason)
        taken = self._taken(item)
        if taken is None:
            reason = f"the answer has no list of steps at {self._steps_from!r}"
            return Unscored(code="missing_input", reason=reason)
        return Scored(
            value=float(_follows(self._mode, taken, wanted)), details={"taken": taken[:_shown]}
        )

    def _taken(self, item: MetricInput) -> list[str] | None:
        if self._steps_from is None:
            return [_name(one) for one in item.tools]
        given = answered_json(item)
        steps = get(given[0], self._steps_from) if given is not None else None
        return list(map(_step, steps)) if isinstance(steps, list | tuple) else None


_shown = 50
_likeness = 0.8


def _follows(mode: str, taken: Sequence[str], wanted: Sequence[str]) -> bool:
    match mode:
        case "exact":
            return list(taken) == list(wanted)
        case "in_order":
            rest = iter(taken)
            return all(step in rest for step in wanted)
        case "any_order":
            return Counter(wanted) <= Counter(taken)
        case _:
            return Counter(taken) <= Counter(wanted)


def _expected_steps(item: MetricInput) -> list[str] | None:
    if item.expected_tools is not None:
        return [_name(one) for one in item.expected_tools]
    if item.has_reference_json:
        found = item.reference_json
        return list(map(_step, found)) if isinstance(found, list | tuple) else None
    return list(item.references) or None


def _name(call: Call) -> str:
    return to_text(call.get("name"))


def _step(step: Json) -> str:
    return _name(step) if isinstance(step, Mapping) else to_text(step)


def _has(given: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    return all(key in given and equal(given[key], value) for key, value in wanted.items())


def _alike(given: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    return all(key in given and _is_like(given[key], value) for key, value in wanted.items())


def _is_like(given: Json, wanted: Json) -> bool:
    from rapidfuzz.distance import Levenshtein

    if isinstance(given, str) and isinstance(wanted, str):
        return float(Levenshtein.normalized_similarity(given, wanted)) >= _likeness
    numbers = [one for one in (given, wanted) if isinstance(one, int | float)]
    if len(numbers) > 1 and not any(isinstance(one, bool) for one in numbers):
        return math.isclose(given, wanted, rel_tol=1e-6)
    return equal(given, wanted)


def _in_order(made: Sequence[Call], wanted: Sequence[Call], agrees: Agrees) -> int:
    """Most pairs that agree and keep the order of both: a longest common subsequence."""
    row = [0] * (len(wanted) + 1)
    for one in made:
        before = row
        row = [0]
        for at, other in enumerate(wanted):
            longer = before[at] + 1 if agrees(one, other) else 0
            row.append(max(longer, before[at + 1], row[at]))
    return row[-1]


def _paired(made: Sequence[Call], wanted: Sequence[Call], agrees: Agrees) -> int:
    """Most pairs that agree, each call in one of them.

    Source: Kuhn 1955, https://doi.org/10.1002/nav.3800020109, for a bipartite graph without weights.
    """
    taken: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for at, other in enumerate(wanted):
            if at in tried or not agrees(made[call], other):
                continue
            tried.add(at)
            if at not in taken or place(taken[at], tried):
                taken[at] = call
                return True
        return False

    return sum(place(call, set()) for call in range(len(made)))
