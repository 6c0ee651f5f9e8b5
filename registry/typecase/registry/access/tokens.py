"""Tokens: what programs come with. Kept as keyed hashes; shown once, when they are made."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import Connection, insert, select, update

from typecase.blocks.errors import InvalidAccess, PermissionDenied
from typecase.blocks.names import validate_name
from typecase.blocks.paging import limited, read_cursor, write_cursor
from typecase.blocks.records import Page
from typecase.registry.access.authority import acts_for_self
from typecase.registry.access.callers import Caller, denied
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.codes import Prefix, new_code
from typecase.registry.access.networks import are_inside, parse_networks
from typecase.registry.access.permissions import Permission
from typecase.registry.access.principals import find_principal, seek_principal
from typecase.registry.access.records import NewToken, Token
from typecase.registry.access.refusals import access_not_found, is_id
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.edge import guarded
from typecase.registry.lookup import find_workspace
from typecase.registry.tables import AnyRow, AnySelect, principals, tokens

if TYPE_CHECKING:
    from typecase.registry.store import Store

_SHOWN: Final = 8
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a token is narrowed to. None narrows nothing."""

    permissions: frozenset[Permission] | None = None
    workspaces: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    uses: int | None = None
    expires_at: datetime | None = None


class Tokens:
    """The tokens of a registry's principals."""

    def __init__(self, store: "Store", key: ServerKey, *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._key = key
        self._clock = clock

    @guarded
    def create(self, actor: Caller, principal: str, name: str, *, limits: Limits | None = None) -> NewToken:
        """Make a token: people for themselves, admins for service accounts. It is never broader than its maker."""
        if not (name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
            raise InvalidAccess("A token needs a name.", hint=f"Use 1 to {_LONGEST_NAME} characters in one line.")
        text, token_id = new_code(Prefix.TOKEN), uuid4().hex
        proof = self._key.prove(Pepper.TOKENS, text)

        def work(connection: Connection) -> NewToken:
            now = self._clock()
            narrowed = _narrowed(connection, actor, limits or Limits(), now)
            owner = _find_owner(connection, actor, principal, narrowed)
            row = {
                "id": token_id,
                "principal_id": owner.id,
                "name": name,
                "start": text[:_SHOWN],
                "proof": proof,
                "permissions": _listed(narrowed.permissions),
                "workspaces": _listed(narrowed.workspaces),
                "networks": _listed(narrowed.networks),
                "uses_left": narrowed.uses,
                "created_at": now,
                "created_by": actor.name,
                "expires_at": narrowed.expires_at,
                "last_used_from": "",
            }
            connection.execute(insert(tokens).values(row))
            return NewToken(
                token=_record(connection.execute(_select().where(tokens.c.id == token_id)).one()), text=text
            )

        return self._store.write(work)

    @guarded
    def list(self, principal: str, *, cursor: str | None = None, limit: int = 100) -> Page[Token]:
        """Return the tokens of a principal, revoked ones too. Who reads them is for the caller to decide."""
        limit, after = limited(limit), read_cursor(cursor)

        def work(connection: Connection) -> Page[Token]:
            owner = find_principal(connection, principal)
            query = _select().where(tokens.c.principal_id == owner.id).order_by(tokens.c.id).limit(limit + 1)
            if after is not None:
                query = query.where(tokens.c.id > after)
            rows = connection.execute(query).all()
            items = tuple(map(_record, rows[:limit]))
            return Page(items=items, cursor=write_cursor(items[-1].id) if len(rows) > limit else None)

        return self._store.read(work)

    @guarded
    def revoke(self, actor: Caller, token_id: str) -> Token:
        """End a token: one's own, or one that this admin could have made. Everywhere within a second."""

        def work(connection: Connection) -> Token:
            row = connection.execute(_select().where(tokens.c.id == token_id)).first() if is_id(token_id) else None
            if row is None or not _may_revoke(actor, row):
                actor.require(Permission.ACCESS_WRITE)
                raise access_not_found("token", token_id)
            valid = tokens.c.id == token_id, tokens.c.revoked_at.is_(None)
            connection.execute(update(tokens).where(*valid).values(revoked_at=self._clock()))
            return _record(connection.execute(_select().where(tokens.c.id == token_id)).one())

        return self._store.write(work)


def _find_owner(connection: Connection, actor: Caller, principal: str, limits: Limits) -> AnyRow:
    """Return who the token is for. Raises `PermissionDenied` before it says whether somebody is there."""
    row = seek_principal(connection, principal, lock=True)
    if row is not None and row.disabled_at is None:
        if acts_for_self(actor, row.id) and row.kind == "person":
            return row
        if _governs(actor, limits.workspaces) and (row.kind == "service" or actor.kind == "operator"):
            return row
    if not _governs(actor, limits.workspaces):
        raise denied(actor, Permission.ACCESS_WRITE, None)
    owner = find_principal(connection, principal)
    if owner.disabled_at is not None:
        raise InvalidAccess(f"{principal} is disabled.", hint=f"Run: typecase access services enable {principal}")
    raise PermissionDenied(
        "Nobody makes a token for another person, nor a service account one for itself.",
        hint="People make their own tokens; admins make those of service accounts.",
        permission=str(Permission.ACCESS_WRITE),
        workspace=None,
    )


def _governs(actor: Caller, workspaces: Iterable[str] | None) -> bool:
    """Tell whether `actor` may change access everywhere, or in each of the workspaces."""
    if actor.may(Permission.ACCESS_WRITE):
        return True
    names = list(workspaces or ())
    return bool(names) and all(actor.may(Permission.ACCESS_WRITE, name) for name in names)


def _may_revoke(actor: Caller, row: AnyRow) -> bool:
    # Whoever holds a token may end it, however narrow it is: that is what one does with a leaked one.
    return actor.token == row.id or acts_for_self(actor, row.principal_id) or _governs(actor, row.workspaces)


def _narrowed(connection: Connection, actor: Caller, asked: Limits, now: datetime) -> Limits:
    """Return `asked` within what the maker came with."""
    if asked.expires_at is not None and (asked.expires_at.tzinfo is None or asked.expires_at <= now):
        raise InvalidAccess("A token cannot end in the past.", hint="Give a later time, with its time zone.")
    if asked.uses is not None and asked.uses < 1:
        raise InvalidAccess("A token is for one use at least.", hint="Give a number from 1 on, or none.")
    if asked.permissions == frozenset() or asked.workspaces == frozenset() or asked.networks == ():
        raise InvalidAccess(
            "A token narrowed to nothing is of no use.", hint="Leave the option out, or name something."
        )
    for permission in sorted(asked.permissions or ()):
        if not actor.may_anywhere(permission):
            raise denied(actor, permission, None)
    for name in sorted(asked.workspaces or ()):
        if not any(actor.may_some(permission, name) for permission in Permission):
            raise denied(actor, Permission.WORKSPACES_READ, name)
        find_workspace(connection, validate_name(name, "workspace"))
    ends = [end for end in (asked.expires_at, actor.expires_at if actor.token else None) if end is not None]
    return Limits(
        permissions=actor.permissions if asked.permissions is None else asked.permissions,
        workspaces=actor.workspaces if asked.workspaces is None else asked.workspaces,
        networks=_networks(connection, actor, asked),
        uses=asked.uses,
        expires_at=min(ends, default=None),
    )


def _networks(connection: Connection, actor: Caller, asked: Limits) -> tuple[str, ...] | None:
    networks = None if asked.networks is None else parse_networks(asked.networks)
    if not actor.token:
        return networks
    row = connection.execute(_select().where(tokens.c.id == actor.token)).first()
    if row is None or row.uses_left is not None:
        raise denied(actor, Permission.ACCESS_WRITE, None)
    own = _tuple(row.networks)
    if own is None or networks is None:
        return networks or own
    if not are_inside(networks, own):
        raise InvalidAccess("A token reaches no further than the one that makes it.", hint="Name its networks.")
    return networks


def _listed(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else sorted(str(value) for value in values)


def _tuple(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _select() -> AnySelect:
    return select(tokens, principals.c.name.label("principal")).join(
        principals, principals.c.id == tokens.c.principal_id
    )


def _record(row: AnyRow) -> Token:
    return Token(
        id=row.id,
        principal=row.principal,
        name=row.name,
        start=row.start,
        permissions=_tuple(row.permissions),
        workspaces=_tuple(row.workspaces),
        networks=_tuple(row.networks),
        uses_left=row.uses_left,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        last_used_from=row.last_used_from,
    )
