"""Counters in the database, for the library `limits`: what is counted holds in every process and after a restart."""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from limits.storage import Storage
from sqlalchemy import Connection, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.edge import guarded
from typecase.registry.store import write
from typecase.registry.tables import counters, pending, sessions

if TYPE_CHECKING:
    from typecase.registry.store import Store

_SWEPT: Final = timedelta(minutes=5)


class CounterStorage(Storage):
    """Fixed windows: a window begins with the first thing counted in it."""

    STORAGE_SCHEME = None  # made from a store, not from a URL

    def __init__(self, store: "Store", *, clock: Clock = utc_now) -> None:
        super().__init__()
        self.url = store.url
        self._store = store
        self._clock = clock
        self._swept_at = clock()
        self._lock = Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing is wrapped: errors are Typecase's already."""
        return OSError

    @guarded
    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` more and return the count of the window, which lasts `expiry` seconds if it is new."""
        now = self._clock()
        self._sweep_now_and_then(now)
        return write(self._store.engine(), lambda connection: _count(connection, key, now, expiry, amount))

    @guarded
    def get(self, key: str) -> int:
        """Return the count of the window."""
        query = select(counters.c.count).where(counters.c.key == key, counters.c.expires_at > self._clock())
        return self._store.read_once(lambda connection: connection.scalar(query)) or 0

    @guarded
    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since 1970; now if there is none."""
        now = self._clock()
        query = select(counters.c.expires_at).where(counters.c.key == key, counters.c.expires_at > now)
        found: datetime | None = self._store.read_once(lambda connection: connection.scalar(query))
        return (found or now).timestamp()

    def check(self) -> bool:
        """Tell whether the database answers."""
        self.get("")
        return True

    @guarded
    def clear(self, key: str) -> None:
        """End the window."""
        ended = delete(counters).where(counters.c.key == key)
        write(self._store.engine(), lambda connection: connection.execute(ended))

    @guarded
    def reset(self) -> int | None:
        """End all windows and return how many."""
        return write(self._store.engine(), lambda connection: connection.execute(delete(counters)).rowcount)

    @guarded
    def sweep(self) -> int:
        """Remove what has expired: windows, sessions, links; return how many rows."""
        now = self._clock()
        return write(self._store.engine(), lambda connection: _sweep(connection, now))

    def _sweep_now_and_then(self, now: datetime) -> None:
        with self._lock:
            due = now - self._swept_at >= _SWEPT
            if due:
                self._swept_at = now
        if due:
            self.sweep()


def _count(connection: Connection, key: str, now: datetime, expiry: float, amount: int) -> int:
    # Never shorter than asked: a database may keep whole microseconds only.
    ends = now.astimezone(UTC) + timedelta(seconds=expiry)
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    over = counters.c.expires_at <= now
    statement = insert(counters).values(key=key, count=amount, expires_at=ends)
    counted = statement.on_conflict_do_update(
        index_elements=[counters.c.key],
        set_={
            "count": case((over, amount), else_=counters.c.count + amount),
            "expires_at": case((over, ends), else_=counters.c.expires_at),
        },
    )
    count: int = connection.execute(counted.returning(counters.c.count)).scalar_one()
    return count


def _sweep(connection: Connection, now: datetime) -> int:
    tables = (counters, pending, sessions)
    return sum(connection.execute(delete(table).where(table.c.expires_at <= now)).rowcount for table in tables)
