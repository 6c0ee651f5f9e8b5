"""A Key Vault, a Managed HSM and a token authority on this machine, written from Microsoft's REST reference.

They check what the service checks: TLS, `api-version`, a challenge before the first token, names, sizes, attributes,
key operations. Roles are a set of denied operations; faults come from `fail`.
"""

import json
import secrets
import socket
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
PAGE = 25
LARGEST = 25600
OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)


class Refusal(Exception):
    """An answer of the service that is an error."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"code": code, "message": message}}
        if inner:
            self.body["error"]["innererror"] = {"code": inner}


@dataclass
class Fault:
    """What the service does instead of answering: a status with headers and body, or something worse."""

    status: int = 200
    body: bytes | str = b""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "answer"  # or "reset", "silent", "drip", "truncated", "endless"


@dataclass
class Key:
    """One version of a key."""

    material: RSAPrivateKey | bytes
    operations: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=lambda: {"enabled": True})


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_version() -> str:
    return secrets.token_hex(16)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Server"

    def setup(self) -> None:
        if self.server.context is not None:
            self.request.settimeout(10)
            self.server.open.discard(self.request)
            self.request = self.server.context.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
            self.server.open.add(self.request)
            try:
                self.request.do_handshake()
            except BaseException:
                self.request.close()
                raise
        super().setup()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.request.close()
        self.server.open.discard(self.request)

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.answer(self, self.rfile.read(length))

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = serve  # noqa: N815 - the names that the base class calls

    def reply(self, status: int, body: bytes | str | dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        data = data.encode() if isinstance(data, str) else data
        self.send_response(status)
        given = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Threads that end with the test."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Handler, bytes], None], context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.context = context
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or refuses the certificate, is part of the tests."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class FakeAzure:
    """A vault and the authority that gives tokens for it, both at `url`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.lock = Lock()
        self.over = Event()
        self.secrets: dict[str, list[dict[str, Any]]] = {}
        self.deleted: dict[str, list[dict[str, Any]]] = {}
        self.purge_after = 0
        self.keys: dict[str, dict[str, Key]] = {}
        self.clients = {CLIENT: "client secret of the fake"}
        self.certificates: list[x509.Certificate] = []
        self.assertions: set[str] = set()
        self.tokens: set[str] = set()
        self.token_seconds = 3600
        self.denied: dict[str, str] = {}
        self.resource = "https://vault.azure.net"
        self.requests: list[tuple[str, str]] = []
        self.sign_ins = 0
        self.challenges = 0
        self.faults: list[Fault] = []
        self.authority_fault: Fault | None = None
        self._server = Server(self._answer, context)
        self.port = self._server.server_address[1]
        self.host = f"localhost:{self.port}"
        self.url = f"https://{self.host}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self._server.stop()
        self._thread.join()

    def fail(self, fault: Fault, times: int = 1000) -> None:
        """Answer the next requests that carry a token with `fault`."""
        self.faults = [fault] * times

    def put(self, name: str, value: Any, **attributes: Any) -> str:
        """Put a secret into the vault; return its version."""
        version = new_version()
        kept = {"version": version, "name": name, "value": value, "attributes": {"enabled": True, **attributes}}
        self.secrets.setdefault(name.lower(), []).append(kept)
        return version

    def put_key(self, name: str, material: RSAPrivateKey | bytes, *operations: str) -> str:
        """Put a new version of a key into the vault; return its version."""
        usual = ("wrapKey", "unwrapKey") if isinstance(material, RSAPrivateKey) else ("encrypt", "decrypt")
        version = new_version()
        self.keys.setdefault(name.lower(), {})[version] = Key(material, operations or usual)
        return version

    def _answer(self, handler: Handler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        segments = parts.path.strip("/").split("/")
        if segments[0] in {"secrets", "deletedsecrets", "keys"}:
            self._vault(handler, parts.path, segments, parse_qs(parts.query), body)
        elif self.authority_fault is not None:
            self._do(handler, self.authority_fault)
        else:
            self._authority(handler, segments, body)

    # The authority

    def _authority(self, handler: Handler, segments: list[str], body: bytes) -> None:
        if segments[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            base = f"{self.url}/{segments[0]}"
            handler.reply(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
            return
        if segments[1:] != ["oauth2", "v2.0", "token"]:
            handler.reply(404, {"error": "not_found"})
            return
        self.sign_ins += 1
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if segments[0] != TENANT or not self._known(form):
            description = f"AADSTS7000215: Invalid client secret provided for app {form.get('client_id')!r}."
            handler.reply(401, {"error": "invalid_client", "error_description": description})
            return
        token = self.new_token(form["client_id"])
        handler.reply(200, {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"})

    def new_token(self, client: str) -> str:
        claims = {"appid": client, "tid": TENANT, "exp": int(time()) + self.token_seconds}
        token = ".".join((b64(b'{"alg":"RS256"}'), b64(json.dumps(claims).encode()), b64(secrets.token_bytes(64))))
        self.tokens.add(token)
        return token

    def _known(self, form: dict[str, str]) -> bool:
        if "client_secret" in form:
            return self.clients.get(form["client_id"]) == form["client_secret"]
        assertion = form.get("client_assertion", "")
        return assertion in self.assertions or any(signed_by(found, assertion) for found in self.certificates)

    # The vault

    def _vault(
        self, handler: Handler, path: str, segments: list[str], query: dict[str, list[str]], body: bytes
    ) -> None:
        token = (handler.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in self.tokens:
            self.challenges += 1
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{self.resource}"'
            error = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer token."}}
            handler.reply(401, error, {"WWW-Authenticate": challenge})
            return
        with self.lock:
            self.requests.append((handler.command, path))
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            self._do(handler, fault)
            return
        try:
            if "api-version" not in query:
                raise Refusal(400, "BadParameter", "api-version must be specified")
            with self.lock:
                answer = self._act(handler.command, segments, query, json.loads(body) if body else {})
        except Refusal as refusal:
            handler.reply(refusal.status, refusal.body)
        else:
            handler.reply(200, answer) if answer is not None else handler.reply(204, b"")

    def _act(  # noqa: PLR0911 - one return for each operation of the service
        self, verb: str, segments: list[str], query: dict[str, list[str]], body: dict[str, Any]
    ) -> Any:
        match (verb, *segments):
            case ("GET", "secrets"):
                self._permit("secrets/list")
                return self._page(query)
            case ("GET", "secrets", name, *version):
                self._permit("secrets/get")
                return self._read(name, "".join(version))
            case ("PUT", "secrets", name):
                self._permit("secrets/set")
                return self._write(name, body)
            case ("DELETE", "secrets", name):
                self._permit("secrets/delete")
                return self._delete(name)
            case ("GET", "deletedsecrets", name):
                self._permit("deletedsecrets/get")
                return self._deleted(name)
            case ("DELETE", "deletedsecrets", name):
                self._permit("deletedsecrets/purge")
                if self.purge_after > 0:
                    self.purge_after -= 1
                    raise Refusal(409, "Conflict", f"Secret {name} is currently being deleted.", "ObjectIsBeingDeleted")
                self._deleted(name)
                del self.deleted[name.lower()]
                return None
            case ("GET", "keys", name, *version):
                self._permit("keys/get")
                return self._key_bundle(name, *self._key(name, "".join(version)))
            case ("POST", "keys", name, version, operation):
                self._permit(f"keys/{operation}")
                return self._operate(name, *self._key(name, version), operation, body)
        raise Refusal(404, "NotFound", "No such operation")

    def _permit(self, operation: str) -> None:
        if operation in self.denied:
            inner = self.denied[operation]
            message = f"Caller is not authorized to perform action on resource. Action: {operation}"
            raise Refusal(403, "Forbidden", message, inner)

    def _bundle(self, kept: dict[str, Any], *, value: bool = True) -> dict[str, Any]:
        found = {"id": f"{self.url}/secrets/{kept['name']}/{kept['version']}", "attributes": kept["attributes"]}
        return {**found, "value": kept["value"]} if value else found

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        size = min(int(query.get("maxresults", [PAGE])[0]), PAGE)
        start = int(query.get("$skiptoken", ["0"])[0])
        names = sorted(self.secrets)
        items = [
            {"id": f"{self.url}/secrets/{versions[-1]['name']}", "attributes": versions[-1]["attributes"]}
            for versions in (self.secrets[name] for name in names[start : start + size])
        ]
        further = (
            f"{self.url}/secrets?api-version={query['api-version'][0]}&$skiptoken={start + size}&maxresults={size}"
        )
        return {"value": items, "nextLink": further if start + size < len(names) else None}

    def _read(self, name: str, version: str) -> dict[str, Any]:
        for kept in reversed(self.secrets.get(name.lower(), [])):
            if version in {"", kept["version"]}:
                if not kept["attributes"]["enabled"]:
                    message = "Operation get is not allowed on a disabled secret."
                    raise Refusal(403, "Forbidden", message, "SecretDisabled")
                return self._bundle(kept)
        message = (
            f"A secret with (name/id) {name}/{version} was not found in this key vault. If you recently deleted it"
        )
        raise Refusal(404, "SecretNotFound", message)

    def _write(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if name.lower() in self.deleted:
            message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused"
            raise Refusal(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        if len(body["value"].encode()) > LARGEST:
            raise Refusal(400, "BadParameter", f"Property has to be less than {LARGEST} bytes.")
        self.put(name, body["value"])
        self.secrets[name.lower()][-1]["contentType"] = body.get("contentType")
        return self._bundle(self.secrets[name.lower()][-1])

    def _delete(self, name: str) -> dict[str, Any]:
        if name.lower() not in self.secrets:
            raise Refusal(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        self.deleted[name.lower()] = self.secrets.pop(name.lower())
        return self._deleted(name)

    def _deleted(self, name: str) -> dict[str, Any]:
        if name.lower() not in self.deleted:
            raise Refusal(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        dates = {"deletedDate": int(time()), "scheduledPurgeDate": 4102444800}
        recovery = f"{self.url}/deletedsecrets/{name}"
        return {**self._bundle(self.deleted[name.lower()][-1], value=False), "recoveryId": recovery, **dates}

    # Keys

    def _key(self, name: str, version: str) -> tuple[str, Key]:
        versions = self.keys.get(name.lower(), {})
        chosen = version or next(reversed(versions), "")
        if chosen not in versions:
            raise Refusal(404, "KeyNotFound", f"A key with (name/id) {name}/{version} was not found in this key vault.")
        return chosen, versions[chosen]

    def _key_bundle(self, name: str, version: str, key: Key) -> dict[str, Any]:
        jwk: dict[str, Any] = {"kid": f"{self.url}/keys/{name}/{version}", "key_ops": list(key.operations)}
        if isinstance(key.material, RSAPrivateKey):
            numbers = key.material.public_key().public_numbers()
            jwk |= {"kty": "RSA", "n": b64(numbers.n.to_bytes(key.material.key_size // 8, "big")), "e": "AQAB"}
        else:
            jwk |= {"kty": "oct-HSM"}
        return {"key": jwk, "attributes": key.attributes}

    def _operate(self, name: str, version: str, key: Key, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        if not key.attributes["enabled"]:
            raise Refusal(403, "Forbidden", f"Operation {operation} is not allowed on a disabled key.", "KeyDisabled")
        if operation not in {allowed.lower() for allowed in key.operations}:
            raise Refusal(403, "Forbidden", f"Operation {operation} is not permitted on this key.")
        answer: dict[str, Any] = {"kid": f"{self.url}/keys/{name}/{version}"}
        value = unb64(body["value"])
        try:
            if isinstance(key.material, RSAPrivateKey) and body["alg"] == "RSA-OAEP-256":
                wrap = operation == "wrapkey"
                answer["value"] = b64(
                    key.material.public_key().encrypt(value, OAEP) if wrap else key.material.decrypt(value, OAEP)
                )
            elif isinstance(key.material, bytes) and body["alg"] == "A256GCM" and operation == "encrypt":
                iv = secrets.token_bytes(12)
                sealed = AESGCM(key.material).encrypt(iv, value, unb64(body["aad"]))
                answer |= {"value": b64(sealed[:-16]), "iv": b64(iv), "tag": b64(sealed[-16:]), "aad": body["aad"]}
            elif isinstance(key.material, bytes) and body["alg"] == "A256GCM":
                sealed = value + unb64(body["tag"])
                answer["value"] = b64(AESGCM(key.material).decrypt(unb64(body["iv"]), sealed, unb64(body["aad"])))
            else:
                raise Refusal(400, "BadParameter", f"Algorithm {body['alg']} does not fit this key.")
        except (ValueError, InvalidTag):
            raise Refusal(400, "BadParameter", "The parameter is incorrect.") from None
        return answer

    # Faults

    def _do(self, handler: Handler, fault: Fault) -> None:
        data = fault.body.encode() if isinstance(fault.body, str) else fault.body
        handler.close_connection = fault.kind != "answer"
        match fault.kind:
            case "answer":
                handler.reply(fault.status, data, fault.headers)
            case "reset":
                handler.connection.shutdown(socket.SHUT_RDWR)
            case "silent":
                self.over.wait(20)
            case "truncated":
                handler.reply(fault.status, data, {"Content-Length": str(len(data) + 100), **fault.headers})
            case "drip":
                handler.reply(fault.status, b"", {"Content-Length": "100000"})
                self._pour(handler, b" ", pause=0.02)
            case "endless":
                handler.reply(fault.status, b"", {"Content-Length": str(1 << 40)})
                self._pour(handler, b" " * 65536, pause=0)

    def _pour(self, handler: Handler, data: bytes, *, pause: float) -> None:
        with suppress(OSError):
            while not self.over.wait(pause):
                handler.wfile.write(data)
                handler.wfile.flush()


class FakeIdentityEndpoint:
    """What App Service and Functions offer to a managed identity, over plain HTTP on the machine itself."""

    def __init__(self, azure: FakeAzure) -> None:
        self.header = secrets.token_hex(8)
        self.asked: list[dict[str, list[str]]] = []
        self._azure = azure
        self._server = Server(self._answer, None)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/msi/token"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.stop()
        self._thread.join()

    def _answer(self, handler: Handler, body: bytes) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        if handler.headers.get("X-IDENTITY-HEADER") != self.header:
            handler.reply(401, {"statusCode": 401, "message": "wrong header"})
            return
        self.asked.append(query)
        token = self._azure.new_token(query.get("client_id", ["system"])[0])
        handler.reply(200, {"access_token": token, "expires_on": str(int(time()) + 3600), "token_type": "Bearer"})


def signed_by(certificate: x509.Certificate, assertion: str) -> bool:
    """Whether a client assertion carries the signature of the certificate's key."""
    signed, _, signature = assertion.rpartition(".")
    algorithm = json.loads(unb64(signed.partition(".")[0]))["alg"] if signed else ""
    scheme: Any = padding.PKCS1v15() if algorithm == "RS256" else padding.PSS(padding.MGF1(SHA256()), 32)
    public: Any = certificate.public_key()
    try:
        public.verify(unb64(signature), signed.encode(), scheme, SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def server_context(authority: Any, *names: str) -> ssl.SSLContext:
    """TLS options of a server whose certificate `authority` (trustme) signs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    return context


def pem_of(authority: Any, folder: Path) -> Path:
    """The certificate of `authority` as a file."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path
