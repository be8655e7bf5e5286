"""Diffs of suites: what is in which list, what a run would compute, applying and showing them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.difftext import as_markdown, as_text
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from pipex_core.evals.suitediff import SuiteDiff, diff_from_json, diff_suites
from pipex_core.evals.suitepatch import apply_diff

kept = Case(id="kept", input="same", expected_output="same")
asked = Case(id="asked", input={"question": "Why?"}, expected_output="a")
judged = Case(id="judged", input="q", expected_output="old", context="text")
tagged = Case(id="tagged", input="q2", metadata={"topic": "x", "n": None})
moved = Case(id="moved", input="the same question", expected_output="r")
gone = Case(id="gone", input="old question")
before = Suite(id="s", cases=(asked, gone, judged, kept, moved, tagged))
after = Suite(
    id="s",
    version="2",
    cases=(
        replace(asked, input={"question": "How?"}, expected_output="b"),
        replace(judged, context="other text"),
        kept,
        Case(id="new", input="new question"),
        replace(moved, id="renamed"),
        replace(tagged, metadata={"topic": "y"}, tags=("t",), version=2),
    ),
)


def ids(changes: Any) -> list[str]:
    return [one.id for one in changes]


def test_every_change_is_in_its_list() -> None:
    diff = diff_suites(before, after)
    assert ids(diff.added) == ["new", "renamed"]
    assert ids(diff.removed) == ["gone", "moved"]
    assert ids(diff.input_changed) == ["asked", "judged"]
    assert ids(diff.reference_changed) == ["asked", "judged"]
    assert ids(diff.annotation_changed) == ["tagged"]
    assert diff.renamed == (("moved", "renamed"),)
    assert diff.unchanged == 1
    assert [change.path for change in diff.suite_changed] == ["version"]


def test_changes_name_the_path_and_both_sides() -> None:
    diff = diff_suites(before, after)
    assert [change.as_json() for change in diff.input_changed[0].changes] == [
        {"path": "input.question", "before": "Why?", "after": "How?"}
    ]
    assert [change.as_json() for change in diff.annotation_changed[0].changes] == [
        {"path": "metadata.n", "before": None},
        {"path": "metadata.topic", "before": "x", "after": "y"},
        {"path": "tags", "after": ["t"]},
        {"path": "version", "after": 2},
    ]


def test_consequences_count_rows_by_layer() -> None:
    three = SuiteDefaults(repeats=3, metrics=("bleu", "latency"))
    start, end = replace(before, defaults=three), replace(after, defaults=three)
    # Asked anew: asked, judged (its context is input too) and new, each three times.
    assert diff_suites(start, end).consequences == {
        "responses": 9,
        "scores": 18,
        "verdict_only": 3,
    }


def test_more_repeats_and_another_metric_add_their_rows_only() -> None:
    start = replace(before, defaults=SuiteDefaults(metrics=("bleu",)))
    more = replace(before, defaults=SuiteDefaults(metrics=("bleu",), repeats=3))
    assert diff_suites(start, more).consequences["responses"] == 6 * 2
    assert diff_suites(start, more).consequences["scores"] == 6 * 2
    assert diff_suites(more, start).consequences["responses"] == 0
    entry = {"type": "bleu", "threshold": 0.5, "name": "b", "weight": 2}
    told = replace(before, defaults=SuiteDefaults(metrics=(entry, {"type": "rouge", "n": 2})))
    assert diff_suites(start, told).consequences == {
        "responses": 0,
        "scores": 6,
        "verdict_only": 0,
    }
    own = replace(start, cases=(replace(kept, metrics=("bleu", "chrf")),))
    assert diff_suites(replace(start, cases=(kept,)), own).consequences == {
        "responses": 0,
        "scores": 1,
        "verdict_only": 0,
    }


def test_a_new_name_and_a_question_that_was_asked_before_cost_nothing() -> None:
    start = replace(before, cases=(kept, moved))
    again = replace(before, cases=(kept, replace(kept, id="copy"), replace(moved, id="renamed")))
    assert diff_suites(start, again).consequences == {
        "responses": 0,
        "scores": 0,
        "verdict_only": 1,
    }


def test_a_changed_reference_recomputes_the_metrics_that_read_it() -> None:
    other = replace(before, cases=(replace(kept, expected_output="new"), tagged))
    start = replace(before, cases=(kept, tagged))
    needs = [frozenset({"output", "reference"}), frozenset({"usage"})]
    assert diff_suites(start, other, metric_needs=needs).consequences == {  # type: ignore[arg-type]  # plain words
        "responses": 0,
        "scores": 1,
        "verdict_only": 0,
    }


def test_metadata_that_is_hashed_counts_as_input() -> None:
    extra = {"hash_metadata": ("metadata.topic",)}
    start, end = replace(before, extra=extra), replace(after, extra=extra)
    assert "tagged" in ids(diff_suites(start, end).input_changed)


def test_a_suite_does_not_differ_from_itself() -> None:
    diff = diff_suites(before, before)
    assert diff.is_empty
    assert diff.unchanged == 6
    assert as_text(diff) == as_markdown(diff).replace("**", "") == "s: no changes, 6 cases"


def test_a_diff_leads_to_the_other_suite_and_back() -> None:
    there, back = diff_suites(before, after), diff_suites(after, before)
    assert apply_diff(before, there) == after
    assert apply_diff(after, back) == before


def test_a_diff_survives_being_written_down() -> None:
    diff = diff_suites(before, after)
    document = json.loads(json.dumps(diff.as_json()))
    assert diff_from_json(document) == diff
    assert document["schema"] == "pipex.suite_diff/1"
    assert document["counts"]["added"] == 2


@pytest.mark.parametrize(
    "suite",
    [
        replace(before, cases=(gone, judged, kept, moved, tagged)),
        replace(before, cases=(*before.cases, Case(id="new", input="x"))),
        replace(before, cases=tuple(c for c in before.cases if c.id != "gone")),
        replace(before, version="7"),
        replace(before, cases=tuple(replace(c, metadata={}) for c in before.cases)),
        replace(
            before,
            cases=tuple(replace(c, input="text") if c.id == "asked" else c for c in before.cases),
        ),
    ],
)
def test_a_suite_that_moved_on_is_a_conflict(suite: Suite) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_diff(suite, diff_suites(before, after))
    assert caught.value.code == "diff_conflict"


def test_a_diff_that_makes_no_case_is_refused() -> None:
    diff = diff_suites(before, after)
    document = diff.as_json()
    document["added"][0]["changes"][0]["after"] = {"id": "new"}
    with pytest.raises(SpecError) as caught:
        apply_diff(before, diff_from_json(document))
    assert caught.value.code == "missing_field"


@pytest.mark.parametrize("data", [{}, [], {"from": {}}, None])
def test_something_else_is_no_diff(data: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        diff_from_json(data)
    assert caught.value.code == "not_a_diff"


def test_a_diff_reads_well_in_a_terminal() -> None:
    text = as_text(diff_suites(before, after))
    assert text.splitlines()[1:] == [
        '  suite version: "1" -> "2"',
        "+ new",
        "- gone",
        "> moved is now renamed",
        '~ asked input.question: "Why?" -> "How?"',
        '~ asked expected_output: "a" -> "b"',
        '~ judged context: "text" -> "other text"',
        "~ tagged metadata.n: null -> nothing",
        '~ tagged metadata.topic: "x" -> "y"',
        '~ tagged tags: nothing -> ["t"]',
        "~ tagged version: nothing -> 2",
        "A run would ask 3 answers and compute 3 scores anew; 3 cases change the verdict only.",
    ]


def test_markdown_keeps_hostile_texts_in_their_cells() -> None:
    nasty = Case(id="kept", input="a | b `c` <script> @all\n", expected_output="same")
    text = as_markdown(diff_suites(Suite(id="s", cases=(kept,)), Suite(id="s", cases=(nasty,))))
    (row,) = [line for line in text.splitlines() if line.startswith("| ~")]
    assert row == ('| ~ | kept | input: "same" -> "a \\| b \\`c\\` &lt;script> &#64;all\\\\n" |')


def test_odd_keys_are_changed_with_their_map() -> None:
    a = Suite(id="s", cases=(Case(id="a", input={"odd key": 1, "x": 1}, extra={"x-a.b": 1}),))
    b = Suite(id="s", cases=(Case(id="a", input={"odd key": 2, "x": 1}, extra={"x-a.b": 2}),))
    diff = diff_suites(a, b)
    assert [change.path for change in diff.input_changed[0].changes] == ["input"]
    assert apply_diff(a, diff) == b


def test_an_empty_diff_applies_to_anything() -> None:
    diff: SuiteDiff = diff_suites(before, before)
    assert apply_diff(after, diff) == after
