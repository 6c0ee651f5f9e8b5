"""The direct registry: a PostgreSQL database that several machines share."""

from typing import Self

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from typecase.blocks.errors import SettingsError
from typecase.blocks.settings import current_settings
from typecase.registry.data_keys import DataKeys
from typecase.registry.installation import check_tables
from typecase.registry.sql import SqlRegistry
from typecase.registry.store import PostgresStore


class DirectRegistry(SqlRegistry):
    """A registry in a PostgreSQL database. `typecase init` makes its tables and its key; nothing else does.

    `key` is the root key's URL, None for the key file of this user. `statement_seconds` is how long one statement may
    take, `pool` how many connections are opened at most; None leaves both to the database and to SQLAlchemy.
    """

    def __init__(
        self, url: str, *, key: str | None = None, statement_seconds: float | None = None, pool: int | None = None
    ) -> None:
        try:
            address = make_url(url)
        except (ArgumentError, ValueError):
            address = None
        if address is None or address.get_backend_name() != "postgresql" or not address.database:
            raise SettingsError(
                "The registry URL is not that of a PostgreSQL database.",
                hint="Write postgresql://user@host:5432/database.",
            )
        password = address.query.get("password")
        if isinstance(password, str):
            # As a parameter it would be shown wherever the URL is.
            address = address.difference_update_query(["password"]).set(password=password)
        super().__init__(PostgresStore(address, statement_seconds=statement_seconds, pool=pool), DataKeys(key))

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open the registry behind `url`, with the root key that the settings name."""
        return cls(url, key=current_settings().key)

    def _prepare(self, engine: Engine) -> None:
        check_tables(engine, self.url)
