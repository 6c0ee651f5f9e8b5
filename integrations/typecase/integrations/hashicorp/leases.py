"""Credentials that Vault makes for this process: renewed while it lives, revoked when it ends."""

import atexit
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, RLock, Thread
from typing import Any, Final

from typecase.blocks.kinds import SecretValue
from typecase.integrations.hashicorp import lease_records
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused
from typecase.integrations.hashicorp.connection import Connection
from typecase.integrations.hashicorp.lease import Lease, revoke, revoke_left_behind

_LOG: Final = logging.getLogger("typecase.hashicorp")
_PATIENCE: Final = 1.0
_FAREWELL: Final = 5.0  # seconds that an absent Vault may hold up the end of a process
_WHOLE: Final = 0.9  # of what was asked for: seconds are rounded on the way


@dataclass(eq=False)
class Leases:
    """The leases of this process. One daemon thread renews them; it starts with the first and ends with the last."""

    clock: Callable[[], float] = time.time
    threaded: bool = True
    _leases: list[Lease] = field(default_factory=list)
    _swept: set[tuple[str, str]] = field(default_factory=set)
    _written: list[lease_records.Record] = field(default_factory=list)
    _thread: Thread | None = None
    _stirred: bool = False
    _registered: bool = False

    def __post_init__(self) -> None:
        """Make the locks."""
        self._changed = Condition(RLock())

    def issue(self, connection: Connection, path: str, make: Callable[[], Lease]) -> SecretValue:
        """Return the credential under `path`: that of this process while it lasts, else a new one."""
        with connection.issuing:
            found = self._current(connection, path)
            if found is not None:
                return found.value()
            lease = make()
            with self._changed:
                self._leases.append(lease)
                self._write_down()
                self._watch()
            return lease.value()

    def step(self) -> float | None:
        """Renew what is due; return the seconds until the next time, None where nothing is left."""
        now = self.clock()
        with self._changed:
            self._leases = [lease for lease in self._leases if now < lease.end]
            held = list(self._leases)
        connections = {lease.connection for lease in held}
        for connection in connections:
            with suppress(NoAnswer, Refused, SignInRefused):
                connection.tokens.current()  # a lease ends with the token that it was made with
        for lease in held:
            if lease.renewable and now >= lease.due:
                self._renew(lease, now)
        with self._changed:
            self._write_down()
            waits = [max(lease.due if lease.renewable else lease.end, now) - now for lease in self._leases]
            rests = [rest for connection in connections if (rest := connection.tokens.rest) is not None]
            return min([*waits, *(max(rest, _PATIENCE) for rest in rests)]) if waits else None

    def release(self, connection: Connection | None = None, prefix: str = "") -> None:
        """Revoke the leases of this process, or those of one connection. Raises what the last failure was."""
        with self._changed:
            chosen = [
                lease
                for lease in self._leases
                if connection is None
                or (lease.connection.principal == connection.principal and lease.path.startswith(prefix))
            ]
        failed: dict[int, Exception] = {}
        for lease in chosen:
            if id(lease.connection) in failed:
                continue  # an absent Vault is not waited for once per lease
            try:
                revoke(lease.connection, lease.record)
            except (NoAnswer, Refused, SignInRefused) as error:
                failed[id(lease.connection)] = error
                continue
            with self._changed:
                self._leases = [other for other in self._leases if other is not lease]
                self._write_down()
                self._stir()
        for failure in failed.values():
            raise failure

    def sweep(self, connection: Connection) -> None:
        """Revoke what processes that died left behind in this Vault, once per process."""
        place = (connection.place.address, connection.place.namespace)
        with self._changed:
            if place in self._swept:
                return
            self._swept.add(place)
        revoke_left_behind(connection)

    def close(self) -> None:
        """Revoke everything; runs when the process ends. What fails stays written down for the next process."""
        for connection in {lease.connection for lease in self._leases}:
            connection.hurry(_FAREWELL)
        try:
            self.release()
        except (NoAnswer, Refused, SignInRefused):
            _LOG.warning("leases could not be revoked; the next process that uses this Vault does it")

    def forget(self) -> None:
        """Start empty, in a child that was just forked: the leases are its parent's."""
        self.__post_init__()
        self._leases, self._swept, self._written, self._thread = [], set(), [], None

    def _current(self, connection: Connection, path: str) -> Lease | None:
        now = self.clock()
        with self._changed:
            for lease in reversed(self._leases):
                if lease.path == path and lease.connection.principal == connection.principal and lease.usable(now):
                    return lease
        return None

    def _renew(self, lease: Lease, now: float) -> None:
        try:
            body = {"lease_id": lease.id, "increment": round(lease.ttl)}
            answer = lease.connection.send("POST", "sys/leases/renew", json=body)
        except Refused as refused:
            if refused.outage:
                lease.due = min(now + max((lease.end - now) / 3, _PATIENCE), lease.end)
            else:
                lease.renewable, lease.due = False, now
            return
        except (NoAnswer, SignInRefused):
            lease.due = min(now + max((lease.end - now) / 3, _PATIENCE), lease.end)
            return
        granted: Any = answer.get("lease_duration")
        seconds = float(granted) if isinstance(granted, int | float) else 0.0
        # Less than was asked for: the longest life is near. It is used up, and the next reader gets another one.
        lease.renewable = seconds >= lease.ttl * _WHOLE
        lease.due, lease.end = now + seconds * 2 / 3, now + seconds

    def _watch(self) -> None:
        if not self._registered:
            self._registered = True
            atexit.register(self.close)
        if self.threaded and (self._thread is None or not self._thread.is_alive()):
            self._thread = Thread(target=self._run, name="typecase-vault-leases", daemon=True)
            self._thread.start()
        self._stir()

    def _stir(self) -> None:
        """Have the thread look again, also where it looks just now and does not wait yet."""
        self._stirred = True
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            wait = self.step()
            with self._changed:
                if wait is None and not self._leases:
                    self._thread = None
                    return
                if not self._stirred:
                    self._changed.wait(wait)
                self._stirred = False

    def _write_down(self) -> None:
        records = [lease.record for lease in self._leases]
        if records == self._written:
            return
        try:
            lease_records.write(records)
            self._written = records
        except OSError as error:
            _LOG.warning("leases cannot be written down for a crash: %s", error.strerror)


LEASES: Final = Leases()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LEASES.forget)
