"""Secrets in memory: for a while, fetched once however many ask, dropped when a system refuses them."""

import copy
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import RLock
from typing import Final, NamedTuple

from typecase.blocks.errors import (
    AuthenticationFailed,
    ReferenceCycle,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    TypecaseError,
)
from typecase.blocks.kinds.secret_store import SecretValue

#: Secrets that a process keeps at most, and their bytes; the one used longest ago goes first.
LIMIT: Final = 4096
MOST_BYTES: Final = 64 * 1024 * 1024
#: Seconds in which a store that did not answer is not asked again while an old value may be used.
RESPITE: Final = 5.0

_ANSWERS: Final = (AuthenticationFailed, SecretExpired, SecretForbidden, SecretMalformed, SecretNotFound)


class Age(NamedTuple):
    """How long a value is used, in seconds: as it is, and further while the store does not answer."""

    fresh: float
    stale: float = 0.0


class _Entry:
    __slots__ = ("fetched", "retry", "value")

    def __init__(self, value: SecretValue, fetched: float) -> None:
        self.value = value
        self.fetched = fetched
        self.retry = fetched


class _Fetch(Future["SecretValue | None"]):
    """One call of a store under way; None = it was given up, and somebody else asks. `needs` are those it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.needs: list[_Fetch] = []

    def waits_for(self, others: "tuple[_Fetch, ...]") -> bool:
        return self in others or any(needed.waits_for(others) for needed in self.needs)


#: The calls that this thread or task makes, and those of whoever waits for it.
_leading: ContextVar[tuple[_Fetch, ...]] = ContextVar("typecase_led_fetches", default=())


class SecretCache:
    """Values by key. Nothing of it leaves memory; a forked child begins with none.

    `clock` counts seconds, `now` tells the time that leases end by.
    """

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limit = limit
        self._most_bytes = most_bytes
        self._clock = clock
        self._now = now
        self.renew()

    def __repr__(self) -> str:
        return f"<SecretCache, {len(self._entries)} kept>"

    def get(self, key: Hashable, fetch: Callable[[], SecretValue], age: Age) -> SecretValue:
        """Return the value under `key`, from memory or from `fetch`, which one caller runs while others wait for it.

        What `fetch` raises is raised to all who wait, and remembered for nobody. With an old value at hand that is not
        older than `age` allows, `SecretStoreUnreachable` gives that value instead.
        """
        mine = _leading.get()
        while True:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None and self._is_usable(entry, age):
                    self._entries.move_to_end(key)
                    return entry.value
                under_way = self._under_way.get(key)
                leads = under_way is None
                if under_way is None:
                    under_way = self._under_way[key] = _Fetch()
                elif under_way.waits_for(mine):
                    # It would wait for itself, perhaps by way of other threads.
                    raise ReferenceCycle("The store needs this very secret to fetch it.", hint="Give it another one.")
                else:
                    for waiting in mine:
                        waiting.needs.append(under_way)
            if leads:
                return self._lead(key, fetch, age, under_way)
            try:
                value = _follow(under_way)
            finally:
                with self._lock:
                    for waiting in mine:
                        waiting.needs.remove(under_way)
            if value is not None:
                return value

    def drop(self, key: Hashable, value: SecretValue | None = None) -> None:
        """Forget what is under `key`, also what is being fetched; with `value`, only if it is that one."""
        with self._lock:
            entry = self._entries.get(key)
            if value is None:
                self._under_way.pop(key, None)
            if entry is not None and (value is None or entry.value is value):
                self._remove(key)

    def clear(self) -> None:
        """Forget everything, also what is being fetched."""
        with self._lock:
            self._entries.clear()
            self._under_way.clear()
            self._bytes = 0

    def renew(self) -> None:
        """Begin with nothing. For a child that was just forked: whoever held the lock is not there to release it."""
        # Reentrant: a finalizer or a signal handler may ask on the thread that holds it.
        self._lock = RLock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[Hashable, _Fetch] = {}

    def _lead(self, key: Hashable, fetch: Callable[[], SecretValue], age: Age, under_way: _Fetch) -> SecretValue:
        token = _leading.set((*_leading.get(), under_way))
        try:
            begun = self._clock()
            value = self._answer(key, fetch, age, under_way)
            self._keep(key, value, begun, under_way)
            under_way.set_result(value)
        except Exception as error:
            # Where the store has spoken, what it gave before must not come back when it is silent.
            self._finish(key, under_way, forget=isinstance(error, _ANSWERS))
            under_way.set_exception(_without_trace(error))
            raise
        finally:
            _leading.reset(token)
            if not under_way.done():
                # Cancelled or interrupted: no answer. Somebody who waits asks instead.
                self._finish(key, under_way)
                under_way.set_result(None)
        return value

    def _answer(self, key: Hashable, fetch: Callable[[], SecretValue], age: Age, under_way: _Fetch) -> SecretValue:
        try:
            return fetch()
        except SecretStoreUnreachable:
            old = self._old(key, age)
            if old is None:
                raise
            self._finish(key, under_way)
            return old

    def _keep(self, key: Hashable, value: SecretValue, begun: float, under_way: _Fetch) -> None:
        with self._lock:
            # One that was dropped while it was fetched may be the one that was refused.
            if self._under_way.get(key) is under_way:
                self._remove(key)
                self._entries[key] = _Entry(value, begun)
                self._bytes += len(value)
                while len(self._entries) > self._limit or self._bytes > self._most_bytes:
                    self._remove(next(iter(self._entries)))
                del self._under_way[key]

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.value)

    def _old(self, key: Hashable, age: Age) -> SecretValue | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._has_ended(entry) or self._clock() - entry.fetched >= age.fresh + age.stale:
                return None
            entry.retry = self._clock() + RESPITE
            return entry.value

    def _finish(self, key: Hashable, under_way: _Fetch, *, forget: bool = False) -> None:
        with self._lock:
            if self._under_way.get(key) is under_way:
                del self._under_way[key]
                if forget:
                    self._remove(key)

    def _is_usable(self, entry: _Entry, age: Age) -> bool:
        if self._has_ended(entry):
            return False
        elapsed = self._clock() - entry.fetched
        return elapsed < age.fresh or (elapsed < age.fresh + age.stale and self._clock() < entry.retry)

    def _has_ended(self, entry: _Entry) -> bool:
        end = entry.value.expires_at
        return end is not None and end <= self._now()


def _follow(under_way: _Fetch) -> SecretValue | None:
    error = under_way.exception()
    if error is not None:
        # Each caller raises its own: one error shared by threads would collect all their tracebacks.
        raise copy.copy(error) if isinstance(error, TypecaseError) else error
    return under_way.result()


def _without_trace(error: Exception) -> Exception:
    return copy.copy(error) if isinstance(error, TypecaseError) else error


CACHE: Final = SecretCache()
"""The cache of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CACHE.renew)
