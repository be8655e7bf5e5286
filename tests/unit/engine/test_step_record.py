"""A record is encoded once, and a changed one anew."""

import json
from dataclasses import replace

import pytest

from pipex_core.engine.records import StepRecord

record = StepRecord(name="draft", type="echo", text="é")


def test_the_encoded_form_is_the_stored_one_and_is_made_once() -> None:
    encoded = record.encode()
    assert json.loads(encoded) == record.stored()
    assert record.encode() is encoded


def test_a_changed_record_does_not_keep_the_text_of_the_old_one() -> None:
    record.encode()
    changed = replace(record, status="failed", text=None)
    assert changed.encoded is None
    assert json.loads(changed.encode())["status"] == "failed"


def test_a_record_lasts_as_long_as_it_is_told() -> None:
    assert record.lasting(7).duration_ms == 7
    assert record.lasting(7).lasting(7).duration_ms == 7
    assert record.lasting(record.duration_ms) is record


def test_what_is_no_json_is_said_when_the_record_is_encoded() -> None:
    with pytest.raises(TypeError):
        StepRecord(name="draft", type="plugin", data={1, 2}).encode()
