"""Options -> request, replies -> outcome: what all steps that call a model share.

One path for all of them: the prompt is asked in a conversation in which the model may use tools, the
answer is read as a value, a value that fails its schema is mended by further conversations, and what
was said joins a session where the step has one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from pipex_core.errors import InvalidReply, StepError
from pipex_core.expressions.values import Undefined, to_text, undefined
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import Reply
from pipex_core.llm.conversation import Carried, converse, system_of
from pipex_core.llm.hooks import Hook, HookedLog, denied_commands, hooks_of
from pipex_core.llm.provider import Message, Origin, Request
from pipex_core.llm.router import rerouted
from pipex_core.llm.session import Said, Session
from pipex_core.llm.structured import Mended, json_of, mended
from pipex_core.llm.tools import Toolbox, ToolResult, offer
from pipex_core.steps.blocks import Written
from pipex_core.steps.contract import Answer, Outcome, StepContext
from pipex_core.steps.prompts import continued_session, prompt_text

decoding_options: Final = ("temperature", "top_p", "top_k", "seed", "stop")
default_max_tokens: Final = 4096
default_timeout_ms: Final = 300_000
default_turns: Final = 3
default_exchanges: Final = 50
refusals: Final = frozenset({"tool_denied", "path_denied", "invalid_arguments"})

ReadValue = Callable[[Reply], Json | Undefined]


def value_in_text(reply: Reply) -> Json | Undefined:
    """The JSON that the whole text of a reply is."""
    return json_of(reply.response.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class InSession:
    """That a call goes on with a session.

    Attributes:
        persists: Whether later runs go on with what is said.
        is_fresh: Whether what earlier runs kept is left out.
        max_turns: Exchanges that the session may hold.
    """

    name: str
    persists: bool = True
    is_fresh: bool = False
    max_turns: int = default_exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and how its answer is come by and read.

    Attributes:
        schema: What the value of the answer must satisfy, or None.
        repairs: Further conversations to mend one that does not.
        must_be_json: Whether any answer that is no JSON fails.
        toolbox: What the model may use on the way, or None.
        max_turns: Turns of the model in one conversation.
        session: The session that the exchange joins, or None.
        value: How the value is found in the answer.
        retries: Replaces the number of retries of the step's rule; None keeps it.
    """

    request: Request
    fallback_model: str | None = None
    schema: Mapping[str, Json] | None = None
    repairs: int = 0
    must_be_json: bool = False
    toolbox: Toolbox | None = None
    max_turns: int = default_turns
    session: InSession | None = None
    value: ReadValue = value_in_text
    retries: int | None = None


def request_of(ctx: StepContext, prompt: str, *, vendor: str) -> Request:
    """The request of a step: its prompt and its effective options.

    Raises:
        ExpressionError: A template in the system prompt has no value.
        StepError: ``missing_field``, a live provider is asked without a model.
    """
    options = ctx.options
    provider = ctx.vendors.get(vendor, vendor)
    model = options.get("model")
    if model is None and provider == vendor:
        raise StepError(
            f"step {ctx.step.name!r} names no model for {vendor}; set `model`", code="missing_field"
        )
    return Request(
        provider=provider,
        model=to_text(ctx.expand(model, "model")) if model else provider,
        messages=(Message(role="user", text=prompt),),
        system=_system(ctx),
        schema=ctx.step.get("output_schema"),
        options={name: options[name] for name in decoding_options if name in options},
        max_tokens=options.get("max_tokens") or default_max_tokens,
        timeout_s=(options.get("timeout_ms") or default_timeout_ms) / 1000,
        origin=Origin(
            path=ctx.path,
            step_type=ctx.step.type,
            must_be_json=options.get("output_format") == "json",
        ),
    )


def _system(ctx: StepContext) -> str | None:
    return system_of(
        *(
            to_text(ctx.expand(ctx.options[name], name))
            for name in ("system_prompt", "append_system_prompt")
            if ctx.options.get(name)
        )
    )


