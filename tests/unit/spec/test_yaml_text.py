"""Expected values are those of the core schema in YAML 1.2.2, section 10.3.2, and of the language, 2.2."""

import pytest

from pipex_core.errors import Problem, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.spec.model import Finding
from pipex_core.spec.yaml_text import read_yaml


def problems(text: str | bytes) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f.yaml")
    return list(caught.value.problems)


def codes(text: str | bytes) -> list[tuple[int, int, str]]:
    return [(one.line, one.column, one.code) for one in problems(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("yes", "yes"),
        ("off", "off"),
        ("n", "n"),
        ("~", None),
        ("Null", None),
        ("''", ""),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5e-2", -0.015),
        ("1.2.3", "1.2.3"),
        ("2024-01-31", "2024-01-31"),
        ("'12'", "12"),
        ('"no"', "no"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">-\n  one\n  line\n", "one line"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Json) -> None:
    found = read_yaml(f"k: {text}").value["k"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "1" * 4201])
def test_numbers_that_json_cannot_hold_are_refused(text: str) -> None:
    assert codes(f"k: {text}") == [(1, 4, "yaml_syntax")]


def test_a_large_integer_keeps_its_digits() -> None:
    assert read_yaml("123456789012345678901234567890").value == 123456789012345678901234567890


def test_keys_become_texts_by_the_text_rule() -> None:
    keys = list(read_yaml("{1: a, 2.0: b, true: c, ~: d, [x, 1]: e}").value)
    assert keys == ["1", "2.0", "true", "", '["x",1]']


def test_a_number_and_its_text_are_the_same_key() -> None:
    assert codes("1: a\n'1': b\n") == [(2, 1, "duplicate_key")]


def test_an_empty_file_is_nothing() -> None:
    assert read_yaml("").value is None
    assert read_yaml("# only words\n").value is None
    assert read_yaml("").source.places == {}


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1").value == {"a": 1}
    assert read_yaml("\ufeffa: 1").value == {"a": 1}


def test_text_that_is_not_utf_8_is_refused() -> None:
    assert codes(b"a: \xff") == [(1, 4, "yaml_syntax")]
    assert codes("a: \ud800") == [(1, 4, "yaml_syntax")]


def test_a_control_character_is_refused_at_its_place() -> None:
    assert codes("é: é\nb: é\x07") == [(2, 5, "yaml_syntax")]


def test_aliases_and_merge_keys_work() -> None:
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 5}
both: {<<: [*base, *more]}
again: *base
"""
    value = read_yaml(text).value
    assert value["one"] == {"a": 1, "b": 5}
    assert value["both"] == {"a": 1, "b": 2, "c": 4}
    assert value["again"] == {"a": 1, "b": 2}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read_yaml('{"<<": {a: 1}}').value == {"<<": {"a": 1}}


def test_a_merge_key_takes_maps_only() -> None:
    assert codes("<<: [{a: 1}, 2]") == [(1, 14, "yaml_syntax")]
    assert codes("{<<: {a: 1}, <<: {b: 1}}") == [(1, 14, "duplicate_key")]


def test_an_alias_needs_an_anchor() -> None:
    assert codes("a: *b") == [(1, 4, "yaml_syntax")]
    assert codes("a: &b [*b]") == [(1, 8, "yaml_syntax")]


def test_an_anchor_may_be_given_anew() -> None:
    assert read_yaml("[&a 1, *a, &a 2, *a]").value == [1, 1, 2, 2]


def test_a_key_may_be_an_alias() -> None:
    assert read_yaml("{a: &k name, *k : 1}").value == {"a": "name", "name": 1}


@pytest.mark.parametrize("tag", ["!!str", "!!python/object:os.system", "!own", "!"])
def test_explicit_tags_are_refused(tag: str) -> None:
    assert codes(f"a: {tag} x\nb: {tag} [1]")[0] == (1, 4, "yaml_syntax")


def test_all_findings_of_a_file_are_collected() -> None:
    text = "a: 1\na: 2\nb: !!int 3\nc: [{d: 1, d: 2}]\n"
    assert codes(text) == [(2, 1, "duplicate_key"), (3, 4, "yaml_syntax"), (4, 12, "duplicate_key")]


def test_a_duplicate_key_names_its_path() -> None:
    found = problems("a:\n  - b c: {d: 1, d: 2}\n")
    assert [one.path for one in found] == ['a[0]["b c"].d']


def test_what_was_found_before_a_syntax_error_is_shown_too() -> None:
    assert codes("a: 1\na: 2\nb: [") == [(2, 1, "duplicate_key"), (3, 5, "yaml_syntax")]


def test_nesting_ends_at_64() -> None:
    assert read_yaml("[" * 64 + "]" * 64).value is not None
    assert codes("[" * 65 + "]" * 65) == [(1, 65, "too_large")]
    assert codes("[" * 100_000)[0][2] == "too_large"


def test_nesting_counts_what_aliases_stand_for() -> None:
    text = "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 30 + "*a" + "]" * 30
    assert codes(text) == [(2, 34, "too_large")]


def test_aliases_are_counted_before_they_are_expanded() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    assert codes("\n".join(lines))[0][2] == "too_large"


def test_the_limit_of_values_is_exact() -> None:
    assert read_yaml("[1, 2, 3]", limit=4).value == [1, 2, 3]
    with pytest.raises(SpecError, match="more than 3 values"):
        read_yaml("[1, 2, 3]", limit=3)


def test_a_file_of_more_than_a_megabyte_is_refused() -> None:
    assert read_yaml("#" * 1_000_000).value is None
    assert codes("#" * 1_000_001) == [(1, 1, "too_large")]
    assert read_yaml("#" * 1_000_001, size=2_000_000).value is None


def test_places_are_those_of_values_and_of_keys() -> None:
    source = read_yaml("é: [ü, {k: 'v'}]\nlist:\n  - x\n").source
    assert source.places["é"] == (1, 4)
    assert source.places["é[1].k"] == (1, 12)
    assert source.keys["é[1].k"] == (1, 9)
    assert source.places["list[0]"] == (3, 5)
    assert source.keys["list"] == (2, 1)


def test_an_alias_stands_where_it_is_used_and_its_inside_where_it_was_written() -> None:
    source = read_yaml("a: &x {k: 1}\nb: *x\n").source
    assert source.places["b"] == (2, 4)
    assert source.places["b.k"] == (1, 11)


@pytest.mark.parametrize(
    ("text", "offset", "column"),
    [
        ("k: abc", 2, 6),
        ("k: 'abc'", 2, 7),
        ("k: 'it''s'", 3, 9),
        (r'k: "a\tbc"', 2, 8),
        (r'k: "\x41\u0042\U00000043d"', 3, 25),
        ("k: &a 'abc'", 2, 10),
        ("k: |\n  abc", 2, 4),
        ("k: 'a\n  bc'", 2, 4),
    ],
)
def test_an_offset_in_a_text_is_a_column_where_it_stands_on_one_line(
    text: str, offset: int, column: int
) -> None:
    finding = Finding(code="x", message="m", path="k", position=offset, in_text=True)
    problem = read_yaml(text).source.problem(finding)
    assert (problem.line, problem.column) == (1, column)


def test_a_finding_without_a_place_gets_that_of_what_encloses_it() -> None:
    source = read_yaml("a:\n  b: {c: 1}\n").source
    problem = source.problem(Finding(code="missing_field", message="m", path="a.b.d[0].e"))
    assert (problem.line, problem.column, problem.path) == (2, 6, "a.b.d[0].e")
    nowhere = source.problem(Finding(code="x", message="m", path="zzz"))
    assert (nowhere.line, nowhere.column) == (1, 1)


def test_findings_about_fields_point_at_the_key() -> None:
    source = read_yaml("a:   1").source
    assert source.problem(Finding(code="unknown_field", message="m", path="a")).column == 1
    assert source.problem(Finding(code="wrong_type", message="m", path="a")).column == 6


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: {{ name }}", 1, 4, "put the text in quotes"),
        ("a: {{ name }} and more", 1, 4, "put the text in quotes"),
        ("- {{x}}", 1, 3, "put the text in quotes"),
        ("a:\n\t- b", 2, 1, "a tab cannot indent"),
        ("a: @home", 1, 4, "'@'; put the text in quotes"),
        ("a: `x`", 1, 4, "'`'; put the text in quotes"),
        ("a: b: c", 1, 5, "holds ': ' in quotes"),
        ("x: 1\na: 'it's'", 2, 8, "check quotes"),
        ('x: 1\na: "open\nb: 1', 3, 5, "starts in line 2; a quote is not closed"),
        ("x: 1\na: {b: 1", 2, 9, "starts in line 2; a '{' is not closed"),
        ("x: 1\na: [b, 1", 2, 9, "starts in line 2; a '[' is not closed"),
        ("a:\n  - b: 1\n c: 2", 3, 2, "indent"),
    ],
)
def test_a_slip_of_yaml_is_told_in_words_that_help(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line, problem.column) == ("yaml_syntax", line, column)
    assert words in problem.message


def test_a_map_with_a_map_as_its_key_is_no_template() -> None:
    assert read_yaml("{ {a: 1}: b }").value == {'{"a":1}': "b"}
    assert read_yaml("? {a: 1}\n: b").value == {'{"a":1}': "b"}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        # Each level of a key that is a map doubles the quotes of the one inside.
        ("? " * 20 + "1", 1, 23),
        ("- " + "? - " * 20 + "1", 1, 45),
        ("a: &a [" + "x" * 999 + "]\nb: {*a : 1}", 2, 5),
        # Aliases share a text in memory, but not where it is written down.
        ('a: &s "' + "x" * 400_000 + '"\nb: [' + "*s, " * 26 + "]", 2, 97),
    ],
    ids=["maps", "lists", "alias", "characters"],
)
def test_a_short_file_that_stands_for_a_long_text_is_too_large(
    text: str, line: int, column: int
) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line, problem.column) == ("too_large", line, column)


def test_long_keys_leave_out_places_rather_than_fill_the_memory() -> None:
    document = read_yaml(f"? {'k' * 300_000}\n: [{'1, ' * 200}2]")
    source = document.source
    assert len(document.value["k" * 300_000]) == 201
    assert 100 < len(source.places) < 200
    last = source.problem(Finding(code="wrong_type", message="", path="k" * 300_000 + "[200]"))
    assert (last.line, last.column) == (2, 3)


def test_an_offset_in_one_of_many_texts_on_a_line_is_counted_in_that_text() -> None:
    source = read_yaml("""["a\\tb", "\\t\\u00e9c", 'it''s']""").source
    columns = [
        source.problem(
            Finding(code="x", message="", path=f"[{index}]", position=2, in_text=True)
        ).column
        for index in range(3)
    ]
    assert columns == [6, 19, 26]


def test_only_carriage_return_and_line_feed_end_a_line() -> None:
    # YAML 1.2, section 5.4; in YAML 1.1 the other three were ends of lines as well.
    text = 'a: "b\x85c\u2028d\u2029e"\nf\u2028: g\u2028h\ni: [\u2029'
    with pytest.raises(SpecError) as caught:
        read_yaml(text)
    assert [(one.line, one.column) for one in caught.value.problems] == [(3, 6)]
    read = read_yaml(text.rpartition("\n")[0])
    assert read.value == {"a": "b\x85c\u2028d\u2029e", "f\u2028": "g\u2028h"}
    assert read.source.places["a"] == (1, 4)


def test_a_text_full_of_private_characters_is_read_all_the_same() -> None:
    text = "".join(map(chr, range(0xE000, 0xF900)))
    assert read_yaml(f'"{text}\u2028"').value in {f"{text}\u2028", f"{text} ", text}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (b"a: 1\nb: \xc3\xa9\xff", 2, 5),
        (b"\xef\xbb\xbfa: \xff", 1, 4),
        (b"\xff\xfea\x00", 1, 1),
        ('a: 1\nb: "\ud800"', 2, 5),
    ],
)
def test_a_byte_that_is_no_utf_8_is_shown_where_it_stands(
    text: str | bytes, line: int, column: int
) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line, problem.column) == ("yaml_syntax", line, column)


@pytest.mark.parametrize(
    ("text", "position", "place"),
    [
        ('a: &x  "{{ y }}"', 3, (1, 12)),
        ("a: &long plain {{ y }}", 9, (1, 19)),
        ("a: &q 'it''s {{ y }}'", 8, (1, 17)),
        ('a: &t "b\\tc {{ y }}"', 7, (1, 16)),
        ("a: &z\n  {{ y }}", 3, (1, 4)),
        ("a: &z |\n  {{ y }}", 3, (1, 4)),
    ],
)
def test_a_character_is_found_behind_an_anchor_on_its_line(
    text: str, position: int, place: tuple[int, int]
) -> None:
    finding = Finding(code="x", message="", path="a", position=position, in_text=True)
    found = read_yaml(text).source.problem(finding)
    assert (found.line, found.column) == place
