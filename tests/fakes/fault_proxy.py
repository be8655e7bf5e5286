"""A proxy for HTTP that does to single requests what networks and servers do: refuse, cut, reset, lose."""

import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Fault = Literal["", "busy", "reset", "cut", "lost"]
busy = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>"
)


class FaultProxy(socketserver.ThreadingTCPServer):
    """Passes requests on to another server of this machine.

    Attributes:
        fault: Chooses what happens to a request, from its number (from 1) and its first line.
        seen: First lines of the requests.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.fault: Callable[[int, str], Fault] = lambda _number, _line: ""
        self.seen: list[str] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: FaultProxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        if re.search(rb"(?i)expect: *100-continue", head):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"(?i)expect:[^\r]*\r\n", b"", head)
        size = re.search(rb"(?i)content-length: *(\d+)", head)
        body = self.rfile.read(int(size[1])) if size else b""
        first = head.partition(b"\r\n")[0].decode()
        with self.server.lock:
            self.server.seen.append(first)
            fault = self.server.fault(len(self.server.seen), first)
        self._answer(fault, head, body)

    def _answer(self, fault: Fault, head: bytes, body: bytes) -> None:
        if fault == "reset":
            self._abort()
            return
        if fault == "busy":
            self.wfile.write(b"HTTP/1.1 503 Busy\r\nContent-Type: application/xml\r\n")
            self.wfile.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(busy) + busy)
            return
        reply = self._upstream(head, body)
        if fault == "lost":
            self._abort()
            return
        self.wfile.write(reply[: -(len(reply) // 3)] if fault == "cut" else reply)

    def _upstream(self, head: bytes, body: bytes) -> bytes:
        plain = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)
        with socket.create_connection(self.server.upstream) as connection:
            connection.sendall(plain[:-2] + b"Connection: close\r\n\r\n" + body)
            reply = bytearray()
            while part := connection.recv(1 << 16):
                reply += part
        return bytes(reply)

    def _abort(self) -> None:
        """End the connection without a word, so that the other side sees a reset."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy in front of ``http://HOST:PORT`` for as long as the block lasts."""
    host, _, port = upstream.removeprefix("http://").partition(":")
    with FaultProxy((host, int(port))) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
