"""``pipex suite from-logs``, ``generate``, ``dedup`` and ``cluster``, as a person types them."""

import json
from functools import partial
from pathlib import Path

import pytest

from pipex_core.app.sourcing import cluster_diff
from pipex_core.app.suites import load_suite
from pipex_core.jsonvalue import Json
from tests.fakes import shell
from tests.fakes.logs import support_log, traces
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke

qa = Path("test_suites/sums")
long = "please tell me how I can change the address of my order before it leaves the house"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


document = partial(shell.document, "suite")
refused = partial(shell.refused, "suite")


def chat(text: str, answer: str = "Done.") -> Json:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]}  # fmt: skip


def mock(*replies: Json) -> str:
    entries = [{"json": {"cases": reply}, "cost": 0.01} for reply in replies]
    rules = {"responses": [{"when": {"type": "generator"}, "replies": entries}]}
    Path("rules.yaml").write_text(json.dumps(rules))
    return "rules.yaml"


def test_five_thousand_lines_become_a_diff_in_which_nothing_personal_stands() -> None:
    log = support_log(scale=20)
    name = "bob@example.com.jsonl"
    Path(name).write_bytes(log.data)
    before = (qa / "cases.jsonl").read_bytes()
    words = (
        "from-logs", name, "--suite", "sums", "--preset", "openai", "--where", "env == 'live'",
        "--map", "expected_output=output", "--map", "metadata.user=user",
        "--pii-pattern", r"staff=EMP-\d+", "--propose", "new.json",
    )  # fmt: skip
    done = invoke("suite", *words)
    assert done.code == 0
    written = Path("new.json").read_text()
    found = json.loads(written)
    assert found["schema"] == "pipex.proposal/1"
    assert {one["stage"]: (one["n_in"], one["n_out"]) for one in found["stages"]} == {
        "read": (5000, 5000),
        "rejected": (5000, 4750),
        "filter": (4750, 4500),
        "scrub": (4500, 4500),
        "exact_dedup": (4500, 4200),
        "near_dedup": (4200, 4000),
        "sample": (4000, 4000),
    }
    assert len(found["diff"]["added"]) == found["diff"]["counts"]["added"] == 4000
    assert len(found["rejected"]) == 250
    everything = written + done.out + done.err
    assert [trace for trace in traces if trace in everything] == []
    assert (qa / "cases.jsonl").read_bytes() == before
    assert "proposes 4,000 cases for sums" in done.out
    assert "rejected 245 more" in done.out
    assert done.out.endswith("wrote new.json\nnext: pipex suite apply new.json\n")


def test_a_proposal_begins_a_suite_and_its_references_wait_for_somebody() -> None:
    write_lines(Path("calls.jsonl"), [chat("How do I log in?"), chat("Where is my parcel?")])
    words = ("from-logs", "calls.jsonl", "--preset", "openai", "--map", "expected_output=output")
    invoke("suite", *words, "--new", "support", "--propose", "new.json")
    assert not Path("test_suites/support").exists()
    applied = invoke("suite", "apply", "new.json")
    assert applied.code == 0
    assert applied.out.endswith("next: pipex suite save support\n")
    cases = load_suite("support").cases
    assert [(case.source or {}).get("reference") for case in cases] == ["log", "log"]
    again = document(*words, "--suite", "support")
    assert again["diff"]["counts"]["added"] == 0
    document("accept", "support")
    assert [(case.source or {}).get("reference") for case in load_suite("support").cases] == [
        "accepted",
        "accepted",
    ]
    assert "is not what the diff was made from" in refused("apply", "new.json").err
    empty = json.loads(Path("new.json").read_text())
    empty["diff"]["from"]["id"] = "suport"
    empty["diff"]["added"] = []
    Path("none.json").write_text(json.dumps(empty))
    assert "did you mean 'test_suites/support'?" in refused("apply", "none.json").err


