"""Functions and imports of source files."""

import pytest

from pipex_core.steps.sources import (
    Function,
    Import,
    functions_in,
    imports_in,
    language_of,
    resolved,
)


def functions(path: str, text: str) -> list[tuple[str, int, bool]]:
    language = language_of(path)
    assert language is not None
    return [(one.name, one.line, one.is_public) for one in functions_in(text, language)]


def imports(path: str, text: str) -> list[str]:
    language = language_of(path)
    assert language is not None
    return [one.name for one in imports_in(text, language)]


def leads(path: str, text: str, *others: str) -> list[str]:
    language = language_of(path)
    assert language is not None
    files = [path, *others]
    return sorted({f for one in imports_in(text, language) for f in resolved(one, path, files)})


def test_files_are_told_by_their_endings() -> None:
    assert [
        getattr(language_of(p), "name", None) for p in ("a.PY", "b.tsx", "c.md", "Makefile")
    ] == [
        "python",
        "typescript",
        None,
        None,
    ]


def test_python_functions_carry_their_classes() -> None:
    text = "def f(): ...\nclass A:\n  async def g(self):\n    def inner(): ...\n  class _B:\n    def h(self): ...\nx = 1\n"
    assert functions("a.py", text) == [("f", 1, True), ("A.g", 3, True), ("A._B.h", 6, False)]


def test_python_that_cannot_be_parsed_is_matched_by_patterns() -> None:
    text = "def f(:\n  pass\n\ndef _g():\n  pass\nfrom .a import b\nimport os, sys\n"
    assert functions("a.py", text) == [("f", 1, True), ("_g", 4, False)] or functions(
        "a.py", text
    ) == [("_g", 4, False), ("f", 1, True)]
    assert imports("a.py", text) == [".a", "os"]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (
            "a.ts",
            "export async function go<T>(x) {}\nconst _p = (x: number): void => 1;\nlet q = x => x\nfoo(bar)",
            [("go", 1, True), ("_p", 2, False), ("q", 3, False)],
        ),
        (
            "a.go",
            "func main() {}\nfunc (s *Srv) Serve(w W) {}\n",
            [("main", 1, False), ("Serve", 2, True)],
        ),
        (
            "a.rs",
            "pub async fn a() {}\n  fn b() {}\npub(crate) const fn c() {}",
            [("a", 1, True), ("b", 2, False), ("c", 3, True)],
        ),
        (
            "A.java",
            "class A {\n  public static List<String> run(int x) {\n  private void no() {\n",
            [("run", 2, True), ("no", 3, False)],
        ),
        (
            "a.kt",
            "fun go() {}\nprivate fun no() {}\ninline fun <T> List<T>.x() {}",
            [("go", 1, True), ("no", 2, False)],
        ),
        (
            "a.rb",
            "def self.make!(x)\n  def plain\n  def _own\n",
            [("make!", 1, True), ("plain", 2, True), ("_own", 3, False)],
        ),
        (
            "a.ex",
            "  def run(x) do\n  defp hide?(x) do\n",
            [("run", 1, True), ("hide?", 2, False)],
        ),
        (
            "a.c",
            "int main(int argc,\n  char **argv) {\n  return go(1);\n}\nstatic void f(void) {}\nint d(void);\n",
            [("main", 1, True), ("f", 5, False)],
        ),
    ],
)
def test_usual_code_of_other_languages_is_recognised(
    path: str, text: str, found: list[tuple[str, int, bool]]
) -> None:
    assert functions(path, text) == found


def test_lines_that_no_person_wrote_are_passed_over() -> None:
    long = "function a(){};" * 200
    assert functions("a.js", f"{long}\nfunction b() {{}}") == [("b", 2, False)]
    assert imports("a.js", f"{long}import 'x'\nimport './y'") == ["./y"]


def test_python_imports_are_found_anywhere_and_once() -> None:
    text = (
        "import a.b, c\ndef f():\n  from . import d\n  from ..e import g\nimport c\nfrom h import i"
    )
    assert imports("p/a.py", text) == ["a.b", "c", "h.i", "h", ".d", "..e.g", "..e"]


@pytest.mark.parametrize(
    ("path", "text", "others", "found"),
    [
        ("m.py", "import a.b", ["a/b.py", "b.py"], ["a/b.py"]),
        ("m.py", "from a import b", ["a/__init__.py", "a/b.py"], ["a/__init__.py", "a/b.py"]),
        ("src/p/m.py", "import p.n", ["src/p/n.py"], ["src/p/n.py"]),
        ("p/m.py", "import n", ["p/n.py"], ["p/n.py"]),
        ("p/q/m.py", "from ..n import x", ["p/n.pyi"], ["p/n.pyi"]),
        ("p/m.py", "from . import n", ["p/n.py"], ["p/n.py"]),
        ("p/q.py", "from .. import a", ["a.py"], ["a.py"]),
        ("m.py", "import os", ["p/os.py"], []),
        ("m.py", "import m", [], []),
        (
            "w/a.ts",
            "import {b} from '../v/b';\nimport './c.css'",
            ["v/b.ts", "w/c.css"],
            ["v/b.ts", "w/c.css"],
        ),
        ("w/a.js", "const x = require('./lib')", ["w/lib/index.js"], ["w/lib/index.js"]),
        ("w/a.js", "import x from 'react'", ["w/react.js"], []),
        ("a.rs", "mod b;\nmod c;", ["b.rs", "c/mod.rs"], ["b.rs", "c/mod.rs"]),
        ("x/a.rb", "require_relative 'b'", ["x/b.rb"], ["x/b.rb"]),
        ("x/a.c", '#include "b.h"\n#include <b2.h>', ["x/b.h", "x/b2.h"], ["x/b.h"]),
        ("A.java", "import com.x.B;", ["src/com/x/B.java", "B.java"], ["src/com/x/B.java"]),
        (
            "a.ex",
            "alias MyApp.UserStore",
            ["lib/my_app/user_store.ex"],
            ["lib/my_app/user_store.ex"],
        ),
        ("a.kt", "import com.x.B", ["com/x/B.kt"], ["com/x/B.kt"]),
        (
            "main.go",
            'import (\n  "fmt"\n  u "example.com/m/util"\n)',
            ["util/a.go", "other/b.go", "c.go"],
            ["util/a.go"],
        ),
    ],
)
def test_an_import_leads_to_the_file_that_it_means(
    path: str, text: str, others: list[str], found: list[str]
) -> None:
    assert leads(path, text, *others) == found


def test_a_file_that_is_no_source_needs_nothing() -> None:
    assert resolved(Import(name="a", reach="module"), "a.md", ["a.py"]) == ()


def test_values_are_equal_by_what_they_say() -> None:
    assert Function(name="f", line=1, is_public=True) == Function(name="f", line=1, is_public=True)
