"""Who uses what: one row for each document, principal and flow, written with the event of a load."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, delete, func, insert, or_, select, tuple_, update

from typecase.blocks.errors import InvalidCursor
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Page
from typecase.registry.audit.events import LONGEST, AuditEvent
from typecase.registry.lookup import find_workspace
from typecase.registry.tables import audit_head, documents, usage

#: The action whose events count as use.
LOAD: Final = "document.load"
#: So many rows a document has at most; the one that was used longest ago makes room.
MOST_USES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a principal uses a document, from one flow or from none. `run` is the last one."""

    principal: str
    flow: str
    run: str
    first_at: datetime
    last_at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentUse:
    """A document, when it expires, and when it was last loaded; None = never."""

    document_id: str
    workspace: str
    name: str
    owner: str
    expires_at: datetime | None
    last_at: datetime | None


# Built once: building a statement takes longer than running it.
_USED_AGAIN: Final = (
    update(usage)
    .where(
        usage.c.document_id == bindparam("of_document"),
        usage.c.principal == bindparam("of_principal"),
        usage.c.flow == bindparam("of_flow"),
    )
    .values(
        run=bindparam("new_run"),
        last_at=bindparam("new_last_at"),
        count=usage.c["count"] + bindparam("more", type_=Integer),
    )
)


def note_uses(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Count the loads among events that were appended just now. The lock on the chain keeps others out."""
    loads = [event for event in events if event.action == LOAD and event.outcome == "done"]
    by_key: dict[tuple[str, str, str], list[AuditEvent]] = {}
    for event in loads:
        by_key.setdefault((event.document_id, event.principal, _flow_fact(event, "flow")), []).append(event)
    for key, same in by_key.items():
        _note(connection, key, same)


def list_uses(connection: Connection, document_id: str, *, cursor: str | None, limit: int) -> Page[Use]:
    """Return who uses a document, the last one first."""
    limit, after = limited(limit), read_cursor(cursor)
    key = tuple_(usage.c.last_at, usage.c.principal, usage.c.flow)
    query = select(usage).where(usage.c.document_id == document_id)
    if after is not None:
        query = query.where(key < _read_place(after))
    order = (usage.c.last_at.desc(), usage.c.principal.desc(), usage.c.flow.desc())
    rows = connection.execute(query.order_by(*order).limit(limit + 1)).mappings().all()
    items = tuple(Use(**{name: row[name] for name in Use.__slots__}) for row in rows[:limit])
    return Page(items=items, cursor=write_cursor(_write_place(items[-1])) if len(rows) > limit else None)


def list_unused(
    connection: Connection, workspace: str, *, since: datetime, cursor: str | None, limit: int
) -> Page[DocumentUse]:
    """Return documents by name that are older than `since` and were not loaded after it."""
    return _list_documents(
        connection,
        workspace,
        [documents.c.created_at < since, or_(_LAST.is_(None), since > _LAST)],
        cursor=cursor,
        limit=limit,
    )


def list_expiring(
    connection: Connection, workspace: str, *, before: datetime, cursor: str | None, limit: int
) -> Page[DocumentUse]:
    """Return documents by name that expire before a time, or have expired."""
    return _list_documents(connection, workspace, [documents.c.expires_at < before], cursor=cursor, limit=limit)


def forget_uses(connection: Connection, document_id: str) -> None:
    """Remove what is known about the use of a document that goes away, in this order: chain first, as loads do."""
    connection.execute(select(audit_head.c.id).with_for_update())
    connection.execute(delete(usage).where(usage.c.document_id == document_id))


_LAST: Final = (
    select(func.max(usage.c.last_at))
    .where(usage.c.document_id == documents.c.id)
    .correlate(documents)
    .scalar_subquery()
)


def _list_documents(
    connection: Connection, workspace: str, where: Sequence[ColumnElement[bool]], *, cursor: str | None, limit: int
) -> Page[DocumentUse]:
    limit, after = limited(limit), read_cursor(cursor)
    place = find_workspace(connection, workspace)
    query = select(documents, _LAST.label("last_at")).where(documents.c.workspace_id == place.id, *where)
    if after is not None:
        query = query.where(documents.c.name > after)
    rows = connection.execute(query.order_by(documents.c.name).limit(limit + 1)).all()
    items = tuple(
        DocumentUse(
            document_id=row.id,
            workspace=place.name,
            name=row.name,
            owner=row.owner,
            expires_at=row.expires_at,
            last_at=row.last_at,
        )
        for row in rows[:limit]
    )
    return Page(items=items, cursor=write_cursor(items[-1].name) if len(rows) > limit else None)


def _note(connection: Connection, key: tuple[str, str, str], loads: Sequence[AuditEvent]) -> None:
    document_id, principal, flow = key
    now = {"run": _flow_fact(loads[-1], "run"), "last_at": loads[-1].at}
    mine = {"of_document": document_id, "of_principal": principal, "of_flow": flow}
    changes = {"new_run": now["run"], "new_last_at": now["last_at"], "more": len(loads)}
    if connection.execute(_USED_AGAIN, {**mine, **changes}).rowcount:
        return
    of_document = usage.c.document_id == document_id
    if (connection.scalar(select(func.count()).select_from(usage).where(of_document)) or 0) >= MOST_USES:
        oldest = select(usage.c.principal, usage.c.flow).where(of_document).order_by(usage.c.last_at).limit(1)
        row = connection.execute(oldest).one()
        connection.execute(
            delete(usage).where(of_document, usage.c.principal == row.principal, usage.c.flow == row.flow)
        )
    names = {"document_id": document_id, "principal": principal, "flow": flow}
    connection.execute(insert(usage).values(**names, **now, first_at=loads[0].at, count=len(loads)))


def _flow_fact(event: AuditEvent, name: str) -> str:
    value = event.facts.get(name)
    return value[:LONGEST] if isinstance(value, str) else ""


def _write_place(item: Use) -> str:
    return json.dumps([item.last_at.isoformat(), item.principal, item.flow])


def _read_place(after: str) -> Any:
    try:
        at, principal, flow = json.loads(after)
        return datetime.fromisoformat(at), str(principal), str(flow)
    except (ValueError, TypeError):
        pass
    raise InvalidCursor("This cursor is not one of this list.", hint="Begin again without a cursor.")
