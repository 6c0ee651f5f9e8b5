"""A webhook receiver on loopback that accepts only who knows its token."""

from __future__ import annotations

import json
from contextlib import contextmanager
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Receiver(ThreadingHTTPServer):
    """Keeps each accepted message as one line of JSON in `log`; answers 401 to a wrong token."""

    daemon_threads = True

    def __init__(self, log: Path, *, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log = log
        self.expected = f"Bearer {token}".encode()

    @property
    def address(self) -> str:
        """Where messages are posted."""
        return f"http://127.0.0.1:{self.server_port}/messages"

    def messages(self) -> list[dict[str, Any]]:
        """Return what was accepted so far."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Accept or refuse one message."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = (self.headers.get("Authorization") or "").encode()
        receiver = cast("Receiver", self.server)
        status = 401
        if compare_digest(given, receiver.expected):
            status = 202
            with receiver.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(json.loads(body)) + "\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Print nothing: the demo says what arrived."""


@contextmanager
def open_receiver(log: Path, *, token: str) -> Iterator[Receiver]:
    """Serve inside the `with` block."""
    receiver = Receiver(log, token=token)
    thread = Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()
