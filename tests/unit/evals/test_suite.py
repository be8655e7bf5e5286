"""Identity of cases and suites: which edit changes which hash."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals.suite import (
    Case,
    CaseHashes,
    Suite,
    cluster_of,
    hashes,
    hashes_by_id,
    plan_digest,
    references,
    scalars_by_path,
    suite_digest,
)
from pipex_core.jsonvalue import digest

base = Case(
    id="a",
    input={"question": "Why?"},
    expected_output="Because",
    metadata={"topic": "x", "locale": {"language": "fr"}},
    tags=("t",),
    context="Some text",
    choices=("A", "B"),
    attachments=({"path": "a.txt", "sha256": "0" * 64, "mime": "text/plain"},),
)


def changed(before: CaseHashes, after: CaseHashes) -> set[str]:
    names = ("input_hash", "reference_hash", "annotation_hash")
    return {name for name in names if getattr(before, name) != getattr(after, name)}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"id": "b"}, set()),
        ({"version": 2}, set()),
        ({"created_at": "2025-01-01T00:00:00Z"}, set()),
        ({"source": {"format": "csv"}}, set()),
        ({"extra": {"x-note": 1}}, set()),
        ({"input": {"question": "How?"}}, {"input_hash"}),
        ({"attachments": None}, {"input_hash"}),
        ({"context": "Other text"}, {"input_hash", "reference_hash"}),
        ({"context": ("Some text",)}, {"input_hash", "reference_hash"}),
        ({"choices": ("B", "A")}, {"input_hash", "reference_hash"}),
        ({"expected_output": "Since"}, {"reference_hash"}),
        ({"expected_output": ""}, {"reference_hash"}),
        ({"expected_tools": ({"name": "f"},)}, {"reference_hash"}),
        ({"relevant_ids": ("d1",)}, {"reference_hash"}),
        ({"name": "N"}, {"annotation_hash"}),
        ({"tags": ("t", "u")}, {"annotation_hash"}),
        ({"metadata": {"topic": "y"}}, {"annotation_hash"}),
        ({"weight": 2.0}, {"annotation_hash"}),
        ({"cluster_id": "c"}, {"annotation_hash"}),
        ({"split": "dev"}, {"annotation_hash"}),
        ({"status": "quarantined"}, {"annotation_hash"}),
        ({"metrics": ("bleu",)}, {"annotation_hash"}),
    ],
)
def test_each_edit_changes_exactly_the_hashes_it_belongs_to(
    edit: dict[str, Any], expected: set[str]
) -> None:
    before, after = hashes(base), hashes(replace(base, **edit))
    assert changed(before, after) == expected
    assert (before.case_hash != after.case_hash) == bool(expected - {"annotation_hash"})


def test_the_input_hash_is_sha256_of_canonical_json() -> None:
    found = hashes(Case(id="a", input="hello"))
    # printf '{"input":"hello"}' | sha256sum, and the same of '{}'
    assert found.input_hash == "402397da9d5fb35c9dd2bde9646e07b821eb8c53bac5362303a0e52a925c9caf"
    assert (
        found.reference_hash == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
    assert found.case_hash == digest([found.input_hash, found.reference_hash])


def test_texts_are_hashed_as_given() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    crlf, lf = "a\r\nb", "a\nb"
    found = {
        hashes(Case(id="a", input=text)).input_hash for text in (composed, decomposed, crlf, lf)
    }
    assert len(found) == 4


def test_metadata_that_is_hashed_moves_from_the_annotations_to_the_input() -> None:
    other = replace(base, metadata={"topic": "x", "locale": {"language": "de"}})
    assert changed(hashes(base), hashes(other)) == {"annotation_hash"}
    paths = ["metadata.locale.language"]
    before, after = hashes(base, hash_metadata=paths), hashes(other, hash_metadata=paths)
    assert changed(before, after) == {"input_hash"}
    absent = hashes(base, hash_metadata=["metadata.absent.deep", "metadata.topic.below"])
    assert changed(absent, hashes(base)) == set()


def suite_of(*cases: Case, **fields: Any) -> Suite:
    return Suite(id="s", cases=cases, **fields)


def test_the_suite_digest_ignores_order_names_and_quarantine() -> None:
    a, b = Case(id="a", input="1"), Case(id="b", input="2")
    bad = Case(id="c", input="3", status="quarantined")
    known = suite_digest(suite_of(a, b))
    assert suite_digest(suite_of(b, a, name="Other", version="7")) == known
    assert suite_digest(suite_of(a, b, bad)) == known
    assert suite_digest(suite_of(a, replace(b, tags=("t",), weight=3.0))) == known
    assert suite_digest(suite_of(a, replace(b, id="z"))) != known
    assert suite_digest(suite_of(a)) != known


def test_known_hashes_are_not_computed_again() -> None:
    suite = suite_of(Case(id="a", input="1"))
    known = {"a": replace(hashes_by_id(suite)["a"], case_hash="0" * 64)}
    assert suite_digest(suite, known=known) == digest([["a", "0" * 64]])


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ["bleu", "exact_match"]},
        {"metrics": [{"type": "bleu", "threshold": 0.4}]},
        {"repeats": 2},
        {"reducer": "median"},
        {"cluster_by": "metadata.topic"},
    ],
)
def test_the_plan_digest_covers_everything_that_judges(change: dict[str, Any]) -> None:
    suite = suite_of(Case(id="a", input="1"))
    plan: dict[str, Any] = {
        "metrics": ["bleu"],
        "repeats": 1,
        "reducer": "mean",
        "cluster_by": None,
    }
    known = plan_digest(suite, **plan)
    assert plan_digest(suite, **{**plan, **change}) != known
    assert plan_digest(suite_of(Case(id="a", input="1", weight=2.0)), **plan) != known
    assert plan_digest(suite_of(Case(id="a", input="other")), **plan) == known


@pytest.mark.parametrize(
    ("expected", "texts", "structured", "is_structured"),
    [
        (None, (), None, False),
        ("", ("",), None, False),
        ("one", ("one",), None, False),
        (["one", "two"], ("one", "two"), None, False),
        (
            {"a": 1, "b": [True, None]},
            ('{"a":1,"b":[true,null]}',),
            {"a": 1, "b": [True, None]},
            True,
        ),
        ([1, "two"], ('[1,"two"]',), [1, "two"], True),
        (42, ("42",), 42, True),
        (1.5, ("1.5",), 1.5, True),
        (False, ("false",), False, True),
        ({"$value": ["one", "two"]}, ('["one","two"]',), ["one", "two"], True),
        ({"$value": "text"}, ("text",), "text", True),
        ({"$value": None}, ("",), None, True),
    ],
)
def test_references_are_one_several_or_structured(
    expected: Any, texts: Any, structured: Any, is_structured: Any
) -> None:
    found = references(Case(id="a", input="q", expected_output=expected))
    assert (found.texts, found.structured, found.is_structured) == (
        texts,
        structured,
        is_structured,
    )


def test_a_cluster_is_the_cases_own_else_the_value_at_the_path() -> None:
    case = Case(id="a", input="q", metadata={"topic": 7, "none": None}, split="dev")
    assert cluster_of(case, cluster_by=None) is None
    assert cluster_of(case, cluster_by="metadata.topic") == "7"
    assert cluster_of(case, cluster_by="metadata.none") is None
    assert cluster_of(case, cluster_by="metadata.absent") is None
    assert cluster_of(case, cluster_by="split") == "dev"
    assert cluster_of(replace(case, cluster_id="own"), cluster_by="split") == "own"


def test_scalars_of_the_metadata_are_listed_by_path() -> None:
    found = scalars_by_path({"b": {"c": 1, "d": [1, 2]}, "a": "x", "n": None, "flag": True})
    assert found == {"metadata.a": "x", "metadata.b.c": 1, "metadata.flag": True}
    assert list(found) == sorted(found)