def claude_asked(ctx: StepContext) -> Asked:
    """What a step of the Claude family asks, by its prompt and effective options.

    Raises:
        ExpressionError: A template has no value.
        StepError: A file cannot be read, ``cwd`` lies outside the workspace, or no model is named.
    """
    options = ctx.options
    request = request_of(ctx, prompt_text(ctx), vendor="anthropic")
    return Asked(
        request=request,
        fallback_model=options.get("fallback_model"),
        schema=ctx.step.get("output_schema"),
        repairs=options.get("repair", ctx.step.get("repair", 0)),
        must_be_json=request.origin.must_be_json,
        toolbox=_toolbox(ctx),
        max_turns=options.get("max_turns", default_turns),
        session=_session_of(ctx),
    )


async def ask_claude(ctx: StepContext) -> Outcome:
    """What a Claude model makes of the prompt of a step, or of a task of one.

    Raises:
        ProviderError: The call failed for good.
        StepError: The reply does not satisfy the schema; or as ``claude_asked``.
        ExpressionError: A template has no value.
    """
    return await ask(ctx, claude_asked(ctx))


def _toolbox(ctx: StepContext) -> Toolbox | None:
    """The tools that the step may offer, over its working directory; None without any."""
    allowed = ctx.expand(ctx.options.get("allowed_tools") or [], "allowed_tools")
    refused = ctx.expand(ctx.options.get("disallowed_tools") or [], "disallowed_tools")
    offered = offer(allowed, refused)
    for name in offered.unknown:
        ctx.warn("unknown_tool", f"there is no tool {name!r}; it is not offered")
    names = [name for name in offered.names if name != "Bash" or ctx.commands is not None]
    if len(names) < len(offered.names):
        ctx.warn("tool_denied", "the settings of this deployment do not allow Bash")
    if not names:
        return None
    cwd = ctx.options.get("cwd")
    folder = ctx.workspace
    if cwd is not None:
        folder = folder.narrowed(to_text(ctx.expand(cwd, "cwd")))
    return Toolbox(
        workspace=folder,
        names=names,
        commands=ctx.commands,
        denied_commands=denied_commands(_hooks(ctx)),
    )


def _hooks(ctx: StepContext) -> list[Hook]:
    return hooks_of(ctx.hooks, ctx.options.get("hooks"))


def _session_of(ctx: StepContext) -> InSession | None:
    """The session that a part of the prompt or an option names."""
    continued = continued_session(ctx)
    if continued is not None:
        return InSession(name=continued)
    name = ctx.options.get("session_id")
    if name is None:
        return None
    return InSession(
        name=to_text(ctx.expand(name, "session_id")),
        is_fresh=not ctx.options.get("resume_session", False),
    )


async def ask(ctx: StepContext, asked: Asked) -> Outcome:
    """Send a request, carry out what the model calls for, read the answer, and have it mended.

    Raises:
        ProviderError: The call failed for good; ``invalid_reply``, the reply had to be JSON.
        StepError: ``output_schema_failed``, the last reply does not satisfy the schema;
            ``session_limit``, the session is full: nothing was sent.
    """
    use = asked.session
    session = None if use is None else ctx.session(use.name, fresh=use.is_fresh)
    if session is not None and use is not None:
        session.check_room(use.max_turns)
    talk = _Talk(ctx=ctx, asked=asked)
    found = await mended(
        _in_session(asked.request, session),
        send=talk.answer,
        schema=asked.schema,
        repairs=asked.repairs,
        value_of=asked.value,
    )
    if asked.must_be_json and found.value is undefined:
        raise InvalidReply(
            f"step {ctx.step.name!r}: output_format is json, and the reply is not",
            provider=asked.request.provider,
            model=asked.request.model,
        )
    outcome = _outcome(talk, found)
    if session is None or use is None:
        return outcome
    return _with_exchange(outcome, talk=talk, use=use, session=session)


def _in_session(request: Request, session: Session | None) -> Request:
    if session is None:
        return request
    return replace(
        request,
        messages=(*session.messages(), *request.messages),
        origin=replace(request.origin, session=session.name),
    )


