"""The HTML report: well formed, readable by everyone, and nothing in it but what this code put there."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import html5lib
import pytest

from pipex_core.evals.findings import FlipText, result_document
from pipex_core.evals.html import report_html
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.pagescript import page_script
from pipex_core.evals.rendering import interval, number, percent
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.stylesheet import Palette, dark, light, stylesheet, text_on_ground
from tests.fakes.evaluation import capital_suite, case, job, run
from tests.fakes.reports import compared_findings, findings, hostile_findings
from tests.fakes.world import World

without_end = {"meta", "br", "hr"}
not_for_people = ("style", "script")


class Page(HTMLParser):
    """A document as a parser sees it; a tag that closes another than the last one open is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in without_end:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag not in not_for_people)


@pytest.fixture(scope="module")
def html() -> str:
    return report_html(compared_findings())


@pytest.fixture(scope="module")
def harmful() -> str:
    return report_html(hostile_findings())


@pytest.fixture(params=["html", "harmful"])
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.getfixturevalue(request.param))


def test_every_tag_is_closed_in_order(page: Page) -> None:
    assert page.open == []
    assert page.tags[0] == ("html", {"lang": "en"})


@pytest.mark.parametrize("name", ["html", "harmful"])
def test_a_strict_parser_of_the_standard_finds_no_error(
    name: str, request: pytest.FixtureRequest
) -> None:
    html5lib.HTMLParser(strict=True).parse(request.getfixturevalue(name))


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert max(Counter(ids).values()) == 1
    wanted = {(a["href"] or "").removeprefix("#") for a in page.all("a")}
    for _, attributes in page.tags:
        wanted |= set((attributes.get("aria-labelledby") or "").split())
    assert wanted <= set(ids)


def test_headings_begin_with_one_and_skip_no_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_ - one <= 1 for one, next_ in pairwise(levels))


def test_landmarks_are_there_once_and_have_names(page: Page) -> None:
    for tag in ("header", "nav", "main", "footer"):
        assert len(page.all(tag)) == 1
    assert page.all("nav")[0]["aria-label"]
    assert all(a.get("aria-labelledby") for a in page.all("section"))
    assert all(a.get("aria-label") for _, a in page.tags if a.get("role") == "region")


def test_every_header_cell_says_what_it_heads_and_every_table_its_name(page: Page) -> None:
    assert {a.get("scope") for a in page.all("th")} == {"col", "row"}
    assert len(page.all("caption")) == len(page.all("table")) > 0


def test_every_chart_has_a_title_and_a_description(page: Page) -> None:
    charts = page.all("svg")
    assert charts
    for chart in charts:
        assert chart["role"] == "img"
        assert len((chart["aria-labelledby"] or "").split()) == 2
    count = Counter(tag for tag, _ in page.texts if tag == "desc")
    assert count["desc"] == len(charts)


def test_nothing_is_loaded_and_only_the_own_script_runs(page: Page) -> None:
    running = [a for a in page.all("script") if a.get("type") is None]
    assert running == [{}]
    assert {tag for tag, _ in page.tags} & {
        "img",
        "link",
        "iframe",
        "object",
        "form",
    } == set()
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
    assert all((a["href"] or "").startswith("#") for a in page.all("a"))
    (style,) = [text for tag, text in page.texts if tag == "style"]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_the_one_style_sheet_and_the_one_script_by_their_hashes(
    html: str,
) -> None:
    (policy,) = [
        a["content"] for a in Page(html).all("meta")
        if a.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    (style,) = [text for tag, text in Page(html).texts if tag == "style"]
    script = html[html.rindex("<script>") + len("<script>") : html.rindex("</script>")]
    styled, ran = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    )
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{styled}'; script-src 'sha256-{ran}';"
        " base-uri 'none'; form-action 'none'"
    )
    assert style == stylesheet()
    assert script == page_script()


def test_hostile_text_is_text_and_what_acts_unseen_is_written_out(harmful: str) -> None:
    text = Page(harmful).text()
    assert "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> </style> ]]> -->" in text
    assert "⟨U+2028⟩ ⟨U+202E⟩gnp⟨U+202C⟩ ⟨U+001B⟩[2J" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u2028\u2029\u202a-\u202e]", harmful)


def test_hostile_text_adds_no_tag(html: str, harmful: str) -> None:
    assert {tag for tag, _ in Page(harmful).tags} <= {tag for tag, _ in Page(html).tags} | {"p"}


def test_the_verdict_is_first_and_its_sentence_follows(html: str) -> None:
    text = Page(html).text()
    body = text[text.index("Skip to the report") :]
    assert body.startswith("Skip to the report✗ FAILnot_worse, difference -0.367 over 30 pairs")


def cells(html: str) -> list[list[str]]:
    return [
        [re.sub("<svg.*?</svg>|<[^>]+>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", row)]
        for row in re.findall("<tr>.*?</tr>", html)
    ]


