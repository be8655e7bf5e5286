"""An evaluation killed anywhere and resumed ends as if it had not been, and no finished call is paid twice.

The command line runs as a person starts it, asks through the vendor's own SDK, and is killed with its
whole process group at the moment when the vendor has charged for so many calls. The vendor keeps the
bills; which answers were durable is read from the journal's files between two processes.
"""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipex_core.adapters.local_files import LocalJournals
from pipex_core.engine.segments import Verified, examine
from tests.fakes.provider_server import ProviderServer, Received, Reply, anthropic_message, key_of

cases = 150
at_once = 8
seeds = (1, 2)
kills_per_run = 10
most_new_calls = 14  # before the next kill; ten times as many are fewer than there are cases
pipex = str(Path(sys.executable).with_name("pipex"))

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]


@dataclass(kw_only=True)
class Account:
    """What the vendor knows of one customer.

    Attributes:
        charged: Case id of every call that was charged, in order.
        bills: Digest of a request to the number of times it was charged.
        process: Process group that is struck, once there is one.
        strike_at: Number of charged calls at which it is struck; None never.
        strike_with: The signal.
    """

    charged: list[str] = field(default_factory=list)
    bills: Counter[str] = field(default_factory=Counter)
    process: int | None = None
    strike_at: int | None = None
    strike_with: signal.Signals = signal.SIGKILL

    def charge(self, body: Any) -> int:
        """Charge for a call and strike if it is time; the number of the case that was asked."""
        self.bills[hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()] += 1
        (case,) = re.findall(r"case-\d+", body["messages"][0]["content"])
        self.charged.append(case)
        if self.strike_at is not None and len(self.charged) >= self.strike_at:
            assert self.process is not None
            self.strike_at = None
            os.killpg(self.process, self.strike_with)
        return int(case.removeprefix("case-"))


