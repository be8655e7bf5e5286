"""Cases that ask what another one asks already: exactly, by input hash, then nearly, by their words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipex_core.evals.nearduplicates import Similar, age, alike
from pipex_core.evals.suite import Case, Suite, hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """Cases of which each asks something else.

    Attributes:
        cases: Those that stay, the oldest first.
        exact: Groups of equal inputs: the case that stays, and those that go.
        near: Groups of nearly equal inputs, likewise.
    """

    cases: tuple[Case, ...]
    exact: tuple[Similar, ...] = ()
    near: tuple[Similar, ...] = ()

    @property
    def removed(self) -> frozenset[str]:
        """Ids of the cases that go."""
        return frozenset(other for group in (*self.exact, *self.near) for other in group.others)


def distinct(
    cases: Iterable[Case],
    *,
    known: Iterable[Case] = (),
    hash_metadata: Iterable[str] = (),
    threshold: float | None,
) -> Distinct:
    """The cases that ask something new.

    Args:
        cases: Of each group the smallest by time of creation (none counts last) and id stays.
        known: Cases that stay in any case; what is like one of them goes.
        hash_metadata: Paths of the metadata that belong to the input.
        threshold: Least Jaccard index of near duplicates; None looks for equal inputs only.

    Raises:
        ValueError: The threshold is not above 0 and at most 1.
    """
    fixed = sorted(known, key=age)
    fresh = sorted(cases, key=age)
    paths = tuple(hash_metadata)
    first: dict[str, Case] = {}
    for case in fixed:
        first.setdefault(hashes(case, hash_metadata=paths).input_hash, case)
    kept: list[Case] = []
    gone: dict[str, list[Case]] = {}
    for case in fresh:
        key = hashes(case, hash_metadata=paths).input_hash
        if key in first:
            gone.setdefault(key, []).append(case)
        else:
            first[key] = case
            kept.append(case)
    exact = [_group(first[key], others) for key, others in gone.items()]
    if threshold is None:
        return Distinct(cases=tuple(kept), exact=_sorted(exact))
    return replace(_nearly(fixed, kept, threshold=threshold), exact=_sorted(exact))


def distinct_suite(suite: Suite, *, threshold: float | None) -> Distinct:
    """The cases of a suite that ask something else; frozen ones stay, whatever they ask.

    Raises:
        ValueError: The threshold is not above 0 and at most 1.
    """
    frozen = [case for case in suite.cases if case.status == "frozen"]
    others = [case for case in suite.cases if case.status != "frozen"]
    paths = suite.hash_metadata
    return distinct(others, known=frozen, hash_metadata=paths, threshold=threshold)


def _nearly(fixed: Sequence[Case], fresh: Sequence[Case], *, threshold: float) -> Distinct:
    ordered = [*fixed, *fresh]
    removed: set[int] = set()
    groups = []
    for group in alike(ordered, threshold=threshold):
        keep = group.members[0]
        others = [member for member in group.members[1:] if member >= len(fixed)]
        if others:
            removed.update(others)
            similarity: Mapping[int, float] = group.similarity
            groups.append(
                _group(
                    ordered[keep],
                    [ordered[member] for member in others],
                    [similarity[member] for member in others],
                )
            )
    kept = [case for i, case in enumerate(ordered) if i >= len(fixed) and i not in removed]
    return Distinct(cases=tuple(kept), near=_sorted(groups))


def _group(
    keep: Case, others: Sequence[Case], similarity: Sequence[float] | None = None
) -> Similar:
    values = similarity or [1.0] * len(others)
    named = sorted(zip((case.id for case in others), values, strict=True))
    return Similar(
        keep=keep.id,
        others=tuple(name for name, _ in named),
        similarity=tuple(value for _, value in named),
    )


def _sorted(groups: Iterable[Similar]) -> tuple[Similar, ...]:
    return tuple(sorted(groups, key=lambda group: group.keep))
