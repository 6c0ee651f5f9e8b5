"""Webhook against an HTTP server on loopback."""

import hashlib
import hmac
import io
import json
import logging
import os
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Status, secret
from typecase.blocks.errors import ConnectionFailed, DeliveryFailed, InvalidBlock, MissingPackage
from typecase.integrations.webhook import Webhook, delivery
from typecase.integrations.webhook.transports import _TRANSPORTS, transport_of


class Handler(BaseHTTPRequestHandler):
    """Answers what the server's list of answers says, then 200."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.command, self.path, dict(self.headers), body, self.client_address))
        status, headers, answer = self.server.answers.pop(0) if self.server.answers else (200, {}, b"ok")
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """A receiver that remembers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.answers = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        _TRANSPORTS.close()
        server.shutdown()
        thread.join()


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which take no time."""
    waits = []
    monkeypatch.setattr(delivery, "sleep", waits.append)
    return waits


def sent(server):
    return [json.loads(body) for _, _, _, body, _ in server.got]


def test_a_message_arrives_as_json(server):
    Webhook(url=server.url).notify("It broke.", "Orders", "error", run=7)
    assert sent(server) == [{"text": "It broke.", "subject": "Orders", "severity": "error", "run": 7}]
    method, path, headers, _, _ = server.got[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook", "application/json")


def test_the_payload_takes_the_receivers_shape(server):
    webhook = Webhook(
        url=server.url,
        method="PUT",
        body_field="message",
        subject_field="title",
        severity_field="",
        extra={"channel": "#ops", "nested": {"a": [1]}},
        secret_fields={"routing_key": "abc"},
    )
    webhook.notify("body", "subject")
    assert sent(server) == [
        {"channel": "#ops", "nested": {"a": [1]}, "routing_key": "abc", "message": "body", "title": "subject"}
    ]
    assert server.got[0][0] == "PUT"


def test_headers_are_sent_and_hidden(server, canary, assert_no_canary):
    webhook = Webhook(url=server.url, headers={"Authorization": f"Bearer {canary[:20]}"})
    webhook.notify("x")
    assert server.got[0][2]["Authorization"] == f"Bearer {canary[:20]}"
    assert_no_canary(repr(webhook), secret=canary[:20])


def test_a_password_in_the_url_becomes_basic_authentication(server):
    Webhook(url=server.url.replace("://", "://us%40er:pass@")).notify("x")
    assert server.got[0][2]["Authorization"] == "Basic dXNAZXI6cGFzcw=="


def test_a_signature_covers_the_body(server):
    Webhook(url=server.url, signing_secret="key").notify("x")
    _, _, headers, body, _ = server.got[0]
    assert headers["X-Signature-256"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_receiver_is_asked_again_with_the_same_idempotency_key(server, waits, status):
    server.answers += [(status, {}, b""), (status, {}, b"")]
    Webhook(url=server.url).notify("x")
    assert waits == [0.5, 1.0]
    assert len({headers["Idempotency-Key"] for _, _, headers, _, _ in server.got}) == 1


def test_two_messages_have_two_idempotency_keys(server):
    for key in (None, None, "mine"):
        Webhook(url=server.url).notify("x", idempotency_key=key)
    keys = [headers["Idempotency-Key"] for _, _, headers, _, _ in server.got]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_busy_receiver_is_given_up_after_the_last_attempt(server, waits):
    server.answers += [(503, {}, b"")] * 3
    with pytest.raises(DeliveryFailed) as caught:
        Webhook(url=server.url, attempts=2).notify("x")
    assert (caught.value.status, caught.value.attempts) == (503, 2)


def test_the_wait_that_the_receiver_asks_for_is_honoured(server, waits):
    server.answers.append((429, {"Retry-After": "7"}, b""))
    Webhook(url=server.url).notify("x")
    assert waits == [7.0]


def test_the_wait_may_be_a_date(server, waits):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.answers.append((503, {"Retry-After": date}, b""))
    Webhook(url=server.url).notify("x")
    assert 10 < waits[0] <= 20


@pytest.mark.parametrize("value", ["soon", "-1", "", "Mon, 99 Foo 2026", "1e9"])
def test_a_wait_that_means_nothing_is_ignored(server, waits, value):
    server.answers.append((503, {"Retry-After": value}, b""))
    Webhook(url=server.url).notify("x")
    assert waits == [0.5]


def test_a_receiver_that_asks_for_too_long_a_wait_fails_at_once(server, waits):
    server.answers.append((429, {"Retry-After": "3600"}, b""))
    with pytest.raises(DeliveryFailed) as caught:
        Webhook(url=server.url).notify("x")
    assert (caught.value.retry_after, waits) == (3600.0, [])


@pytest.mark.parametrize("status", [301, 400, 401, 404, 500])
def test_another_answer_fails_with_its_status_and_is_not_repeated(server, waits, status):
    server.answers.append((status, {"Location": "http://127.0.0.1:1/"}, b"invalid_payload"))
    with pytest.raises(DeliveryFailed, match=f"answered {status} and said 'invalid_payload'") as caught:
        Webhook(url=server.url).notify("x")
    assert caught.value.status == status
    assert (len(server.got), waits) == (1, [])


def test_a_refused_connection_is_tried_again(waits):
    with pytest.raises(ConnectionFailed, match="refused") as caught:
        Webhook(url="http://127.0.0.1:1/").notify("x")
    assert (caught.value.attempts, waits) == (3, [0.5, 1.0])


def test_a_receiver_that_stays_silent_is_not_asked_twice(server, waits, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(Handler, "do_POST", lambda self: answer.wait())
    with pytest.raises(ConnectionFailed, match="timed out"):
        Webhook(url=server.url, timeout=0.05).notify("x")
    answer.set()
    assert waits == []


def shown(error):
    """The error as rich shows it, with the local variables of every frame."""
    out = io.StringIO()
    trace = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    Console(file=out, width=400).print(trace)
    return out.getvalue()


def failing(server, secret, how):
    url = "http://127.0.0.1:1" if how == "refused" else server.url
    webhook = Webhook(
        url=f"{url}/services/{secret}?token={secret}",
        headers={"X-Key": secret},
        secret_fields={"key": secret},
        signing_secret=secret,
        attempts=1,
    )
    if how == "echo":
        server.answers.append((400, {}, f"bad token {secret} in /services/{secret}".encode()))
    if how == "garbage":
        server.answers.append((200, {"Content-Length": "x"}, b""))
    if how == "details":
        webhook.notify("x", run=object())
    webhook.notify("x")


@pytest.mark.parametrize("how", ["refused", "echo", "garbage", "details"])
def test_a_failure_shows_no_part_of_the_url_and_no_secret(server, canary, assert_no_canary, caplog, how):
    caplog.set_level(logging.DEBUG)
    secret = canary[:30]
    with pytest.raises((ConnectionFailed, DeliveryFailed, TypeError)) as caught:
        failing(server, secret, how)
    error = caught.value
    # The first two frames are this test's own, where the secret is an argument.
    error.__traceback__ = error.__traceback__.tb_next.tb_next
    assert_no_canary(
        str(error), repr(error.__cause__), repr(error.__context__), shown(error), caplog.text, secret=secret
    )


def test_a_delivery_logs_no_url(server, canary, assert_no_canary, caplog):
    caplog.set_level(0)
    Webhook(url=f"{server.url}/{canary[:30]}").notify("x")
    assert len(server.got) == 1
    assert_no_canary(caplog.text, secret=canary[:30])


def test_details_that_are_not_json_are_an_error(server):
    with pytest.raises(TypeError, match="JSON"):
        Webhook(url=server.url).notify("x", run=object())
    assert server.got == []


def test_messages_share_a_connection(server):
    for _ in range(3):
        Webhook(url=server.url).notify("x")
    assert len({address for _, _, _, _, address in server.got}) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_opens_a_connection_of_its_own(server):
    block = Webhook(url=server.url)
    parents = transport_of(block)
    _TRANSPORTS.renew()
    assert transport_of(block) is not parents
    parents.close()


async def test_the_async_twin_delivers(server):
    await Webhook(url=server.url).anotify("x", severity="critical")
    assert sent(server) == [{"text": "x", "severity": "critical"}]


def test_the_client_sends_the_blocks_headers(server):
    with Webhook(url=server.url, headers={"X-Key": "abc"}).client() as client:
        client.post(server.url, json={})
    assert server.got[0][2]["X-Key"] == "abc"


def test_a_missing_package_names_its_extra(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    for call in (lambda: Webhook(url=server.url).notify("x"), Webhook(url=server.url).client):
        with pytest.raises(MissingPackage, match=r"typecase\[webhook\]"):
            call()


@pytest.mark.parametrize("url", ["", "hook", "ftp://h/x", "http://", "http://h:port/", "https://h/a b", "file:///x"])
def test_an_address_that_is_no_web_address_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidBlock, match="https://host/path"):
        Webhook(url=url)


@pytest.mark.parametrize("headers", [{"": "x"}, {"A B": "x"}, {"A": "x\r\nB: y"}, {"A:": "x"}, {"A": "é"}])
def test_a_header_that_could_smuggle_another_is_refused(headers):
    with pytest.raises(InvalidBlock, match="printable ASCII"):
        Webhook(url="https://h/x", headers=headers)


def test_a_check_sends_nothing(server):
    check = Webhook(url=server.url).check()
    assert [(stage.name, stage.status) for stage in check.stages] == [("dns", Status.READY), ("tcp", Status.READY)]
    assert server.got == []


def test_a_check_of_a_url_that_is_nowhere_is_an_error(monkeypatch):
    monkeypatch.delenv("NO_SUCH_URL", raising=False)
    (stage,) = Webhook(url=secret("env", "NO_SUCH_URL")).check().stages
    assert (stage.name, stage.status) == ("auth", Status.ERROR)
    assert "NO_SUCH_URL" in stage.reason


@pytest.mark.parametrize("ca_cert", ["/no/such/file.pem", "-----BEGIN CERTIFICATE-----\nnone"])
def test_a_check_with_authorities_that_cannot_be_read_is_an_error(ca_cert):
    (stage,) = Webhook(url="https://hooks.example.com/x", ca_cert=ca_cert).check().stages
    assert (stage.name, stage.status) == ("tls", Status.ERROR)


def certificate(key, name):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


@pytest.fixture
def pem(server, tmp_path):
    """The certificate of a server that speaks TLS from now on."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate(key, "receiver")
    (tmp_path / "both.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return pem.decode()


def test_tls_is_verified_with_the_authority_that_is_given(server, pem, tmp_path):
    url = server.url.replace("http:", "https:")
    (tmp_path / "ca.pem").write_text(pem)
    for options in ({"ca_cert": pem}, {"ca_cert": str(tmp_path / "ca.pem")}, {"verify_tls": False}):
        webhook = Webhook(url=url, **options)
        assert [stage.name for stage in webhook.check().stages] == ["dns", "tcp", "tls"]
        assert webhook.check().status is Status.READY
        webhook.notify("x")
    assert len(server.got) == 3


def test_a_certificate_that_nobody_vouches_for_is_refused(server, pem, waits):
    webhook = Webhook(url=server.url.replace("http:", "https:"))
    with pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
        webhook.notify("x")
    stage = webhook.check().stages[-1]
    assert (stage.name, stage.status) == ("tls", Status.ERROR)
    assert "certificate authority" in stage.next_step
    assert server.got == []
