"""The call cache: stored behind the call, found at once, and never the reason for a failure."""

from pathlib import Path

from pipex_core.adapters.call_cache import BlobCallCache
from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.jsonvalue import canonical_bytes, parse
from pipex_core.llm.provider import Response, Usage
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.clock import ManualClock

answer = Response(text="four", usage=Usage(input=3, output=1), finish_reason="stop")
clock = ManualClock()
key = "ab" * 32
place = f"calls/ab/{key}.json"


def test_an_answer_is_found_at_once_and_by_the_next_process(tmp_path: Path) -> None:
    cache = BlobCallCache(LocalBlobs(tmp_path, durable=False), clock=clock)
    assert cache.get(key) is None
    cache.put(key, answer)
    assert cache.get(key) == answer
    cache.flush()
    assert cache.get(key) == answer
    assert BlobCallCache(LocalBlobs(tmp_path), clock=clock).get(key) == answer


def test_an_answer_that_was_stored_once_is_not_replaced() -> None:
    blobs = MemoryBlobs()
    for text in ("first", "second"):
        cache = BlobCallCache(blobs, clock=clock)
        cache.put(key, Response(text=text))
        cache.flush()
    found = BlobCallCache(blobs, clock=clock).get(key)
    assert found is not None
    assert found.text == "first"


def test_a_damaged_entry_is_a_miss_and_is_replaced() -> None:
    blobs = MemoryBlobs()
    cache = BlobCallCache(blobs, clock=clock)
    cache.put(key, answer)
    cache.flush()
    blobs.put(place, blobs.get(place).replace(b"four", b"five"))
    assert (cache.get(key), cache.damaged) == (None, [key])
    cache.put(key, answer)
    cache.flush()
    assert cache.get(key) == answer


def test_an_answer_that_cannot_be_stored_fails_no_call() -> None:
    blobs = BreakableBlobs()
    blobs.refuse = "storage_full"
    cache = BlobCallCache(blobs, clock=clock)
    cache.put(key, answer)
    cache.flush()
    assert cache.failed is not None
    assert cache.failed.code == "storage_full"
    assert cache.get(key) is None


def test_an_answer_that_is_too_old_is_a_miss_and_is_replaced() -> None:
    blobs, time = MemoryBlobs(), ManualClock()
    cache = BlobCallCache(blobs, clock=time)
    cache.put(key, Response(text="old"))
    cache.flush()
    time.tick(60)
    assert cache.get(key, max_age_s=61) == Response(text="old")
    assert cache.get(key, max_age_s=60) is None
    assert cache.get(key) == Response(text="old")
    cache.put(key, Response(text="new"))
    assert cache.get(key, max_age_s=1) == Response(text="new")
    cache.flush()
    assert cache.get(key, max_age_s=1) == Response(text="new")


def test_an_answer_of_an_earlier_version_is_as_old_as_can_be() -> None:
    blobs = MemoryBlobs()
    cache = BlobCallCache(blobs, clock=clock)
    cache.put(key, answer)
    cache.flush()
    entry = parse(blobs.get(place).decode())
    del entry["at"]
    blobs.put(place, canonical_bytes(entry))
    assert cache.get(key) == answer
    assert cache.get(key, max_age_s=1e6) is None
