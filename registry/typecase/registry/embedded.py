"""The embedded registry: an SQLite file of this user. Loads through the standard library alone."""

from __future__ import annotations

import sqlite3
from os import getpid
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from typecase.blocks.errors import SettingsError
from typecase.blocks.registry import Registry
from typecase.blocks.secrets.referring import MARK
from typecase.blocks.stored import StoredBlock, Tree
from typecase.registry.data_keys import DataKeys, RetiredKey
from typecase.registry.edge import guarded
from typecase.registry.reading import (
    HEAD,
    KEY,
    READ_VERSION,
    REFERENCED,
    ROOT_BY_ID,
    ROOT_BY_NAME,
    TREE_BY_NAME,
    WrappedKey,
    open_row,
    open_tree,
)
from typecase.registry.sqlite import Connection, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typecase.blocks.records import BackupSummary, KeyStatus
    from typecase.registry.file_registry import FileRegistry

_PREFIX = "sqlite:///"
_PARTS = frozenset({"access", "audit", "documents", "keys", "types", "workspaces"})
_KEY_ID = 9


class EmbeddedRegistry(Registry):
    """A registry in an SQLite file. The first call makes the file, its tables and its root key where there are none.

    `key` is the root key's URL, None for the key file of this user.
    """

    def __init__(self, path: Path, *, key: str | None = None) -> None:
        self._path = path.absolute()
        self.url = f"{_PREFIX}{self._path}"
        self._keys = DataKeys(key)
        self._full: FileRegistry | None = None
        self._local = local()
        self._connections: WeakSet[Connection] = WeakSet()

    def __repr__(self) -> str:
        return f"<EmbeddedRegistry {self.url}>"

    def __getattr__(self, name: str) -> Any:
        """Build `documents` and the other parts when they are first asked for: a load needs none of them."""
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        part = getattr(self._full_registry(), name)
        setattr(self, name, part)
        return part

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the registry behind `url`, with the root key that the settings name."""
        from typecase.blocks.settings import current_settings

        return cls(path_of(url), key=current_settings().key)

    @guarded
    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """Return a decrypted document and all that it refers to."""
        connection = self._connection()
        row = connection.execute(ROOT_BY_NAME, (name, revision, workspace)).fetchone()
        if row is not None:
            try:
                return self._tree(connection, row)
            except RetiredKey:
                # A rotation ended between two statements; what follows is one.
                return self._full_registry().load(name, workspace=workspace, revision=revision)
        parameters = {"name": name, "workspace": workspace, "revision": revision}
        tree = open_tree(connection.execute(TREE_BY_NAME, parameters).fetchall(), self._keys.open)
        return tree or self._full_registry().load(name, workspace=workspace, revision=revision)

    @guarded
    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """As `load`, for a document id."""
        connection = self._connection()
        row = connection.execute(ROOT_BY_ID, (revision, document_id)).fetchone()
        if row is not None:
            try:
                return self._tree(connection, row)
            except RetiredKey:
                return self._full_registry().load_id(document_id, revision=revision)
        return self._full_registry().load_id(document_id, revision=revision)

    def key_status(self) -> KeyStatus:
        """Say what encrypts this registry and whether it is sealed."""
        return self._full_registry().key_status()

    def init(self, *, create_key_if_missing: bool = True) -> bool:
        """Make or upgrade what the first call would; tell whether the registry is new."""
        return self._full_registry().init(create_key_if_missing=create_key_if_missing)

    def backup(self, path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
        """Write the whole registry into a file; see `SqlRegistry.backup`."""
        return self._full_registry().backup(path, watch=watch)

    def restore_backup(self, path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
        """Fill this registry from a backup; see `SqlRegistry.restore_backup`."""
        self.close()
        return self._full_registry().restore_backup(path, watch=watch)

    def close(self) -> None:
        """Release connections. The registry may be used again afterwards."""
        self._local = local()
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        if self._full is not None:
            self._full.close()

    def _tree(self, connection: Connection, row: Sequence[Any]) -> Tree:
        root = self._open(connection, row)
        if b'"$block"' not in root.data and MARK not in root.data:
            return Tree(root, {})
        rows = connection.execute(REFERENCED, (root.document_id, root.revision)).fetchall()
        return Tree(root, {row[0]: self._open(connection, row) for row in rows})

    def _open(self, connection: Connection, row: Sequence[Any]) -> StoredBlock:
        dek = self._keys.opened.get(row[_KEY_ID])
        if dek is None:
            dek = self._keys.open(WrappedKey(*connection.execute(KEY, (row[_KEY_ID],)).fetchone()))
        return open_row(row, dek)

    def _connection(self) -> Connection:
        """Return this thread's connection; a forked child opens its own."""
        mine = self._local
        connection: Connection | None = getattr(mine, "connection", None)
        if connection is None or mine.process != getpid():
            connection = mine.connection = self._connect()
            mine.process = getpid()
        return connection

    def _connect(self) -> Connection:
        try:
            connection = connect(self._path)
        except sqlite3.OperationalError:
            connection = None
        if connection is None or not _is_current(connection):
            if connection is not None:
                connection.close()
            self._full_registry().ensure()
            connection = connect(self._path)
        self._connections.add(connection)
        return connection

    def _full_registry(self) -> FileRegistry:
        if self._full is None:
            from typecase.registry.file_registry import FileRegistry

            self._full = FileRegistry(self._path, self._keys)
        return self._full


def path_of(url: str) -> Path:
    """Return the file that an `sqlite:///path` URL names. Raises `SettingsError`."""
    path = url.removeprefix(_PREFIX)
    if not url.startswith(_PREFIX) or not path or path == ":memory:" or "?" in path:
        raise SettingsError(
            "The registry URL names no SQLite file.", hint="Write sqlite:///relative/path or sqlite:////absolute/path."
        )
    return Path(path).expanduser()


def _is_current(connection: Connection) -> bool:
    try:
        return bool(connection.execute(READ_VERSION).fetchone() == (HEAD,))
    except sqlite3.OperationalError:
        return False
