"""``pipex suite`` as a person types it."""

import json
from pathlib import Path

import pytest

from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, cases=7)
    monkeypatch.chdir(tmp_path)
    write_lines(
        tmp_path / "records.jsonl",
        [
            {
                "question": f"{i} + {i}",
                "truth": f"so {2 * i}\n#### {2 * i}",
                "small": {"text": str(i)},
            }
            for i in range(3)
        ],
    )
    return tmp_path


mapping = ("--map", "input=question", "--map", "expected_output=last(split(truth, '#### '))")


def test_records_become_a_suite_and_recorded_answers(project: Path) -> None:
    done = invoke("suite", "import", "records.jsonl", *mapping, "--answer", "small=small.text")
    assert done.code == 0
    assert "records: 3 cases from 3 records" in done.out
    assert done.out.splitlines()[-1] == (
        "next: pipex eval run test_suites/records --recorded "
        "test_suites/records/recorded/small.jsonl -m exact_match"
    )
    lines = (project / "test_suites/records/cases.jsonl").read_text().splitlines()
    assert {json.loads(line)["expected_output"] for line in lines} == {"0", "2", "4"}
    next_command = done.out.splitlines()[-1].split()[2:]
    assert invoke(*next_command, "--json").document["summary"]["passed_tests"] == 1


def test_an_import_in_json_is_its_loss_report(project: Path) -> None:
    document = invoke(
        "suite", "import", "records.jsonl", *mapping, "--id", "twice", "--out", "made",
        "--limit", "2", "--json",
    ).document  # fmt: skip
    assert document["schema"] == "pipex.import/1"
    assert (document["n_in"], document["n_out"]) == (2, 2)
    assert document["files"] == ["made/suite.yaml", "made/cases.jsonl"]
    assert "id: twice" in (project / "made" / "suite.yaml").read_text()


def test_a_strict_import_writes_nothing_when_something_is_lost(project: Path) -> None:
    with (project / "records.jsonl").open("a") as file:
        file.write("{broken\n")
    done = invoke("suite", "import", "records.jsonl", *mapping, "--strict")
    assert done.code == 2
    assert not (project / "test_suites/records").exists()
    assert invoke("suite", "import", "records.jsonl", *mapping).code == 0


def test_an_answer_that_no_record_has_is_a_warning() -> None:
    done = invoke("suite", "import", "records.jsonl", *mapping, "--answer", "large=record.large")
    assert done.code == 0
    assert done.err == "warning: no record gave an answer for large.jsonl\n"


@pytest.mark.parametrize("word", ["input", "=question", "input="])
def test_a_mapping_has_a_name_and_an_expression(word: str) -> None:
    done = invoke("suite", "import", "records.jsonl", "--map", word)
    assert (done.code, done.out) == (2, "")
    assert f"a mapping is written NAME=EXPRESSION, not '{word}'" in done.err


def test_a_suite_is_shown_with_its_first_cases(project: Path) -> None:
    (project / "test_suites/sums/suite.yaml").write_text(
        "id: sums\nname: Sums\ndescription: Of small numbers.\n"
        "defaults:\n  metrics: [exact_match, {type: rouge, name: r}]\n"
    )
    lines = invoke("suite", "show", "sums").out.splitlines()
    assert lines[0].startswith("Sums  version 1  ")
    assert lines[1:4] == [
        "Of small numbers.",
        "7 cases, 7 with a reference",
        "metrics: exact_match, r",
    ]
    assert lines[4] == '  q1: 1 + 1 -> "2"'
    assert lines[-1] == "  ... and 2 more"
    document = invoke("suite", "show", "sums", "--json").document
    assert (document["schema"], document["n_cases"], document["id"]) == ("pipex.suite/1", 7, "sums")


def test_tags_and_map_inputs_are_shown() -> None:
    write_lines(
        Path("test_suites/sums/cases.jsonl"),
        [
            {"id": "a", "input": {"n": 1}, "tags": ["easy"]},
            {"id": "b", "input": "x", "tags": ["easy"]},
        ],
    )
    lines = invoke("suite", "show", "sums").out.splitlines()
    assert "tags: easy 2" in lines
    assert '  a: {"n": 1} -> null' in lines


