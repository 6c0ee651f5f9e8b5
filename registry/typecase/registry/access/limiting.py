"""How often may be asked, and how often a sign-in may fail."""

from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Final

from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.strategies import FixedWindowRateLimiter

from typecase.blocks.errors import TooManyRequests
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.counting import CounterStorage
from typecase.registry.access.networks import network_of
from typecase.registry.access.server_key import Pepper, ServerKey

if TYPE_CHECKING:
    from typecase.registry.store import Store

_BY_NAME: Final = parse("10 per 15 minutes")
_BY_NETWORK: Final = parse("100 per 15 minutes")
_KNOWN: Final = parse("1 per 90 days")
_MOST: Final = 10_000


class SignInGuard:
    """Counts sign-ins by name and network, and by network. Never by name alone: that would lock a person out.

    A network that a person has signed in from before keeps a budget of its own: neighbours do not use it up.
    """

    def __init__(self, store: "Store", key: ServerKey, *, clock: Clock = utc_now) -> None:
        self._storage = CounterStorage(store, clock=clock)
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._key = key
        self._clock = clock

    def attempt(self, name: str, address: str) -> None:
        """Count an attempt before the password is looked at, so that many at once do not slip through.

        Raises `TooManyRequests`.
        """
        here, network = self._proof(name, address), self._proof("", address)
        self._hit(_BY_NAME, "name", here)
        if not self._storage.get(_KNOWN.key_for("known", here)):
            self._hit(_BY_NETWORK, "network", network)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name here, and know the network from now on."""
        here, network = self._proof(name, address), self._proof("", address)
        known = _KNOWN.key_for("known", here)
        if not self._storage.get(known):
            # The attempt that succeeded is not held against the network.
            self._storage.incr(_BY_NETWORK.key_for("network", network), _BY_NETWORK.get_expiry(), -1)
        self._storage.clear(known)
        self._storage.incr(known, _KNOWN.get_expiry())
        self._limiter.clear(_BY_NAME, "name", here)

    def _hit(self, item: RateLimitItem, what: str, proof: str) -> None:
        if not self._limiter.hit(item, what, proof):
            ends = self._storage.get_expiry(item.key_for(what, proof))
            raise _too_many("Too many sign-ins failed.", ends - self._clock().timestamp())

    def _proof(self, name: str, address: str) -> str:
        # Hashed: people type their password where the name belongs.
        return self._key.prove(Pepper.COUNTERS, f"{name.casefold()}\n{network_of(address)}").hex()[:40]


@dataclass(slots=True)
class _Share:
    left: int
    ends: float


class RequestLimit:
    """How many requests a minute a token, or an address, may make, in all processes together.

    A process takes a share of what is left and counts in memory until that is used: few requests wait for a write.
    What a process took and did not use is lost, so a limit is kept and perhaps not reached.
    """

    def __init__(self, store: "Store", key: ServerKey, *, per_minute: int, clock: Clock = utc_now) -> None:
        self._storage = CounterStorage(store, clock=clock)
        self._item = RateLimitItemPerMinute(per_minute)
        self._share = max(1, per_minute // 20)
        self._key = key
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._lock = Lock()

    def count(self, who: str) -> None:
        """Count a request of `who`: the id of a token, or an address. Raises `TooManyRequests`."""
        now = self._clock().timestamp()
        with self._lock:
            share = self._shares.get(who)
            if share is not None and now < share.ends and share.left != 0:
                if share.left > 0:
                    share.left -= 1
                    return
                raise _too_many("Too many requests.", share.ends - now)
        self._take(who, now)

    def _take(self, who: str, now: float) -> None:
        key = self._item.key_for(self._key.prove(Pepper.COUNTERS, who).hex()[:40])
        count = self._storage.incr(key, self._item.get_expiry(), self._share)
        granted = self._share - max(0, count - self._item.amount)
        ends = self._storage.get_expiry(key)
        with self._lock:
            if len(self._shares) >= _MOST:
                self._shares.clear()
            # Below zero: nothing is left of this window, and the database need not be asked again.
            self._shares[who] = _Share(left=granted - 1 if granted > 0 else -1, ends=ends)
        if granted <= 0:
            raise _too_many("Too many requests.", ends - now)


def _too_many(message: str, seconds: float) -> TooManyRequests:
    seconds = max(1, ceil(seconds))
    return TooManyRequests(message, hint=f"Try again in {seconds} seconds.", retry_after=float(seconds))
