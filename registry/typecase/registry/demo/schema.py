"""A schema of the demo's own in somebody's PostgreSQL database."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from typecase.blocks.errors import ConnectionFailed, MissingPackage, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


_TABLES: Final = "select tablename from pg_tables where schemaname = %s order by tablename"


class Schema:
    """A schema by name, and the URL whose connections see nothing else."""

    def __init__(self, server_url: str, name: str) -> None:
        self.name = name
        self._server_url = _libpq(server_url)
        self.url = _scoped(self._server_url, name)

    def __repr__(self) -> str:
        """Leave the URL out: it may hold a password."""
        return f"<Schema {self.name}>"

    def create(self) -> None:
        """Create it. Raises `ConnectionFailed` when the server cannot be reached or refuses."""
        with self._connect() as connection:
            connection.execute(f"create schema {self.name}")

    def drop(self) -> None:
        """Remove it with all that it holds."""
        with self._connect() as connection:
            connection.execute(f"drop schema if exists {self.name} cascade")

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Iterate over its tables: name and all rows, as the bytes that the server sends."""
        with self._connect() as connection:
            for (table,) in connection.execute(_TABLES, (self.name,)).fetchall():
                query = f'copy {self.name}."{table}" to stdout (format binary)'
                with connection.cursor().copy(query) as rows:
                    yield f"table {table}", b"".join(map(bytes, rows))

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        try:
            import psycopg
        except ImportError:
            raise MissingPackage(
                "A demo on PostgreSQL needs the package psycopg.",
                hint="Run: pip install 'typecase[server]'",
                package="psycopg",
                extra="server",
            ) from None
        try:
            with psycopg.connect(self._server_url, autocommit=True, connect_timeout=10) as connection:
                yield connection
        except (psycopg.Error, ValueError) as error:
            reason = type(error).__name__
        else:
            return
        # Raised out here: libpq's own message may repeat the URL.
        message = f"The PostgreSQL server of TYPECASE_DEMO_URL does not serve the demo ({reason})."
        raise ConnectionFailed(message, hint="Check with psql that it is there and that the role may create schemas.")


@contextmanager
def open_schema(server_url: str, *, keep: bool) -> Iterator[Schema]:
    """Create a schema; remove it after the `with` block unless `keep`."""
    schema = Schema(server_url, f"typecase_demo_{secrets.token_hex(4)}")
    schema.create()
    try:
        yield schema
    finally:
        if not keep:
            schema.drop()


def _libpq(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    scheme = scheme.partition("+")[0]
    if scheme not in {"postgres", "postgresql"}:
        raise SettingsError("TYPECASE_DEMO_URL is not the URL of a PostgreSQL database.", hint="Write postgresql://...")
    return f"postgresql{colon}{rest}"


def _scoped(url: str, name: str) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{query.get('options', '')} -csearch_path={name}".strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))
