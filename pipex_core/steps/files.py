"""``file_ops``: what a pipeline does to the files of its workspace without a model."""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from pipex_core.errors import ErrorRecord, ExpressionError, StepError
from pipex_core.expressions.patterns import search
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json
from pipex_core.llm.globs import matches
from pipex_core.ports import Workspace
from pipex_core.registry import nearest
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import flag, integer, text, words
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.formats import conversions, most_bytes, readers
from pipex_core.steps.prompts import indented

search_s: Final = 1.0
processors: Final = ("identity", "uppercase", "lowercase", "trim", "replace")
read_formats: Final = ("text", *readers)
_reading: Final = frozenset({"read", "list", "validate"})
_needed: Final[Mapping[str, Sequence[str]]] = {
    "copy": ("source", "destination"),
    "move": ("source", "destination"),
    "delete": ("path|files",),
    "write": ("path", "content"),
    "read": ("path",),
    "list": (),
    "validate": ("files",),
    "convert": ("source", "destination", "format"),
    "stream_process": ("source", "processor"),
}
_formats: Final[Mapping[str, Sequence[str]]] = {
    "read": read_formats,
    "convert": tuple(conversions),
}


def _effects(step: StepSpec) -> Iterable[Effect]:
    yield Effect(kind="workspace", writes=step.get("operation") not in _reading)


def _check(step: StepSpec) -> Iterable[Finding]:
    operation = step.get("operation")
    for wanted in _needed.get(operation, ()):
        names = wanted.split("|")
        if not any(name in step.fields for name in names):
            shown = "` or `".join(names)
            message = f"`{operation}` needs `{shown}`"
            yield Finding(code="missing_field", message=message, path=names[0])
    known, given = _formats.get(operation), step.get("format")
    if known and given is not None and given not in known:
        yield Finding(
            code="unknown_value",
            message=f"`format` of `{operation}` is one of {', '.join(known)}, not {given!r}",
            path="format",
            suggestion=nearest(str(given), known),
        )
    if step.get("processor") == "replace" and "pattern" not in step.fields:
        message = "the processor `replace` needs `pattern`"
        yield Finding(code="missing_field", message=message, path="pattern")


_validated: Final = FieldShape(
    types=("str", "map"),
    fields={
        "path": text(required=True, description="The file."),
        "must_exist": flag(default=True, description="It is there."),
        "must_be_file": flag(description="It is a file."),
        "must_be_dir": flag(description="It is a folder."),
        "min_size": integer(0, description="Bytes."),
        "max_size": integer(0, description="Bytes."),
        "must_be_readable": flag(description="It can be read."),
        "must_be_writable": flag(description="It can be written."),
    },
)


