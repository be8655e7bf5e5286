"""Everything that a run needs, in memory: services around the mock provider and pipelines from text."""

import asyncio
import posixpath
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipex_core.adapters.local import VirtualClock
from pipex_core.adapters.mock import MockProvider
from pipex_core.adapters.replay import ReplayProvider
from pipex_core.app.answering import ScriptState
from pipex_core.engine.records import RunResult
from pipex_core.engine.runner import RunOptions, run_plan
from pipex_core.engine.services import Places, Services
from pipex_core.errors import SpecError, StepError
from pipex_core.llm.client import LlmClient
from pipex_core.llm.mock_rules import rules_of
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Provider, Request, Response
from pipex_core.ports import JournalStore
from pipex_core.registry import Registry
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import Plan, load_plan
from pipex_core.spec.yaml_text import read_yaml
from pipex_core.steps.contract import Step
from pipex_core.telemetry import Event
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.clock import start
from tests.fakes.journals import BreakableJournals
from tests.fakes.workspace import MemoryWorkspace

step_types: Mapping[str, str] = {
    "break": "pipex_core.steps.control:Break",
    "checkpoint": "pipex_core.steps.control:Checkpoint",
    "claude": "pipex_core.steps.single:Claude",
    "claude_extract": "pipex_core.steps.extract:ClaudeExtract",
    "claude_robust": "pipex_core.steps.single:ClaudeRobust",
    "claude_session": "pipex_core.steps.single:ClaudeSession",
    "claude_smart": "pipex_core.steps.single:ClaudeSmart",
    "claude_batch": "pipex_core.steps.fanout:ClaudeBatch",
    "continue": "pipex_core.steps.control:Continue",
    "data_transform": "pipex_core.steps.control:DataTransform",
    "echo": "pipex_core.steps.control:Echo",
    "file_ops": "pipex_core.steps.files:FileOps",
    "for_loop": "pipex_core.steps.loops:ForLoop",
    "gemini": "pipex_core.steps.single:Gemini",
    "gemini_instructor": "pipex_core.steps.single:GeminiInstructor",
    "parallel_claude": "pipex_core.steps.fanout:ParallelClaude",
    "pipeline": "pipex_core.steps.control:NestedPipeline",
    "set_variable": "pipex_core.steps.control:SetVariable",
    "switch": "pipex_core.steps.control:Switch",
    "while_loop": "pipex_core.steps.loops:WhileLoop",
}

prices = """
as_of: 2026-11-23
source: made up
models:
  - provider: anthropic
    match: [priced]
    valid_from: 2026-01-01
    input: "1"
    output: "5"
    cache_read: "0.1"
    cache_write_5m: "1.25"
    cache_write_1h: "2"
"""


class CountingIds:
    """Ids that a test can foresee: ``run1``, ``run2``, ..."""

    def __init__(self) -> None:
        self._count = 0

    def token(self, length: int) -> str:
        del length
        self._count += 1
        return f"run{self._count}"

    def hex(self, length: int) -> str:
        self._count += 1
        return f"{self._count:0{length}x}"


class SeenProvider:
    """Passes calls on to another provider and remembers them.

    Attributes:
        sent: Requests in the order in which they were sent.
    """

    adapter_version = 1

    def __init__(self, inner: Provider) -> None:
        self._inner = inner
        self.name = inner.name
        self.billable = inner.billable
        self.estimate = inner.estimate
        self.aclose = inner.aclose
        self.sent: list[Request] = []
        self._first = asyncio.Event()

    async def first_call(self) -> None:
        """Return once a request was sent."""
        await self._first.wait()

    async def complete(self, request: Request) -> Response:
        self.sent.append(request)
        self._first.set()
        return await self._inner.complete(request)


class World:
    """Services of one process; another world on the same journals is the process after a crash.

    Args:
        mock: Rules of the mock, as in its file.
        files: Pipeline files by path, and files of the workspace.

    Attributes:
        events: What listeners were told, in order.
        kept: Where variables of sessions outlive their run.
        places: Folders that the last run asked for.
    """

    def __init__(
        self,
        mock: Any = None,
        *,
        files: Mapping[str, str] | None = None,
        journals: JournalStore | None = None,
        steps: Mapping[str, str | type[Step]] | None = None,
        provider: Provider | None = None,
        kept: BreakableBlobs | None = None,
    ) -> None:
        self.clock = VirtualClock(start)
        self.files = dict(files or {})
        self.workspace = MemoryWorkspace(self.files)
        self.journals = BreakableJournals() if journals is None else journals
        self.kept = BreakableBlobs() if kept is None else kept
        answering = provider or MockProvider(rules_of(mock), clock=self.clock)
        self.provider = SeenProvider(answering)
        self.events: list[Event] = []
        self.places: Places | None = None
        registry: Registry[type[Step]] = Registry("step type", {**step_types, **(steps or {})})
        self.services = Services(
            clock=self.clock,
            ids=CountingIds(),
            rng=random.Random(7),
            journals=self.journals,
            client=LlmClient(
                providers={self.provider.name: self.provider},
                clock=self.clock,
                rng=random.Random(7),
                prices=PriceTable.from_text(prices),
            ),
            steps=registry,
            shapes={name: registry.get(name).shape for name in registry},
            workspace=self._workspace,
            load_pipeline=self._load,
            vendors={"anthropic": self.provider.name, "gemini": self.provider.name},
            listener=self.events.append,
            hold=self.clock.hold,
            session_variables=self.kept,
            provider_state=ScriptState(
                [answering] if isinstance(answering, MockProvider | ReplayProvider) else []
            ),
        )

    def plan(self, text: str, *, file: str = "pipeline.yaml", **options: Any) -> Plan:
        """The checked plan of a pipeline's text."""
        return load_plan(
            text,
            file,
            self.services.shapes,
            load_child=self._child,
            run_options=options,
            environment=self.services.settings,
        )

    def run(self, text: str, inputs: Mapping[str, Any] | None = None, **options: Any) -> RunResult:
        """The result of running a pipeline's text; ``options`` are those of ``RunOptions``."""
        return asyncio.run(self.arun(text, inputs, **options))

    async def arun(
        self, text: str, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> RunResult:
        """As ``run``, inside a loop."""
        values = options.get("values", {})
        return await run_plan(
            self.plan(text, **values),
            inputs or {},
            services=self.services,
            options=RunOptions(**options),
        )

    def with_services(self, **changed: Any) -> "World":
        """This world with other services."""
        self.services = replace(self.services, **changed)
        return self

    def _workspace(self, places: Places) -> MemoryWorkspace:
        self.places = places
        return self.workspace

    def _child(self, path: str) -> PipelineSpec:
        if path not in self.files:
            raise StepError(f"there is no file {path}", code="file_not_found")
        return load_pipeline(self.files[path], path, self.services.shapes)

    def _load(self, named: str, beside: str) -> Plan:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(beside), named))
        if path not in self.files:
            raise StepError(f"there is no file {path}", code="file_not_found")
        return self.plan(self.files[path], file=path)


def problems_of(error: SpecError) -> list[str]:
    """Codes of the problems of a file."""
    return [problem.code for problem in error.problems]


def parsed(text: str) -> Any:
    """YAML as the loader reads it."""
    return read_yaml(text, "").value
