"""An HTTP server that knows its open connections, so that a test can wait until a dead client's are done."""

import socket
import threading
from http.server import ThreadingHTTPServer
from typing import Any

Address = tuple[str, int]


class CountingServer(ThreadingHTTPServer):
    """Counts connections from being accepted to being closed, each with the key that it showed."""

    def __init__(self, address: Address, handler: Any) -> None:
        super().__init__(address, handler)
        self._keys: dict[Address, str | None] = {}
        self._changed = threading.Condition()  # guards the keys: handlers run in threads

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._keys[client_address] = None
            self._changed.notify_all()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._keys.pop(client_address, None)
                self._changed.notify_all()

    def shown(self, address: Address, key: str) -> None:
        """Whose connection this is."""
        with self._changed:
            self._keys[address] = key
            self._changed.notify_all()

    def wait_until_quiet(self, key: str, *, timeout_s: float = 30.0) -> None:
        """Return once everything that a client with this key had sent, up to now, is dealt with.

        The client is dead, so its connections end when they are read to the end.
        """
        # Connections are accepted in their order: when this one is, all of the client's are.
        with socket.create_connection(("127.0.0.1", self.server_port)) as fence, self._changed:
            own = fence.getsockname()
            assert self._changed.wait_for(lambda: own in self._keys, timeout_s)
            earlier = [address for address in self._keys if address != own]
            unsettled = {None, key}
            assert self._changed.wait_for(
                lambda: all(self._keys.get(one, "gone") not in unsettled for one in earlier),
                timeout_s,
            ), "the server is still busy with a client that is gone"
