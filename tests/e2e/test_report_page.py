"""The HTML report in a browser: nothing is fetched, everyone can read it, and the table of cases is alive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from pipex_core.evals.findings import Findings
from pipex_core.evals.html import report_html
from tests.fakes.evaluation import capital_suite, case, job, run
from tests.fakes.reports import compared_findings, findings, hostile_findings
from tests.fakes.world import World

chromium = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not chromium.is_file(), reason=f"there is no browser at {chromium}")


def many() -> Findings:
    """A run of 230 cases, of which every tenth passed."""
    cases = [
        case(f"c{i:03}", input=f"Number {i:03}?", expected_output="right" if i % 10 else "wrong")
        for i in range(230)
    ]
    return findings(run(job(capital_suite(cases)), World({"default": {"reply": "wrong"}})))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {"compared": compared_findings(), "hostile": hostile_findings(), "many": many()}
    for name, found in made.items():
        (folder / f"{name}.html").write_text(report_html(found), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield made
        made.close()


def opened(browser: Browser, path: Path, **around: Any) -> tuple[Page, list[str]]:
    """The page, and everything that it asked for or complained of."""
    page = browser.new_context(**around).new_page()
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.goto(path.as_uri())
    return page, heard


@pytest.mark.parametrize("name", ["compared", "hostile", "many"])
def test_nothing_is_fetched_and_no_hostile_text_acts(
    name: str, pages: dict[str, Path], browser: Browser
) -> None:
    _, heard = opened(browser, pages[name])
    assert heard == [pages[name].as_uri()]


@pytest.mark.parametrize(("name", "scheme"), [("compared", "light"), ("many", "dark")])
def test_the_rules_of_wcag_hold_in_both_schemes(
    name: str, scheme: str, pages: dict[str, Path], browser: Browser
) -> None:
    page, _ = opened(browser, pages[name], color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": tags, "resultTypes": ["violations"]})
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]
    ] == []


def test_a_phone_shows_the_page_without_scrolling_it_sideways(
    pages: dict[str, Path], browser: Browser
) -> None:
    page, _ = opened(browser, pages["many"], viewport={"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_script_the_table_is_there_and_the_tools_are_not(
    pages: dict[str, Path], browser: Browser
) -> None:
    page, _ = opened(browser, pages["many"], java_script_enabled=False)
    assert page.locator("#cases tbody tr").count() == 200
    assert not page.locator("#case-tools").is_visible()


def firsts(page: Page) -> list[str]:
    return page.locator("#cases tbody th").all_inner_texts()


def test_cases_are_paged_filtered_and_sorted(pages: dict[str, Path], browser: Browser) -> None:
    page, _ = opened(browser, pages["many"])
    status = page.locator("#case-tools output")
    assert status.inner_text() == "230 of 230 answers, page 1 of 5"
    assert len(firsts(page)) == 50
    page.get_by_role("button", name="Next").click()
    assert status.inner_text() == "230 of 230 answers, page 2 of 5"
    page.get_by_label("Result").select_option("passed")
    assert status.inner_text() == "23 of 230 answers, page 1 of 1"
    page.get_by_label("Search").fill("NUMBER 01")
    assert firsts(page) == ["c010"]
    page.get_by_label("Search").fill("")
    page.get_by_label("Result").select_option("")
    head = page.get_by_role("button", name="case", exact=True)
    head.press("Enter")
    assert firsts(page)[:2] == ["c000", "c001"]
    assert page.locator("#cases th[aria-sort]").get_attribute("aria-sort") == "ascending"
    head.press("Enter")
    assert firsts(page)[:2] == ["c229", "c228"]


def test_on_paper_everything_is_open_and_the_links_are_not_there(
    pages: dict[str, Path], browser: Browser
) -> None:
    page, _ = opened(browser, pages["compared"], color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
