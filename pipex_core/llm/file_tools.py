"""What the tools of a model do to the files of a workspace; each answers with the text that the model reads.

A refusal or failure is a ``StepError``, which the toolbox turns into a text for the model.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import regex

from pipex_core.errors import ExpressionError, StepError
from pipex_core.expressions.patterns import compiled
from pipex_core.llm.globs import expanded, matches
from pipex_core.ports import FileEntry, Workspace

Arguments = Mapping[str, Any]

most_lines = 1_000
longest_line = 500
largest_searched_bytes = 10_000_000
search_s = 1.0


async def read(workspace: Workspace, arguments: Arguments) -> str:
    """The text of a file, or ``limit`` lines of it from line ``offset`` (from 1)."""
    text = _text(workspace, arguments["path"])
    first, count = arguments.get("offset"), arguments.get("limit")
    if first is None and count is None:
        return text
    lines = text.splitlines(keepends=True)
    start = (first or 1) - 1
    return "".join(lines[start : None if count is None else start + count])


async def write(workspace: Workspace, arguments: Arguments) -> str:
    """Writes the whole of a file."""
    data = arguments["content"].encode("utf-8", "replace")
    return f"wrote {len(data)} bytes to {workspace.write(arguments['path'], data)}"


async def edit(workspace: Workspace, arguments: Arguments) -> str:
    """Writes what ``edited`` gives; all edits or none."""
    return f"edited {workspace.write(arguments['path'], edited(workspace, arguments))}"


def edited(workspace: Workspace, arguments: Arguments) -> bytes:
    """The file as it will be after the one edit, or the ``edits`` in order.

    Raises:
        StepError: ``edit_failed``, a text to replace is not there exactly once; or the file cannot be read.
    """
    text = _text(workspace, arguments["path"])
    for change in arguments.get("edits", [arguments]):
        text = _changed(text, change)
    return text.encode("utf-8", "replace")


def _changed(text: str, change: Arguments) -> str:
    old, new = change["old_string"], change["new_string"]
    if not old or old == new:
        raise StepError(
            "old_string must not be empty, nor equal to new_string; use Write for a new file",
            code="edit_failed",
        )
    count = text.count(old)
    if count == 0:
        raise StepError("old_string is not in the file; read it first", code="edit_failed")
    if count > 1 and not change.get("replace_all"):
        raise StepError(
            f"old_string is in the file {count} times; give more of the text around it,"
            " or set replace_all",
            code="edit_failed",
        )
    return text.replace(old, new)


async def glob(workspace: Workspace, arguments: Arguments) -> str:
    """Paths of the files that match, one a line."""
    folder, pattern = arguments.get("path", "."), arguments["pattern"]
    base = _base(workspace, folder)
    entries = workspace.list(folder, recursive=True)
    found = [e.path for e in entries if not e.is_folder and matches(pattern, e.path[len(base) :])]
    return "\n".join(found) or "no files match"


async def ls(workspace: Workspace, arguments: Arguments) -> str:
    """Names in a folder, one a line; folders end in a slash."""
    folder = arguments.get("path", ".")
    base = _base(workspace, folder)
    entries = workspace.list(folder)
    names = [f"{e.path[len(base) :]}{'/' if e.is_folder else ''}" for e in entries]
    return "\n".join(names) or "the folder is empty"


async def grep(workspace: Workspace, arguments: Arguments) -> str:
    """Lines that match a regular expression as ``path:number:line``, at most 1 000 of them."""
    pattern = _pattern(arguments["pattern"], ignore_case=arguments.get("ignore_case", False))
    found: list[str] = []
    for entry in _searched(workspace, arguments.get("path", "."), arguments.get("glob")):
        await asyncio.sleep(0)  # a search of many files lets others run, and can be cancelled
        found += _matching_lines(workspace, entry, pattern)
        if len(found) >= most_lines:
            return "\n".join([*found[:most_lines], f"[only the first {most_lines} lines]"])
    return "\n".join(found) or "no lines match"


def _pattern(text: str, *, ignore_case: bool) -> "regex.Pattern[str]":
    try:
        found = compiled(f"(?mi){text}" if ignore_case else f"(?m){text}")
    except ExpressionError as exc:
        raise StepError(exc.message, code="invalid_arguments") from exc
    if found is None:
        raise StepError(f"{text!r} is no regular expression", code="invalid_arguments")
    return found


def _searched(workspace: Workspace, path: str, pattern: str | None) -> Sequence[FileEntry]:
    """The file, or the files of the folder, that the search looks at."""
    found = workspace.stat(path)
    if found is not None and not found.is_folder:
        return [found]
    base = _base(workspace, path)
    files = [entry for entry in workspace.list(path, recursive=True) if not entry.is_folder]
    if pattern is None:
        return files
    # As other search tools do it: a pattern without a slash is one for names.
    anywhere = [p if "/" in p else f"**/{p}" for p in expanded(pattern)]
    return [e for e in files if any(matches(p, e.path[len(base) :]) for p in anywhere)]


def _matching_lines(
    workspace: Workspace, entry: FileEntry, pattern: "regex.Pattern[str]"
) -> Sequence[str]:
    """Lines of one file; none of a file that is no text, is too large, or takes too long."""
    if entry.size_bytes > largest_searched_bytes:
        return ()
    data = workspace.read_bytes(entry.path)
    if b"\0" in data:
        return ()
    text = data.decode("utf-8", "replace")
    found, number, start = [], 1, 0
    try:
        for match in pattern.finditer(text, timeout=search_s):
            if match.start() < start:
                continue  # a further match in a line that was found already
            number += text.count("\n", start, match.start())
            begin = text.rfind("\n", 0, match.start()) + 1
            end = (text.find("\n", match.start()) + 1 or len(text) + 1) - 1
            found.append(f"{entry.path}:{number}:{text[begin:end].rstrip()[:longest_line]}")
            number, start = number + 1, end + 1
    except TimeoutError:
        raise StepError(
            f"the search took too long in {entry.path}; use a simpler pattern",
            code="limit_exceeded",
        ) from None
    return found


def _text(workspace: Workspace, path: str) -> str:
    try:
        return workspace.read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise StepError(f"{path} is no text", code="type_error") from exc


def _base(workspace: Workspace, folder: str) -> str:
    """What stands in front of the names in a listing of ``folder``."""
    found = workspace.stat(folder)
    if found is None or not found.is_folder:
        raise StepError(f"there is no folder {folder}", code="file_not_found")
    return "" if found.path == "." else f"{found.path}/"
