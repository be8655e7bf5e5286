"""``pipex suite save``, ``versions``, ``diff``, ``apply``, ``sample`` and their like, as a person types them."""

import json
from functools import partial
from pathlib import Path

import pytest

from pipex_core.app.suites import load_suite
from pipex_core.jsonvalue import check_schema
from tests.fakes import shell
from tests.fakes.git import git, new_repository
from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke

qa = Path("test_suites/sums")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


document = partial(shell.document, "suite")
refused = partial(shell.refused, "suite")


def edit(old: str, new: str) -> None:
    path = qa / "cases.jsonl"
    path.write_text(path.read_text().replace(old, new, 1))


def test_save_says_what_it_wrote_and_what_to_do_next() -> None:
    saved = document("save", "sums", "--changelog", "first")
    assert saved["schema"] == "pipex.version/1"
    assert (saved["suite"], saved["version"], saved["is_new"], saved["parent"]) == (
        "sums", "1", True, None,
    )  # fmt: skip
    assert saved["files"] == [
        f"test_suites/sums/{name}" for name in ("cases.jsonl", "suite.yaml", "suite.lock.json")
    ]
    again = invoke("suite", "save", "sums")
    assert (again.code, again.out) == (0, "sums 1: nothing changed, nothing was written\n")
    edit("1 + 1", "one and one")
    text = invoke("suite", "save", "sums", "--bump", "major").out
    assert text.startswith("saved sums 2 after 1: 4 cases, ")
    assert text.endswith("next: pipex suite diff sums@1 sums\n")


def test_versions_and_show_go_through_the_history() -> None:
    assert (
        "no saved versions\nnext: pipex suite save sums" in invoke("suite", "versions", "sums").out
    )
    invoke("suite", "save", "sums", "--changelog", "first")
    edit("1 + 1", "one and one")
    invoke("suite", "save", "sums", "--version", "1b")
    found = document("versions", "sums")
    assert [one["version"] for one in found["versions"]] == ["1b", "1"]
    assert invoke("suite", "versions", "sums").out.splitlines()[1].endswith("  first")
    assert "q1: 1 + 1" in invoke("suite", "show", "sums", "--version", "1").out
    assert "q1: one and one" in invoke("suite", "show", "sums").out
    assert "no version '9'; saved versions: 1b, 1" in refused("show", "sums", "--version", "9").err
    assert "no version follows '1b'" in invoke("suite", "revert", "sums", "1").err
    back = document("save", "sums", "--version", "2")
    assert (back["is_new"], back["version"]) == (False, "1b")


def test_revert_makes_a_new_version() -> None:
    invoke("suite", "save", "sums")
    edit("1 + 1", "one and one")
    invoke("suite", "save", "sums")
    back = document("revert", "sums", "1", "--changelog", "was better")
    assert (back["version"], back["parent"], back["changelog"]) == ("3", "2", "was better")
    assert load_suite("sums").cases[0].input == "1 + 1"
    assert "unknown_version" in refused("revert", "sums", "7").err


def test_a_frozen_case_is_held_until_it_is_thawed() -> None:
    frozen = document("freeze", "sums")
    assert (frozen["version"], frozen["changelog"]) == ("1", "freeze")
    assert {case.status for case in load_suite("sums").cases} == {"frozen"}
    edit("1 + 1", "one and one")
    wrong = document("save", "sums", code=2)
    assert (wrong["schema"], wrong["code"]) == ("pipex.error/1", "frozen_case")
    assert wrong["problems"][0]["path"] == "cases[q1]"
    edit("one and one", "1 + 1")
    assert document("freeze", "sums", "q1", "--thaw")["changelog"] == "thaw"
    edit("1 + 1", "one and one")
    assert document("save", "sums")["version"] == "3"


