"""The state of a Git work tree, told by ``git status`` where the deployment allows commands.

The folder may be anybody's, so the command runs where commands of models do, in the workspace only: a
repository around the workspace is not looked at, and nothing that a repository's settings name is run.
"""

from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.ports import CommandResult, Commands, Workspace

timeout_s: Final = 30.0
most_characters: Final = 1_000_000
not_allowed: Final = (
    "the settings of this deployment do not allow commands; give the status as an input"
)
command: Final = (
    'GIT_OPTIONAL_LOCKS=0 GIT_CEILING_DIRECTORIES="$(dirname "$PWD")" GIT_CONFIG_NOSYSTEM=1'
    " git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.quotePath=false"
    " -c safe.directory='*' status --porcelain=v1 -z --branch --untracked-files=all"
)
_kinds: Final = (("R", "renamed"), ("C", "added"), ("A", "added"), ("D", "deleted"))


async def git_status(workspace: Workspace, commands: Commands | None) -> Json:
    """Branch and changed files of the workspace's repository; ``available: false`` and why without one."""
    if commands is None:
        return {"available": False, "reason": not_allowed}
    try:
        with workspace.folder() as folder:
            told = await commands.run(
                command, folder=folder, timeout_s=timeout_s, max_chars=most_characters
            )
    finally:
        workspace.recount()
    return status_of(told)


def status_of(told: CommandResult) -> dict[str, Json]:
    """What the output of the command says; paths are relative to the workspace and sorted."""
    if told.timed_out or told.exit_code != 0:
        lines = told.output.strip().splitlines()
        reason = f"it took longer than {timeout_s:g} s" if told.timed_out else (lines or [""])[-1]
        return {"available": False, "reason": f"git status failed: {reason}"}
    head, *entries = told.output.split("\0")
    found: dict[str, list[str]] = {
        name: [] for name in ("modified", "added", "deleted", "renamed", "untracked")
    }
    line = iter(entry for entry in entries if entry)
    for entry in line:
        state, path = entry[:2], entry[3:]
        if state[0] in "RC":
            next(line, None)  # where it came from
        found[_kind(state)].append(path)
    listed = {name: sorted(paths) for name, paths in found.items()}
    return {"available": True, "branch": _branch(head), "clean": not any(found.values()), **listed}


def _kind(state: str) -> str:
    if state == "??":
        return "untracked"
    return next((name for sign, name in _kinds if sign in state), "modified")


def _branch(head: str) -> str | None:
    """Name of the branch; None for a detached head."""
    name = head.removeprefix("## ").removeprefix("No commits yet on ").partition("...")[0]
    return None if name.startswith("HEAD (no branch)") else name
