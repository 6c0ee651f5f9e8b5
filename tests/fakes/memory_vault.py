"""A vault in memory, whose secrets, failures and calls a test sets and counts."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from pydantic import SecretStr

from typecase.blocks import BlockType
from typecase.blocks.errors import SecretNotFound
from typecase.blocks.kinds import SecretStore, SecretValue


class Shelf:
    """What all vaults of one `place` hold and do: blocks are values, so it is kept beside them."""

    def __init__(self) -> None:
        self.secrets: dict[str, SecretValue | str | bytes] = {}
        self.versions: dict[tuple[str, str], str] = {}
        self.reads: list[tuple[str, str | None]] = []
        self.puts: list[str] = []
        self.deletes: list[str] = []
        #: Called at each read with the key and the block that reads; raises or waits.
        self.on_read: Callable[[str, Any], None] = lambda _key, _vault: None
        #: Called at each put, before and after the value is kept.
        self.on_put: Callable[[str, str], None] = lambda _key, _when: None
        self.on_delete: Callable[[str], None] = lambda _key: None
        self.lock = Lock()


SHELVES: dict[str, Shelf] = {}


def shelf(place: str = "main") -> Shelf:
    """Return what the vaults of `place` hold."""
    return SHELVES.setdefault(place, Shelf())


class MemoryVault(SecretStore):
    """A vault in memory."""

    __block__ = BlockType(slug="memory-vault", title="Memory vault", icon="vault")

    place: str = "main"
    token: SecretStr | None = None

    def get(self, key: str, version: str | None = None) -> SecretStr:
        return self.read(key, version).text()

    def read(self, key: str, version: str | None = None) -> SecretValue:
        held = shelf(self.place)
        with held.lock:
            held.reads.append((key, version))
        held.on_read(key, self)
        value = held.versions.get((key, version)) if version is not None else held.secrets.get(key)
        if value is None:
            raise SecretNotFound(f"There is no secret {key!r}.", hint="Name another.", reason="absent")
        return value if isinstance(value, SecretValue) else SecretValue(value, version=version)

    def put(self, key: str, value: Any) -> None:
        held = shelf(self.place)
        held.puts.append(key)
        held.on_put(key, "before")
        held.secrets[key] = value.get_secret_value()
        held.on_put(key, "after")

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter([key for key in shelf(self.place).secrets if key.startswith(prefix)])

    def delete(self, key: str) -> None:
        held = shelf(self.place)
        held.deletes.append(key)
        held.on_delete(key)
        if key not in held.secrets:
            raise SecretNotFound(f"There is no secret {key!r}.", hint="Name another.", reason="absent")
        del held.secrets[key]


class ReadOnlyVault(MemoryVault):
    """A vault in memory that cannot be written to."""

    __block__ = BlockType(slug="read-only-memory-vault", title="Read-only vault", icon="vault")

    read_only = True
