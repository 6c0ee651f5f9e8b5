"""Secrets in memory: for a while, fetched once however many ask, dropped when a system refuses them."""

import copy
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from datetime import UTC, datetime
from threading import Lock, get_ident
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

#: Secrets that a process keeps at most; the one used longest ago goes first.
LIMIT: Final = 4096
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
    """One call of a store under way; None = it was given up, and somebody else asks."""

    def __init__(self) -> None:
        super().__init__()
        self.leader = get_ident()


class SecretCache:
    """Values by key. Nothing of it leaves memory; a forked child begins with none.

    `clock` counts seconds, `now` tells the time that leases end by.
    """

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._now = now
        self.clear()

    def __repr__(self) -> str:
        return f"<SecretCache, {len(self._entries)} kept>"

    def get(self, key: Hashable, fetch: Callable[[], SecretValue], age: Age) -> SecretValue:
        """Return the value under `key`, from memory or from `fetch`, which one caller runs while others wait for it.

        What `fetch` raises is raised to all who wait, and remembered for nobody. With an old value at hand that is not
        older than `age` allows, `SecretStoreUnreachable` gives that value instead.
        """
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
                elif under_way.leader == get_ident():
                    # It would wait for itself.
                    raise ReferenceCycle("The store needs this very secret to fetch it.", hint="Give it another one.")
            if leads:
                return self._lead(key, fetch, age, under_way)
            value = _follow(under_way)
            if value is not None:
                return value

    def drop(self, key: Hashable, value: SecretValue | None = None) -> None:
        """Forget what is under `key`, also what is being fetched; with `value`, only if it is that one."""
        with self._lock:
            entry = self._entries.get(key)
            if value is None:
                self._under_way.pop(key, None)
            if entry is not None and (value is None or entry.value is value):
                del self._entries[key]

    def clear(self) -> None:
        """Forget everything."""
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._under_way: dict[Hashable, _Fetch] = {}

    def _lead(self, key: Hashable, fetch: Callable[[], SecretValue], age: Age, under_way: _Fetch) -> SecretValue:
        begun = self._clock()
        try:
            value = fetch()
        except SecretStoreUnreachable as error:
            old = self._old(key, age)
            self._finish(key, under_way)
            if old is None:
                under_way.set_exception(_without_trace(error))
                raise
            value = old
        except Exception as error:
            self._finish(key, under_way)
            if isinstance(error, _ANSWERS):
                # The store has spoken: what it gave before must not come back when it is silent.
                self._remove(key)
            under_way.set_exception(_without_trace(error))
            raise
        except BaseException:
            # Cancelled or interrupted: no answer. Somebody who waits asks instead.
            self._finish(key, under_way)
            under_way.set_result(None)
            raise
        else:
            self._keep(key, value, begun, under_way)
        under_way.set_result(value)
        return value

    def _remove(self, key: Hashable) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def _keep(self, key: Hashable, value: SecretValue, begun: float, under_way: _Fetch) -> None:
        with self._lock:
            # One that was dropped while it was fetched may be the one that was refused.
            if self._under_way.get(key) is under_way:
                self._entries[key] = _Entry(value, begun)
                self._entries.move_to_end(key)
                while len(self._entries) > self._limit:
                    self._entries.popitem(last=False)
                del self._under_way[key]

    def _old(self, key: Hashable, age: Age) -> SecretValue | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._has_ended(entry) or self._clock() - entry.fetched >= age.fresh + age.stale:
                return None
            entry.retry = self._clock() + RESPITE
            return entry.value

    def _finish(self, key: Hashable, under_way: _Fetch) -> None:
        with self._lock:
            if self._under_way.get(key) is under_way:
                del self._under_way[key]

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
    os.register_at_fork(after_in_child=CACHE.clear)
