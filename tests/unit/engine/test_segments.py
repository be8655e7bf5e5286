"""Segments that are not what a writer left: each finding with its reason."""

import hashlib
from typing import Any

import pytest

from pipex_core.engine.frames import encode, frame
from pipex_core.engine.segments import Damage, Verified, examine, segment_name, verified
from pipex_core.errors import StoreError

name = segment_name(1, 1)


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {"epoch": 1, "n": number, "t": "note", **fields}


def segment(*records: dict[str, Any]) -> bytes:
    return b"".join(frame([encode(one)]) for one in records)


def what(*records: dict[str, Any]) -> str:
    found = examine([(name, segment(*records))])
    assert isinstance(found, Damage)
    return found.what


def test_names_sort_by_process_and_number() -> None:
    assert name == "000001-000001.seg"
    assert segment_name(2, 1) > segment_name(1, 12)


def test_a_gap_in_the_numbers_is_damage() -> None:
    assert what(record(0), record(2)) == "record 1 is missing"
    assert what(record(1)) == "record 0 is missing"


@pytest.mark.parametrize("foreign", [{"epoch": 2}, {"t": None}, {"t": 7}])
def test_a_record_of_another_process_or_without_a_type_is_damage(foreign: dict[str, Any]) -> None:
    assert what(record(0), record(1, **foreign)) == "record 1 does not belong to this segment"


def test_bytes_behind_a_seal_are_damage() -> None:
    body = segment(record(0))
    seal = record(1, t="seal", records=2, sha256=hashlib.sha256(body).hexdigest())
    sealed = body + segment(seal)
    assert isinstance(examine([(name, sealed)]), Verified)
    assert isinstance(examine([(name, sealed + b"x")]), Damage)


def test_an_empty_frame_is_harmless() -> None:
    assert isinstance(examine([(name, frame([]) + b"torn")]), Verified)


def test_only_units_that_were_open_at_the_damage_are_named() -> None:
    begun = [record(n, t="unit_begin", unit=unit) for n, unit in enumerate("ab")]
    ended = record(2, t="unit_end", unit="a")
    with pytest.raises(StoreError, match="units open there: b;") as damage:
        verified([(name, segment(*begun, ended, record(9)))], run_id="r1")
    assert damage.value.code == "journal_damaged"


def test_without_open_units_none_are_named() -> None:
    with pytest.raises(StoreError) as damage:
        verified([(name, segment(record(9)))], run_id="r1")
    assert "units" not in damage.value.message
