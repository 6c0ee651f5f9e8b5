"""Rotation: a new data key for each workspace, and every revision encrypted again under it.

All of its state is in the database, so a run that was killed anywhere goes on where it was: the newest key of a
workspace is unsettled (`settled_at` is empty) as long as something may be under an earlier one.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, insert, select, update

from typecase.blocks.errors import DecryptionFailed, WorkspaceNotFound
from typecase.blocks.records import Rotation
from typecase.registry import tables
from typecase.registry.locks import lock_workspaces
from typecase.registry.reading import WrappedKey
from typecase.registry.rotation_batches import Batches, Superseded
from typecase.registry.rotation_events import note
from typecase.registry.rotation_retirement import destroy
from typecase.registry.rotation_rings import Ring, lock_keys, read_rings, wrapped
from typecase.registry.stored_keys import count_uses, current_root_key, find_newest, require_open
from typecase.registry.tables import AnyRow, data_keys, documents, workspaces

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.keys import KeyProvider
    from typecase.registry.store import Store

_SHOWN: Final = 5
_NAMED: Final = 1000


def plan_rotation(connection: Connection, names: Sequence[str]) -> tuple[Rotation, ...]:
    """Say what a rotation would do."""
    return _plan(connection, read_rings(connection, names))


def _plan(connection: Connection, rings: list[Ring]) -> tuple[Rotation, ...]:
    counts = count_uses(connection)
    resumed = [ring for ring in rings if ring.unfinished]
    planned = []
    for ring in resumed or rings:
        newest = ring.newest.generation
        old = ring.older if ring.unfinished else ring.keys
        planned.append(
            Rotation(
                workspace=ring.workspace,
                from_generation=old[-1].generation if old else newest,
                to_generation=newest if ring.unfinished else newest + 1,
                revisions=sum(counts[key.id] for key in old),
                unfinished=ring.unfinished,
                retired=tuple(key.generation for key in old),
            )
        )
    return tuple(planned)


class Rotating:
    """One run. `reached` is told each step by name: tests end the process there."""

    def __init__(
        self,
        store: "Store",
        keys: "DataKeys",
        *,
        retire: bool = False,
        actor: str = "",
        watch: Callable[[int, int], None] | None = None,
        reached: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._retire = retire
        self._actor = actor
        self._watch = watch or (lambda *_: None)
        self._reached = reached
        self._done = 0
        self._damaged: set[tuple[str, int]] = set()

    def run(self, names: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """Rotate the workspaces called `names`, or all; or finish what an earlier run began there.

        With `retire` the earlier keys of a workspace are destroyed in the transaction that finds them empty.
        Raises `DecryptionFailed` for what does not open, once everything else is done.
        """
        planned = self._begin(names)
        total = sum(item.revisions for item in planned)
        self._watch(0, total)
        done = tuple(self._finish(item, total) for item in planned)
        self._store.clean()
        if self._damaged:
            raise self._store.read(self._damage)
        return done

    def _begin(self, names: Sequence[str]) -> tuple[Rotation, ...]:
        """Make the new keys of all workspaces at once, unless there are some to go on with."""
        while True:
            rings = self._store.read(lambda connection: read_rings(connection, names))
            plan = self._store.read(lambda connection: _plan(connection, rings))  # noqa: B023 - called at once
            if any(item.unfinished for item in plan) or not plan:
                return plan
            provider = self._store.read(self._root_key)
            newest = [ring.newest for ring in rings]
            made = [self._keys.make(key.workspace_id, provider, generation=key.generation + 1) for key in newest]
            self._reached("keys wrapped")
            if self._store.write(lambda connection: self._insert(connection, names, newest, made, plan)):  # noqa: B023 - called at once
                self._reached("keys committed")
                return plan

    def _root_key(self, connection: Connection) -> "KeyProvider":
        require_open(connection, self._keys)
        return current_root_key(connection, self._keys)

    def _insert(
        self,
        connection: Connection,
        names: Sequence[str],
        newest: list[AnyRow],
        made: list[WrappedKey],
        plan: Sequence[Rotation],
    ) -> bool:
        """Insert the new keys, unless keys, workspaces or the root key have changed since these were made.

        Waits for writers: later ones use the new keys.
        """
        # Until this transaction ends no rewrap does: it finds the new keys and wraps them too.
        lock_workspaces(connection)
        lock_keys(connection, newest)
        now = {ring.newest.id for ring in read_rings(connection, names)}
        latest = find_newest(connection)
        if now != {key.id for key in newest} or latest is None or latest.root_key != made[0].root_key:
            return False
        created = datetime.now(UTC)
        connection.execute(insert(data_keys), [{**key._asdict(), "created_at": created} for key in made])
        for key, item in zip(made, plan, strict=True):
            facts = {"key": key.id, "generation": key.generation, "revisions": item.revisions}
            note(connection, "rotation started", actor=self._actor, workspace=item.workspace, **facts)
        self._reached("keys written")
        return True

    def _finish(self, item: Rotation, total: int) -> Rotation:
        """Move everything in one workspace to its newest key, whichever that is by now."""
        start = self._done
        with suppress(WorkspaceNotFound):  # deleted meanwhile, with its keys
            while True:
                rings = self._store.read(lambda connection: read_rings(connection, [item.workspace]))
                if not rings:
                    break
                (ring,), before = rings, self._done
                with suppress(Superseded):
                    damaged = self._sweep(ring, total)
                    if self._done > before:
                        continue  # whoever wrote under an earlier key meanwhile is found now
                    if damaged:
                        self._damaged |= damaged
                        break
                    if self._settle(ring, self._done - start):
                        return self._settled(item, ring, self._done - start)
        return replace(item, revisions=self._done - start, retired=())

    def _sweep(self, ring: Ring, total: int) -> set[tuple[str, int]]:
        """Move all that there is now; return what does not open."""
        damaged: set[tuple[str, int]] = set()
        for batches in self._columns(ring):
            for count in batches.run():
                self._done += count
                self._watch(self._done, max(total, self._done))
            damaged |= batches.damaged
        return damaged

    def _settled(self, item: Rotation, ring: Ring, moved: int) -> Rotation:
        self._reached("settled")
        retired = ring.older if self._retire else ()
        for key in retired:
            self._keys.opened.pop(key.id, None)
        generations = tuple(key.generation for key in retired)
        return replace(item, revisions=moved, to_generation=ring.newest.generation, retired=generations)

    def _columns(self, ring: Ring) -> list[Batches]:
        new = wrapped(ring.newest)
        return [
            Batches(self._store, self._keys, column, old=wrapped(old), new=new, reached=self._reached)
            for column in tables.ENCRYPTED_COLUMNS
            for old in ring.older
        ]

    def _settle(self, ring: Ring, moved: int) -> bool:
        """Mark the newest key as the only one in use; False when something came under an earlier one."""

        def work(connection: Connection) -> bool:
            key = ring.newest
            lock_keys(connection, ring.keys)
            if count_uses(connection, under=[key.id for key in ring.older]):
                return False
            now = datetime.now(UTC)
            unsettled = data_keys.c.id == key.id, data_keys.c.settled_at.is_(None)
            if connection.execute(update(data_keys).where(*unsettled).values(settled_at=now)).rowcount:
                facts = {"key": key.id, "generation": key.generation, "revisions": moved}
                note(connection, "rotation finished", actor=self._actor, workspace=ring.workspace, **facts)
            if self._retire:
                destroy(connection, [ring], actor=self._actor)
            self._reached("settled in transaction")
            return True

        return self._store.write(work)

    def _damage(self, connection: Connection) -> DecryptionFailed:
        chosen = sorted(self._damaged)[:_NAMED]
        query = select(documents.c.id, workspaces.c.name, documents.c.name).join(
            workspaces, workspaces.c.id == documents.c.workspace_id
        )
        rows = connection.execute(query.where(documents.c.id.in_({document for document, _ in chosen})))
        names = {document: f"{workspace}/{name}" for document, workspace, name in rows}
        listed = sorted((names.get(document, document), number) for document, number in chosen)
        shown = ", ".join(f"{name} (revision {number})" for name, number in listed[:_SHOWN])
        more = f" and {len(self._damaged) - _SHOWN} more" if len(self._damaged) > _SHOWN else ""
        return DecryptionFailed(
            f"Everything else is rotated, but this does not open: {shown}{more}.",
            hint="Restore these rows from a backup or delete the documents; then run `typecase keys rotate` again.",
            documents=tuple(listed),
        )
