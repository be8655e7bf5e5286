"""The system under test: a model with a prompt, a pipeline, or recorded answers.

A target is a value with a digest over everything that can change an answer and nothing else. Asking it
never raises for a failing case: what failed is an answer with a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pipex_core.errors import ExpressionError, PipexError, Problem, ProviderError, Refused
from pipex_core.evals.answers import Answer, failed
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.suite import Case
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.template import render
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, digest, parse
from pipex_core.llm.client import CachePolicy, LlmClient, Reply
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import CallLog, Message, Origin, Request
from pipex_core.telemetry import EventSink

default_prompt = "{{ input }}"
moving_aliases = ("-latest", ":latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTarget:
    """One call of one model per case.

    Attributes:
        provider: Registry name of the adapter.
        model: As sent, aliases resolved.
        prompt: Template over ``input``, the fields of a map input, ``context`` and ``choices``.
        options: Decoding options as sent, without ``max_tokens``.
    """

    provider: str
    model: str
    prompt: str = default_prompt
    system: str | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    max_tokens: int = 4096
    base_url: str = ""
    timeout_s: float = 300.0
    target_id: str = "prompt"
    kind: Literal["prompt"] = "prompt"
    is_hermetic: Literal[True] = True

    @property
    def model_id(self) -> str:
        """The model."""
        return self.model

    @property
    def parts(self) -> Mapping[str, Json]:
        """What makes the target what it is: names, prices and time-outs are no part of it."""
        return {
            "kind": self.kind,
            "provider": self.provider,
            "base_url": self.base_url,
            "model": self.model,
            "prompt": self.prompt,
            "system": self.system,
            "options": dict(self.options),
            "max_tokens": self.max_tokens,
        }

    @property
    def digest(self) -> str:
        """Identity of the target, from its parts."""
        return digest(self.parts)

    def request(self, case: Case, repeat: int) -> Request:
        """The call that asks the case.

        Raises:
            ExpressionError: The prompt uses a name that the case does not have.
        """
        system, messages = self._messages(case)
        return Request(
            provider=self.provider,
            model=self.model,
            messages=messages,
            system=system,
            options=self.options,
            max_tokens=self.max_tokens,
            repeat=repeat,
            timeout_s=self.timeout_s,
            base_url=self.base_url,
            origin=Origin(path=self.target_id, step_type="prompt"),
        )

    def _messages(self, case: Case) -> tuple[str | None, tuple[Message, ...]]:
        names = names_of(case)
        system = self.system
        if isinstance(case.input, list) and self.prompt == default_prompt:
            # Turns are sent as turns; written into a prompt they would be one user's text.
            turns = [turn for turn in case.input if turn["role"] != "system"]
            spoken = [to_text(t["content"]) for t in case.input if t["role"] == "system"]
            messages = tuple(Message(role=t["role"], text=to_text(t["content"])) for t in turns)
            return "\n\n".join([*([system] if system else []), *spoken]) or None, messages
        text = to_text(render(self.prompt, Scope(local=names)))
        return system, (Message(role="user", text=text),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What one row may use to get its answer.

    Attributes:
        log: Journal of the row's calls.
        ledger: The run's budget, or a part of it.
        deadline: Monotonic time at which the attempt ends, or None.
    """

    client: LlmClient
    log: CallLog
    ledger: Ledger
    retry: RetryPolicy
    sink: EventSink
    cache: CachePolicy = "off"
    deadline: float | None = None


def names_of(case: Case) -> dict[str, Json]:
    """What a prompt may use: the input, its fields when it is a map, the context and the choices."""
    fields = dict(case.input) if isinstance(case.input, Mapping) else {}
    context = "\n\n".join(case.context) if isinstance(case.context, tuple) else case.context
    known = {"context": context, "choices": list(case.choices) if case.choices else None}
    return {
        **fields,
        **{name: value for name, value in known.items() if value is not None},
        "input": case.input,
    }


async def ask_model(target: PromptTarget, case: Case, repeat: int, asking: Asking) -> Answer:
    """The model's answer to the case; everything but a cancellation becomes an answer."""
    ledger = asking.ledger.child()
    try:
        request = target.request(case, repeat)
        reply = await asking.client.call(
            request,
            log=asking.log,
            ledger=ledger,
            retry=asking.retry,
            deadline=asking.deadline,
            cache=asking.cache,
            sink=asking.sink,
        )
    except ExpressionError as error:
        return Answer(
            status="target_error",
            error_code=error.code,
            error=error.message,
            provider=target.provider,
        )
    except PipexError as error:
        answer = failed(error, provider=target.provider)
        spent = ledger.spent
        if isinstance(error, ProviderError):
            answer = replace(answer, calls=spent.calls)
        if isinstance(error, Refused):
            # A refusal is an observed answer whose text the client does not hand on.
            answer = replace(answer, text="", finish_reason="content_filter")
        return replace(answer, cost_nanousd=spent.nanousd)
    return answer_of_reply(reply, provider=target.provider, calls=ledger.spent.calls)


def answer_of_reply(reply: Reply, *, provider: str, calls: int) -> Answer:
    """The answer in a model's reply; a reply cut at the output limit is ``truncated``.

    Args:
        reply: From the client.
        provider: Who was asked.
        calls: Calls that ended while it was made; 0 when it was known already.
    """
    response, usage = reply.response, reply.response.usage
    found = json_of_text(response.text)
    return Answer(
        status="truncated" if response.finish_reason == "max_tokens" else "ok",
        text=response.text,
        json=found,
        has_json=found is not None,
        tool_calls=[
            {"name": call.name, "arguments": dict(call.arguments)} for call in response.tool_calls
        ]
        or None,
        finish_reason=response.finish_reason,
        cache=reply.cache,
        latency_ms=response.latency_ms,
        ttft_ms=response.ttft_ms,
        wait_ms=reply.wait_ms,
        input_tokens=usage.total_input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        reasoning_tokens=usage.thinking,
        # Of a hit, what its answer took when it was made: the row is the same as without the cache.
        # A call that a crash left in doubt is in the journal's account and in no row.
        calls=max(calls, 1),
        cost_nanousd=response.cost_nanousd or 0,
        provider=provider,
        model_resolved=response.model_served or None,
    )


def json_of_text(text: str) -> Json:
    """The object or list that the whole text is, after at most one code fence; else None."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body[body.index("\n") + 1 : -3].strip()
    if not body.startswith(("{", "[")):
        return None
    try:
        return parse(body)
    except ValueError:
        return None


Target = PromptTarget | PipelineTarget | RecordedTarget


def moving(target: Target) -> list[Problem]:
    """That the model of a target may be another one tomorrow, so that no two runs could be compared."""
    if isinstance(target, RecordedTarget) or not target.model_id.endswith(moving_aliases):
        return []
    message = f"{target.model_id!r} may mean another model tomorrow; name a fixed version"
    return [Problem(code="moving_alias", message=message, path="model")]
