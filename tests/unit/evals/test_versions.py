"""Saved versions: labels, contents, tampering and going back."""

import json
from dataclasses import replace

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.errors import ConfigError, SpecError, StoreError
from pipex_core.evals.suite import Case, Suite, suite_digest
from pipex_core.evals.versions import (
    Lock,
    dump_lock,
    find,
    list_versions,
    load,
    raised,
    read_lock,
    revert,
    save,
    stored_form,
)

first = Suite(
    id="s",
    version="2.1",
    cases=(Case(id="a", input="1", expected_output="x"), Case(id="b", input="2", tags=("t",))),
)
at = "2025-01-31T00:00:00Z"


def with_case(suite: Suite, case: Case) -> Suite:
    return replace(suite, cases=tuple(case if c.id == case.id else c for c in suite.cases))


@pytest.fixture
def store() -> MemoryBlobs:
    return MemoryBlobs()


def test_the_first_save_keeps_the_label_of_the_suite(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at, changelog="start")
    assert (saved.version.version, saved.version.parent, saved.is_new) == ("2.1", None, True)
    assert saved.version.suite_digest == suite_digest(first)
    assert saved.version.n_cases == 2
    assert load(saved.lock, store, "2.1") == first


def test_saving_what_is_saved_writes_nothing(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    again = save(replace(first, version="other"), saved.lock, store, saved_at=at)
    assert (again.is_new, again.version, again.lock) == (False, saved.version, saved.lock)
    assert len(list(store.list())) == 1


def test_a_change_raises_the_label_and_the_version_of_the_case(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    changed = with_case(first, replace(first.cases[0], input="1b"))
    more = replace(changed, cases=(*changed.cases, Case(id="c", input="3")))
    again = save(more, saved.lock, store, saved_at=at)
    assert (again.version.version, again.version.parent) == ("2.2", "2.1")
    assert [case.version for case in again.suite.cases] == [2, 1, 1]
    assert load(again.lock, store, "2.2") == again.suite
    assert load(again.lock, store, "2.1") == first


def test_an_annotation_alone_is_a_new_version_of_the_same_digest(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    retagged = with_case(first, replace(first.cases[1], tags=("u",)))
    again = save(retagged, saved.lock, store, saved_at=at)
    assert again.version.suite_digest == saved.version.suite_digest
    assert load(again.lock, store, "2.2").cases[1].tags == ("u",)
    assert load(again.lock, store, "2.1").cases[1].tags == ("t",)
    assert find(again.lock, f"@{suite_digest(first)[:8]}") == again.version


@pytest.mark.parametrize(
    ("label", "bump", "expected"),
    [("2.1", "minor", "2.2"), ("3", "minor", "4"), ("2.1", "major", "3.0"), ("1.9.9", "minor", "1.9.10")],
)  # fmt: skip
def test_labels_are_raised_by_number(label: str, bump: str, expected: str) -> None:
    assert raised(label, bump) == expected  # type: ignore[arg-type]  # one of the two words


@pytest.mark.parametrize(
    ("own", "label"),
    [("2.1", "2.2"), ("1", "2.2"), ("3", "3"), ("2.10", "2.10"), ("draft", "2.2"), ("2.1.1", "2.1.1")],
)  # fmt: skip
def test_a_label_that_somebody_raised_in_the_file_is_taken(
    store: MemoryBlobs, own: str, label: str
) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    changed = replace(with_case(first, replace(first.cases[0], input="x")), version=own)
    assert save(changed, saved.lock, store, saved_at=at).version.version == label


def test_a_label_that_is_no_number_must_be_followed_by_hand(store: MemoryBlobs) -> None:
    saved = save(replace(first, version="draft"), Lock(), store, saved_at=at)
    changed = with_case(first, replace(first.cases[0], input="x"))
    with pytest.raises(ConfigError) as caught:
        save(changed, saved.lock, store, saved_at=at)
    assert caught.value.code == "version_required"
    assert save(changed, saved.lock, store, saved_at=at, version="final").version.parent == "draft"


def test_a_label_names_one_content_for_ever(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    changed = with_case(first, replace(first.cases[0], input="1b"))
    with pytest.raises(ConfigError, match="exists with other content") as caught:
        save(changed, saved.lock, store, saved_at=at, version="2.1")
    assert caught.value.code == "version_exists"


def test_what_equals_the_latest_version_is_that_version_under_any_label(store: MemoryBlobs) -> None:
    saved = save(first, Lock(), store, saved_at=at)
    for label in ("2.1", "9.9"):
        again = save(first, saved.lock, store, saved_at=at, version=label)
        assert (again.is_new, again.version) == (False, saved.version)


def test_the_suite_in_hand_may_be_saved_again_though_its_cases_count_from_one(
    store: MemoryBlobs,
) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    changed = with_case(first, replace(first.cases[0], input="1b"))
    once = save(changed, lock, store, saved_at=at)
    assert once.suite.cases[0].version == 2
    again = save(changed, once.lock, store, saved_at=at)
    assert (again.is_new, again.version) == (False, once.version)


def test_an_edited_lock_is_found_too(store: MemoryBlobs) -> None:
    (entry,) = save(first, Lock(), store, saved_at=at).lock.versions
    lock = Lock(versions=(replace(entry, suite_digest="0" * 64),))
    with pytest.raises(StoreError, match=r"digests .* and 000000000000") as caught:
        load(lock, store, "2.1")
    assert caught.value.code == "suite_tampered"


def test_the_stored_form_is_under_the_digest_of_what_it_holds(store: MemoryBlobs) -> None:
    (entry,) = save(first, Lock(), store, saved_at=at).lock.versions
    form = stored_form(first)
    assert form.key == f"{entry.content}.jsonl.zst"
    assert store.get(form.key) == form.data
    assert stored_form(with_case(first, replace(first.cases[0], tags=("t",)))).key != form.key


def test_a_quarantine_without_a_reason_is_not_saved(store: MemoryBlobs) -> None:
    bad = with_case(first, replace(first.cases[0], status="quarantined"))
    with pytest.raises(SpecError) as caught:
        save(bad, Lock(), store, saved_at=at)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("missing_reason", "cases[a].metadata")
    told = replace(bad.cases[0], metadata={"quarantine": "wrong source"})
    assert save(with_case(bad, told), Lock(), store, saved_at=at).is_new


def test_an_unknown_version_lists_the_known_ones(store: MemoryBlobs) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    for wanted in ("9", "@1234", f"@{'0' * 8}", suite_digest(first)):
        with pytest.raises(ConfigError, match=r"saved versions: 2\.1") as caught:
            load(lock, store, wanted)
        assert caught.value.code == "unknown_version"
    with pytest.raises(ConfigError, match="saved versions: none"):
        find(Lock(), "1")


def test_one_flipped_byte_is_found(store: MemoryBlobs) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    (key,) = store.list()
    data = store.get(key)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        store.put(key, bytes(flipped))
        with pytest.raises(StoreError) as caught:
            load(lock, store, "2.1")
        assert caught.value.code == "suite_tampered"


def test_going_back_is_a_new_version(store: MemoryBlobs) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    lock = save(with_case(first, replace(first.cases[0], input="x")), lock, store, saved_at=at).lock
    back = revert(lock, store, "2.1", saved_at=at)
    assert [version.version for version in list_versions(back.lock)] == ["2.3", "2.2", "2.1"]
    assert (back.version.parent, back.version.changelog) == ("2.2", "revert to 2.1")
    assert load(back.lock, store, "2.3").cases == first.cases
    assert back.version.suite_digest == suite_digest(first)


def test_a_frozen_case_keeps_its_question_unless_it_is_thawed(store: MemoryBlobs) -> None:
    frozen = with_case(first, replace(first.cases[0], status="frozen"))
    lock = save(frozen, Lock(), store, saved_at=at).lock
    edited = replace(frozen.cases[0], input="changed")
    with pytest.raises(SpecError) as caught:
        save(with_case(frozen, edited), lock, store, saved_at=at)
    assert (caught.value.code, caught.value.problems[0].path) == ("frozen_case", "cases[a]")
    assert save(
        with_case(frozen, replace(edited, status="active")), lock, store, saved_at=at
    ).is_new
    retagged = replace(frozen.cases[0], tags=("t",))
    assert save(with_case(frozen, retagged), lock, store, saved_at=at).is_new


def test_a_thousand_saves_within_one_second_stay_in_order(store: MemoryBlobs) -> None:
    lock = Lock()
    for n in range(1000):
        suite = with_case(first, replace(first.cases[0], input=str(n)))
        lock = save(suite, lock, store, saved_at=at).lock
    inputs = [load(lock, store, v.version).cases[0].input for v in list_versions(lock)]
    assert inputs == [str(n) for n in reversed(range(1000))]
    assert read_lock(dump_lock(lock)) == lock


def test_the_lock_is_a_document_with_sorted_keys_and_a_line_per_version(store: MemoryBlobs) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    lock = save(with_case(first, replace(first.cases[0], input="x")), lock, store, saved_at=at).lock
    text = dump_lock(lock)
    assert read_lock(text) == lock
    assert read_lock("") == Lock()
    document = json.loads(text)
    assert document["schema"] == "pipex.suite_lock/1"
    assert all(list(one) == sorted(one) for one in document["versions"])
    assert len(text.splitlines()) == 4 + 2 + 1


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"versions": [{"version": "1"}]}'])
def test_a_damaged_lock_is_no_lock(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        read_lock(text)
    assert caught.value.code == "lock_damaged"


def test_equal_content_is_stored_once(store: MemoryBlobs) -> None:
    lock = save(first, Lock(), store, saved_at=at).lock
    other = save(first, Lock(), store, saved_at="later")
    assert len(list(store.list())) == 1
    assert other.version.content == lock.versions[0].content
    empty = revert(lock, store, "2.1", saved_at=at)
    assert len(list(store.list())) == 2
    assert empty.is_new
