"""Group commit: of the threads that want something written at the same time, one writes it for all."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Final
from weakref import WeakSet

from typecase.blocks.errors import AuditUnavailable
from typecase.registry.audit.events import AuditEvent

_groups: Final[WeakSet["Group"]] = WeakSet()


@dataclass(slots=True, eq=False)
class _Entry:
    """What one thread wants written, and what came of it: numbers, or why not."""

    events: Sequence[AuditEvent]
    numbers: tuple[int, ...] = ()
    failure: str = "the thread that was writing it ended"
    done: bool = False


class Group:
    """The threads of a process that write. `write` writes events in one transaction and returns their numbers.

    `explain` says in words why `write` failed.
    """

    def __init__(
        self, write: Callable[[Sequence[AuditEvent]], tuple[int, ...]], explain: Callable[[Exception], str]
    ) -> None:
        self._write = write
        self._explain = explain
        self.renew()
        _groups.add(self)

    def renew(self) -> None:
        """Begin anew: in a forked child no thread of its parent goes on."""
        self._changed = Condition()
        self._waiting: list[_Entry] = []
        self._busy = False

    def add(self, events: Sequence[AuditEvent]) -> tuple[int, ...]:
        """Return the numbers of `events` once they are committed. Raises `AuditUnavailable`."""
        entry = _Entry(events)
        batch: list[_Entry] = []
        try:
            self._join(entry, batch)
            if batch:
                self._write_all(batch)
        finally:
            self._leave(entry, batch)
        if entry.failure:
            raise AuditUnavailable(
                f"What happens could not be written down, so it did not happen: {entry.failure}.",
                hint="Try again when the registry's database takes writes.",
                reason=entry.failure,
            )
        return entry.numbers

    def _join(self, entry: _Entry, batch: list[_Entry]) -> None:
        """Wait until `entry` is written, or fill `batch` with all that is waiting: it is this thread's turn then."""
        with self._changed:
            self._waiting.append(entry)
            self._changed.wait_for(lambda: entry.done or not self._busy)
            if not entry.done:
                batch += self._waiting
                self._waiting = []
                self._busy = True

    def _write_all(self, batch: Sequence[_Entry]) -> None:
        try:
            numbers = self._write([event for entry in batch for event in entry.events])
        except Exception as error:  # noqa: BLE001 - each thread raises it as an error of its own
            reason = self._explain(error)
            for entry in batch:
                entry.failure = reason
            return
        start = 0
        for entry in batch:
            entry.numbers, entry.failure = numbers[start : start + len(entry.events)], ""
            start += len(entry.events)

    def _leave(self, entry: _Entry, batch: Sequence[_Entry]) -> None:
        """Wake the others; also when this thread was interrupted anywhere: nobody writes for it any more."""
        with self._changed:
            for finished in batch or [entry]:
                finished.done = True
            self._waiting = [other for other in self._waiting if not other.done]
            if batch:
                self._busy = False
                self._changed.notify_all()


def _renew_all() -> None:
    for group in list(_groups):
        group.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