def test_quarantine_wants_ids_and_a_reason() -> None:
    document("save", "sums")
    done = document("quarantine", "sums", "q1", "q2", "--reason", "wrong source")
    assert done["changelog"] == "quarantine: wrong source"
    assert document("show", "sums")["n_quarantined"] == 2
    assert "Missing option '--reason'" in refused("quarantine", "sums", "q1").err
    assert "Missing argument 'IDS...'" in refused("quarantine", "sums", "--reason", "x").err
    assert "needs a reason" in refused("quarantine", "sums", "q3", "--reason", " ").err
    near = refused("quarantine", "sums", "q33", "--reason", "x").err
    assert "the suite has no case 'q33'; did you mean 'q3'?" in near


def test_accept_takes_the_mark_off_unverified_references() -> None:
    write_lines(
        qa / "cases.jsonl",
        [
            {"id": "a", "input": "x", "expected_output": "1", "source": {"reference": "log"}},
            {"id": "b", "input": "y", "expected_output": "1", "source": {"reference": "synthetic"}},
            {"id": "c", "input": "z", "expected_output": "1"},
        ],
    )
    document("accept", "sums", "a")
    marks = [(case.source or {}).get("reference") for case in load_suite("sums").cases]
    assert marks == ["accepted", "synthetic", None]
    document("accept", "sums")
    assert [(case.source or {}).get("reference") for case in load_suite("sums").cases] == [
        "accepted", "accepted", None,
    ]  # fmt: skip
    assert document("accept", "sums")["is_new"] is False


def test_git_commits_and_tags(project: Path) -> None:
    new_repository(project)
    done = document("save", "sums", "--git", "--changelog", "why")
    assert (done["tag"], done["commit"]) == (
        "suite/sums/1",
        git(project, "rev-parse", "HEAD").strip(),
    )
    git(project, "tag", "--delete", "suite/sums/1")
    again = invoke("suite", "save", "sums", "--git").out
    assert again == f"sums 1: nothing changed, commit {done['commit'][:12]}, tag suite/sums/1\n"
    (project / "other.txt").write_text("x")
    git(project, "add", "other.txt")
    edit("1 + 1", "one and one")
    dirty = document("save", "sums", "--git", code=2)
    assert (dirty["code"], dirty["next"].startswith("commit them")) == ("git_dirty", True)
    changed = document("diff", "sums@git:HEAD", "sums")
    assert changed["counts"]["input_changed"] == 1


def test_a_diff_is_a_file_that_can_be_applied_elsewhere(project: Path) -> None:
    invoke("suite", "save", "sums")
    edit("1 + 1", "one and one")
    made = invoke("suite", "diff", "sums@1", "sums", "--format", "json")
    (project / "change.json").write_text(made.out)
    wanted = load_suite("sums")
    edit("one and one", "1 + 1")
    applied = document("apply", "change.json")
    assert applied["files"] == ["test_suites/sums/cases.jsonl", "test_suites/sums/suite.yaml"]
    assert load_suite("sums") == wanted
    assert "diff_conflict" in refused("apply", "change.json").err
    assert "make the diff again" in refused("apply", "change.json").err
    (project / "proposal.json").write_text(json.dumps({"diff": json.loads(made.out)}))
    assert "diff_conflict" in refused("apply", "proposal.json", "--to", "test_suites/sums").err


def test_diff_has_three_formats_and_an_exit_code() -> None:
    invoke("suite", "save", "sums")
    assert invoke("suite", "diff", "sums@1", "sums", "--exit-code").code == 0
    edit("1 + 1", "one and one")
    changed = invoke("suite", "diff", "sums@1", "sums", "--exit-code")
    assert (changed.code, '~ q1 input: "1 + 1" -> "one and one"' in changed.out) == (1, True)
    assert "| ~ | q1 |" in invoke("suite", "diff", "sums@1", "sums", "--format", "markdown").out
    assert document("diff", "sums@1", "sums")["schema"] == "pipex.suite_diff/1"
    assert "there is no suite 'smus'; did you mean" in refused("diff", "smus", "sums").err


