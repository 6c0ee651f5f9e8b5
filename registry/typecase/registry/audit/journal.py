"""The audit log of a registry."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, or_, select

from typecase.blocks.errors import TypecaseError
from typecase.blocks.paging import LONGEST, limited, read_number_cursor, write_cursor
from typecase.blocks.records import Page
from typecase.registry.audit.events import AuditEvent, AuditFilter, ExportFormat
from typecase.registry.audit.export import export_lines
from typecase.registry.audit.grouping import Group
from typecase.registry.audit.usage import DocumentUse, Use, list_expiring, list_unused, list_uses
from typecase.registry.audit.verification import Anchor, Verification, read_anchor, verify_chain
from typecase.registry.audit.writing import append
from typecase.registry.edge import guarded
from typecase.registry.faults import translate
from typecase.registry.store import Store, write
from typecase.registry.tables import AnyRow, AnySelect, audit_events

_ALL: Final = AuditFilter()


class Journal:
    """What happened in a registry. Safe to share between threads; survives a fork."""

    append = staticmethod(append)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._group = Group(self._commit, self._explain)

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    def record(self, events: Sequence[AuditEvent]) -> tuple[int, ...]:
        """Write events in a transaction of their own, with those of other threads; return their numbers.

        Raises `AuditUnavailable`: then what they tell of must not happen.
        """
        return self._group.add(tuple(events)) if events else ()

    @guarded
    def list(self, where: AuditFilter = _ALL, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEvent]:
        """Return events, newest first; `limit` 1 to 1000."""
        limit, after = limited(limit), read_number_cursor(cursor)
        query = _restrict(select(audit_events), where).order_by(audit_events.c.number.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(audit_events.c.number < after)
        rows = self._store.read(lambda connection: connection.execute(query).all())
        items = tuple(_event(row) for row in rows[:limit])
        return Page(items=items, cursor=write_cursor(str(items[-1].number)) if len(rows) > limit else None)

    @guarded
    def usage_of(self, document_id: str, *, cursor: str | None = None, limit: int = 100) -> Page[Use]:
        """Return who loads a document, the last one first."""
        return self._store.read(lambda connection: list_uses(connection, document_id, cursor=cursor, limit=limit))

    @guarded
    def unused(
        self, workspace: str, *, since: datetime, cursor: str | None = None, limit: int = 100
    ) -> Page[DocumentUse]:
        """Return documents by name that are older than `since` and were not loaded after it."""
        return self._store.read(
            lambda connection: list_unused(connection, workspace, since=since, cursor=cursor, limit=limit)
        )

    @guarded
    def expiring(
        self, workspace: str, *, before: datetime, cursor: str | None = None, limit: int = 100
    ) -> Page[DocumentUse]:
        """Return documents by name that expire before a time, or have expired."""
        return self._store.read(
            lambda connection: list_expiring(connection, workspace, before=before, cursor=cursor, limit=limit)
        )

    @guarded
    def anchor(self) -> Anchor:
        """Return where the chain ends: to be kept where nobody who can change the database can change it."""
        return self._store.read(read_anchor)

    @guarded
    def verify(self, anchor: Anchor | None = None, *, watch: Callable[[int, int], None] | None = None) -> Verification:
        """Compare every event with the chain, and the chain with an anchor. Others go on writing meanwhile."""
        with self._store.engine().connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return verify_chain(connection, anchor=anchor, watch=watch)

    @guarded
    def export(self, form: ExportFormat = ExportFormat.JSONL, where: AuditFilter = _ALL) -> Iterator[str]:
        """Return the lines of a file with all events until now, oldest first, and an anchor at its end."""
        end = self.anchor()
        return export_lines(self._rows(where, end.number), end, form)

    def _rows(self, where: AuditFilter, last: int) -> Iterator[RowMapping]:
        """Yield events as they are stored, page by page: a slow reader holds no transaction open."""
        after, more = 0, True
        while more:
            page = self._page(where, after, last)
            yield from page
            more = len(page) == LONGEST
            after = page[-1]["number"] if page else last

    @guarded
    def _page(self, where: AuditFilter, after: int, last: int) -> Sequence[RowMapping]:
        query = _restrict(select(audit_events), where).order_by(audit_events.c.number).limit(LONGEST)
        query = query.where(audit_events.c.number > after, audit_events.c.number <= last)
        return self._store.read(lambda connection: connection.execute(query).mappings().all())

    def _commit(self, events: Sequence[AuditEvent]) -> tuple[int, ...]:
        # Not `Store.write`: whatever accompanies a change of the leading thread has nothing to do with this.
        # On SQLite, waiting for the disk would take longer than all the rest of a load.
        return write(self._store.engine(), lambda connection: append(connection, events), synced=False)

    def _explain(self, error: Exception) -> str:
        found = error if isinstance(error, TypecaseError) else translate(error, self.url)
        return type(error).__name__ if found is None else found.message.rstrip(".")


def _restrict(query: AnySelect, where: AuditFilter) -> AnySelect:
    column = audit_events.c
    for name in ("principal", "action", "outcome"):
        value = getattr(where, name)
        if value is not None:
            query = query.where(column[name] == str(value))
    if where.workspaces is not None:
        query = query.where(column.workspace.in_(where.workspaces))
    if where.document is not None:
        query = query.where(or_(column.document_id == where.document, column.document == where.document))
    if where.since is not None:
        query = query.where(column.at >= where.since)
    return query if where.until is None else query.where(column.at < where.until)


def _event(row: AnyRow) -> AuditEvent:
    texts = {name: getattr(row, name) for name in ("principal", "action", "workspace", "document_id", "document")}
    try:
        return AuditEvent(number=row.number, at=row.at, outcome=row.outcome, facts=json.loads(row.facts), **texts)
    except (ValueError, TypeError, AttributeError):
        # Somebody changed it: whoever looks for what happened still sees the other events, and that this is none.
        return AuditEvent(number=row.number, at=row.at, outcome="failed", facts={"unreadable": row.facts}, **texts)
