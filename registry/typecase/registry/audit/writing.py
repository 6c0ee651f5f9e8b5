"""Adding to the chain, inside a transaction."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, text, update

from typecase.blocks.errors import RegistryError
from typecase.registry.audit.chain import beginning, link
from typecase.registry.audit.events import AuditEvent, facts_text
from typecase.registry.audit.usage import note_uses
from typecase.registry.dialects import insert_into
from typecase.registry.tables import audit_events, audit_head, registry

#: So long an event waits for whoever is writing another one. On SQLite every writer waits as long for every other.
PATIENCE: Final = "30s"
#: The parts of an event that are hashed after number and time, in this order.
TEXTS: Final = ("principal", "action", "outcome", "workspace", "document_id", "document", "facts")


# Built once: building a statement takes longer than running it.
_LOCK: Final = select(audit_head.c.number, audit_head.c.hash).with_for_update()
_INSERT: Final = insert(audit_events)
_MOVE: Final = (
    update(audit_head)
    .where(audit_head.c.number == bindparam("from_number"))
    .values(number=bindparam("to_number"), hash=bindparam("to_hash"))
)


def append(connection: Connection, events: Sequence[AuditEvent]) -> tuple[int, ...]:
    """Write events in the caller's transaction and return their numbers: they are there if, and only if, it commits.

    Whoever else appends waits until then, so this is the last thing that a transaction does.
    """
    if not events:
        return ()
    start, before = _lock_head(connection)
    rows: list[dict[str, Any]] = []
    for number, event in enumerate(events, start=start + 1):
        row: dict[str, Any] = {name: str(getattr(event, name)) for name in TEXTS[:-1]}
        row["facts"] = facts_text(event.facts)
        before = link(before, number, event.at, row.values())
        rows.append({**row, "number": number, "at": event.at, "hash": before})
    connection.execute(_INSERT, rows)
    moved = connection.execute(_MOVE, {"from_number": start, "to_number": rows[-1]["number"], "to_hash": before})
    if moved.rowcount != 1:
        raise RegistryError("The end of the audit log moved while it was locked.", hint="Run `typecase audit verify`.")
    note_uses(connection, events)
    return tuple(row["number"] for row in rows)


def _lock_head(connection: Connection) -> tuple[int, bytes]:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
    row = connection.execute(_LOCK).first()
    if row is None:
        first = beginning(connection.scalars(select(registry.c.id)).one())
        connection.execute(
            insert_into(connection, audit_head).values(id=1, number=0, hash=first).on_conflict_do_nothing()
        )
        row = connection.execute(_LOCK).one()
    return row.number, row.hash