def test_a_frozen_case_is_kept_from_diffs_too(project: Path) -> None:
    edit('"q1", ', '"q1", "status": "frozen", ')
    start = load_suite("sums")
    edit("1 + 1", "one and one")
    (project / "new").mkdir()
    for name in ("suite.yaml", "cases.jsonl"):
        (project / "new" / name).write_bytes((qa / name).read_bytes())
    edit("one and one", "1 + 1")
    (project / "d.json").write_text(invoke("suite", "diff", "sums", "new", "--json").out)
    assert "is frozen" in refused("apply", "d.json").err
    assert load_suite("sums") == start


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "d.json is no suite diff"), ("[]", "no suite diff"), ('{"diff": 1}', "no")],
)
def test_a_file_that_is_no_diff_is_refused(project: Path, text: str, said: str) -> None:
    (project / "d.json").write_text(text)
    done = refused("apply", "d.json")
    assert said in done.err
    assert "not_a_diff" in done.err


def test_a_sample_is_a_proposal(project: Path) -> None:
    drawn = document("sample", "sums", "-n", "2", "--propose", "small.json")
    assert (len(drawn["ids"]), drawn["counts"]["removed"], drawn["groups"]) == (2, 2, {})
    assert json.loads((project / "small.json").read_text()) == drawn
    more = document("sample", "sums", "-n", "3")
    assert set(drawn["ids"]) < set(more["ids"])
    assert document("apply", "small.json")["counts"]["removed"] == 2
    assert [case.id for case in load_suite("sums").cases] == drawn["ids"]
    all_of_them = invoke("suite", "sample", "sums", "-n", "9")
    assert "sample_too_large" in all_of_them.err
    assert all_of_them.out.endswith("2 cases of 2\n")


def test_a_stratified_sample_keeps_shares_and_says_so() -> None:
    write_lines(
        qa / "cases.jsonl",
        [
            {"id": f"c{i}", "input": str(i), "expected_output": "x", "metadata": {"category": "ab"[i % 2]}}
            for i in range(8)
        ] + [{"id": "none", "input": "n", "expected_output": "x"}],
    )  # fmt: skip
    drawn = document("sample", "sums", "-n", "5", "--stratify", "category")
    assert drawn["groups"] == {"": 1, "a": 2, "b": 2}
    text = invoke("suite", "sample", "sums", "-n", "5", "--stratify", "category").out
    assert text.splitlines()[5:] == ["(none): 1 case", "a: 2 cases", "b: 2 cases", "5 cases of 9"]
    assert (
        "no case has the field 'categry'"
        in refused("sample", "sums", "-n", "2", "--stratify", "categry").err
    )


def test_list_shows_the_suites_and_those_that_cannot_be_read(project: Path) -> None:
    invoke("suite", "save", "sums")
    (project / "test_suites/bad").mkdir()
    (project / "test_suites/bad/suite.yaml").write_text("id: [\n")
    found = document("list", code=2)
    assert [(one["id"], one["n_versions"]) for one in found["suites"]] == [("bad", 0), ("sums", 1)]
    assert "cases.jsonl: error: there is no such file" in found["suites"][0]["problem"]
    assert (
        invoke("suite", "list").out.splitlines()[1].startswith("sums  version 1 (1 saved)  4 cases")
    )
    (project / "none").mkdir()
    assert invoke("suite", "list", "none").out == "none: no suites\n"
    assert "there is no folder 'absent'" in refused("list", "absent").err


@pytest.mark.parametrize("kind", ["suite", "case", "gate", "target"])
def test_schemas_are_printed(kind: str) -> None:
    schema = document("schema", "--kind", kind)
    assert schema == json.loads(invoke("suite", "schema", "--kind", kind).out)
    assert schema["title"] == f"pipex {kind}"
    assert check_schema(1, schema) != []
