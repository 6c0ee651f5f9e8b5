"""From what a request carries to who asks."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, Table, null, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from typecase.blocks.errors import SignInRequired
from typecase.registry.access.callers import Caller, Grant
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.codes import Prefix, is_code
from typecase.registry.access.networks import is_inside
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.refusals import session_refused, sign_in_refused, token_refused
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.access.sessions import IDLE, session_id
from typecase.registry.edge import guarded
from typecase.registry.store import write
from typecase.registry.tables import AnyRow, AnySelect, grants, principals, sessions, tokens, workspaces

if TYPE_CHECKING:
    from typecase.registry.store import Store

#: How long this process may go on with what it knows: a revocation holds everywhere after that.
REMEMBERED: Final = timedelta(seconds=1)
#: How often the last use of a token or a session is written.
NOTED: Final = timedelta(minutes=1)

_MOST: Final = 10_000
_ROLES: Final = frozenset(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class _Known:
    read_at: datetime
    caller: Caller
    networks: Sequence[str] | None


class Identities:
    """Who tokens and sessions belong to. Remembers an answer for one second at most."""

    def __init__(self, store: "Store", key: ServerKey, *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._key = key
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._lock = Lock()

    @guarded
    def caller_of_token(self, token: str, address: str) -> Caller:
        """Return who comes with `token` from `address`. Raises `SignInRequired`."""
        if not is_code(Prefix.TOKEN, token):
            raise token_refused()
        proof, now = self._key.prove(Pepper.TOKENS, token), self._clock()
        known = self._remembered(proof, now) or self._read_token(proof, now, address)
        return self._admitted(known, now, address, token_refused)

    @guarded
    def caller_of_session(self, cookie: str, address: str) -> Caller:
        """Return who signed in with the browser that holds `cookie`. Raises `SignInRequired`."""
        if not is_code(Prefix.SESSION, cookie):
            raise session_refused()
        proof, now = self._key.prove(Pepper.SESSIONS, cookie), self._clock()
        known = self._remembered(proof, now) or self._read_session(proof, now, address)
        return self._admitted(known, now, address, session_refused)

    @guarded
    def caller_of(self, principal_id: str, address: str) -> Caller:
        """Return a principal who has just proved who they are, at `address`. Raises `SignInRequired`."""
        query = _select_principal().where(principals.c.id == principal_id)
        rows = self._store.read_once(lambda connection: connection.execute(query).all())
        if not rows or rows[0].disabled_at is not None:
            raise sign_in_refused()
        return replace(_caller(rows), address=address)

    def forget(self) -> None:
        """Ask the database again at the next request."""
        with self._lock:
            self._known.clear()

    def _remembered(self, proof: bytes, now: datetime) -> _Known | None:
        known = self._known.get(proof)
        return known if known is not None and timedelta(0) <= now - known.read_at < REMEMBERED else None

    def _remember(self, proof: bytes, known: _Known) -> None:
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[proof] = known

    def _admitted(self, known: _Known, now: datetime, address: str, refusal: Callable[[], SignInRequired]) -> Caller:
        ended = known.caller.expires_at is not None and known.caller.expires_at <= now
        if ended or (known.networks is not None and not is_inside(address, known.networks)):
            raise refusal()
        return replace(known.caller, address=address)

    def _read_token(self, proof: bytes, now: datetime, address: str) -> _Known:
        rows = self._read(tokens, tokens.c.proof, proof)
        if not rows or rows[0].revoked_at is not None or rows[0].disabled_at is not None:
            raise token_refused()
        row = rows[0]
        caller = replace(
            _caller(rows),
            permissions=None
            if row.permissions is None
            else frozenset(filter(row.permissions.__contains__, Permission)),
            workspaces=None if row.workspaces is None else frozenset(row.workspaces),
            token=row.id,
        )
        known = _Known(now, caller, row.networks)
        self._admitted(known, now, address, token_refused)
        if row.uses_left is not None:
            # Never remembered: each use counts, in whichever process.
            self._use_up(row.id, now, address)
            return known
        if row.last_used_at is None or row.last_used_at <= now - NOTED:
            self._note(lambda connection: _note_token(connection, row.id, now, address))
        self._remember(proof, known)
        return known

    def _read_session(self, proof: bytes, now: datetime, address: str) -> _Known:
        rows = self._read(sessions, sessions.c.id, session_id(proof))
        if not rows or rows[0].disabled_at is not None or rows[0].seen_at <= now - IDLE:
            raise session_refused()
        row = rows[0]
        known = _Known(now, _caller(rows), None)
        self._admitted(known, now, address, session_refused)
        if row.seen_at <= now - NOTED:
            self._note(lambda connection: _note_session(connection, row.id, now, address))
        self._remember(proof, known)
        return known

    def _use_up(self, token_id: str, now: datetime, address: str) -> None:
        left = tokens.c.id == token_id, tokens.c.uses_left > 0, tokens.c.revoked_at.is_(None)
        used = {"uses_left": tokens.c.uses_left - 1, "last_used_at": now, "last_used_from": address}
        # Not part of what the request changes: it counts also if that is refused.
        used_up = update(tokens).where(*left).values(used)
        if not write(self._store.engine(), lambda connection: connection.execute(used_up).rowcount):
            raise token_refused()

    def _note(self, work: Callable[[Connection], None]) -> None:
        # Nobody is refused because a time could not be written.
        with suppress(SQLAlchemyError):
            write(self._store.engine(), work)

    def _read(self, table: Table, column: Column[Any], value: Any) -> Sequence[AnyRow]:
        query = _select(table).where(column == value)
        return self._store.read_once(lambda connection: connection.execute(query).all())


_FACTS: Final = (
    principals.c.name.label("principal"),
    principals.c.kind,
    principals.c.disabled_at,
    grants.c.role,
    grants.c.workspace_id,
    grants.c.document_id,
    grants.c.tag,
    workspaces.c.name.label("workspace"),
)


def _select_principal() -> AnySelect:
    """Select a principal with its roles, as a token or a session of it would."""
    return (
        select(principals.c.id.label("principal_id"), null().label("expires_at"), *_FACTS)
        .join(grants, grants.c.principal_id == principals.c.id, isouter=True)
        .join(workspaces, workspaces.c.id == grants.c.workspace_id, isouter=True)
    )


def _select(table: Table) -> AnySelect:
    """Select a token or a session with its principal, a row for each role: one statement sees all at one moment."""
    return (
        select(table, *_FACTS)
        .join(principals, principals.c.id == table.c.principal_id)
        .join(grants, grants.c.principal_id == principals.c.id, isouter=True)
        .join(workspaces, workspaces.c.id == grants.c.workspace_id, isouter=True)
    )


def _caller(rows: Sequence[AnyRow]) -> Caller:
    row = rows[0]
    found = tuple(grant for grant in map(_grant, rows) if grant is not None)
    return Caller(id=row.principal_id, name=row.principal, kind=row.kind, grants=found, expires_at=row.expires_at)


def _grant(row: AnyRow) -> Grant | None:
    # What is not understood gives nothing: without a workspace a role would hold everywhere.
    if row.role not in _ROLES or (row.workspace_id is not None and row.workspace is None):
        return None
    return Grant(role=Role(row.role), workspace=row.workspace, document_id=row.document_id, tag=row.tag)


def _note_token(connection: Connection, token_id: str, now: datetime, address: str) -> None:
    before = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= now - NOTED)
    noted = update(tokens).where(tokens.c.id == token_id, before)
    connection.execute(noted.values(last_used_at=now, last_used_from=address))


def _note_session(connection: Connection, row_id: str, now: datetime, address: str) -> None:
    noted = update(sessions).where(sessions.c.id == row_id, sessions.c.seen_at <= now - NOTED)
    connection.execute(noted.values(seen_at=now, address=address))
