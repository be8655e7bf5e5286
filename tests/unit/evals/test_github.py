"""GitHub: annotations that no text can end or begin, and a summary within its limit."""

import re

from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.github import annotations, most_annotations, step_summary
from pipex_core.evals.rendering import report_markdown
from pipex_core.evals.report import verdict_report
from tests.fakes.evaluation import answering, job, run
from tests.fakes.reports import compared_findings, findings, hostile_findings
from tests.fakes.world import World

outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
command = re.compile(r"::(error|warning) title=[^:,\r\n]+::[^\r\n]+")


def test_a_failed_gate_is_an_error_and_names_its_rules() -> None:
    lines = annotations(compared_findings())
    assert lines[0].startswith("::error title=capitals::FAIL: not_worse, difference -0.367")
    assert (
        "::error title=capitals%3A not_worse::FAIL: exact_match, noninferiority, critical" in lines
    )
    assert any(line.startswith("::warning title=capitals%3A better::FAIL") for line in lines)


def test_a_run_that_passes_is_silent() -> None:
    rules = [{"metric": "exact_match", "kind": "threshold", "value": 0.5, "bound": "point"}]
    gate = gate_of({"baseline": "none", "rules": rules})
    assert annotations(findings(run(job(gate=gate)))) == []
    assert annotations(findings(run(job()))) == []


def test_without_a_gate_an_unfinished_run_warns_and_a_failed_one_is_an_error() -> None:
    holes = findings(run(job(options={"second_pass": False}), World(outage)))
    assert annotations(holes)[0].startswith("::warning title=capitals::INCOMPLETE")
    fatal = {"default": {"error": {"kind": "auth", "message": "no key"}}}
    stopped = findings(run(job(), World(fatal)))
    assert annotations(stopped)[0].startswith("::error title=capitals::FAILED")


def test_an_open_question_is_a_warning_with_its_reason() -> None:
    rules = [{"id": "r", "metric": "exact_match", "kind": "threshold", "value": 0.9}]
    gate = gate_of({"baseline": "none", "rules": rules})
    lines = annotations(findings(run(job(gate=gate))))
    assert lines[0].startswith("::warning title=capitals::INCONCLUSIVE: r (insufficient_data)")
    assert lines[1].startswith("::warning title=capitals%3A r::INCONCLUSIVE (insufficient_data)")


def test_every_line_is_one_command_whatever_the_texts_hold() -> None:
    lines = annotations(hostile_findings())
    assert lines
    for line in lines:
        assert command.fullmatch(line)
        assert "%250A" in line
        assert not {"\x1b", "\x00", "\u2028", "\u202e"} & set(line)


def test_at_most_ten_lines_of_a_level_are_said() -> None:
    rules = [
        {"id": f"r{i:02}", "metric": "exact_match", "kind": "threshold", "value": 0.9,
         "bound": "point"}
        for i in range(15)
    ]  # fmt: skip
    gate = gate_of({"baseline": "none", "rules": rules})
    lines = annotations(findings(run(job(gate=gate), World(answering({"it": "Milan"})))))
    assert len(lines) == most_annotations


def test_the_summary_is_the_report_in_markdown() -> None:
    found = compared_findings()
    assert step_summary(found) == report_markdown(verdict_report(found)) + "\n"


def test_the_summary_says_less_where_there_is_little_room() -> None:
    found = compared_findings()
    whole = len(step_summary(found).encode())
    less = step_summary(found, room_bytes=whole - 1)
    assert 0 < len(less.encode()) < whole
    assert less.startswith("**FAIL")
    assert step_summary(found, room_bytes=50) == ""


def test_hostile_texts_are_neutral_in_the_summary() -> None:
    text = step_summary(hostile_findings())
    assert "<script" not in text
    assert "@" not in text
