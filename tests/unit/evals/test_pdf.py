"""The PDF: the report's words in their order, tagged, with bookmarks, and never a blank box without notice."""

import io
from datetime import datetime
from typing import Any

import pytest
from pypdf import PdfReader

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.adapters.typesetting import TypstTypesetter
from pipex_core.errors import ConfigError
from pipex_core.evals.findings import Findings
from pipex_core.evals.pdf import Typeset, pdf_document, report_pdf
from pipex_core.evals.report import verdict_report
from pipex_core.evals.retelling import stored_findings
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.evals.typstsource import probe
from tests.fakes.evaluation import capital_suite, case, job, run
from tests.fakes.reports import archived, compared_findings, findings, hostile_findings
from tests.fakes.world import World


@pytest.fixture(scope="module")
def typesetter() -> TypstTypesetter:
    return TypstTypesetter(probe=probe)


@pytest.fixture(scope="module")
def made(typesetter: TypstTypesetter) -> Typeset:
    return report_pdf(compared_findings(), typesetter)


@pytest.fixture(scope="module")
def reader(made: Typeset) -> PdfReader:
    return PdfReader(io.BytesIO(made.data))


def text_of(reader: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_the_words_come_out_in_the_order_of_the_report(reader: PdfReader) -> None:
    text = text_of(reader)
    report = verdict_report(compared_findings())
    places = [text.index(section.title) for section in report.sections]
    assert places == sorted(places)
    assert text.startswith("FAIL not_worse, difference -0.367 over 30 pairs")
    assert text.index("not_worse demands") < places[0]


def test_every_cell_of_every_table_is_there(reader: PdfReader) -> None:
    text = text_of(reader).replace(" ", "")
    for section in verdict_report(compared_findings()).sections:
        for row in section.grid.rows if section.grid else ():
            for cell in row:
                assert cell.replace(" ", "") in text


def test_raw_outputs_are_left_out(reader: PdfReader) -> None:
    assert "a wrong word" not in text_of(reader)
    assert "q01: broken (exact_match -1)" in text_of(reader)


def test_title_language_tags_bookmarks_and_page_numbers_are_there(reader: PdfReader) -> None:
    assert reader.metadata is not None
    assert reader.metadata.title == "FAIL: capitals (version 1): prompt on m"
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    marks = [mark.title for mark in reader.outline if not isinstance(mark, list)]
    assert marks == [section.title for section in verdict_report(compared_findings()).sections]
    count = len(reader.pages)
    assert f"1 / {count}" in reader.pages[0].extract_text()


def test_every_font_is_embedded(reader: PdfReader) -> None:
    pages: list[Any] = list(reader.pages)
    fonts = [font.get_object() for page in pages for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object()
        assert {"/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"])


def test_the_same_findings_give_the_same_bytes(made: Typeset, typesetter: TypstTypesetter) -> None:
    assert report_pdf(compared_findings(), typesetter) == made


def named(case_id: str) -> Findings:
    suite = capital_suite(
        [case("de", tags=(case_id,))], defaults=SuiteDefaults(metrics=("exact_match",))
    )
    return findings(run(job(suite), World({"default": {"reply": "x"}})), command=case_id)


@pytest.mark.parametrize("words", ["Grüße, façade", "Ελληνικά", "Русский, Ђорђе"])
def test_latin_greek_and_cyrillic_are_written(words: str, typesetter: TypstTypesetter) -> None:
    found = report_pdf(named(words), typesetter)
    assert found.warnings == []
    assert words in text_of(PdfReader(io.BytesIO(found.data)))


def test_other_scripts_stand_as_code_points_with_a_visible_warning(
    typesetter: TypstTypesetter,
) -> None:
    found = report_pdf(named("漢字 ok"), typesetter)
    text = text_of(PdfReader(io.BytesIO(found.data)))
    assert "⟨U+6F22⟩⟨U+5B57⟩ ok" in text
    assert found.warnings == [
        (
            "The fonts have no U+5B57, U+6F22; these signs stand as their code points."
            " Name a font that has them with --font FILE."
        )
    ]
    assert found.warnings[0][:40] in text


def test_many_lost_signs_are_counted(typesetter: TypstTypesetter) -> None:
    found = report_pdf(named("一二三四五六七"), typesetter)
    assert " and 2 more; " in found.warnings[0]


def test_hostile_texts_are_set_as_they_are(typesetter: TypstTypesetter) -> None:
    found = report_pdf(hostile_findings(), typesetter)
    text = text_of(PdfReader(io.BytesIO(found.data)))
    assert "<script>alert(1)</script>" in text
    assert "::error::no" in text


def test_a_word_without_end_is_broken_and_stays_whole(typesetter: TypstTypesetter) -> None:
    found = report_pdf(named("x" * 200), typesetter)
    text = text_of(PdfReader(io.BytesIO(found.data)))
    assert "x" * 200 in text.replace("\u200b", "").replace(" ", "")


def test_the_document_holds_a_chart_for_every_rule_and_metric() -> None:
    parts = {part["title"]: part for part in pdf_document(compared_findings())["parts"]}
    assert len(parts["Rules of the gate"]["charts"]) == 7
    assert [one["title"] for one in parts["Metrics"]["charts"]] == ["exact_match", "token_f1"]
    for chart in parts["Metrics"]["charts"]:
        assert chart["svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg" ')
        assert "var(" not in chart["svg"]
        assert "cases from" in chart["told"]


def test_slices_that_moved_have_charts_and_a_run_without_numbers_has_none() -> None:
    archive, place, _ = archived(MemoryBlobs())
    parts = {one["title"]: one for one in pdf_document(stored_findings(archive, place))["parts"]}
    titles = [one["title"] for one in parts["Slices that moved"]["charts"]]
    assert titles == ["exact_match on tags=hard", "token_f1 on tags=hard"]
    rules = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    outage = run(job(options={"second_pass": False}), World(rules))
    assert [one["charts"] for one in pdf_document(findings(outage))["parts"] if one["charts"]] == []


def test_a_file_that_is_no_font_is_refused(tmp_path: object) -> None:
    path = f"{tmp_path}/no.ttf"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - one line
        file.write("no")
    with pytest.raises(ConfigError, match="is no font"):
        TypstTypesetter(probe=probe, font=path)


def test_nothing_to_write_needs_no_font(typesetter: TypstTypesetter) -> None:
    assert typesetter.unwritable(" \n") == frozenset()
    at = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    assert typesetter.pages(probe, "x", at=at).startswith(b"%PDF-")
