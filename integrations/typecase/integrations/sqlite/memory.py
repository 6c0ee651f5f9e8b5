"""SQLite databases in memory, one per block object."""

import os
import weakref
from secrets import token_hex
from typing import TYPE_CHECKING

from typecase.blocks.kinds.pools import Pool

if TYPE_CHECKING:
    from typecase.integrations.sqlite.database import SqliteDatabase


class Memory:
    """A database that all connections to `uri` in this process share; SQLite drops it with the last of them."""

    def __init__(self, block: "SqliteDatabase") -> None:
        """Make an empty database with the options of `block`."""
        self.uri = f"file:/typecase-{os.getpid()}-{token_hex(8)}?vfs=memdb"
        self.anchor = block.open_uri(self.uri)
        self.engine = block.build_engine(uri=self.uri, **block.engine_options())

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()
        self.anchor.close()


class _Identity:
    """Equal only to a key of the same block object."""

    def __init__(self, block: "SqliteDatabase") -> None:
        self.number = id(block)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)


_MEMORIES: Pool[Memory] = Pool(close=Memory.close, limit=2**31)


def memory_of(block: "SqliteDatabase") -> Memory:
    """Return the database of this very block object, made on first use."""
    key = _Identity(block)

    def build() -> Memory:
        weakref.finalize(block, _MEMORIES.drop, key)
        # From a copy: an engine that held the block itself would keep it alive.
        return Memory(block.model_copy(deep=True))

    return _MEMORIES.get(key, build)


def forget_memory(block: "SqliteDatabase") -> None:
    """Drop the database of this block object."""
    _MEMORIES.drop(_Identity(block))
