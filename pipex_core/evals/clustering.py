"""Clusters of a suite's cases by what they ask, so that statistics know which cases stand together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipex_core.errors import ConfigError
from pipex_core.evals.kmeans import (
    Grouping,
    Points,
    best_grouping,
    different_points,
    kmeans,
    silhouette,
)
from pipex_core.evals.nearduplicates import text_of_input
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.termvectors import TermVectors, reduced, term_vectors, unit
from pipex_core.jsonvalue import Json

most_clusters: Final = 20  # that are tried without a number
shown_terms: Final = 5
shown_cases: Final = 3
dimensions: Final = 50
_few: Final = 20  # cases, below which a term of one case may matter


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Cases that ask of the same things.

    Attributes:
        terms: Words and pairs of words that tell the cluster from the others, the strongest first.
        central: Ids of the cases nearest to the middle, the nearest first.
    """

    id: str
    size: int
    terms: tuple[str, ...]
    central: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """``{cluster_id, size, terms, central}``."""
        return {
            "cluster_id": self.id,
            "size": self.size,
            "terms": list(self.terms),
            "central": list(self.central),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """A suite whose cases have clusters.

    Attributes:
        clusters: The largest first.
        silhouettes: Mean silhouette by number of clusters, of those that were tried.
    """

    suite: Suite
    clusters: tuple[Cluster, ...]
    silhouettes: dict[int, float]


def cluster_suite(
    suite: Suite,
    k: int | None = None,
    *,
    seed: int = 0,
    embedded: Sequence[Sequence[float]] | None = None,
) -> Clustered:
    """The suite with a ``cluster_id`` in every case.

    Args:
        suite: Its cases are clustered by the words of their inputs.
        k: Number of clusters; None for the best silhouette of 2 to 20.
        seed: The same seed gives the same clusters, whatever the order of the cases.
        embedded: Vector of each case's input in the order of the suite, [cases, dimensions], to cluster by
            instead; terms are still those of the words.

    Raises:
        ConfigError: ``out_of_range``, there are fewer different cases than clusters.
    """
    order = sorted(range(len(suite.cases)), key=lambda i: suite.cases[i].id)
    cases = [suite.cases[i] for i in order]
    least = 1 if len(cases) < _few else 2
    terms = term_vectors([text_of_input(case) for case in cases], least_texts=least)
    if embedded is None:
        points = reduced(terms, dimensions=dimensions, seed=seed)
    else:
        points = unit(np.asarray(embedded, dtype=np.float64)[order])
    grouping, silhouettes = _grouped(points, k, seed=seed)
    ranked = _ranked(grouping, cases)
    width = len(str(grouping.k))
    names = {group: f"cluster_{place:0{width}}" for place, group in enumerate(ranked, 1)}
    found = {
        case.id: names[label] for case, label in zip(cases, grouping.labels.tolist(), strict=True)
    }
    return Clustered(
        suite=replace(
            suite, cases=tuple(replace(case, cluster_id=found[case.id]) for case in suite.cases)
        ),
        clusters=tuple(
            Cluster(
                id=names[group],
                size=int((grouping.labels == group).sum()),
                terms=_terms(terms, grouping.labels == group),
                central=_central(points, grouping, group, cases),
            )
            for group in ranked
        ),
        silhouettes=silhouettes,
    )


def _grouped(points: Points, k: int | None, *, seed: int) -> tuple[Grouping, dict[int, float]]:
    try:
        if k is not None:
            grouping = kmeans(points, k, seed=seed)
            return grouping, {k: silhouette(points, grouping.labels, seed=seed)}
        different = different_points(points)
        # As many clusters as cases say nothing: each would be alone.
        tried = range(2, min(most_clusters, different - 1) + 1)
        choice = best_grouping(points, tried, seed=seed)
    except ValueError as exc:
        raise ConfigError(str(exc), code="out_of_range", next_step="ask for fewer: -k N") from exc
    return choice.grouping, choice.silhouettes


def _ranked(grouping: Grouping, cases: Sequence[Case]) -> list[int]:
    """The groups, the largest first; of equal ones the one with the case that sorts first."""
    labels = grouping.labels.tolist()
    first = {group: cases[labels.index(group)].id for group in range(grouping.k)}
    sizes = np.bincount(grouping.labels, minlength=grouping.k).tolist()
    return sorted(range(grouping.k), key=lambda group: (-sizes[group], first[group]))


def _terms(vectors: TermVectors, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    """Terms whose mean weight inside is highest above that outside."""
    if not vectors.terms:
        return ()
    outside = ~inside
    shares = np.stack(
        [inside / max(int(inside.sum()), 1), outside / max(int(outside.sum()), 1)], axis=1
    )
    means = vectors.transposed_times(shares)
    lift = means[:, 0] - means[:, 1]
    order = sorted(np.flatnonzero(lift > 0).tolist(), key=lambda i: (-lift[i], vectors.terms[i]))
    chosen: list[str] = []
    for term in (vectors.terms[i] for i in order):
        # A pair and its words say one thing; the stronger of them is shown.
        words = set(term.split())
        if all(not (words <= set(one.split()) or words >= set(one.split())) for one in chosen):
            chosen.append(term)
        if len(chosen) == shown_terms:
            break
    return tuple(chosen)


def _central(
    points: Points, grouping: Grouping, group: int, cases: Sequence[Case]
) -> tuple[str, ...]:
    away = np.linalg.norm(points - grouping.centres[group], axis=1).round(9)
    members = np.flatnonzero(grouping.labels == group).tolist()
    nearest = sorted(members, key=lambda i: (away[i], cases[i].id))
    return tuple(cases[i].id for i in nearest[:shown_cases])
