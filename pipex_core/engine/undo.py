"""One transaction in the files of a run: actions as data, each durable before what it undoes is done.

An action says what files held before they were changed, or that a finished step has a ``rollback`` list
and what that list may see.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipex_core.engine.guarded import GuardedWorkspace, Images
from pipex_core.engine.records import StepRecord
from pipex_core.engine.transactions import TransactionState
from pipex_core.engine.view import View
from pipex_core.errors import StepError
from pipex_core.jsonvalue import Json, canonical_bytes, parse
from pipex_core.ports import BlobStore, Workspace
from pipex_core.spec.model import StepSpec
from pipex_core.spec.plan import Plan

# What the steps of a rollback list see; sessions and what was said in them are left out.
_seen = (
    *(
        "run",
        "inputs",
        "variables",
        "loop_variables",
        "steps",
        "aliases",
        "global_vars",
        "workflow",
    ),
    *("local", "loop"),
)


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One transaction of a run in this process.

    Attributes:
        name: Of its folder below ``undo/`` and in the journal.
        state: What the journal said of it when the run was opened.
        blobs: Of the run.
        next: Number of the next action.
        unsaid: Records of actions that are not in the journal yet.
        plans: Pipelines that have rollback lists, those of files with templated names too.
    """

    name: str
    state: TransactionState
    blobs: BlobStore
    next: int = 0
    unsaid: list[Mapping[str, Json]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """Where its files are, with a slash at its end."""
        return f"undo/{self.name}/"

    @property
    def images(self) -> Images:
        """Contents of files as they were."""
        return Images(blobs=self.blobs, folder=f"{self.folder}images/")

    def keep(self, unit: str, action: Mapping[str, Json]) -> None:
        """Make an action durable: what it undoes may be done from now on.

        Raises:
            StoreError: It cannot be kept, so nothing may be done.
        """
        whole = {"unit": unit, **action}
        self.blobs.put(f"{self.folder}{self.next:06d}.json", canonical_bytes(whole))
        said = {"kind": action["kind"], "unit": unit}
        self.unsaid.append({"t": "txn_undo", "txn": self.name, "index": self.next, "action": said})
        self.next += 1

    def said(self) -> list[Mapping[str, Json]]:
        """Records for the journal, each once."""
        records, self.unsaid = self.unsaid, []
        return records

    def actions(self, *, since: int = 0) -> Iterator[tuple[int, Mapping[str, Json]]]:
        """What is still to be undone, the latest action first.

        Raises:
            StoreError: An action cannot be read.
        """
        settled = {*self.state.done, *self.state.failed}
        for index in reversed(range(since, self.next)):
            if index not in settled:
                data = self.blobs.get(f"{self.folder}{index:06d}.json")
                yield index, parse(data.decode("utf-8", "surrogatepass"))

    def ended(
        self, step: StepSpec, record: StepRecord, plan: Plan, view: View, *, path: str, unit: str
    ) -> None:
        """Note how a step is undone that is about to be finished, if it has a ``rollback`` list.

        The list is to see ``view``, which has the record of the step.

        Raises:
            StoreError: It cannot be kept.
        """
        if not step.blocks.get("rollback") or record.status == "skipped" or record.ends_run:
            return
        if plan not in self.plans:
            self.plans.append(plan)
        seen = {name: getattr(view, name) for name in _seen}
        place = {"path": path, "place": step.path, "file": plan.spec.source.file}
        self.keep(unit, {"kind": "steps", **place, "view": seen})

    def guarded(self, workspace: Workspace, unit: str) -> Workspace:
        """The workspace of a step, each of whose changes can be undone."""

        def keep(action: Mapping[str, Json]) -> None:
            self.keep(unit, action)

        return GuardedWorkspace(workspace, keep=keep, images=self.images)

    def forget(self) -> None:
        """Remove what was kept: after a commit there is no undo."""
        for key in list(self.blobs.list(self.folder)):
            self.blobs.delete(key)


def rollback_of(transaction: Transaction, plan: Plan, action: Mapping[str, Json]) -> "Rollback":
    """The steps of the ``rollback`` list that an action names, and what they see.

    Raises:
        StepError: ``file_not_found``, its pipeline is not part of the run any more.
    """
    for inner in (*transaction.plans, *_plans(plan)):
        if inner.spec.source.file == action["file"]:
            for step in _steps(inner.spec.steps):
                if step.path == action["place"]:
                    view = View(**action["view"])
                    return Rollback(plan=inner, steps=step.blocks["rollback"], view=view)
    message = f"the rollback list of {action['path']} is not in the files of this run any more"
    raise StepError(message, code="file_not_found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Steps that undo another one.

    Attributes:
        plan: The pipeline that they stand in.
        view: What the first of them sees.
    """

    plan: Plan
    steps: tuple[StepSpec, ...]
    view: View


def _plans(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.children.values():
        yield from _plans(child)


def _steps(steps: tuple[StepSpec, ...]) -> Iterator[StepSpec]:
    for step in steps:
        yield step
        for block in step.blocks.values():
            yield from _steps(block)
