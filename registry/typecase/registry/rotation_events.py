"""What was done to keys: a row for each step, only ever added."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from typecase.blocks.records import KeyEvent
from typecase.registry.tables import key_events


def note(connection: Connection, action: str, *, actor: str, workspace: str = "", **facts: Any) -> None:
    """Add a row, in the transaction of what it tells of. `facts` are counts, ids and names of keys, never values."""
    connection.execute(
        insert(key_events).values(
            id=uuid4().hex, at=datetime.now(UTC), actor=actor, action=action, workspace=workspace, facts=facts
        )
    )


def read_events(connection: Connection, *, limit: int) -> tuple[KeyEvent, ...]:
    """Return the newest `limit` rows, newest first."""
    rows = connection.execute(select(key_events).order_by(key_events.c.at.desc(), key_events.c.id).limit(limit))
    return tuple(
        KeyEvent(at=row.at, actor=row.actor, action=row.action, workspace=row.workspace, facts=row.facts)
        for row in rows
    )
