"""``pipex suite save | versions | revert | freeze | quarantine | accept``: versions of suites."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipex_core.cli.main import counted, emit, exit_ok

if TYPE_CHECKING:
    from pipex_core.app.suiteversions import Kept
    from pipex_core.evals.suite import Suite

Function = TypeVar("Function", bound=Callable[..., Any])


def _with_version_options(command: Function) -> Function:
    options = [
        click.option("--version", metavar="V", help="Label of the new version.  [default: the next]"),
        click.option(
            "--bump", type=click.Choice(["minor", "major"]), default="minor", show_default=True,
            help="Which number of the label is raised.",
        ),
        click.option("--changelog", metavar="TEXT", default="", help="What changed, for people."),
        click.option("--git", is_flag=True, help="Commit the suite's files, tagged suite/<id>/<version>."),
        click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("path", metavar="PATH")
@_with_version_options
def save(path: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Keep the suite at PATH as a version, with an immutable copy in .pipex/suites.

    Nothing is written when it equals the latest version.

    \b
    Examples:
      pipex suite save qa --changelog "harder questions"
      pipex suite save qa --bump major --git
    """
    return _changed(path, lambda suite: suite, given)


@click.command()
@click.argument("path", metavar="PATH")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def versions(path: str, *, as_json: bool) -> int:
    """List the saved versions of the suite at PATH, newest first."""
    from pipex_core.app.files import suite_place
    from pipex_core.app.suiteversions import list_versions

    place = suite_place(path)
    found = list_versions(place)
    document = {
        "schema": "pipex.suite/1",
        "path": str(place),
        "versions": [one.as_json() for one in found],
    }
    lines = [
        f"{one.version}  {one.saved_at}  {counted(one.n_cases, 'case')}  {one.suite_digest[:12]}"
        f"  {one.changelog}".rstrip()
        for one in found
    ]
    nothing = f"{place}: no saved versions\nnext: pipex suite save {path}"
    emit(document, as_json=as_json, text="\n".join(lines) or nothing)
    return exit_ok


@click.command()
@click.argument("path", metavar="PATH")
@click.argument("wanted", metavar="VERSION")
@click.option(
    "--bump", type=click.Choice(["minor", "major"]), default="minor", show_default=True,
    help="Which number of the label is raised.",
)  # fmt: skip
@click.option("--changelog", metavar="TEXT", default="", help="Why, for people.")
@click.option("--git", is_flag=True, help="Commit the suite's files, tagged suite/<id>/<version>.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def revert(path: str, wanted: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Make a new version of the suite at PATH with the content of VERSION.

    History is never rewritten, and edits that were not saved are replaced: save them first.
    """
    from pipex_core.app.files import suite_place
    from pipex_core.app.suiteversions import keep
    from pipex_core.evals.versions import revert as reverted

    kept = keep(
        suite_place(path),
        lambda lock, store, at: reverted(
            lock, store, wanted, saved_at=at, bump=given["bump"], changelog=given["changelog"]
        ),
        git=given["git"],
    )
    return _told(kept, path, as_json=given["as_json"])


@click.command()
@click.argument("path", metavar="PATH")
@click.argument("ids", metavar="[IDS]...", nargs=-1)
@click.option("--thaw", is_flag=True, help="Let them change again instead.")
@_with_version_options
def freeze(path: str, ids: tuple[str, ...], *, thaw: bool, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Freeze cases of the suite at PATH (all without IDS) and save a version.

    The input and the reference of a frozen case stay as they are until it is thawed.
    """
    from pipex_core.evals import curate

    given["changelog"] = given["changelog"] or ("thaw" if thaw else "freeze")
    return _changed(path, lambda suite: curate.freeze(suite, ids or None, thaw=thaw), given)


@click.command()
@click.argument("path", metavar="PATH")
@click.argument("ids", metavar="IDS...", nargs=-1, required=True)
@click.option("--reason", metavar="TEXT", required=True, help="Why; kept in metadata.quarantine.")
@_with_version_options
def quarantine(path: str, ids: tuple[str, ...], *, reason: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Put cases of the suite at PATH into quarantine and save a version.

    They still run and are reported apart, and count in no summary, gate or digest.
    """
    from pipex_core.evals import curate

    given["changelog"] = given["changelog"] or f"quarantine: {reason}"
    return _changed(path, lambda suite: curate.quarantine(suite, ids, reason=reason), given)


@click.command()
@click.argument("path", metavar="PATH")
@click.argument("ids", metavar="[IDS]...", nargs=-1)
@_with_version_options
def accept(path: str, ids: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Accept the references that a log or a model wrote (all without IDS) and save a version.

    Until somebody does, such cases count in no gate.
    """
    from pipex_core.evals import curate

    given["changelog"] = given["changelog"] or "accept references"
    return _changed(path, lambda suite: curate.accept(suite, ids or None), given)


def _changed(path: str, change: Callable[["Suite"], "Suite"], given: dict[str, Any]) -> int:
    """Change the working file's suite and keep the outcome as a version."""
    from pipex_core.app.files import suite_place
    from pipex_core.app.suites import load_suite
    from pipex_core.app.suiteversions import keep
    from pipex_core.evals.versions import save as saved

    place = suite_place(path)
    kept = keep(
        place,
        lambda lock, store, at: saved(
            change(load_suite(place)),
            lock,
            store,
            saved_at=at,
            version=given["version"],
            bump=given["bump"],
            changelog=given["changelog"],
        ),
        git=given["git"],
    )
    return _told(kept, path, as_json=given["as_json"])


def _told(kept: "Kept", path: str, *, as_json: bool) -> int:
    version = kept.saved.version
    document = {
        "schema": "pipex.version/1",
        "suite": kept.saved.suite.id,
        "is_new": kept.saved.is_new,
        **version.as_json(),
        "files": [str(file) for file in kept.files],
        "commit": kept.commit,
        "tag": kept.tag,
    }
    name = f"{kept.saved.suite.id} {version.version}"
    if not kept.saved.is_new:
        done = (
            f"commit {kept.commit[:12]}, tag {kept.tag}" if kept.commit else "nothing was written"
        )
        emit(document, as_json=as_json, text=f"{name}: nothing changed, {done}")
        return exit_ok
    after = f" after {version.parent}" if version.parent else ""
    lines = [
        f"saved {name}{after}: {counted(version.n_cases, 'case')}, {version.suite_digest[:12]}",
        *(f"wrote {file}" for file in kept.files),
        *([f"commit {kept.commit[:12]}, tag {kept.tag}"] if kept.commit else []),
        f"next: pipex suite diff {path}@{version.parent} {path}"
        if version.parent
        else f"next: pipex suite versions {path}",
    ]
    emit(document, as_json=as_json, text="\n".join(lines))
    return exit_ok
