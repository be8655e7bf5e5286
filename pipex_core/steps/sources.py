"""Source files -> functions and imports: Python is parsed, other languages are matched by patterns.

Patterns see how code is usually written; a function inside a text or behind a macro escapes them, or is
found where there is none. A Python file that cannot be parsed is matched by patterns too.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

longest_line: Final = 1_000

Reach = Literal["module", "relative", "path", "package", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method.

    Attributes:
        name: With its classes in front, such as ``Cart.add``.
        line: From 1.
        is_public: Whether the language's usage takes it for one to be called from elsewhere.
    """

    name: str
    line: int
    is_public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Something that a file asks for.

    Attributes:
        name: As written, without quotes.
        reach: How the name leads to a file: a dotted Python ``module``, one ``relative`` to the file's
            package (with leading dots), a ``path`` from the file's folder, a dotted name of a
            ``package`` whose end is a path, or the path of a ``folder``.
    """

    name: str
    reach: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How files of a language look.

    Attributes:
        functions: Patterns with the group ``name``.
        imports: Patterns with the group ``name``, and how it leads to a file.
        endings: Of file names.
        public_lines: Pattern in the line of a public function; empty where only a leading underscore
            makes a function private.
    """

    name: str
    endings: tuple[str, ...]
    functions: tuple[str, ...] = ()
    imports: tuple[tuple[str, Reach], ...] = ()
    public_lines: str = ""


_js: Final = (
    r"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*(?P<name>[\w$]+)\s*[(<]",
    r"^\s*(?:export\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)\s*(?::[^=\n]+)?=\s*(?:async\s*)?(?:function\b|\([^)\n]*\)\s*(?::[^=\n]+)?=>|[\w$]+\s*=>)",
)
_js_imports: Final[tuple[tuple[str, Reach], ...]] = (
    (r"\bfrom\s+[\"'](?P<name>[^\"'\n]+)[\"']", "path"),
    (r"^\s*import\s+[\"'](?P<name>[^\"'\n]+)[\"']", "path"),
    (r"\b(?:require|import)\(\s*[\"'](?P<name>[^\"'\n]+)[\"']\s*\)", "path"),
)

languages: Final[Sequence[Language]] = (
    Language(
        name="python",
        endings=(".py", ".pyi"),
        functions=(r"^\s*(?:async\s+)?def\s+(?P<name>\w+)\s*\(",),
        imports=(
            (r"^\s*from\s+(?P<name>\.[\w.]*)\s+import\b", "relative"),
            (r"^\s*from\s+(?P<name>\w[\w.]*)\s+import\b", "module"),
            (r"^\s*import\s+(?P<name>\w[\w.]*)", "module"),
        ),
    ),
    Language(
        name="javascript",
        endings=(".js", ".jsx", ".mjs", ".cjs"),
        functions=_js,
        imports=_js_imports,
        public_lines=r"^\s*export\b",
    ),
    Language(
        name="typescript",
        endings=(".ts", ".tsx"),
        functions=_js,
        imports=_js_imports,
        public_lines=r"^\s*export\b",
    ),
    Language(
        name="go",
        endings=(".go",),
        functions=(r"^func\s+(?:\([^)\n]*\)\s*)?(?P<name>\w+)\s*[(\[]",),
        imports=((r"^\s*(?:import\s+)?(?:[\w.]+\s+)?\"(?P<name>[\w.\-/]+)\"\s*$", "folder"),),
        public_lines=r"^func\s+(?:\([^)\n]*\)\s*)?[A-Z]",
    ),
    Language(
        name="rust",
        endings=(".rs",),
        functions=(
            r"^\s*(?:pub(?:\([^)\n]*\))?\s+)?(?:const\s+|async\s+|unsafe\s+)*fn\s+(?P<name>\w+)",
        ),
        imports=((r"^\s*(?:pub(?:\([^)\n]*\))?\s+)?mod\s+(?P<name>\w+)\s*;", "path"),),
        public_lines=r"^\s*pub\b",
    ),
    Language(
        name="java",
        endings=(".java",),
        functions=(
            r"^\s+(?:(?:public|protected|private|static|final|abstract)\s+)+[\w<>\[\],.? ]+\s(?P<name>\w+)\s*\(",
        ),
        imports=((r"^\s*import\s+(?:static\s+)?(?P<name>[\w.]+)\s*;", "package"),),
        public_lines=r"\bpublic\b",
    ),
    Language(
        name="kotlin",
        endings=(".kt",),
        functions=(r"^\s*(?:[a-z]+\s+)*fun\s+(?:<[^>\n]*>\s*)?(?:\w+\.)?(?P<name>\w+)\s*\(",),
        imports=((r"^\s*import\s+(?P<name>[\w.]+)", "package"),),
        public_lines=r"^(?!.*\b(?:private|internal|protected)\b)",
    ),
    Language(
        name="ruby",
        endings=(".rb",),
        functions=(r"^\s*def\s+(?:self\.)?(?P<name>\w+[?!=]?)",),
        imports=((r"^\s*require_relative\s+[\"'](?P<name>[^\"'\n]+)[\"']", "path"),),
    ),
    Language(
        name="elixir",
        endings=(".ex", ".exs"),
        functions=(r"^\s*defp?\s+(?P<name>\w+[?!]?)",),
        imports=((r"^\s*(?:alias|import|use|require)\s+(?P<name>[A-Z][\w.]*)", "package"),),
        public_lines=r"^\s*def\s",
    ),
    Language(
        name="c",
        endings=(".c", ".h", ".cc", ".cpp", ".hpp"),
        functions=(
            r"^(?!(?:return|else|typedef|if|while|for|switch)\b)[A-Za-z_][\w *&:<>,]*?[ *&](?P<name>[A-Za-z_]\w*)\s*\([^;{}()]*\)\s*(?:const\s*)?\{",
        ),
        imports=((r"^\s*#\s*include\s+\"(?P<name>[^\"\n]+)\"", "path"),),
        public_lines=r"^(?!static\b)",
    ),
)
_by_ending: Final[Mapping[str, Language]] = {
    ending: language for language in languages for ending in language.endings
}


