"""Canonical JSON against the published examples, strict parsing, equality and JSON Schema."""

import json
import struct
import subprocess
import sys
from collections import OrderedDict
from types import MappingProxyType

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import (
    Json,
    canonical,
    canonical_bytes,
    check_schema,
    compact,
    digest,
    digest_bytes,
    equal,
    identity,
    parse,
    require_schema,
    short,
    type_name,
)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        # RFC 8785, appendix B: IEEE-754 bits and their text.
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_a_number_is_written_as_rfc_8785_lists_it(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == text
    assert canonical([number, "x"]) == f'[{text},"x"]'


def test_the_sample_of_rfc_8785_comes_out_as_printed() -> None:
    # Section 3.2.2 and 3.2.3.
    source = (
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r'"string": "\u20ac$\u000F\u000aA' + "'" + r'\u0042\u0022\u005c\\\"\/",'
        '"literals": [null, true, false]}'
    )
    assert canonical(json.loads(source)) == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )


def test_keys_are_sorted_by_their_utf_16_units() -> None:
    # RFC 8785, section 3.2.3.
    names = ["€", "\r", "\ufb33", "1", "😀", "\u0080", "ö"]
    text = canonical(dict.fromkeys(names, 0.5))
    assert list(json.loads(text)) == ["\r", "1", "\u0080", "ö", "€", "😀", "\ufb33"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (-2.5, "-2.5"),
        (10**25, "1" + "0" * 25),
        ({"b": (1, 2.0), "a": {}}, '{"a":{},"b":[1,2]}'),
        (MappingProxyType({"b": 1, "a": 1e-7}), '{"a":1e-7,"b":1}'),
        (OrderedDict(b=True, a=None), '{"a":null,"b":true}'),
        ("é\u2028\x7f", '"é\u2028\x7f"'),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1.5e300, "1.5e+300"),
    ],
    ids=str,
)
def test_the_canonical_text_of_a_value(value: Json, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}], ids=str)
def test_nan_and_infinity_have_no_text(value: Json) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        canonical(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {None: 1}}, {1, 2}, b"x", [object], {1: 1e-7}])
def test_what_is_no_json_value_has_no_text(value: Json) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_a_digest_is_sha_256_of_the_canonical_bytes() -> None:
    # printf '{"a":1,"b":[]}' | sha256sum
    expected = "f87e4099e9be5e75094e0a4f46d3dc18a9c37429314a5a2490fb78d31e7e170c"
    assert digest({"b": [], "a": 1.0}) == expected
    assert short(digest_bytes(b"")) == "e3b0c44298fc"
    assert canonical_bytes("\ud800") == b'"\xed\xa0\x80"'


def test_compact_text_keeps_the_order_of_the_keys() -> None:
    assert compact({"b": 1.0, "a": "é"}) == '{"b":1.0,"a":"é"}'


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "integer"),
        (1.0, "number"),
        ("", "string"),
        ((), "list"),
        ({}, "map"),
    ],
)
def test_types_have_the_names_of_the_language(value: Json, name: str) -> None:
    assert type_name(value) == name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting property name"),
        ("[1,]", "Expecting value"),
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e999]", "1e999 is beyond the floats"),
        ('{"a": 1, "b": 2, "a": 3}', "duplicate key 'a'"),
        ("[" * 65 + "]" * 65, "nesting deeper than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "nesting deeper than 64"),
        ("[" * 100_000, "nesting deeper than 64"),
        ("1" * 5000, "4300 digits"),
        ("'a'", "Expecting value"),
        ("", "Expecting value"),
    ],
    ids=lambda text: f"{text[:20]} {len(text)}",
)
def test_a_text_that_is_not_strictly_json_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_a_text_that_is_json_is_parsed() -> None:
    assert parse(' {"a": [1, 2.5, "x", null, true]} ') == {"a": [1, 2.5, "x", None, True]}
    assert parse("[" * 64 + "]" * 64) != []
    assert parse("-0.0") == 0


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (9, 9.0, "yes"),
        (True, 1, "no"),
        (1, True, "no"),
        (False, False, "yes"),
        ("7", 7, "no"),
        (None, None, "yes"),
        (None, 0, "no"),
        ([1, [2.0]], (1.0, [2]), "yes"),
        ([1], [1, 2], "no"),
        ([True], [1], "no"),
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1.0}, "yes"),
        ({"a": 1}, {"a": True}, "no"),
        ({"a": 1}, {"b": 1}, "no"),
        ({}, [], "no"),
        ("a", "a", "yes"),
    ],
    ids=str,
)
def test_equality_is_strict_and_identity_agrees(left: Json, right: Json, same: str) -> None:
    assert equal(left, right) is (same == "yes")
    assert (identity(left) == identity(right)) is (same == "yes")
    if same == "yes":
        assert hash(identity(left)) == hash(identity(right))