def test_the_numbers_are_those_of_the_document(html: str) -> None:
    document = result_document(compared_findings())
    rows = {row[0]: row for row in cells(html) if len(row) == 9}
    for name, metric in document["metrics"].items():
        assert rows[name][1:5] == [
            number(metric["mean"]),
            interval(metric["ci"]["low"], metric["ci"]["high"]),
            percent(metric["pass_rate"]),
            str(metric["n_scored"]),
        ]
    (compared,) = [r for r in cells(html) if r[0] == "exact_match" and len(r) == 10]
    (row,) = [
        r for r in document["comparisons"] if r["rule_id"] is None and r["metric"] == "exact_match"
    ]
    assert compared[1:5] == [
        number(row["mean_a"]), number(row["mean_b"]), f"{row['diff']:+.3g}",
        interval(row["ci_low"], row["ci_high"]),
    ]  # fmt: skip
    assert f"<dd>{document['summary']['pass_rate']:.2f} %<small>" in html


def test_the_table_of_a_histogram_counts_every_case(html: str) -> None:
    document = result_document(compared_findings())
    bins = document["metrics"]["exact_match"]["histogram"]
    shown = [int(row[2]) for row in cells(html) if len(row) == 3 and row[2] != "cases"]
    assert shown[: len(bins["counts"])] == bins["counts"]
    assert sum(bins["counts"]) == 30


def test_outcomes_have_a_word_and_a_sign_beside_their_colour(html: str) -> None:
    rules = [row for row in cells(html) if len(row) == 6 and row[2] in ("critical", "advisory")]
    assert rules[0][:2] == ["✗ FAIL", "not_worse"]
    assert {row[0].split()[0] for row in rules} == {"✗", "?", "✓"}


def test_rules_are_drawn_beside_what_they_ask_for(html: str) -> None:
    told = re.findall("<desc[^>]*>(.*?)</desc>", html)
    (row,) = [
        row for row in result_document(compared_findings())["comparisons"]
        if row["rule_id"] == "not_worse"
    ]  # fmt: skip
    shown = f"-0.367 {interval(row['ci_low'], row['ci_high'])}"
    assert f"{shown}; -0.05 allowed: FAIL." in told
    for mark in ("+0.01 wanted", "-0.5; 0.5", "-5 % allowed", "0.5 wanted", "0.95 wanted"):
        assert any(mark in one for one in told)


def test_changed_words_are_marked_as_gone_and_as_new(html: str) -> None:
    assert "<pre><del>w1</del></pre>" in html
    assert "<pre><ins>a wrong word</ins></pre>" in html
    assert '<p class="label">now</p><pre>w7</pre>' in html


def test_the_same_findings_give_the_same_bytes(html: str) -> None:
    assert report_html(compared_findings()) == html


def test_a_run_without_gate_or_baseline_has_its_end_as_the_verdict() -> None:
    html = report_html(findings(run(job())))
    assert "</span> COMPLETED</h1>" in html
    assert "Rules of the gate" not in html


def outage() -> EvalRun:
    rules = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    suite = capital_suite([case("de"), case("es", status="quarantined")])
    return run(job(suite, options={"second_pass": False}), World(rules))


def test_a_run_without_scores_draws_nothing_and_warns_first() -> None:
    html = report_html(findings(outage()))
    assert "<svg" not in html
    assert "</span> INCOMPLETE</h1>" in html
    assert html.index('class="lines note"') < html.index("Metrics</h2>")


def test_a_comparison_without_pairs_has_no_chart() -> None:
    before = run(job(metrics=["token_f1"]))
    now = run(job(run_id="ev_2", baseline=judged_of(before.judgement)))
    assert '<td class="chart">no chart</td>' in report_html(findings(now))


def test_a_metric_without_threshold_has_none_in_its_words() -> None:
    html = report_html(findings(run(job(metrics=["rougeL"]))))
    assert ">rougeL</h3>" in html
    assert "broken line" not in html


def test_what_is_not_shown_is_counted() -> None:
    cases = [case(f"c{i:02}", expected_output="x") for i in range(23)]
    made = run(job(capital_suite(cases)), World({"default": {"reply": "y"}}))
    flips = [
        FlipText(case_id=f"c{i:02}", metric="m", change=-1.0, passed_now=False) for i in range(21)
    ]
    html = report_html(findings(made, flips=flips))
    assert "<p>1 more; the report in JSON has them all.</p>" in html
    assert "<p>3 more; pipex eval show ev_1 --failed lists all.</p>" in html


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [light, dark], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), text_on_ground)
def test_text_has_the_contrast_that_wcag_asks_for(palette: Palette, text: str, ground: str) -> None:
    assert contrast(palette[text], palette[ground]) >= 4.5


def test_black_on_white_has_the_contrast_that_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_every_variable_of_the_style_has_a_colour_in_both_schemes() -> None:
    used = set(re.findall(r"var\(--([a-z-]+)\)", stylesheet()))
    assert used == set(light) == set(dark)


def test_the_title_names_verdict_and_subject(harmful: str) -> None:
    (title,) = [text for tag, text in Page(harmful).texts if tag == "title"][:1]
    assert title == "FAIL: capitals (version 1): prompt on m"
