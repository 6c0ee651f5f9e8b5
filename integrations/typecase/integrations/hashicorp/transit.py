"""A root key in Vault's transit engine."""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Any, Final, NoReturn, Self

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, NotSupported, TypecaseError
from typecase.blocks.key_provider import KeyProvider
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused
from typecase.integrations.hashicorp.connection import connection_of
from typecase.integrations.hashicorp.transit_urls import TransitAddress

_WRAPPED: Final = re.compile(rb"(vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]+={0,2})):([0-9a-f]{16})")
_ALGORITHMS: Final = frozenset({"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"})
_DAMAGED: Final = (
    "authentication failed",
    "invalid ciphertext",
    "unable to decrypt",
    "too new",
    "no prefix",
    "could not decode",
    "base64",
)
# Some versions of Vault answer 500 here. As the end of another sentence, the same means that Vault's storage is broken.
_NOT_AUTHENTIC: Final = re.compile(r"(?:1 error occurred:\s*\*\s*)?\w+: message authentication failed\s*")
_DAMAGE: Final = "A wrapped key is damaged, was moved, or belongs to another root key."


class VaultTransitKey(KeyProvider):
    """A root key that never leaves Vault: `vaulttransit://host:8200/MOUNT/KEY`, by way of its transit engine.

    Query: `namespace`, `tls` (`false` = clear text), `ca` (a path), `server_name`, and `auth` (`token`, `approle`,
    `kubernetes`) with `role` and `auth_mount`. Without `auth` it is `VAULT_TOKEN`, else the AppRole of `VAULT_ROLE_ID`
    and `VAULT_SECRET_ID`, else `~/.vault-token`. The key must be derived, as it then binds what it wraps to its place.

    Tested against: a server of our own, written from Vault's API documentation, with AES-GCM; not against Vault.
    """

    __slots__ = ("_address",)

    def __init__(self, address: TransitAddress) -> None:
        self._address = address

    @property
    def id(self) -> str:
        """The key's place: `vaulttransit:`, address, namespace, mount and name."""
        return f"vaulttransit:{self._address.place}/{self._address.path('')}"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Look the key up in Vault, and see that it is fit: derived, authenticated, and encrypting anew each time."""
        __tracebackhide__ = True
        key = cls(TransitAddress.of(url))
        found = key._ask("GET", "keys").get("data")
        facts = found if isinstance(found, dict) else {}
        if facts.get("type") not in _ALGORITHMS or facts.get("derived") is not True:
            what, hint = "it is not a derived AES-GCM or ChaCha20-Poly1305 key", f"Make one: {key._making}."
            raise key._unavailable(what, "malformed", hint)
        if facts.get("convergent_encryption") is True:
            raise key._unavailable("it encrypts equal texts alike", "malformed", f"Make another: {key._making}.")
        return key

    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Encrypt a data key for the place that `context` names, with the newest version of the root key."""
        __tracebackhide__ = True
        body = {"plaintext": b64encode(plaintext).decode(), "context": _joined(context)}
        found = self._ask("POST", "encrypt", body).get("data")
        text = found.get("ciphertext") if isinstance(found, dict) else None
        wrapped = _sealed(text.encode()) if isinstance(text, str) else b""
        if _opened(wrapped) is None:
            raise self._unavailable("its answer is not a ciphertext", "malformed", "Is the address that of a Vault?")
        return wrapped

    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Decrypt what `wrap` made for the same context.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.
            KeyUnavailable: Vault does not answer, does not let us, or no longer decrypts with that version of the key.

        """
        __tracebackhide__ = True
        text = _opened(wrapped)
        if text is None:
            raise DecryptionFailed(_DAMAGE, hint="Restore it from a backup.")
        found = self._ask("POST", "decrypt", {"ciphertext": text, "context": _joined(context)}).get("data")
        plaintext = found.get("plaintext") if isinstance(found, dict) else None
        try:
            return b64decode(plaintext if isinstance(plaintext, str) else "?", validate=True)
        except NotBase64:
            pass
        raise self._unavailable("its answer holds no plaintext", "malformed", "Is the address that of a Vault?")

    def _ask(self, method: str, operation: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        __tracebackhide__ = True
        try:
            return connection_of(self._address.principal()).send(method, self._address.path(operation), json=body)
        except NoAnswer as error:
            reason = "malformed" if error.reason == "malformed answer" else "unreachable"
            problem: TypecaseError = self._unavailable(error.text, reason, "Check address, TLS and network.")
        except SignInRefused as error:
            problem = self._unavailable(f"Vault refuses who asks: {error.text}", "forbidden", error.hint)
        except Refused as error:
            problem = self._refused(error, operation)
        except TypecaseError as error:
            problem = error.with_traceback(None)
        del body
        raise problem

    def _refused(self, refused: Refused, operation: str) -> TypecaseError:
        place = self._address.path("keys")
        damaged = not refused.outage and refused.says(*_DAMAGED)
        if operation == "decrypt" and (damaged or any(map(_NOT_AUTHENTIC.fullmatch, refused.errors))):
            return DecryptionFailed(_DAMAGE, hint="Restore it from a backup, or use the root key that wrapped it.")
        if refused.outage == "sealed":
            told = "Vault is sealed", "sealed", "`vault operator unseal`"
        elif refused.outage:
            told = refused.state, "unreachable", "Try again later."
        elif refused.status in {401, 403}:
            rule = f"Give the token's policy a rule for {self._address.path(operation)}."
            told = "the token may not use it", "forbidden", rule
        elif refused.status == 404 or refused.says("key not found", "no existing key"):  # noqa: PLR2004 - HTTP's "not found"
            told = "there is no such key, or nothing is mounted there", "absent", f"Make it: {self._making}."
        elif refused.says("too old"):
            hint = f"Lower min_decryption_version of {place} to read what is older."
            told = "it no longer decrypts with this version of the key", "disabled", hint
        else:
            told = refused.text, "malformed", "Look into Vault's log."
        return self._unavailable(*told)

    @property
    def _making(self) -> str:
        return f"`vault write -f {self._address.path('keys')} derived=true`"

    def _unavailable(self, what: str, reason: str, hint: str) -> KeyUnavailable:
        return KeyUnavailable(f"The root key {self.id} cannot be used: {what}.", hint=hint, reason=reason)

    def __repr__(self) -> str:
        return f"<VaultTransitKey {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise NotSupported(
            "VaultTransitKey holds a connection and is not pickled or copied.",
            hint="Send its URL and call open_key() on the other side.",
        )


def _joined(context: tuple[bytes, ...]) -> str:
    """Return the parts as one context, never empty: each with its length, so that none can move into its neighbour."""
    joined = len(context).to_bytes(8, "big")
    for part in context:
        joined += len(part).to_bytes(8, "big") + part
    return b64encode(joined).decode()


def _sealed(text: bytes) -> bytes:
    """Return a ciphertext with its checksum: Vault reads a changed version or a sloppy base64 as something else."""
    return text + b":" + sha256(text).hexdigest()[:16].encode()


def _opened(wrapped: bytes) -> str | None:
    """Return the ciphertext of `_sealed`; None where a byte differs, so that Vault is not asked."""
    match = _WRAPPED.fullmatch(bytes(wrapped))
    if match is None or _sealed(match[1]) != bytes(wrapped):
        return None
    try:
        canonical = b64encode(b64decode(match[2], validate=True)) == match[2]
    except NotBase64:
        return None
    return match[1].decode() if canonical else None
