"""Versions of suites on disk and in Git."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import pipex_core
from pipex_core.app.suites import load_suite, suite_word
from pipex_core.app.suiteversions import keep, list_versions, revert_suite, save_suite
from pipex_core.errors import ConfigError, SpecError, StoreError
from pipex_core.evals.suite import Case, Suite, suite_digest
from pipex_core.evals.versions import save
from tests.fakes.git import git, new_repository
from tests.fakes.project import write_project

qa = Path("test_suites/sums")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edited(**change: object) -> Suite:
    suite = load_suite("sums")
    first = replace(suite.cases[0], **change)  # type: ignore[arg-type]  # fields of a case
    return replace(suite, cases=(first, *suite.cases[1:]))


def test_a_version_is_a_working_file_a_lock_and_a_copy() -> None:
    version = save_suite(load_suite("sums"), qa, changelog="start")
    assert (version.version, version.parent, version.n_cases) == ("1", None, 4)
    lock = json.loads((qa / "suite.lock.json").read_text())
    assert lock["versions"] == [version.as_json()]
    assert [path.name for path in Path(".pipex/suites").iterdir()] == [
        f"{version.content}.jsonl.zst"
    ]
    assert load_suite("sums", "1") == load_suite("sums")
    assert load_suite("sums", f"@{suite_digest(load_suite('sums'))[:8]}") == load_suite("sums")


def test_saving_again_writes_nothing() -> None:
    first = save_suite(load_suite("sums"), qa)
    before = {path: path.stat().st_mtime_ns for path in qa.iterdir()}
    assert save_suite(load_suite("sums"), qa) == first
    assert {path: path.stat().st_mtime_ns for path in qa.iterdir()} == before


def test_versions_are_loaded_by_label_and_the_working_file_is_the_latest() -> None:
    save_suite(load_suite("sums"), qa)
    second = save_suite(edited(input="5 + 5"), qa)
    assert (second.version, second.parent) == ("2", "1")
    assert load_suite("sums").version == "2"
    assert load_suite("sums").cases[0].version == 2
    assert load_suite("sums", "1").cases[0].input == "1 + 1"
    assert load_suite("sums@1").cases[0].input == "1 + 1"
    assert load_suite("sums", "1").location == str(qa)
    third = revert_suite(qa, "1")
    assert (third.version, third.parent, third.changelog) == ("3", "2", "revert to 1")
    assert load_suite("sums").cases[0].input == "1 + 1"
    assert [one.version for one in list_versions(qa)] == ["3", "2", "1"]
    assert pipex_core.list_versions(qa)[0] == third


def test_an_unknown_version_names_the_known_ones() -> None:
    assert list_versions(qa) == ()
    with pytest.raises(ConfigError, match="no version '7'; saved versions: none"):
        load_suite("sums", "7")
    save_suite(load_suite("sums"), qa)
    with pytest.raises(ConfigError, match="no version '7'; saved versions: 1") as caught:
        load_suite("sums@7")
    assert caught.value.code == "unknown_version"


def test_one_flipped_byte_of_the_copy_is_found() -> None:
    save_suite(load_suite("sums"), qa)
    (copy,) = Path(".pipex/suites").iterdir()
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        load_suite("sums", "1")
    assert caught.value.code == "suite_tampered"


@pytest.mark.parametrize("name", ["one.json", "one.yaml", "one.yml", "one.jsonl", "one.parquet"])
def test_single_files_have_versions_too(name: str) -> None:
    suite = Suite(id="one", cases=(Case(id="a", input="x"),))
    path = Path("files") / name
    assert save_suite(suite, path).version == "1"
    assert load_suite(path) == suite
    assert save_suite(suite, path) == list_versions(path)[0]
    changed = replace(suite, cases=(Case(id="a", input="y"),))
    assert save_suite(changed, path).version == "2"
    assert load_suite(path, "1") == suite
    assert load_suite(path).cases[0].input == "y"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([name, "one.lock.json"])


def test_json_lines_hold_no_more_than_cases() -> None:
    suite = Suite(id="one", cases=(), description="lost")
    for one in (suite, replace(suite, description=None, id="other")):
        with pytest.raises(ConfigError, match=r"one\.jsonl can hold cases only") as caught:
            save_suite(one, "one.jsonl")
        assert caught.value.code == "lossy_form"


def test_a_frozen_case_is_kept_and_nothing_is_written() -> None:
    save_suite(edited(status="frozen"), qa)
    before = (qa / "cases.jsonl").read_bytes()
    with pytest.raises(SpecError) as caught:
        save_suite(edited(input="other"), qa)
    assert caught.value.code == "frozen_case"
    assert (qa / "cases.jsonl").read_bytes() == before
    assert len(list_versions(qa)) == 1


def test_saves_at_once_all_become_versions_one_after_the_other() -> None:
    suites = [edited(input=f"asked by {n}") for n in range(8)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        saved = list(pool.map(lambda suite: save_suite(suite, qa), suites))
    history = list_versions(qa)
    assert {one.version for one in saved} == {str(n) for n in range(1, 9)}
    assert [one.version for one in history] == [str(n) for n in range(8, 0, -1)]
    assert [one.parent for one in history] == [*(str(n) for n in range(7, 0, -1)), None]
    assert {load_suite("sums", one.version).cases[0].input for one in saved} == {
        suite.cases[0].input for suite in suites
    }


def test_a_save_that_dies_before_its_lock_is_written_is_saved_again() -> None:
    save_suite(load_suite("sums"), qa)
    lock = (qa / "suite.lock.json").read_bytes()
    changed = edited(input="changed")
    save_suite(changed, qa)
    (qa / "suite.lock.json").write_bytes(lock)
    again = save_suite(load_suite("sums"), qa)
    assert (again.version, again.parent) == ("2", "1")
    assert load_suite("sums", "2").cases[0].input == "changed"


def test_with_git_a_save_is_one_commit_of_the_suite_and_a_tag(project: Path) -> None:
    new_repository(project)
    (project / "notes.txt").write_text("not staged")
    kept = keep(
        qa,
        lambda lock, store, at: save(load_suite("sums"), lock, store, saved_at=at, changelog="why"),
        git=True,
    )
    assert kept.tag == "suite/sums/1"
    assert git(project, "rev-parse", "suite/sums/1^{commit}").strip() == kept.commit
    shown = git(project, "show", "--name-only", "--format=%B", "HEAD").split()
    assert shown == [
        "Save", "suite", "sums", "1", "why", "test_suites/sums/cases.jsonl",
        "test_suites/sums/suite.lock.json", "test_suites/sums/suite.yaml",
    ]  # fmt: skip
    save_suite(edited(input="9 + 9"), qa, git=True)
    assert load_suite("sums", "git:HEAD~1") == load_suite("sums", "1")
    assert load_suite("sums@git:suite/sums/2").cases[0].input == "9 + 9"
    assert git(project, "tag", "--list").split() == ["suite/sums/1", "suite/sums/2"]
    assert save_suite(load_suite("sums"), qa, git=True).version == "2"
    assert git(project, "rev-list", "--count", "HEAD").strip() == "2"


def test_a_version_that_was_saved_without_git_is_committed_when_git_is_asked_for(
    project: Path,
) -> None:
    new_repository(project)
    save_suite(load_suite("sums"), qa)
    assert save_suite(load_suite("sums"), qa, git=True).version == "1"
    assert git(project, "tag", "--list").split() == ["suite/sums/1"]
    git(project, "tag", "--delete", "suite/sums/1")
    assert save_suite(load_suite("sums"), qa, git=True).version == "1"
    assert git(project, "tag", "--list").split() == ["suite/sums/1"]
    assert git(project, "rev-list", "--count", "HEAD").strip() == "1"


def test_other_staged_changes_stop_a_save_before_anything_is_written(project: Path) -> None:
    new_repository(project)
    (project / "notes.txt").write_text("staged")
    git(project, "add", "notes.txt", "test_suites")
    with pytest.raises(ConfigError, match=r"other changes are staged: .*notes\.txt") as caught:
        save_suite(load_suite("sums"), qa, git=True)
    assert caught.value.code == "git_dirty"
    assert not (qa / "suite.lock.json").exists()
    git(project, "rm", "--cached", "--quiet", "notes.txt")
    assert save_suite(load_suite("sums"), qa, git=True).version == "1"


def test_a_tag_that_is_taken_stops_a_save(project: Path) -> None:
    new_repository(project)
    save_suite(load_suite("sums"), qa, git=True)
    git(project, "tag", "suite/sums/2")
    with pytest.raises(ConfigError, match="has the tag 'suite/sums/2' already") as caught:
        save_suite(edited(input="x"), qa, git=True)
    assert caught.value.code == "version_exists"
    assert len(list_versions(qa)) == 1


def test_outside_of_a_repository_git_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        save_suite(load_suite("sums"), qa, git=True)
    assert caught.value.code == "no_repository"
    with pytest.raises(ConfigError, match="lies in no Git repository"):
        load_suite("sums", "git:HEAD")


def test_what_was_not_there_at_a_revision_is_unknown(project: Path) -> None:
    new_repository(project)
    git(project, "commit", "--quiet", "--allow-empty", "-m", "start")
    with pytest.raises(ConfigError, match="was not there at the revision 'HEAD'") as caught:
        load_suite("sums", "git:HEAD")
    assert caught.value.code == "unknown_version"


def lose_the_store() -> None:
    for copy in Path(".pipex/suites").iterdir():
        copy.unlink()


def test_a_copy_that_is_gone_is_taken_from_the_tag_or_missed(project: Path) -> None:
    new_repository(project)
    save_suite(load_suite("sums"), qa, git=True)
    save_suite(edited(input="untagged"), qa)
    save_suite(edited(input="working"), qa)
    lose_the_store()
    assert load_suite("sums", "1").cases[0].input == "1 + 1"
    assert load_suite("sums", "3").cases[0].input == "working"
    assert len(list(Path(".pipex/suites").iterdir())) == 2
    with pytest.raises(StoreError, match="version '2' of test_suites/sums is neither in") as caught:
        load_suite("sums", "2")
    assert caught.value.code == "not_found"


def test_a_fresh_clone_can_be_saved_from(project: Path) -> None:
    new_repository(project)
    save_suite(load_suite("sums"), qa)
    git(project, "add", "test_suites")
    git(project, "commit", "--quiet", "-m", "by hand")
    lose_the_store()
    assert save_suite(edited(input="in the clone"), qa).version == "2"
    assert load_suite("sums", "1").cases[0].input == "1 + 1"


def test_without_git_a_lost_store_is_said_and_nothing_is_written() -> None:
    save_suite(load_suite("sums"), qa)
    suite = edited(input="changed")
    (qa / "cases.jsonl").write_text("")
    lose_the_store()
    with pytest.raises(StoreError, match=r"copy .* from where it was saved"):
        save_suite(suite, qa)
    assert (qa / "cases.jsonl").read_text() == ""


def test_a_version_may_stand_behind_a_name_with_an_at() -> None:
    save_suite(load_suite("sums"), Path("team@home/qa"))
    assert load_suite("team@home/qa@1") == load_suite("team@home/qa")
    assert suite_word("team@home/qa@1") == "team@home/qa@1"
    assert suite_word("sums@git:HEAD@{1}") == "test_suites/sums@git:HEAD@{1}"
    assert suite_word("sums") == "test_suites/sums"
    for word in ("smus@1", "@1", "sums@"):
        with pytest.raises(ConfigError, match="there is no suite"):
            suite_word(word)
