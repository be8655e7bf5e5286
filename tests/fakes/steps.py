"""A context for one step, made by hand: what it asks for is scripted, what it says is remembered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipex_core.errors import ProviderError
from pipex_core.expressions.scope import Scope
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Request, Response, Usage
from pipex_core.llm.purse import CallWarning
from pipex_core.ports import Workspace
from pipex_core.spec.model import StepSpec
from pipex_core.steps.blocks import BlockResult, Inside, outermost
from pipex_core.steps.contract import Answer, ChildResult, ChildRun, Outcome, StepContext
from tests.fakes.clock import ManualClock
from tests.fakes.workspace import MemoryWorkspace


class Bench:
    """One step on the bench.

    Args:
        replies: What the model answers, one per call, the last one repeating: a text, a response, or the
            error that the call fails with.
        child: What a child pipeline gives.
        more: Further fields of the context.

    Attributes:
        asked: Requests that the step sent.
        fallbacks: Fallback model of each.
        retries: Number of retries that each brought along.
        warnings: (code, message) of what it said.
        children: Child pipelines that it ran.
        labels: Of the checkpoints that it saved.
    """

    def __init__(  # noqa: PLR0913 - each is something that a step may ask for
        self,
        step: StepSpec,
        *,
        scope: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        replies: Sequence[str | Response | ProviderError] = ("ok",),
        fallback_from: str | None = None,
        findings: Sequence[CallWarning] = (),
        child: ChildResult | None = None,
        mode: str = "strict",
        workspace: Workspace | None = None,
        vendors: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self._replies = list(replies)
        self._fallback_from = fallback_from
        self._findings = findings
        self._child = child
        self.asked: list[Request] = []
        self.fallbacks: list[str | None] = []
        self.retries: list[int | None] = []
        self.warnings: list[tuple[str, str]] = []
        self.children: list[ChildRun] = []
        self.labels: list[str | None] = []
        self.context = StepContext(
            step=step,
            path=f"outer/{step.name}",
            scope=Scope.of(scope or {}),
            options=options or {},
            clock=ManualClock(),
            workspace=workspace or MemoryWorkspace(),
            call=self._call,
            run_block=self._run_block,
            run_child=self._run_child,
            scope_of=self._scope_of,
            gather=self._gather,
            checkpoint=self._checkpoint,
            warn=lambda code, message: self.warnings.append((code, message)),
            mode="lenient" if mode == "lenient" else "strict",
            vendors={"anthropic": "mock", "gemini": "mock"} if vendors is None else vendors,
            **more,
        )

    async def _call(
        self, request: Request, *, fallback_model: str | None = None, retries: int | None = None
    ) -> Answer:
        said = self._replies[min(len(self.asked), len(self._replies) - 1)]
        ordinal = len(self.asked)
        self.asked.append(request)
        self.fallbacks.append(fallback_model)
        self.retries.append(retries)
        if isinstance(said, ProviderError):
            raise said
        if isinstance(said, str):
            said = Response(text=said, usage=Usage(input=1, output=1), model_served="served")
        reply = Reply(
            response=said,
            attempts=1,
            cost_nanousd=said.cost_nanousd or 0,
            warnings=self._findings,
            ordinal=ordinal,
        )
        return Answer(
            reply=reply, model=fallback_model or request.model, fallback_from=self._fallback_from
        )

    async def _run_block(
        self, steps: Sequence[StepSpec], prefix: str, inside: Inside = outermost
    ) -> BlockResult:
        raise AssertionError(f"no step here has nested steps: {steps} {prefix} {inside}")

    def _scope_of(self, inside: Inside) -> Scope:
        scope, written = self.context.scope, inside.written
        session = {name: value for of in written.session.values() for name, value in of.items()}
        return replace(
            scope,
            local={**scope.local, **inside.local},
            loop=inside.loop or scope.loop,
            variables={**(scope.variables or {}), **written.variables, **session, **written.loop},
            steps={**(scope.steps or {}), **inside.records},
        )

    def _gather(self, gathered: Callable[[], Outcome]) -> None:
        del gathered

    async def _checkpoint(self, label: str | None) -> None:
        self.labels.append(label)

    async def _run_child(self, wanted: ChildRun) -> ChildResult:
        self.children.append(wanted)
        assert self._child is not None
        return self._child


def spec(step_type: str, **fields: Any) -> StepSpec:
    """A step called ``s`` with these fields."""
    return StepSpec(name="s", type=step_type, path="workflow.steps[0]", fields=fields)
