"""What SQLite and PostgreSQL both do, and SQLAlchemy asks for in two ways."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: Table) -> Any:
    """Return an INSERT that can say what happens when the row is there: it has `on_conflict_do_nothing`."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