def language_of(path: str) -> Language | None:
    """The language of a file by the ending of its name; None when it is no source file."""
    return _by_ending.get(PurePosixPath(path).suffix.lower())


def functions_in(text: str, language: Language) -> Sequence[Function]:
    """The functions of a file, by line; of Python those of modules and classes, not inner ones."""
    tree = _parsed(text) if language.name == "python" else None
    if tree is not None:
        return list(_python_functions(tree, ""))
    text = _without_long_lines(text)
    found = {
        match.start("name"): match
        for pattern in language.functions
        for match in re.finditer(pattern, text, re.MULTILINE)
    }
    return [
        Function(
            name=match["name"],
            line=text.count("\n", 0, match.start("name")) + 1,
            is_public=_is_public(match, text, language),
        )
        for _, match in sorted(found.items())
    ]


def _is_public(match: "re.Match[str]", text: str, language: Language) -> bool:
    if match["name"].startswith("_"):
        return False
    if not language.public_lines:
        return True
    start = text.rfind("\n", 0, match.start("name")) + 1
    end = text.find("\n", start)
    line = text[start : len(text) if end < 0 else end]
    return re.search(language.public_lines, line) is not None


def _python_functions(tree: ast.AST, prefix: str) -> Iterator[Function]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                whole = prefix + name
                is_public = not any(part.startswith("_") for part in whole.split("."))
                yield Function(name=whole, line=node.lineno, is_public=is_public)
            case ast.ClassDef(name=name):
                yield from _python_functions(node, f"{prefix}{name}.")
            case _:
                pass


def imports_in(text: str, language: Language) -> Sequence[Import]:
    """What a file asks for, each once, in the order of the file."""
    tree = _parsed(text) if language.name == "python" else None
    found: Iterable[Import]
    if tree is not None:
        found = _python_imports(tree)
    else:
        plain = _without_long_lines(text)
        found = [
            Import(name=match["name"], reach=reach)
            for pattern, reach in language.imports
            for match in re.finditer(pattern, plain, re.MULTILINE)
        ]
    return list(dict.fromkeys(found))


def _python_imports(tree: ast.AST) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(name=alias.name, reach="module") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            reach: Reach = "relative" if node.level else "module"
            joint = "" if start.endswith(".") else "."
            # What is imported may be a module of the package or a name in it.
            yield from (
                Import(name=f"{start}{joint}{alias.name}", reach=reach) for alias in node.names
            )
            if node.module:
                yield Import(name=start, reach=reach)


def _without_long_lines(text: str) -> str:
    """The text with lines emptied that no person wrote: patterns take too long on them."""
    lines = text.split("\n")
    return "\n".join(line if len(line) <= longest_line else "" for line in lines)


def _parsed(text: str) -> ast.AST | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def resolved(wanted: Import, file: str, files: Collection[str]) -> Sequence[str]:
    """The files of the code base that an import leads to, sorted; empty for one from elsewhere."""
    language = language_of(file)
    if language is None:
        return ()
    folder = PurePosixPath(file).parent
    match wanted.reach:
        case "module":
            places = [wanted.name.replace(".", "/")]
            roots = [PurePosixPath(root) for root in (".", "src", "lib", str(folder))]
            found = _python_files(roots, places[0], files)
        case "relative":
            dots = len(wanted.name) - len(wanted.name.lstrip("."))
            for _ in range(dots - 1):
                folder = folder.parent
            found = _python_files([folder], wanted.name.lstrip(".").replace(".", "/"), files)
        case "path":
            found = _at_path(wanted.name, folder, language, files)
        case "package":
            found = _in_package(wanted.name, language, files)
        case _:
            found = _in_folder(wanted.name, language, files)
    return sorted(set(found) - {file})


def _python_files(
    roots: Sequence[PurePosixPath], module: str, files: Collection[str]
) -> Iterable[str]:
    for root in roots:
        place = str(root / module) if module else str(root)
        candidates = (f"{place}.py", f"{place}.pyi", f"{place}/__init__.py")
        found = [one for one in candidates if one in files]
        if found:
            return found
    return ()


def _at_path(
    name: str, folder: PurePosixPath, language: Language, files: Collection[str]
) -> Iterable[str]:
    if language.name in {"javascript", "typescript"} and not name.startswith("."):
        return ()
    base = _normal(folder / name)
    families = _by_ending if language.name in {"javascript", "typescript"} else language.endings
    endings = ["", *families]
    inside = [f"{base}/{index}{ending}" for index in ("index", "mod") for ending in families]
    return [one for one in (*(base + ending for ending in endings), *inside) if one in files]


def _in_package(name: str, language: Language, files: Collection[str]) -> Iterable[str]:
    parts = name.split(".")
    if language.name == "elixir":
        parts = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part).lower() for part in parts]
    tails = [f"{'/'.join(parts)}{ending}" for ending in language.endings]
    return [f for f in files if any(f == tail or f.endswith(f"/{tail}") for tail in tails)]


def _in_folder(name: str, language: Language, files: Collection[str]) -> Iterable[str]:
    def holds(file: str) -> bool:
        folder = str(PurePosixPath(file).parent)
        return folder != "." and (name == folder or name.endswith(f"/{folder}"))

    return [f for f in files if f.endswith(language.endings) and holds(f)]


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
