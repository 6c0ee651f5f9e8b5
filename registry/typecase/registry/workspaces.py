"""Workspaces: isolated sets of documents, each with data keys of its own."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, select, update

from typecase.blocks import refusals
from typecase.blocks.names import validate_name
from typecase.blocks.records import Workspace
from typecase.blocks.registry import Workspaces
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.edge import guarded
from typecase.registry.installation import DEFAULT_WORKSPACE, add_workspace
from typecase.registry.locks import lock_workspaces
from typecase.registry.lookup import find_chain, find_workspace
from typecase.registry.stored_keys import require_open
from typecase.registry.tables import AnyRow, AnySelect, data_keys, documents, grants, workspaces

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

_parents = workspaces.alias("parents")


class SqlWorkspaces(Workspaces):
    """The workspaces of a SQL registry."""

    def __init__(self, store: "Store", keys: "DataKeys") -> None:
        self._store = store
        self._keys = keys

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    @guarded
    def create(self, name: str, *, parent: str | None = None, description: str = "") -> Workspace:
        """Make a workspace with a data key of its own."""
        validate_name(name, "workspace")

        def work(connection: Connection) -> Workspace:
            require_open(connection, self._keys)
            lock_workspaces(connection)
            if connection.scalar(select(workspaces.c.id).where(workspaces.c.name == name)) is not None:
                raise refusals.workspace_exists(name)
            parent_id = None if parent is None else find_workspace(connection, parent).id
            add_workspace(connection, self._keys, name=name, parent_id=parent_id, description=description)
            return _get(connection, name)

        return self._store.write(work)

    @guarded
    def get(self, name: str) -> Workspace:
        """Return one workspace."""
        return self._store.read(lambda connection: _get(connection, name))

    @guarded
    def list(self) -> tuple[Workspace, ...]:
        """Return all workspaces by name."""
        query = _select().order_by(workspaces.c.name)
        return self._store.read(lambda connection: tuple(map(_record, connection.execute(query))))

    @guarded
    def update(self, name: str, *, parent: str | Unset | None = UNSET, description: str | Unset = UNSET) -> Workspace:
        """Change parent or description."""

        def work(connection: Connection) -> Workspace:
            require_open(connection, self._keys)
            lock_workspaces(connection)
            changes: dict[str, Any] = {}
            place = find_workspace(connection, name)
            if parent is not UNSET:
                changes["parent_id"] = None if parent is None else _refuse_loop(connection, name, parent)
            if description is not UNSET:
                changes["description"] = description
            if changes:
                connection.execute(update(workspaces).where(workspaces.c.id == place.id).values(changes))
            return _get(connection, name)

        return self._store.write(work)

    @guarded
    def delete(self, name: str) -> None:
        """Remove an empty workspace, its data keys and the roles in it."""

        def work(connection: Connection) -> None:
            require_open(connection, self._keys)
            lock_workspaces(connection)
            place = find_workspace(connection, name)
            _refuse_use(connection, place.id, name)
            connection.execute(delete(data_keys).where(data_keys.c.workspace_id == place.id))
            connection.execute(delete(grants).where(grants.c.workspace_id == place.id))
            connection.execute(delete(workspaces).where(workspaces.c.id == place.id))

        self._store.write(work)


def _select() -> AnySelect:
    return select(workspaces, _parents.c.name.label("parent")).join(
        _parents, _parents.c.id == workspaces.c.parent_id, isouter=True
    )


def _get(connection: Connection, name: str) -> Workspace:
    place = find_workspace(connection, name)
    return _record(connection.execute(_select().where(workspaces.c.id == place.id)).one())


def _record(row: AnyRow) -> Workspace:
    return Workspace(
        id=row.id, name=row.name, parent=row.parent, description=row.description, created_at=row.created_at
    )


def _refuse_loop(connection: Connection, name: str, parent: str) -> str:
    chain = find_chain(connection, parent)
    path = [place.name for place in chain]
    if name in path:
        raise refusals.reference_cycle([name, *path[: path.index(name) + 1]])
    return chain[0].id


def _refuse_use(connection: Connection, workspace_id: str, name: str) -> None:
    children = connection.scalars(select(workspaces.c.name).where(workspaces.c.parent_id == workspace_id)).all()
    held = connection.scalar(select(func.count()).where(documents.c.workspace_id == workspace_id)) or 0
    if children or held or name == DEFAULT_WORKSPACE:
        raise refusals.workspace_in_use(name, documents=held, children=sorted(children))
