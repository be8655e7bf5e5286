"""The model calls of one try of a step: retry policy, journal, budget, fallback, and what they took."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipex_core.engine.calls import CountedLog, JournalCallLog
from pipex_core.engine.execution import Execution
from pipex_core.engine.fold import Unit
from pipex_core.engine.streaming import Onlooker
from pipex_core.engine.toolcalls import JournalToolLog
from pipex_core.errors import ProviderError
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import CachePolicy, CacheUse, Reply
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Request
from pipex_core.llm.router import gives_up
from pipex_core.steps.contract import Answer, Tokens
from pipex_core.telemetry import EventKind, EventSink


class Asking:
    """Sends the calls of one try of a step and adds up what they took.

    Args:
        unit: Path of the step in the journal.
        cache: How the step uses the reply cache, its key as the step names it; None without the cache.
        before: The try that a crash interrupted, whose answers are used again; None for a new one.
        deadline: Monotonic time after which nothing is sent, or None.
        onlooker: Is shown the answers while they are written, or None.
        budget: What the calls of this try may take by themselves, as written; None for no such cap.

    Attributes:
        attempts: Tries of the step's calls: of the call that needed most, fallbacks counted.
        tokens: Of all answers.
        tools: Journal of the tool calls of this try.
    """

    def __init__(  # noqa: PLR0913 - what a call needs beside its request
        self,
        execution: Execution,
        unit: str,
        *,
        path: str,
        retry: RetryPolicy,
        before: Unit | None,
        cache: CacheUse | None,
        deadline: float | None,
        onlooker: Onlooker | None = None,
        budget: Mapping[str, Json] | None = None,
    ) -> None:
        self._execution = execution
        self._path = path
        self._retry = retry
        self._deadline = deadline
        self._cache = cache
        self._prompt = ""
        self._journalled = JournalCallLog(
            execution.journal,
            unit,
            before=before,
        )
        self._log = CountedLog(self._journalled)
        self._onlooker = onlooker
        self._budget = budget or {}
        self._ledger: Ledger | None = None
        self._told_divergence = False
        self.attempts = 0
        self.tokens = Tokens()
        self.tools = JournalToolLog(execution.journal, unit, before=before, calls=self._journalled)

    @property
    def cost_nanousd(self) -> int:
        """Of all calls, those answered before a restart and failed attempts included."""
        spent = 0 if self._ledger is None else self._ledger.spent.nanousd
        return spent + self._log.known_nanousd

    async def call(
        self, request: Request, *, fallback_model: str | None = None, retries: int | None = None
    ) -> Answer:
        """The reply of the model, or of one that stands in for it once it was given up.

        Args:
            request: What is sent; one that names a group of models goes to one after the other of them.
            fallback_model: Asked once all others were given up; None for none.
            retries: Replaces the number of the step's retry rule.

        Raises:
            ProviderError: The last failure.
            BudgetExceeded: The call does not fit in a budget.
        """
        retry = self._retry if retries is None else replace(self._retry, max_retries=retries)
        left = self._candidates(request, fallback_model)
        asked = first = self._next(left)
        # A call with a number of its own is a fallback: it goes on counting where the others ended.
        tried = 0 if retries is None else self.attempts
        while True:
            left.remove(asked)
            origin = replace(asked.origin, attempt=asked.origin.attempt + tried)
            try:
                reply = await self._sent(replace(asked, origin=origin), retry)
                break
            except ProviderError as error:
                in_a_list = any(one.model != fallback_model for one in left)
                if not left or not gives_up(error, in_a_list=in_a_list):
                    raise
                tried += self._log.attempts
                given_up, asked = asked.model, self._next(left)
                message = f"{given_up} failed ({error.code}); {asked.model} was asked instead"
                self._execution.warn("fallback", message, step=self._path)
        stands_in = asked is not first
        return Answer(
            reply=reply,
            model=asked.model,
            provider=asked.provider,
            fallback_from=first.model if stands_in else None,
        )

    def _candidates(self, request: Request, fallback_model: str | None) -> list[Request]:
        """The request to every model that may answer it, in order; to one where none may stand in."""
        found = list(self._execution.services.client.routed(request))
        if not self._execution.may_fall_back:
            return [self._next(found)]
        if fallback_model is not None and all(one.model != fallback_model for one in found):
            found.append(replace(found[0], model=fallback_model))
        return found

    def _next(self, left: Sequence[Request]) -> Request:
        """The one that was asked at this place before a restart, else the first."""
        if len(left) == 1 or not self._journalled.has_begun:
            return left[0]
        key_of = self._execution.services.client.key_of
        return next((one for one in left if self._journalled.was_begun(key_of(one))), left[0])

    def cached(self, request: Request) -> str | None:
        """Text that the reply cache has for a request, or None."""
        use = self._cache_use(request)
        key = use.key if isinstance(use, CacheUse) else None
        found = self._execution.services.client.cached(request, key=key)
        return None if found is None else found.text

    def _cache_use(self, request: Request) -> CachePolicy | CacheUse:
        """How a call uses the cache; a key that the step names stands for the step's prompt in it."""
        if self._cache is None:
            return "off"
        self._prompt = self._prompt or request.prompt
        if self._cache.key is None:
            return self._cache
        named = f"cache key: {self._cache.key}"
        messages = tuple(
            replace(one, text=one.text.replace(self._prompt, named)) if one.role == "user" else one
            for one in request.messages
        )
        key = self._execution.services.client.key_of(replace(request, messages=messages))
        return replace(self._cache, key=key)

    def _account(self) -> Ledger:
        """What the calls of this try count against; opened for the first, as many steps make none."""
        if self._ledger is None:
            self._ledger = self._execution.ledger.child(Budget.of(self._budget, name="step"))
        return self._ledger

    async def _sent(self, request: Request, retry: RetryPolicy) -> Reply:
        base = request.origin.attempt - 1
        asked = self._execution.services.asked
        if asked is not None:
            asked(self._path, request.prompt)
        if self._onlooker is not None:
            self._onlooker.begin_call()
        try:
            reply = await self._execution.services.client.call(
                request,
                log=self._log,
                ledger=self._account(),
                retry=retry,
                deadline=self._deadline,
                cache=self._cache_use(request),
                sink=RetriesAsAttempts(self._execution.sink),
                on_delta=self._onlooker,
            )
        except ProviderError:
            self.attempts = max(self.attempts, base + self._log.attempts)
            raise
        finally:
            self._tell_divergence()
        self.attempts = max(self.attempts, base + reply.attempts)
        usage = reply.response.usage
        self.tokens += Tokens(input=usage.total_input, output=usage.output)
        return reply

    def _tell_divergence(self) -> None:
        found = self._journalled.divergence
        if found is not None and not self._told_divergence:
            self._told_divergence = True
            self._execution.warn("replay_divergence", found.message, step=self._path)


class RetriesAsAttempts:
    """A sink that says of each retried call that an attempt of its step failed and another one began."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    @property
    def run_id(self) -> str:
        return self._sink.run_id

    def emit(self, kind: EventKind, *, step: str = "", data: Mapping[str, Json]) -> None:
        """Tell the listeners that this happened now."""
        self._sink.emit(kind, step=step, data=data)
        if kind != "call_retried":
            return
        facts = {"code": data["kind"], "wait_s": data["wait_ms"] / 1000}
        self._sink.emit("attempt_failed", step=step, data={"attempt": data["attempt"], **facts})
        self._sink.emit("attempt_started", step=step, data={"attempt": data["attempt"] + 1})
