"""The rules of the mock provider: who is answered, and with what; checked as a whole when loaded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipex_core.errors import (
    ApiError,
    AuthFailed,
    CircuitOpen,
    ConfigError,
    ConnectionFailed,
    EmptyReply,
    InvalidReply,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    Refused,
    ServerFailed,
    SpendLimit,
)
from pipex_core.jsonvalue import Json, compact, type_name
from pipex_core.llm.cost import nanousd_of
from pipex_core.llm.provider import Request
from pipex_core.registry import nearest

kinds: Mapping[str, type[ProviderError]] = {
    "rate_limit": RateLimited,
    "overloaded": Overloaded,
    "server_error": ServerFailed,
    "connection": ConnectionFailed,
    "timeout": ProviderTimeout,
    "api_error": ApiError,
    "auth": AuthFailed,
    "spend_limit": SpendLimit,
    "invalid_request": InvalidRequest,
    "not_found": ModelNotFound,
    "content_filter": Refused,
    "empty_reply": EmptyReply,
    "invalid_reply": InvalidReply,
    "max_turns": InvalidReply,
    "circuit_open": CircuitOpen,
}
file_words = ("responses", "default")
when_words = ("step", "type", "model", "session", "contains", "matches", "attempt")
answer_words = ("reply", "json", "echo", "error")
shown_prompt = 50  # characters of a prompt in the default text
extra_words = ("tool_calls", "latency_ms", "tokens", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error that a rule asks for; ``kind`` is its code."""

    raises: type[ProviderError]
    kind: str
    message: str
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer.

    Attributes:
        text: The reply; None with ``echo`` or ``failure``, or for the default text.
        echo: Answer with the rendered prompt.
        only_asks: One of several ``replies`` that has tool calls and no answer: it asks for them also
            after the results of earlier ones.
        cost_nanousd: Price of the call; an error costs nothing.
        input_tokens: None for a quarter of the prompt's characters; likewise ``output_tokens``.
    """

    text: str | None = None
    echo: bool = False
    failure: Failure | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Json]]] = ()
    only_asks: bool = False
    latency_ms: float = 0.0
    cost_nanousd: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Conditions of a rule, all of which must hold; None is no condition."""

    step: re.Pattern[str] | None = None
    step_is_path: bool = False
    type: str | None = None
    model: str | None = None
    session: str | None = None
    contains: str | None = None
    matches: re.Pattern[str] | None = None
    attempt: int | None = None

    def holds(self, request: Request) -> bool:
        """Whether the rule may answer this request."""
        origin = request.origin
        return (
            self._step_holds(origin.path)
            and self.type in {None, origin.step_type}
            and self.model in {None, request.model}
            and self.session in {None, origin.session}
            and self.attempt in {None, origin.attempt}
            and (self.contains is None or self.contains in request.prompt)
            and (self.matches is None or self.matches.search(request.prompt) is not None)
        )

    def _step_holds(self, path: str) -> bool:
        """A glob without a slash also matches the last part of the path."""
        if self.step is None or self.step.fullmatch(path):
            return True
        return not self.step_is_path and bool(self.step.fullmatch(path.rpartition("/")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who is answered, and with what: the n-th call gets the n-th entry, the last one repeating."""

    when: When = field(default_factory=When)
    entries: Sequence[Entry]

    def entry(self, answered: int) -> Entry:
        """The entry after ``answered`` calls."""
        return self.entries[min(answered, len(self.entries) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules of a file, in order, and the entry for calls that none of them answers."""

    rules: Sequence[Rule] = ()
    default: Entry | None = None


def default_text(prompt: str) -> str:
    """What the mock says when nobody told it what to say."""
    shown = prompt[:shown_prompt].replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return f"Mock response for: {shown}{'...' if len(prompt) > shown_prompt else ''}"


def rules_of(data: Json) -> Rules:
    """The rules of a file that was parsed already; None stands for an empty file.

    Raises:
        ConfigError: ``invalid_mock_responses``; the message lists everything that is wrong.
    """
    reader = _Reader()
    document = reader.map_of({} if data is None else data, "", file_words)
    found = reader.list_of(document.get("responses", []), "responses")
    rules = [reader.rule(item, f"responses[{i}]") for i, item in enumerate(found)]
    default = document.get("default")
    entry = None if default is None else reader.entry(default, "default")
    if reader.problems:
        lines = "\n".join(f"  {line}" for line in reader.problems)
        raise ConfigError(
            f"the mock responses cannot be used:\n{lines}", code="invalid_mock_responses"
        )
    return Rules(rules=rules, default=entry)


class _Reader:
    """Reads parts of the file and collects what is wrong; a wrong part reads as an empty one."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def rule(self, value: Json, path: str) -> Rule:
        item = self.map_of(value, path, ("when", "replies", *answer_words, *extra_words))
        when = self.when(item.get("when", {}), f"{path}.when")
        shared = {key: item[key] for key in (*answer_words, *extra_words) if key in item}
        if "replies" not in item:
            return Rule(when=when, entries=[self.entry(shared, path)])
        if answers := [word for word in answer_words if word in item]:
            self.wrong(path, f"has both replies and {answers[0]}; a rule has one answer")
        replies = self.list_of(item["replies"], f"{path}.replies")
        if not replies:
            self.wrong(f"{path}.replies", "is empty")
        extras = {key: value for key, value in shared.items() if key in extra_words}
        entries = [
            self.entry(reply, f"{path}.replies[{i}]", extras) for i, reply in enumerate(replies)
        ]
        return Rule(when=when, entries=entries or [Entry()])

    def when(self, value: Json, path: str) -> When:
        item = self.map_of(value, path, when_words)
        texts = {
            word: self.text(item[word], f"{path}.{word}")
            for word in ("step", "type", "model", "session", "contains", "matches")
            if word in item
        }
        attempt = item.get("attempt")
        if attempt is not None and (type(attempt) is not int or attempt < 1):
            self.wrong(f"{path}.attempt", f"must be a whole number from 1, not {attempt!r}")
            attempt = None
        glob = texts.get("step")
        return When(
            step=None if glob is None else _glob(glob),
            step_is_path=glob is not None and "/" in glob,
            type=texts.get("type"),
            model=texts.get("model"),
            session=texts.get("session"),
            contains=texts.get("contains"),
            matches=self.pattern(texts.get("matches"), f"{path}.matches"),
            attempt=attempt,
        )

    def entry(self, value: Json, path: str, shared: Mapping[str, Any] | None = None) -> Entry:
        if isinstance(value, str):
            value = {"reply": value}
        item = {**(shared or {}), **self.map_of(value, path, (*answer_words, *extra_words))}
        answers = [word for word in answer_words if word in item]
        if len(answers) > 1:
            self.wrong(path, f"has both {answers[0]} and {answers[1]}; a rule has one answer")
        if not answers and "tool_calls" not in item:
            self.wrong(path, f"has no answer; give one of {', '.join((*answer_words, 'replies'))}")
        if item.get("echo", True) is not True:
            self.wrong(f"{path}.echo", "can only be true")
        tokens = self.map_of(item.get("tokens", {}), f"{path}.tokens", ("input", "output"))
        return Entry(
            text=self.answer(item, path),
            echo="echo" in item,
            failure=self.failure(item["error"], f"{path}.error") if "error" in item else None,
            tool_calls=self.tool_calls(item.get("tool_calls", []), f"{path}.tool_calls"),
            only_asks=not answers and shared is not None,
            latency_ms=self.number(item.get("latency_ms", 0), f"{path}.latency_ms"),
            cost_nanousd=nanousd_of(self.number(item.get("cost", 0), f"{path}.cost")),
            input_tokens=self.tokens(tokens, "input", path),
            output_tokens=self.tokens(tokens, "output", path),
        )

    def answer(self, item: Mapping[str, Any], path: str) -> str | None:
        if "reply" in item:
            return self.text(item["reply"], f"{path}.reply")
        return compact(item["json"]) if "json" in item else None

    def failure(self, value: Json, path: str) -> Failure:
        item = self.map_of(value, path, ("kind", "message", "status", "retry_after_s"))
        kind = str(item.get("kind"))
        if kind not in kinds:
            self.wrong(f"{path}.kind", f"unknown kind {kind!r}{_hint(kind, kinds)}")
            kind = "server_error"
        wait = item.get("retry_after_s")
        return Failure(
            raises=kinds[kind],
            kind=kind,
            message=self.text(item.get("message", kind), f"{path}.message"),
            status=self.whole(item.get("status"), f"{path}.status"),
            retry_after_s=None if wait is None else self.number(wait, f"{path}.retry_after_s"),
        )

    def tool_calls(self, value: Json, path: str) -> tuple[tuple[str, Mapping[str, Json]], ...]:
        calls = []
        for i, call in enumerate(self.list_of(value, path)):
            item = self.map_of(call, f"{path}[{i}]", ("name", "input"))
            name = self.text(item.get("name"), f"{path}[{i}].name")
            calls.append((name, self.map_of(item.get("input", {}), f"{path}[{i}].input", None)))
        return tuple(calls)

    def tokens(self, item: Mapping[str, Any], word: str, path: str) -> int | None:
        return self.whole(item.get(word), f"{path}.tokens.{word}")

    def pattern(self, text: str | None, path: str) -> re.Pattern[str] | None:
        if text is None:
            return None
        try:
            return re.compile(text)
        except re.error as exc:
            self.wrong(path, f"is no regular expression: {exc}")
            return None

    def map_of(self, value: Json, path: str, words: Sequence[str] | None) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.wrong(path, f"must be a map, not {type_name(value)}")
            return {}
        for key in value:
            if words is not None and key not in words:
                self.wrong(f"{path}.{key}".lstrip("."), f"unknown field{_hint(str(key), words)}")
        return value

    def list_of(self, value: Json, path: str) -> Sequence[Json]:
        if isinstance(value, list):
            return value
        self.wrong(path, f"must be a list, not {type_name(value)}")
        return []

    def text(self, value: Json, path: str) -> str:
        if isinstance(value, str):
            return value
        self.wrong(path, f"must be text, not {type_name(value)}; put it in quotes")
        return ""

    def number(self, value: Json, path: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and 0 <= value < float("inf"):
            return float(value)
        self.wrong(path, f"must be a number from 0, not {value!r}")
        return 0.0

    def whole(self, value: Json, path: str) -> int | None:
        if value is None or (type(value) is int and value >= 0):
            return value
        self.wrong(path, f"must be a whole number from 0, not {value!r}")
        return None

    def wrong(self, path: str, message: str) -> None:
        self.problems.append(f"{path or 'the file'}: {message}")


def _glob(text: str) -> re.Pattern[str]:
    """``*`` stands for any run of characters, slashes included; everything else for itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _hint(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""
