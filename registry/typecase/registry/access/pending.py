"""What waits to be used once: links, sign-ins under way. Kept as keyed hashes of what makes them work."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from typecase.registry.tables import pending


def put_pending(
    connection: Connection, proof: bytes, *, purpose: str, facts: dict[str, Any], now: datetime, expires_at: datetime
) -> None:
    """Keep something for `purpose` until it is taken or has expired."""
    row = {"id": proof.hex(), "purpose": purpose, "facts": facts, "created_at": now, "expires_at": expires_at}
    connection.execute(insert(pending).values(row))


def see_pending(connection: Connection, proof: bytes, *, now: datetime) -> tuple[str, dict[str, Any]] | None:
    """Return purpose and facts of what waits, without taking it."""
    query = select(pending.c.purpose, pending.c.facts).where(pending.c.id == proof.hex(), pending.c.expires_at > now)
    row = connection.execute(query).first()
    return None if row is None else (row.purpose, row.facts)


def take_pending(connection: Connection, proof: bytes, *, purpose: str, now: datetime) -> dict[str, Any] | None:
    """Return the facts of what waits for `purpose`; of those who take it at the same time, one gets it."""
    taken = delete(pending).where(pending.c.id == proof.hex(), pending.c.purpose == purpose, pending.c.expires_at > now)
    facts: dict[str, Any] | None = connection.scalar(taken.returning(pending.c.facts))
    return facts
