"""An AWS endpoint that plays faults: what it answers is scripted, and every request is counted."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

Answer = Callable[["Handler"], None]

JSON = "application/x-amz-json-1.1"
ROLE = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
<AccessKeyId>ASIATEMPORARY{number:04}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{secret}</SessionToken><Expiration>{expiration}</Expiration></Credentials></{action}Result>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"""
CALLER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/etl/typecase</Arn><UserId>A:typecase</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Handler(BaseHTTPRequestHandler):
    """Answers with the next scripted answer, the last one for ever."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "FakeAws"

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.next_answer(self)(self)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def operation(self) -> str:
        """What is asked for, in either of the two protocols."""
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        return target or parse_qs(self.body.decode()).get("Action", [""])[0]

    def send(self, status: int, body: bytes, content_type: str = JSON, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class FakeAws(ThreadingHTTPServer):
    """The endpoint. `answers` are scripted, `requests` lists the operations that were asked for, with their bodies."""

    daemon_threads = True

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.secure = context is not None
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://localhost:{self.server_address[1]}"

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _, _ in self.requests]

    def next_answer(self, handler: Handler) -> Answer:
        with self.lock:
            self.requests.append((handler.operation, handler.body, dict(handler.headers)))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what is tested."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


def says(content: dict[str, Any]) -> Answer:
    """Answer 200 with `content`."""
    return lambda handler: handler.send(200, json.dumps(content).encode())


def refuses(code: str, message: str = "no", status: int = 400, **headers: str) -> Answer:
    """Answer with an error of AWS, in the protocol of the request."""

    def answer(handler: Handler) -> None:
        if "X-Amz-Target" in handler.headers:
            body = json.dumps({"__type": code, "message": message}).encode()
            handler.send(status, body, **headers)
        else:
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            handler.send(status, body.encode(), "text/xml", **headers)

    return answer


def raw(status: int, body: bytes, content_type: str = JSON, **headers: str) -> Answer:
    """Answer with these very bytes."""
    return lambda handler: handler.send(status, body, content_type, **headers)


def hangs(handler: Handler) -> None:
    """Never answer."""
    handler.server.closing.wait()


def resets(handler: Handler) -> None:
    """Cut the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def stops(body: bytes) -> Answer:
    """Begin an answer and never end it."""

    def answer(handler: Handler) -> None:
        _begin(handler, len(body) + 1000, body)
        handler.server.closing.wait()

    return answer


def drips(handler: Handler) -> None:
    """Answer a byte at a time, each soon enough for a timeout between two of them."""
    _begin(handler, 10_000, b" ")
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def breaks_off(body: bytes) -> Answer:
    """Close the connection in the middle of an answer."""

    def answer(handler: Handler) -> None:
        _begin(handler, len(body) + 1000, body)
        handler.close_connection = True

    return answer


def floods(handler: Handler) -> None:
    """Answer without an end."""
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.server.closing.is_set():
        handler.wfile.write(b'{"a": "' + b"x" * 1_000_000)


def gives_role(expiration: str, secret: str = "temporary") -> Answer:
    """Answer as STS does, with keys that end at `expiration`."""

    def answer(handler: Handler) -> None:
        action, number = handler.operation, len(handler.server.requests)
        body = ROLE.format(action=action, number=number, secret=secret, expiration=expiration)
        handler.send(200, body.encode(), "text/xml")

    return answer


def names_caller(handler: Handler) -> None:
    """Answer as whom the caller signs in."""
    handler.send(200, CALLER.encode(), "text/xml")


def _begin(handler: Handler, length: int, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
