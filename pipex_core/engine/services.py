"""What a run is given from outside: ports, client, registries and settings, in one frozen bundle."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from pipex_core.jsonvalue import Json
from pipex_core.llm.client import LlmClient
from pipex_core.llm.draws import Drawn
from pipex_core.llm.session import SessionStore
from pipex_core.ports import (
    AuditLog,
    BlobStore,
    Clock,
    Commands,
    Faults,
    IdSource,
    JournalStore,
    Workspace,
)
from pipex_core.registry import Registry
from pipex_core.spec.model import Shapes
from pipex_core.spec.plan import Plan
from pipex_core.steps.contract import Step
from pipex_core.telemetry import Fanout, Listener


class NoFaults:
    """Nothing goes wrong at any point."""

    def hit(self, point: str) -> None:
        """Nothing happens."""


class ProviderState(Protocol):
    """What a scripted provider has given and a resumed run must not be given again."""

    def save(self) -> Json:
        """The counts now."""
        ...

    def restore(self, saved: Json) -> None:
        """Go on from counts that were saved."""
        ...

    def take(self, drawn: Iterable[Drawn]) -> None:
        """Count answers as given, as a journal names them."""
        ...


class NoProviderState:
    """Providers that count nothing."""

    def save(self) -> Json:
        """Null."""
        return None

    def restore(self, saved: Json) -> None:
        """Nothing happens."""

    def take(self, drawn: Iterable[Drawn]) -> None:
        """Nothing happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Which program writes: for journals and crash reports."""

    host: str = ""
    pid: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of one run, as text; relative ones start where the process does.

    Attributes:
        beside: Folder of the pipeline file, or None for a pipeline without a file.
        allowed: Further folders that may be read.
    """

    workspace: str
    output: str
    beside: str | None = None
    allowed: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An answer that somebody looks on at while it is written.

    Attributes:
        path: Step path.
        buffer_size: Characters that the handler gathers, or None for its own number.
        write_output: Writes a whole file below the run's output directory.
    """

    path: str
    buffer_size: int | None
    write_output: Callable[[str, str], str]


Watcher = Callable[[Watched], Listener]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStores:
    """Where checkpoints are kept when it is not beside the journals.

    Attributes:
        blobs: The files of a run there, by its id.
        backends: Names of the stores, for the journal.
        warnings: (code, message) that every run is told of.
    """

    blobs: Callable[[str], BlobStore]
    backends: Sequence[str]
    warnings: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the engine needs and does not make itself.

    Attributes:
        rng: Jitter of waits.
        steps: Step type to its class.
        shapes: Step type to its shape.
        workspace: Opens the files of a run.
        load_pipeline: The checked plan of a nested file: (path as written, file that names it).
        settings: Values below the workflow's own in precedence, by option name: ``max_retries``,
            ``claude_model``, ``workspace_dir``, ``output_dir`` and their like.
        vendors: Vendor to the provider that answers here, such as ``anthropic`` to ``mock``.
        listener: Hears every event of every run.
        redact: Takes secrets out of a message before it is kept.
        memory_mb: What this process holds in memory now, in MiB.
        hold: Keeps a virtual clock from jumping while something real, such as a disk, is waited for.
        extensions: What steps outside of ``pipex_core.steps`` need, by name.
        sessions: Sessions that outlive a run; None where they end with it.
        session_variables: Keeps the variables of sessions, likewise.
        commands: Runs the commands of models; None where the deployment does not allow any.
        asked: Is shown the path of a step and each prompt that it sends, or None.
        checkpoints: Where checkpoints are kept; None for beside the journals.
        audit: Where hooks of pipelines write what models do; None where nobody keeps it.
        watchers: Streaming handlers by name. What they make hears ``delta`` events with ``text``,
            ``restart`` and ``is_end``.
    """

    clock: Clock
    ids: IdSource
    rng: random.Random
    journals: JournalStore
    client: LlmClient
    steps: Registry[type[Step]]
    shapes: Shapes
    workspace: Callable[[Places], Workspace]
    load_pipeline: Callable[[str, str], Plan]
    settings: Mapping[str, Json] = field(default_factory=dict)
    vendors: Mapping[str, str] = field(default_factory=dict)
    listener: Listener = field(default_factory=lambda: Fanout(()))
    faults: Faults = field(default_factory=NoFaults)
    process: Process = field(default_factory=Process)
    provider_state: ProviderState = field(default_factory=NoProviderState)
    redact: Callable[[str], str] = str
    memory_mb: Callable[[], float] = float
    hold: Callable[[], AbstractContextManager[None]] = nullcontext
    extensions: Mapping[str, object] = field(default_factory=dict)
    sessions: SessionStore | None = None
    session_variables: BlobStore | None = None
    commands: Commands | None = None
    asked: Callable[[str, str], None] | None = None
    watchers: Mapping[str, Watcher] = field(default_factory=dict)
    audit: AuditLog | None = None
    checkpoints: CheckpointStores | None = None

    def checkpoint_blobs(self, run_id: str) -> BlobStore:
        """What keeps the checkpoints of a run."""
        found = self.checkpoints
        return self.journals.blobs(run_id) if found is None else found.blobs(run_id)