class FileOps:
    """One operation on files of the workspace; each file is written whole or not at all."""

    shape = StepShape(
        type="file_ops",
        summary="Copy, move, write, read, list, check and convert files of the workspace.",
        fields={
            "operation": text(
                kind="plain",
                required=True,
                choices=tuple(_needed),
                choices_of={"stream_copy": "copy"},
                description="What is done.",
            ),
            "source": FieldShape(
                types=("str", "list"),
                description="File, glob or list: what is copied, moved, converted or processed.",
            ),
            "destination": text(description="A slash at the end means a folder."),
            "path": text(description="What is written, read, listed or deleted."),
            "files": FieldShape(
                types=("list", "str"),
                item=_validated,
                description="What is deleted, or checked: paths, or maps of what must hold.",
            ),
            "content": FieldShape(description="What is written; other than text as JSON."),
            "format": text(
                kind="plain",
                description=f"Of `read`: {words(read_formats)}. Of `convert`: {words(conversions)}.",
            ),
            "pattern": text(
                description="Of `list`: a glob. Of `replace`: what is replaced, literally."
            ),
            "replacement": text(description="Of `replace`: what stands there instead."),
            "regex": flag(
                kind="plain",
                description="Of `list`: the pattern is a regular expression over names.",
            ),
            "recursive": flag(
                kind="plain",
                description="Of `list`: folders in folders as well; so does a glob with a slash.",
            ),
            "missing_ok": flag(
                kind="plain", description="Of `delete`: a missing file is no failure."
            ),
            "processor": text(
                kind="plain",
                choices=processors,
                description="Of `stream_process`: what is done with each line.",
            ),
        },
        effects=_effects,
        check=_check,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        return _operations[ctx.step.get("operation")](ctx)


def _copy(ctx: StepContext) -> Outcome:
    return _placed(ctx, ctx.workspace.copy)


def _move(ctx: StepContext) -> Outcome:
    return _placed(ctx, ctx.workspace.move)


def _placed(ctx: StepContext, place: Callable[[str, str], Sequence[str]]) -> Outcome:
    given = ctx.rendered("source")
    sources = _found(ctx, given)
    destination = _text(ctx, "destination")
    is_folder = destination.endswith("/") or isinstance(given, list) or _is_glob(given)
    targets = {
        source: posixpath.join(destination, posixpath.basename(posixpath.normpath(source)))
        if is_folder
        else destination
        for source in sources
    }
    if len(set(targets.values())) < len(targets):
        twice = sorted(targets.values())
        first = next(one for one, other in pairwise(twice) if one == other)
        raise StepError(f"several sources would become {first}", code="validation_failed")
    return _done(ctx, [file for one, target in targets.items() for file in place(one, target)])


def _delete(ctx: StepContext) -> Outcome:
    given = ctx.rendered("files" if "files" in ctx.step.fields else "path")
    is_missing_ok = ctx.step.get("missing_ok", False)
    found = _found(ctx, given, missing_ok=is_missing_ok)
    return _done(ctx, [file for path in found for file in ctx.workspace.delete(path)])


def _write(ctx: StepContext) -> Outcome:
    content = ctx.rendered("content")
    shown = content if isinstance(content, str) else indented(content)
    return _done(ctx, [ctx.workspace.write(_text(ctx, "path"), _encoded(shown))])


def _read(ctx: StepContext) -> Outcome:
    text = _decoded(ctx.workspace, _text(ctx, "path"))
    reader = readers.get(ctx.step.get("format", "text"))
    return Outcome(text=text) if reader is None else Outcome(data=reader(text))


def _list(ctx: StepContext) -> Outcome:
    folder = to_text(ctx.rendered("path", default="."))
    pattern = ctx.rendered("pattern")
    # A glob with a slash is about folders in folders: `**/*.py` would find nothing but the first level.
    is_deep = pattern is not None and "/" in to_text(pattern) and not ctx.step.get("regex", False)
    entries = ctx.workspace.list(folder, recursive=ctx.step.get("recursive", is_deep))
    base = ctx.workspace.stat(folder)
    start = "" if base is None or base.path == "." else f"{base.path}/"
    files = [
        entry.path
        for entry in entries
        if not entry.is_folder and _is_wanted(ctx, entry.path.removeprefix(start), pattern)
    ]
    return Outcome(data={"files": files, "count": len(files)})


def _is_wanted(ctx: StepContext, path: str, pattern: Json) -> bool:
    if pattern is None:
        return True
    wanted, name = to_text(pattern), posixpath.basename(path)
    if not ctx.step.get("regex", False):
        # As shells do it: a pattern without a slash is one for names.
        return matches(wanted, path if "/" in wanted else name)
    try:
        return search(wanted, name, limit_s=search_s) is True
    except ExpressionError as exc:
        raise StepError(exc.message, code=exc.code) from exc


def _validate(ctx: StepContext) -> Outcome:
    given = ctx.rendered("files")
    entries = given if isinstance(given, list) else [given]
    checked = [entry if isinstance(entry, Mapping) else {"path": entry} for entry in entries]
    results: list[Json] = []
    for entry in checked:
        path = to_text(entry["path"])
        problems = list(_problems(ctx.workspace, path, entry))
        results.append({"path": path, "valid": not problems, "problems": problems})
    wrong = [f"{one['path']}: {'; '.join(one['problems'])}" for one in results if one["problems"]]
    outcome = Outcome(data={"valid": not wrong, "results": results})
    if not wrong:
        return outcome
    message = f"step {ctx.step.name!r}: {'; '.join(wrong)}"
    failure = ErrorRecord(code="validation_failed", message=message, path=ctx.path)
    return Outcome(data=outcome.data, failure=failure)


def _problems(workspace: Workspace, path: str, asked: Mapping[str, Json]) -> Iterable[str]:
    """What is not as it must be at a path."""
    found = workspace.stat(path)
    if found is None:
        if asked.get("must_exist", True):
            yield "it does not exist"
        return
    low, high = asked.get("min_size"), asked.get("max_size")
    if asked.get("must_be_file") and found.is_folder:
        yield "it is a folder"
    if asked.get("must_be_dir") and not found.is_folder:
        yield "it is no folder"
    if low is not None and found.size_bytes < low:
        yield f"it has {found.size_bytes} bytes, fewer than {low}"
    if high is not None and found.size_bytes > high:
        yield f"it has {found.size_bytes} bytes, more than {high}"
    if asked.get("must_be_readable") and not found.is_folder:
        yield from _unreadable(workspace, path)
    # Outside of the workspace there are only folders that may be read.
    if asked.get("must_be_writable") and posixpath.isabs(found.path):
        yield "it may only be read"


def _unreadable(workspace: Workspace, path: str) -> Iterable[str]:
    try:
        workspace.read_bytes(path, max_bytes=0)
    except StepError as error:
        if error.code != "limit_exceeded":  # it is longer than nothing, so it can be read
            yield f"it cannot be read: {error.message}"


def _convert(ctx: StepContext) -> Outcome:
    source = _text(ctx, "source")
    made = conversions[ctx.step.get("format")](_decoded(ctx.workspace, source))
    return _done(ctx, [ctx.workspace.write(_text(ctx, "destination"), _encoded(made))])


def _stream_process(ctx: StepContext) -> Outcome:
    source = _text(ctx, "source")
    target = to_text(ctx.rendered("destination", default=source))
    change = _change(ctx)
    lines = _decoded(ctx.workspace, source).split("\n")
    made = "\n".join(change(line) for line in lines)
    return _done(ctx, [ctx.workspace.write(target, _encoded(made))])


def _change(ctx: StepContext) -> Callable[[str], str]:
    """What becomes of one line."""
    match ctx.step.get("processor"):
        case "uppercase":
            return str.upper
        case "lowercase":
            return str.lower
        case "trim":
            return str.strip
        case "replace":
            old, new = _text(ctx, "pattern"), to_text(ctx.rendered("replacement", default=""))
            return lambda line: line.replace(old, new) if old else line
        case _:
            return str


def _found(ctx: StepContext, given: Json, *, missing_ok: bool = False) -> Sequence[str]:
    """The paths that a path, a glob or a list of them names, each once.

    Raises:
        StepError: ``file_not_found``, there is nothing of that name.
    """
    found: dict[str, None] = {}
    for one in given if isinstance(given, list) else [given]:
        wanted = to_text(one)
        paths = [wanted] if ctx.workspace.stat(wanted) is not None else []
        if not paths and _is_glob(wanted):
            entries = ctx.workspace.list(".", recursive=True)
            paths = [e.path for e in entries if not e.is_folder and matches(wanted, e.path)]
        if not paths and not missing_ok:
            raise StepError(f"there is no file {wanted}", code="file_not_found")
        found.update(dict.fromkeys(paths))
    return list(found)


def _is_glob(given: Json) -> bool:
    return isinstance(given, str) and any(sign in given for sign in "*?[{")


def _done(ctx: StepContext, files: Iterable[str]) -> Outcome:
    listed = sorted(files)
    operation = ctx.step.get("operation")
    return Outcome(data={"operation": operation, "files": listed, "count": len(listed)})


def _text(ctx: StepContext, name: str) -> str:
    return to_text(ctx.rendered(name))


def _decoded(workspace: Workspace, path: str) -> str:
    try:
        return workspace.read_bytes(path, max_bytes=most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise StepError(f"{path} is no text in UTF-8", code="type_error") from exc


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


_operations: Final[Mapping[str, Callable[[StepContext], Outcome]]] = {
    "copy": _copy,
    "move": _move,
    "delete": _delete,
    "write": _write,
    "read": _read,
    "list": _list,
    "validate": _validate,
    "convert": _convert,
    "stream_process": _stream_process,
}