def test_lint_tells_problems_and_its_codes() -> None:
    clean = invoke("suite", "lint", "sums", "--json")
    assert (clean.code, clean.document["ok"]) == (0, True)
    write_lines(
        Path("test_suites/sums/cases.jsonl"),
        [{"id": "a", "input": "x", "expected_output": "1"}, {"id": "b", "input": "x", "expected_output": "2"}],
    )  # fmt: skip
    doubtful = invoke("suite", "lint", "sums")
    assert doubtful.code == 0
    assert "conflicting_reference" in doubtful.out
    assert invoke("suite", "lint", "sums", "--strict").code == 1
    Path("test_suites/sums/suite.yaml").write_text(
        "id: sums\ndefaults:\n  metrics: [exact_macth]\n"
    )
    broken = invoke("suite", "lint", "sums", "--json")
    assert (broken.code, broken.document["ok"]) == (2, False)
    assert broken.document["counts"] == {"conflicting_reference": 1, "unknown_metric": 1}


def test_a_diff_says_what_changed_and_what_it_costs(project: Path) -> None:
    other = project / "test_suites" / "more"
    other.mkdir()
    (other / "suite.yaml").write_text("id: sums\ndefaults:\n  metrics: [exact_match]\n")
    lines = (project / "test_suites/sums/cases.jsonl").read_text().splitlines()
    changed = [lines[0].replace('"1 + 1"', '"one and one"'), *lines[1:6]]
    (other / "cases.jsonl").write_text("\n".join(changed) + "\n")
    document = invoke("suite", "diff", "sums", "more", "--json").document
    assert document["counts"]["removed"] == 1
    assert document["counts"]["input_changed"] == 1
    assert invoke("suite", "diff", "sums", "more", "--format", "json").document == document
    assert "q7" in invoke("suite", "diff", "sums", "more").out
    assert "|" in invoke("suite", "diff", "sums", "more", "--format", "markdown").out
    assert invoke("suite", "diff", "sums", "more", "--exit-code").code == 1
    assert invoke("suite", "diff", "sums", "sums", "--exit-code").code == 0


promptfoo = """
prompts: ["Greet {{name}}"]
tests:
  - vars: {name: Ann}
    assert: [{type: icontains, value: greet}, {type: javascript, value: "1"}]
"""


def test_a_suite_of_another_tool_is_imported_evaluated_and_written_for_a_third(
    project: Path,
) -> None:
    (project / "pf.yaml").write_text(promptfoo, encoding="utf-8")
    done = invoke("suite", "import", "pf.yaml", "--id", "greet")
    assert done.code == 0
    assert "unsupported assert javascript at tests[0]" in done.out
    assert done.out.rstrip().endswith(
        "pipex eval run test_suites/greet --target test_suites/greet/targets/prompt-1.yaml --model MODEL"
    )
    target = "test_suites/greet/targets/prompt-1.yaml"
    done = invoke("eval", "run", "greet", "--target", target, "--model", "m", "--json")
    assert done.document["metrics"]["contains"]["mean"] == 1.0
    done = invoke("suite", "export", "greet", "--format", "deepeval", "--out", "d.json", "--json")
    assert done.document["schema"] == "pipex.import/1"
    assert [loss["feature"] for loss in done.document["unsupported"]] == ["input"]
    assert (project / "d.json").is_file()


def test_a_strict_import_or_export_writes_nothing_when_something_is_lost(project: Path) -> None:
    (project / "pf.yaml").write_text(promptfoo, encoding="utf-8")
    assert invoke("suite", "import", "pf.yaml", "--id", "greet", "--strict").code == 2
    assert not (project / "test_suites" / "greet").exists()
    invoke("suite", "import", "pf.yaml", "--id", "greet")
    done = invoke("suite", "export", "greet", "--format", "ragas", "--out", "r.jsonl", "--strict")
    assert done.code == 2
    assert not (project / "r.jsonl").exists()
    done = invoke(
        "suite", "export", "greet", "--format", "parquet", "--out", "g.parquet", "--strict"
    )
    assert done.code == 0
    assert invoke("suite", "show", "g.parquet", "--json").document["n_cases"] == 1


def test_a_file_outside_of_the_folder_of_an_import_is_not_read(project: Path) -> None:
    (project / "in").mkdir()
    (project / "secret.yaml").write_text("- vars: {name: x}\n", encoding="utf-8")
    text = "prompts: [x]\ntests: file://../secret.yaml\n"
    (project / "in" / "pf.yaml").write_text(text, encoding="utf-8")
    done = invoke("suite", "import", "in/pf.yaml", "--id", "s", "--json")
    assert done.code == 2
    assert done.document["code"] == "path_denied"
