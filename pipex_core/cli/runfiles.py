"""``pipex checkpoint`` and ``pipex journal``: the files that runs keep, looked at, pruned and repaired."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import LazyGroup, counted, emit, exit_invalid, exit_ok, note

if TYPE_CHECKING:
    from pipex_core.app.runfiles import RunFiles
    from pipex_core.engine.repair import Repaired

CHECKPOINTS: Mapping[str, tuple[str, str]] = {
    "list": ("pipex_core.cli.runfiles:list_", "List runs, or the checkpoints of one."),
    "show": ("pipex_core.cli.runfiles:show", "Show what a checkpoint holds."),
    "verify": ("pipex_core.cli.runfiles:verify", "Read every checkpoint of a run and compare hashes."),
    "prune": ("pipex_core.cli.runfiles:prune", "Delete old checkpoints of a run."),
    "migrate": ("pipex_core.cli.runfiles:migrate", "Make a run of a checkpoint file of pipeline_ex."),
    "restore": ("pipex_core.cli.runfiles:restore", "Make a new run that starts at a checkpoint."),
}  # fmt: skip
JOURNALS: Mapping[str, tuple[str, str]] = {
    "show": ("pipex_core.cli.runfiles:records", "Print the records of a run's journal."),
    "verify": ("pipex_core.cli.runfiles:check", "Read every byte of a run's journals."),
    "repair": ("pipex_core.cli.runfiles:repair", "Keep what verifies of a damaged journal."),
}  # fmt: skip


def _shared(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    """The options of all these commands."""
    command = click.option(
        "--json", "as_json", is_flag=True, help="Print exactly one JSON object."
    )(command)
    return click.option(
        "--checkpoint-dir", metavar="DIR", help="Where journals and checkpoints are kept."
    )(command)


@click.group("checkpoint", cls=LazyGroup, table=CHECKPOINTS)
def checkpoint() -> None:
    """List, show, verify, prune, migrate and restore checkpoints of runs."""


@click.group("journal", cls=LazyGroup, table=JOURNALS)
def journal() -> None:
    """Show, verify and repair journals of runs."""


@click.command("list", short_help="List runs, or the checkpoints of one.")
@click.argument("run_id", metavar="[RUN_ID]", required=False)
@_shared
def list_(run_id: str | None, *, checkpoint_dir: str | None, as_json: bool) -> int:
    """List all runs, the newest first, or the checkpoints of the run RUN_ID (or of the latest one)."""
    files = _files(checkpoint_dir)
    if run_id is None:
        runs = files.runs()
        payload: dict[str, Any] = {"schema": "pipex.runs/1", "runs": runs}
        emit(payload, as_json=as_json, text=lambda: "\n".join(_run_lines(runs)))
        return exit_ok
    found = files.find(run_id)
    payload = {
        "schema": "pipex.checkpoints/1",
        "run_id": found,
        "checkpoints": files.checkpoints(found),
    }
    emit(payload, as_json=as_json, text=lambda: "\n".join(_checkpoint_lines(payload)))
    return exit_ok


@click.command(short_help="Show what a checkpoint holds.")
@click.argument("run_id", metavar="RUN_ID")
@click.option(
    "--version", "seq", type=click.IntRange(1), metavar="N", help="Number; else the newest."
)
@_shared
def show(run_id: str, *, seq: int | None, checkpoint_dir: str | None, as_json: bool) -> int:
    """Show the steps, variables and costs that a checkpoint of the run RUN_ID holds."""
    files = _files(checkpoint_dir)
    payload = {"schema": "pipex.checkpoint/1", **files.checkpoint(files.find(run_id), seq)}
    emit(payload, as_json=as_json, text=lambda: "\n".join(_held_lines(payload)))
    return exit_ok


@click.command(short_help="Read every checkpoint of a run and compare hashes.")
@click.argument("run_id", metavar="RUN_ID")
@_shared
def verify(run_id: str, *, checkpoint_dir: str | None, as_json: bool) -> int:
    """Read every checkpoint of the run RUN_ID with all that it names; exit code 2 when one is not whole."""
    files = _files(checkpoint_dir)
    found = files.find(run_id)
    kept = files.checkpoints(found)
    ok = all(one["verdict"] == "ok" for one in kept)
    payload = {
        "schema": "pipex.checkpoints/1",
        "run_id": found,
        "ok": ok,
        "checkpoints": kept,
    }
    emit(payload, as_json=as_json, text=lambda: "\n".join(_checkpoint_lines(payload)))
    return exit_ok if ok else exit_invalid


@click.command(short_help="Delete old checkpoints of a run.")
@click.argument("run_id", metavar="RUN_ID")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    metavar="N",
    help="Newest ones that stay.",
)
@click.option(
    "--days",
    type=click.IntRange(0),
    default=7,
    show_default=True,
    metavar="N",
    help="Days whose last one stays.",
)
@_shared
def prune(
    run_id: str, *, keep: int, days: int, checkpoint_dir: str | None, as_json: bool
) -> int:  # fmt: skip
    """Delete checkpoints of the run RUN_ID but the newest ones, the last one of each day, and labelled ones.

    The newest one that verifies is never deleted.
    """
    from pipex_core.engine.checkpoint import RotationPolicy

    files = _files(checkpoint_dir)
    found = files.find(run_id)
    gone = list(files.prune(found, RotationPolicy(last=keep, days=days)))
    payload = {"schema": "pipex.pruned/1", "run_id": found, "deleted": gone}
    said = f"deleted {counted(len(gone), 'checkpoint')} of run {found}"
    emit(payload, as_json=as_json, text=said)
    return exit_ok


@click.command(short_help="Make a run of a checkpoint file of pipeline_ex.")
@click.argument("file", metavar="FILE.json")
@click.option("--pipeline", required=True, metavar="FILE", help="The pipeline that it belongs to.")
@_shared
def migrate(file: str, *, pipeline: str, checkpoint_dir: str | None, as_json: bool) -> int:
    """Make a run of a checkpoint FILE.json that pipeline_ex wrote (version 1.1); the file stays as it is.

    \b
    Example:
      pipex checkpoint migrate checkpoints/qa_latest.json --pipeline pipelines/qa.yaml

    What the pipeline looked like then is not known, so going on with the run asks for --force once.
    """  # noqa: D301 - the backspace is click's
    files = _files(checkpoint_dir)
    run_id, is_finished = files.migrate(file, pipeline)
    payload = {"schema": "pipex.migrated/1", "run_id": run_id, "finished": is_finished}
    said = f"run {run_id} holds what {file} held"
    if not is_finished:
        said += f"\nnext: pipex resume {run_id} --force"
    emit(payload, as_json=as_json, text=said)
    return exit_ok


@click.command(short_help="Make a new run that starts at a checkpoint.")
@click.argument("run_id", metavar="RUN_ID")
@click.option(
    "--version",
    "seq",
    type=click.IntRange(1),
    required=True,
    metavar="N",
    help="Number of the checkpoint.",
)
@_shared
def restore(run_id: str, *, seq: int, checkpoint_dir: str | None, as_json: bool) -> int:
    """Make a new run whose start is a checkpoint of the run RUN_ID, which stays as it is."""
    files = _files(checkpoint_dir)
    found = files.find(run_id)
    made = files.restore(found, seq)
    payload = {"schema": "pipex.restored/1", "run_id": made, "from_run_id": found, "seq": seq}
    said = f"run {made} starts at checkpoint {seq} of run {found}\nnext: pipex resume {made}"
    emit(payload, as_json=as_json, text=said)
    return exit_ok


@click.command("show", short_help="Print the records of a run's journal.")
@click.argument("run_id", metavar="RUN_ID")
@click.option("--scope", default="main", show_default=True, metavar="NAME", help="Which journal.")
@_shared
def records(run_id: str, *, scope: str, checkpoint_dir: str | None, as_json: bool) -> int:
    """Print the records of a journal of the run RUN_ID, one JSON object a line."""
    from pipex_core.jsonvalue import canonical

    files = _files(checkpoint_dir)
    found = files.find(run_id)
    kept = files.records(found, scope)
    payload = {"schema": "pipex.journal_records/1", "run_id": found, "records": kept}
    emit(payload, as_json=as_json, text=lambda: "\n".join(map(canonical, kept)))
    return exit_ok


@click.command("verify", short_help="Read every byte of a run's journals.")
@click.argument("run_id", metavar="RUN_ID")
@_shared
def check(run_id: str, *, checkpoint_dir: str | None, as_json: bool) -> int:
    """Read every byte of the journals of the run RUN_ID, and add up what was paid.

    Exit code 2 when something is damaged, missing or does not add up.
    """
    files = _files(checkpoint_dir)
    found = files.find(run_id)
    scopes = files.journal(found)
    ok = all(one["ok"] for one in scopes)
    payload = {"schema": "pipex.journal/1", "run_id": found, "ok": ok, "scopes": scopes}
    emit(payload, as_json=as_json, text=lambda: "\n".join(_scope_lines(found, scopes)))
    return exit_ok if ok else exit_invalid


@click.command(short_help="Keep what verifies of a damaged journal.")
@click.argument("run_id", metavar="RUN_ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_shared
def repair(run_id: str, *, yes: bool, checkpoint_dir: str | None, as_json: bool) -> int:
    """Keep everything of the damaged journals of the run RUN_ID that verifies, in a copy.

    Says first which units will be paid again and what that may cost, and asks. The damaged files stay
    beside the repaired ones.
    """
    files = _files(checkpoint_dir)
    found = files.find(run_id)
    damaged = [one["scope"] for one in files.journal(found) if one["damage"] is not None]
    plans = {scope: files.plan_repair(found, scope) for scope in damaged}
    for scope, plan in plans.items():
        for line in _plan_lines(scope, plan):
            note(line)
    agreed = yes or (bool(plans) and not as_json and click.confirm("Repair?", err=True))
    kept = {scope: files.repair(found, scope, plan) for scope, plan in plans.items() if agreed}
    payload = {
        "schema": "pipex.repaired/1",
        "run_id": found,
        "repaired": bool(kept),
        "scopes": [_plan_document(scope, plan, kept.get(scope)) for scope, plan in plans.items()],
    }
    said = f"nothing is damaged in the journals of run {found}"
    if plans:
        said = f"repaired; next: pipex resume {found}" if kept else "nothing was changed"
    emit(payload, as_json=as_json, text=said)
    return exit_ok if kept or not plans else exit_invalid


def _files(checkpoint_dir: str | None) -> "RunFiles":
    from pipex_core.app.runfiles import RunFiles
    from pipex_core.app.settings import read_settings

    return RunFiles(read_settings(options={"checkpoint_dir": checkpoint_dir}))


def _run_lines(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not runs:
        yield "no runs"
    for run in runs:
        count = counted(run["checkpoints"], "checkpoint")
        yield f"{run['run_id']:20}  {run['created_at'][:19]}  {run['status']:9}  {run['workflow']}  ({count})"


def _checkpoint_lines(payload: Mapping[str, Any]) -> Iterator[str]:
    if not payload["checkpoints"]:
        yield f"run {payload['run_id']} has no checkpoints"
    for one in payload["checkpoints"]:
        label = f"  {one['label']!r}" if one["label"] is not None else ""
        steps = "" if one["steps"] is None else f"  {counted(one['steps'], 'step')}"
        created = (one["created_at"] or "")[:19]
        yield f"{one['seq']:6}  {one['verdict']:8}  {created}{steps}{label}".rstrip()


def _held_lines(payload: Mapping[str, Any]) -> Iterator[str]:
    yield f"checkpoint {payload['seq']} of run {payload['run_id']} ({payload['workflow']})"
    for name, record in payload["steps"].items():
        yield f"  {record['status']:9}  {name}"
    for name, value in payload["variables"].items():
        yield f"  {name} = {value!r}"
    yield f"  {counted(payload['calls'], 'call')}, {payload['cost_usd']:.4f} USD"
    for seq in payload["damaged"]:
        yield f"  checkpoint {seq} is damaged and was passed over [checkpoint_damaged]"


def _scope_lines(run_id: str, scopes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in scopes:
        word = "ok" if one["ok"] else "DAMAGED"
        yield (
            f"{one['scope']}: {word}, {counted(one['records'], 'record')} in "
            f"{counted(one['segments'], 'segment')}, {one['finished']} finished, "
            f"{one['in_doubt']} in doubt, {one['cost_usd']:.4f} USD"
        )
        if one["damage"] is not None:
            yield "  {segment} at byte {offset}: {what}".format(**one["damage"])
            yield f"  next: pipex journal repair {run_id}"
        if one["torn_bytes"]:
            yield f"  the last {counted(one['torn_bytes'], 'byte')} are a torn write; resuming cuts them off"
        for sha256 in one["bad_blobs"]:
            yield f"  the blob {sha256} is missing or was changed"


def _plan_lines(scope: str, plan: "Repaired") -> Iterator[str]:
    yield f"{scope}: {counted(plan.kept, 'record')} kept, {plan.lost} lost"
    if plan.restored:
        yield f"  kept from a checkpoint: {', '.join(plan.restored)}"
    for one in plan.redo:
        yield f"  will be done again: {one.unit} (about {one.estimated_nanousd / 1e9:.4f} USD)"


def _plan_document(scope: str, plan: "Repaired", kept: str | None) -> dict[str, Any]:
    return {
        "scope": scope,
        "kept": plan.kept,
        "lost": plan.lost,
        "restored": list(plan.restored),
        "redo": [
            {"unit": one.unit, "estimated_usd": one.estimated_nanousd / 1e9} for one in plan.redo
        ],
        "damaged_files": kept,
    }
