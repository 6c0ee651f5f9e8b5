"""What writers of PostgreSQL take turns at. On SQLite every writer waits for every other one anyway."""

from typing import Final

from sqlalchemy import Connection, text

_LOCK: Final = text("SELECT pg_advisory_xact_lock(:number)")

# Any numbers, as long as they are the same everywhere.
_INSTALLATION: Final = 7_460_297_301
_REFERENCES: Final = 7_460_297_302
_WORKSPACES: Final = 7_460_297_303
_ACCESS: Final = 7_460_297_304


def lock_installation(connection: Connection) -> None:
    """Let one process at a time set the registry up."""
    _take(connection, _INSTALLATION)


def lock_references(connection: Connection) -> None:
    """Let one transaction at a time change which document refers to which: two could close a cycle together."""
    _take(connection, _REFERENCES)


def lock_workspaces(connection: Connection) -> None:
    """Let one transaction at a time change workspaces: two could make a loop of parents together."""
    _take(connection, _WORKSPACES)


def lock_access(connection: Connection) -> None:
    """Let one transaction at a time change who may do what: two could each remove the last admin but one."""
    _take(connection, _ACCESS)


def _take(connection: Connection, number: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"number": number})
