"""SQLite databases."""

from typecase.integrations.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
