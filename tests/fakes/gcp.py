"""Google Cloud as it is documented: Secret Manager and KMS over gRPC with TLS, and the endpoints that give tokens."""

import json
import secrets
import socket
import ssl
import struct
import threading
import time
from base64 import urlsafe_b64decode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import grpc
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1 as kms
from google.cloud import secretmanager_v1 as sm
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from typecase.integrations.gcp.checksums import crc32c

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRETS = "/google.cloud.secretmanager.v1.SecretManagerService/"
KEYS = "/google.cloud.kms.v1.KeyManagementService/"
EMAIL = "reader@acme.iam.gserviceaccount.com"
TARGET = "loader@acme.iam.gserviceaccount.com"
MACHINE = "machine@acme.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LARGEST_PAGE = 25000


def pem():
    """The private key of every service account here."""
    return KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@dataclass
class Version:
    """A version of a secret."""

    data: bytes
    state: str = "ENABLED"


@dataclass
class Kept:
    """A secret: its versions, from 1, and its aliases."""

    versions: list = field(default_factory=list)
    aliases: dict = field(default_factory=dict)
    replication: object = None


@dataclass
class RootKey:
    """A key of KMS."""

    material: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    state: str = "ENABLED"
    purpose: str = "ENCRYPT_DECRYPT"


class Refusal(Exception):
    """Ends a call with a status."""

    def __init__(self, code, text, detail=None):
        super().__init__(text)
        self.code = code
        self.detail = detail


def retry_info(seconds):
    """The detail with which Google asks to be left alone."""
    return error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))


def error_info(reason, service):
    """The detail with which Google says why."""
    return error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com", metadata={"service": service})


