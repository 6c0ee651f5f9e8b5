"""An OpenID Connect provider on this machine: real keys and signatures, people who agree at once."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT = "typecase-server"
SECRET = "client-secret-of-the-tests"


class Provider:
    """What it says is in its attributes; a test changes them to make it lie."""

    def __init__(self, now):
        self.now = now
        self.keys = [RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})]
        self.algorithm = "RS256"
        self.person = {"sub": "sub-1", "email": "ada@example.org", "email_verified": True, "name": "Ada"}
        self.claims = {}
        self.header = {}
        self.forge = None
        self.asked = []
        self.codes = {}
        self.devices = {}
        self.device_answer = {"error": "authorization_pending"}
        self.published = None
        self.about = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def rotate(self, kid="two"):
        self.keys = [ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})]
        self.algorithm = "ES256"

    def agree(self, url):
        """Go where the browser is sent, and come back with a code and the state."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return code, query["state"]

    def agree_on_device(self):
        self.device_answer = None

    def id_token(self, nonce):
        now = int(self.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, **self.person}
        if nonce is not None:
            claims["nonce"] = nonce
        claims |= self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.forge is not None:
            return self.forge(claims)
        key = self.keys[0]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid, **self.header}, claims, key, [self.algorithm])

    def answer(self, path, form):
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "device_authorization_endpoint": f"{self.issuer}/device",
                "jwks_uri": f"{self.issuer}/keys",
            } | self.about
        if path == "/keys":
            return 200, {"keys": self.published or [key.as_dict(private=False) for key in self.keys]}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        if path == "/device":
            self.devices["device"] = True
            return 200, {
                "device_code": "device",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.issuer}/activate",
                "expires_in": 600,
                "interval": 5,
            }
        return self.token(form)

    def token(self, form):
        if form["grant_type"].endswith("device_code"):
            if self.device_answer is not None or self.devices.pop(form["device_code"], None) is None:
                return 400, self.device_answer or {"error": "expired_token"}
            return 200, {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token(None)}
        begun = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = _base64(digest)
        if begun is None or (challenge, form["redirect_uri"]) != (begun["code_challenge"], begun["redirect_uri"]):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token(begun["nonce"])}

    def _handler(provider):  # noqa: N805 - the handler below has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply({})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.reply({name: values[0] for name, values in parse_qs(body).items()})

            def reply(self, form):
                status, answer = provider.answer(urlsplit(self.path).path, form)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        return Handler


def unsigned(claims):
    """A token that says of itself that it needs no signature."""
    return f"{_part({'alg': 'none', 'kid': 'one'})}.{_part(claims)}."


def by_hmac(claims, key):
    """A token signed with a key that everybody knows."""
    text = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(key, text.encode(), 'sha256'))}"


def _part(value):
    return _base64(json.dumps(value).encode())


def _base64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
