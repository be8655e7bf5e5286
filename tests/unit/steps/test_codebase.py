"""Questions about code bases, on the bench."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import StepError
from pipex_core.spec.model import Effect
from pipex_core.steps.codebase import CodebaseQuery, largest_source
from pipex_core.steps.manifests import declared
from tests.fakes.steps import Bench, spec
from tests.fakes.workspace import MemoryWorkspace

shop = {
    "pyproject.toml": '[project]\ndependencies = ["httpx>=1"]\n',
    "config.yaml": "a: 1",
    "Makefile": "all:",
    "README.md": "shop",
    "src/shop/__init__.py": "",
    "src/shop/cart.py": "from shop import prices\nclass Cart:\n  def add(self): ...\n  def _x(self): ...\n",
    "src/shop/prices.py": "from shop import tax\ndef price(): ...\n",
    "src/shop/tax.py": "rate = 1\n",
    "tests/test_cart.py": "import shop.cart\ndef test_it(): ...\n",
    "web/cart.spec.ts": "export function go() {}\n",
    "node_modules/x/index.js": "function x() {}",
    "data.bin.py": "\0def f(): ...",
}


def ask(query: Any, *, files: MemoryWorkspace | None = None, **scope: Any) -> Any:
    step = spec("codebase_query", queries={"q": query})
    bench = Bench(step, workspace=files or MemoryWorkspace(shop), scope=scope)
    return asyncio.run(CodebaseQuery().run(bench.context)).data["q"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"type": "test"}, ["tests/test_cart.py", "web/cart.spec.ts"]),
        ({"type": "config"}, ["Makefile", "config.yaml", "pyproject.toml"]),
        ({"type": "source", "extensions": ["ts", ".js"]}, ["web/cart.spec.ts"]),
        ({"type": "main", "pattern": "src/**/t*.py"}, ["src/shop/tax.py"]),
        ({"pattern": "README.*"}, ["README.md"]),
        ([{"extensions": ["ts"]}, {"exclude_tests": True}], []),
        ({"related_to": "src/shop/cart.py"}, ["tests/test_cart.py", "web/cart.spec.ts"]),
        ({}, sorted(set(shop) - {"node_modules/x/index.js"})),
    ],
)
def test_files_are_found_by_what_they_are(asked: Any, found: list[str]) -> None:
    assert ask({"find_files": asked}) == found


def test_a_query_that_a_template_fills_is_told_a_map_as_well() -> None:
    with pytest.raises(StepError) as caught:
        ask({"find_files": "odd"})
    assert caught.value.code == "type_error"


class DatedWorkspace(MemoryWorkspace):
    """Its files were changed at 2026-01-01T00:00:00Z, those with ``new`` a day later."""

    def list(self, path: str = ".", *, recursive: bool = False) -> Any:
        entries: Any = super().list(path, recursive=recursive)
        return [replace(e, modified_s=1_767_225_600 + 86_400 * ("new" in e.path)) for e in entries]


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2026-01-01", ["new.py", "old.py"]),
        ("2026-01-01T01:00:00+00:30", ["new.py"]),
        (1_767_312_000, ["new.py"]),
        ("2026-01-02T00:00:01", []),
    ],
)
def test_files_are_found_by_their_age(since: Any, found: list[str]) -> None:
    files = DatedWorkspace({"old.py": "", "new.py": ""})
    assert ask({"find_files": {"modified_since": since}}, files=files) == found


def test_a_moment_that_is_none_is_refused() -> None:
    with pytest.raises(StepError) as failure:
        ask({"find_files": {"modified_since": "yesterday"}})
    assert failure.value.code == "type_error"


def test_functions_are_listed_with_their_places() -> None:
    assert ask({"find_functions": {"in_file": "{{f}}"}}, f="src/shop/cart.py") == [
        {"name": "Cart.add", "file": "src/shop/cart.py", "line": 3, "public": True},
        {"name": "Cart._x", "file": "src/shop/cart.py", "line": 4, "public": False},
    ]
    names = [one["name"] for one in ask({"find_functions": {"public_only": True}})]
    assert names == ["Cart.add", "price", "test_it", "go"]


def test_a_file_is_read_once_for_all_queries() -> None:
    queries = {
        "f": {"find_functions": {"in_file": "a.py"}},
        "d": {"find_related": {"to_file": "a.py"}},
    }
    files = MemoryWorkspace({"a.py": "import b\ndef f(): ...", "b.py": ""})
    bench = Bench(spec("codebase_query", queries=queries), workspace=files)
    data = asyncio.run(CodebaseQuery().run(bench.context)).data
    assert [one["name"] for one in data["f"]] == ["f"]
    assert data["d"] == ["b.py"]


def test_what_is_too_large_is_not_read() -> None:
    class Large(MemoryWorkspace):
        def list(self, path: str = ".", *, recursive: bool = False) -> Any:
            listed: Any = super().list(path, recursive=recursive)
            return [replace(entry, size_bytes=largest_source + 1) for entry in listed]

    assert ask({"find_functions": {}}, files=Large({"big.py": "def f(): ..."})) == []


def test_dependencies_are_followed_in_both_directions() -> None:
    package = "src/shop/__init__.py"
    cart, prices, tax = "src/shop/cart.py", "src/shop/prices.py", "src/shop/tax.py"
    assert ask({"find_dependencies": {"for_file": cart}}) == [package, prices]
    transitive = {"for_file": cart, "include_transitive": True}
    assert ask({"find_dependencies": transitive}) == [package, prices, tax]
    assert ask({"find_dependents": {"of_file": prices}}) == [cart]
    assert ask({"find_dependents": {"of_file": "README.md"}}) == []
    assert ask({"find_related": {"to_file": cart}}) == [
        package,
        prices,
        "tests/test_cart.py",
        "web/cart.spec.ts",
    ]


def test_a_change_reaches_those_that_build_on_the_file() -> None:
    assert ask({"analyze_impact": {"changed_file": "src/shop/tax.py"}}) == {
        "changed_file": "src/shop/tax.py",
        "direct": ["src/shop/prices.py"],
        "indirect": ["src/shop/cart.py", "tests/test_cart.py"],
        "tests": ["tests/test_cart.py"],
        "count": 3,
    }


def test_a_circle_of_imports_ends() -> None:
    files = MemoryWorkspace({"a.py": "import b", "b.py": "import a"})
    asked = {"for_file": "a.py", "include_transitive": True}
    assert ask({"find_dependencies": asked}, files=files) == ["b.py"]


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StepError) as failure:
        ask({"find_dependents": {"of_file": "none.py"}})
    assert failure.value.code == "file_not_found"


def test_the_kind_of_project_and_what_it_declares_come_from_its_manifests() -> None:
    assert ask({"get_project_type": True}) == "python"
    assert ask({"get_dependencies": True}) == [
        {"name": "httpx", "requirement": ">=1", "file": "pyproject.toml"}
    ]
    assert ask({"get_project_type": True}, files=MemoryWorkspace({"a": ""})) == "unknown"


def test_the_state_of_git_is_not_known_where_commands_are_not_allowed() -> None:
    answer = ask({"get_git_status": True})
    assert answer["available"] is False
    assert "do not allow commands" in answer["reason"]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        (
            "pyproject.toml",
            """
            [project]
            dependencies = ["a[x]>=1,<2; python_version > '3'"]
            [project.optional-dependencies]
            dev = ["b"]
            """,
            [("a", ">=1,<2"), ("b", "")],
        ),
        ("pyproject.toml", "broken", []),
        ("requirements.txt", "# c\n-r other.txt\na==1  # pinned\n\nb\n", [("a", "==1"), ("b", "")]),
        (
            "package.json",
            '{"dependencies": {"a": "^1"}, "devDependencies": {"b": "2"}}',
            [("a", "^1"), ("b", "2")],
        ),
        ("package.json", "{", []),
        ("package.json", "[]", []),
        (
            "Cargo.toml",
            '[dependencies]\na = "1"\nb = {version = "2"}\nc = {path = "x"}',
            [("a", "1"), ("b", "2"), ("c", "")],
        ),
        (
            "go.mod",
            "module x\nrequire a.b/c v1.2.0\nrequire (\n\td.e/f v0.1.0 // indirect\n)",
            [("a.b/c", "v1.2.0"), ("d.e/f", "v0.1.0")],
        ),
        ("mix.exs", '{:a, "~> 1.0"}, {:b, github: "x"}', [("a", "~> 1.0")]),
        ("Gemfile", "gem 'a', '~> 1'\ngem \"b\"\n", [("a", "~> 1"), ("b", "")]),
    ],
)
def test_manifests_are_read(file: str, text: str, found: list[tuple[str, str]]) -> None:
    assert list(declared[file](text)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"find_files": {"type": "main"}}, []),
        ({"find_files": {"type": "{{ kind }}"}}, []),
        ({"find_files": "{{ asked }}"}, []),
        ({"find_files": {"type": "mian"}}, [("unknown_value", "find_files.type", "main")]),
        ({"find_files": [{"type": "tests"}]}, [("unknown_value", "find_files[0].type", "test")]),
        ({"find_files": {"patern": "*"}}, [("unknown_field", "find_files.patern", "pattern")]),
        ({"find_files": {"a b": "*"}}, [("unknown_field", 'find_files["a b"]', None)]),
        ({"find_files": 5}, [("wrong_type", "find_files", None)]),
        ({"find_files": [5]}, [("wrong_type", "find_files", None)]),
        ({"find_dependents": {}}, [("missing_field", "find_dependents.of_file", None)]),
        ({"find_dependents": [{"of_file": "a"}]}, []),
        ({"find_file": {}}, [("unknown_value", "find_file", "find_files")]),
        ({"get_git_status": True}, []),
        ({"get_git_status": "yes"}, [("wrong_type", "get_git_status", None)]),
        ({"find_files": {}, "get_dependencies": True}, [("unknown_value", "", None)]),
        ("find_files", [("unknown_value", "", None)]),
    ],
    ids=str,
)
def test_queries_are_checked(query: Any, found: list[tuple[str, str, str | None]]) -> None:
    findings = CodebaseQuery.shape.check(spec("codebase_query", queries={"q": query}))
    shown = [(f.code, f.path.removeprefix("queries.q").lstrip("."), f.suggestion) for f in findings]
    assert shown == found


def test_only_a_map_of_queries_is_looked_into() -> None:
    assert list(CodebaseQuery.shape.check(spec("codebase_query", queries="{{q}}"))) == []
    effects = CodebaseQuery.shape.effects(spec("codebase_query"))
    assert list(effects) == [Effect(kind="workspace")]
