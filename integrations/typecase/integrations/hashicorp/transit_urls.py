"""URLs that name a key of the transit engine."""

import os
import re
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from typecase.blocks.errors import SettingsError
from typecase.integrations.hashicorp.connection import Principal
from typecase.integrations.hashicorp.places import Place, address_of, ambient_namespace
from typecase.integrations.hashicorp.sign_in import AppRoleSignIn, KubernetesSignIn, SignIn, TokenSignIn

_HINT: Final = "Write vaulttransit://host:8200/MOUNT/KEY?namespace=NAMESPACE&ca=/path/to/ca.pem"
_PART: Final = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_OPTIONS: Final = frozenset({"auth", "auth_mount", "ca", "namespace", "role", "server_name", "tls"})
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitAddress:
    """Where a key is, and how to sign in there."""

    place: Place
    mount: str
    key: str
    auth: str = ""
    role: str = ""
    auth_mount: str = ""

    @classmethod
    def of(cls, url: str) -> Self:
        """Read `url`. Raises `SettingsError`, which does not show it: a token may have been put into it."""
        __tracebackhide__ = True
        found = _read(url)
        del url
        if found is None:
            raise SettingsError("The key URL names no key in Vault's transit engine.", hint=_HINT)
        place, parts, options = found
        address = cls(
            place=place,
            mount="/".join(parts[:-1]),
            key=parts[-1],
            auth=options.get("auth", ""),
            role=options.get("role", ""),
            auth_mount=options.get("auth_mount", ""),
        )
        if address.auth not in {"", "token", "approle", "kubernetes"} or (address.auth == "kubernetes") != bool(
            address.role
        ):
            hint = "auth is token, approle or kubernetes; the last one needs role=ROLE."
            raise SettingsError("The key URL does not say how to sign in to Vault.", hint=hint)
        return address

    def path(self, operation: str) -> str:
        """Return the API's path of an operation, or the key's own name for none."""
        return "/".join(part for part in (self.mount, operation, quote(self.key)) if part)

    def principal(self) -> Principal:
        """Return who asks, with the environment as it is now. Raises `SettingsError`."""
        return Principal(self.place, self._sign_in())

    def _sign_in(self) -> SignIn:
        mount: dict[str, Any] = {"mount": self.auth_mount} if self.auth_mount else {}
        if self.auth == "kubernetes":
            return KubernetesSignIn(role=self.role, **mount)
        role_id, secret_id = os.environ.get("VAULT_ROLE_ID", ""), os.environ.get("VAULT_SECRET_ID", "")
        if self.auth == "approle" or (not self.auth and role_id and not os.environ.get("VAULT_TOKEN")):
            if not role_id:
                raise SettingsError("VAULT_ROLE_ID is not set.", hint="Set it, and VAULT_SECRET_ID.")
            return AppRoleSignIn(role_id=role_id, secret_id=SecretStr(secret_id) if secret_id else None, **mount)
        return TokenSignIn()


def _read(url: str) -> tuple[Place, list[str], dict[str, str]] | None:
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return None
    options = dict(query)
    segments = [unquote(part) for part in parts.path.strip("/").split("/")]
    tls = _FLAGS.get(options.get("tls", "true").lower())
    wrong = parts.fragment or parts.username or parts.password or len(options) != len(query) or tls is None
    if parts.scheme != "vaulttransit" or wrong or options.keys() - _OPTIONS or len(segments) < 2:  # noqa: PLR2004 - mount and key
        return None
    address = address_of(f"{'https' if tls else 'http'}://{parts.netloc}")
    named = [*segments, *options.get("auth_mount", "x").split("/")]
    if address is None or not all(_PART.fullmatch(segment) for segment in named):
        return None
    place = Place(
        address=address,
        namespace=options.get("namespace", "").strip("/") or ambient_namespace(),
        ca_cert=options.get("ca"),
        server_name=options.get("server_name"),
        repeats_posts=True,
    )
    return place, segments, options
