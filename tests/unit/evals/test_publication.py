"""Where a run's files stand, and that a run without manifest is no run."""

import json
from hashlib import sha256

import pyarrow as pa
import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import StoreError
from pipex_core.evals import publication, table
from pipex_core.evals.publication import Place
from pipex_core.ports import key_part
from tests.fakes.blobs import BreakableBlobs

place = Place(suite_id="qa", model_id="a/b=c%20", run_id="007")


def tables() -> dict[table.TableName, pa.Table]:
    return {
        "runs": table.schema("runs").empty_table(),
        "responses": table.schema("responses").empty_table(),
        "scores": table.schema("scores").empty_table(),
        "calls": table.schema("calls").empty_table(),
    }


def test_ids_stand_percent_encoded_in_the_path() -> None:
    assert place.key("scores", "part-00000.parquet") == (
        "scores/suite_id=qa/model_id=a%2Fb%3Dc%2520/run_id=007/part-00000.parquet"
    )


def test_a_place_comes_back_from_any_of_its_keys() -> None:
    assert publication.place_of(place.key("responses", "x")) == place
    assert publication.place_of("runs/suite_id=qa/run_id=1/x") is None
    assert publication.place_of("something/else") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a%2Fb", "a/b"),
        ("%C3%A9", "é"),
        ("50%", "50%"),
        ("%zz", "%zz"),
        ("%2", "%2"),
        ("100%25", "100%"),
        ("", ""),
    ],
)
def test_decoding_leaves_what_is_no_code(text: str, value: str) -> None:
    assert publication.decoded(text) == value


def test_every_text_survives_the_path() -> None:
    for text in ("plain", "a/b", "=%", "\u00e9 \U0001f600", "..", "%41"):
        assert publication.decoded(key_part(text)) == text
        assert "/" not in key_part(text)


def test_the_manifest_is_written_last_and_names_every_file_with_its_hash() -> None:
    blobs = BreakableBlobs()
    manifest = publication.publish(blobs, place, tables(), {"suite": {"id": "qa"}})
    assert blobs.puts[-1] == place.manifest
    assert [file["path"] for file in manifest["files"]] == blobs.puts[:-1]
    for file in manifest["files"]:
        data = blobs.get(file["path"])
        assert (file["sha256"], file["bytes"], file["rows"]) == (
            sha256(data).hexdigest(),
            len(data),
            0,
        )
    assert json.loads(blobs.get(place.manifest)) == manifest


def test_an_empty_table_of_calls_is_no_file() -> None:
    manifest = publication.publish(MemoryBlobs(), place, tables(), {})
    names = [file["path"].split("/")[0] for file in manifest["files"]]
    assert names == ["runs", "responses", "scores"]


def test_files_carry_ids_schema_and_manifest_in_their_metadata() -> None:
    blobs = MemoryBlobs()
    publication.publish(blobs, place, tables(), {"suite": {"id": "qa"}})
    data = blobs.get(place.key("scores", "part-00000.parquet"))
    metadata = table.from_parquet("scores", data).schema.metadata
    assert metadata[b"pipex.schema"] == b"results/1"
    assert metadata[b"pipex.run_id"] == b"007"
    assert json.loads(metadata[b"pipex.manifest"])["suite"] == {"id": "qa"}


def test_a_large_table_is_cut_into_parts() -> None:
    rows = table.record_batch(
        "calls",
        [
            {
                "call_id": str(i), "case_id": "a", "repeat": 0, "role": "target", "attempt": 1,
                "request_key": "k", "provider": "p", "model": "m", "cache": "miss",
                "cost_nanousd": 0, "maybe_billed": False, "started_at": 0,
            }
            for i in range(5)
        ],
    )  # fmt: skip
    manifest = publication.publish(
        MemoryBlobs(), place, {**tables(), "calls": rows}, {}, part_rows=2
    )
    parts = [(f["path"].rsplit("/")[-1], f["rows"]) for f in manifest["files"] if f["rows"]]
    assert parts == [
        ("part-00000.parquet", 2),
        ("part-00001.parquet", 2),
        ("part-00002.parquet", 1),
    ]


def test_a_write_that_fails_leaves_no_run() -> None:
    blobs = BreakableBlobs()
    blobs.refuse = "storage_full"
    with pytest.raises(StoreError):
        publication.publish(blobs, place, tables(), {})
    assert list(publication.places(blobs)) == []


def test_complete_runs_are_found_and_other_files_are_not() -> None:
    blobs = MemoryBlobs()
    for run_id in ("2", "1"):
        publication.publish(blobs, Place(suite_id="s", model_id="m", run_id=run_id), tables(), {})
    blobs.put("runs/suite_id=s/model_id=m/run_id=3/part-00000.parquet", b"")
    blobs.put("runs/stray/manifest.json", b"{}")
    assert [one.run_id for one in publication.places(blobs)] == ["1", "2"]


def test_a_manifest_that_is_not_ours_is_refused() -> None:
    blobs = MemoryBlobs()
    for data, code in ((b"{", "damaged_file"), (b'{"schema":"x"}', "schema_too_new")):
        blobs.put(place.manifest, data)
        with pytest.raises(StoreError) as refusal:
            publication.read_manifest(blobs, place)
        assert refusal.value.code == code


def test_a_changed_file_is_not_read() -> None:
    blobs = BreakableBlobs()
    publication.publish(blobs, place, tables(), {})
    manifest = publication.read_manifest(blobs, place)
    assert len(list(publication.read_files(blobs, manifest, "scores"))) == 1
    blobs.change(place.key("scores", "part-00000.parquet"))
    with pytest.raises(StoreError, match="not the file that the manifest names") as refusal:
        list(publication.read_files(blobs, manifest, "scores"))
    assert refusal.value.code == "damaged_file"
