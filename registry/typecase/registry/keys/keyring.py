"""A root key in the keyring of the operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from typecase.blocks.errors import KeyUnavailable, MissingPackage, SettingsError
from typecase.registry.envelope import new_data_key
from typecase.registry.keys.provider import LocalKey, decode_root_key, encode_root_key

if TYPE_CHECKING:
    from types import ModuleType


class KeyringKey(LocalKey):
    """A root key in the keyring of the operating system: `keyring://service/username`.

    Keyrings have no atomic "add if absent": create the key once, before several processes use it.
    """

    __slots__ = ()

    can_create = True

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read the root key from the keyring entry that `url` names.

        Raises:
            SettingsError: `url` does not name a service and a user.
            MissingPackage: the package `keyring` is not installed.
            KeyUnavailable: the entry is absent or malformed, or the keyring does not answer.

        """
        service, username = _split(url)
        key = cls._read(service, username)
        if key is None:
            raise KeyUnavailable(
                f"The keyring has no entry {username!r} for the service {service!r}.",
                hint="Restore the root key into it, or choose another key URL.",
                reason="absent",
            )
        return key

    @classmethod
    def create(cls, url: str) -> Self:
        """Read the root key from the entry that `url` names, and make one first if there is none.

        Raises:
            SettingsError: `url` does not name a service and a user.
            MissingPackage: the package `keyring` is not installed.
            KeyUnavailable: the entry is malformed, or the keyring does not keep what is written to it.

        """
        service, username = _split(url)
        key = cls._read(service, username)
        if key is not None:
            return key
        keyring = _import_keyring()
        try:
            keyring.set_password(service, username, encode_root_key(new_data_key()))
        except keyring.errors.KeyringError:
            # The frames of the cause hold the new key.
            raise _unreachable() from None
        # What counts is what the next process will read: some back ends drop what they are given.
        key = cls._read(service, username)
        if key is None:
            raise _unreachable()
        return key

    @classmethod
    def _read(cls, service: str, username: str) -> Self | None:
        keyring = _import_keyring()
        try:
            text = keyring.get_password(service, username)
        except keyring.errors.KeyringError as error:
            raise _unreachable() from error
        if text is None:
            return None
        secret = decode_root_key(text)
        if secret is None:
            # A traceback that shows local variables reaches this frame.
            del text
            raise KeyUnavailable(
                f"The keyring entry {username!r} for the service {service!r} holds no root key.",
                hint="Restore the whole line of the key into it, or choose another entry.",
                reason="malformed",
            )
        return cls(secret)


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    service, username = unquote(parts.netloc), unquote(parts.path.removeprefix("/"))
    if not (service and username) or parts.query or parts.fragment:
        raise SettingsError("The key URL names no keyring entry.", hint="Write keyring://service/username.")
    return service, username


def _import_keyring() -> ModuleType:
    try:
        import keyring
    except ImportError as error:
        raise MissingPackage(
            "Root keys in the keyring need the package keyring.",
            hint="Run: pip install 'typecase[keyring]'",
            package="keyring",
            extra="keyring",
        ) from error
    return keyring


def _unreachable() -> KeyUnavailable:
    return KeyUnavailable(
        "The keyring of this system does not answer, or does not keep what is written to it.",
        hint="Unlock it, run `keyring diagnose`, or choose a file:// key URL.",
        reason="unreachable",
    )
