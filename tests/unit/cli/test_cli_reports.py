"""``pipex report`` and ``pipex report verify`` as a person types them."""

import json
from pathlib import Path

import pytest

from tests.fakes.project import write_project
from tests.fakes.shell import invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten cases, evaluated on ``poor``."""
    write_project(tmp_path, cases=10)
    monkeypatch.chdir(tmp_path)
    assert invoke("eval", "run", "sums", "poor.jsonl").code == 0
    return tmp_path


def test_a_run_gets_an_html_report_below_the_results_and_the_next_command_verifies_it() -> None:
    done = invoke("report", "latest")
    wrote, follow = done.out.splitlines()
    assert done.code == 0
    path = wrote.removeprefix("wrote ")
    assert path.startswith("results/reports/ev_")
    assert follow.endswith(f"; next: pipex report verify {path}")
    verified = invoke("report", "verify", path, "--results", "results")
    assert verified.code == 0
    assert " is true: " in verified.out


def test_every_format_is_written_and_named_in_json(project: Path) -> None:
    forms = ("html", "pdf", "json", "markdown", "junit", "csv", "github")
    words = [word for form in forms for word in ("--format", form)]
    done = invoke("report", "poor", *words, "--out", "all/", "--json")
    document = done.document
    assert document["schema"] == "pipex.report/1"
    names = [Path(path).name.partition(".")[2] for path in document["files"]]
    assert names == ["html", "pdf", "json", "md", "xml", "csv", "github.md"]
    assert all((project / path).stat().st_size for path in document["files"])
    result = json.loads((project / document["files"][2]).read_text())
    assert result["schema"] == "pipex.result/1"


def test_one_format_can_be_written_to_a_file_of_ones_own(project: Path) -> None:
    assert invoke("report", "--format", "markdown", "--out", "deep/r.md").code == 0
    assert (project / "deep/r.md").read_text().startswith("**COMPLETED: 1 of 10")


def test_the_same_results_give_the_same_bytes_with_reproducible(project: Path) -> None:
    for name in ("a", "b"):
        for form in ("html", "pdf"):
            done = invoke("report", "latest", "--reproducible", "--format", form,
                          "--out", f"{name}.{form}")  # fmt: skip
            assert done.code == 0
    assert (project / "a.html").read_bytes() == (project / "b.html").read_bytes()
    assert (project / "a.pdf").read_bytes() == (project / "b.pdf").read_bytes()
    assert "report made" not in (project / "a.html").read_text()
    invoke("report", "latest", "--out", "c.html")
    assert ", report made 20" in (project / "c.html").read_text()


def test_the_report_names_the_command_that_repeats_the_run(project: Path) -> None:
    invoke("report", "latest", "--format", "json", "--format", "html", "--out", "out/")
    (path,) = (project / "out").glob("*.html")
    command = "pipex eval run test_suites/sums --target poor.jsonl --provider mock --results"
    assert command in path.read_text()


def test_a_report_that_was_changed_is_told_apart_with_exit_1(project: Path) -> None:
    invoke("report", "latest", "--out", "r.html")
    page = (project / "r.html").read_text()
    (project / "r.html").write_text(page.replace("1 of 10", "9 of 10", 1))
    done = invoke("report", "verify", "r.html")
    assert done.code == 1
    assert "is not what its rows give:" in done.out
    assert "it says" in done.out
    document = invoke("report", "verify", "r.html", "--json").document
    assert not document["verified"]
    assert document["differences"][0]["part"] == "page"


def test_what_is_no_report_is_refused_with_exit_2_and_a_way_on() -> None:
    missing = invoke("report", "verify", "no.html")
    assert (missing.code, missing.err.count("pipex report RUN")) == (2, 1)
    other = invoke("report", "verify", "r.pdf", "--json")
    assert (other.code, other.document["schema"]) == (2, "pipex.error/1")
    assert invoke("report", "latest", "--format", "docx").code == 2
    unknown = invoke("report", "nosuch")
    assert (unknown.code, "unknown_run" in unknown.err) == (2, True)


def test_a_file_that_is_no_page_of_ours_fails_verification(project: Path) -> None:
    (project / "x.html").write_bytes(b"<p>\xff</p>")
    done = invoke("report", "verify", "x.html")
    assert done.code == 1
    assert "proof" in done.out


def test_a_place_that_cannot_be_written_is_named(project: Path) -> None:
    (project / "file").write_text("")
    done = invoke("report", "latest", "--out", "file/r.html")
    assert (done.code, "folder_not_writable" in done.err) == (2, True)


def test_github_lines_are_told_unless_quiet() -> None:
    loud = invoke("report", "latest", "--format", "github", "--out", "g.md")
    quiet = invoke("report", "latest", "--format", "github", "--out", "g.md", "--quiet")
    assert loud.code == quiet.code == 0
    assert "::" not in quiet.err


def test_the_group_of_evaluations_knows_it_by_the_same_name(project: Path) -> None:
    done = invoke("eval", "report", "--results", "results", "--format", "junit", "--out", "r.xml")
    assert done.code == 0
    assert (project / "r.xml").read_text().startswith("<?xml")


def test_help_says_both_ways_to_call_it() -> None:
    done = invoke("report", "--help")
    assert done.code == 0
    assert "RUN [OPTIONS] | verify FILE [OPTIONS]" in done.out
