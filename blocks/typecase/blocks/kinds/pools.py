"""What a process keeps open for its blocks: engines, clients. Safe across forks."""

import atexit
import os
import weakref
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

R = TypeVar("R")

_POOLS: "weakref.WeakSet[Pool[Any]]" = weakref.WeakSet()


class Pool(Generic[R]):
    """One resource per block value: equal blocks share it, also when they were loaded twice.

    At most `limit` are kept; the one used longest ago is closed first. A forked child keeps none of its parent's:
    `abandon` makes a resource usable there again without touching what the parent still uses.
    """

    def __init__(self, *, close: Callable[[R], None], abandon: Callable[[R], object] = id, limit: int = 32) -> None:
        """Keep nothing yet."""
        self._close = close
        self._abandon = abandon
        self._limit = limit
        self._lock = RLock()
        self._kept: list[tuple[Any, R]] = []
        self._abandoned: list[object] = []
        self._closes_at_exit = False
        _POOLS.add(self)

    def get(self, block: Any, build: Callable[[], R]) -> R:
        """Return the resource of `block`, built on first use."""
        for held, resource in self._kept[-1:]:
            if held is block:
                return resource
        with self._lock:
            found = self._take(block)
            resource = self._build(build) if found is None else found[1]
            self._kept.append((block if found is None else found[0], resource))
            surplus = [self._kept.pop(0) for _ in range(len(self._kept) - self._limit)]
        for _, unused in surplus:
            self._close(unused)
        return resource

    def drop(self, block: Any) -> None:
        """Close the resource of `block`; the next use builds a new one."""
        with self._lock:
            found = self._take(block)
        if found is not None:
            self._close(found[1])

    def close(self) -> None:
        """Close everything that is kept; runs when the process ends."""
        with self._lock:
            kept, self._kept = self._kept, []
        for _, resource in kept:
            self._close(resource)

    def _build(self, build: Callable[[], R]) -> R:
        if not self._closes_at_exit:
            self._closes_at_exit = True
            atexit.register(self.close)
        return build()

    def _take(self, block: Any) -> tuple[Any, R] | None:
        # Over a copy: comparing may collect garbage, and a finalizer may then drop an entry on this very thread.
        for entry in tuple(self._kept):
            held = entry[0]
            if held is block or (type(held) is type(block) and held == block):
                self._kept = [other for other in self._kept if other is not entry]
                return entry
        return None

    def renew(self) -> None:
        """Let go of everything, in a child that was just forked, without closing it."""
        self._lock = RLock()
        # Kept alive: a finalizer in the child could speak on the parent's connections.
        self._abandoned += [self._kept, *(self._abandon(resource) for _, resource in self._kept)]
        self._kept = []


def _renew_all() -> None:
    for pool in list(_POOLS):
        pool.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
