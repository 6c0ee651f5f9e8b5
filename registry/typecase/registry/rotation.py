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
from typecase.registry.reading import WrappedKey
from typecase.registry.rotation_batches import Batches, Superseded
from typecase.registry.rotation_events import note
from typecase.registry.rotation_retirement import destroy
from typecase.registry.rotation_rings import Ring, lock_keys, read_rings, wrapped
from typecase.registry.stored_keys import count_uses, require_open, require_root_key
from typecase.registry.tables import data_keys, documents

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

_SHOWN: Final = 5


def plan_rotation(connection: Connection, names: Sequence[str]) -> tuple[Rotation, ...]:
    """Say what a rotation would do."""
    rings, counts = read_rings(connection, names), count_uses(connection)
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

    def run(self, names: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """Rotate the workspaces called `names`, or all; or finish what an earlier run began there.

        With `retire` the earlier keys of a workspace are destroyed in the transaction that finds them empty.
        """
        planned = self._begin(names)
        total = sum(item.revisions for item in planned)
        self._watch(0, total)
        done = tuple(self._finish(item, total) for item in planned)
        self._store.clean()
        return done

    def _begin(self, names: Sequence[str]) -> tuple[Rotation, ...]:
        """Make the new keys of all workspaces at once, unless there are some to go on with."""
        while True:
            plan, rings = self._store.read(
                lambda connection: (plan_rotation(connection, names), read_rings(connection, names))
            )
            if any(item.unfinished for item in plan) or not plan:
                return plan
            self._store.read(self._require_open)
            made = [self._keys.make(ring.newest.workspace_id, generation=ring.newest.generation + 1) for ring in rings]
            self._reached("keys wrapped")
            if self._store.write(lambda connection: self._insert(connection, rings, made, plan)):  # noqa: B023 - called at once
                self._reached("keys committed")
                return plan

    def _require_open(self, connection: Connection) -> None:
        require_open(connection, self._keys)
        require_root_key(connection, self._keys)

    def _insert(
        self, connection: Connection, rings: list[Ring], made: list[WrappedKey], plan: Sequence[Rotation]
    ) -> bool:
        """Insert the new keys, unless another run was faster. Waits for writers: later ones use the new keys."""
        newest = {ring.newest.id for ring in rings}
        lock_keys(connection, [ring.newest for ring in rings])
        now = {ring.newest.id for ring in read_rings(connection, [ring.workspace for ring in rings])}
        if now != newest:
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
        moved = 0
        while True:
            try:
                (ring,) = self._store.read(lambda connection: read_rings(connection, [item.workspace]))
            except WorkspaceNotFound:  # deleted meanwhile, with its keys
                return replace(item, revisions=moved, retired=())
            damaged: set[tuple[str, int]] = set()
            before = moved
            with suppress(Superseded):
                for batches in self._columns(ring):
                    for count in batches.run():
                        moved += count
                        self._done += count
                        self._watch(self._done, max(total, self._done))
                    damaged |= batches.damaged
                if damaged and moved == before:
                    raise self._store.read(lambda connection: _damaged(connection, item.workspace, damaged))  # noqa: B023 - called at once
                # Whoever wrote under an earlier key meanwhile is found now.
                if moved == before and self._settle(ring, moved):
                    self._reached("settled")
                    retired = tuple(key.generation for key in ring.older) if self._retire else ()
                    return replace(item, revisions=moved, to_generation=ring.newest.generation, retired=retired)

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
            counts = count_uses(connection)
            if any(counts[old.id] for old in ring.older):
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


def _damaged(connection: Connection, workspace: str, places: set[tuple[str, int]]) -> DecryptionFailed:
    query = select(documents.c.id, documents.c.name).where(documents.c.id.in_({document for document, _ in places}))
    names = {row.id: row.name for row in connection.execute(query)}
    listed = sorted((names.get(document, document), number) for document, number in places)
    shown = ", ".join(f"{name} (revision {number})" for name, number in listed[:_SHOWN])
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return DecryptionFailed(
        f"Everything else in workspace {workspace!r} is rotated, but this does not open: {shown}{more}.",
        hint="Restore these rows from a backup or delete the documents; then run `typecase keys rotate` again.",
        workspace=workspace,
        documents=tuple(listed),
    )
