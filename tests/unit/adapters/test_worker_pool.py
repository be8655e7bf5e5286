"""Calls in worker processes: whatever a function does, the caller gets a value or a reason in time."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.worker_pool import pool as worker_pool
from pipex_core.adapters.worker_pool.pool import ProcessPool
from pipex_core.errors import WorkerError

root = Path(__file__).parents[3]
functions = "tests.fakes.pool_functions"
ample_s = 30.0
short_s = 0.3


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def pool(hours: Hours) -> Iterator[ProcessPool]:
    with ProcessPool(size=2, memory_mb=256, import_paths=[str(root)], clock=hours) as made:
        yield made


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def failed(pool: ProcessPool, function: str, argument: Any, timeout_s: float = ample_s) -> str:
    with pytest.raises(WorkerError) as caught:
        pool.submit(f"{functions}:{function}", argument, timeout_s=timeout_s).result()
    return caught.value.code


def value(pool: ProcessPool, function: str, argument: Any = None) -> Any:
    return pool.submit(f"{functions}:{function}", argument, timeout_s=ample_s).result()


def test_values_come_back_as_json_and_one_worker_serves_many_calls(pool: ProcessPool) -> None:
    calls = [pool.submit(f"{functions}:doubled", n, timeout_s=ample_s) for n in range(30)]
    assert [call.result() for call in calls] == [2 * n for n in range(30)]
    assert value(pool, "doubled", "ü😀\n") == "ü😀\nü😀\n"
    assert value(pool, "doubled", [None, {"a": 1.5}]) == [None, {"a": 1.5}] * 2


def test_a_call_that_hangs_is_ended_at_its_deadline_and_the_next_is_served(
    pool: ProcessPool,
) -> None:
    pid = value(pool, "surroundings")["pid"]
    assert failed(pool, "stalled", None, short_s) == "worker_timeout"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert value(pool, "doubled", 4) == 8


def test_a_call_that_takes_too_much_memory_fails_alone(pool: ProcessPool) -> None:
    assert failed(pool, "swollen", 400) == "worker_memory"
    assert value(pool, "swollen", 4) == 4 << 20


def test_a_worker_that_dies_is_replaced_once_for_a_call(pool: ProcessPool, tmp_path: Path) -> None:
    assert value(pool, "killed_once", str(tmp_path / "died")) == "answered"
    assert failed(pool, "killed", None) == "worker_died"


def test_what_a_function_raises_is_said_and_costs_no_worker(pool: ProcessPool) -> None:
    before = value(pool, "surroundings")["pid"]
    call = pool.submit(f"{functions}:raised", "no such word", timeout_s=ample_s)
    with pytest.raises(WorkerError, match="LookupError: no such word"):
        call.result()
    assert failed(pool, "not_json", None) == "function_failed"
    assert failed(pool, "absent", None) == "function_failed"
    assert value(pool, "surroundings")["pid"] == before


def test_a_worker_sees_nothing_of_its_host(
    pool: ProcessPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    seen = value(pool, "surroundings")
    assert isinstance(seen, dict)
    assert set(seen["environment"]) <= {
        *("PATH", "LANG", "LC_CTYPE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
        *("TOKENIZERS_PARALLELISM", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"),
    }
    assert seen["folder"] == []
    assert seen["descriptors"] <= 6
    assert seen["niceness"] >= 10


def test_the_fourth_replaced_worker_breaks_the_pool_until_ten_minutes_have_passed(
    pool: ProcessPool, hours: Hours
) -> None:
    for _ in range(2):
        assert failed(pool, "killed", None) == "worker_died"  # two workers each: the retry dies too
    assert failed(pool, "doubled", 1) == "pool_broken"
    hours.now = worker_pool.restart_window_s + 1
    assert value(pool, "doubled", 1) == 2


def test_a_worker_that_died_while_idle_is_replaced_before_it_is_given_work(
    pool: ProcessPool, hours: Hours
) -> None:
    pid = value(pool, "surroundings")["pid"]
    os.kill(pid, signal.SIGKILL)
    hours.now = worker_pool.idle_s + 1
    assert value(pool, "surroundings")["pid"] != pid
    hours.now += worker_pool.idle_s + 1
    assert value(pool, "doubled", 1) == 2


def test_a_worker_is_recycled_after_its_last_call() -> None:
    with ProcessPool(size=1, import_paths=[str(root)]) as made:
        first = value(made, "surroundings")["pid"]
        for _ in range(worker_pool.calls_per_worker - 1):
            assert value(made, "doubled", 1) == 2
        assert value(made, "surroundings")["pid"] != first


def test_closing_leaves_no_process_and_no_descriptor_behind() -> None:
    before = descriptors()
    made = ProcessPool(size=2, import_paths=[str(root)])
    stalled = made.submit(f"{functions}:stalled", None, timeout_s=ample_s)
    pid = value(made, "surroundings")["pid"]
    made.close()
    with pytest.raises(WorkerError):
        stalled.result()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert descriptors() == before


def test_workers_end_with_their_owner() -> None:
    program = (
        "import os, signal, sys; from pipex_core.adapters.worker_pool import ProcessPool;"
        f"pool = ProcessPool(size=1, import_paths=[{str(root)!r}]);"
        f"print(pool.submit({functions + ':surroundings'!r}, None, timeout_s=30).result()['pid'], flush=True);"
        f"pool.submit({functions + ':stalled'!r}, None, timeout_s=600);"
        "sys.stdin.read(1); os.kill(os.getpid(), signal.SIGKILL)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        worker = int(owner.stdout.readline())
        watched = os.pidfd_open(worker)
        owner.stdin.write("x")
        owner.stdin.flush()
        assert owner.wait() == -signal.SIGKILL
    news = select.poll()
    news.register(watched, select.POLLIN)
    assert news.poll(10_000)
    os.close(watched)
