"""Who may change what about whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, exists, select

from typecase.blocks.errors import LastAdmin
from typecase.registry.access.callers import Caller, Grant, denied
from typecase.registry.access.permissions import PERMISSIONS, SERVER_WIDE, Permission, Role
from typecase.registry.locks import lock_access
from typecase.registry.tables import grants, principals

_SERVER_ADMIN: Final = (
    (grants.c.role == Role.ADMIN)
    & grants.c.workspace_id.is_(None)
    & grants.c.document_id.is_(None)
    & grants.c.tag.is_(None)
)


def operator(name: str) -> Caller:
    """Return who works on the database itself, with its root key at hand: nothing can be kept from them."""
    return Caller(id="", name=name, kind="operator", grants=(Grant(role=Role.ADMIN),))


def acts_for_self(actor: Caller, principal_id: str) -> bool:
    """Tell whether somebody changes what is their own. A narrowed token does not, unless it may change access."""
    free = actor.permissions is None or Permission.ACCESS_WRITE in actor.permissions
    return bool(actor.id) and actor.id == principal_id and free and actor.workspaces is None


def require_self_or_admin(actor: Caller, principal_id: str) -> None:
    """Raise `PermissionDenied` unless `actor` is the principal itself or an admin of the server."""
    if not acts_for_self(actor, principal_id):
        actor.require(Permission.ACCESS_WRITE)


def require_role(actor: Caller, role: Role, workspace: str | None) -> None:
    """Raise `PermissionDenied` unless `actor` may change roles there and holds all that `role` gives."""
    actor.require(Permission.ACCESS_WRITE, workspace)
    given = PERMISSIONS[role] if workspace is None else PERMISSIONS[role] - SERVER_WIDE
    for permission in sorted(given):
        if not actor.may(permission, workspace):
            raise denied(actor, permission, workspace)


def has_admin(connection: Connection) -> bool:
    """Tell whether somebody who is not disabled is an admin of the server."""
    admin = select(grants.c.id).join(principals, principals.c.id == grants.c.principal_id)
    query = admin.where(_SERVER_ADMIN, principals.c.disabled_at.is_(None))
    return bool(connection.scalar(select(exists(query))))


@contextmanager
def keeping_an_admin(connection: Connection) -> Iterator[None]:
    """Let the last admin of the server not go. One transaction at a time is in here. Raises `LastAdmin`."""
    lock_access(connection)
    had = has_admin(connection)
    yield
    if had and not has_admin(connection):
        raise LastAdmin(
            "Nobody would be left who may change who may do what on this server.",
            hint="Make somebody else an admin first: typecase access grant NAME admin --everywhere",
        )
