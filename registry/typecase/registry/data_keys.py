"""Data keys: one per workspace and generation, wrapped by the root key, opened once and kept in memory."""

import os
import re
from os import urandom
from threading import Lock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, RegistrySealed
from typecase.registry.envelope import KEY_ID_SIZE, data_key_context, new_data_key
from typecase.registry.reading import WrappedKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typecase.registry.keys import KeyProvider

_BACK: Final = "Restore that root key from its backup, or point TYPECASE_KEY at it."
_MORE: Final = "TYPECASE_KEY names the root key; `typecase keys status` shows more."
_BETWEEN: Final = re.compile(r"\s+(?=[A-Za-z][A-Za-z0-9+.-]*://)")

_all: WeakSet["DataKeys"] = WeakSet()


class RetiredKey(DecryptionFailed):
    """A data key was retired. Whoever read its id before that finds the data under the newest key."""


class DataKeys:
    """The data keys of one registry, and the root keys that open them.

    `url` names the root key, None for the key file of this user. It may name several, with white space between them:
    the first wraps new data keys, each opens what it has wrapped. Nothing is read before it is needed.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._providers: dict[str, KeyProvider] = {}
        self._lock = Lock()
        #: Why a data key did not open, by id: whoever waited for that attempt does not make another.
        self._refused: dict[str, dict[str, str]] = {}
        #: Data keys in clear by id: what spares the load path all else.
        self.opened: dict[str, bytes] = {}
        _all.add(self)

    def __repr__(self) -> str:
        return f"<DataKeys, {len(self.opened)} opened>"

    @property
    def url(self) -> str:
        """The URL of the root key that wraps new data keys."""
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs of all root keys."""
        if self._url is None:
            from typecase.blocks.settings import default_paths

            self._url = default_paths().key_file.as_uri()
        return tuple(_BETWEEN.split(self._url.strip()))

    def put_first(self, url: str) -> None:
        """Wrap with the root key at `url` from now on; the others go on opening what they have wrapped."""
        self._url = " ".join(dict.fromkeys((url, *self.urls)))

    def provider(self, *, create: bool = False) -> "KeyProvider":
        """Return the root key that wraps; `create` makes it if its place is empty. Raises `KeyUnavailable`."""
        return self.root_key_at(self.url, create=create)

    def root_key_at(self, url: str, *, create: bool = False) -> "KeyProvider":
        """Return the root key at `url`, opened once; `create` makes it first. Raises `KeyUnavailable`."""
        provider = self._providers.get(url)
        if provider is None:
            provider = self._providers[url] = _open_provider(url, create=create)
        return provider

    def root_key_called(self, root_key: str) -> "KeyProvider":
        """Return the root key of this id, wherever it stands among those here. Raises `RegistrySealed`."""
        reasons: dict[str, str] = {}
        for provider in self._holding(root_key, reasons):
            return provider
        raise _sealed(reasons, root_key)

    def open(self, key: WrappedKey) -> bytes:
        """Unwrap `key`. Raises `RegistrySealed` when the root key is missing or another one, `RetiredKey`."""
        dek = self.opened.get(key.id)
        if dek is None:
            # One call to the root key's service, however many threads begin with the same document.
            before = self._refused.get(key.id)
            with self._lock:
                dek = self.opened.get(key.id)
                reasons = self._refused.get(key.id)
                if dek is None and reasons is not None and reasons is not before:
                    raise _sealed(reasons, key.root_key)
                if dek is None:
                    dek = self.opened[key.id] = self._unwrap(key)
        return dek

    def make(self, workspace_id: str, provider: "KeyProvider", *, generation: int = 1) -> WrappedKey:
        """Make a new data key for a workspace, wrapped by `provider`. Raises `KeyUnavailable`."""
        key_id, dek = urandom(KEY_ID_SIZE), new_data_key()
        wrapped = provider.wrap(dek, context=data_key_context(workspace_id, generation, key_id))
        self.opened[key_id.hex()] = dek
        return WrappedKey(key_id.hex(), workspace_id, generation, provider.id, wrapped)

    def rewrap(self, key: WrappedKey) -> WrappedKey:
        """Wrap `key` with the root key that comes first. Raises `RegistrySealed`, `KeyUnavailable`."""
        provider, dek = self.provider(), self.open(key)
        context = data_key_context(key.workspace_id, key.generation, bytes.fromhex(key.id))
        wrapped = provider.wrap(dek, context=context)
        try:
            opens = provider.unwrap(wrapped, context=context) == dek
        except DecryptionFailed:
            opens = False
        if not opens:
            del dek
            raise KeyUnavailable(
                f"The root key {provider.id} does not open what it wraps.",
                hint="Nothing was changed. Let this identity both wrap and unwrap with it.",
                reason="malformed",
            )
        return key._replace(root_key=provider.id, wrapped=wrapped)

    def afresh(self) -> "DataKeys":
        """Return the same root keys with nothing in memory: what is in their places now, and what that opens."""
        return DataKeys(" ".join(self.urls))

    def forget(self) -> None:
        """Drop the root keys and every data key from memory."""
        self._providers.clear()
        self.opened.clear()

    def renew_lock(self) -> None:
        """Take a lock of its own in a forked child: the parent's may be held by a thread that is not here."""
        self._lock = Lock()

    def _holding(self, root_key: str, reasons: dict[str, str]) -> "Iterator[KeyProvider]":
        """Yield the root keys called `root_key`; then tell `reasons` what the others are, or why they are not had."""
        others: dict[str, str] = {}
        for url in self.urls:
            try:
                provider = self.root_key_at(url)
            except KeyUnavailable as error:
                reasons[error.message] = error.hint
                continue
            if provider.id == root_key:
                yield provider
            else:
                others[url] = provider.id
        if others:
            reasons[f"The root key here is {' and '.join(others.values())}."] = _BACK
        for url in others:
            self._providers.pop(url, None)  # the right one may be put in its place

    def _unwrap(self, key: WrappedKey) -> bytes:
        if not key.wrapped:
            raise RetiredKey(
                "The data is encrypted under a data key that was retired and destroyed.",
                hint="Load it again; if that fails, the row is from an older copy of the database.",
            )
        reasons: dict[str, str] = {}
        context = data_key_context(key.workspace_id, key.generation, bytes.fromhex(key.id))
        for provider in self._holding(key.root_key, reasons):
            try:
                return provider.unwrap(key.wrapped, context=context)
            except DecryptionFailed:
                reasons = {"The root key does not open the data key: one of them is damaged.": _BACK}
                break
            except KeyUnavailable as error:
                reasons[error.message] = error.hint
        self._refused[key.id] = reasons
        raise _sealed(reasons, key.root_key)


def _sealed(reasons: dict[str, str], root_key: str) -> RegistrySealed:
    """Say why; `reasons` has what to do about each."""
    reason = " ".join(reasons)
    return RegistrySealed(
        f"The registry is sealed: its data is encrypted under root key {root_key}. {reason}",
        hint=" ".join(dict.fromkeys((*reasons.values(), _MORE))),
        reason=reason,
        root_key=root_key,
    )


def _open_provider(url: str, *, create: bool) -> "KeyProvider":
    if url.startswith("file://"):
        # The common case, without the search through the installed packages' metadata.
        from typecase.registry.keys.file import FileKey

        return FileKey.create(url) if create else FileKey.from_url(url)
    from typecase.registry.keys.provider import create_key, open_key

    return create_key(url) if create else open_key(url)


def _renew_locks() -> None:
    for keys in list(_all):
        keys.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