@pytest.mark.parametrize(
    "schema",
    [
        5,
        {"type": "text"},
        {"minLength": "two"},
        {"pattern": "("},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$dynamicRef": "#nothing"},
        {"properties": {"a": {"items": {"$ref": "other.json"}}}},
        {"$ref": "#/hidden", "hidden": {"$ref": "http://127.0.0.1:9/x"}},
        {"const": float("nan")},
        {"const": object()},
    ],
    ids=lambda schema: str(schema).split(" at ")[0],
)
def test_a_wrong_schema_is_refused_before_any_data(schema: Json) -> None:
    for call in (lambda: check_schema({}, schema), lambda: require_schema(schema)):
        with pytest.raises(SpecError) as caught:
            call()
        assert caught.value.code == "invalid_schema"
        assert [problem.code for problem in caught.value.problems] == ["invalid_schema"]


def test_a_schema_that_leads_to_itself_without_an_end_is_refused() -> None:
    with pytest.raises(SpecError, match="without an end"):
        check_schema(1, {"$ref": "#"})


@pytest.mark.parametrize(
    ("schema", "data", "pointers"),
    [
        (True, 1, []),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"}, 1, [""]),
        ({"enum": [{"$ref": "http://example.com"}]}, {"$ref": "http://example.com"}, []),
        ({"properties": {"$ref": {"type": "string"}}}, {"$ref": 5}, ["/$ref"]),
        ({"$id": "https://x/s", "$defs": {"a": {"type": "null"}}, "$ref": "s#/$defs/a"}, 1, [""]),
        (
            {
                "$defs": {"n": {"items": {"$ref": "#/$defs/n"}, "type": "array"}},
                "$ref": "#/$defs/n",
            },
            [[], [1]],
            ["/1/0"],
        ),
        ({"required": ["a", "b"], "properties": {"c": {"type": "null"}}}, {"c": 1}, ["", "", "/c"]),
        ({"items": {"type": "integer"}}, [1, 1.0, 1.5, True], ["/2", "/3"]),
        (
            {"properties": {"a/b": {"properties": {"c~d": False}}}},
            {"a/b": {"c~d": 1}},
            ["/a~1b/c~0d"],
        ),
        ({"prefixItems": [True, False], "patternProperties": {"^x": False}}, [1, 2], ["/1"]),
        ({"patternProperties": {"^x": False}}, {"xy": 1, "z": 2}, ["/xy"]),
        ({"additionalProperties": False}, {"a": 1}, [""]),
        ({"format": "email"}, "no address", []),
    ],
    ids=str,
)
def test_problems_have_json_pointers(schema: Json, data: Json, pointers: list[str]) -> None:
    require_schema(schema)
    assert [pointer for pointer, _ in check_schema(data, schema)] == pointers


def test_a_message_does_not_quote_a_whole_document() -> None:
    ((_, message),) = check_schema(["x" * 1000], {"maxItems": 0})
    assert len(message) == 300
    assert message.endswith("...")


def test_the_module_loads_no_schema_library_before_a_schema_is_checked() -> None:
    code = (
        "import sys, pipex_core.jsonvalue; print({'jsonschema', 'referencing'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
