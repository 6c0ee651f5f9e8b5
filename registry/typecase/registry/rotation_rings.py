"""The data keys of a workspace, from the one that rotation empties to the one that it fills."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, select

from typecase.registry.lookup import find_workspace
from typecase.registry.reading import WrappedKey
from typecase.registry.stored_keys import read_keys
from typecase.registry.tables import AnyRow, data_keys


@dataclass(frozen=True)
class Ring:
    """The data keys of one workspace that are not retired, oldest first."""

    workspace: str
    keys: tuple[AnyRow, ...]

    @property
    def newest(self) -> AnyRow:
        """The key that new revisions are encrypted under."""
        return self.keys[-1]

    @property
    def older(self) -> tuple[AnyRow, ...]:
        """The keys that rotation empties."""
        return self.keys[:-1]

    @property
    def unfinished(self) -> bool:
        """Whether a rotation to the newest key was begun and not finished."""
        return self.newest.settled_at is None


def read_rings(connection: Connection, names: Sequence[str]) -> list[Ring]:
    """Return the keys of the workspaces called `names`, of all when there are none. Raises `WorkspaceNotFound`."""
    chosen = [find_workspace(connection, name).name for name in names]
    rows = [row for row in read_keys(connection, of=chosen) if row.retired_at is None]
    return [Ring(name, tuple(found)) for name, found in groupby(rows, key=lambda row: str(row.workspace))]


def lock_keys(connection: Connection, rows: Sequence[AnyRow]) -> None:
    """Wait for everybody who writes under these keys, and let nobody begin to, until this transaction ends."""
    locked = select(data_keys.c.id).where(data_keys.c.id.in_([row.id for row in rows])).order_by(data_keys.c.id)
    connection.execute(locked.with_for_update()).all()


def wrapped(row: AnyRow) -> WrappedKey:
    """Return the data key of a row of `read_keys`."""
    return WrappedKey(row.id, row.workspace_id, row.generation, row.root_key, row.wrapped)
