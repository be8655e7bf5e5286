"""A diff of two suites for people: lines for a terminal, a table for a pull request."""

from collections.abc import Iterator

from pipex_core.evals.suitediff import Change, SuiteDiff
from pipex_core.jsonvalue import compact, short


def as_text(diff: SuiteDiff) -> str:
    """The diff for a terminal: one line per case and change, renames as such."""
    if diff.is_empty:
        return f"{diff.start.id}: no changes, {_counted(diff.unchanged, 'case')}"
    lines = [_headline(diff)]
    lines += [f"  suite {_shown(change)}" for change in diff.suite_changed]
    for mark, case_id, change in _lines(diff):
        lines.append(f"{mark} {case_id}{f' {_shown(change)}' if change else ''}")
    return "\n".join([*lines, _footline(diff)])


def as_markdown(diff: SuiteDiff) -> str:
    """The diff for a pull request: a headline and a table."""
    if diff.is_empty:
        return f"**{diff.start.id}**: no changes, {_counted(diff.unchanged, 'case')}"
    rows = [("~", "(suite)", change) for change in diff.suite_changed]
    lines = [f"**{_headline(diff)}**", "", "| | case | change |", "|---|---|---|"]
    for mark, case_id, change in (*rows, *_lines(diff)):
        shown = _cell(_shown(change)) if change else ""
        lines.append(f"| {mark} | {_cell(case_id)} | {shown} |")
    return "\n".join([*lines, "", _footline(diff)])


def _headline(diff: SuiteDiff) -> str:
    words = {name.removesuffix("_changed"): count for name, count in diff.counts.items() if count}
    counts = ", ".join(f"{count} {name}" for name, count in words.items())
    start, end = diff.start, diff.end
    return (
        f"{start.id} {start.version} ({short(start.suite_digest)}) -> "
        f"{end.id} {end.version} ({short(end.suite_digest)}): {counts}"
    )


def _footline(diff: SuiteDiff) -> str:
    rows = diff.consequences
    only = rows["verdict_only"]
    return (
        f"A run would ask {_counted(rows['responses'], 'answer')} and compute"
        f" {_counted(rows['scores'], 'score')} anew; {_counted(only, 'case')}"
        f" change{'s' if only == 1 else ''} the verdict only."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _lines(diff: SuiteDiff) -> Iterator[tuple[str, str, Change | None]]:
    old, new = {pair[0] for pair in diff.renamed}, {pair[1] for pair in diff.renamed}
    yield from (("+", one.id, None) for one in diff.added if one.id not in new)
    yield from (("-", one.id, None) for one in diff.removed if one.id not in old)
    yield from ((">", f"{before} is now {after}", None) for before, after in diff.renamed)
    for case_id, changes in sorted(diff.edits.items()):
        yield from (("~", case_id, change) for change in changes)


def _shown(change: Change) -> str:
    before, after = (
        compact(box[0])[:120] if box else "nothing" for box in (change.before, change.after)
    )
    return f"{change.path}: {before} -> {after}"


def _cell(text: str) -> str:
    """Text that cannot leave its cell, become a tag, or call somebody."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    return escaped.replace("<", "&lt;").replace("@", "&#64;").replace("\n", " ")
