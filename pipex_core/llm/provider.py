"""One call to a model as values, and the ports of those who answer it, embed texts or log calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, Protocol, Self, runtime_checkable

from pipex_core.errors import ProviderError
from pipex_core.jsonvalue import Json, digest
from pipex_core.llm.draws import Drawn

Role = Literal["user", "assistant", "tool"]
FinishReason = Literal["stop", "max_tokens", "tool_calls", "content_filter", "pause"]
CallRole = Literal["target", "judge", "generator"]
_unkept = frozenset({"rates", "drawn"})  # fields of a response that are for this process only


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool as it is offered to a model; ``parameters`` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation.

    Attributes:
        tool_calls: Of an assistant turn: what it asked for.
        tool_call_id: Of a tool turn: the call that ``text`` answers.
        is_error: Of a tool turn: whether the call was refused or failed.
        parts: Of an assistant turn: its parts as the vendor wrote them. They go back to the same vendor
            unchanged, because signatures of thoughts belong to them; empty to send text and calls.
    """

    role: Role
    text: str
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    parts: Sequence[Mapping[str, Json]] = ()

    def body(self) -> dict[str, Json]:
        """The turn as JSON; what was added later stands in it only where it is used."""
        body: dict[str, Json] = {
            "role": self.role,
            "text": self.text,
            "tool_calls": [
                {"id": c.id, "name": c.name, "arguments": dict(c.arguments)}
                for c in self.tool_calls
            ],
            "tool_call_id": self.tool_call_id,
        }
        if self.is_error:
            body["is_error"] = True
        if self.parts:
            body["parts"] = [dict(part) for part in self.parts]
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens in disjoint input classes; ``thinking`` is part of ``output``."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    thinking: int = 0
    tool_use: int = 0

    @property
    def total_input(self) -> int:
        """All input tokens, whatever their price."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a call comes from: what mock rules match on and journals name. Never part of a key.

    Attributes:
        path: Step path, such as ``loop[0]/draft``, or the metric's name for judges.
        step_type: Type of the step, or ``judge``.
        attempt: 1-based try of this call; a call to a fallback model counts as a further attempt.
        must_be_json: Whether the step fails on any answer that is no JSON, whatever its schema.
    """

    path: str = ""
    step_type: str = ""
    session: str | None = None
    attempt: int = 1
    role: CallRole = "target"
    must_be_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, complete: what is sent and nothing else.

    Attributes:
        provider: Registry name of the adapter: ``anthropic``, ``gemini``, ``mock``, ``replay``.
        model: Model id as sent, aliases resolved.
        options: Decoding options as sent (``temperature``, ``top_p``, ``top_k``, ``seed``, ``stop``).
        max_tokens: Upper bound of the output, always sent.
        schema: JSON Schema that the reply must satisfy, or None.
        repeat: Index of the independent sample; part of the key, so repeats never share an answer.
        timeout_s: Wall deadline of the call.
    """

    provider: str
    model: str
    messages: Sequence[Message]
    system: str | None = None
    tools: Sequence[ToolDefinition] = ()
    schema: Mapping[str, Json] | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    max_tokens: int = 4096
    repeat: int = 0
    timeout_s: float = 300.0
    base_url: str = ""
    origin: Origin = field(default_factory=Origin)

    @property
    def prompt(self) -> str:
        """Text of the last user turn."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    def body(self) -> dict[str, Json]:
        """Everything that the answer may depend on, as JSON."""
        return {
            "provider": self.provider,
            "base_url": self.base_url,
            "model": self.model,
            "system": self.system,
            "messages": [message.body() for message in self.messages],
            "tools": [
                {"name": t.name, "description": t.description, "parameters": dict(t.parameters)}
                for t in self.tools
            ],
            "schema": self.schema,
            "options": dict(self.options),
            "max_tokens": self.max_tokens,
        }

    def key(self, *, adapter_version: int) -> str:
        """The request key of the call cache: digest of the body, the repeat and the adapter's version."""
        return digest({**self.body(), "repeat": self.repeat, "adapter": adapter_version})


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What a service says of one of its limits beside an answer.

    Attributes:
        limit: Per minute.
        remaining: Left of it now.
    """

    kind: Literal["requests", "tokens"]
    limit: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete, validated answer.

    Attributes:
        model_served: Model that the service says answered.
        latency_ms: From send to the end of this attempt; virtual under mock.
        cost_nanousd: Set by providers that know their own price (mock, replay), else None until
            the client has priced the usage.
        finish_reason: ``pause`` when the service wants the turn sent back to go on with it.
        tool_calls: What to carry out; cut and not to be used when the answer ended with ``max_tokens``.
        price_id: Digest of the price row used; empty when the provider set the price.
        raw: Finish reason and ids as the vendor wrote them, for the journal; ``parts`` of a turn that
            must be sent back.
        rates: What the service said of its limits; of this moment only, so it is kept nowhere.
        drawn: Which of its prepared answers a scripted provider gave; for the journal only.
    """

    text: str
    finish_reason: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    model_served: str = ""
    tool_calls: Sequence[ToolCall] = ()
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    request_id: str | None = None
    cost_nanousd: int | None = None
    price_id: str = ""
    raw: Mapping[str, Json] = field(default_factory=dict)
    rates: Sequence[RateLimit] = ()
    drawn: Drawn | None = None

    @property
    def parts(self) -> Sequence[Mapping[str, Json]]:
        """The turn's parts as the vendor wrote them, where they have to be sent back; else empty."""
        return self.raw.get("parts") or ()

    def to_json(self) -> dict[str, Json]:
        """The response as JSON, as journals, caches and cassettes keep it."""
        return {
            **{f.name: getattr(self, f.name) for f in fields(self) if f.name not in _unkept},
            "usage": {item.name: getattr(self.usage, item.name) for item in fields(Usage)},
            "tool_calls": [
                {"id": call.id, "name": call.name, "arguments": dict(call.arguments)}
                for call in self.tool_calls
            ],
            "raw": dict(self.raw),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """The response that ``to_json`` wrote; fields that are missing have their defaults.

        Raises:
            TypeError: There is a field that a response does not have, or no text.
        """
        parts = dict(data)
        parts["usage"] = Usage(**parts.get("usage", {}))
        parts["tool_calls"] = tuple(ToolCall(**call) for call in parts.get("tool_calls", ()))
        return cls(**parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a streamed answer.

    Attributes:
        restart: Whether everything shown of the answer before is void, because it is tried again.
    """

    text: str
    restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the answer to a request will cost and take."""

    nanousd: int
    tokens: int


class Provider(Protocol):
    """A model service behind one narrow door.

    A provider never retries, never caches and never sleeps on errors: it sends one request and
    gives one validated answer or raises one typed ``ProviderError``. A refusal is an answer with
    ``finish_reason`` ``content_filter``, so that what it cost is counted; the client makes it an error.

    Attributes:
        name: Registry name.
        adapter_version: Raised when the same request could be sent differently.
        billable: Whether a call may cost money; mock and replay cannot.
    """

    name: str
    adapter_version: int
    billable: bool

    async def complete(self, request: Request) -> Response:
        """The answer. Raises ``ProviderError``; cancellation is let through."""
        ...

    def estimate(self, request: Request) -> Estimate | None:
        """What the next answer to ``request`` takes, where that is known before (mock), else None."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


@runtime_checkable
class StreamingProvider(Provider, Protocol):
    """A provider that can show an answer while it is written."""

    def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """Deltas in order, then the complete, validated ``Response`` as the last item.

        It is the response that ``complete`` would give. Raises ``ProviderError`` at any item, ``connection``
        when the stream ends before the answer does.
        """
        ...


@runtime_checkable
class CountingProvider(Provider, Protocol):
    """A provider that can say what a prompt takes, without a bill."""

    async def count_tokens(self, request: Request) -> int | None:
        """Tokens of the prompt as the service counts them; None where it cannot say.

        Raises ``ProviderError``; cancellation is let through.
        """
        ...


class Embedder(Protocol):
    """Texts to unit vectors.

    Attributes:
        name: Model name.
        fingerprint: Digest of the weights and settings.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text ``[texts, dimensions]``, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A call that is about to be sent.

    Attributes:
        unit: Step path or ``case:<id>#<repeat>``; with ``ordinal`` and ``request`` the call's identity.
        ordinal: 0-based number of the call inside its unit.
        request: Request digest.
        attempt: 1-based.
    """

    unit: str
    ordinal: int
    request: str
    attempt: int
    provider: str
    model: str
    reserved_nanousd: int = 0
    reserved_tokens: int = 0


class CallCache(Protocol):
    """Answers of earlier calls by request key; only replies that ended normally are put in."""

    def get(self, key: str, *, max_age_s: float | None = None) -> Response | None:
        """The answer, checked by its digest, or None; also None for one that is older than allowed."""
        ...

    def put(self, key: str, response: Response) -> None:
        """Keep the answer; the first one under a key stays, unless it was found too old."""
        ...


class CallLog(Protocol):
    """Where the calls of one unit are journalled before and after they are sent.

    Answers what is known already from before a crash.

    Attributes:
        unit: Step path or ``case:<id>#<repeat>``.
    """

    @property
    def unit(self) -> str: ...

    def next_ordinal(self) -> int:
        """Number of the unit's next call, from 0."""
        ...

    def answered(self, ordinal: int, request: str) -> Response | None:
        """The durable answer to this very call from before a crash, or None."""
        ...

    def attempts_so_far(self, ordinal: int, request: str) -> int:
        """Tries of this call that the journal knows, whatever became of them."""
        ...

    async def begin(self, call: Begun, *, wait: bool) -> None:
        """Journal the call; durable when it returns if ``wait``."""
        ...

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        """Journal the answer; durable when it returns."""
        ...

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        """Journal the failure; durable when it returns."""
        ...