@dataclass(slots=True, kw_only=True)
class _Talk:
    """The conversations of one step: what went through them.

    Attributes:
        answers: Replies in order, those of all turns and repairs.
        carried: Tool calls in order.
    """

    ctx: StepContext
    asked: Asked
    answers: list[Answer] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)

    async def answer(self, request: Request) -> Reply:
        """The model's answer to a request, after all its tool calls."""
        conversation = await converse(
            request,
            send=self._sent,
            toolbox=self.asked.toolbox,
            max_turns=self.asked.max_turns,
            log=HookedLog(self.ctx.tools, _hooks(self.ctx), self.ctx.audit),
            warn=self.ctx.warn,
        )
        self.carried += conversation.carried
        return conversation.reply

    async def _sent(self, request: Request) -> Reply:
        # The rest of the conversation stays with the model that answered: the one that was chosen from a
        # group, or that stood in for another.
        if self.answers:
            last = self.answers[-1]
            provider = last.provider or request.provider
            request = rerouted(request, provider=provider, model=last.model)
        call = partial(self.ctx.call, request, retries=self.asked.retries)
        answer = await call(fallback_model=None if self.fallback else self.asked.fallback_model)
        for warning in answer.reply.warnings:
            self.ctx.warn(warning.code, warning.message)
        self.answers.append(answer)
        return answer.reply

    @property
    def fallback(self) -> Answer | None:
        """The first answer of the fallback model, or None."""
        return next((one for one in self.answers if one.fallback_from is not None), None)

    @property
    def cost_nanousd(self) -> int:
        """Of all answers."""
        return sum(one.reply.cost_nanousd for one in self.answers)


def _outcome(talk: _Talk, found: Mended) -> Outcome:
    asked, value = talk.asked, found.value
    response = found.reply.response
    is_value = asked.must_be_json or asked.schema is not None or isinstance(value, dict | list)
    return Outcome(
        text=response.text,
        data=value if is_value and value is not undefined else None,
        model=response.model_served or talk.answers[-1].model,
        degraded=talk.fallback is not None,
        metadata=_metadata(talk, found),
    )


def _metadata(talk: _Talk, found: Mended) -> dict[str, Json]:
    """What the record says of how the answer came about."""
    ctx, response = talk.ctx, found.reply.response
    metadata: dict[str, Json] = {}
    if response.finish_reason == "max_tokens":
        metadata["finish_reason"] = response.finish_reason
    if found.repairs:
        metadata["repairs"] = found.repairs
    if ctx.step.get("cache", False) is not False:
        metadata["cache"] = found.reply.cache
    if talk.fallback is not None:
        metadata["fallback_from"] = talk.fallback.fallback_from
        metadata["model_served"] = response.model_served
    if is_streaming(ctx.options):
        first = talk.answers[0].reply.response
        ttft_ms = first.latency_ms if first.ttft_ms is None else first.ttft_ms
        metadata["time_to_first_token_ms"] = round(ttft_ms)
    if talk.asked.toolbox is not None:
        metadata |= {"turns": len(talk.answers), "tool_calls": _shown(talk.carried)}
    elif response.tool_calls:
        metadata["function_calls"] = [
            {"name": call.name, "arguments": dict(call.arguments)} for call in response.tool_calls
        ]
    return metadata


def is_streaming(options: Mapping[str, Json]) -> bool:
    """Whether somebody looks on while the model answers."""
    streaming = options.get("streaming", False)
    if isinstance(streaming, Mapping):
        streaming = streaming.get("enabled", True)
    return bool(streaming) or options.get("output_format") == "stream_json"


def _shown(carried: Sequence[Carried]) -> list[Json]:
    """Tool calls as records show them: what was decided, and why."""
    return [
        {
            "tool": one.call.tool,
            "decision": _decision(one.result),
            "reason": one.result.code or None,
        }
        for one in carried
    ]


def _decision(result: ToolResult) -> str:
    if result.code in refusals:
        return "refused"
    return "failed" if result.is_error else "done"


def _with_exchange(outcome: Outcome, *, talk: _Talk, use: InSession, session: Session) -> Outcome:
    """The outcome with what was said, for the steps that go on with the session."""
    run = talk.ctx.scope.run or {}
    after = session.with_exchange(
        asked=talk.asked.request.prompt,
        answered=outcome.text or "",
        step=talk.ctx.path,
        run_id=str(run.get("id", "")),
        cost_nanousd=talk.cost_nanousd,
    )
    said = Said(
        session=use.name,
        turns=tuple(after.turns[-2:]),
        persists=use.persists,
        is_fresh=use.is_fresh,
    )
    facts: dict[str, Json] = {
        "session_name": use.name,
        "turn_count": len(after.turns),
        "cost_usd_total": after.cost_nanousd / 1_000_000_000,
    }
    metadata = {**outcome.metadata, **facts}
    return replace(outcome, metadata=metadata, written=Written(said=(said,)))
