"""Setting up a registry: tables, the default workspace, its data key."""

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from typecase.blocks.errors import RegistryOutdated
from typecase.registry.faults import outdated
from typecase.registry.locks import lock_installation
from typecase.registry.reading import HEAD, READ_VERSION
from typecase.registry.stored_keys import current_root_key
from typecase.registry.tables import VERSION_TABLE, data_keys, registry, workspaces

if TYPE_CHECKING:
    from alembic.config import Config

    from typecase.registry.data_keys import DataKeys

DEFAULT_WORKSPACE: Final = "default"

_alembic: Final = Lock()  # Alembic keeps the migration under way in a global


def installed_version(connection: Connection) -> str | None:
    """Return the migration that the tables stand at, None when there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(text(READ_VERSION))
    return version


def check_tables(engine: Engine, url: str) -> None:
    """Raise `RegistryOutdated` unless the tables are those that this package knows."""
    with engine.connect() as connection:
        version = installed_version(connection)
    if version == HEAD:
        return
    if version is not None:
        refuse_newer(version, url)
    raise outdated(url)


def install(connection: Connection, keys: "DataKeys", *, url: str, create_key: bool) -> bool:
    """Bring tables, default workspace and data key to what this package needs; tell whether the registry is new.

    Runs inside the caller's transaction, so that a failure leaves nothing behind. A root key is made only where
    `create_key` allows it and nothing is encrypted yet.

    Raises:
        RegistryOutdated: the tables are newer than this package.
        KeyUnavailable: there is no root key and none may be made.

    """
    lock_installation(connection)
    version = installed_version(connection)
    if version != HEAD:
        if version is not None:
            refuse_newer(version, url)
        migrate(connection, HEAD)
    is_new = connection.scalar(select(registry.c.id)) is None
    if is_new:
        connection.execute(insert(registry).values(id=uuid4().hex, created_at=datetime.now(UTC)))
    if connection.scalar(select(workspaces.c.id).where(workspaces.c.name == DEFAULT_WORKSPACE)) is None:
        unused = connection.scalar(select(data_keys.c.id).limit(1)) is None
        keys.provider(create=create_key and unused)
        add_workspace(connection, keys, name=DEFAULT_WORKSPACE)
    return is_new


def add_workspace(
    connection: Connection, keys: "DataKeys", *, name: str, parent_id: str | None = None, description: str = ""
) -> None:
    """Insert a workspace and its first data key."""
    workspace_id, now = uuid4().hex, datetime.now(UTC)
    key = keys.make(workspace_id, current_root_key(connection, keys))
    connection.execute(
        insert(workspaces).values(
            id=workspace_id, name=name, parent_id=parent_id, description=description, created_at=now
        )
    )
    connection.execute(insert(data_keys).values(**key._asdict(), created_at=now, settled_at=now))


def migration_config() -> "Config":
    """Return Alembic's configuration for the packaged migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def migrate(connection: Connection, version: str) -> None:
    """Bring the tables to `version`, which is this package's or an earlier one, in the caller's transaction."""
    from alembic import command

    config = migration_config()
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, version)


def refuse_newer(version: str, url: str) -> None:
    """Raise `RegistryOutdated` for tables that this package does not know yet."""
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()}
    if version not in known:
        raise RegistryOutdated(
            f"The registry at {url} has newer tables ({version}) than this package knows ({HEAD}).",
            hint="Upgrade the package: pip install --upgrade typecase",
            url=url,
            version=version,
        )
