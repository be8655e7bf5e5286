"""The tables of what an edit changes: hashes of a case, digests of a suite and of a plan."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals.suite import (
    Case,
    Suite,
    SuiteDefaults,
    hashes_by_id,
    plan_digest,
    suite_digest,
)

one = Case(
    id="b",
    input="Why?",
    expected_output="Because",
    metadata={"topic": "x", "locale": "fr"},
    tags=("t",),
    context="Text",
    choices=("A", "B"),
    expected_tools=({"name": "f"},),
    relevant_ids=("d1",),
    attachments=({"path": "a.txt", "sha256": "0" * 64, "mime": "text/plain"},),
)
suite = Suite(id="s", cases=(Case(id="a", input="first"), one, Case(id="c", input="last")))
Change = Callable[[Suite], Suite]


def with_case(**edit: Any) -> Change:
    return lambda whole: replace(
        whole, cases=tuple(replace(c, **edit) if c.id == "b" else c for c in whole.cases)
    )


def with_suite(**edit: Any) -> Change:
    return lambda whole: replace(whole, **edit)


def changed(change: Change, start: Suite) -> set[str]:
    """Names of all hashes and digests that the change changes."""
    end = change(start)
    before, after = hashes_by_id(start)["b"], hashes_by_id(end).get("b")
    names = before.__slots__ if after is not None else ()
    found = {name for name in names if getattr(before, name) != getattr(after, name)}
    if suite_digest(start) != suite_digest(end):
        found.add("suite_digest")
    return found | ({"plan_digest"} if plan(start) != plan(end) else set())


def plan(whole: Suite) -> str:
    defaults = whole.defaults
    return plan_digest(
        whole,
        metrics=list(defaults.metrics),
        repeats=defaults.repeats,
        reducer=defaults.reducer,
        cluster_by=defaults.cluster_by,
    )


of_input = {"input_hash", "case_hash", "suite_digest"}
of_reference = {"reference_hash", "case_hash", "suite_digest"}
of_annotation = {"annotation_hash", "plan_digest"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (with_case(input="How?"), of_input),
        (with_case(input="Why? "), of_input),
        (with_case(input={"q": "Why?"}), of_input),
        (with_case(attachments=({"path": "a.txt", "sha256": "1" * 64, "mime": "text/plain"},)), of_input),
        (with_case(attachments=({"path": "b.txt", "sha256": "0" * 64, "mime": "text/plain"},)), set()),
        (with_case(context="Other"), of_input | of_reference),
        (with_case(choices=("B", "A")), of_input | of_reference),
        (with_case(expected_output="Since"), of_reference),
        (with_case(expected_output=["Because", "Since"]), of_reference),
        (with_case(expected_output=None), of_reference),
        (with_case(expected_output=""), of_reference),
        (with_case(expected_tools=None), of_reference),
        (with_case(relevant_ids=("d2",)), of_reference),
        (with_case(name="N"), of_annotation),
        (with_case(tags=()), of_annotation),
        (with_case(metadata={}), of_annotation),
        (with_case(weight=2.0), of_annotation),
        (with_case(cluster_id="k"), of_annotation),
        (with_case(split="dev"), of_annotation),
        (with_case(status="frozen"), of_annotation),
        (with_case(metrics=("bleu",)), of_annotation),
        (with_case(status="quarantined"), of_annotation | {"suite_digest"}),
        (with_case(version=7), set()),
        (with_case(created_at="2025-01-31T00:00:00Z"), set()),
        (with_case(source={"file": "f"}), set()),
        (with_case(extra={"x-note": 1}), set()),
        (with_case(id="z"), {"suite_digest", "plan_digest"}),
        (lambda whole: replace(whole, cases=whole.cases[::-1]), set()),
        (lambda whole: replace(whole, cases=whole.cases[1:]), {"suite_digest", "plan_digest"}),
        (with_suite(id="other"), set()),
        (with_suite(name="Other", description="words", version="9"), set()),
        (with_suite(gate={"rules": []}), set()),
        (with_suite(extra={"tags": ("t",), "privacy": "redact", "x-owner": "me"}), set()),
        (with_suite(defaults=SuiteDefaults(prompt="{{ input }}!")), set()),
        (with_suite(defaults=SuiteDefaults(timeout_seconds=1.0)), set()),
        (with_suite(defaults=SuiteDefaults(metrics=("bleu",))), {"plan_digest"}),
        (with_suite(defaults=SuiteDefaults(repeats=2)), {"plan_digest"}),
        (with_suite(defaults=SuiteDefaults(reducer="median")), {"plan_digest"}),
        (with_suite(defaults=SuiteDefaults(cluster_by="metadata.topic")), {"plan_digest"}),
        (
            with_suite(extra={"hash_metadata": ("metadata.locale",)}),
            of_input | of_annotation,
        ),
    ],
)  # fmt: skip
def test_each_edit_changes_exactly_what_the_table_says(change: Change, expected: set[str]) -> None:
    assert changed(change, suite) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"topic": "x", "locale": "de"}, of_input),
        ({"topic": "x"}, of_input),
        ({"topic": "y", "locale": "fr"}, of_annotation),
        ({"topic": "y", "locale": "de"}, of_input | of_annotation),
    ],
)
def test_metadata_that_is_hashed_counts_as_input(metadata: Any, expected: set[str]) -> None:
    start = replace(suite, extra={"hash_metadata": ("metadata.locale",)})
    assert changed(with_case(metadata=metadata), start) == expected


def test_a_threshold_changes_the_plan_and_no_question() -> None:
    start = replace(suite, defaults=SuiteDefaults(metrics=({"type": "bleu", "threshold": 0.3},)))
    change = with_suite(defaults=SuiteDefaults(metrics=({"type": "bleu", "threshold": 0.4},)))
    assert changed(change, start) == {"plan_digest"}
