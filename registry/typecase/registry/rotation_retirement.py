"""Retirement: a data key that nothing needs any more is destroyed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from typecase.blocks.errors import KeyInUse
from typecase.blocks.records import DataKey
from typecase.registry.rotation_events import note
from typecase.registry.rotation_rings import Ring, lock_keys, read_rings
from typecase.registry.stored_keys import count_uses, data_key_record, read_keys, require_open
from typecase.registry.tables import AnyRow, data_keys

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store


def retire_keys(
    store: "Store",
    keys: "DataKeys",
    names: Sequence[str],
    *,
    actor: str,
    reached: Callable[[str], None] = lambda _: None,
) -> tuple[DataKey, ...]:
    """Destroy every key of these workspaces, or of all, but the newest. Raises `KeyInUse`; then all of them stay."""

    def work(connection: Connection) -> tuple[DataKey, ...]:
        require_open(connection, keys)
        rings = read_rings(connection, names)
        lock_keys(connection, [row for ring in rings for row in ring.older])
        _refuse_use(connection, rings)
        retired = destroy(connection, rings, actor=actor)
        reached("retired in transaction")
        return retired

    retired = store.write(work)
    reached("retired")
    for key in retired:
        keys.opened.pop(key.id, None)
    store.clean()
    reached("cleaned")
    return retired


def destroy(connection: Connection, rings: Sequence[Ring], *, actor: str) -> tuple[DataKey, ...]:
    """Destroy every key but the newest of each ring. Nothing is under them, and the caller has locked them."""
    older = [row.id for ring in rings for row in ring.older]
    # Another run may have been faster while this one waited for the lock.
    chosen = data_keys.c.id.in_(older), data_keys.c.retired_at.is_(None)
    doomed = set(connection.scalars(select(data_keys.c.id).where(*chosen)))
    gone = {"retired_at": datetime.now(UTC), "wrapped": b""}
    connection.execute(update(data_keys).where(data_keys.c.id.in_(doomed)).values(gone))
    retired = [row for row in read_keys(connection, of=[ring.workspace for ring in rings]) if row.id in doomed]
    for row in retired:
        facts = {"key": row.id, "generation": row.generation}
        note(connection, "key retired", actor=actor, workspace=row.workspace, **facts)
    return tuple(data_key_record(row, 0) for row in retired)


def _refuse_use(connection: Connection, rings: list[Ring]) -> None:
    counts = count_uses(connection)
    used: list[tuple[str, AnyRow]] = [(ring.workspace, row) for ring in rings for row in ring.older if counts[row.id]]
    if not used:
        return
    workspace, row = used[0]
    count = counts[row.id]
    raise KeyInUse(
        f"Generation {row.generation} of workspace {workspace!r} is in use: {count} "
        f"{'revision is' if count == 1 else 'revisions are'} encrypted under it.",
        hint="Run `typecase keys rotate` first. Nothing was retired.",
        key=row.id,
        workspace=workspace,
        revisions=count,
    )
