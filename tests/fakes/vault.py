"""A Vault for tests, written from the published HTTP API: tokens, sign-ins, key/value, database, transit, faults.

It answers what the documentation says that Vault answers, and counts what it is asked. It proves nothing about Vault.
"""

import json
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from urllib.parse import parse_qs, unquote, urlsplit

from fakes.vault_engines import Answer, Database, Kv1, Kv2, Transit

ANY = {"create", "read", "update", "delete", "list"}
DEFAULT = (
    ("auth/token/lookup-self", {"read"}),
    ("auth/token/renew-self", {"update"}),
    ("auth/token/revoke-self", {"update"}),
    ("sys/capabilities-self", {"update"}),
    ("sys/leases/renew", {"update"}),
    ("sys/internal/ui/mounts/*", {"read"}),
)
VERBS = {"GET": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete"}


class Clock:
    """A clock that only a test moves."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@dataclass
class Token:
    """What the server knows of a token. `rules` are (path with *, capabilities); None = root."""

    value: str
    rules: tuple | None = None
    ttl: float = 0
    renewable: bool = False
    max_ttl: float = 0
    name: str = "token"
    issued: float = 0
    end: float | None = None
    default: bool = True

    def may(self, verb, path):
        rules = self.rules if self.rules is None or not self.default else (*DEFAULT, *self.rules)
        return rules is None or any(fnmatchcase(path, rule) and verb in verbs for rule, verbs in rules)


@dataclass
class Role:
    """Who may sign in as what: the credentials that are accepted, and the token that they give."""

    accepts: dict
    rules: tuple | None = None
    ttl: float = 3600
    max_ttl: float = 0
    renewable: bool = True


@dataclass
class Fault:
    """What goes wrong with requests whose path holds `path`, `times` times."""

    kind: str = "status"  # status, reset, silent, trickle, truncated, huge, html, raw
    path: str = ""
    method: str = ""
    times: int = 10**6
    status: int = 500
    headers: dict = field(default_factory=dict)
    body: dict | bytes = field(default_factory=lambda: {"errors": ["internal error"]})
    after: bool = False  # the request has its effect first


class Server(ThreadingHTTPServer):
    """Keeps many callers waiting at the door; the usual five are dropped, and come back after a second."""

    request_queue_size = 128
    daemon_threads = True


class FakeVault:
    """A server on loopback. `root` is a token that may do everything."""

    def __init__(self, *, certificates=None, clock=None, client_ca=None):
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.root = f"hvs.{token_hex(12)}"
        self.tokens = {self.root: Token(self.root, name="root")}
        self.roles = {}
        self.sealed = False
        self.requests = []
        self.faults = []
        self.finish = threading.Event()
        self.seen = threading.Condition()
        self.spaces = {"": {"secret": Kv2(self.clock), "kv": Kv1(), "transit": Transit()}}
        self.database = Database(self)
        self.spaces[""]["database"] = self.database
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.vault = self
        self.server.handle_error = lambda *_: None
        self.scheme = "http"
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificates.configure_cert(context)
            if client_ca is not None:
                client_ca.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.finish.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def place(self):
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def address(self):
        return f"{self.scheme}://{self.place}"

    @property
    def secret(self):
        return self.spaces[""]["secret"]

    @property
    def kv(self):
        return self.spaces[""]["kv"]

    @property
    def transit(self):
        return self.spaces[""]["transit"]

    def count(self, path="", method=""):
        """How many requests there were whose path holds `path`."""
        return len([1 for asked, where, _, _ in self.requests if path in where and method in {"", asked}])

    def wait_for(self, path, seconds=10):
        """Wait until a request for `path` has come; whether it did."""
        with self.seen:
            return self.seen.wait_for(lambda: self.count(path) > 0, seconds)

    def fail(self, kind="status", **facts):
        """Let requests fail from now on."""
        self.faults.append(Fault(kind, **facts))

    def token(self, rules=None, **facts):
        """Make a token."""
        ttl = facts.get("ttl", 0)
        value = facts.pop("value", f"hvs.{token_hex(12)}")
        made = Token(value, rules, issued=self.clock(), end=self.clock() + ttl if ttl else None, **facts)
        self.tokens[value] = made
        return value

    def known(self, value):
        """The token, unless it is unknown or has ended; its leases end with it."""
        found = self.tokens.get(value)
        if found is not None and found.end is not None and self.clock() >= found.end:
            self.forget(value)
            return None
        return found

    def forget(self, value):
        """Revoke a token."""
        self.tokens.pop(value, None)
        self.database.end_of_token(value)

    def answer(self, method, path, query, body, headers):  # noqa: C901, PLR0911 - one answer per line of the documentation
        """The answer to a request: status, headers, JSON."""
        with self.lock:
            if path == "sys/seal-status":
                return Answer(200, {"sealed": self.sealed, "initialized": True, "version": "1.18.0", "type": "shamir"})
            if path == "sys/health":
                return Answer(503 if self.sealed else 200, {"sealed": self.sealed, "initialized": True})
            if self.sealed:
                return Answer.refused(503, "Vault is sealed")
            space = self.spaces.get((headers.get("X-Vault-Namespace") or "").strip("/"))
            if space is None:
                return Answer.refused(404, "no handler for route. route entry not found.")
            if path.startswith("auth/") and path.endswith("/login"):
                return self.login(path.removeprefix("auth/").removesuffix("/login"), body)
            token = self.known(headers.get("X-Vault-Token", ""))
            if token is None:
                return Answer.refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
            verb = VERBS.get(method, "")
            if not token.may(verb, path) and not (verb == "update" and token.may("create", path)):
                return Answer.refused(403, "1 error occurred:\n\t* permission denied\n\n")
            if path.startswith(("auth/token/", "sys/")):
                return self.system(method, path, body, token, space)
            for mount in sorted(space, key=len, reverse=True):
                if path == mount or path.startswith(f"{mount}/"):
                    return space[mount].answer(method, path[len(mount) + 1 :], query, body, token)
            return Answer.refused(404, f'no handler for route "{path}". route entry not found.')

    def login(self, mount, body):
        """Sign in: each method has its own names for who one is."""
        roles = self.roles.get(mount)
        if roles is None:
            return Answer.refused(404, "no handler for route. route entry not found.")
        for name, role in roles.items():
            if body.get("role", name) == name and all(body.get(key) == value for key, value in role.accepts.items()):
                facts = {"ttl": role.ttl, "max_ttl": role.max_ttl, "renewable": role.renewable, "name": name}
                return Answer(200, {"auth": self.auth(self.tokens[self.token(role.rules, **facts)])})
        if "jwt" in body:
            return Answer.refused(403, "permission denied")
        return Answer.refused(400, "invalid role or secret ID")

    def auth(self, token):
        return {
            "client_token": token.value,
            "lease_duration": int(token.end - self.clock()) if token.end else 0,
            "renewable": token.renewable,
            "policies": ["default"],
        }

    def system(self, method, path, body, token, space):  # noqa: PLR0911 - as above
        """What is below auth/token and sys."""
        match path.removeprefix("auth/token/"):
            case "lookup-self":
                ttl = int(token.end - self.clock()) if token.end else 0
                facts = {"id": token.value, "ttl": ttl, "renewable": token.renewable, "display_name": token.name}
                return Answer(200, {"data": facts})
            case "renew-self":
                if not token.renewable:
                    return Answer.refused(400, "lease is not renewable")
                longest = token.issued + token.max_ttl if token.max_ttl else self.clock() + token.ttl
                token.end = min(self.clock() + token.ttl, longest)
                return Answer(200, {"auth": self.auth(token)})
            case "revoke-self":
                self.forget(token.value)
                return Answer(204)
        if path.startswith("sys/internal/ui/mounts/"):
            mount = path.removeprefix("sys/internal/ui/mounts/")
            allowed = token.rules is None or any(rule.startswith(f"{mount}/") for rule, _ in token.rules)
            if mount not in space or not allowed:
                return Answer.refused(403, "preflight capability check returned 403")
            return Answer(200, {"data": space[mount].about})
        if path in {"sys/leases/renew", "sys/leases/revoke", "sys/leases/lookup"}:
            return self.database.lease(path.rpartition("/")[2], body)
        return Answer.refused(404, f'unsupported path "{path}"')


class Handler(BaseHTTPRequestHandler):
    """Reads a request, hands it to the server, writes the answer, or fails as it is told."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self):
        with suppress(OSError):
            if isinstance(self.request, ssl.SSLSocket):
                self.request.do_handshake()
            super().handle()

    def any_method(self):
        vault = self.server.vault
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix("/v1/")
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        namespace = self.headers.get("X-Vault-Namespace") or ""
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        method = "LIST" if self.command == "GET" and query.pop("list", "") == "true" else self.command
        with vault.seen:
            vault.requests.append((method, path, namespace, self.headers.get("X-Vault-Token") or ""))
            vault.seen.notify_all()
        fault = self.fault(path)
        body = json.loads(sent) if sent else {}
        if fault is None or fault.after:
            answer = vault.answer(method, path, query, body, self.headers)
        if fault is not None:
            getattr(self, f"fail_{fault.kind}")(fault)
            return
        self.write(answer.status, answer.content, answer.headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = any_method  # noqa: N815 - the names that http.server looks for

    def fault(self, path):
        with self.server.vault.lock:
            for fault in self.server.vault.faults:
                if fault.times > 0 and fault.path in path and fault.method in {"", self.command}:
                    fault.times -= 1
                    return fault
        return None

    def write(self, status, content, headers=None, *, length=None, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)
            self.wfile.flush()

    def fail_status(self, fault):
        content = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        self.write(fault.status, content, fault.headers)

    def fail_reset(self, _):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def fail_silent(self, _):
        self.close_connection = True
        self.server.vault.finish.wait(10)

    def fail_trickle(self, _):
        self.close_connection = True
        self.write(200, b"", length=10_000)
        with suppress(OSError):
            while not self.server.vault.finish.wait(0.02):
                self.wfile.write(b" ")
                self.wfile.flush()

    def fail_truncated(self, _):
        self.close_connection = True
        self.write(200, b'{"data": {"data": {"password"', length=200)

    def fail_cut(self, _):
        self.write(200, b'{"data": {"data": {"password"')

    def fail_huge(self, _):
        self.close_connection = True
        self.write(200, b'{"data": {"metadata": {}, "data": {"value": "%b"}}}' % (b"x" * 9 * 1024**2))

    def fail_html(self, _):
        self.write(200, b"<html>Please sign in</html>", kind="text/html")

    def log_message(self, *_):
        pass
