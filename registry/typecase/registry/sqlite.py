"""Connections to an SQLite file: private, durable, safe with many processes and across forks."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import WeakSet

BUSY_SECONDS: Final = 30
#: Pages are read through the system's cache: a load among a million documents costs what it costs among a thousand.
MAPPED_BYTES: Final = 1 << 30


class Connection(sqlite3.Connection):
    """An SQLite connection that closes when nobody holds it any more, and that a forked child leaves alone."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it never opened
            self.close()


_open: WeakSet[Connection] = WeakSet()
_held: list[Connection] = []
_abandoned: list[Connection] = []  # a child that closed its parent's connection would disturb the parent's locks
_lock = Lock()


def prepare_file(path: Path) -> None:
    """Create `path` for its owner alone, and missing folders likewise, whatever the umask is."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
        except FileExistsError:
            continue
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    try:
        path.chmod(0o600)
    finally:
        os.close(descriptor)


def connect(path: Path) -> Connection:
    """Open an existing file in autocommit mode. Raises `sqlite3.OperationalError` when it does not exist."""
    connection: Connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    with _lock:
        _open.add(connection)
    try:
        _enter_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _enter_wal(connection: Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait for this lock itself when two processes meet on a new file.
            if error.sqlite_errorname not in {"SQLITE_BUSY", "SQLITE_LOCKED"} or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _hold() -> None:
    _lock.acquire()
    _held.extend(_open)


def _release() -> None:
    _held.clear()
    _lock.release()


def _abandon() -> None:
    _abandoned.extend(_held)
    _open.clear()
    _release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_abandon)
