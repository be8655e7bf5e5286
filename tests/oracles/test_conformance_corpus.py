"""Pipeline files written by other people: what is found in them, in which order they run, what a run gives."""

import json
from typing import Any

import pytest

from tests.conformance import Command, folder, judge

root = folder / "pipelines"
listing = root / "expected.json"
cases = json.loads(listing.read_text(encoding="utf-8"))["files"] if listing.exists() else []


@pytest.mark.parametrize("case", cases, ids=[case["file"] for case in cases])
def test_a_file_that_somebody_else_wrote_is_judged_as_it_should_be(case: dict[str, Any]) -> None:
    assert judge().judge_corpus(Command(), case, root) is None
