"""Large values: whole for the steps and in the result, a blob of the run, and a name in documents."""

import asyncio
import hashlib
import json
from typing import Any

from pipex_core.engine.artifacts import shown_value
from pipex_core.engine.runner import RunOptions, run_plan
from pipex_core.errors import StoreError
from tests.fakes.world import World

size = 1_000_001
text = """
workflow:
  name: w
  outputs: {all: "make.text", short: "1"}
  steps:
    - {name: make, type: echo, value: "{{ inputs.big }}"}
    - {name: see, type: echo, value: "{{ length(make.text) }}"}
    - {name: data, type: echo, value: {list: ["{{ make.text }}"]}}
"""


def test_a_value_is_large_above_a_million_bytes_of_json() -> None:
    kept: dict[str, bytes] = {}
    for value in ("x" * (1_000_000 - 2), "é" * 300_000, [0, None, 1.5], None, 7, {"a": "b"}):
        assert shown_value(value, kept.__setitem__) == value
    assert kept == {}
    large = "x" * (1_000_000 - 1)
    sha256 = hashlib.sha256(json.dumps(large).encode()).hexdigest()
    assert shown_value(large, kept.__setitem__) == {"$artifact": sha256, "bytes": 1_000_001}
    assert json.loads(kept[sha256]) == large


def test_documents_name_large_values_and_the_run_keeps_them() -> None:
    world, big = World(), "y" * size
    result = world.run(text, {"big": big})
    assert result.steps["make"].text == big
    assert result.steps["see"].data == size
    shown = result.as_json()
    name = shown["steps"]["make"]["text"]
    assert name == {
        "$artifact": hashlib.sha256(f'"{big}"'.encode()).hexdigest(),
        "bytes": size + 2,
    }
    assert shown["inputs"]["big"] == shown["outputs"]["all"] == name
    assert shown["outputs"]["short"] == 1
    assert shown["steps"]["data"]["data"]["bytes"] == size + 13
    blobs = world.journals.blobs("run1")
    sha256 = name["$artifact"]
    assert json.loads(blobs.get(f"blobs/{sha256[:2]}/{sha256}")) == big
    assert len(json.dumps(shown)) < 10_000


def test_large_values_that_cannot_be_kept_fail_the_run() -> None:
    world, big = World(), "y" * size
    blobs = world.journals.blobs("run1")

    class Refusing:
        """Takes everything but the one blob that only documents need."""

        def __getattr__(self, name: str) -> Any:
            return getattr(blobs, name)

        def put(self, key: str, data: bytes) -> None:
            if key.startswith("blobs/") and data.startswith(b'"yy'):
                raise StoreError("no space left", code="storage_full")
            blobs.put(key, data)

    world.journals._blobs["run1"] = Refusing()  # type: ignore[attr-defined]
    run = run_plan(world.plan(text), {"big": big}, services=world.services, options=RunOptions())
    result = asyncio.run(run)
    assert result.error is not None
    assert result.error.code == "storage_full"
