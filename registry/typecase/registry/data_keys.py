"""Data keys: one per workspace and generation, wrapped by the root key, opened once and kept in memory."""

from os import urandom
from typing import TYPE_CHECKING

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, RegistrySealed
from typecase.registry.envelope import KEY_ID_SIZE, data_key_context, new_data_key
from typecase.registry.reading import WrappedKey

if TYPE_CHECKING:
    from typecase.registry.keys import KeyProvider

_BACK = "Restore that root key from its backup, or point TYPECASE_KEY at it; `typecase keys status` shows more."


class DataKeys:
    """The data keys of one registry, and the root key that opens them.

    `url` is the root key's URL, None for the key file of this user. Nothing is read before it is needed.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._provider: KeyProvider | None = None
        #: Data keys in clear by id: what spares the load path all else.
        self.opened: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<DataKeys, {len(self.opened)} opened>"

    @property
    def url(self) -> str:
        """The root key's URL."""
        if self._url is None:
            from typecase.blocks.settings import default_paths

            self._url = default_paths().key_file.as_uri()
        return self._url

    def provider(self, *, create: bool = False) -> "KeyProvider":
        """Return the root key; `create` makes it if its place is empty. Raises `KeyUnavailable`."""
        if self._provider is None:
            self._provider = _open_provider(self.url, create=create)
        return self._provider

    def open(self, key: WrappedKey) -> bytes:
        """Unwrap `key`. Raises `RegistrySealed` when the root key is missing or another one."""
        dek = self.opened.get(key.id)
        if dek is None:
            dek = self.opened[key.id] = self._unwrap(key)
        return dek

    def make(self, workspace_id: str, *, generation: int = 1) -> WrappedKey:
        """Make a new data key for a workspace. Raises `KeyUnavailable`."""
        provider = self.provider()
        key_id, dek = urandom(KEY_ID_SIZE), new_data_key()
        wrapped = provider.wrap(dek, context=data_key_context(workspace_id, generation, key_id))
        self.opened[key_id.hex()] = dek
        return WrappedKey(key_id.hex(), workspace_id, generation, provider.id, wrapped)

    def forget(self) -> None:
        """Drop the root key and every data key from memory."""
        self._provider = None
        self.opened.clear()

    def _unwrap(self, key: WrappedKey) -> bytes:
        try:
            provider = self.provider()
        except KeyUnavailable as error:
            failure = _sealed(str(error.message), key)
        else:
            if provider.id == key.root_key:
                context = data_key_context(key.workspace_id, key.generation, bytes.fromhex(key.id))
                try:
                    return provider.unwrap(key.wrapped, context=context)
                except DecryptionFailed:
                    failure = _sealed("The root key does not open the data key: one of them is damaged.", key)
            else:
                failure = _sealed(f"The root key here is {provider.id}.", key)
        raise failure


def _sealed(reason: str, key: WrappedKey) -> RegistrySealed:
    return RegistrySealed(
        f"The registry is sealed: its data is encrypted under root key {key.root_key}. {reason}",
        hint=_BACK,
        reason=reason,
        root_key=key.root_key,
    )


def _open_provider(url: str, *, create: bool) -> "KeyProvider":
    if url.startswith("file://"):
        # The common case, without the search through the installed packages' metadata.
        from typecase.registry.keys.file import FileKey

        return FileKey.create(url) if create else FileKey.from_url(url)
    from typecase.registry.keys.provider import create_key, open_key

    return create_key(url) if create else open_key(url)
