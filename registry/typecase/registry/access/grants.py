"""Roles: given to principals, and taken away."""

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from typecase.blocks.errors import InvalidAccess
from typecase.registry.access.authority import keeping_an_admin, require_role
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.principals import find_principal
from typecase.registry.access.records import GivenRole
from typecase.registry.access.refusals import access_not_found, is_id
from typecase.registry.edge import guarded
from typecase.registry.locks import lock_access
from typecase.registry.lookup import find_document, find_workspace
from typecase.registry.tables import AnyRow, AnySelect, grants, principals, workspaces

if TYPE_CHECKING:
    from typecase.registry.access.callers import Caller
    from typecase.registry.store import Store

_LONGEST_TAG = 200


class Grants:
    """The roles of a registry's principals. Who reads them is for the caller of these methods to decide."""

    def __init__(self, store: "Store", *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._clock = clock

    @guarded
    def add(
        self,
        actor: "Caller",
        principal: str,
        role: Role,
        *,
        workspace: str | None = None,
        document: str | None = None,
        tag: str | None = None,
    ) -> GivenRole:
        """Give a role in a workspace, None = everywhere; for one `document`, by name, or for a `tag`.

        Nobody gives what they do not hold. A role that is there already is returned as it is.
        """
        require_role(actor, role, workspace)
        _refuse_odd(role, workspace=workspace, document=document, tag=tag)

        def work(connection: Connection) -> GivenRole:
            lock_access(connection)
            owner = find_principal(connection, principal)
            place = None if workspace is None else find_workspace(connection, workspace)
            found = None if place is None or document is None else find_document(connection, document, [place])
            row = {
                "principal_id": owner.id,
                "role": role.value,
                "workspace_id": None if place is None else place.id,
                "document_id": None if found is None else found.id,
                "tag": tag,
            }
            same = _select().where(*(grants.c[name].is_not_distinct_from(value) for name, value in row.items()))
            if connection.execute(same).first() is None:
                about = {"id": uuid4().hex, "created_at": self._clock(), "created_by": actor.name}
                connection.execute(insert(grants).values(row | about))
            return _record(connection.execute(same).one())

        return self._store.write(work)

    @guarded
    def list(self, *, principal: str | None = None, workspace: str | None = None) -> tuple[GivenRole, ...]:
        """Return the roles of a principal, or those in a workspace, or all, by principal and workspace."""

        def work(connection: Connection) -> tuple[GivenRole, ...]:
            query = _select().order_by(principals.c.name, workspaces.c.name, grants.c.role, grants.c.id)
            if principal is not None:
                query = query.where(grants.c.principal_id == find_principal(connection, principal).id)
            if workspace is not None:
                query = query.where(grants.c.workspace_id == find_workspace(connection, workspace).id)
            return tuple(map(_record, connection.execute(query)))

        return self._store.read(work)

    @guarded
    def remove(self, actor: "Caller", grant_id: str) -> GivenRole:
        """Take a role away and return what it was. Raises `AccessNotFound`, `LastAdmin`."""

        def work(connection: Connection) -> GivenRole:
            row = connection.execute(_select().where(grants.c.id == grant_id)).first() if is_id(grant_id) else None
            actor.require(Permission.ACCESS_WRITE, None if row is None else row.workspace)
            if row is None:
                raise access_not_found("role", grant_id)
            with keeping_an_admin(connection):
                connection.execute(delete(grants).where(grants.c.id == grant_id))
            return _record(row)

        return self._store.write(work)


def _refuse_odd(role: Role, *, workspace: str | None, document: str | None, tag: str | None) -> None:
    if document is not None and tag is not None:
        raise InvalidAccess("A role is for a document or for a tag, not for both.", hint="Give two roles.")
    if document is not None and workspace is None:
        raise InvalidAccess("A document is found by its workspace.", hint="Name the workspace too.")
    if role is Role.ADMIN and (document is not None or tag is not None):
        raise InvalidAccess(
            "An admin is one of a workspace or of the server.", hint="Give editor for documents and tags."
        )
    if tag is not None and not (tag.isprintable() and 0 < len(tag) <= _LONGEST_TAG):
        raise InvalidAccess("This is no tag.", hint="Use the tag as `typecase blocks ls` shows it.")


def _select() -> AnySelect:
    return (
        select(grants, principals.c.name.label("principal"), workspaces.c.name.label("workspace"))
        .join(principals, principals.c.id == grants.c.principal_id)
        .join(workspaces, workspaces.c.id == grants.c.workspace_id, isouter=True)
    )


def _record(row: AnyRow) -> GivenRole:
    return GivenRole(
        id=row.id,
        principal=row.principal,
        role=row.role,
        workspace=row.workspace,
        document_id=row.document_id,
        tag=row.tag,
        created_at=row.created_at,
        created_by=row.created_by,
    )
