"""The data keys in the database: which one a workspace encrypts with, and whether they open."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from typecase.blocks import refusals
from typecase.blocks.errors import RegistrySealed, TypecaseError, WorkspaceNotFound
from typecase.blocks.records import DataKey, KeyStatus
from typecase.registry import tables
from typecase.registry.envelope import open_sealed, revision_context, seal
from typecase.registry.reading import WrappedKey
from typecase.registry.tables import AnyRow, AnySelect, data_keys, documents, revisions, workspaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typecase.registry.data_keys import DataKeys
    from typecase.registry.keys import KeyProvider


def require_open(connection: Connection, keys: "DataKeys") -> None:
    """Raise `RegistrySealed` unless the root key opens what is here: a sealed registry writes nothing."""
    if keys.opened:
        return
    key = find_newest(connection)
    if key is not None:
        keys.open(key)


def current_root_key(connection: Connection, keys: "DataKeys") -> "KeyProvider":
    """Return the root key that a new data key comes under: that of the others, so that whoever opens them opens it.

    The first root key of the settings counts where there is no data key yet. Raises `RegistrySealed`, `KeyUnavailable`.
    """
    key = find_newest(connection)
    return keys.provider() if key is None else keys.root_key_called(key.root_key)


def lock_newest_key(connection: Connection, workspace_id: str) -> WrappedKey:
    """Return the data key that a workspace encrypts with; it is neither replaced nor retired in this transaction.

    Raises `WorkspaceNotFound` when the workspace has just been deleted.
    """
    newest = select_keys().where(data_keys.c.workspace_id == workspace_id, data_keys.c.retired_at.is_(None))
    newest = newest.order_by(data_keys.c.generation.desc()).limit(1)
    while True:
        # Whoever waited for the lock sees the row that was newest before: look again.
        locked = connection.execute(newest.with_for_update(read=True, key_share=True)).first()
        now = connection.execute(newest).first()
        if now is None:
            raise WorkspaceNotFound(
                "The workspace was deleted meanwhile.", hint="`typecase workspaces ls` shows what there is."
            )
        if locked == now:
            return WrappedKey(*now)


def seal_payload(
    connection: Connection,
    keys: "DataKeys",
    plaintext: bytes,
    *,
    workspace_id: str,
    document_id: str,
    number: int,
    document_secret: bytes,
) -> dict[str, Any]:
    """Encrypt a revision under its workspace's newest data key; return the two columns. Raises `RegistrySealed`."""
    key = lock_newest_key(connection, workspace_id)
    payload = seal(
        keys.open(key),
        plaintext,
        key_id=bytes.fromhex(key.id),
        context=revision_context(workspace_id, document_id, number),
        document_secret=document_secret,
    )
    return {"key_id": key.id, "payload": payload}


def open_payload(connection: Connection, keys: "DataKeys", revision: AnyRow, *, workspace_id: str) -> bytes:
    """Decrypt a revision, given by its row. Raises `RegistrySealed`, `DecryptionFailed`."""
    # In one statement: between two, a rotation could move the revision to another key.
    query = (
        select_keys()
        .add_columns(revisions.c.payload, documents.c.secret)
        .join(revisions, revisions.c.key_id == data_keys.c.id)
        .join(documents, documents.c.id == revisions.c.document_id)
        .where(revisions.c.document_id == revision.document_id, revisions.c.number == revision.number)
    )
    row = connection.execute(query).first()
    if row is None:
        raise refusals.document_not_found(revision.document_id, (), ())
    *key, payload, secret = row
    context = revision_context(workspace_id, revision.document_id, revision.number)
    return open_sealed(keys.open(WrappedKey(*key)), payload, context=context, document_secret=secret)


def read_status(connection: Connection, keys: "DataKeys") -> KeyStatus:
    """Say what encrypts the registry and whether the root key opens all of its data keys."""
    rows = read_keys(connection)
    counts = count_uses(connection)
    in_use = [row for row in rows if row.retired_at is None]
    keys = keys.afresh()  # what is in memory may no longer be what is in place
    root_key = reason = ""
    sealed = False
    try:
        root_key = keys.provider().id
    except TypecaseError as error:
        sealed, reason = not in_use, str(error)
    try:
        for row in in_use:
            keys.open(WrappedKey(row.id, row.workspace_id, row.generation, row.root_key, row.wrapped))
    except RegistrySealed as error:
        sealed, reason = True, reason or str(error)
    stored = tuple(data_key_record(row, counts[row.id]) for row in rows)
    return KeyStatus(sealed=sealed, reason=reason, root_key=root_key, data_keys=stored)


def read_keys(connection: Connection, *, of: "Sequence[str]" = ()) -> "Sequence[AnyRow]":
    """Return the data keys of the workspaces called `of`, or of all, with these names, oldest generation first."""
    query = select(data_keys, workspaces.c.name.label("workspace")).join(
        workspaces, workspaces.c.id == data_keys.c.workspace_id
    )
    if of:
        query = query.where(workspaces.c.name.in_(of))
    return connection.execute(query.order_by(workspaces.c.name, data_keys.c.generation)).all()


def count_uses(connection: Connection, *, under: "Sequence[str] | None" = None) -> Counter[str]:
    """Count the ciphertexts under each data key by its id, or under those of `under`: then others cost nothing."""
    counts: Counter[str] = Counter()
    for column in tables.ENCRYPTED_COLUMNS:
        query = select(column.key_id, func.count()).group_by(column.key_id)
        if under is not None:
            query = query.where(column.key_id.in_(under))
        for key_id, count in connection.execute(query):
            counts[key_id] += count
    return counts


def data_key_record(row: AnyRow, uses: int) -> DataKey:
    """Describe a row of `read_keys`."""
    return DataKey(
        id=row.id,
        workspace=row.workspace,
        generation=row.generation,
        root_key=row.root_key,
        created_at=row.created_at,
        settled_at=row.settled_at,
        retired_at=row.retired_at,
        revisions=uses,
    )


def select_keys() -> AnySelect:
    """Return the query for wrapped data keys."""
    return select(
        data_keys.c.id, data_keys.c.workspace_id, data_keys.c.generation, data_keys.c.root_key, data_keys.c.wrapped
    )


def find_newest(connection: Connection) -> WrappedKey | None:
    """Return the data key that was made last: the root key that it is under is that of the registry."""
    query = select_keys().where(data_keys.c.retired_at.is_(None))
    row = connection.execute(
        query.order_by(data_keys.c.created_at.desc(), data_keys.c.generation.desc()).limit(1)
    ).first()
    return None if row is None else WrappedKey(*row)
