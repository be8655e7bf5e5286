"""How much of a JSON reference an answer has, leaf by leaf."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from pipex_core.jsonvalue import Json, equal, parse
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    too_many_tokens,
)
from pipex_core.metrics.extraction import answered_json, unfenced

Path = tuple[str, ...]
Leaves = Mapping[Path, Json]
Likeness = Callable[[Json, Json], float]


class JsonMatch:
    """F1 over leaves: of the reference's leaves how much the answer has, of the answer's how much is asked.

    A leaf is a value that is no map or list, or an empty one. Equal leaves are worth 1, numbers within
    ``rel_tol``; with ``fuzzy`` two texts are worth their Levenshtein similarity. ``ignore`` names parts
    that do not count, ``unordered`` lists whose order does not; both are JSON pointers in which ``*``
    stands for any key or index. An answer that is no JSON is wrong and has the label ``not_json``.
    """

    info = MetricInfo(
        name="json_match",
        summary="F1 of the leaves of two JSON values",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "fuzzy": OptionInfo(kind="bool", default=False, description="texts by similarity"),
            "rel_tol": OptionInfo(kind="float", default=1e-9, least=0.0),
            "ignore": OptionInfo(kind="list", default=(), description="pointers of parts left out"),
            "unordered": OptionInfo(
                kind="list", default=(), description="pointers of lists in any order"
            ),
        },
        libraries=("rapidfuzz", "scipy"),
    )

    def __init__(
        self,
        *,
        fuzzy: bool = False,
        rel_tol: float = 1e-9,
        ignore: Sequence[str] = (),
        unordered: Sequence[str] = (),
    ) -> None:
        self._like = _likeness(fuzzy=fuzzy, rel_tol=rel_tol)
        self._ignored = [_pattern(pointer) for pointer in ignore]
        self._unordered = [_pattern(pointer) for pointer in unordered]

    def score(self, item: MetricInput) -> Score:
        wanted = _references(item)
        if not wanted:
            return Unscored(code="bad_reference", reason="the reference is not JSON")
        given = answered_json(item)
        if given is None:
            return Scored(value=0.0, label="not_json")
        found = [self._against(given[0], one) for one in wanted]
        scored = [one for one in found if isinstance(one, Scored)]
        return max(scored, key=lambda one: one.value) if scored else found[0]

    def _against(self, given: Json, wanted: Json) -> Score:
        refused = too_many_tokens(len(list(_leaves(given))), len(list(_leaves(wanted))))
        if refused is not None:
            return refused
        answer = self._counted(self._aligned(given, wanted, ()))
        reference = self._counted(wanted)
        likeness = {
            path: self._like(answer[path], value)
            for path, value in reference.items()
            if path in answer
        }
        total = math.fsum(likeness.values())
        both = len(answer) + len(reference)
        wrong = [_pointer(path) for path in reference if likeness.get(path, 0.0) < 1.0]
        extra = [_pointer(path) for path in answer if path not in reference]
        details = {"wrong": sorted(wrong)[:_shown], "extra": sorted(extra)[:_shown]}
        return Scored(
            value=2 * total / both if both else 1.0,
            details={name: pointers for name, pointers in details.items() if pointers},
            submetrics={
                "precision": total / len(answer) if answer else float(not reference),
                "recall": total / len(reference) if reference else float(not answer),
            },
        )

    def _counted(self, value: Json) -> Leaves:
        return {
            path: leaf
            for path, leaf in _leaves(value)
            if not any(_is_under(path, pattern) for pattern in self._ignored)
        }

    def _aligned(self, given: Json, wanted: Json, path: Path) -> Json:
        """The answer with the items of unordered lists moved to the places of those they are like."""
        if isinstance(given, Mapping) and isinstance(wanted, Mapping):
            return {
                key: self._aligned(value, wanted[key], (*path, key)) if key in wanted else value
                for key, value in given.items()
            }
        if not (isinstance(given, list | tuple) and isinstance(wanted, list | tuple)):
            return given
        if any(_is_at(path, pattern) for pattern in self._unordered):
            given = self._assigned(given, wanted, path)
        return [
            self._aligned(value, wanted[at], (*path, str(at))) if at < len(wanted) else value
            for at, value in enumerate(given)
        ]

    def _assigned(self, given: Sequence[Json], wanted: Sequence[Json], path: Path) -> list[Json]:
        """The given items in the order in which the most of the wanted ones is found."""
        from scipy.optimize import linear_sum_assignment  # loads numpy and scipy

        if not given or not wanted:
            return list(given)
        gains = [[self._gain(one, two, (*path, "*")) for two in wanted] for one in given]
        rows, columns = linear_sum_assignment(gains, maximize=True)
        at = dict(zip(columns.tolist(), rows.tolist(), strict=True))
        rest = [one for row, one in enumerate(given) if row not in set(at.values())]
        placed = [given[at[column]] if column in at else absent for column in range(len(wanted))]
        return [*placed, *rest]

    def _gain(self, given: Json, wanted: Json, path: Path) -> float:
        answer = dict(_leaves(self._aligned(given, wanted, path)))
        return math.fsum(
            self._like(answer[at], value) for at, value in _leaves(wanted) if at in answer
        )


absent: Final = object()  # an item of an unordered list that the answer has not
_shown: Final = 20  # pointers in the details


def _references(item: MetricInput) -> list[Json]:
    if item.has_reference_json:
        return [item.reference_json]
    found = []
    for text in item.references:
        try:
            found.append(parse(unfenced(text)))
        except ValueError:
            continue
    return found


def _leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list | tuple) and value:
        for at, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(at)))
    elif value is not absent and (path or value not in ({}, [])):
        yield path, value


def _likeness(*, fuzzy: bool, rel_tol: float) -> Likeness:
    from rapidfuzz.distance import Levenshtein

    def like(left: Json, right: Json) -> float:
        if isinstance(left, str) and isinstance(right, str) and fuzzy:
            return float(Levenshtein.normalized_similarity(left, right))
        if _is_number(left) and _is_number(right):
            return float(math.isclose(left, right, rel_tol=rel_tol))
        return float(equal(left, right))

    return like


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pattern(pointer: str) -> Path:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"a JSON pointer is empty or starts with '/', got {pointer!r}")
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])


def _pointer(path: Path) -> str:
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in path)


def _is_at(path: Path, pattern: Path) -> bool:
    return len(path) == len(pattern) and _is_under(path, pattern)


def _is_under(path: Path, pattern: Path) -> bool:
    return len(path) >= len(pattern) and all(
        "*" in (key, wanted) or key == wanted for key, wanted in zip(path, pattern, strict=False)
    )
