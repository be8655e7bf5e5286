"""Data files as text <-> values."""

from typing import Any

import pytest

from pipex_core.errors import StepError
from pipex_core.steps.formats import (
    conversions,
    read_csv,
    read_xml,
    read_yaml_value,
    write_csv,
    write_xml,
)


def refused(convert: Any, value: Any) -> str:
    with pytest.raises(StepError) as failure:
        convert(value)
    assert failure.value.code == "type_error"
    return failure.value.message


# -- CSV, with the examples of section 2 of RFC 4180


def test_fields_with_quotes_commas_and_line_ends_are_read() -> None:
    text = 'aaa,bbb\r\n"b ""x""","b,\r\nbb"\r\n\r\nzzz,yyy'
    assert read_csv(text) == [
        {"aaa": 'b "x"', "bbb": "b,\r\nbb"},
        {"aaa": "zzz", "bbb": "yyy"},
    ]


def test_a_file_without_rows_is_an_empty_list() -> None:
    assert read_csv("") == []
    assert read_csv("a,b\n") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1\n", "line 2: 1 fields for 2 columns"),
        ("a,b\n1,2,3\n", "line 2: 3 fields for 2 columns"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ('a\n"open\n', "CSV"),
    ],
)
def test_a_table_that_is_none_says_where(text: str, words: str) -> None:
    assert words in refused(read_csv, text)


def test_columns_are_those_of_all_rows_in_order_of_appearance() -> None:
    rows = [{"a": 1, "b": None}, {"b": [1, {"x": True}], "c": 'q"'}]
    assert write_csv(rows) == 'a,b,c\r\n1,,\r\n,"[1,{""x"":true}]","q"""\r\n'
    assert write_csv({"a": "x"}) == "a\r\nx\r\n"
    assert write_csv([]) == ""


def test_only_maps_become_rows() -> None:
    assert "list of maps" in refused(write_csv, [1])
    assert "a string" in refused(write_csv, "x")


# -- YAML


def test_yaml_means_what_it_means_in_pipeline_files() -> None:
    assert read_yaml_value("a: yes\nb: 0o17\nc: 010\n") == {"a": "yes", "b": 15, "c": 10}
    assert "line 2" in refused(read_yaml_value, "a: 1\na: 2\n")


# -- XML


def test_elements_become_maps_lists_texts_and_nulls() -> None:
    text = (
        '<?xml version="1.0" encoding="latin-1"?>\n<order id="7"><item>a &amp; b</item>'
        "<item/><note>call <b>now</b> please</note></order>"
    )
    assert read_xml(text) == {
        "order": {
            "@id": "7",
            "item": ["a & b", None],
            "note": {"b": "now", "#text": "call  please"},
        }
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        ("<a><b></a>", "mismatched tag"),
        ("", "no element found"),
        ("<a>" * 201 + "</a>" * 201, "nested more than 200 deep"),
    ],
)
def test_a_document_that_is_not_read_says_why(text: str, words: str) -> None:
    assert words in refused(read_xml, text)


def test_a_value_becomes_a_document() -> None:
    value = {"order": {"@id": 7, "item": ["a & b", None], "note": {"#text": "x", "b": True}}}
    assert write_xml(value).splitlines() == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<order id="7">',
        "  <item>a &amp; b</item>",
        "  <item/>",
        "  <note>x",
        "    <b>true</b>",
        "  </note>",
        "</order>",
    ]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"a": 1, "b": 2}, "  <a>1</a>"),
        ([1, 2], "  <item>1</item>"),
        ({"n": [1, 2]}, "  <n>1</n>"),
        ({"a": {"@x": "y"}}, '<a x="y"/>'),
        ({"a": {"@x": "y", "#text": "t"}}, '<a x="y">t</a>'),
        ({"a": {"b": [[1]]}}, "    <item>1</item>"),
        (5, "<root>5</root>"),
    ],
)
def test_what_is_no_map_with_one_key_stands_in_a_root(value: Any, line: str) -> None:
    assert line in write_xml(value).splitlines()


def test_what_xml_cannot_hold_is_refused() -> None:
    assert "the name of an XML element" in refused(write_xml, {"a b": 1})
    assert "the name of an XML element" in refused(write_xml, {"a": {"@1": 1}})
    assert "the character '\\x00'" in refused(write_xml, {"a": "\0"})


def test_each_conversion_is_there_and_back() -> None:
    assert conversions["csv_to_json"]("a\n1\n") == '[\n  {\n    "a": "1"\n  }\n]\n'
    assert conversions["json_to_csv"]('[{"a": 1}]') == "a\r\n1\r\n"
    assert conversions["yaml_to_json"]("a: [1]") == '{\n  "a": [\n    1\n  ]\n}\n'
    assert conversions["json_to_yaml"]('{"a": "no"}') == "a: 'no'\n"
    assert conversions["xml_to_json"]("<a>1</a>") == '{\n  "a": "1"\n}\n'
    assert conversions["json_to_xml"]('{"a": 1}').endswith("<a>1</a>\n")
    assert "JSON" in refused(conversions["json_to_xml"], "{")
