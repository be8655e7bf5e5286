"""One blob store over several: a write counts when a quorum holds it, a read mends those that lack it.

Keys are to be written once: when copies differ, nobody could say here which is newer.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from pipex_core.errors import StoreError
from pipex_core.ports import BlobStore

Policy = Literal["quorum", "primary_only", "primary_with_cache"]
Outcome = Literal["committed", "degraded", "failed"]
Told = Callable[[str, Outcome], None]


@dataclass(frozen=True, slots=True)
class Repair:
    """A value that a store lacks."""

    store: int
    key: str


class MirroredBlobs:
    """A ``BlobStore`` over several.

    Args:
        stores: The first one is the primary.
        policy: ``quorum``: more than half of the stores must hold a value. ``primary_only``: the first
            must, the others are written too. ``primary_with_cache``: likewise, and the others are read
            first.
        told: Called with each write's key and outcome.

    Attributes:
        repairs: What stores lack as far as it is known, in the order in which it was found.
    """

    def __init__(
        self, stores: Sequence[BlobStore], *, policy: Policy = "quorum", told: Told | None = None
    ) -> None:
        if not stores:
            raise ValueError("a mirrored store needs at least one store")
        self._stores = stores
        self._needed = len(stores) // 2 + 1 if policy == "quorum" else 1
        self._policy = policy
        self._told: Told = told or (lambda _key, _outcome: None)
        self._threads = ThreadPoolExecutor(max_workers=len(stores), thread_name_prefix="mirror")
        self._lock = Lock()  # guards ``repairs``
        self.repairs: list[Repair] = []

    def put(self, key: str, data: bytes) -> None:
        failures = self._each(lambda store: store.put(key, data))
        for at, failure in failures.items():
            if failure.code == "path_denied":
                raise failure
            self._lacks(at, key)
        held = len(self._stores) - len(failures)
        is_kept = 0 not in failures if self._policy != "quorum" else held >= self._needed
        self._told(key, "failed" if not is_kept else "degraded" if failures else "committed")
        if not is_kept:
            first = next(iter(failures.values()))
            message = f"{held} of {len(self._stores)} stores hold {key}: {first.message}"
            raise StoreError(message, code=first.code) from first

    def get(self, key: str) -> bytes:
        lacking: list[int] = []
        failure: StoreError | None = None
        for at in self._reading_order():
            try:
                found = self._stores[at].get(key)
            except StoreError as exc:
                if exc.code == "path_denied":
                    raise
                if exc.code == "not_found":
                    lacking.append(at)
                if failure is None or exc.code != "not_found":
                    failure = exc
                continue
            self._mend(lacking, key, found)
            return found
        if failure is None:
            raise StoreError(f"{key} is not stored", code="not_found")
        raise failure

    def exists(self, key: str) -> bool:
        failure: StoreError | None = None
        for at in self._reading_order():
            try:
                if self._stores[at].exists(key):
                    return True
            except StoreError as exc:
                if exc.code == "path_denied":
                    raise
                failure = exc
        # A store that does not answer may be the one that holds it.
        if failure is not None:
            raise failure
        return False

    def list(self, prefix: str = "") -> Iterator[str]:
        found: set[str] = set()
        failures: list[StoreError] = []
        for store in self._stores:
            try:
                found.update(store.list(prefix))
            except StoreError as exc:
                failures.append(exc)
        if len(failures) > len(self._stores) - self._needed:
            raise failures[0]
        return iter(sorted(found))

    def delete(self, key: str) -> None:
        failures = self._each(lambda store: store.delete(key))
        with self._lock:
            self.repairs = [one for one in self.repairs if one.key != key]
        if failures:
            raise next(iter(failures.values()))

    def url(self, key: str = "") -> str:
        return self._stores[0].url(key)

    def repair(self) -> int:
        """Bring values to the stores that lack them; how many were brought. The rest stays in ``repairs``."""
        with self._lock:
            waiting, self.repairs = self.repairs, []
        mended = 0
        for one in waiting:
            try:
                self._stores[one.store].put(one.key, self.get(one.key))
                mended += 1
            except StoreError as exc:
                if exc.code != "not_found":
                    self._lacks(one.store, one.key)
        return mended

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=True)

    def _each(self, act: Callable[[BlobStore], None]) -> dict[int, StoreError]:
        """Do the same with all stores at once; what failed, by their number."""
        waiting = [self._threads.submit(act, store) for store in self._stores]
        failures: dict[int, StoreError] = {}
        for at, one in enumerate(waiting):
            try:
                one.result()
            except StoreError as exc:
                failures[at] = exc
        return failures

    def _reading_order(self) -> Sequence[int]:
        order = range(len(self._stores))
        return [*order[1:], 0] if self._policy == "primary_with_cache" else order

    def _mend(self, lacking: Sequence[int], key: str, data: bytes) -> None:
        for at in lacking:
            try:
                self._stores[at].put(key, data)
            except StoreError:
                self._lacks(at, key)

    def _lacks(self, store: int, key: str) -> None:
        with self._lock:
            if Repair(store, key) not in self.repairs:
                self.repairs.append(Repair(store, key))
