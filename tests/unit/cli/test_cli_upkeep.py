"""``pipex cost``, ``history``, ``results`` and ``cache`` on runs that were really made."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipex_core.adapters.call_cache import BlobCallCache
from pipex_core.adapters.local import SystemClock
from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.app.answering import cache_store
from pipex_core.app.upkeep import prune_results
from pipex_core.evals.archive import Archive
from pipex_core.evals.publication import publish
from pipex_core.llm.provider import Response
from tests.fakes.project import write_project
from tests.fakes.shell import Done, invoke

rules = """
default: {reply: "2", cost: 0.01, tokens: {input: 10, output: 5}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    (tmp_path / "mock.yaml").write_text(rules, encoding="utf-8")
    return tmp_path


def evaluated(*words: str) -> str:
    done = invoke("eval", "run", "sums", *words, "--mock-responses", "mock.yaml", "--json")
    assert done.code == 0, done.out
    return str(done.document["run_id"])


def lines_of(done: Done) -> dict[str, float]:
    return {line["name"]: line["cost_usd"] for line in done.document["lines"]}


def test_costs_add_up_by_run_suite_model_day_and_step() -> None:
    first = evaluated("--model", "claude-haiku-5-5")
    second = evaluated("--target", "pipelines/asker.yaml")
    by_run = invoke("cost", "--json")
    assert lines_of(by_run) == {first: pytest.approx(0.04), second: pytest.approx(0.04)}
    assert by_run.document["total"]["cost_usd"] == pytest.approx(0.08)
    assert by_run.document["total"]["calls"] == 8
    assert lines_of(invoke("cost", "--by", "suite", "--json")) == {"sums": pytest.approx(0.08)}
    day = datetime.now(UTC).date().isoformat()  # noqa: TID251 - the runs were made just now
    assert set(lines_of(invoke("cost", "--by", "day", "--json"))) <= {
        day,
        (datetime.now(UTC) - timedelta(days=1)).date().isoformat(),  # noqa: TID251 - at midnight
    }
    by_step = invoke("cost", "--by", "step", "--json")
    assert lines_of(by_step) == {"(prompt)": pytest.approx(0.04), "answer": pytest.approx(0.04)}
    one = invoke("cost", first, "--by", "model", "--json")
    assert lines_of(one) == {"claude-haiku-5-5": pytest.approx(0.04)}
    assert "claude-haiku-5-5" in invoke("cost", "--by", "model").out


def test_carried_answers_are_saved_money_and_tokens_are_priced_anew() -> None:
    evaluated("--model", "claude-haiku-5-5")
    again = evaluated("--model", "claude-haiku-5-5")
    lines = {one["name"]: one for one in invoke("cost", "--json").document["lines"]}
    assert (lines[again]["cost_usd"], lines[again]["saved_usd"]) == (0, pytest.approx(0.04))
    # 4 calls of 10 tokens in and 5 out, at 0.10 and 0.50 USD per million.
    priced = invoke("cost", "--by", "suite", "--reprice", "--json").document["total"]
    assert priced["repriced_usd"] == pytest.approx(4 * (10 * 0.1 + 5 * 0.5) / 1e6)


def test_a_history_marks_where_the_ruler_or_the_questions_changed(project: Path) -> None:
    evaluated("--recorded", "good.jsonl")
    evaluated("--recorded", "poor.jsonl")
    entry = project / "metric.yaml"
    entry.write_text("metrics: [{type: exact_match, ignore_case: true}]\n", encoding="utf-8")
    evaluated("--recorded", "good.jsonl", "--metrics", "metric.yaml")
    with (project / "test_suites" / "sums" / "cases.jsonl").open("a", encoding="utf-8") as cases:
        cases.write(json.dumps({"id": "q9", "input": "1 + 9", "expected_output": "10"}) + "\n")
    with (project / "good.jsonl").open("a", encoding="utf-8") as answers:
        answers.write('{"case_id":"q9","output":"10"}\n')
    evaluated("--recorded", "good.jsonl", "--metrics", "metric.yaml")
    points = invoke("history", "sums", "--json").document["points"]
    assert [point["mean"] for point in points] == [1.0, 0.25, 1.0, 1.0]
    assert [point["ruler_changed"] for point in points] == [False, False, True, False]
    assert [point["suite_changed"] for point in points] == [False, False, False, True]
    assert [point["n"] for point in points] == [4, 4, 4, 5]
    shown = invoke("history", "sums", "--last", "2").out
    assert "means before and after do not compare" in shown
    assert invoke("history", "sums", "--metric", "exact_mach", "--json").document["code"] == "unknown_metric"  # fmt: skip
    assert invoke("history", "other").code == 2


def test_a_flipped_byte_in_any_file_of_a_run_is_found(project: Path) -> None:
    run = evaluated("--recorded", "good.jsonl")
    assert invoke("results", "verify").code == 0
    for path in sorted((project / "results").rglob("part-*.parquet")):
        data = path.read_bytes()
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        done = invoke("results", "verify", run, "--json")
        assert (done.code, done.document["ok"]) == (1, False)
        path.write_bytes(data)
    assert invoke("results", "verify", "--json").document["runs"][0]["state"] == "ok"


def test_compacting_joins_files_and_changes_no_row(project: Path) -> None:
    run = evaluated("--recorded", "good.jsonl")
    blobs = LocalBlobs(project / "results")
    archive = Archive(blobs)
    place = archive.find(run)
    stored = archive.load(place)
    tables = {"runs": archive.table(place, "runs"), "responses": stored.responses, "scores": stored.scores}  # fmt: skip
    publish(blobs, place, tables, stored.manifest, part_rows=2)  # type: ignore[arg-type] # the names are names of tables
    before = archive.manifest(place)
    assert len(before["files"]) == 5
    done = invoke("results", "compact", "--json")
    assert [one["state"] for one in done.document["runs"]] == ["rewritten"]
    after = archive.manifest(place)
    assert len(after["files"]) == 3
    assert after["row_digest"] == before["row_digest"]
    assert len(list((project / "results").rglob("part-*.parquet"))) == 3
    assert invoke("results", "compact", "--json").document["runs"][0]["state"] == "ok"
    assert invoke("results", "migrate", "--json").document["runs"][0]["state"] == "ok"


def test_pruning_spares_what_a_baseline_needs(project: Path) -> None:
    runs = [evaluated("--recorded", "good.jsonl", "--label", f"n={n}") for n in range(4)]
    pointer = project / "baselines" / "sums" / "champion.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(json.dumps({"run_id": runs[0]}), encoding="utf-8")
    assert invoke("results", "prune").code == 2
    dry = invoke("results", "prune", "--keep", "1", "--dry-run", "--json")
    states = {one["run_id"]: one["state"] for one in dry.document["runs"]}
    assert states == {runs[0]: "kept", runs[1]: "removed", runs[2]: "removed", runs[3]: "kept"}
    later = datetime.now(UTC) + timedelta(days=40)  # noqa: TID251 - the runs were made just now
    found = prune_results(None, older_than_days=30, keep=2, now=later)
    assert [one.run_id for one in found if one.state == "removed"] == [runs[1]]
    assert {one["run_id"] for one in invoke("eval", "list", "--json").document["runs"]} == {runs[0], runs[2], runs[3]}  # fmt: skip
    assert invoke("results", "verify").code == 0


def test_a_person_is_erased_from_all_texts_and_numbers_stay(project: Path) -> None:
    cases = project / "test_suites" / "sums" / "cases.jsonl"
    text = cases.read_text(encoding="utf-8").replace('"1 + 2"', '"ann@example.org asks 1 + 2"')
    cases.write_text(text, encoding="utf-8")
    run = evaluated("--recorded", "good.jsonl")
    done = invoke(
        "results", "erase", "--subject", r"ann@example\.org", "--reason", "asked", "--json"
    )
    assert done.document["runs"][0]["state"] == "rewritten"
    stored = b"".join(
        path.read_bytes() for path in (project / "results").rglob("*") if path.is_file()
    )
    assert b"ann@example" not in stored
    assert invoke("results", "verify").code == 0
    shown = invoke("eval", "show", run, "--case", "q2", "--json").document
    assert (shown["responses"][0]["input"], shown["responses"][0]["output"]) == ("[erased]", None)
    assert [score["score"] for score in shown["scores"]] == [1.0]
    log = json.loads((project / "results" / "erasures.jsonl").read_text(encoding="utf-8"))
    assert (log["reason"], log["runs"]) == ("asked", [run])
    assert invoke("results", "erase", "--subject", "nobody", "--json").document["runs"][0]["state"] == "ok"  # fmt: skip


def test_the_cache_is_counted_verified_and_pruned(project: Path) -> None:
    kept = BlobCallCache(cache_store(), clock=SystemClock())
    for number in range(4):
        kept.put(f"{number:064x}", Response(text="2", model_served="m"))
    kept.flush()
    assert invoke("cache", "stats", "--json").document["entries"] == 4
    assert invoke("cache", "verify").code == 0
    entries = sorted((project / ".pipex" / "cache").rglob("*.json"))
    entries[0].write_text(entries[0].read_text(encoding="utf-8").replace('"2"', '"3"'), "utf-8")
    entries[1].write_text("not json", encoding="utf-8")
    done = invoke("cache", "verify", "--json")
    assert (done.code, len(done.document["damaged"])) == (1, 2)
    assert invoke("cache", "prune", "--older-than", "1").code == 0
    assert invoke("cache", "stats", "--json").document["entries"] == 2
    assert invoke("cache", "prune", "--older-than", "0", "--json").document["removed"] == 2
    assert invoke("cache", "stats").out.startswith("0 answers")