def test_a_gate_does_not_see_references_that_nobody_accepted() -> None:
    lines = [
        {"id": f"c{i:02}", "input": f"question {i}", "expected_output": "yes"} for i in range(40)
    ]
    for line in lines[30:]:
        line["source"] = {"reference": "log" if line["id"] < "c35" else "synthetic"}  # type: ignore[assignment] # a case is a map of values
    write_lines(qa / "cases.jsonl", lines)
    answers = [{"case_id": one["id"], "output": "yes" if i < 30 else "no"} for i, one in enumerate(lines)]  # fmt: skip
    write_lines(Path("answers.jsonl"), answers)
    Path("gate.yaml").write_text(
        "rules: [{id: right, kind: threshold, metric: exact_match, value: 0.9, bound: point}]\n"
    )
    run = ("eval", "run", "sums", "--recorded", "answers.jsonl", "--gate", "gate.yaml")

    def verdict(*words: object) -> tuple[int, str]:
        done = invoke(*words)
        word = next(one for one in ("PASS", "FAIL") if f"{one}:" in done.out)
        return done.code, f"{word}{' of some' if 'unverified_references: ' in done.out else ''}"

    assert verdict(*run) == (0, "PASS of some")
    assert verdict("gate", "latest", "--gate", "gate.yaml") == (0, "PASS of some")
    shown = invoke("eval", "show", "latest", "--json").document
    assert shown["summary"]["total_tests"] == 40
    document("accept", "sums", "c30")
    assert verdict(*run) == (0, "PASS of some")
    document("accept", "sums")
    assert verdict(*run) == (1, "FAIL")
    assert verdict("gate", "latest", "--gate", "gate.yaml") == (1, "FAIL")


def test_a_generator_gives_exactly_what_was_asked_for() -> None:
    rules = mock(
        [{"input": "red apples fall", "expected_output": "yes"}, {"input": ""}, {"input": "1 + 1"}],
        [{"input": "blue plums rot"}, {"input": "old figs dry"}, {"input": "limes are sour"}],
    )
    words = ("generate", "fruit that falls", "-n", 3, "--suite", "sums", "--mock-responses", rules)
    found = document(*words, "--propose", "new.json")
    assert (found["origin"], found["wanted"], found["problem"]) == ("generator", 3, None)
    assert found["rounds"] == 2
    assert found["cost_usd"] == pytest.approx(0.02)
    assert [one["stage"] for one in found["stages"]] == [
        "valid", "exact_dedup", "near_dedup", "count",
    ]  # fmt: skip
    assert found["stages"][-1]["n_out"] == len(found["diff"]["added"]) == 3
    assert all(one["id"].startswith("syn_") for one in found["diff"]["added"])
    assert invoke("suite", "apply", "new.json").code == 0
    assert sum("synthetic" in case.tags for case in load_suite("sums").cases) == 3


def test_a_dry_generator_exits_4_and_keeps_what_there_is() -> None:
    rules = mock([{"input": "red apples fall"}])
    Path("spec.yaml").write_text(
        "spec: Fruit.\nmax_rounds: 3\nthreshold: 0.9\ncase_schema: {type: object}\n"
    )
    words = ("generate", "spec.yaml", "-n", 2, "--new", "fruit", "--mock-responses", rules)
    found = document(*words, "--propose", "new.json", code=4)
    assert found["problem"]["code"] == "generation_incomplete"
    assert found["problem"]["cause"] == "max_rounds"
    assert found["rounds"] == 3
    assert len(found["diff"]["added"]) == 1
    text = invoke("suite", *words)
    assert "1 of 2 cases: 3 rounds gave no more that is valid and new" in text.err
    assert invoke("suite", "apply", "new.json").code == 0
    assert [case.input for case in load_suite("fruit").cases] == ["red apples fall"]
    poor = document(*words, "--max-cost", 0, "--seed", 5, code=4)
    assert poor["problem"]["cause"] == "budget_exceeded"


