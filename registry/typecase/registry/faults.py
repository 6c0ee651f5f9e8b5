"""What a database driver raises, as Typecase's errors: no statement, no parameter, no driver frame."""

import sqlite3
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from typecase.blocks.errors import RegistryError, RegistryOutdated, RegistryUnreachable, TypecaseError

_MISSING_TABLES: Final = {"42P01", "42703"}  # PostgreSQL: undefined table, undefined column
_TRY_AGAIN: Final = {"40001", "40P01"}  # PostgreSQL: serialization failure, deadlock
_GONE: Final = {"08", "28", "3D", "53", "57"}  # PostgreSQL: connection, sign-in, database, resources, shutdown
_READ_ONLY: Final = {"25006", "42501"}  # PostgreSQL: read-only transaction, insufficient privilege


def translate(error: Exception, url: str) -> TypecaseError | None:
    """Return the Typecase error for what SQLAlchemy or a driver raised, None for any other error."""
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(driver_error, sqlite3.Error):
        return _translate_sqlite(driver_error, url)
    if isinstance(error, PoolTimeoutError):
        return unreachable(url, "all connections of the pool are in use")
    if isinstance(error, DBAPIError):
        return _translate_postgres(error, url)
    return _refused(url, type(error).__name__) if isinstance(error, SQLAlchemyError) else None


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error from PostgreSQL, empty if it has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def may_succeed_again(error: DBAPIError) -> bool:
    """Tell whether PostgreSQL refused a transaction only because of another one that ran beside it."""
    code = sqlstate(error)
    return code in _TRY_AGAIN or code.startswith("23")


def unreachable(url: str, reason: str) -> RegistryUnreachable:
    """Say that the registry did not answer."""
    return RegistryUnreachable(
        f"The registry at {url} did not answer: {reason}.",
        hint="Check the address and that the database runs; then try again.",
        url=url,
        reason=reason,
    )


def outdated(url: str) -> RegistryOutdated:
    """Say that tables are missing."""
    return RegistryOutdated(
        f"The database at {url} lacks the registry's tables, or they are older than this package.",
        hint="Run `typecase init`.",
        url=url,
    )


def _translate_sqlite(error: sqlite3.Error, url: str) -> TypecaseError:
    text = str(error)
    if text.startswith(("no such table", "no such column")):
        return outdated(url)
    if isinstance(error, sqlite3.IntegrityError):
        return _refused(url, text)
    return unreachable(url, text)


def _translate_postgres(error: DBAPIError, url: str) -> TypecaseError:
    code = sqlstate(error)
    if code in _MISSING_TABLES:
        return outdated(url)
    if code in _READ_ONLY:
        return RegistryError(f"The registry at {url} does not let this user do that.", hint="Ask for write access.")
    if error.connection_invalidated or not code or code[:2] in _GONE:
        return unreachable(url, _first_line(error.orig))
    return _refused(url, code)


def _refused(url: str, reason: str) -> RegistryError:
    return RegistryError(
        f"The registry at {url} refused the statement ({reason}).",
        hint="Run it again; if it persists, report it with this code.",
    )


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
