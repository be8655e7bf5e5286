"""Names, what they stand for, and what was probably meant."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipex_core.errors import ConfigError
from pipex_core.registry import Registry, nearest, similar

tools: Registry[Callable[..., object]] = Registry(
    "text tool",
    {"dump": "json:dumps", "load": "json:loads", "size": len, "gone": "no_such_module:x"},
    aliases={"write": "dump"},
)


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("serach", ["search", "sort"], "search"),
        ("Search", ["search"], "search"),
        ("filtr", ["filter", "flatten"], "filter"),
        ("modle", ["model", "motel"], "model"),
        ("xyz", ["search"], None),
        ("ab", ["cd"], None),
        ("a", ["b"], None),
        ("", ["a"], None),
        ("bat", ["cat", "bar"], "bar"),
        ("search", [], None),
        ("searches", ["sea"], None),
    ],
)
def test_the_nearest_word_is_at_most_two_edits_away(
    word: str, known: list[str], expected: str | None
) -> None:
    assert nearest(word, known) == expected


def test_similar_words_come_best_first() -> None:
    assert similar("scored", ["score", "scores", "text"]) == ["score", "scores"]
    assert similar("zzz", ["score"]) == []
    assert len(similar("ab", ["abc", "abd", "abe", "abf"], count=2)) == 2


def test_a_name_is_imported_when_asked_for() -> None:
    assert tools.get("dump") is json.dumps
    assert tools.get("write") is json.dumps
    assert tools.get("size") is len


def test_names_are_listed_sorted_and_aliases_are_known() -> None:
    assert list(tools) == ["dump", "gone", "load", "size"]
    assert len(tools) == 4
    assert "write" in tools
    assert "nothing" not in tools
    assert dict(tools.aliases()) == {"write": "dump"}
    assert (tools.canonical("write"), tools.canonical("dump")) == ("dump", "dump")
    assert tools.nearest("wrote") == "write"


def test_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(
        ConfigError, match="unknown text tool 'dmup'; did you mean 'dump'"
    ) as caught:
        tools.get("dmup")
    assert caught.value.code == "unknown_text_tool"
    with pytest.raises(ConfigError, match=r"'zzzzzz'$"):
        tools.get("zzzzzz")


def test_a_missing_library_is_named() -> None:
    with pytest.raises(ConfigError, match="no_such_module") as caught:
        tools.get("gone")
    assert caught.value.code == "dependency_missing"


def test_a_name_never_means_two_things() -> None:
    more = tools.with_items({"parse": "json:loads"})
    assert more.get("parse") is json.loads
    assert "parse" not in tools
    assert more.get("write") is json.dumps
    for taken in ("dump", "write"):
        with pytest.raises(ConfigError) as caught:
            tools.with_items({taken: len})
        assert caught.value.code == "duplicate_text_tool"


def test_plugins_add_their_names_without_being_imported(tmp_path: Path) -> None:
    with plugin_folder(tmp_path, "one", "[text.tools]\nparse = json:loads\nbroken = no_module:x\n"):
        more = tools.with_plugins("text.tools")
    assert set(more) - set(tools) == {"parse", "broken"}
    assert more.get("parse") is json.loads


def test_two_plugins_cannot_take_one_name(tmp_path: Path) -> None:
    with (
        plugin_folder(tmp_path, "one", "[text.tools]\nparse = json:loads\n"),
        plugin_folder(tmp_path, "two", "[text.tools]\nparse = json:dumps\n"),
        pytest.raises(ConfigError) as caught,
    ):
        tools.with_plugins("text.tools")
    assert caught.value.code == "duplicate_text_tool"


@contextmanager
def plugin_folder(parent: Path, name: str, entry_points: str) -> Iterator[None]:
    """An installed distribution with these entry points, for the time of the block."""
    folder = parent / name / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)
    sys.path.append(str(folder.parent))
    try:
        yield
    finally:
        sys.path.remove(str(folder.parent))


def test_a_table_is_left_alone_by_whoever_made_it() -> None:
    targets: dict[str, str | Callable[..., object]] = {"a": len}
    made: Registry[Callable[..., object]] = Registry("thing", targets)
    targets["b"] = len
    assert "b" not in made
