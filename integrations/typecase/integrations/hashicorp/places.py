"""Where a Vault is and how to reach it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from typecase.blocks.errors import SettingsError
from typecase.blocks.kinds.private_files import private_file

if TYPE_CHECKING:
    import ssl

_FORM: Final = "https://vault.example.com:8200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A Vault, a namespace in it, and the options of the connection. Equal places share one connection."""

    address: str
    namespace: str = ""
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: SecretStr | None = None
    verify: bool = True
    server_name: str | None = None
    timeout: float = 10.0
    attempts: int = 3
    deadline: float = 30.0
    repeats_posts: bool = False

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.address.startswith("https:")

    @property
    def host(self) -> str:
        """The host's name or address."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """The TCP port."""
        return urlsplit(self.address).port or (443 if self.secure else 80)

    def __str__(self) -> str:
        return f"{self.address}/{self.namespace}".rstrip("/")


def address_of(text: str) -> str | None:
    """Return `text` as the address of a server, in one spelling; None where it is none."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return None
    wrong = parts.username or parts.password or parts.query or parts.fragment or not text.strip().isprintable()
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or wrong or " " in text.strip():
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme.lower()}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def ambient_address() -> str:
    """Return the address in `VAULT_ADDR`. Raises `SettingsError`."""
    given = os.environ.get("VAULT_ADDR", "")
    address = address_of(given)
    if address is None:
        problem = "is no address of a server" if given else "is not set, and the block has no address"
        raise SettingsError(f"VAULT_ADDR {problem}.", hint=f"Write one such as {_FORM}.", settings=("VAULT_ADDR",))
    return address


def ambient_namespace() -> str:
    """Return the namespace in `VAULT_NAMESPACE`, empty without one."""
    return os.environ.get("VAULT_NAMESPACE", "").strip("/")


def context_of(place: Place) -> "ssl.SSLContext":
    """Return the TLS options. Raises `SettingsError` for certificates that cannot be read, which it does not show."""
    import ssl

    problem = ""
    try:
        return _context(place)
    except (ssl.SSLError, ValueError):
        problem = "A certificate or key for Vault is not well-formed PEM, or the two do not belong together."
    except OSError as error:
        problem = f"A certificate file for Vault cannot be read: {error.strerror or type(error).__name__}."
    raise SettingsError(problem, hint="Check ca_cert (or VAULT_CACERT), client_cert and client_key.")


def _context(place: Place) -> "ssl.SSLContext":
    import ssl

    authorities = place.ca_cert or os.environ.get("VAULT_CACERT") or None
    if authorities is not None and "-----BEGIN" in authorities:
        context = ssl.create_default_context(cadata=authorities)
    else:
        context = ssl.create_default_context(cafile=authorities)
    if place.client_cert is not None:
        key = place.client_key.get_secret_value() if place.client_key is not None else None
        context.load_cert_chain(_file(place.client_cert), None if key is None else _file(key))
    if not place.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _file(text: str) -> str:
    return private_file(text) if "-----BEGIN" in text else str(Path(text).expanduser())
