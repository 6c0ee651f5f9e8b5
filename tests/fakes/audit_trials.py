"""Audit logs that are damaged in every way, and what a verification must say of them; for either database."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from typecase.registry.audit.chain import link
from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.verification import Reason, verify_chain
from typecase.registry.audit.writing import TEXTS, append
from typecase.registry.tables import audit_events as events
from typecase.registry.tables import audit_head as head

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(max_size=30)
FACT = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXT)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
EVENTS = st.lists(
    st.builds(
        AuditEvent,
        action=TEXT,
        outcome=st.sampled_from(["done", "denied", "failed"]),
        principal=TEXT,
        workspace=TEXT,
        document_id=TEXT,
        document=TEXT,
        at=TIMES,
        facts=st.dictionaries(TEXT, FACT | st.lists(FACT, max_size=3), max_size=4),
    ),
    min_size=1,
    max_size=5,
)


def fill(registry, count):
    """Write `count` events at once."""

    def some(number):
        return AuditEvent(
            action="document.load" if number % 3 else "document.save",
            principal=f"person-{number % 7}",
            workspace="default",
            document_id=f"{number % 50:032x}",
            document=f"doc-{number % 50}",
            at=START + timedelta(seconds=number),
            facts={"flow": "etl", "run": f"run-{number % 20}", "fields": ["host", "password"], "number": number},
        )

    step = 10_000
    some_events = [some(number) for number in range(min(count, 1000))]
    for first in range(0, count, step):
        batch = [some_events[number % len(some_events)] for number in range(first, min(first + step, count))]
        registry._store.write(lambda connection, batch=batch: append(connection, batch))


@dataclass(frozen=True)
class Damage:
    """What somebody did to a log, and what is said of it. `place` is a share of the log, `shift` is added to it."""

    name: str
    work: object
    reason: Reason
    shift: int = 0

    def expected(self, count):
        """What a verification of `count` events says: why, at which event, and how many before it fit."""
        place = count if self.reason is Reason.ANCHOR else count // 2 + self.shift
        return self.reason, place, count if self.reason is Reason.HEAD else place - 1


def _row(connection, number):
    return dict(connection.execute(select(events).where(events.c.number == number)).mappings().one())


def _edit(**values):
    def work(connection, number, _):
        connection.execute(update(events).where(events.c.number == number).values(**values))

    return work


def _edit_and_hash(connection, number, _):
    """As somebody would who knows how hashes are made, and leaves the rest as it is."""
    row = _row(connection, number) | {"principal": "somebody else"}
    digest = link(_row(connection, number - 1)["hash"], number, row["at"], [row[name] for name in TEXTS])
    connection.execute(update(events).where(events.c.number == number).values(principal="somebody else", hash=digest))


def _remove(connection, number, _):
    connection.execute(delete(events).where(events.c.number == number))


def _remove_and_move_up(connection, number, last):
    _remove(connection, number, last)
    connection.execute(update(events).where(events.c.number > number).values(number=events.c.number + last))
    connection.execute(update(events).where(events.c.number > number).values(number=events.c.number - last - 1))


def _swap(connection, number, _):
    first, second = _row(connection, number), _row(connection, number + 1)
    for row, place in ((first, number + 1), (second, number)):
        values = {name: value for name, value in row.items() if name != "number"}
        connection.execute(update(events).where(events.c.number == place).values(**values))


def _slip_in(connection, number, last):
    row = _row(connection, number)
    connection.execute(update(events).where(events.c.number >= number).values(number=events.c.number + 2 * last))
    connection.execute(update(events).where(events.c.number > last).values(number=events.c.number - 2 * last + 1))
    connection.execute(insert(events).values(**row))


def _cut(connection, number, _):
    connection.execute(delete(events).where(events.c.number >= number))


def _cut_with_head(connection, number, last):
    """What only an anchor shows."""
    _cut(connection, number, last)
    digest = _row(connection, number - 1)["hash"]
    connection.execute(update(head).values(number=number - 1, hash=digest))


def _write_anew(connection, number, last):
    """Another log from `number` on; every hash in it is right, and only an anchor shows it."""
    _cut_with_head(connection, number, last)
    append(connection, [AuditEvent(action="nothing to see here", at=START)] * (last - number + 1))


def _head_back(connection, number, _):
    connection.execute(update(head).values(number=number - 1, hash=_row(connection, number - 1)["hash"]))


def _unreadable_time(connection, number, _):
    if connection.dialect.name == "sqlite":
        connection.execute(text("update audit_events set at = 'whenever' where number = :n"), {"n": number})
    else:
        _edit(at=START)(connection, number, _)


DAMAGES = [
    Damage("an edited name", _edit(principal="somebody else"), Reason.CHANGED),
    Damage("an edited outcome", _edit(outcome="denied"), Reason.CHANGED),
    Damage("an edited fact", _edit(facts='{"flow":"etl"}'), Reason.CHANGED),
    Damage("an edited time", _edit(at=START - timedelta(microseconds=1)), Reason.CHANGED),
    Damage("an unreadable time", _unreadable_time, Reason.CHANGED),
    Damage("an edited hash", _edit(hash=b"x" * 32), Reason.CHANGED),
    Damage("an edited event with a hash that fits", _edit_and_hash, Reason.CHANGED, 1),
    Damage("a deleted event", _remove, Reason.MISSING),
    Damage("a deleted event whose followers moved up", _remove_and_move_up, Reason.CHANGED),
    Damage("two events that changed places", _swap, Reason.CHANGED),
    Damage("an event slipped in", _slip_in, Reason.CHANGED, 1),
    Damage("a cut tail", _cut, Reason.CUT),
    Damage("a cut tail and a head that fits", _cut_with_head, Reason.CUT),
    Damage("a log written anew", _write_anew, Reason.ANCHOR),
    Damage("a head set back", _head_back, Reason.HEAD),
]


def found_after(damage, registry, count):
    """Damage the middle of a log of `count` events, return what a verification says, and undo it all."""
    anchor = registry.audit.anchor()
    with registry._store.engine().connect() as connection:
        damage.work(connection, count // 2, count)
        found = verify_chain(connection, anchor=anchor, watch=None)
        connection.rollback()
    return found.fault.reason, found.fault.number, found.sound


class Call(threading.Thread):
    """Calls a function in a thread of its own."""

    def __init__(self, function):
        super().__init__()
        self.function, self.returned, self.error = function, None, None
        self.start()

    def run(self):
        try:
            self.returned = self.function()
        except BaseException as error:
            self.error = error

    def result(self):
        """What it returned, or raises what it raised."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.returned
