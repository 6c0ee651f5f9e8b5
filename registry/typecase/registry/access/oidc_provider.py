"""An OpenID Connect provider: where it is, its keys, what it says of a person."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from pydantic import SecretStr

from typecase.blocks.errors import ConnectionFailed, SettingsError, SignInRequired
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.permissions import Role

#: Only signatures that the provider alone can make: no `none`, and no HMAC with what we know too.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)

_LEEWAY: Final = 30
_FRESH: Final = timedelta(hours=1)
_REFETCH: Final = timedelta(minutes=1)
_LARGEST: Final = 1 << 20
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Key = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRole:
    """A role that members of a provider's group have, while they are in it."""

    group: str
    role: Role
    workspace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """How this server is known to a provider, and whom it lets in.

    `domains` are those of e-mail addresses, which the provider must have verified; none lets everybody in whom the
    provider knows. `groups_claim` names the claim that lists a person's groups.
    """

    issuer: str
    client_id: str
    client_secret: SecretStr | None = None
    redirect_uri: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    domains: tuple[str, ...] = ()
    groups_claim: str = "groups"
    roles: tuple[GroupRole, ...] = ()


@dataclass(slots=True)
class _Fetched:
    value: Any = None
    at: datetime | None = None

    def younger_than(self, age: timedelta, now: datetime) -> bool:
        return self.at is not None and timedelta(0) <= now - self.at < age


@dataclass(slots=True)
class OidcProvider:
    """One provider. Keeps where things are, and its keys, for an hour."""

    settings: OidcSettings
    client: httpx.Client
    clock: Clock = utc_now
    _about: _Fetched = field(default_factory=_Fetched)
    _keys: _Fetched = field(default_factory=_Fetched)
    _lock: Lock = field(default_factory=Lock)

    def endpoint(self, name: str) -> str:
        """Return the address of one of the provider's endpoints."""
        with self._lock:
            if not self._about.younger_than(_FRESH, self.clock()):
                issuer = self.settings.issuer
                found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    raise ConnectionFailed("The sign-in provider calls itself otherwise.", hint="Check the issuer.")
                self._about = _Fetched(found, self.clock())
            address = self._about.value.get(name)
        if not isinstance(address, str):
            raise ConnectionFailed(f"The sign-in provider has no {name}.", hint="Use another way to sign in.")
        return _safe(address)

    def ask(self, endpoint: str, **form: str) -> tuple[int, Mapping[str, Any]]:
        """Post a form as this client; return status and answer."""
        secret = self.settings.client_secret
        if secret is not None:
            form["client_secret"] = secret.get_secret_value()
        return self._send("POST", self.endpoint(endpoint), data={"client_id": self.settings.client_id, **form})

    def verify(self, answer: Mapping[str, Any], *, nonce: str | None) -> Mapping[str, Any]:
        """Return the claims of an answer's id token. Raises `SignInRequired` for whatever is wrong with it."""
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise refused()
        claims: Mapping[str, Any] | None
        try:
            decoded = jwt.decode(token, self._key(_header(token)), algorithms=ALGORITHMS)
            options: dict[str, Any] = {
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
                "sub": {"essential": True},
                "exp": {"essential": True},
            }
            params = {"client_id": self.settings.client_id, "access_token": answer.get("access_token"), "nonce": nonce}
            checked = CodeIDToken(decoded.claims, decoded.header, options, params)
            checked.validate(now=int(self.clock().timestamp()), leeway=_LEEWAY)
            claims = checked
        except (JoseError, ValueError, TypeError):
            claims = None
        if claims is None or not isinstance(claims["sub"], str):
            raise refused()
        return claims

    def _key(self, header: Mapping[str, Any]) -> Key:
        key = _find(self._fetched_keys(_FRESH), header.get("kid"))
        # Keys change: look once more, but not for everybody who makes up an id.
        key = key or _find(self._fetched_keys(_REFETCH), header.get("kid"))
        if key is None:
            raise refused()
        return key

    def _fetched_keys(self, age: timedelta) -> Sequence[Key]:
        address = self.endpoint("jwks_uri")
        with self._lock:
            if not self._keys.younger_than(age, self.clock()):
                entries = self._get(address).get("keys")
                found = [_import(entry) for entry in entries] if isinstance(entries, list) else []
                self._keys = _Fetched([key for key in found if key is not None], self.clock())
            keys: Sequence[Key] = self._keys.value
            return keys

    def _get(self, address: str) -> Mapping[str, Any]:
        status, answer = self._send("GET", _safe(address))
        if status != httpx.codes.OK:
            raise ConnectionFailed(f"The sign-in provider answered {status}.", hint="Try again later.")
        return answer

    def _send(self, method: str, address: str, **more: Any) -> tuple[int, Mapping[str, Any]]:
        try:
            with self.client.stream(method, address, headers={"Accept": "application/json"}, **more) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        break
                answer = json.loads(body)
        except (httpx.HTTPError, ValueError):
            answer = None
        else:
            if isinstance(answer, dict):
                return response.status_code, answer
        raise ConnectionFailed("The sign-in provider did not answer as one.", hint="Try again later.")


def refused() -> SignInRequired:
    """Say that the provider's word was not taken. Why stands in no answer: it would help to forge one."""
    return SignInRequired("The sign-in provider did not confirm who you are.", hint="Sign in again.")


def _safe(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return address
    raise SettingsError("The sign-in provider must be reached by HTTPS.", hint="Give an issuer that begins with https.")


def _header(token: str) -> Mapping[str, Any]:
    first = token.partition(".")[0]
    found = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    if not isinstance(found, dict):
        raise TypeError
    return found


def _import(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    try:
        key = import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _find(keys: Sequence[Key], kid: object) -> Key | None:
    if kid is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.kid == kid), None)
