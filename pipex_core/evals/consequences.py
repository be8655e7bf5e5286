"""What a run would compute again after a suite changed, counted by the keys that the run goes by.

An answer is known when the input of its case was asked before as the same repeat; a score when its
metric, the answer and what the metric reads of the case are known. Ids and positions are in no key, so
a renamed case costs nothing, and neither does a case that was there under another name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipex_core.evals.keys import reference_needs
from pipex_core.evals.suite import Case, CaseHashes, Suite
from pipex_core.jsonvalue import Json, canonical
from pipex_core.metrics.contract import Need

# Of an entry, what is in no score key.
_beside_the_score = frozenset({"threshold", "name", "weight", "required", "tier"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricUse:
    """A metric as a key sees it.

    Attributes:
        fingerprint: Equal for metrics that give equal numbers.
        needs: What it reads.
    """

    fingerprint: str
    needs: frozenset[Need]


Uses = Callable[[Case], Sequence[MetricUse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two suites, with what its keys are made of."""

    suite: Suite
    hashes: Mapping[str, CaseHashes]
    uses: Uses


def uses_as_written(suite: Suite) -> Uses:
    """The metrics that a suite names, each taken to read the reference and not the input."""
    needs = reference_needs
    first = [_use(entry, needs) for entry in suite.defaults.metrics] or [_use("any", needs)]
    return lambda case: [*first, *(_use(entry, needs) for entry in case.metrics or ())]


def uses_of_needs(needs: Sequence[frozenset[Need]]) -> Uses:
    """Metrics of which only the needs are known, the same ones for every case."""
    found = [MetricUse(fingerprint=str(i), needs=one) for i, one in enumerate(needs)]
    return lambda _: found


def consequences(before: Side, after: Side, *, relabelled: frozenset[str]) -> Mapping[str, int]:
    """Rows of each layer that a run of ``after`` computes which a run of ``before`` did not.

    Args:
        before: Was run with all its metrics.
        after: Is to be run.
        relabelled: Ids that are gone, or whose annotations changed.

    Returns:
        ``responses``, ``scores``, and ``verdict_only``: cases of which only the verdict is made anew.
    """
    asked_before = {answer for _, answer in _answers(before)}
    judged_before = {key for _, key in _scores(before)}
    new_answers = [case_id for case_id, key in _answers(after) if key not in asked_before]
    new_scores = [case_id for case_id, key in _scores(after) if key not in judged_before]
    return {
        "responses": len(new_answers),
        "scores": len(new_scores),
        "verdict_only": len(relabelled - {*new_answers, *new_scores}),
    }


def _answers(side: Side) -> Iterator[tuple[str, tuple[str, int]]]:
    for case in side.suite.cases:
        for repeat in range(side.suite.defaults.repeats):
            yield case.id, (side.hashes[case.id].input_hash, repeat)


def _scores(side: Side) -> Iterator[tuple[str, tuple[Json, ...]]]:
    for case in side.suite.cases:
        known = side.hashes[case.id]
        uses = side.uses(case)
        for repeat in range(side.suite.defaults.repeats):
            for use in uses:
                reference = known.reference_hash if use.needs & reference_needs else None
                yield case.id, (use.fingerprint, known.input_hash, repeat, reference)


def _use(entry: Json, needs: frozenset[Need]) -> MetricUse:
    if isinstance(entry, Mapping):
        entry = {key: value for key, value in entry.items() if key not in _beside_the_score}
        entry = entry["type"] if list(entry) == ["type"] else entry
    return MetricUse(fingerprint=canonical(entry), needs=needs)
