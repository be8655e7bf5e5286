"""``codebase_query``: what the files of the workspace show of a code base, without running any of it.

Nothing outside of the workspace is asked. Only ``get_git_status`` runs a program, where the deployment
allows commands.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from pipex_core.errors import StepError
from pipex_core.expressions.paths import entry
from pipex_core.expressions.template import has_template
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json
from pipex_core.llm.globs import matches
from pipex_core.ports import Commands, FileEntry, Workspace
from pipex_core.registry import nearest
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import words
from pipex_core.spec.shape import got
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.gitstatus import git_status
from pipex_core.steps.manifests import declared, project_kinds
from pipex_core.steps.sources import Function, functions_in, imports_in, language_of, resolved

largest_source: Final = 2_000_000
file_types: Final = ("main", "source", "test", "config")

_left_out: Final = frozenset(
    {
        *(".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", "dist", "build"),
        *("_build", "deps", "target", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"),
    }
)
_test_folders: Final = frozenset({"test", "tests", "spec", "__tests__"})
_test_name: Final = re.compile(r"test_.+|.+[_.\-](?:test|spec)")
_config_endings: Final = frozenset(
    {".toml", ".ini", ".cfg", ".conf", ".yaml", ".yml", ".json", ".env", ".properties", ".lock"}
)
_config_names: Final = frozenset(
    {"Dockerfile", "Makefile", ".gitignore", ".editorconfig", "go.mod", "Gemfile", "Rakefile"}
)


@dataclass(slots=True, kw_only=True)
class Codebase:
    """The files of a workspace, read when first asked for.

    Attributes:
        entries: By path, in order, without those of caches and of what was installed.
        commands: Runs ``git``; None where the deployment does not allow commands.
    """

    workspace: Workspace
    entries: Mapping[str, FileEntry]
    commands: Commands | None = None
    _texts: dict[str, str] = field(default_factory=dict)
    _graph: dict[str, Sequence[str]] | None = None

    @classmethod
    def of(cls, workspace: Workspace, commands: Commands | None = None) -> "Codebase":
        """The code base in a workspace."""
        listed = workspace.list(".", recursive=True)
        kept = [e for e in listed if not e.is_folder and not _left_out & {*e.path.split("/")}]
        entries = {entry.path: entry for entry in kept}
        return cls(workspace=workspace, entries=entries, commands=commands)

    def text(self, path: str) -> str:
        """The text of a file; empty for one that is too large or no text."""
        if path not in self._texts:
            data = b""
            if self.entries[path].size_bytes <= largest_source:
                data = self.workspace.read_bytes(path)
            self._texts[path] = "" if b"\0" in data else data.decode("utf-8", "replace")
        return self._texts[path]

    def known(self, path: Json) -> str:
        """A path that names a file of the code base, in its normal form.

        Raises:
            StepError: ``file_not_found``.
        """
        wanted = str(PurePosixPath(to_text(path)))
        if wanted not in self.entries:
            raise StepError(f"there is no file {wanted} in the code base", code="file_not_found")
        return wanted

    async def needs(self) -> Mapping[str, Sequence[str]]:
        """Each source file to the files that it asks for."""
        if self._graph is None:
            graph: dict[str, Sequence[str]] = {}
            for path in self.entries:
                await asyncio.sleep(0)  # thousands are parsed; others have their turn between
                graph[path] = self._needs_of(path)
            self._graph = graph
        return self._graph

    def _needs_of(self, path: str) -> Sequence[str]:
        language = language_of(path)
        if language is None:
            return ()
        wanted = imports_in(self.text(path), language)
        found = {file for one in wanted for file in resolved(one, path, self.entries)}
        return sorted(found)

    async def needed_by(self) -> Mapping[str, Sequence[str]]:
        """Each file to the files that ask for it."""
        graph = await self.needs()
        found: dict[str, list[str]] = {path: [] for path in graph}
        for path, needed in graph.items():
            for one in needed:
                found[one].append(path)
        return found


def is_test(path: str) -> bool:
    """Whether a file belongs to the tests, by its folders or its name."""
    place = PurePosixPath(path)
    in_folder = bool(_test_folders.intersection(place.parent.parts))
    return in_folder or _test_name.fullmatch(place.stem) is not None


def _is_of_type(path: str, wanted: str) -> bool:
    place = PurePosixPath(path)
    match wanted:
        case "source":
            return language_of(path) is not None
        case "main":
            return language_of(path) is not None and not is_test(path)
        case "test":
            return language_of(path) is not None and is_test(path)
        case _:
            return place.suffix.lower() in _config_endings or place.name in _config_names


def _stem(path: str) -> str:
    """Name of a file without its ending and without what marks it as a test."""
    return re.sub(r"^test[_\-.]|[_\-.](?:test|spec)$", "", PurePosixPath(path).stem).lower()


def _reached(start: str, graph: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """All that ``start`` leads to, without itself, sorted."""
    found: set[str] = set()
    pending = list(graph.get(start, ()))
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += graph.get(one, ())
    return sorted(found - {start})


Arguments = Mapping[str, Json]


async def _find_files(code: Codebase, asked: Arguments) -> Json:
    return [path for path, entry in code.entries.items() if _is_found(code, path, entry, asked)]


def _is_found(code: Codebase, path: str, entry: FileEntry, asked: Arguments) -> bool:
    place = PurePosixPath(path)
    pattern, related = asked.get("pattern"), asked.get("related_to")
    endings = [f".{str(one).lstrip('.')}" for one in asked.get("extensions") or ()]
    since = asked.get("modified_since")
    return (
        (asked.get("type") is None or _is_of_type(path, asked["type"]))
        and (pattern is None or matches(pattern, path if "/" in pattern else place.name))
        and (not endings or place.suffix in endings)
        and not (asked.get("exclude_tests") and is_test(path))
        and (related is None or (_stem(path) == _stem(code.known(related)) and path != related))
        and (since is None or entry.modified_s >= _moment(since))
    )


def _moment(value: Json) -> float:
    """Unix time of an ISO 8601 text (UTC where it names no offset) or of a number of seconds."""
    if isinstance(value, int | float):
        return float(value)
    try:
        found = datetime.fromisoformat(to_text(value))
    except ValueError as exc:
        raise StepError(f"modified_since: {value!r} is no moment", code="type_error") from exc
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


async def _find_functions(code: Codebase, asked: Arguments) -> Json:
    wanted = asked.get("in_file")
    files = list(code.entries) if wanted is None else [code.known(wanted)]
    found = []
    for path in files:
        await asyncio.sleep(0)
        language = language_of(path)
        functions = () if language is None else functions_in(code.text(path), language)
        found += [
            _function_json(path, one)
            for one in functions
            if one.is_public or not asked.get("public_only")
        ]
    return found


def _function_json(path: str, function: Function) -> dict[str, Json]:
    return {
        "name": function.name,
        "file": path,
        "line": function.line,
        "public": function.is_public,
    }


async def _find_dependencies(code: Codebase, asked: Arguments) -> Json:
    file, graph = code.known(asked["for_file"]), await code.needs()
    return _reached(file, graph) if asked.get("include_transitive") else list(graph[file])


async def _find_dependents(code: Codebase, asked: Arguments) -> Json:
    return list((await code.needed_by())[code.known(asked["of_file"])])


async def _find_related(code: Codebase, asked: Arguments) -> Json:
    file = code.known(asked["to_file"])
    twins = [path for path in code.entries if _stem(path) == _stem(file)]
    needed, needing = (await code.needs())[file], (await code.needed_by())[file]
    return sorted({*twins, *needed, *needing} - {file})


async def _analyze_impact(code: Codebase, asked: Arguments) -> Json:
    file, graph = code.known(asked["changed_file"]), await code.needed_by()
    direct, all_of_them = list(graph[file]), _reached(file, graph)
    return {
        "changed_file": file,
        "direct": direct,
        "indirect": [path for path in all_of_them if path not in direct],
        "tests": [path for path in all_of_them if is_test(path)],
        "count": len(all_of_them),
    }


async def _get_project_type(code: Codebase, asked: Arguments) -> Json:
    del asked
    return next((kind for name, kind in project_kinds.items() if name in code.entries), "unknown")


async def _get_dependencies(code: Codebase, asked: Arguments) -> Json:
    del asked
    found = [
        {"name": name, "requirement": requirement, "file": file}
        for file, read in declared.items()
        if file in code.entries
        for name, requirement in read(code.text(file))
    ]
    return sorted(found, key=lambda one: (one["name"], one["file"]))


async def _get_git_status(code: Codebase, asked: Arguments) -> Json:
    del asked
    return await git_status(code.workspace, code.commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """A kind of query: what answers it, and what it may and must be told."""

    answer: Callable[[Codebase, Arguments], Awaitable[Json]]
    needs: str = ""
    takes: tuple[str, ...] = ()


_queries: Final[Mapping[str, _Query]] = {
    "find_files": _Query(
        answer=_find_files,
        takes=(
            *("type", "pattern", "extensions", "exclude_tests", "related_to"),
            "modified_since",
        ),
    ),
    "find_functions": _Query(answer=_find_functions, takes=("in_file", "public_only")),
    "find_dependencies": _Query(
        answer=_find_dependencies, needs="for_file", takes=("include_transitive",)
    ),
    "find_dependents": _Query(answer=_find_dependents, needs="of_file"),
    "find_related": _Query(answer=_find_related, needs="to_file"),
    "analyze_impact": _Query(answer=_analyze_impact, needs="changed_file"),
    "get_project_type": _Query(answer=_get_project_type),
    "get_dependencies": _Query(answer=_get_dependencies),
    "get_git_status": _Query(answer=_get_git_status),
}
_described: Final = f"Name to one query each: {words(_queries)}."


def _told(given: Json) -> Sequence[tuple[str, Json, str]] | None:
    """Name, value and place of each argument in a map, or in a list of maps."""
    if isinstance(given, Mapping):
        return [(name, value, entry(name)) for name, value in given.items()]
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        return None
    return [
        (name, value, f"[{at}]{entry(name)}")
        for at, one in enumerate(given)
        for name, value in one.items()
    ]


def _arguments(given: Json) -> Arguments:
    told = [] if given is True else _told(given)
    if told is None:
        raise StepError(f"a query is told a map, not {got(given)}", code="type_error")
    return {name: value for name, value, _ in told}


def _check(step: StepSpec) -> Iterable[Finding]:
    queries = step.get("queries", {})
    for name, query in queries.items() if isinstance(queries, Mapping) else ():
        path = f"queries{entry(name)}"
        if not isinstance(query, Mapping) or len(query) != 1:
            message = f"a query is a map with one of {', '.join(_queries)}"
            yield Finding(code="unknown_value", message=message, path=path)
            continue
        (kind, given) = next(iter(query.items()))
        yield from _check_query(kind, given, path + entry(kind))


def _check_query(kind: str, given: Json, path: str) -> Iterable[Finding]:
    known = _queries.get(kind)
    if known is None:
        yield Finding(
            code="unknown_value",
            message=f"there is no query {kind!r}",
            path=path,
            suggestion=nearest(kind, _queries),
        )
        return
    if not known.needs and not known.takes:
        if given is not True:
            message = f"{kind} is asked with true, not with {got(given)}"
            yield Finding(code="wrong_type", message=message, path=path)
        return
    if isinstance(given, str) and has_template(given):
        return
    told = _told(given)
    if told is None:
        message = f"{kind} is told a map or a list of maps, not {got(given)}"
        yield Finding(code="wrong_type", message=message, path=path)
        return
    names = [name for name in (known.needs, *known.takes) if name]
    for name, value, place in told:
        yield from _check_argument(kind, name, value, path + place, names)
    if known.needs and known.needs not in _arguments(given):
        missing = path + entry(known.needs)
        yield Finding(code="missing_field", message=f"{kind} needs {known.needs!r}", path=missing)


def _check_argument(
    kind: str, name: str, value: Json, path: str, names: Sequence[str]
) -> Iterable[Finding]:
    if name not in names:
        yield Finding(
            code="unknown_field",
            message=f"{kind} takes no {name!r}",
            path=path,
            severity="warning",
            suggestion=nearest(name, names),
        )
    filled_later = isinstance(value, str) and has_template(value)
    if (kind, name) == ("find_files", "type") and value not in file_types and not filled_later:
        yield Finding(
            code="unknown_value",
            message=f"'type' is one of {', '.join(file_types)}, not {value!r}",
            path=path,
            suggestion=nearest(str(value), file_types),
        )


class CodebaseQuery:
    """Questions about the code in the workspace, answered from its files."""

    shape = StepShape(
        type="codebase_query",
        summary="Ask what the files of the workspace show of a code base.",
        fields={
            "queries": FieldShape(types=("map",), required=True, description=_described),
            "codebase_context": FieldShape(kind="plain", ignored=True),
        },
        effects=lambda _: [Effect(kind="workspace")],
        check=_check,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        code = Codebase.of(ctx.workspace, ctx.commands)
        answers: dict[str, Json] = {}
        for name, query in ctx.rendered("queries").items():
            (kind, given) = next(iter(query.items()))
            answers[name] = await _queries[kind].answer(code, _arguments(given))
        return Outcome(data=answers)
