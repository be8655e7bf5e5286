"""A model vendor on loopback that speaks the wire protocols of Anthropic and Gemini, and misbehaves on request.

It runs in a thread, takes one scripted ``Reply`` per POST (plain answers when the script is used up),
checks the key, keeps every request, and counts bills by digest of the request body, without knowing
anything of pipex.
"""

import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.counting_server import CountingServer

good_key = "key-of-the-tests"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does with one POST.

    Attributes:
        body: JSON value, or bytes sent as they are; None for the plain answer of the protocol.
        chunks: Instead of a body: pieces sent one by one; an ``Event`` among them is waited for.
        cut: Drop the connection after the chunks, without the end that the protocol wants.
        bills: Whether the vendor would charge for the request.
        hang: Answer nothing until the server stops.
        drop: Close the connection without an answer.
        reset: Tear it down instead, so that the caller's next read fails.
        drip_s: Seconds between the bytes of a body or chunk; 0 sends them at once.
    """

    status: int = 200
    body: Any = None
    chunks: Sequence[bytes | threading.Event] | None = None
    cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    bills: bool = True
    hang: bool = False
    drop: bool = False
    reset: bool = False
    drip_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Received:
    """One POST as it arrived; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any


def anthropic_message(**changes: Any) -> dict[str, Any]:
    """A whole answer of ``POST /v1/messages``: "four" for 12 tokens in and 3 out."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "four"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "output_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
        **changes,
    }


def anthropic_error(status: int, kind: str, *, code: str | None = None, **more: Any) -> Reply:
    """An error as Anthropic writes it; ``code`` is its ``details.error_code``."""
    error: dict[str, Any] = {"type": kind, "message": f"the vendor says {kind}"}
    if code:
        error["details"] = {"error_code": code}
    return Reply(status=status, body={"type": "error", "error": error}, bills=False, **more)


def gemini_answer(**changes: Any) -> dict[str, Any]:
    """A whole answer of ``:generateContent``: "four"; 12 tokens in, 4 of them cached; 3 out, 2 thought."""
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "four"}]},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "modelVersion": "gemini-3.8-flash",
        "responseId": "resp_01",
        "usageMetadata": {
            "promptTokenCount": 12,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 17,
        },
        **changes,
    }


def gemini_ended(reason: str, *, text: str = "") -> dict[str, Any]:
    """An answer whose candidate ended for ``reason``."""
    parts = [{"text": text}] if text else []
    content = {"role": "model", "parts": parts}
    return gemini_answer(candidates=[{"content": content, "finishReason": reason, "index": 0}])


def gemini_error(status: int, word: str, *, quota_id: str = "", **more: Any) -> Reply:
    """An error as Google writes it; with ``quota_id`` as a violated quota."""
    error: dict[str, Any] = {"code": status, "message": f"the vendor says {word}", "status": word}
    if quota_id:
        kind = "type.googleapis.com/google.rpc.QuotaFailure"
        error["details"] = [{"@type": kind, "violations": [{"quotaId": quota_id}]}]
    return Reply(status=status, body={"error": error}, bills=False, **more)


def sse(data: Any, *, event: str = "") -> bytes:
    """One server-sent event; ``data`` is a JSON value, or bytes as they are."""
    payload = data if isinstance(data, bytes) else json.dumps(data).encode()
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + payload + b"\n\n"


def anthropic_event(kind: str, **fields: Any) -> bytes:
    """One event of a streamed message."""
    return sse({"type": kind, **fields}, event=kind)


def anthropic_stream(message: Mapping[str, Any] | None = None) -> list[bytes]:
    """A whole message as events: text in two pieces, the input of a tool in three, thoughts in one."""
    whole = anthropic_message() if message is None else message
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"]}}
    start["usage"]["output_tokens"] = 1
    events = [anthropic_event("message_start", message=start), anthropic_event("ping")]
    for index, block in enumerate(whole["content"]):
        events += _block_events(index, block)
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    used = {"output_tokens": whole["usage"]["output_tokens"]}
    return [
        *events,
        anthropic_event("message_delta", delta=ended, usage=used),
        anthropic_event("message_stop"),
    ]


def _block_events(index: int, block: Mapping[str, Any]) -> list[bytes]:
    empty: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "tool_use": {"input": {}},
        "thinking": {"thinking": ""},
    }
    deltas: list[dict[str, Any]] = []
    match block["type"]:
        case "text":
            half = len(block["text"]) // 2
            deltas += [{"type": "text_delta", "text": block["text"][:half]}]
            deltas += [{"type": "text_delta", "text": block["text"][half:]}]
        case "tool_use":
            text = json.dumps(block["input"])
            cuts = [text[:0], text[: len(text) // 2], text[len(text) // 2 :]]
            deltas += [{"type": "input_json_delta", "partial_json": cut} for cut in cuts]
        case "thinking":
            deltas += [{"type": "thinking_delta", "thinking": block["thinking"]}]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}]
        case other:
            raise ValueError(f"blocks of type {other} are not streamed here")
    first = {**block, **empty[block["type"]]}
    first.pop("signature", None)
    return [
        anthropic_event("content_block_start", index=index, content_block=first),
        *(anthropic_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        anthropic_event("content_block_stop", index=index),
    ]


def gemini_stream(answer: Mapping[str, Any] | None = None) -> list[bytes]:
    """A whole answer as chunks: one for each part, the text in two; only the last one has an end."""
    whole = gemini_answer() if answer is None else answer
    candidate = whole["candidates"][0]
    parts: list[dict[str, Any]] = []
    for part in candidate["content"]["parts"]:
        text = part.get("text", "")
        cuts = [text[: len(text) // 2], text[len(text) // 2 :]] if set(part) == {"text"} else []
        parts += [{"text": cut} for cut in cuts] or [part]
    chunks: list[dict[str, Any]] = []
    for part in parts:
        content = {"role": "model", "parts": [part]}
        chunks.append({**whole, "candidates": [{"content": content, "index": 0}]})
    chunks[-1]["candidates"][0]["finishReason"] = candidate["finishReason"]
    return [sse(chunk) for chunk in chunks]


class ProviderServer:
    """The server; ``with running() as server``.

    Attributes:
        requests: POSTs in order of arrival.
        bills: Request digest to the number of times it was charged.
        keys: Those that are known.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.bills: Counter[str] = Counter()
        self.keys = {good_key}
        self.stopping = threading.Event()
        self._held: list[threading.Event] = []
        self._script: list[Reply] = []
        self._lock = threading.Lock()  # guards the lists above: handlers run in threads
        self._http = CountingServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Base URL for both protocols."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def wait_until_quiet(self, key: str) -> None:
        """Return once everything that a dead client with this key had sent is dealt with."""
        self._http.wait_until_quiet(key)

    def script(self, *replies: Reply) -> None:
        """Answer the next POSTs like this."""
        with self._lock:
            self._script.extend(replies)

    def take(self, received: Received) -> Reply:
        """Note the POST, charge for it, and say how to answer."""
        with self._lock:
            self.requests.append(received)
            reply = self._script.pop(0) if self._script else Reply()
            if reply.bills and not is_count(received.path):
                text = json.dumps([received.path, received.body], sort_keys=True)
                self.bills[hashlib.sha256(text.encode()).hexdigest()] += 1
            return reply

    def wait_for(self, event: threading.Event) -> None:
        """Wait for a test's event, or for the end of the server."""
        with self._lock:
            self._held.append(event)
        if not self.stopping.is_set():
            event.wait()

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of what hangs and end the thread."""
        self.stopping.set()
        with self._lock:
            for event in self._held:
                event.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def running() -> Iterator[ProviderServer]:
    """A server that listens inside the block."""
    server = ProviderServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Handler(BaseHTTPRequestHandler):
    """Answers the POSTs of one connection."""

    owner: ProviderServer
    server: CountingServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        data = self.rfile.read(length)
        if len(data) < length:
            self.close_connection = True  # the caller died while it was sending
            return
        body = json.loads(data or b"null")
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.split("?")[0]
        key = key_of(headers)
        self.server.shown(self.client_address, key)
        reply = self.owner.take(Received(path=path, headers=headers, body=body))
        if reply.hang:
            self.owner.stopping.wait()
        if reply.reset:
            no_goodbye = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
        if reply.hang or reply.drop or reply.reset:
            self.close_connection = True
            return
        if key not in self.owner.keys:
            reply = _unknown_key(path)
        is_plain = reply.body is None and reply.chunks is None
        if is_plain and path.endswith(":streamGenerateContent"):
            reply = replace(reply, chunks=gemini_stream())
        elif is_plain and isinstance(body, dict) and body.get("stream"):
            reply = replace(reply, chunks=anthropic_stream())
        if reply.chunks is None:
            self._send(reply, path)
        else:
            with suppress(ConnectionError):  # the caller may have gone
                self._send_chunks(reply, reply.chunks)

    def _send_chunks(self, reply: Reply, chunks: Sequence[bytes | threading.Event]) -> None:
        self.send_response(reply.status)
        head = {"content-type": "text/event-stream", "request-id": "req_01", **reply.headers}
        for name, value in {**head, "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in chunks:
            if isinstance(chunk, threading.Event):
                self.wfile.flush()
                self.owner.wait_for(chunk)
            else:
                for part in self._dripped(chunk, reply.drip_s):
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, reply: Reply, path: str) -> None:
        body = _plain(path) if reply.body is None else reply.body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(reply.status)
        for name, value in {
            "content-type": reply.content_type,
            "request-id": "req_01",
            "content-length": str(len(data)),
            **reply.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the caller may have gone
            for part in self._dripped(data, reply.drip_s):
                self.wfile.write(part)

    def _dripped(self, data: bytes, pause_s: float) -> Iterator[bytes]:
        """The data in one piece, or byte by byte with a pause after each, until the server stops."""
        if not pause_s:
            yield data
            return
        for place in range(len(data)):
            yield data[place : place + 1]
            self.wfile.flush()
            if self.owner.stopping.wait(pause_s):
                return


def key_of(headers: Mapping[str, str]) -> str:
    """The key of a request, whichever way it is sent."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-goog-api-key") or headers.get("x-api-key") or bearer


def is_count(path: str) -> bool:
    """Whether a POST asks how many tokens a prompt has."""
    return path.endswith(("/count_tokens", ":countTokens"))


def _plain(path: str) -> dict[str, Any]:
    if is_count(path):
        return {"totalTokens": 40} if path.endswith(":countTokens") else {"input_tokens": 40}
    return gemini_answer() if path.endswith("enerateContent") else anthropic_message()


def _unknown_key(path: str) -> Reply:
    if path.endswith("enerateContent"):
        return gemini_error(401, "UNAUTHENTICATED")
    return anthropic_error(401, "authentication_error")


def paths(requests: Sequence[Received]) -> list[str]:
    """The paths of some requests."""
    return [request.path for request in requests]
