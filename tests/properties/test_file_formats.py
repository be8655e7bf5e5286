"""Values that survive the way through a file of data."""

from typing import Any

from hypothesis import given, strategies as st

from pipex_core.steps.formats import (
    conversions,
    read_csv,
    read_xml,
    read_yaml_value,
    write_csv,
    write_json,
    write_xml,
)

names = st.text("abc_é", min_size=1, max_size=4)
cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
tables = st.lists(names, min_size=2, max_size=4, unique=True).flatmap(
    lambda columns: st.lists(st.fixed_dictionaries(dict.fromkeys(columns, cells)), min_size=1)
)


@given(tables)
def test_a_table_of_texts_survives_the_way_through_csv(table: Any) -> None:
    assert read_csv(write_csv(table)) == table


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | texts | st.sampled_from(["0o17", "no"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_a_value_survives_the_way_through_yaml(value: Any) -> None:
    assert read_yaml_value(conversions["json_to_yaml"](write_json(value))) == value


xml_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip)
elements = st.recursive(
    xml_texts.filter(bool),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3),
    max_leaves=6,
)


@given(elements)
def test_a_tree_of_texts_survives_the_way_through_xml(tree: Any) -> None:
    assert read_xml(write_xml({"root": tree})) == {"root": tree}
