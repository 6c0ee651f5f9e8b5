"""The kind of blocks that keep secrets for others."""

# ruff: noqa: ARG002 - a kind names the arguments of what it cannot do

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from pydantic import SecretBytes, SecretStr

from typecase.blocks.block import Block
from typecase.blocks.errors import NotSupported, SecretMalformed
from typecase.blocks.fields import field
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.storing import in_thread


class SecretValue(SecretBytes):
    """What a store holds under a key: bytes that are not shown, the version, and when they end.

    `expires_at` is the end of a lease, after which the value is useless; None = it does not end by itself.
    """

    def __init__(self, content: bytes | str, *, version: str | None = None, expires_at: datetime | None = None) -> None:
        super().__init__(content.encode() if isinstance(content, str) else content)
        self.version = version
        self.expires_at = expires_at

    def text(self) -> SecretStr:
        """Return the bytes as text. Raises `SecretMalformed` when they are not UTF-8."""
        try:
            return SecretStr(self.get_secret_value().decode())
        except UnicodeDecodeError:
            pass
        message = "The secret is binary, not UTF-8 text."
        raise SecretMalformed(message, hint="Put it into a `SecretBytes` field, or ask for it with `read()`.")

    def __reduce__(self) -> NoReturn:
        """Refuse: a pickle would show the value."""
        raise NotSupported("A secret's value is not pickled or copied.", hint="Send the reference to it.")


class SecretStore(Block):
    """A vault: secrets by key. A store that cannot be written to says so in `read_only`."""

    __kind__: ClassVar[str] = "SecretStore"

    read_only: ClassVar[bool] = False
    versioned: ClassVar[bool] = False

    cache_seconds: float | None = field(
        None,
        ge=0,
        help="Seconds that a process keeps a secret from here in memory. Empty = the setting `secret_max_age`.",
        group="Cache",
        advanced=True,
    )
    stale_seconds: float | None = field(
        None,
        ge=0,
        help="Seconds after that in which it is still used while the store does not answer. "
        "Empty = the setting `secret_max_stale`.",
        group="Cache",
        advanced=True,
    )

    @abstractmethod
    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key`; several fields come as one JSON object. None = the newest version.

        Raises `SecretNotFound`, `SecretForbidden`, `SecretExpired`, `SecretMalformed` (binary), `InvalidSecretKey`,
        `SecretStoreUnreachable`, `AuthenticationFailed` (the store refuses who asks).
        """

    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret under `key` as it is, binary or text, with its version and end. Raises as `get`."""
        return SecretValue(self.get(key, version).get_secret_value(), version=version)

    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Store `value` under `key`, as a new version where the store has versions."""
        raise not_supported(self, "put", "Write it with the vault's own tools.")

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`, never over values, asking for page after page."""
        raise not_supported(self, "list", "Ask for keys by name with `get()`.")

    def delete(self, key: str) -> None:  # type: ignore[override] # on a store, it deletes a secret
        """Delete `key` with all its versions. The store's own document goes with `Block.delete(name)`."""
        raise not_supported(self, "delete", "Delete it with the vault's own tools.")

    def key_of(self, *parts: str) -> str:
        """Return a key that this store can have, made of `parts`: a path where it has paths."""
        return "/".join(parts)

    def client(self) -> Any:
        """Return the vendor SDK's own client."""
        raise not_supported(self, "client", "Use `get()`.")

    async def aget(self, key: str, version: str | None = None) -> SecretStr:
        """`get` in a worker thread."""
        return await in_thread(self.get, key, version)

    async def adelete(self, key: str) -> None:  # type: ignore[override] # as `delete`
        """`delete` in a worker thread."""
        await in_thread(self.delete, key)
