"""What a process keeps open for its blocks: engines, clients. Safe across forks."""

import atexit
import os
import weakref
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, NamedTuple, TypeVar

from typecase.blocks.secrets.fresh import places_of

R = TypeVar("R")

_POOLS: "weakref.WeakSet[Pool[Any]]" = weakref.WeakSet()


class _Kept(NamedTuple, Generic[R]):
    """What is open for a block whose references lead to `places`."""

    block: Any
    places: frozenset[tuple[str, str]]
    resource: R


class Pool(Generic[R]):
    """One resource per block value: equal blocks share it, also when they were loaded twice.

    A block that refers to secret stores by name has one for each registry and workspace that it is used in.

    At most `limit` are kept; the one used longest ago is closed first. A forked child keeps none of its parent's:
    `abandon` makes a resource usable there again without touching what the parent still uses.
    """

    def __init__(self, *, close: Callable[[R], None], abandon: Callable[[R], object] = id, limit: int = 32) -> None:
        """Keep nothing yet."""
        self._close = close
        self._abandon = abandon
        self._limit = limit
        self._lock = RLock()
        self._kept: list[_Kept[R]] = []
        self._abandoned: list[object] = []
        self._closes_at_exit = False
        _POOLS.add(self)

    def get(self, block: Any, build: Callable[[], R]) -> R:
        """Return the resource of `block`, built on first use."""
        places = places_of(block)
        for kept in self._kept[-1:]:
            if kept.block is block and kept.places == places:
                return kept.resource
        with self._lock:
            found = self._take(block, places) or _Kept(block, places, self._build(build))
            self._kept.append(found)
            surplus = [self._kept.pop(0) for _ in range(len(self._kept) - self._limit)]
        for unused in surplus:
            self._close(unused.resource)
        return found.resource

    def drop(self, block: Any) -> None:
        """Close the resource of `block`; the next use builds a new one."""
        with self._lock:
            found = self._take(block, places_of(block))
        if found is not None:
            self._close(found.resource)

    def close(self) -> None:
        """Close everything that is kept; runs when the process ends."""
        with self._lock:
            kept, self._kept = self._kept, []
        for entry in kept:
            self._close(entry.resource)

    def _build(self, build: Callable[[], R]) -> R:
        if not self._closes_at_exit:
            self._closes_at_exit = True
            atexit.register(self.close)
        return build()

    def _take(self, block: Any, places: frozenset[tuple[str, str]]) -> "_Kept[R] | None":
        # Over a copy: comparing may collect garbage, and a finalizer may then drop an entry on this very thread.
        for entry in tuple(self._kept):
            held = entry.block
            is_equal = held is block or (type(held) is type(block) and held == block)
            if is_equal and entry.places == places:
                self._kept = [other for other in self._kept if other is not entry]
                return entry
        return None

    def renew(self) -> None:
        """Let go of everything, in a child that was just forked, without closing it."""
        self._lock = RLock()
        # Kept alive: a finalizer in the child could speak on the parent's connections.
        self._abandoned += [self._kept, *(self._abandon(entry.resource) for entry in self._kept)]
        self._kept = []


def _renew_all() -> None:
    for pool in list(_POOLS):
        pool.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
