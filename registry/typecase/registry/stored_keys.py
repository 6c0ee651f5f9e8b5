"""The data keys in the database: which one a workspace encrypts with, and whether they open."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from typecase.blocks.errors import RegistrySealed, TypecaseError
from typecase.blocks.records import DataKey, KeyStatus
from typecase.registry.envelope import open_sealed, revision_context, seal
from typecase.registry.reading import WrappedKey
from typecase.registry.tables import AnyRow, AnySelect, data_keys, workspaces

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys


def require_open(connection: Connection, keys: "DataKeys") -> None:
    """Raise `RegistrySealed` unless the root key opens what is here: a sealed registry writes nothing."""
    if keys.opened:
        return
    row = connection.execute(_select().order_by(data_keys.c.created_at.desc()).limit(1)).first()
    if row is not None:
        keys.open(WrappedKey(*row))


def seal_payload(
    connection: Connection, keys: "DataKeys", plaintext: bytes, *, workspace_id: str, document_id: str, number: int
) -> dict[str, Any]:
    """Encrypt a revision under its workspace's newest data key; return the two columns. Raises `RegistrySealed`."""
    query = _select().where(data_keys.c.workspace_id == workspace_id, data_keys.c.retired_at.is_(None))
    key = WrappedKey(*connection.execute(query.order_by(data_keys.c.generation.desc()).limit(1)).one())
    payload = seal(
        keys.open(key),
        plaintext,
        key_id=bytes.fromhex(key.id),
        context=revision_context(workspace_id, document_id, number),
    )
    return {"key_id": key.id, "payload": payload}


def open_payload(connection: Connection, keys: "DataKeys", revision: AnyRow, *, workspace_id: str) -> bytes:
    """Decrypt a row of `revisions`. Raises `RegistrySealed`, `DecryptionFailed`."""
    dek = keys.opened.get(revision.key_id)
    if dek is None:
        dek = keys.open(WrappedKey(*connection.execute(_select().where(data_keys.c.id == revision.key_id)).one()))
    context = revision_context(workspace_id, revision.document_id, revision.number)
    return open_sealed(dek, revision.payload, context=context)


def read_status(connection: Connection, keys: "DataKeys") -> KeyStatus:
    """Say what encrypts the registry and whether the root key opens all of its data keys."""
    query = select(data_keys, workspaces.c.name.label("workspace")).join(
        workspaces, workspaces.c.id == data_keys.c.workspace_id
    )
    rows = connection.execute(query.order_by(workspaces.c.name, data_keys.c.generation)).all()
    reason = ""
    keys.forget()  # what is in memory may no longer be what is in place
    try:
        root_key = keys.provider().id
    except TypecaseError as error:
        root_key, reason = "", error.message
    try:
        for row in rows:
            keys.open(WrappedKey(row.id, row.workspace_id, row.generation, row.root_key, row.wrapped))
    except RegistrySealed as error:
        reason = reason or error.message
    stored = tuple(
        DataKey(
            id=row.id,
            workspace=row.workspace,
            generation=row.generation,
            root_key=row.root_key,
            created_at=row.created_at,
        )
        for row in rows
    )
    return KeyStatus(sealed=bool(reason), reason=reason, root_key=root_key, data_keys=stored)


def _select() -> AnySelect:
    return select(
        data_keys.c.id, data_keys.c.workspace_id, data_keys.c.generation, data_keys.c.root_key, data_keys.c.wrapped
    )
