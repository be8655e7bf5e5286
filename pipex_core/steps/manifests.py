"""Files that say what kind of project a folder holds and what it needs, read as far as that goes."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from pipex_core.jsonvalue import Json

# Manifest to the kind of project that it makes of a folder, the most telling first.
project_kinds: Final[Mapping[str, str]] = {
    "pyproject.toml": "python",
    "setup.py": "python",
    "requirements.txt": "python",
    "mix.exs": "elixir",
    "Cargo.toml": "rust",
    "go.mod": "go",
    "pom.xml": "java",
    "build.gradle": "java",
    "build.gradle.kts": "kotlin",
    "Gemfile": "ruby",
    "tsconfig.json": "typescript",
    "package.json": "javascript",
    "CMakeLists.txt": "c",
}

Declared = Iterable[tuple[str, str]]
_requirement: Final = re.compile(r"\s*([A-Za-z0-9][\w.\-]*)\s*(?:\[[^\]]*\])?\s*([^;#]*)")


def _of_requirements(text: str) -> Declared:
    return [pair for line in text.splitlines() for pair in _of_requirement(line)]


def _of_requirement(line: str) -> Declared:
    found = _requirement.match(line)
    return [(found[1], found[2].strip())] if found else []


def _of_pyproject(text: str) -> Iterator[tuple[str, str]]:
    project = _toml(text).get("project", {})
    lists = [project.get("dependencies", ()), *project.get("optional-dependencies", {}).values()]
    yield from (pair for listed in lists for one in listed for pair in _of_requirement(one))


def _of_cargo(text: str) -> Iterator[tuple[str, str]]:
    for name, given in _toml(text).get("dependencies", {}).items():
        yield name, given if isinstance(given, str) else str(given.get("version", ""))


def _of_package_json(text: str) -> Iterator[tuple[str, str]]:
    try:
        data = json.loads(text)
    except ValueError:
        return
    for section in ("dependencies", "devDependencies"):
        listed = data.get(section) if isinstance(data, dict) else None
        yield from ((name, str(given)) for name, given in (listed or {}).items())


def _of_lines(pattern: str) -> Callable[[str], Declared]:
    """Names and versions by a pattern with these two groups."""
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda text: [(one[1], one[2] or "") for one in compiled.finditer(text)]


def _toml(text: str) -> Mapping[str, Json]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


# Name of a manifest to what reads its (name, requirement) pairs; what cannot be read declares nothing.
declared: Final[Mapping[str, Callable[[str], Declared]]] = {
    "pyproject.toml": _of_pyproject,
    "requirements.txt": _of_requirements,
    "package.json": _of_package_json,
    "Cargo.toml": _of_cargo,
    "go.mod": _of_lines(r"^\s*(?:require\s+)?([\w.\-]+(?:/[\w.\-]+)+)\s+(v\S+)"),
    "mix.exs": _of_lines(r"\{:(\w+),\s*\"([^\"]+)\""),
    "Gemfile": _of_lines(r"^\s*gem\s+[\"']([^\"']+)[\"'](?:\s*,\s*[\"']([^\"']+)[\"'])?"),
}
