"""Key providers by the scheme of their URL, and the root keys that a process holds itself."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from typecase.blocks.errors import BrokenPlugin, NotSupported, SettingsError
from typecase.blocks.key_provider import KeyProvider
from typecase.registry.envelope import KEY_ID_SIZE, KEY_SIZE, open_sealed, seal

GROUP: Final = "typecase.keys"

_PREFIX: Final = "typecase-root-key-1:"
_FINGERPRINT: Final = b"typecase/root-key-fingerprint/1"
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://.*", re.IGNORECASE | re.DOTALL)
_BODY: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class LocalKey(KeyProvider):
    """A root key of 32 bytes that this process holds in memory.

    Its id depends on the bytes only, so a key that moves from a file into the environment stays the same key.
    """

    __slots__ = ("_key_id", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError(f"A root key has {KEY_SIZE} bytes. Make one with os.urandom({KEY_SIZE}).")
        self._secret = secret
        self._key_id = HKDF(algorithm=SHA256(), length=KEY_ID_SIZE, salt=None, info=_FINGERPRINT).derive(secret)

    @property
    def id(self) -> str:
        """The fingerprint of the root key: `local:` and 16 hexadecimal digits."""
        return f"local:{self._key_id[:8].hex()}"

    def wrap(self, plaintext: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Seal a data key in an envelope for the place that `context` names."""
        return seal(self._secret, plaintext, key_id=self._key_id, context=context)

    def unwrap(self, wrapped: bytes, *, context: tuple[bytes, ...]) -> bytes:
        """Open an envelope that `wrap` made for the same context.

        Raises:
            DecryptionFailed: damaged, moved, or wrapped by another root key.

        """
        return open_sealed(self._secret, wrapped, context=context)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise NotSupported(
            f"{type(self).__name__} holds a root key and is not pickled or copied.",
            hint="Send its URL and call open_key() on the other side.",
        )


def open_key(url: str) -> KeyProvider:
    """Open the root key that `url` names, through the provider installed for its scheme.

    Raises:
        SettingsError: `url` is malformed, or no installed provider has its scheme; `available` lists the schemes.
        BrokenPlugin: the provider cannot be used.
        KeyUnavailable: there is no usable key in that place; `reason` says why.

    """
    return _find_provider(url).from_url(url)


def create_key(url: str) -> KeyProvider:
    """Open the root key that `url` names, and make one first if there is none and its provider can.

    Raises:
        SettingsError: as `open_key`.
        BrokenPlugin: as `open_key`.
        KeyUnavailable: there is no usable key in that place and none can be made.

    """
    return _find_provider(url).create(url)


def encode_root_key(secret: bytes) -> str:
    """Write a root key as text: `typecase-root-key-1:` and unpadded base64url."""
    return _PREFIX + urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")


def decode_root_key(text: str, *, bare: bool = False) -> bytes | None:
    """Read a root key from its text form, or return None: an error raised here could show the text.

    Arguments:
        text: what `encode_root_key` wrote, with white space around it allowed.
        bare: accept plain base64 or base64url without the prefix too.

    """
    text = text.strip()
    if text.startswith(_PREFIX):
        text = text.removeprefix(_PREFIX)
    elif not bare:
        return None
    text = text.removesuffix("=").replace("+", "-").replace("/", "_")
    if not _BODY.fullmatch(text):
        return None
    secret = urlsafe_b64decode(text + "=")
    # 43 characters hold 258 bits: only one spelling of the last character is the key's own.
    return secret if encode_root_key(secret) == _PREFIX + text else None


def _find_provider(url: str) -> type[KeyProvider]:
    from typecase.blocks.plugins import declared

    found = declared(GROUP)
    available = tuple(sorted({entry.name for entry in found}))
    schemes = ", ".join(available) or "none; reinstall typecase"
    match = _URL.fullmatch(url)
    if match is None:
        # The text is not shown: a key pasted in place of its URL ends up here.
        raise SettingsError(
            "The key URL has no scheme.",
            hint=f"Write scheme://place. Installed schemes: {schemes}.",
            available=available,
        )
    scheme = match[1].lower()
    by_value = {entry.value: entry for entry in found if entry.name == scheme}
    if not by_value:
        raise SettingsError(
            f"No installed package provides root keys for {scheme}:// URLs.",
            hint=f"Installed schemes: {schemes}.",
            scheme=scheme,
            available=available,
        )
    owners = tuple(sorted(entry.dist.name if entry.dist else entry.module for entry in by_value.values()))
    if len(by_value) > 1:
        raise BrokenPlugin(
            f"Two packages provide root keys for {scheme}:// URLs: {' and '.join(owners)}.",
            hint="Uninstall one of them.",
            owners=owners,
        )
    (entry,) = by_value.values()
    try:
        provider = entry.load()
    except Exception as error:
        raise BrokenPlugin(
            f"The key provider for {scheme}:// from {owners[0]} does not import: {type(error).__name__}.",
            hint=f"Reinstall {owners[0]}.",
            owners=owners,
        ) from error
    if not (isinstance(provider, type) and issubclass(provider, KeyProvider)):
        raise BrokenPlugin(
            f"The key provider for {scheme}:// from {owners[0]} is not a KeyProvider: {entry.value}.",
            hint=f"Upgrade {owners[0]}, or uninstall it.",
            owners=owners,
        )
    return provider
