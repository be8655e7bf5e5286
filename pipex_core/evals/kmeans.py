"""Groups of points: k-means with seeded starts, and the silhouette that says how many groups there are.

Sources: Arthur and Vassilvitskii 2007, k-means++: the advantages of careful seeding; Rousseeuw 1987,
https://doi.org/10.1016/0377-0427(87)90125-7.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]
starts: Final = 10
most_rounds: Final = 100
decimals: Final = 5  # of coordinates; closer points are the same
most_measured: Final = 2_000  # points of a silhouette, which takes all their distances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """A way to divide points.

    Attributes:
        labels: Group of each point, 0 to k - 1, [points]; no group is empty.
        centres: [k, dimensions].
        inertia: Sum of the squared distances of all points from their centres.
    """

    labels: Labels
    centres: Points
    inertia: float

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.centres)


def kmeans(points: Points, k: int, *, seed: int) -> Grouping:
    """The best of ``starts`` runs of Lloyd's algorithm: the one of least inertia, the first of equals.

    Args:
        points: [points, dimensions].
        k: Number of groups, at least 1 and at most the number of different points.
        seed: The same seed gives the same groups.

    Raises:
        ValueError: There are fewer than ``k`` different points.
    """
    points = points.round(decimals)
    different = different_points(points)
    if not 1 <= k <= different:
        raise ValueError(f"{different} different cases cannot be divided into {k} clusters")
    rng = np.random.default_rng(seed)
    found = [_lloyd(points, _seeds(points, k, rng)) for _ in range(starts)]
    return min(found, key=lambda one: one.inertia)


def different_points(points: Points) -> int:
    """How many points there are to tell apart."""
    return len(np.unique(points.round(decimals), axis=0))


def silhouette(points: Points, labels: Labels, *, seed: int) -> float:
    """Mean silhouette in [-1, 1], of at most ``most_measured`` points chosen by the seed.

    A point that is alone in its group counts 0; with one group the mean is 0.
    """
    if len(points) > most_measured:
        order = np.random.default_rng(seed).permutation(len(points))
        chosen = np.sort(order[:most_measured])
        points, labels = points[chosen], labels[chosen]
    groups, members = np.unique(labels, return_inverse=True)
    if len(groups) < 2:  # noqa: PLR2004 - a group is apart from another one
        return 0.0
    distances = np.sqrt(_squared(points, points))
    np.fill_diagonal(distances, 0.0)
    belongs = np.eye(len(groups))[members]
    sizes = belongs.sum(axis=0)
    sums = distances @ belongs
    rows = np.arange(len(points))
    own_size = sizes[members]
    inside = sums[rows, members] / np.maximum(own_size - 1, 1)
    outside = sums / sizes
    outside[rows, members] = np.inf
    nearest = outside.min(axis=1)
    larger = np.maximum(inside, nearest)
    values = np.divide(nearest - inside, larger, out=np.zeros(len(points)), where=larger > 0)
    return float(np.where(own_size > 1, values, 0.0).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """How many groups there are.

    Attributes:
        silhouettes: Mean silhouette by number of groups.
    """

    grouping: Grouping
    silhouettes: dict[int, float]


def best_grouping(points: Points, ks: Iterable[int], *, seed: int) -> Choice:
    """The grouping of the highest silhouette, the fewest groups of equals.

    Raises:
        ValueError: There is no number to try, or one is out of range.
    """
    found = {k: kmeans(points, k, seed=seed) for k in ks}
    values = {k: silhouette(points, one.labels, seed=seed) for k, one in found.items()}
    if not found:
        raise ValueError("clusters need at least 3 different cases")
    best = max(sorted(values), key=lambda k: values[k])
    return Choice(grouping=found[best], silhouettes=values)


def _seeds(points: Points, k: int, rng: np.random.Generator) -> Points:
    """First centres: each far from those before it, with a chance in proportion to the squared distance."""
    centres = [points[int(rng.integers(len(points)))]]
    nearest = _squared(points, centres[0][None, :])[:, 0]
    for _ in range(1, k):
        # Equal points have no chance, so k different points are always found.
        chosen = int(rng.choice(len(points), p=nearest / nearest.sum()))
        centres.append(points[chosen])
        nearest = np.minimum(nearest, _squared(points, points[chosen][None, :])[:, 0])
    return np.array(centres)


def _lloyd(points: Points, centres: Points) -> Grouping:
    labels: Labels = np.full(len(points), -1, dtype=np.int64)
    for _ in range(most_rounds):
        distances = _squared(points, centres)
        now = distances.argmin(axis=1).astype(np.int64)
        _fill_empty(now, distances)
        if (now == labels).all():
            break
        labels = now
        belongs = np.eye(len(centres))[labels]
        centres = (belongs.T @ points) / belongs.sum(axis=0)[:, None]
    inertia = float(((points - centres[labels]) ** 2).sum())
    return Grouping(labels=labels, centres=centres, inertia=inertia)


def _fill_empty(labels: Labels, distances: Points) -> None:
    """Give an empty group the point that is farthest from its centre and not alone with it."""
    sizes = np.bincount(labels, minlength=distances.shape[1])
    for empty in np.flatnonzero(sizes == 0):
        own = distances[np.arange(len(labels)), labels]
        own = np.where(sizes[labels] > 1, own, -1.0)
        moved = int(own.argmax())
        sizes[labels[moved]] -= 1
        labels[moved] = empty
        sizes[empty] = 1


def _squared(points: Points, centres: Points) -> Points:
    """Squared distances [points, centres]; differences would need all dimensions at once."""
    products = points @ centres.T
    lengths = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :]
    # Equal points differ by rounding only, and that difference may be below zero.
    found = np.maximum(lengths - 2 * products, 0.0)
    return np.where(found < _rounding, 0.0, found)


_rounding: Final = 1e-12
