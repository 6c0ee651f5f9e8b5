"""PostgreSQL databases."""

from typecase.integrations.postgres.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
