"""``pipex baseline``: set, promoted, rolled back, shown and verified on runs that were really made."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipex_core.app.baselines import Wish, set_baseline, write_move
from pipex_core.app.evaluations import run_eval
from pipex_core.app.pointers import pointed, pointer
from pipex_core.app.stored import baseline_of, find_run, open_archive
from pipex_core.errors import ConfigError
from pipex_core.evals.baselines import Move
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke

gate = (
    "gate:\n  rules:\n    - {id: keep, metric: exact_match, kind: noninferiority, margin: 0.05}\n"
)
better = (
    "promotion: {on: superiority, actor: night-shift}\n"
    "rules:\n  - {id: gain, metric: exact_match, kind: superiority}\n"
)
floor = "promotion: {on: pass, actor: bot}\nrules:\n  - {metric: exact_match, kind: threshold, value: 0.9, bound: point}\n"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Run ids of ``poor``, which is right once in 40, and of ``good``, which always is."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, cases=40, gate=gate)
    return {name: run_eval("sums", f"{name}.jsonl").run_id for name in ("poor", "good")}


def champion() -> str | None:
    found = pointer("sums", "champion")
    return found.run_id if found else None


def test_a_baseline_is_set_with_a_reason_and_shown(runs: Mapping[str, str]) -> None:
    assert invoke("baseline", "show", "sums").code == 2
    assert invoke("baseline", "list").out == "no baselines yet\n"
    assert invoke("baseline", "log", "sums").out == "nothing was moved yet\n"
    refused = invoke("baseline", "set", "poor", "--json")
    assert (refused.code, refused.document["code"]) == (2, "reason_required")
    done = invoke("baseline", "set", "poor", "--reason", "the first one", "--json")
    assert done.code == 0
    assert done.document["schema"] == "pipex.baseline/1"
    assert done.document["moved"] is True
    assert done.document["baseline"]["run_id"] == runs["poor"]
    assert done.document["baseline"]["summary"] == {"exact_match": pytest.approx(1 / 40)}
    shown = invoke("baseline", "show", "sums")
    assert f"champion of sums: {runs['poor']}" in shown.out
    assert "the first one" in shown.out
    (one,) = invoke("baseline", "list", "--json").document["baselines"]
    assert (one["suite"], one["name"], one["run_id"]) == ("sums", "champion", runs["poor"])
    again = invoke("baseline", "set", "poor", "--reason", "again")
    assert again.out == f"champion of sums already names {runs['poor']}\n"
    assert len(invoke("baseline", "log", "sums", "--json").document["log"]) == 1


def test_a_run_that_passes_is_promoted_and_one_that_fails_is_not(runs: Mapping[str, str]) -> None:
    invoke("baseline", "set", "poor", "--reason", "first")
    done = invoke("baseline", "promote", "good", "--json")
    assert done.code == 0
    assert done.document["verdict"]["verdict"] == "PASS"
    assert done.document["verdict"]["baseline"] == runs["poor"]
    assert done.document["entry"]["action"] == "promote"
    assert invoke("baseline", "promote", "good").out.endswith(f"already names {runs['good']}\n")
    refused = invoke("baseline", "promote", "poor")
    assert refused.code == 1
    assert "not promoted" in refused.out
    assert champion() == runs["good"]
    assert invoke("baseline", "promote", "poor", "--force").code == 2
    forced = invoke("baseline", "promote", "poor", "--force", "--reason", "a demo", "--json")
    assert (forced.code, champion()) == (0, runs["poor"])
    entry = forced.document["entry"]
    assert (entry["action"], entry["verdict"], entry["reason"]) == ("force", "FAIL", "a demo")
    audit = [json.loads(line) for line in Path("checkpoints/audit.jsonl").read_text().splitlines()]
    assert [one["action"] for one in audit] == ["baseline.set", "baseline.promote", "baseline.force"]  # fmt: skip


def test_rollback_goes_back_step_by_step_by_new_lines(runs: Mapping[str, str]) -> None:
    third = run_eval("sums", "good.jsonl").run_id
    for word in (runs["poor"], runs["good"], third):
        invoke("baseline", "set", word, "--reason", word)
    assert invoke("baseline", "rollback", "sums").code == 2
    assert invoke("baseline", "rollback", "sums", "--reason", "worse").code == 0
    assert champion() == runs["good"]
    invoke("baseline", "rollback", "sums", "--reason", "worse still")
    assert champion() == runs["poor"]
    nothing = invoke("baseline", "rollback", "sums", "--reason", "more", "--json")
    assert (nothing.code, nothing.document["code"]) == (2, "no_baseline")
    log = invoke("baseline", "log", "sums", "--json").document["log"]
    assert [line["seq"] for line in log] == [1, 2, 3, 4, 5]
    assert [line["action"] for line in log][3:] == ["rollback", "rollback"]
    assert "rollback champion" in invoke("baseline", "log", "sums", "--name", "champion").out
    assert invoke("baseline", "verify").code == 0


def test_verify_finds_an_edited_line_and_a_moved_pointer(runs: Mapping[str, str]) -> None:
    invoke("baseline", "set", "poor", "--reason", "first")
    file = Path("baselines/sums/champion.json")
    file.write_text(file.read_text().replace(runs["poor"], runs["good"]))
    moved = invoke("baseline", "verify", "sums", "--json")
    assert (moved.code, moved.document["ok"]) == (1, False)
    assert "the pointer names" in moved.document["problems"][0]["message"]
    log = Path("baselines/sums/log.jsonl")
    log.write_text(log.read_text().replace("first", "worst"))
    assert "line 1: it was changed" in invoke("baseline", "verify").out


def test_of_two_that_set_at_once_one_wins(runs: Mapping[str, str]) -> None:
    archive = open_archive("results")

    def attempt(name: str) -> str:
        place = find_run(archive, runs[name])
        move = Move(
            action="set", name="champion", to=place.run_id, seen=None, actor=name, at="t", reason="r"
        )  # fmt: skip
        try:
            write_move("sums", archive.manifest(place), move)
        except ConfigError as exc:
            return exc.code
        return "won"

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(pool.map(attempt, ("good", "poor")))
    assert ends == ["baseline_moved", "won"]
    assert invoke("baseline", "verify").code == 0


def test_runs_of_some_cases_and_unfinished_runs_need_a_word(runs: Mapping[str, str]) -> None:
    del runs
    write_lines(Path("half.jsonl"), [{"case_id": f"q{i}", "output": "2"} for i in range(1, 20)])
    open_run = run_eval("sums", "half.jsonl").run_id
    part = run_eval("sums", "good.jsonl", limit=30).run_id
    refused = invoke("baseline", "set", part, "--reason", "r", "--json")
    assert (refused.code, refused.document["code"]) == (2, "baseline_subset")
    assert invoke("baseline", "promote", part, "--json").document["code"] == "baseline_subset"
    assert invoke("baseline", "set", part, "--reason", "r", "--allow-subset").code == 0
    refused = invoke("baseline", "set", open_run, "--reason", "r", "--json")
    assert refused.document["code"] == "baseline_incomplete"
    assert invoke("baseline", "set", open_run, "--reason", "r", "--allow-incomplete").code == 0


def test_the_champion_is_a_word_for_a_run_everywhere(runs: Mapping[str, str]) -> None:
    invoke("baseline", "set", "good", "--reason", "first")
    compared = invoke("compare", "champion", "poor", "--json").document
    assert (compared["baseline"], compared["current"]) == (runs["good"], runs["poor"])
    judged = invoke("gate", "poor", "--json")
    assert (judged.code, judged.document["baseline"]) == (1, runs["good"])
    words = ("eval", "run", "sums", "--recorded", "poor.jsonl", "--baseline", "champion", "--json")
    assert invoke(*words).document["verdict"]["baseline"] == runs["good"]
    archive = open_archive("results")
    place = find_run(archive, runs["poor"])
    assert find_run(archive, f"results/{place.manifest}") == place
    assert find_run(archive, "champion").run_id == runs["good"]
    assert invoke("gate", "champion:sums", "--baseline", "poor").code == 0


def test_two_suites_with_one_name_want_to_be_told_apart(runs: Mapping[str, str]) -> None:
    invoke("baseline", "set", "good", "--reason", "first")
    other = Path("baselines/other")
    other.mkdir()
    (other / "champion.json").write_text(json.dumps({"run_id": "ev_x"}))
    with pytest.raises(ConfigError, match="several suites have a baseline 'champion'") as caught:
        pointed("champion")
    assert caught.value.next_step == "say which, such as champion:other"
    found = pointed("champion:sums")
    assert found is not None
    assert found[1].run_id == runs["good"]
    assert pointed("no/name") is None


def test_a_baseline_whose_run_is_gone_is_missing(runs: Mapping[str, str]) -> None:
    archive = open_archive("results")
    invoke("baseline", "set", "poor", "--reason", "first")
    set_baseline(archive, runs["good"], Wish(reason="second", actor="ann"))
    Path("results", find_run(archive, runs["poor"]).manifest).unlink()
    back = invoke("baseline", "rollback", "sums", "--reason", "r", "--json")
    assert back.document["code"] == "baseline_missing"
    Path("results", find_run(archive, runs["good"]).manifest).unlink()
    with pytest.raises(ConfigError) as caught:
        baseline_of(archive, "sums", "champion")
    assert caught.value.code == "baseline_missing"


def test_a_gate_with_a_promotion_rule_moves_the_champion(runs: Mapping[str, str]) -> None:
    Path("better.yaml").write_text(better)
    Path("floor.yaml").write_text(floor)
    invoke("baseline", "set", "poor", "--reason", "first")
    assert "promotion rule" in invoke("gate", "good", "--gate", "better.yaml").err
    assert champion() == runs["good"]
    log = invoke("baseline", "log", "sums", "--json").document["log"]
    assert (log[-1]["action"], log[-1]["actor"]) == ("auto_promote", "night-shift")
    assert log[-1]["reason"] == "promotion on superiority"
    assert log[-1]["gate_digest"]
    # A pass without a shown gain, a run of some cases and the champion itself move nothing.
    again = run_eval("sums", "good.jsonl").run_id
    for words in ((again, "better.yaml"), (runs["poor"], "floor.yaml"), (runs["good"], "floor.yaml")):  # fmt: skip
        invoke("gate", words[0], "--gate", words[1])
        assert champion() == runs["good"]
    part = run_eval("sums", "good.jsonl", limit=39).run_id
    invoke("gate", part, "--gate", "floor.yaml")
    assert champion() == runs["good"]
    done = invoke(
        "eval", "run", "sums", "--recorded", "good.jsonl", "--gate", "floor.yaml", "--quiet"
    )
    assert "by the promotion rule" in done.err
    assert champion() not in (runs["good"], None)
