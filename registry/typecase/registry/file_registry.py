"""The part of the embedded registry that needs SQLAlchemy: everything but loading."""

import sys
from pathlib import Path
from typing import Self

from sqlalchemy import Engine

from typecase.registry.data_keys import DataKeys
from typecase.registry.installation import install, installed_version
from typecase.registry.reading import HEAD
from typecase.registry.sql import SqlRegistry
from typecase.registry.store import SqliteStore, write


class FileRegistry(SqlRegistry):
    """A registry in an SQLite file, which the first call makes: file, tables, root key, default workspace."""

    def __init__(self, path: Path, keys: DataKeys) -> None:
        super().__init__(SqliteStore(path), keys)
        self._path = path

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the registry behind `url`."""
        from typecase.registry.embedded import path_of

        return cls(path_of(url), DataKeys(None))

    def _prepare(self, engine: Engine) -> None:
        with engine.connect() as connection:
            if installed_version(connection) == HEAD:
                return
        if write(engine, lambda connection: install(connection, self._keys, url=self.url, create_key=True)):
            key = self._keys.url.removeprefix("file://")
            sys.stderr.write(f"typecase: created the registry {self._path} and its root key {key}: back up the key\n")
