"""Rewrapping: another root key for a registry. Data keys stay what they are, so no revision is touched."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select, update

from typecase.blocks.records import Rewrapping
from typecase.registry.access.server_key import SERVER, read_server_keys
from typecase.registry.locks import lock_workspaces
from typecase.registry.reading import WrappedKey
from typecase.registry.rotation_events import note
from typecase.registry.stored_keys import select_keys
from typecase.registry.tables import data_keys, key_events, server_keys

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

_STARTED: Final = "rewrap started"
_FINISHED: Final = "root key changed"


def plan_rewrap(store: "Store", keys: "DataKeys", url: str | None) -> Rewrapping:
    """Say what a rewrap would do. Raises `KeyUnavailable`."""
    url = url or keys.url
    root_key = keys.root_key_at(url).id
    return store.read(lambda connection: _count(connection, root_key, url))


class Rewrap:
    """One run. `reached` is told each step by name: tests end the process there."""

    def __init__(
        self,
        store: "Store",
        keys: "DataKeys",
        *,
        actor: str = "",
        watch: Callable[[int, int], None] | None = None,
        reached: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._actor = actor
        self._watch = watch or (lambda *_: None)
        self._reached = reached

    def run(self, url: str | None = None, *, create: bool = False) -> Rewrapping:
        """Wrap every data key with the root key at `url`, None = the first of the settings."""
        url = url or self._keys.url
        root_key = self._keys.root_key_at(url, create=create).id
        self._reached("root key opened")
        self._keys.put_first(url)
        before = self._store.read(lambda connection: _count(connection, root_key, url))
        done = 0
        self._watch(done, before.rewrapped)
        while not self._store.write(lambda connection: self._is_done(connection, root_key)):
            for key in self._store.read(lambda connection: _others(connection, root_key)):
                done += self._rewrap(key, before if done == 0 else None)
                self._watch(done, max(done, before.rewrapped))
        self._reached("done")
        self._store.clean()
        return Rewrapping(root_key=root_key, url=url, rewrapped=done, already=before.already)

    def _rewrap(self, key: WrappedKey, begins: Rewrapping | None) -> int:
        fresh = self._keys.rewrap(key)
        self._reached("key wrapped")

        def work(connection: Connection) -> int:
            # A key that was retired, or wrapped by another run, since it was read is not found.
            table = server_keys if key.workspace_id == SERVER else data_keys
            same = [table.c.id == key.id, table.c.root_key == key.root_key]
            if table is data_keys:
                same.append(data_keys.c.retired_at.is_(None))
            changed = update(table).where(*same).values(root_key=fresh.root_key, wrapped=fresh.wrapped)
            count = connection.execute(changed).rowcount
            if count and begins is not None:
                note(
                    connection,
                    _STARTED,
                    actor=self._actor,
                    root_key=begins.root_key,
                    data_keys=begins.rewrapped,
                )
            self._reached("key written")
            return count

        count = self._store.write(work)
        self._reached("key committed")
        return count

    def _is_done(self, connection: Connection, root_key: str) -> bool:
        """Tell whether no data key is under another root key, and see to it that none comes under one any more."""
        # A data key made after this transaction comes under the new root key, as all others are.
        lock_workspaces(connection)
        if _others(connection, root_key):
            return False
        # The run that wrapped the last key may have been killed here.
        last = connection.scalar(
            select(key_events.c.action)
            .where(key_events.c.action.in_([_STARTED, _FINISHED]))
            .order_by(key_events.c.at.desc())
            .limit(1)
        )
        if last == _STARTED:
            count = _count(connection, root_key, "").already
            note(connection, _FINISHED, actor=self._actor, root_key=root_key, data_keys=count)
        self._reached("done in transaction")
        return True


def _others(connection: Connection, root_key: str) -> list[WrappedKey]:
    query = select_keys().where(data_keys.c.root_key != root_key, data_keys.c.retired_at.is_(None))
    found = [WrappedKey(*row) for row in connection.execute(query.order_by(data_keys.c.created_at, data_keys.c.id))]
    return found + [key for key in read_server_keys(connection) if key.root_key != root_key]


def _count(connection: Connection, root_key: str, url: str) -> Rewrapping:
    current = select(data_keys.c.root_key).where(data_keys.c.retired_at.is_(None))
    found = [*connection.scalars(current), *(key.root_key for key in read_server_keys(connection))]
    already = sum(item == root_key for item in found)
    return Rewrapping(root_key=root_key, url=url, rewrapped=len(found) - already, already=already)
