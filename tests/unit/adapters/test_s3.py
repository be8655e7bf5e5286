"""Blobs in a bucket behind a network that fails: what is tried again, and what is said when it is in vain."""

from collections.abc import Iterator, Mapping

import pytest

from pipex_core.adapters.s3 import S3Blobs
from pipex_core.errors import StoreError
from tests.fakes.fault_proxy import Fault, FaultProxy, fault_proxy


@pytest.fixture
def proxy(s3: Mapping[str, str]) -> Iterator[FaultProxy]:
    with fault_proxy(s3["endpoint_url"]) as made:
        yield made


@pytest.fixture
def blobs(s3: Mapping[str, str], proxy: FaultProxy) -> S3Blobs:
    return S3Blobs("pipex", prefix="faulty", **{**s3, "endpoint_url": proxy.address})


def fail_first(proxy: FaultProxy, *faults: Fault, method: str = "") -> None:
    waiting = list(faults)

    def fault(_number: int, line: str) -> Fault:
        return waiting.pop(0) if waiting and line.startswith(method) else ""

    proxy.fault = fault


def test_a_body_that_ends_early_is_read_again(blobs: S3Blobs, proxy: FaultProxy) -> None:
    blobs.put("a", b"x" * 5_000)
    fail_first(proxy, "cut", "cut", method="GET")
    assert blobs.get("a") == b"x" * 5_000


@pytest.mark.parametrize("fault", ["busy", "reset", "lost"])
def test_a_write_that_fails_once_is_tried_again(
    blobs: S3Blobs, proxy: FaultProxy, fault: Fault
) -> None:
    fail_first(proxy, fault, method="PUT")
    blobs.put("b", b"kept")
    assert blobs.get("b") == b"kept"
    assert [line.split()[0] for line in proxy.seen] == ["PUT", "PUT", "GET"]


def test_a_server_that_stays_busy_is_an_error_after_three_tries(
    blobs: S3Blobs, proxy: FaultProxy
) -> None:
    proxy.fault = lambda _number, _line: "busy"
    for use in (
        lambda: blobs.put("c", b"1"),
        lambda: blobs.exists("c"),
        lambda: list(blobs.list()),
    ):
        before = len(proxy.seen)
        with pytest.raises(StoreError, match=r"SlowDown|503"):
            use()
        assert len(proxy.seen) - before == 3


def test_a_body_that_always_ends_early_is_an_error(blobs: S3Blobs, proxy: FaultProxy) -> None:
    blobs.put("d", b"x" * 5_000)
    proxy.fault = lambda _number, line: "cut" if line.startswith("GET") else ""
    with pytest.raises(StoreError, match="cannot read d"):
        blobs.get("d")


def test_a_refusal_is_no_missing_value(s3: Mapping[str, str]) -> None:
    stranger = S3Blobs("pipex", **{**s3, "aws_secret_access_key": "wrong"})
    for use in (
        lambda: stranger.get("a"),
        lambda: stranger.exists("a"),
        lambda: stranger.delete("a"),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert caught.value.code == "storage_error"


def test_a_listing_of_many_pages_is_in_order(s3: Mapping[str, str]) -> None:
    blobs = S3Blobs("pipex", prefix="pages", **s3)
    names = [f"{number % 7}/{number:04d}" for number in range(40)]
    for name in names:
        blobs.put(name, b"1")
    assert list(blobs.list()) == sorted(names)
    assert list(blobs.list("3/")) == sorted(name for name in names if name.startswith("3/"))
