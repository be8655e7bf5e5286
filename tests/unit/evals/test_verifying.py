"""A report that was changed anywhere is found out, and the change is named."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.evals.archive import Archive
from pipex_core.evals.html import report_html
from pipex_core.evals.proof import packed, unpacked
from pipex_core.evals.publication import Place
from pipex_core.evals.retelling import Made, stored_findings
from pipex_core.evals.verifying import (
    Difference,
    Verification,
    most_differences,
    verify_report,
)
from pipex_core.jsonvalue import canonical, canonical_bytes, digest, parse
from tests.fakes.reports import archived, compared_findings, hostile_findings

version = "1.2"
proof = re.compile(r'(id="pipex-proof">)([^<]*)(<)')


@pytest.fixture(scope="module")
def stored() -> tuple[MemoryBlobs, Archive, Place]:
    blobs = MemoryBlobs()
    archive, place, _ = archived(blobs)
    return blobs, archive, place


@pytest.fixture(scope="module")
def html(stored: tuple[MemoryBlobs, Archive, Place]) -> str:
    _, archive, place = stored
    return report_html(stored_findings(archive, place, made=Made(by=version)))


def verified(text: str, **fields: Any) -> Verification:
    return verify_report(text, made_by=version, **fields)


def found(text: str, **fields: Any) -> list[tuple[str, str]]:
    return [(one.part, one.where) for one in verified(text, **fields).differences]


def proof_in(html: str) -> str:
    (found,) = proof.findall(html)
    return str(found[1])


def reproved(html: str, change: Callable[[Any], None]) -> str:
    """The page with its proof changed, the digest of each part made right again."""
    document = parse(canonical(unpacked(proof_in(html))))
    change(document)
    document["digests"] = {k: digest(v) for k, v in document.items() if k != "digests"}
    return proof.sub(lambda one: f"{one[1]}{packed(document)}{one[3]}", html)


def test_a_report_as_it_was_made_is_true(html: str) -> None:
    assert verified(html) == Verification(run_id="ev_2", differences=[])


@pytest.mark.parametrize("make", [compared_findings, hostile_findings])
def test_a_report_of_findings_that_were_never_stored_is_true_too(make: Callable[[], Any]) -> None:
    assert verify_report(report_html(make()), made_by="").differences == []


def visible(html: str) -> list[int]:
    """Where the first number or word of each text stands that people read."""
    start, end = html.index("<body>"), html.index('<script type="application/octet-stream"')
    return [one.start() for one in re.compile(r"(?<=>)\w").finditer(html, start, end)]


def test_any_number_or_word_of_the_page_that_is_changed_is_found(html: str) -> None:
    places = visible(html)
    assert len(places) > 800
    groups = len(places) // most_differences
    for first in range(0, groups, groups // 8):
        chosen = places[first::groups][:most_differences]
        signs = list(html)
        for place in chosen:
            signs[place] = "7" if signs[place] != "7" else "8"
        assert [one.part for one in verified("".join(signs)).differences] == ["page"] * len(chosen)


def test_a_changed_number_is_named_with_its_heading_and_both_values(html: str) -> None:
    changed = html.replace("<dd>75.00 %", "<dd>95.00 %")
    assert changed != html
    (difference,) = verified(changed).differences
    assert difference == Difference(
        part="page", where="head of the page", said="<dd>95.00 %", computed="<dd>75.00 %"
    )
    table = html.index("Compared with prompt</h2>")
    moved = html[:table] + html[table:].replace("-0.25", "-0.01", 1)
    (difference,) = verified(moved).differences
    assert difference.where == "Compared with prompt"


def test_a_verdict_that_was_turned_is_found(html: str) -> None:
    changed = html.replace("</span> FAIL</h1>", "</span> PASS</h1>")
    assert changed != html
    assert found(changed) == [("page", "head of the page")]


def test_a_line_that_was_taken_out_is_found(html: str) -> None:
    row = re.search(r'<tr><th scope="row">q01</th>.*?</tr>', html)
    assert row
    assert found(html.replace(row[0], ""))[0] == ("page", "All cases")


def test_words_added_at_the_end_are_found(html: str) -> None:
    assert found(html + "<p>approved</p>")[0][0] == "page"


def test_the_data_of_the_script_cannot_be_changed_alone(html: str) -> None:
    start = html.index('id="case-data"')
    changed = html[:start] + html[start:].replace('"failed"', '"passed"', 1)
    assert found(changed) == [("page", "All cases")]


def test_a_score_that_was_raised_in_the_proof_is_named_by_its_case(html: str) -> None:
    def raise_first(document: Any) -> None:
        scores = document["scores"]
        place = next(i for i, value in enumerate(scores["score"]) if value == 0)
        scores["score"][place] = 1

    parts = found(reproved(html, raise_first))
    assert ("row", "case q01, repeat 0") in parts
    assert any(part == "verdict" for part, _ in parts) or any(
        where.startswith("summary.metrics") for _, where in parts
    )


@pytest.mark.parametrize(
    ("change", "part", "where"),
    [
        (lambda d: d["verdict"].update(verdict="PASS"), "verdict", "verdict.verdict"),
        (lambda d: d["manifest"]["verdict"]["rules"][0].update(diff=0.5), "verdict",
         "verdict.rules[0].diff"),
        (lambda d: d["summary"].update(pass_rate=99.0), "summary", "summary.pass_rate"),
        (lambda d: d["gate"]["rules"][0].update(margin=0.9), "gate", "gate.rules[0].margin"),
        (lambda d: d["manifest"]["gate"].update(alpha=0.4), "gate", "gate.digest"),
        (lambda d: d["responses"]["output"].__setitem__(3, "better"), "row", "case q03, repeat 0"),
        (lambda d: d["baseline"]["scores"]["score"].__setitem__(0, 0.0), "verdict",
         "verdict.rules[0].n_losses"),
        (lambda d: d["manifest"]["run"].update(seed=7), "page", "To do it again"),
    ], ids=["verdict", "difference", "pass rate", "margin", "alpha", "answer", "baseline", "seed"],
)  # fmt: skip
def test_a_claim_in_the_proof_that_its_rows_do_not_bear_is_named(
    html: str, change: Callable[[Any], None], part: str, where: str
) -> None:
    parts = found(reproved(html, change))
    assert parts
    assert (part, where) in parts or part in {one for one, _ in parts}


def test_a_part_whose_digest_was_not_made_right_is_named(html: str) -> None:
    document = dict(unpacked(proof_in(html)))
    document["command"] = "rm"
    text = proof.sub(lambda one: f"{one[1]}{packed(document)}{one[3]}", html)
    assert ("proof", "command is not what its digest says") in found(text)


def test_a_row_that_was_taken_out_of_the_proof_is_named(html: str) -> None:
    def drop(document: Any) -> None:
        for column in document["responses"].values():
            del column[5]

    assert ("row", "case q05, repeat 0") in found(reproved(html, drop))


@pytest.mark.parametrize(
    "damage",
    [
        lambda html: proof.sub(r"\1\3", html),
        lambda html: proof.sub(r"\1AAAA\3", html),
        lambda html: proof.sub(r"\1!!\3", html),
        lambda html: html.replace('id="pipex-proof"', 'id="other"'),
        lambda html: proof.sub(lambda one: f"{one[1]}{packed({'schema': 'x/1'})}{one[3]}", html),
        lambda html: reproved(html, lambda d: d.pop("scores")),
        lambda html: reproved(html, lambda d: d["scores"].update(metric=["x"])),
    ],
    ids=["empty", "no gzip", "no base64", "none", "another schema", "no scores", "ragged"],
)
def test_a_proof_that_cannot_be_read_is_a_difference_and_no_crash(
    html: str, damage: Callable[[str], str]
) -> None:
    assert [part for part, _ in found(damage(html))] == ["proof"]


def test_a_page_of_another_version_is_checked_by_its_seal(html: str) -> None:
    told = verify_report(html, made_by="9.9")
    assert told.differences == []
    assert "made by pipex 1.2" in told.notes[0]
    changed = html.replace("<dd>75.00 %", "<dd>95.00 %")
    assert verify_report(changed, made_by="9.9").differences == [
        Difference(part="page", where="seal of the page")
    ]


def test_rows_are_held_against_the_tables(
    html: str, stored: tuple[MemoryBlobs, Archive, Place]
) -> None:
    blobs, archive, place = stored
    assert verified(html, archive=archive).differences == []
    assert found(html, archive=Archive(MemoryBlobs())) == [
        ("tables", "run ev_2 is not among the results")
    ]
    other = MemoryBlobs()
    for key in blobs.list(""):
        other.put(key, blobs.get(key))
    manifest = {**archive.manifest(place), "row_digest": "0" * 64}
    other.put(place.manifest, canonical_bytes(manifest))
    wheres = {where for _, where in found(html, archive=Archive(other))}
    assert wheres == {"manifest.row_digest", "row_digest"}
    other.put(place.key("scores", "part-00000.parquet"), b"rubbish")
    assert [part for part, _ in found(html, archive=Archive(other))] == ["tables"]


def test_what_cannot_be_computed_again_is_noted(
    html: str, stored: tuple[MemoryBlobs, Archive, Place]
) -> None:
    blobs, _, place = stored
    alone = MemoryBlobs()
    for key in blobs.list(""):
        if place.run_id in key:
            alone.put(key, blobs.get(key))
    page = report_html(stored_findings(Archive(alone), place, made=Made(by=version)))
    told = verified(page)
    assert told.differences == []
    assert told.notes == (
        "comparisons and verdict cannot be computed again: no rows of the baseline",
    )
    assert page != html


def test_at_most_twenty_differences_are_told(html: str) -> None:
    body, mark, rest = html.partition('<script type="application/octet-stream"')
    assert len(found(f"{body.replace('wrong', 'right')}{mark}{rest}")) == 20


def test_a_proof_whose_bytes_were_turned_is_a_difference(html: str) -> None:
    def turned(one: re.Match[str]) -> str:
        middle = len(one[2]) // 2
        return f"{one[1]}{one[2][:middle]}////{one[2][middle + 4 :]}{one[3]}"

    assert [part for part, _ in found(proof.sub(turned, html))] == ["proof"]
