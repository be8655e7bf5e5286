"""Suites as text: forms that load to one suite, and files that show all their problems."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.caselines import Text, max_case_bytes, max_cases
from pipex_core.evals.suite import Case, Suite, SuiteDefaults, suite_digest
from pipex_core.evals.suitefile import (
    dump_directory,
    dump_json,
    dump_lines,
    dump_yaml,
    read_directory,
    read_file,
)

full = Suite(
    id="full",
    name="All fields",
    description="Two lines\nof text",
    version="2.1",
    defaults=SuiteDefaults(
        metrics=("bleu", {"type": "exact_match", "threshold": 1.0}),
        repeats=3,
        reducer="median",
        cluster_by="metadata.topic",
        prompt="{{ input }}\nAnswer: ",
        timeout_seconds=60.0,
    ),
    gate={"rules": [{"id": "r", "metric": "bleu", "kind": "coverage"}]},
    extra={
        "tags": ("demo",),
        "hash_metadata": ("metadata.locale",),
        "privacy": "redact",
        "allow_fallback": True,
        "baseline_results": {"version": 1, "metrics": {"bleu": 0.3}},
        "x-owner": "me",
    },
    cases=(
        Case(
            id="a/1",
            input={"question": "Why?", "n": 1},
            expected_output=["Because", "Since"],
            name="First",
            metadata={"topic": "yes", "deep": {"x": 0.1}},
            tags=("b", "c"),
            created_at="2025-01-31T23:59:59.5+01:00",
            version=3,
            context=("One.", "Two."),
            choices=("A", "B"),
            expected_tools=({"name": "f", "arguments": {"x": 1}}, {"name": "g"}),
            relevant_ids=("d1",),
            metrics=({"type": "rouge", "name": "r"}, "bleu"),
            cluster_id="k",
            weight=0.5,
            split="dev",
            attachments=({"path": "a.txt", "sha256": "0" * 64, "mime": "text/plain"},),
            source={"format": "csv", "line": 2},
            status="frozen",
            extra={"x-note": [1, 2]},
        ),
        Case(id="b", input=[{"role": "user", "content": "Hi"}], expected_output={"$value": ["x"]}),
        Case(id="c", input="no 010 1e3 true ~", expected_output="", context="One text"),
    ),
)


def directory(suite: Suite) -> tuple[Text, Text]:
    texts = dump_directory(suite)
    return (
        Text(file=f"{suite.id}/suite.yaml", text=texts["suite.yaml"]),
        Text(file=f"{suite.id}/cases.jsonl", text=texts["cases.jsonl"]),
    )


def problems_of(call: Any, *arguments: Any) -> list[tuple[str, int, int, str]]:
    with pytest.raises(SpecError) as caught:
        call(*arguments)
    return [(p.file, p.line, p.column, p.code) for p in caught.value.problems]


def lines(*cases: Any) -> Text:
    return Text(file="x.jsonl", text="".join(f"{json.dumps(case)}\n" for case in cases))


def test_all_forms_of_a_suite_load_to_equal_objects_and_digests() -> None:
    forms = [
        read_directory(*directory(full)),
        read_file(Text(file="full.json", text=dump_json(full))),
        read_file(Text(file="full.yaml", text=dump_yaml(full))),
        read_file(Text(file="full.yml", text=dump_yaml(full).encode())),
    ]
    assert all(form == full for form in forms)
    assert {suite_digest(form) for form in forms} == {suite_digest(full)}


def test_json_lines_hold_the_cases_and_take_their_id_from_the_file() -> None:
    found = read_file(Text(file="some/where/full.jsonl", text=dump_lines(full.cases)))
    assert (found.id, found.cases, found.defaults) == ("full", full.cases, SuiteDefaults())
    assert found.location == "some/where/full.jsonl"


def test_a_directory_names_its_suite_and_is_its_location() -> None:
    head = Text(file="suites/qa/suite.yaml", text="version: 3\n")
    found = read_directory(head, Text(file="suites/qa/cases.jsonl", text=b""))
    assert (found.id, found.version, found.location) == ("qa", "3", "suites/qa")
    assert found.cases == ()


def test_saved_cases_are_sorted_with_their_keys_in_a_fixed_order() -> None:
    suite = replace(full, cases=full.cases[::-1])
    texts = dump_directory(suite)
    assert texts == dump_directory(full)
    first, second, _ = texts["cases.jsonl"].splitlines()
    assert list(json.loads(first)) == [
        *("id", "name", "input", "expected_output", "metadata", "tags", "created_at", "version"),
        *(
            "context",
            "choices",
            "expected_tools",
            "relevant_ids",
            "metrics",
            "cluster_id",
            "weight",
        ),
        *("split", "attachments", "source", "status", "x-note"),
    ]
    assert second == (
        '{"id":"b","input":[{"role":"user","content":"Hi"}],"expected_output":{"$value":["x"]}}'
    )
    assert texts["cases.jsonl"].endswith("}\n")


def test_shipped_suites_are_saved_as_they_stand() -> None:
    folder = Path(__file__).resolve().parents[3] / "test_suites" / "ticket_triage"
    names = ("suite.yaml", "cases.jsonl")
    texts = [Text(file=f"ticket_triage/{n}", text=(folder / n).read_bytes()) for n in names]
    suite = read_directory(texts[0], texts[1])
    assert len(suite.cases) == 240
    assert dump_lines(suite.cases).encode() == texts[1].text


def test_yaml_is_read_by_the_rules_of_the_pipeline_language() -> None:
    text = "id: y\ncases:\n- {id: a, input: no, created_at: 2025-01-31T00:00:00Z, metadata: {n: 010}}\n"
    (case,) = read_file(Text(file="y.yaml", text=text)).cases
    assert (case.input, case.created_at, case.metadata) == ("no", "2025-01-31T00:00:00Z", {"n": 10})


def test_aliases_of_older_files_are_understood() -> None:
    text = json.dumps(
        {
            "test_cases": [
                {
                    "id": "a",
                    "input": "q",
                    "metadata": {"tags": ["z", "a"]},
                    "tags": ["m", "a"],
                    "custom_metrics": [{"name": "tone", "threshold": 0.8}],
                    "metrics": ["bleu"],
                },
                {
                    "id": "b",
                    "input": "q",
                    "metadata": {"tags": "one"},
                    "context": None,
                    "tags": None,
                },
            ]
        }
    )
    a, b = read_file(Text(file="old.json", text=text)).cases
    assert a.metrics == ("bleu", {"type": "custom:tone", "threshold": 0.8})
    assert (a.tags, b.tags) == (("a", "m", "z"), ("one",))


def test_blank_lines_byte_order_marks_and_line_separators_inside_texts_do_no_harm() -> None:
    text = '\ufeff{"id": "a", "input": "x\u2028y"}\r\n\n  \n{"id": "b", "input": "z"}'
    found = read_file(Text(file="x.jsonl", text=text.encode()))
    assert [(case.id, case.input) for case in found.cases] == [("a", "x\u2028y"), ("b", "z")]
    assert read_file(Text(file="x.jsonl", text=text)) == found


def test_every_kind_of_line_end_survives_yaml() -> None:
    text = "a\x85b\u2028c\u2029d\r\ne\tf "
    suite = Suite(id="s", description=text, cases=(Case(id="a", input=text),))
    assert read_file(Text(file="s.yaml", text=dump_yaml(suite))) == suite


def test_a_lone_surrogate_is_written_as_an_escape() -> None:
    case = Case(id="a", input="\ud800 é")
    text = dump_lines([case])
    assert text.encode() == b'{"id":"a","input":"\\ud800 \\u00e9"}\n'
    assert read_file(Text(file="x.jsonl", text=text)).cases == (case,)


@pytest.mark.parametrize(
    ("case", "code", "column"),
    [
        ({"id": "a b", "input": "x"}, "bad_id", 8),
        ({"id": "", "input": "x"}, "bad_id", 8),
        ({"id": 1, "input": "x"}, "wrong_type", 8),
        ({"id": "a"}, "missing_field", 1),
        ({"input": "a"}, "missing_field", 1),
        ({"id": "a", "input": 3}, "wrong_type", 22),
        ({"id": "a", "input": None}, "wrong_type", 22),
        ({"id": "a", "input": ["x"]}, "wrong_type", 23),
        ({"id": "a", "input": [{"role": "user"}]}, "wrong_type", 23),
        ({"id": "a", "input": "x", "tag": []}, "unknown_field", 27),
        ({"id": "a", "input": "x", "tags": "t"}, "wrong_type", 35),
        ({"id": "a", "input": "x", "tags": ["t", 1]}, "wrong_type", 41),
        ({"id": "a", "input": "x", "metadata": []}, "wrong_type", 39),
        ({"id": "a", "input": "x", "version": 0}, "out_of_range", 38),
        ({"id": "a", "input": "x", "version": True}, "wrong_type", 38),
        ({"id": "a", "input": "x", "weight": 0}, "out_of_range", 37),
        ({"id": "a", "input": "x", "weight": "1"}, "wrong_type", 37),
        ({"id": "a", "input": "x", "status": "activ"}, "unknown_value", 37),
        ({"id": "a", "input": "x", "created_at": "yesterday"}, "wrong_type", 41),
        ({"id": "a", "input": "x", "created_at": "2025-13-01T00:00:00Z"}, "wrong_type", 41),
        ({"id": "a", "input": "x", "context": {}}, "wrong_type", 38),
        ({"id": "a", "input": "x", "context": [1]}, "wrong_type", 39),
        ({"id": "a", "input": "x", "expected_output": []}, "bad_reference", 46),
        ({"id": "a", "input": "x", "expected_output": {"$value": 1, "b": 2}}, "bad_reference", 46),
        ({"id": "a", "input": "x", "expected_tools": [{}]}, "wrong_type", 46),
        ({"id": "a", "input": "x", "expected_tools": [{"name": "f", "a": 1}]}, "unknown_field", 60),
        ({"id": "a", "input": "x", "attachments": [{"path": "p"}]}, "wrong_type", 43),
        (
            {"id": "a", "input": "x", "attachments": [{"path": "p", "sha256": "0", "mime": "m"}]},
            "wrong_type",
            67,
        ),
        ({"id": "a", "input": "x", "metrics": [{"threshold": 1}]}, "wrong_type", 39),
        ({"id": "a", "input": "x", "custom_metrics": ["tone"]}, "wrong_type", 46),
        ({"id": "a", "input": "x", "custom_metrics": [{"nam": 1}]}, "wrong_type", 46),
        ({"id": "a", "input": "x", "custom_metrics": 3}, "wrong_type", 45),
        ("text", "wrong_type", 1),
    ],
)
def test_a_bad_case_is_one_problem_with_its_place(case: Any, code: str, column: int) -> None:
    assert problems_of(read_file, lines(case)) == [("x.jsonl", 1, column, code)]


def test_an_unknown_field_is_shown_with_the_nearest_known_one() -> None:
    with pytest.raises(SpecError) as caught:
        read_file(lines({"id": "a", "input": "x", "expectd_output": "y"}))
    (problem,) = caught.value.problems
    assert problem.suggestion == "expected_output"
    assert str(problem).startswith("x.jsonl:1:27: error: unknown field 'expectd_output'")


def test_a_duplicate_id_names_both_lines() -> None:
    text = lines({"id": "a", "input": "1"}, {"id": "b", "input": "2"}, {"id": "a", "input": "3"})
    with pytest.raises(SpecError) as caught:
        read_file(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.code) == (3, "duplicate_id")
    assert "line 1" in problem.message
    listed = json.dumps({"cases": [{"id": "a", "input": "1"}, {"id": "a", "input": "2"}]}, indent=1)
    assert problems_of(read_file, Text(file="x.json", text=listed)) == [
        ("x.json", 8, 10, "duplicate_id")
    ]


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ('{"id": "a" "input": 1}', "json_syntax", 12),
        ('{"id": "a", "input": NaN}', "json_syntax", 1),
        ('{"id": "a", "id": "b", "input": "x"}', "json_syntax", 1),
        ('{"id": "a", "input": {"x": ' + "[" * 70 + "]" * 70 + "}}", "too_large", 1),
    ],
)
def test_a_broken_line_does_not_hide_the_others(line: str, code: str, column: int) -> None:
    text = Text(file="x.jsonl", text=f'{{"id": "ok", "input": "x"}}\n{line}\n{{"id": 3}}\n')
    found = problems_of(read_file, text)
    assert found[0] == ("x.jsonl", 2, column, code)
    assert [place[1] for place in found] == [2, 3, 3]


def test_a_case_of_more_than_16_megabytes_is_refused() -> None:
    huge = lines({"id": "a", "input": "x" * max_case_bytes})
    assert problems_of(read_file, huge) == [("x.jsonl", 1, 1, "too_large")]
    wide = lines({"id": "a", "input": "x" * (max_case_bytes // 2)})
    assert len(read_file(wide).cases) == 1
    listed = '{"cases": [' + huge.text.strip() + ', {"id": "b", "input": "y"}]}'  # type: ignore[operator]  # made as text
    assert problems_of(read_file, Text(file="x.json", text=listed)) == [
        ("x.json", 1, 12, "too_large")
    ]


def test_aliases_may_not_make_a_suite_much_larger_than_its_file() -> None:
    bomb = "x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
    for n in range(1, 9):
        bomb += f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n"
    found = problems_of(read_file, Text(file="x.yaml", text=f"{bomb}cases: []\n"))
    assert found[0][3] == "too_large"
    assert len(bomb) < 1_000
    many = "".join(f"- {{id: c{i}, input: x, tags: [a, b]}}\n" for i in range(25_000))
    assert len(read_file(Text(file="x.yaml", text=f"cases:\n{many}")).cases) == 25_000


def test_more_than_a_million_cases_are_refused() -> None:
    listed = '{"cases": [' + "0," * max_cases + "0]}"
    assert problems_of(read_file, Text(file="x.json", text=listed)) == [
        ("x.json", 1, 1, "too_large")
    ]
    many = Text(file="x.jsonl", text="\n" * (max_cases + 1))
    assert problems_of(read_file, many) == [("x.jsonl", 0, 0, "too_large")]


def test_problems_of_a_directory_come_from_both_files() -> None:
    head = Text(
        file="d/suite.yaml", text="id: -bad\nverson: 1\ncases: []\ndefaults: {repeats: 0}\n"
    )
    cases = Text(file="d/cases.jsonl", text='{"id": "a"}\n')
    assert problems_of(read_directory, head, cases) == [
        ("d/cases.jsonl", 1, 1, "missing_field"),
        ("d/suite.yaml", 1, 5, "bad_id"),
        ("d/suite.yaml", 2, 1, "unknown_field"),
        ("d/suite.yaml", 3, 1, "conflicting_fields"),
        ("d/suite.yaml", 4, 21, "out_of_range"),
    ]


def test_a_broken_head_does_not_hide_broken_cases() -> None:
    head = Text(file="d/suite.yaml", text="id: [\n")
    cases = Text(file="d/cases.jsonl", text='{"id": "a"}\n')
    found = problems_of(read_directory, head, cases)
    assert [(place[0], place[3]) for place in found] == [
        ("d/cases.jsonl", "missing_field"),
        ("d/suite.yaml", "yaml_syntax"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff\xfe", [("x.json", 1, 1, "not_utf8")]),
        ('{\n "id": "a"\n "b": 1}', [("x.json", 3, 2, "json_syntax")]),
        ("[]", [("x.json", 1, 1, "not_a_suite")]),
        ('{"cases": {}}', [("x.json", 1, 11, "wrong_type")]),
        ('{"schema": "pipex.suite/9"}', [("x.json", 1, 12, "unsupported_schema")]),
        ('{"defaults": {"reducer": "meen"}}', [("x.json", 1, 26, "unknown_value")]),
        ('{"defaults": {"prompts": "x"}}', [("x.json", 1, 15, "unknown_field")]),
        ('{"defaults": []}', [("x.json", 1, 14, "wrong_type")]),
        ('{"version": 1.5}', [("x.json", 1, 13, "wrong_type")]),
        ('{"gate": 3}', [("x.json", 1, 10, "wrong_type")]),
        ('{"batch": "yes"}', [("x.json", 1, 11, "wrong_type")]),
        ('{"metadata": null, "cases": [3]}', [("x.json", 1, 30, "wrong_type")]),
    ],
)
def test_a_bad_file_is_shown_with_its_places(text: Any, expected: Any) -> None:
    assert problems_of(read_file, Text(file="x.json", text=text)) == expected


def test_bytes_that_are_no_text_are_reported_with_their_line() -> None:
    text = Text(file="x.jsonl", text=b'{"id": "a", "input": "x"}\n\xff')
    assert problems_of(read_file, text) == [("x.jsonl", 2, 1, "not_utf8")]


def test_a_file_whose_name_is_no_id_must_say_its_own() -> None:
    text = lines({"id": "a", "input": "x"})
    assert problems_of(read_file, replace(text, file="my cases.jsonl")) == [
        ("my cases.jsonl", 1, 1, "bad_id")
    ]
