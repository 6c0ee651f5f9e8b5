"""People and service accounts."""

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from typecase.blocks.errors import InvalidAccess, InvalidName, PrincipalExists
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Page
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.access.authority import keeping_an_admin, require_self_or_admin
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.permissions import Permission
from typecase.registry.access.records import Kind, Principal
from typecase.registry.access.refusals import principal_not_found
from typecase.registry.edge import guarded
from typecase.registry.tables import AnyRow, grants, pending, principals, sessions, tokens

if TYPE_CHECKING:
    from typecase.registry.access.callers import Caller
    from typecase.registry.store import Store

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")
_LONGEST: Final = 200


class Principals:
    """The people and service accounts of a registry. Who reads them is for the caller of these methods to decide."""

    def __init__(self, store: "Store", *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._clock = clock

    @guarded
    def create(self, actor: "Caller", name: str, *, kind: Kind, title: str = "", email: str = "") -> Principal:
        """Make a person or a service account that may do nothing yet."""
        actor.require(Permission.ACCESS_WRITE)

        def work(connection: Connection) -> Principal:
            insert_principal(connection, name, kind=kind, title=title, email=email, now=self._clock())
            return _record(find_principal(connection, name))

        return self._store.write(work)

    @guarded
    def get(self, name: str) -> Principal:
        """Return one. Raises `PrincipalNotFound`."""
        return self._store.read(lambda connection: _record(find_principal(connection, name)))

    @guarded
    def list(self, *, kind: Kind | None = None, cursor: str | None = None, limit: int = 100) -> Page[Principal]:
        """Return them by name."""
        limit, after = limited(limit), read_cursor(cursor)
        query = select(principals).order_by(principals.c.name).limit(limit + 1)
        if kind is not None:
            query = query.where(principals.c.kind == kind)
        if after is not None:
            query = query.where(principals.c.name > after)
        rows = self._store.read(lambda connection: connection.execute(query).all())
        items = tuple(map(_record, rows[:limit]))
        return Page(items=items, cursor=write_cursor(items[-1].name) if len(rows) > limit else None)

    @guarded
    def describe(
        self, actor: "Caller", name: str, *, title: str | Unset = UNSET, email: str | Unset = UNSET
    ) -> Principal:
        """Change title or e-mail: one's own, or anybody's for an admin."""
        given = {"title": title, "email": email}
        changes = {key: _checked(key, value) for key, value in given.items() if not isinstance(value, Unset)}

        def work(connection: Connection) -> Principal:
            row = _find_changeable(connection, actor, name)
            if changes:
                connection.execute(update(principals).where(principals.c.id == row.id).values(changes))
            return _record(find_principal(connection, name))

        return self._store.write(work)

    @guarded
    def disable(self, actor: "Caller", name: str) -> Principal:
        """End all sessions and tokens of a principal, for good, and let it in no more."""
        actor.require(Permission.ACCESS_WRITE)

        def work(connection: Connection) -> Principal:
            row, now = find_principal(connection, name), self._clock()
            with keeping_an_admin(connection):
                fresh = principals.c.id == row.id, principals.c.disabled_at.is_(None)
                connection.execute(update(principals).where(*fresh).values(disabled_at=now))
                _end_sign_ins(connection, row.id)
                valid = tokens.c.principal_id == row.id, tokens.c.revoked_at.is_(None)
                connection.execute(update(tokens).where(*valid).values(revoked_at=now))
            return _record(find_principal(connection, name))

        return self._store.write(work)

    @guarded
    def enable(self, actor: "Caller", name: str) -> Principal:
        """Let a disabled principal in again. It needs new tokens."""
        actor.require(Permission.ACCESS_WRITE)

        def work(connection: Connection) -> Principal:
            row = find_principal(connection, name)
            connection.execute(update(principals).where(principals.c.id == row.id).values(disabled_at=None))
            return _record(find_principal(connection, name))

        return self._store.write(work)

    @guarded
    def delete(self, actor: "Caller", name: str) -> None:
        """Remove a principal with its roles, tokens and sessions."""
        actor.require(Permission.ACCESS_WRITE)

        def work(connection: Connection) -> None:
            row = find_principal(connection, name)
            with keeping_an_admin(connection):
                _end_sign_ins(connection, row.id)
                for table in (tokens, grants):
                    connection.execute(delete(table).where(table.c.principal_id == row.id))
                connection.execute(delete(principals).where(principals.c.id == row.id))

        self._store.write(work)


def find_principal(connection: Connection, name: str) -> AnyRow:
    """Return the row of a principal. Raises `PrincipalNotFound`."""
    row = seek_principal(connection, name)
    if row is None:
        raise principal_not_found(name)
    return row


def seek_principal(connection: Connection, name: str, *, lock: bool = False) -> AnyRow | None:
    """As `find_principal`, None when there is none. `lock`: nobody disables it before this transaction ends."""
    if not is_name(name):
        return None
    query = select(principals).where(principals.c.name == name)
    return connection.execute(query.with_for_update(read=True) if lock else query).first()


def is_name(text: str) -> bool:
    """Tell whether somebody could be called `text`. Not all text can be sent to a database."""
    return _NAME.fullmatch(text) is not None


def insert_principal(connection: Connection, name: str, *, kind: Kind, now: Any, **facts: str | None) -> str:
    """Write a new principal and return its id. Raises `InvalidName`, `InvalidAccess`, `PrincipalExists`."""
    if not is_name(name):
        raise InvalidName(
            "This is not a valid name of a person or a service account.",
            hint="Use 1 to 128 lower-case letters, digits, '.', '_', '@', '+' or '-', a letter or digit first.",
        )
    if connection.scalar(select(principals.c.id).where(principals.c.name == name)) is not None:
        raise PrincipalExists(f"The name {name!r} is taken.", hint="Choose another name.", name=name)
    row: dict[str, Any] = {"id": uuid4().hex, "kind": kind, "name": name, "created_at": now, "title": "", "email": ""}
    for key, value in facts.items():
        row[key] = _checked(key, value or "") if key in {"title", "email"} else value
    connection.execute(insert(principals).values(row))
    principal_id: str = row["id"]
    return principal_id


def password_link_purpose(principal_id: str) -> str:
    """Return the purpose of links that set this principal's password."""
    return f"password:{principal_id}"


def _find_changeable(connection: Connection, actor: "Caller", name: str) -> AnyRow:
    row = seek_principal(connection, name)
    require_self_or_admin(actor, "" if row is None else row.id)
    if row is None:
        raise principal_not_found(name)
    return row


def _end_sign_ins(connection: Connection, principal_id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.principal_id == principal_id))
    connection.execute(delete(pending).where(pending.c.purpose == password_link_purpose(principal_id)))


def _checked(what: str, text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable() or (what == "email" and text and "@" not in text):
        raise InvalidAccess(f"This {what} cannot be kept.", hint=f"Use at most {_LONGEST} characters, in one line.")
    return text


def _record(row: AnyRow) -> Principal:
    return Principal(
        id=row.id,
        kind=row.kind,
        name=row.name,
        title=row.title,
        email=row.email,
        has_password=row.password is not None,
        issuer=row.issuer,
        subject=row.subject,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        last_seen_at=row.last_seen_at,
    )
