"""The systems that the three documents stand for, and the saving of these documents."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, cast

from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import OperationFailed
from typecase.blocks.registries import current_registry
from typecase.registry.demo.penguins import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typecase.blocks.kinds import Database, Notifier, ObjectStore
    from typecase.registry.demo.receiver import Receiver
    from typecase.registry.demo.sandbox import Sandbox
    from typecase.registry.demo.schema import Schema

_SAMPLE: Final = 5


class Systems:
    """Two databases, two folders, one webhook. `secrets` holds, by name, what nobody may find in the registry."""

    def __init__(self, sandbox: Sandbox, receiver: Receiver, *, token: str) -> None:
        folder, schema = sandbox.folder, sandbox.schema
        self.secrets = {"webhook's token": token}
        self.databases: Mapping[str, Database] = {
            "prod": self._postgres(schema) if schema else _sqlite(folder / "prod.db"),
            "staging": _sqlite(folder / "staging.db"),
        }
        self.stores: Mapping[str, ObjectStore] = {
            "prod": _directory(folder / "files" / "prod"),
            "staging": _directory(folder / "files" / "staging"),
        }
        self.webhook = _webhook(receiver.address, token=token)
        self.places = {
            "prod": f"PostgreSQL, schema {schema.name}" if schema else "SQLite, prod.db",
            "staging": "SQLite, staging.db",
        }

    def load_tables(self, rows: Sequence[dict[str, Any]]) -> dict[str, Sequence[dict[str, Any]]]:
        """Put all rows into prod and a sample into staging; return each one's rows."""
        loaded = {"prod": rows, "staging": rows[::_SAMPLE]}
        for workspace, database in self.databases.items():
            fill(database, loaded[workspace])
        return loaded

    def save_documents(self) -> None:
        """Save the webhook for everybody, a database and a folder for prod and for staging."""
        self.webhook.save("ops", workspace="default")
        for workspace, database in self.databases.items():
            current_registry().workspaces.create(workspace, parent="default")
            database.save("prod-db", workspace=workspace)
            self.stores[workspace].save("landing", workspace=workspace)

    def table(self) -> list[tuple[str, ...]]:
        """Return, for each name, what it means in default, prod and staging."""
        return [
            ("prod-db", "", self.places["prod"], self.places["staging"]),
            ("landing", "", "files/prod", "files/staging"),
            ("ops", "webhook", "(default's)", "(default's)"),
        ]

    def dispose(self) -> None:
        """Close what this process opened."""
        for database in self.databases.values():
            database.engine().dispose()

    def _postgres(self, schema: Schema) -> Database:
        database = cast("Any", CATALOG.get("postgres-database")).from_url(schema.url)
        if database.password is None:
            # A server that trusts its callers takes any password: then there is one to look for.
            guarded = database.model_copy(update={"password": secrets.token_urlsafe(18)})
            try:
                guarded.fetch_all("select 1")
            except OperationFailed:
                return cast("Database", database)
            database = guarded
        self.secrets["database's password"] = database.password.get_secret_value()
        return cast("Database", database)


def _sqlite(path: Path) -> Database:
    return cast("Database", CATALOG.get("sqlite-database")(path=str(path)))


def _directory(path: Path) -> ObjectStore:
    return cast("ObjectStore", CATALOG.get("local-directory")(root=str(path)))


def _webhook(address: str, *, token: str) -> Notifier:
    return cast("Notifier", CATALOG.get("webhook")(url=address, headers={"Authorization": f"Bearer {token}"}))