class FakeGcp(grpc.GenericRpcHandler):
    """Both services and the token endpoints.

    `faults` are consumed first; `calls` counts methods, `sent` keeps requests.
    A fault of a call is a `Refusal`, "slow", "damaged" (a wrong checksum) or "garbage"; None lets it pass.
    """

    def __init__(self, authority, hosts=("localhost", "127.0.0.1")):
        self.secrets = {}
        self.keys = {}
        self.faults = []
        self.always = None
        self.calls = Counter()
        self.sent = []
        self.metadata = []
        self.denied = set()
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.tokens = TokenServer()
        certificate = authority.issue_cert(*hosts)
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
        self.server = grpc.server(ThreadPoolExecutor(16))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    @property
    def endpoint(self):
        """Where the services are."""
        return f"127.0.0.1:{self.port}"

    def close(self):
        """Stop everything."""
        self.closing.set()
        self.server.stop(None).wait()
        self.tokens.close()

    def service(self, details):
        """Find what answers a method."""
        package, name = details.method.rsplit("/", 1)
        types = {SECRETS: sm, KEYS: kms}[package + "/"]
        request = getattr(types, f"{name}Request")
        return grpc.unary_unary_rpc_method_handler(
            lambda got, context: self.answer(name, got, context), request_deserializer=request.deserialize
        )

    def answer(self, name, request, context):
        """Answer a call, or fail it as told."""
        with self.lock:
            self.calls[name] += 1
            self.sent.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            fault = self.faults.pop(0) if self.faults else self.always
        try:
            if fault == "slow":
                while context.is_active() and not self.closing.wait(0.02):
                    pass
            if isinstance(fault, Refusal):
                raise fault
            if fault == "garbage":
                return b"\xff\xff garbage"
            self.authorize(name, context)
            with self.lock:
                found = getattr(self, f"on_{name}")(request)
        except Refusal as refusal:
            self.refuse(context, refusal)
        if fault == "damaged":
            damage(found)
        if isinstance(found, bytes):
            return found
        return found.SerializeToString() if hasattr(found, "SerializeToString") else type(found).serialize(found)

    def authorize(self, name, context):
        """Let in who has a token of ours, unless it may not."""
        sent = dict(context.invocation_metadata()).get("authorization", "")
        who = self.tokens.issued.get(sent.removeprefix("Bearer "))
        if who is None:
            raise Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if (who, name) in self.denied or (who, "*") in self.denied:
            raise Refusal("PERMISSION_DENIED", "Permission denied on the resource (or it may not exist).")

    def refuse(self, context, refusal):
        """Abort with the details that Google adds."""
        code = getattr(grpc.StatusCode, refusal.code)
        if refusal.detail is None:
            context.abort(code, str(refusal))
        packed = any_pb2.Any()
        packed.Pack(refusal.detail)
        status = status_pb2.Status(code=code.value[0], message=str(refusal), details=[packed])
        context.abort_with_status(rpc_status.to_status(status))

    # Secret Manager

    def add(self, name, *contents, project="acme-prod", **facts):
        """Put a secret there with these versions."""
        versions = [Version(item.encode() if isinstance(item, str) else item) for item in contents]
        self.secrets[f"projects/{project}/secrets/{name}"] = Kept(versions, **facts)

    def found(self, name):
        """The secret `name`."""
        if name not in self.secrets:
            raise Refusal("NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        return self.secrets[name]

    def on_AccessSecretVersion(self, request):  # noqa: N802 - the method's own name
        parent, _, version = request.name.rpartition("/versions/")
        kept = self.found(parent)
        number = len(kept.versions) if version == "latest" else kept.aliases.get(version, version)
        if not str(number).isdecimal() or not 0 < int(number) <= len(kept.versions):
            raise Refusal("NOT_FOUND", f"Secret Version [{request.name}] not found.")
        found = kept.versions[int(number) - 1]
        name = f"{parent}/versions/{number}"
        if found.state != "ENABLED":
            raise Refusal("FAILED_PRECONDITION", f"Secret Version [{name}] is in {found.state} state.")
        payload = sm.SecretPayload(data=found.data, data_crc32c=crc32c(found.data))
        return sm.AccessSecretVersionResponse(name=name, payload=payload)

    def on_AddSecretVersion(self, request):  # noqa: N802 - as above
        kept = self.found(request.parent)
        data = request.payload.data
        if request.payload.data_crc32c != crc32c(data):
            raise Refusal("INVALID_ARGUMENT", "The checksum of the payload does not match.")
        if not 0 < len(data) <= 65536:
            raise Refusal("INVALID_ARGUMENT", "The payload is empty or larger than 64 KiB.")
        kept.versions.append(Version(data))
        return sm.SecretVersion(name=f"{request.parent}/versions/{len(kept.versions)}")

    def on_CreateSecret(self, request):  # noqa: N802 - as above
        name = f"{request.parent}/secrets/{request.secret_id}"
        if name in self.secrets:
            raise Refusal("ALREADY_EXISTS", f"Secret [{name}] already exists.")
        self.secrets[name] = Kept(replication=request.secret.replication)
        return sm.Secret(name=name)

    def on_DeleteSecret(self, request):  # noqa: N802 - as above
        self.found(request.name)
        del self.secrets[request.name]
        return empty_pb2.Empty()

    def on_ListSecrets(self, request):  # noqa: N802 - as above
        sought = request.filter.removeprefix("name:")
        names = sorted(
            name for name in self.secrets if name.startswith(request.parent + "/secrets/") and sought in name
        )
        start = int(request.page_token or 0)
        end = start + min(request.page_size or LARGEST_PAGE, LARGEST_PAGE)
        following = str(end) if end < len(names) else ""
        page = [sm.Secret(name=name) for name in names[start:end]]
        return sm.ListSecretsResponse(secrets=page, next_page_token=following, total_size=len(names))

    # KMS

    def key(self, name):
        """The key `name`."""
        if name not in self.keys:
            raise Refusal("NOT_FOUND", f"CryptoKey {name} not found.")
        return self.keys[name]

    def usable(self, name):
        """The key `name`, if its version is enabled."""
        found = self.key(name)
        if found.state != "ENABLED":
            text = f"{name}/cryptoKeyVersions/1 is not enabled, current state is: {found.state}."
            raise Refusal("FAILED_PRECONDITION", text)
        return AESGCM(found.material)

    def on_GetCryptoKey(self, request):  # noqa: N802 - as above
        found = self.key(request.name)
        primary = kms.CryptoKeyVersion(name=f"{request.name}/cryptoKeyVersions/1", state=found.state)
        return kms.CryptoKey(name=request.name, purpose=found.purpose, primary=primary)

    def on_Encrypt(self, request):  # noqa: N802 - as above
        aad = request.additional_authenticated_data
        verify(request.plaintext, request.plaintext_crc32c)
        verify(aad, request.additional_authenticated_data_crc32c)
        nonce = secrets.token_bytes(12)
        sealed = nonce + self.usable(request.name).encrypt(nonce, request.plaintext, aad)
        return kms.EncryptResponse(
            name=f"{request.name}/cryptoKeyVersions/1",
            ciphertext=sealed,
            ciphertext_crc32c=crc32c(sealed),
            verified_plaintext_crc32c=True,
            verified_additional_authenticated_data_crc32c=True,
        )

    def on_Decrypt(self, request):  # noqa: N802 - as above
        aad, sealed = request.additional_authenticated_data, request.ciphertext
        verify(sealed, request.ciphertext_crc32c)
        verify(aad, request.additional_authenticated_data_crc32c)
        try:
            plaintext = self.usable(request.name).decrypt(sealed[:12], sealed[12:], aad)
        except (InvalidTag, ValueError):
            raise Refusal("INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.") from None
        return kms.DecryptResponse(plaintext=plaintext, plaintext_crc32c=crc32c(plaintext))


def verify(data, checksum):
    """Refuse what was damaged on the way here."""
    if checksum != crc32c(data):
        raise Refusal("INVALID_ARGUMENT", "The checksum did not match the data.")


def damage(found):
    """Make the checksum of an answer wrong."""
    if isinstance(found, sm.AccessSecretVersionResponse):
        found.payload.data_crc32c ^= 1
    elif isinstance(found, kms.EncryptResponse):
        found.ciphertext_crc32c ^= 1
    elif isinstance(found, kms.DecryptResponse):
        found.plaintext_crc32c ^= 1


class TokenServer(ThreadingHTTPServer):
    """OAuth tokens for assertions, IAM's impersonation, STS, and the metadata server of a machine.

    `faults` are consumed first: a number, "reset", "slow", "trickle", "truncated", "short", "huge" or "html".
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, authority=None):
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.scheme = "http"
        if authority is not None:
            self.scheme = "https"
            self.socket = server_context(authority).wrap_socket(self.socket, server_side=True)
        self.issued = {}
        self.may_act = {(EMAIL, TARGET), (MACHINE, TARGET)}
        self.lifetime = 3600
        self.faults = []
        self.always = None
        self.retry_after = None
        self.got = []
        self.closing = threading.Event()
        self.subject = "subject-token"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self):
        """Where it is."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def close(self):
        """Stop."""
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def issue(self, who):
        """Make a token for `who`."""
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.issued[token] = who
        return token

    def key_file(self, **changes):
        """The key file of the service account."""
        return {
            "type": "service_account",
            "project_id": "acme-prod",
            "private_key_id": "k1",
            "private_key": pem(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
            **changes,
        }

    def federation(self, path, **changes):
        """The configuration of a workload whose token is in the file `path`."""
        return {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/sts",
            "credential_source": {"file": str(path)},
            **changes,
        }

    def handle_error(self, request, client_address):
        """Say nothing: clients leave on purpose."""


class TokenHandler(BaseHTTPRequestHandler):
    """One connection to the token server."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self.respond(b"")

    def do_POST(self):
        self.respond(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def respond(self, body):
        self.server.got.append((self.command, self.path, body, dict(self.headers)))
        fault = self.server.faults.pop(0) if self.server.faults else self.server.always
        if fault is None:
            self.send(*self.good(body))
        elif isinstance(fault, int):
            extra = {} if self.server.retry_after is None else {"Retry-After": self.server.retry_after}
            self.send(fault, {"error": "fault", "error_description": "as told"}, extra)
        else:
            getattr(self, f"be_{fault}")()

    def send(self, status, answer, headers=None):
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        usual = {"Content-Length": str(len(content)), "Content-Type": "application/json; charset=UTF-8"}
        for name, value in {**usual, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def good(self, body):
        path = urlsplit(self.path).path
        if path == "/token":
            return self.granted(parse_qs(body.decode()))
        if path == "/sts":
            return self.exchanged(parse_qs(body.decode()))
        if path.endswith(":generateAccessToken"):
            return self.impersonated(path, json.loads(body))
        if path == "/" or path.startswith("/computeMetadata/"):
            return self.described(path)
        return 404, {"error": "not_found"}

    def granted(self, form):
        """Check an assertion as RFC 7523 says."""
        assertion = form["assertion"][0]
        signed, _, signature = assertion.rpartition(".")
        claims = json.loads(decoded(signed.split(".")[1]))
        refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        try:
            KEY.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return 400, refused
        fits = (
            form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            and claims["aud"] == "https://oauth2.googleapis.com/token"
            and claims["scope"] in {SCOPE, "https://www.googleapis.com/auth/iam"}
            and claims["iat"] <= time.time() + 5 < claims["exp"] <= claims["iat"] + 3600
        )
        if not fits:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT claims."}
        token = self.server.issue(claims["iss"])
        return 200, {"access_token": token, "expires_in": self.server.lifetime, "token_type": "Bearer"}

    def exchanged(self, form):
        if form["subject_token"] != [self.server.subject]:
            return 400, {"error": "invalid_grant", "error_description": "The subject token is not valid."}
        token = self.server.issue("federated")
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return 200, {"access_token": token, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600}

    def impersonated(self, path, wanted):
        who = self.server.issued.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        target = path.rpartition("/")[2].partition(":")[0]
        chain = [who, *(wanted["delegates"] or ()), target]
        if wanted["scope"] != [SCOPE] or any(pair not in self.server.may_act for pair in pairwise(chain)):
            return 403, {"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.getAccessToken' denied"}}
        end = datetime.now(UTC) + timedelta(seconds=int(wanted["lifetime"].removesuffix("s")))
        return 200, {"accessToken": self.server.issue(target), "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def described(self, path):
        headers = {"Metadata-Flavor": "Google"}
        if path.endswith("/token"):
            token = self.server.issue(MACHINE)
            return 200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}, headers
        if path.endswith("/service-accounts/default/"):
            return 200, {"email": MACHINE, "scopes": [SCOPE]}, headers
        texts = {"/project/project-id": b"acme-prod", "/universe/universe-domain": b"googleapis.com"}
        found = next((text for end, text in texts.items() if path.endswith(end)), b"")
        return 200, found, {**headers, "Content-Type": "text/plain"}

    def be_reset(self):
        reset(self.connection)
        self.close_connection = True

    def be_slow(self):
        self.server.closing.wait(20)

    def be_trickle(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.closing.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()

    def be_truncated(self):
        self.send(200, b'{"access_token": "ya29.tru')

    def be_short(self):
        self.send(200, b'{"access_token": "ya29.tru', {"Content-Length": "4000"})
        self.close_connection = True

    def be_huge(self):
        self.send(200, b"{" + b" " * 2_000_000 + b"}")

    def be_html(self):
        self.send(200, b"<html>Sign in to the hotel's network</html>", {"Content-Type": "text/html"})

    def log_message(self, *args):
        pass


def server_context(authority):
    """TLS for a server on this machine."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def decoded(text):
    """Undo unpadded base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Listener:
    """Accepts connections and hands each to `meet`, for a `with` block; `met` counts them."""

    def __init__(self):
        self.met = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.open = []
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.cut()
        self.thread.join()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.met += 1
            self.meet(connection)

    def cut(self):
        """Reset every connection."""
        for connection in self.open:
            reset(connection)
        self.open = []


class Trap(Listener):
    """A server of something else: "reset", "junk", or "tls junk"."""

    def __init__(self, manner, authority):
        super().__init__()
        self.manner = manner
        self.context = server_context(authority)
        self.context.set_alpn_protocols(["h2"])

    def meet(self, connection):
        if self.manner == "reset":
            reset(connection)
            return
        with suppress(OSError):
            if self.manner == "tls junk":
                connection = self.context.wrap_socket(connection, server_side=True)
            connection.sendall(b"220 mail.example ESMTP\r\n" * 10)
        self.open.append(connection)


class Relay(Listener):
    """Passes bytes on to a port of this machine; `cut_after` counts what ends a connection."""

    def __init__(self, port, cut_after=None):
        super().__init__()
        self.port = port
        self.cut_after = cut_after

    def meet(self, connection):
        before = self.cut_after() if self.cut_after else 0
        behind = socket.create_connection(("127.0.0.1", self.port))
        self.open += [connection, behind]
        for source, target in ((connection, behind), (behind, connection)):
            threading.Thread(target=self.pump, args=(source, target), daemon=True).start()
        if self.cut_after:
            threading.Thread(target=self.watch, args=(connection, behind, before), daemon=True).start()

    def pump(self, source, target):
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)

    def watch(self, connection, behind, before):
        while self.cut_after() == before and connection.fileno() >= 0:
            time.sleep(0.005)
        reset(connection)
        reset(behind)


def reset(connection):
    """End a connection without a goodbye."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
