"""Cases from logs: every record is counted once, nothing personal gets through, no case is proposed twice."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.curate import is_unverified
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.sourcing import LogFile, LogReading, Sourced, cases_from_logs, moment_of
from pipex_core.evals.suite import Case, Suite
from pipex_core.jsonvalue import Json
from tests.fakes.logs import support_log, traces

empty = Suite(id="qa", cases=())
staff = Scrubber(patterns={"staff": r"EMP-\d+"})


def sourced(*records: Json, suite: Suite = empty, **reading: Any) -> Sourced:
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in records]
    files = [LogFile(name="calls.jsonl", data=b"\n".join(lines))]
    return cases_from_logs(files, suite=suite, reading=LogReading(**reading))


def flow(found: Sourced) -> list[tuple[str, int, int]]:
    return [(stage.name, stage.n_in, stage.n_out) for stage in found.stages]


def test_every_stage_counts_what_it_lets_through() -> None:
    log = support_log(scale=2)
    found = cases_from_logs(
        [LogFile(name="bob@example.com.jsonl", data=log.data)],
        suite=empty,
        reading=LogReading(
            preset="openai",
            mapping={"expected_output": "output", "metadata.user": "user"},
            where="env == 'live'",
            scrubber=staff,
            sample_size=100,
        ),
    )
    read, valid = log.lines, log.lines - log.broken - log.empty
    live = valid - log.tests
    assert flow(found) == [
        ("read", read, read),
        ("rejected", read, valid),
        ("filter", valid, live),
        ("scrub", live, live),
        ("exact_dedup", live, live - log.exact),
        ("near_dedup", live - log.exact, log.unique),
        ("sample", log.unique, 100),
    ]
    assert found.stages[3].facts["n_scrubbed"] == live
    assert set(found.stages[3].facts["kinds"]) == {
        *("API_KEY", "CARD", "CREDENTIALS", "EMAIL", "IBAN", "IP", "PHONE", "SSN", "STAFF", "TOKEN"),
    }  # fmt: skip
    assert not [trace for trace in traces if trace in repr(found)]
    assert len(found.rejected) == log.broken + log.empty
    assert len({case.id for case in found.cases}) == 100


def test_a_rejected_line_is_told_with_its_number_and_without_what_stands_in_it() -> None:
    found = sourced(
        b'{"input": "cut off by bob@example.com',
        {"input": "fine"},
        "no map",
        {"input": " "},
        {"input": 7},
        {"input": "late", "created_at": "bob@example.com"},
        {"input": "odd", "weight": 0},
        b'{"a": "\xff"}',
    )
    assert [(one.where, one.reason) for one in found.rejected] == [
        ("line 1", "not JSON: Unterminated string starting at: line 1 column 11 (char 10)"),
        ("line 3", "the record is no map"),
        ("line 4", "the input is empty"),
        ("line 5", "input: text, a map or a list of turns is needed, not an integer"),
        ("line 6", "created_at: '[EMAIL_1]' is not a time such as 2025-01-31T23:59:59Z (RFC 3339)"),
        ("line 7", "weight: the number must be above 0, got 0"),
        ("line 8", "not UTF-8"),
    ]
    assert found.rejected[0].as_json()["file"] == "calls.jsonl"
    assert [case.input for case in found.cases] == ["fine"]


def test_a_reference_from_a_log_is_unverified_and_a_case_without_one_is_not() -> None:
    record = {"q": "What is new?", "a": "Nothing.", "n": "r-1"}
    without = sourced(record, mapping={"input": "q"}).cases[0]
    assert without.expected_output is None
    assert not is_unverified(without)
    mapping = {"input": "q", "expected_output": "a", "source.log_id": "n"}
    found = sourced(record, mapping=mapping, imported_at="2026-01-02T03:04:05Z").cases[0]
    assert is_unverified(found)
    source = dict(found.source or {})
    assert len(str(source.pop("sha256"))) == 64
    assert source == {
        "format": "logs", "file": "calls.jsonl", "line": 1, "log_id": "r-1",
        "reference": "log", "imported_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip


def test_ids_are_those_of_the_log_when_they_serve_and_no_one_has_them() -> None:
    suite = Suite(id="qa", cases=(Case(id="taken", input="something else entirely"),))
    texts = ("red apples fall", "green pears hang", "blue plums rot", "old figs dry", "limes sour")
    ids = ("one", "taken", "one", "not valid", "4111111111111111")
    found = sourced(
        *({"id": name, "input": text} for name, text in zip(ids, texts, strict=True)), suite=suite
    )
    by_input = {str(case.input): case.id for case in found.cases}
    assert by_input["red apples fall"] == "one"
    made = [by_input[text] for text in texts[1:]]
    assert all(name.startswith("log_") and len(name) == 16 for name in made)
    assert len(set(made)) == 4


def test_an_id_made_of_content_that_somebody_has_gets_a_number() -> None:
    made = sourced({"input": "red apples fall"}).cases[0].id
    suite = Suite(id="qa", cases=(Case(id=made, input="x"), Case(id=f"{made}-2", input="y")))
    assert sourced({"input": "red apples fall"}, suite=suite).cases[0].id == f"{made}-3"


def test_what_the_suite_asks_already_is_not_proposed_again() -> None:
    known = "please tell me how I can change the address of my order before it leaves"
    suite = Suite(id="qa", cases=(Case(id="z", input=known, created_at="2030-01-01T00:00:00Z"),))
    found = sourced(
        {"input": known},
        {"input": known + " today", "created_at": 1},
        {"input": "another question"},
        suite=suite,
    )
    assert [case.input for case in found.cases] == ["another question"]
    assert [group.keep for group in (*found.groups.exact, *found.groups.near)] == ["z", "z"]
    kept = sourced({"input": known + " today"}, suite=suite, threshold=None)
    assert [case.input for case in kept.cases] == [known + " today"]


def test_paths_that_belong_to_the_input_tell_cases_apart() -> None:
    suite = replace(empty, extra={"hash_metadata": ["metadata.locale"]})
    records = [{"q": "Hello there", "l": one} for one in ("de", "en", "de")]
    mapping = {"input": "q", "metadata.locale": "l"}
    assert len(sourced(*records, suite=suite, mapping=mapping, threshold=None).cases) == 2
    assert len(sourced(*records, mapping=mapping, threshold=None).cases) == 1


def test_the_number_of_a_person_does_not_depend_on_what_else_was_logged() -> None:
    found = sourced(
        {"id": "bob@example.com", "input": "from eve@example.com", "name": "bob@example.com"},
        {"id": "x", "input": "from mal@example.com"},
    )
    assert [case.input for case in found.cases] == ["from [EMAIL_1]"]
    assert len(found.groups.exact) == 1


def test_samples_of_a_log_are_nested() -> None:
    records = [{"input": f"{word} alone"} for word in "abcdefghijklmnop"]
    small = {case.id for case in sourced(*records, sample_size=4, seed=3).cases}
    large = {case.id for case in sourced(*records, sample_size=8, seed=3).cases}
    assert len(small) == 4
    assert small < large
    assert small != {case.id for case in sourced(*records, sample_size=4, seed=4).cases}


def test_packed_logs_are_read_like_plain_ones() -> None:
    data = b'{"input": "one"}\n{"input": "two"}\n'
    packed = [data, gzip.compress(data), pa.Codec("zstd").compress(data, asbytes=True)]
    for one in packed:
        found = cases_from_logs(
            [LogFile(name="x", data=one)], suite=empty, reading=LogReading(threshold=None)
        )
        assert {case.input for case in found.cases} == {"one", "two"}


def test_wrong_options_are_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="did you mean 'anthropic'"):
        sourced({"input": "x"}, preset="antropic")
    with pytest.raises(ConfigError, match="a case has no field 'inputs'; did you mean 'input'"):
        sourced({"input": "x"}, mapping={"inputs": "x"})
    with pytest.raises(ConfigError, match="threshold must be above 0"):
        sourced({"input": "x"}, {"input": "y"}, threshold=1.5)
    for reading in ({"where": "a =="}, {"mapping": {"source.log_id": "("}}):
        with pytest.raises(ExpressionError):
            sourced({"input": "x"}, **reading)


def test_an_expression_that_cannot_be_applied_rejects_its_record_only() -> None:
    found = sourced(
        {"q": "fine words", "n": "3"},
        {"q": "other words", "n": "x" * 200_000},
        mapping={"input": "q", "metadata.n": "replace(n, 'x', n)"},
    )
    assert [case.input for case in found.cases] == ["fine words"]
    assert [one.where for one in found.rejected] == ["line 2"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_500, "2023-11-14T22:13:20.500000Z"),
        ("1700000000000000", "2023-11-14T22:13:20Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
        ("2023-11-14 22:13:20", "2023-11-14T22:13:20Z"),
        ("2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20Z"),
        ("yesterday", "yesterday"),
        (True, True),
        (None, None),
        (1e40, 1e40),
    ],
)
def test_times_are_told_in_utc_whatever_they_count(given: Json, told: Json) -> None:
    assert moment_of(given) == told
