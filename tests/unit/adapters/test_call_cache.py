"""The call cache: stored behind the call, found at once, and never the reason for a failure."""

from pathlib import Path

from pipex_core.adapters.call_cache import BlobCallCache
from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.llm.provider import Response, Usage
from tests.fakes.blobs import BreakableBlobs

answer = Response(text="four", usage=Usage(input=3, output=1), finish_reason="stop")
key = "ab" * 32
place = f"calls/ab/{key}.json"


def test_an_answer_is_found_at_once_and_by_the_next_process(tmp_path: Path) -> None:
    cache = BlobCallCache(LocalBlobs(tmp_path, durable=False))
    assert cache.get(key) is None
    cache.put(key, answer)
    assert cache.get(key) == answer
    cache.flush()
    assert cache.get(key) == answer
    assert BlobCallCache(LocalBlobs(tmp_path)).get(key) == answer


def test_an_answer_that_was_stored_once_is_not_replaced() -> None:
    blobs = MemoryBlobs()
    for text in ("first", "second"):
        cache = BlobCallCache(blobs)
        cache.put(key, Response(text=text))
        cache.flush()
    found = BlobCallCache(blobs).get(key)
    assert found is not None
    assert found.text == "first"


def test_a_damaged_entry_is_a_miss_and_is_replaced() -> None:
    blobs = MemoryBlobs()
    cache = BlobCallCache(blobs)
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
    cache = BlobCallCache(blobs)
    cache.put(key, answer)
    cache.flush()
    assert cache.failed is not None
    assert cache.failed.code == "storage_full"
    assert cache.get(key) is None
