"""``pipex checkpoint`` and ``pipex journal`` as a person types them."""

import json
from pathlib import Path

import pytest

from tests.fakes.shell import invoke

two = """\
workflow:
  name: two
  defaults: {claude_model: claude-haiku-5-5}
  variables: {n: 1}
  steps:
    - {name: a, type: claude, prompt: hello}
    - {name: count, type: set_variable, variables: {n: 2}}
    - {name: save, type: checkpoint, label: before b}
    - {name: b, type: claude, prompt: "x {{a}} {{n}}"}
"""
failing = """\
responses:
  - {when: {step: a}, reply: A, cost: 0.01}
  - {when: {step: b}, error: {kind: invalid_request, message: down}}
"""
mended = "responses: [{when: {step: b}, reply: B, cost: 0.02}]\n"
old = {
    "workflow_name": "two",
    "step_index": 2,
    "version": "1.1",
    "timestamp": "2025-07-04T10:00:05Z",
    "results": {"a": {"text": "A", "success": True, "cost": 0.01}, "count": {"n": 2}},
    "execution_log": [
        {"step": "count", "type": "set_variable", "status": "completed", "timestamp": "2025-07-04T10:00:05Z"},
        {"step": "a", "type": "claude", "status": "completed", "timestamp": "2025-07-04T10:00:01Z"},
    ],
    "variable_state": {"global": {"n": 2}, "session": {}, "loop": {"i": 3}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(two)
    (tmp_path / "rules.yaml").write_text(failing)
    (tmp_path / "old.json").write_text(json.dumps(old))
    return tmp_path


@pytest.fixture
def run_id() -> str:
    """A run that failed at its last step."""
    done = invoke("run", "two.yaml", "--mock-responses", "rules.yaml", "--json")
    assert done.code == 1
    found = done.document["run_id"]
    assert isinstance(found, str)
    return found


def damage(folder: Path, run_id: str, what: bytes) -> None:
    """Flip a bit in the frame that says this, and so in the middle of the journal."""
    (segment,) = (folder / "checkpoints" / run_id / "journal" / "main").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(what) + 3] ^= 1
    segment.write_bytes(bytes(data))


def test_runs_and_their_checkpoints_are_listed(run_id: str) -> None:
    (run,) = invoke("checkpoint", "list", "--json").document["runs"]
    assert (run["run_id"], run["workflow"], run["status"]) == (run_id, "two", "failed")
    assert run["checkpoints"] == run["latest"]
    kept = invoke("checkpoint", "list", "latest", "--json").document["checkpoints"]
    assert [one["seq"] for one in kept] == sorted((one["seq"] for one in kept), reverse=True)
    assert [one["label"] for one in kept if one["label"]] == ["before b"]
    assert {one["verdict"] for one in kept} == {"ok"}
    assert run_id in invoke("checkpoint", "list").out
    assert "'before b'" in invoke("checkpoint", "list", run_id).out


def test_without_runs_there_is_nothing_to_list() -> None:
    assert invoke("checkpoint", "list").out == "no runs\n"
    done = invoke("checkpoint", "list", "nosuchrun", "--json")
    assert (done.code, done.document["code"]) == (2, "unknown_run")


def test_a_checkpoint_shows_what_it_holds(run_id: str) -> None:
    held = invoke("checkpoint", "show", run_id, "--version", "2", "--json").document
    assert held["schema"] == "pipex.checkpoint/1"
    assert sorted(held["steps"]) == ["a", "count"]
    assert held["steps"]["a"]["text"] == "A"
    assert (held["variables"], held["cost_usd"], held["calls"]) == ({"n": 2}, 0.01, 1)
    assert "n = 2" in invoke("checkpoint", "show", run_id).out
    missing = invoke("checkpoint", "show", run_id, "--version", "99", "--json")
    assert (missing.code, missing.document["code"]) == (2, "not_found")


def test_a_damaged_checkpoint_is_found_and_passed_over(folder: Path, run_id: str) -> None:
    assert invoke("checkpoint", "verify", run_id).code == 0
    newest = max((folder / "checkpoints" / run_id / "checkpoints").glob("*.json"))
    newest.write_bytes(newest.read_bytes() + b" ")
    done = invoke("checkpoint", "verify", run_id, "--json")
    assert (done.code, done.document["ok"]) == (2, False)
    assert done.document["checkpoints"][0]["verdict"] == "damaged"
    assert "damaged" in invoke("checkpoint", "show", run_id).out


def test_old_checkpoints_are_deleted_but_for_the_newest_and_the_labelled(run_id: str) -> None:
    before = [one["seq"] for one in invoke("checkpoint", "list", run_id, "--json").document["checkpoints"]]  # fmt: skip
    done = invoke("checkpoint", "prune", run_id, "--keep", "1", "--days", "0", "--json")
    left = invoke("checkpoint", "list", run_id, "--json").document["checkpoints"]
    assert sorted([*done.document["deleted"], *(one["seq"] for one in left)]) == sorted(before)
    assert [one["label"] for one in left][1:] == ["before b"]
    assert invoke("checkpoint", "prune", run_id).out.startswith("deleted 0 checkpoints")


def test_a_restored_checkpoint_is_a_new_run_that_goes_on_from_it(folder: Path, run_id: str) -> None:
    made = invoke("checkpoint", "restore", run_id, "--version", "2", "--json").document
    assert (made["from_run_id"], made["seq"]) == (run_id, 2)
    (folder / "rules.yaml").write_text(mended)
    told = invoke("resume", made["run_id"])
    # 2 of 4 steps cost 0.01: the other two may cost as much.
    line = "resuming: 2 of 4 steps finished, 0.0100 USD spent, about 0.0100 USD to finish"
    assert line in told.err
    made = invoke("checkpoint", "restore", run_id, "--version", "2", "--json").document
    done = invoke("resume", made["run_id"], "--json").document
    assert (done["status"], done["steps"]["b"]["text"], done["calls"]) == ("succeeded", "B", 2)
    assert done["cost_usd"] == pytest.approx(0.03)
    document = json.loads((folder / "checkpoints" / made["run_id"] / "run.json").read_text())
    assert (document["parent_run_id"], document["origin"]["seq"]) == (run_id, 2)
    # What it came from is as it was.
    assert invoke("checkpoint", "list", "--json").document["runs"][-1]["status"] == "failed"
    assert "next: pipex resume" in invoke("checkpoint", "restore", run_id, "--version", "1").out


def test_an_old_run_goes_on_once_it_is_forced(folder: Path) -> None:
    (folder / "rules.yaml").write_text(mended)
    made = invoke("checkpoint", "migrate", "old.json", "--pipeline", "two.yaml", "--json").document
    assert made["finished"] is False
    refused = invoke("resume", made["run_id"], "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "checkpoint_mismatch")
    words = ("--mock-responses", "rules.yaml", "--json")
    done = invoke("run", "two.yaml", "--resume", made["run_id"], "--force", *words).document
    assert (done["status"], done["steps"]["a"]["text"], done["calls"]) == ("succeeded", "A", 1)
    assert done["variables"] == {"n": 2}
    again = invoke("resume", made["run_id"], "--json")
    assert (again.code, again.document["error"]["code"]) == (2, "run_finished")
    document = json.loads((folder / "checkpoints" / made["run_id"] / "run.json").read_text())
    assert document["origin"]["file"] == "old.json"
    assert len(document["origin"]["sha256"]) == 64


def test_an_old_file_is_migrated_when_a_run_is_to_go_on_from_it() -> None:
    words = ("--resume", "old.json", "--force", "--json")
    done = invoke("run", "two.yaml", *words)
    assert (done.code, done.document["calls"]) == (0, 1)
    assert "holds what old.json held" in done.err


def test_a_finished_old_run_is_a_finished_run(folder: Path) -> None:
    names = ("a", "count", "save", "b")
    log = [{"step": name, "type": "echo", "status": "completed"} for name in names]
    (folder / "old.json").write_text(json.dumps({**old, "execution_log": log}))
    done = invoke("checkpoint", "migrate", "old.json", "--pipeline", "two.yaml")
    assert "next:" not in done.out
    run_id = done.out.split()[1]
    refused = invoke("resume", run_id, "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "run_finished")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "file_not_found"),
        ("{", "invalid_checkpoint"),
        ("[]", "invalid_checkpoint"),
        (json.dumps({**old, "version": "3.0"}), "schema_too_new"),
        (json.dumps({**old, "execution_log": [{"step": "gone"}]}), "checkpoint_mismatch"),
    ],
)
def test_a_file_that_is_no_old_checkpoint_is_refused(
    folder: Path, text: str | None, code: str
) -> None:
    (folder / "old.json").unlink()
    if text is not None:
        (folder / "old.json").write_text(text)
    done = invoke("checkpoint", "migrate", "old.json", "--pipeline", "two.yaml", "--json")
    assert (done.code, done.document["code"]) == (2, code)


def test_a_whole_journal_verifies_and_adds_up(run_id: str) -> None:
    done = invoke("journal", "verify", run_id, "--json")
    (scope,) = done.document["scopes"]
    assert (done.code, scope["ok"], scope["damage"]) == (0, True, None)
    assert (scope["cost_usd"], scope["calls"], scope["finished"]) == (0.01, 2, 3)
    records = invoke("journal", "show", run_id, "--json").document["records"]
    assert [record["n"] for record in records] == list(range(scope["records"]))
    assert records[0]["t"] == "open"
    assert len(invoke("journal", "show", run_id).out.splitlines()) == scope["records"]
    assert invoke("journal", "repair", run_id).out.startswith("nothing is damaged")


def test_a_damaged_journal_is_repaired_once_somebody_agrees(folder: Path, run_id: str) -> None:
    damage(folder, run_id, b'"t":"done"')
    assert invoke("checkpoint", "list", "--json").document["runs"][0]["status"] == "damaged"
    refused = invoke("resume", run_id, "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "journal_damaged")
    found = invoke("journal", "verify", run_id)
    assert found.code == 2
    assert f"next: pipex journal repair {run_id}" in found.out
    assert invoke("journal", "show", run_id).code == 0
    asked = invoke("journal", "repair", run_id, "--json")
    assert (asked.code, asked.document["repaired"]) == (2, False)
    done = invoke("journal", "repair", run_id, "--yes", "--json").document
    (scope,) = done["scopes"]
    assert done["repaired"] is True
    assert scope["lost"] >= 1
    assert list(Path(scope["damaged_files"]).glob("*.seg"))
    assert invoke("journal", "verify", run_id).code == 0
    (folder / "rules.yaml").write_text(mended)
    resumed = invoke("resume", run_id, "--json").document
    assert (resumed["status"], resumed["steps"]["b"]["text"]) == ("succeeded", "B")


def test_a_changed_blob_is_found(folder: Path) -> None:
    (folder / "rules.yaml").write_text(
        "responses: [{when: {step: a}, reply: " + "x" * 70_000 + "}]\n"
    )
    run = invoke("run", "two.yaml", "--mock-responses", "rules.yaml", "--json").document["run_id"]
    blob = next((folder / "checkpoints" / run / "blobs").glob("*/*"))
    blob.write_bytes(b"other")
    done = invoke("journal", "verify", run)
    assert done.code == 2
    assert f"the blob {blob.name} is missing or was changed" in done.out


def test_a_failure_that_the_run_went_on_after_stays_one_in_a_restored_run(folder: Path) -> None:
    (folder / "soft.yaml").write_text(
        "workflow:\n  name: soft\n  steps:\n"
        "    - {name: bad, type: echo, fail: true, on_failure: continue}\n"
        "    - {name: last, type: echo, value: done}\n"
    )
    run_id = invoke("run", "soft.yaml", "--json").document["run_id"]
    made = invoke("checkpoint", "restore", run_id, "--version", "1", "--json").document["run_id"]
    done = invoke("resume", made, "--json").document
    assert (done["status"], done["steps"]["bad"]["status"]) == ("succeeded", "failed")
    ends = [
        (record["unit"], record["attempt"])
        for record in invoke("journal", "show", made, "--json").document["records"]
        if record["t"] == "unit_end"
    ]
    assert ends == [("bad", 1), ("last", 1)]