class Vendor(ProviderServer):
    """Answers by the prompt alone; each of its customers has a key and an account.

    One address serves all customers, since the address is a part of what a target is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._accounts: dict[str, Account] = {}
        self._charging = threading.Lock()  # guards the accounts: requests arrive in threads

    def open_account(self, key: str) -> Account:
        """A new customer."""
        self.keys.add(key)
        return self._accounts.setdefault(key, Account())

    def take(self, received: Received) -> Reply:
        """Charge, and answer what every second case expects."""
        with self._charging:
            number = self._accounts[key_of(received.headers)].charge(received.body)
        text = f"answer {number}" if number % 2 else f"no answer {number}"
        usage = {"input_tokens": 10 + number, "output_tokens": 3}
        return Reply(body=anthropic_message(content=[{"type": "text", "text": text}], usage=usage))


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    vendor.start()
    yield vendor
    vendor.stop()


@dataclass(kw_only=True)
class Place:
    """The files of one evaluation, and the account that pays for it.

    Attributes:
        ends: Exit codes of its processes, in order; negative for a signal.
        slices: By process, the calls that were charged.
        repeated: Calls charged again although their answer was durable.
    """

    folder: Path
    vendor: Vendor
    ends: list[int] = field(default_factory=list)
    slices: list[Sequence[str]] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.vendor.open_account(str(self.folder))
        suite = self.folder / "suite"
        suite.mkdir(parents=True)
        (suite / "suite.yaml").write_text("id: killed\n", encoding="utf-8")
        lines = (
            {
                "id": f"case-{i:03}",
                "input": f"This is case-{i:03}.",
                "expected_output": f"answer {i}",
            }
            for i in range(cases)
        )
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (suite / "cases.jsonl").write_text(text, encoding="utf-8")

    def run(self, *, until: int | None = None, how: signal.Signals = signal.SIGKILL) -> str:
        """Start the evaluation or go on with it, struck after ``until`` more charged calls; its output."""
        durable, before = self.durable(), len(self.account.charged)
        self.account.strike_at = None if until is None else before + until
        self.account.strike_with = how
        process = subprocess.Popen(
            [pipex, "eval", *self._words()],
            cwd=self.folder,
            env={
                "PATH": os.defpath,
                "HOME": str(self.folder),
                "ANTHROPIC_API_KEY": str(self.folder),
                "PIPEX_ANTHROPIC_BASE_URL": self.vendor.url,
                # A call that is in flight at a kill has used a try, and some are at several kills.
                "PIPELINE_MAX_RETRIES": str(kills_per_run),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.account.process = process.pid
        said, complaints = process.communicate(timeout=120)
        self.ends.append(process.returncode)
        # A request on the wire may be charged after the end of its process.
        self.vendor.wait_until_quiet(str(self.folder))
        new = self.account.charged[before:]
        self.slices.append(new)
        self.repeated += [case for case in new if case in durable]
        return said + complaints

    def extra(self) -> Sequence[int]:
        """By process, calls that were charged once more later: they were in flight when it ended."""
        later: set[str] = set()
        found = []
        for charged in reversed(self.slices):
            found.append(len(later.intersection(charged)))
            later.update(charged)
        return found[::-1]

    def _words(self) -> Sequence[str]:
        if self.run_ids():
            return ("resume", self.run_ids()[0], "--json")
        return (
            *("run", "suite", "--model", "claude-haiku-5-5", "--provider", "live", "--no-cache"),
            *("-m", "exact_match", "-m", "rouge", "-j", str(at_once), "--json"),
        )

    def run_ids(self) -> Sequence[str]:
        """Runs that can be resumed."""
        return sorted(path.parent.name for path in self.folder.glob("checkpoints/*/eval.json"))

    def durable(self) -> set[str]:
        """Cases with a durable answer, read from the files of the journal itself."""
        journals = LocalJournals(self.folder / "checkpoints")
        found: set[str] = set()
        for run_id in self.run_ids():
            read = examine(journals.read_log(run_id, "main"))
            assert isinstance(read, Verified), read
            done = (record["unit"] for record in read.records if record["t"] == "done")
            found |= {unit.removeprefix("case:").partition("#")[0] for unit in done}
        return found

    def column(self, table: str, name: str) -> list[Any]:
        """A column of the published table, in its order."""
        (file,) = self.folder.glob(f"results/{table}/**/*.parquet")
        return list(pq.ParquetFile(file).read(columns=[name])[name].to_pylist())

    def final(self) -> Mapping[str, Any]:
        """What the evaluation made: the digest of all rows, and columns to look at."""
        (run_id,) = self.run_ids()
        (path,) = self.folder.glob(f"results/runs/**/run_id={run_id}/manifest.json")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        names = ("case_id", "output", "passed", "calls", "cost_nanousd", "attempts", "status")
        return {
            "row_digest": manifest["row_digest"],
            "responses": {name: self.column("responses", name) for name in names},
            "scores": {
                name: self.column("scores", name) for name in ("case_id", "metric", "score")
            },
        }


@pytest.fixture(scope="module")
def undisturbed(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    place = Place(folder=tmp_path_factory.mktemp("undisturbed") / "place", vendor=vendor)
    said = place.run()
    assert place.ends == [0], said
    assert Counter(place.account.charged) == Counter(f"case-{i:03}" for i in range(cases))
    assert set(place.account.bills.values()) == {1}
    return place.final()


def killed_and_resumed(folder: Path, vendor: Vendor, seed: int) -> Place:
    """An evaluation that was killed again and again, each time after a few more charged calls."""
    rng = random.Random(seed)
    place = Place(folder=folder, vendor=vendor)
    for _ in range(kills_per_run):
        place.run(until=rng.randint(1, most_new_calls))
    place.run()
    return place


def test_an_evaluation_killed_at_twenty_random_calls_ends_as_if_it_had_not_been(
    tmp_path: Path, vendor: Vendor, undisturbed: Mapping[str, Any]
) -> None:
    with ThreadPoolExecutor(max_workers=len(seeds)) as pool:
        tries = [
            pool.submit(killed_and_resumed, tmp_path / f"seed{seed}", vendor, seed)
            for seed in seeds
        ]
    for place in (one.result() for one in tries):
        assert place.ends == [-signal.SIGKILL] * kills_per_run + [0]
        assert place.repeated == []
        assert max(place.extra()) <= at_once
        assert sum(place.account.bills.values()) == cases + sum(place.extra())
        assert len(place.account.bills) == cases
        assert place.final() == undisturbed


def test_an_interrupted_evaluation_ends_with_130_and_can_go_on(
    tmp_path: Path, vendor: Vendor, undisturbed: Mapping[str, Any]
) -> None:
    place = Place(folder=tmp_path / "place", vendor=vendor)
    said = json.loads(place.run(until=40, how=signal.SIGINT))
    assert said["code"] == "cancelled"
    assert said["next"] == f"pipex eval resume {place.run_ids()[0]}"
    place.run()
    assert place.ends == [130, 0]
    assert place.repeated == []
    assert max(place.extra()) <= at_once
    assert place.final() == undisturbed
