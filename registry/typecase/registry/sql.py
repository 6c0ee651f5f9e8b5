"""A registry on a SQL database: what the embedded and the direct one share."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Connection, Engine, TextClause, select, text

from typecase.blocks import refusals
from typecase.blocks.registry import Registry
from typecase.registry.audit.journal import Journal
from typecase.registry.documents import SqlDocuments
from typecase.registry.edge import guarded
from typecase.registry.installation import install
from typecase.registry.lookup import find_chain, find_document
from typecase.registry.reading import TREE_BY_ID, TREE_BY_NAME, open_tree
from typecase.registry.rotation_keys import SqlKeys
from typecase.registry.store import Store, write
from typecase.registry.stored_keys import read_status, require_open
from typecase.registry.tables import documents, workspaces
from typecase.registry.types import SqlTypes
from typecase.registry.workspaces import SqlWorkspaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typecase.blocks.records import BackupSummary, KeyStatus
    from typecase.blocks.stored import Tree
    from typecase.registry.access.parts import Access
    from typecase.registry.data_keys import DataKeys

_BY_NAME = text(TREE_BY_NAME)
_BY_ID = text(TREE_BY_ID)


class SqlRegistry(Registry):
    """A registry on one database, under one root key."""

    def __init__(self, store: Store, keys: DataKeys) -> None:
        store.prepare = self._prepare
        self._store = store
        self._keys = keys
        self.url = store.url
        self.types = self.sql_types = SqlTypes(store, keys)
        self.workspaces = SqlWorkspaces(store, keys)
        self.documents = self.sql_documents = SqlDocuments(store, keys, self.sql_types)
        self.keys = SqlKeys(store, keys)
        self.audit = Journal(store)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    @cached_property
    def access(self) -> Access:
        """Who may do what here."""
        from typecase.registry.access.parts import Access

        return Access(self._store, self._keys)

    @guarded
    def init(self, *, create_key_if_missing: bool = False) -> bool:
        """Make or upgrade the tables, the default workspace and its data key; tell whether the registry is new.

        Idempotent, safe from many processes. Raises `RegistryOutdated` (newer tables), `KeyUnavailable`.
        """
        return write(
            self._store.bare_engine(),
            lambda connection: install(connection, self._keys, url=self.url, create_key=create_key_if_missing),
        )

    @guarded
    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """Return a decrypted document and all that it refers to, in one round trip."""
        tree = self._load(_BY_NAME, name=name, workspace=workspace, revision=revision)
        return tree or self._store.read(lambda connection: _explain_name(connection, name, workspace, revision))

    @guarded
    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """As `load`, for a document id."""
        tree = self._load(_BY_ID, id=document_id, revision=revision)
        return tree or self._store.read(lambda connection: _explain_id(connection, document_id, revision))

    @guarded
    def require_ready(self) -> None:
        """Raise unless the database answers, its tables fit and the root key opens what is there.

        Raises `RegistryUnreachable`, `RegistryOutdated`, `RegistrySealed`.
        """
        self._store.read(lambda connection: require_open(connection, self._keys))

    @property
    def store(self) -> Store:
        """The registry's database."""
        return self._store

    @property
    def data_keys(self) -> DataKeys:
        """The registry's data keys."""
        return self._keys

    @property
    def root_key_urls(self) -> tuple[str, ...]:
        """The URLs of the root keys that the settings name."""
        return self._keys.urls

    @guarded
    def key_status(self) -> KeyStatus:
        """Say what encrypts this registry and whether it is sealed."""
        return self._store.read(lambda connection: read_status(connection, self._keys))

    @guarded
    def backup(self, path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
        """Write the whole registry, as it is at one moment, into a new file that only its owner can read.

        Ciphertexts and wrapped data keys are copied as they are: nothing in the file opens without the root key.
        Raises `BackupExists`, `RegistryUnreachable`.
        """
        from typecase.registry.backups import write_backup

        return write_backup(self._store, path, watch=watch)

    @guarded
    def restore_backup(self, path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
        """Fill this registry, which must be empty, from a backup: all of it or nothing.

        Raises `RegistryNotEmpty`, `BackupUnusable`.
        """
        from typecase.registry.backups_restoring import restore_backup

        summary = restore_backup(self._store, path, watch=watch)
        self._keys.forget()
        self._store.close()
        return summary

    def close(self) -> None:
        """Release connections. The registry may be used again afterwards."""
        self._store.close()

    @guarded
    def ensure(self) -> None:
        """Prepare the database as the first call would."""
        self._store.engine()

    def _load(self, statement: TextClause, **parameters: Any) -> Tree | None:
        rows = self._store.read_once(lambda connection: connection.execute(statement, parameters).all())
        return open_tree(rows, self._keys.open)

    @abstractmethod
    def _prepare(self, engine: Engine) -> None:
        """Check, or make, what the first call needs."""


def _explain_name(connection: Connection, name: str, workspace: str, revision: int | None) -> NoReturn:
    document = find_document(connection, name, find_chain(connection, workspace))
    raise refusals.revision_not_found(name, revision or document.revision, document.revision)


def _explain_id(connection: Connection, document_id: str, revision: int | None) -> NoReturn:
    document = connection.execute(select(documents).where(documents.c.id == document_id)).first()
    if document is None:
        searched = connection.scalars(select(workspaces.c.name).order_by(workspaces.c.name))
        raise refusals.document_not_found(document_id, list(searched), ())
    raise refusals.revision_not_found(document.name, revision or document.revision, document.revision)
