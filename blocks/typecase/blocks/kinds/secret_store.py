"""The kind of blocks that keep secrets for others."""

# ruff: noqa: ARG002 - a kind names the arguments of what it cannot do

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import SecretStr

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.storing import in_thread


class SecretStore(Block):
    """A vault: secrets by key. A store that cannot be written to says so in `read_only`."""

    __kind__: ClassVar[str] = "SecretStore"

    read_only: ClassVar[bool] = False
    versioned: ClassVar[bool] = False

    @abstractmethod
    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key`; several fields come as one JSON object. None = the newest version."""

    def put(self, key: str, value: SecretStr) -> None:
        """Store `value` under `key`, as a new version where the store has versions."""
        raise not_supported(self, "put", "Write it with the vault's own tools.")

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`, never over values."""
        raise not_supported(self, "list", "Ask for keys by name with `get()`.")

    def delete(self, key: str) -> None:  # type: ignore[override] # on a store, it deletes a secret
        """Delete `key` with all its versions. The store's own document goes with `Block.delete(name)`."""
        raise not_supported(self, "delete", "Delete it with the vault's own tools.")

    def client(self) -> Any:
        """Return the vendor SDK's own client."""
        raise not_supported(self, "client", "Use `get()`.")

    async def aget(self, key: str, version: str | None = None) -> SecretStr:
        """`get` in a worker thread."""
        return await in_thread(self.get, key, version)

    async def adelete(self, key: str) -> None:  # type: ignore[override] # as `delete`
        """`delete` in a worker thread."""
        await in_thread(self.delete, key)