def test_the_specification_is_a_sentence_a_text_or_a_map() -> None:
    rules = mock([{"input": "red apples fall"}])
    end = ("-n", 1, "--new", "fruit", "--mock-responses", rules, "--examples", "sums")
    Path("spec.md").write_text("Fruit that falls.")
    assert document("generate", "spec.md", *end)["stages"][-1]["n_out"] == 1
    assert "there is no file spek.md; did you mean 'spec.md'" in refused("generate", "spek.md", *end).err  # fmt: skip
    for text, said in (
        ("[1]", "needs a text `spec`"),
        ("{spec: x, exmples: 3}", "unknown field 'exmples'"),
        ("{spec: x, case_shema: {}}", "did you mean 'case_schema'?"),
        ("{spec: x, max_rounds: many}", "max_rounds a whole number"),
        ("{spec: x, threshold: true}", "threshold is a number"),
        ("{spec: x, case_schema: {type: nothing}}", "nothing"),
        ("{spec: ' '}", "is empty"),
    ):
        Path("spec.yaml").write_text(text)
        assert said in refused("generate", "spec.yaml", *end).err


def test_dedup_proposes_to_leave_all_but_the_oldest_out() -> None:
    lines = [{"id": name, "input": f"{long} {name}"} for name in ("b", "a", "c")]
    write_lines(qa / "cases.jsonl", [*lines, {"id": "x", "input": "!"}, {"id": "y", "input": "!"}])
    found = document("dedup", "sums", "--propose", "fewer.json")
    assert found["schema"] == "pipex.suite_diff/1"
    assert [(one["kind"], one["keep"], one["others"]) for one in found["groups"]] == [
        ("exact", "x", ["y"]),
        ("near", "a", ["b", "c"]),
    ]
    assert [one["id"] for one in found["removed"]] == ["b", "c", "y"]
    text = invoke("suite", "dedup", "sums").out
    assert "near: a stays, b (0.88), c (0.88)" in text
    assert "3 of 5 cases can go" in text
    assert document("dedup", "sums", "--threshold", "off")["n_removed"] == 1
    assert document("dedup", "sums", "--threshold", 0.95)["n_removed"] == 1
    assert invoke("suite", "apply", "fewer.json").code == 0
    assert [case.id for case in load_suite("sums").cases] == ["a", "x"]


