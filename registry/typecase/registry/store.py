"""A registry's database: its engine, opened on first use and again after a fork, and transactions on it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from typecase.blocks.errors import MissingPackage
from typecase.registry import sqlite
from typecase.registry.faults import may_succeed_again, unreachable

R = TypeVar("R")

_ATTEMPTS: Final = 8
_POOL_SECONDS: Final = 10


class Company(Protocol):
    """What happens in the same transaction as a change: before it and, with its result, after it."""

    def before(self, connection: Connection) -> None:
        """Run first. Whatever this raises, nothing is written."""

    def after(self, connection: Connection, result: Any) -> None:
        """Run last. Whatever this raises, nothing is written."""


_company: ContextVar[Company | None] = ContextVar("typecase_company", default=None)
_stores: WeakSet["Store"] = WeakSet()


@contextmanager
def accompanied(company: Company) -> Iterator[None]:
    """Let the transaction that changes something inside the `with` block have `company`."""
    token = _company.set(company)
    try:
        yield
    finally:
        _company.reset(token)


class Store(ABC):
    """A database and the transactions on it. `prepare` runs once per process, before the first of them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prepare: Callable[[Engine], None] = lambda _: None
        self._engine: Engine | None = None
        self._prepared = False
        self._lock = Lock()
        _stores.add(self)

    def read(self, work: Callable[[Connection], R]) -> R:
        """Run `work` in a transaction that writes nothing."""
        with self.engine().connect() as connection:
            return work(connection)

    def read_once(self, work: Callable[[Connection], R]) -> R:
        """Run `work`, which is one statement."""
        return self.read(work)

    def write(self, work: Callable[[Connection], R]) -> R:
        """Run `work` in one transaction: all of it happens or nothing. Again, if another transaction was in the way."""
        company = _company.get()
        return write(self.engine(), work if company is None else partial(_accompanied, company, work))

    def engine(self) -> Engine:
        """Return the engine, prepared."""
        engine = self.bare_engine()
        if not self._prepared:
            self.prepare(engine)
            self._prepared = True
        return engine

    def bare_engine(self) -> Engine:
        """Return the engine for a database that may have no tables yet."""
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._create()
        return self._engine

    def close(self) -> None:
        """Close all connections."""
        engine, self._engine, self._prepared = self._engine, None, False
        if engine is not None:
            engine.dispose()

    def abandon(self) -> None:
        """Forget the parent's connections in a forked child, without a word to the database."""
        engine, self._engine, self._prepared, self._lock = self._engine, None, False, Lock()
        if engine is not None:
            engine.dispose(close=False)

    def clean(self) -> None:  # noqa: B027 - a server's files are out of reach
        """Remove what deleted rows left in files beside the database, as far as that is in reach."""

    @abstractmethod
    def _create(self) -> Engine:
        """Create the engine."""


class SqliteStore(Store):
    """A registry in an SQLite file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self._path = path

    def clean(self) -> None:
        """Empty the write-ahead log, unless a reader needs it: then the next checkpoint does."""
        with self.engine().connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA busy_timeout=100")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            driver.execute(f"PRAGMA busy_timeout={sqlite.BUSY_SECONDS * 1000}")

    def _create(self) -> Engine:
        try:
            sqlite.prepare_file(self._path)
        except OSError as error:
            raise unreachable(self.url, error.strerror or type(error).__name__) from None
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            creator=lambda: sqlite.connect(self._path),
            max_overflow=-1,
            hide_parameters=True,
        )
        event.listen(engine, "begin", _begin)
        return engine


class PostgresStore(Store):
    """A registry in a PostgreSQL database."""

    def __init__(self, url: URL, *, statement_seconds: float | None = None, pool: int | None = None) -> None:
        super().__init__(url.render_as_string(hide_password=True))
        self._address = url
        self._sizes: dict[str, Any] = (
            {} if pool is None else {"pool_size": pool, "max_overflow": 0, "pool_timeout": _POOL_SECONDS}
        )
        self._arguments: dict[str, Any] = {"connect_timeout": 10, "application_name": "typecase"}
        if statement_seconds is not None:
            given = url.query.get("options", "")
            limit = f"-c statement_timeout={ceil(statement_seconds * 1000)}"
            self._arguments["options"] = f"{given if isinstance(given, str) else ' '.join(given)} {limit}".strip()

    def read_once(self, work: Callable[[Connection], R]) -> R:
        """Run `work`, which is one statement, in no transaction: nothing but that statement travels."""
        with self.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return work(connection)

    def _create(self) -> Engine:
        try:
            return create_engine(
                self._address.set(drivername="postgresql+psycopg"),
                # Whoever waited for a lock must see what was done meanwhile, whatever the database's default is.
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args=self._arguments,
                **self._sizes,
            )
        except ImportError:
            pass
        raise MissingPackage(
            "A registry on PostgreSQL needs the package psycopg.",
            hint="Run: pip install 'typecase[server]'",
            package="psycopg",
            extra="server",
        )


def write(engine: Engine, work: Callable[[Connection], R], *, synced: bool = True) -> R:
    """Run `work` in one transaction that other writers wait for (SQLite) or that runs again after a clash.

    Without `synced` SQLite does not wait for the disk: the change survives the process, not a power cut.
    """
    for attempt in range(_ATTEMPTS):
        try:
            options = {"typecase_write": True, "typecase_synced": synced}
            with engine.connect().execution_options(**options) as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            if attempt == _ATTEMPTS - 1 or not may_succeed_again(error):
                raise
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _accompanied(company: Company, work: Callable[[Connection], R], connection: Connection) -> R:
    company.before(connection)
    result = work(connection)
    company.after(connection, result)
    return result


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another one wrote in between.
    options = connection.get_execution_options()
    if options.get("typecase_write"):
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA synchronous={'FULL' if options['typecase_synced'] else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("typecase_write") else "BEGIN")


def _abandon_all() -> None:
    for store in list(_stores):
        store.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
