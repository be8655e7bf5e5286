"""Log files: told by content, packed or not, broken lines passed over and told."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.logfiles import log_records, unpacked
from pipex_core.evals.lossreport import Loss
from pipex_core.jsonvalue import Json

rows = [{"input": "one", "n": 1}, {"input": "two", "n": 2}]
lines = "\n".join(map(json.dumps, rows)).encode()


def read(data: bytes, **options: int) -> tuple[list[Json], list[Loss]]:
    lost: list[Loss] = []
    return [record for _, record in log_records(data, lost, **options)], lost


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([pa.RecordBatch.from_pylist(rows)]), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        lines,
        b"\xef\xbb\xbf" + lines,
        b"\n\n" + lines.replace(b"\n", b"\r\n") + b"\r\n",
        json.dumps(rows).encode(),
        json.dumps(rows, indent=2).encode(),
        parquet(),
        gzip.compress(lines),
        gzip.compress(lines[:27]) + gzip.compress(lines[27:]),
        pa.Codec("zstd").compress(lines, asbytes=True),
    ],
)
def test_every_form_gives_the_same_records(data: bytes) -> None:
    assert read(data) == (rows, [])


def test_a_table_of_text_and_a_single_document_are_read() -> None:
    assert read(b"input,n\none,1\ntwo,\n")[0] == [
        {"input": "one", "n": "1"},
        {"input": "two", "n": None},
    ]
    assert read(json.dumps(rows[0], indent=2).encode())[0] == rows[:1]
    assert read(b"") == ([], [])


def test_broken_lines_are_told_wherever_they_stand() -> None:
    found, lost = read(b"starting up\n" + lines + b'\n{"input": "cut\n{"a": "\xff"}\n')
    assert found == rows
    assert [(one.where, one.feature) for one in lost] == [
        ("line 1", "unreadable"),
        ("line 4", "unreadable"),
        ("line 5", "unreadable"),
    ]
    assert lost[2].effect == "not UTF-8"


def test_a_list_that_was_cut_off_gives_the_lines_that_are_whole() -> None:
    found, lost = read(b'[\n{"input": "one"}\n{"input": "two"\n')
    assert found == [{"input": "one"}]
    assert len(lost) == 2


def test_what_holds_no_records_is_refused() -> None:
    for data in (b"just words", b"PAR1 not really", b"\xff\xfe\x00words"):
        with pytest.raises(ConfigError) as caught:
            read(data)
        assert caught.value.code == "not_records"


def test_damaged_and_endless_archives_are_refused() -> None:
    whole = gzip.compress(lines)
    zstd = pa.Codec("zstd").compress(lines, asbytes=True)
    for data in (whole[:-9], whole[:12] + b"x" * 20, zstd[:9] + b"\x00" * 30):
        with pytest.raises(ConfigError, match="the packed file is damaged"):
            unpacked(data)
    bomb = gzip.compress(b"0" * 10_000_000)
    with pytest.raises(ConfigError, match="more than 1,000,000 bytes when it is unpacked"):
        unpacked(bomb, most=1_000_000)