def test_only_the_first_groups_are_printed() -> None:
    write_lines(
        qa / "cases.jsonl", [{"id": f"{i:02}", "input": "?" * (i // 2 + 1)} for i in range(50)]
    )
    assert "... and 5 groups more\n25 of 50 cases can go" in invoke("suite", "dedup", "sums").out


def test_cluster_proposes_a_cluster_for_every_case() -> None:
    words = {"f": "apple pear plum fig", "t": "bus tram train boat"}
    lines = [
        {"id": f"{name}{i}", "input": " ".join(text.split()[i % 4 :] + text.split()[: i % 3])}
        for name, text in words.items()
        for i in range(6)
    ]
    write_lines(qa / "cases.jsonl", lines)
    found = document("cluster", "sums", "-k", 2, "--seed", 1, "--propose", "clusters.json")
    assert (found["k"], [one["size"] for one in found["groups"]]) == (2, [6, 6])
    assert document("cluster", "sums", "-k", 2, "--seed", 1)["groups"] == found["groups"]
    assert "2 clusters, silhouette 0." in invoke("suite", "cluster", "sums", "-k", 2).out
    assert len(document("cluster", "sums")["silhouettes"]) > 1
    assert invoke("suite", "apply", "clusters.json").code == 0
    given = {case.id: case.cluster_id for case in load_suite("sums").cases}
    assert {given[f"f{i}"] for i in range(6)} == {"cluster_1"}
    assert {given[f"t{i}"] for i in range(6)} == {"cluster_2"}


def test_personal_data_is_hashed_with_a_key_only() -> None:
    write_lines(Path("calls.jsonl"), [{"input": "I am bob@example.com"}])
    Path("key").write_text("0123456789abcdef")
    words = ("from-logs", "calls.jsonl", "--new", "support", "--pii", "hash")
    assert "with a key only" in refused(*words).err
    assert "EMAIL_" in json.dumps(document(*words, "--pii-key", "key"))
    Path("key").write_text("short")
    assert "at least 16 bytes" in refused(*words, "--pii-key", "key").err
    dropped = document("from-logs", "calls.jsonl", "--new", "support", "--pii", "drop")
    assert dropped["diff"]["added"][0]["changes"][0]["after"]["input"] == "I am "


@pytest.mark.parametrize("mode", ["redact", "hash", "drop", "keep"])
def test_the_privacy_of_the_suite_says_what_becomes_of_personal_data(mode: str) -> None:
    head = qa / "suite.yaml"
    head.write_text(f"{head.read_text()}\nprivacy: {mode}\n")
    write_lines(Path("calls.jsonl"), [{"input": "I am bob@example.com"}])
    Path("key").write_text("0123456789abcdef")
    found = document("from-logs", "calls.jsonl", "--suite", "sums", "--pii-key", "key")
    text = found["diff"]["added"][0]["changes"][0]["after"]["input"]
    marks = {"redact": "[EMAIL_1]", "keep": "[EMAIL_1]", "drop": "", "hash": "[EMAIL_"}
    assert text.startswith(f"I am {marks[mode]}")
    assert "bob" not in text
    assert len(text) == {"hash": 25}.get(mode, len(f"I am {marks[mode]}"))


def test_clusters_follow_the_vectors_of_a_model_that_is_there() -> None:
    lines = [{"id": name, "input": text} for name, text in zip("abcd", ("xx", "y", "xxx", "yy"), strict=True)]  # fmt: skip
    write_lines(qa / "cases.jsonl", lines)
    found = cluster_diff("sums", k=2, vectors="python", model="tests.fakes.vectors:letter_counts")
    assert [one["central"] for one in found.groups] == [["a", "c"], ["b", "d"]]
    words = ("cluster", "sums", "-k", "2", "--vectors", "sentence-transformers", "--model", "none")
    assert "cluster by words" in refused(*words).err


def test_slips_are_told_in_words() -> None:
    write_lines(Path("calls.jsonl"), [chat("x")])
    suite = ("--suite", "sums")
    for words, said in (
        (("from-logs", "calls.jsonl"), "--suite PATH, or begin one with --new ID"),
        (("from-logs", "calls.jsonl", *suite, "--new", "x"), "--new ID"),
        (("from-logs", "calls.jsonl", "--new", "!"), "cannot be the id of a suite"),
        (("from-logs", "cals.jsonl", *suite), "did you mean 'calls.jsonl'?"),
        (("from-logs", "calls.jsonl", *suite, "--map", "input"), "--map is written NAME=VALUE"),
        (("from-logs", "calls.jsonl", *suite, "--map", "input=("), "--map input"),
        (("from-logs", "calls.jsonl", *suite, "--where", "a =="), "--where EXPR"),
        (("from-logs", "calls.jsonl", *suite, "--dedup", "much"), "--dedup is a share"),
        (("from-logs", "calls.jsonl", *suite, "--dedup", "2"), "above 0 and at most 1"),
        (("dedup", "sums", "--threshold", "0"), "above 0 and at most 1"),
        (("cluster", "sums", "-k", "some"), "-k is a whole number, or auto"),
        (("cluster", "sums", "-k", "99"), "cannot be divided into 99 clusters"),
        (("cluster", "summs"), "did you mean"),
        (
            ("generate", "fruit of trees", "-n", "1", *suite, "--provider", "live"),
            "name one with --model",
        ),
    ):
        assert said in refused(*words).err
