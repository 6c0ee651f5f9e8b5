"""Writing revisions: what `save` and `restore` do inside their transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, update

from typecase.blocks import refusals
from typecase.blocks.documents import (
    find_inline,
    find_newer_inline,
    find_references,
    pin_inline,
    replace_references,
    validate_document,
)
from typecase.blocks.errors import InvalidDocument
from typecase.blocks.names import validate_name
from typecase.blocks.records import Draft, Revision
from typecase.blocks.stored import UNSET
from typecase.registry.envelope import new_data_key
from typecase.registry.locks import lock_references
from typecase.registry.lookup import Place, find_chain, find_document, find_revision, seek_document
from typecase.registry.references import refuse_cycle, resolve_references, write_references
from typecase.registry.stored_keys import open_payload, seal_payload
from typecase.registry.tables import AnyRow, document_tags, documents, revisions

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.types import SqlTypes


@dataclass(frozen=True, slots=True)
class Saving:
    """One transaction that writes a revision."""

    connection: Connection
    keys: "DataKeys"
    types: "SqlTypes"

    def save(self, draft: Draft) -> Revision:
        """Write `draft`; see `Documents.save`."""
        validate_name(draft.name, "document")
        if any(find_references(draft.data)):
            lock_references(self.connection)
        chain = find_chain(self.connection, draft.workspace)
        current = seek_document(self.connection, draft.name, chain[:1], lock=True)
        actual, slug = (0, "") if current is None else (current.revision, current.type_slug)
        refusals.check_expectation(draft, actual, slug)
        schema_of = partial(self.types.schema, self.connection)
        if current is not None:
            self._refuse_older(draft, find_revision(self.connection, current, None), chain[0])
        data = pin_inline(draft.data, schema_of)
        validate_document(data, schema_of(draft.type_slug, draft.schema_version).schema, schema_of=schema_of)
        return self._write(draft, data, current=current, chain=chain)

    def restore(
        self, name: str, *, workspace: str, revision: int, expected_revision: int | None, author: str
    ) -> Revision:
        """Write an earlier revision again; see `Documents.restore`."""
        lock_references(self.connection)
        chain = find_chain(self.connection, workspace)
        current = find_document(self.connection, name, chain[:1], lock=True)
        earlier = find_revision(self.connection, current, revision)
        draft = Draft(
            name=name,
            workspace=chain[0].name,
            type_slug=earlier.type_slug,
            schema_version=earlier.schema_version,
            data=json.loads(open_payload(self.connection, self.keys, earlier, workspace_id=chain[0].id)),
            overwrite=True,
            expected_revision=expected_revision,
            author=author,
            former_slugs=(current.type_slug,),
        )
        refusals.check_expectation(draft, current.revision, current.type_slug)
        schema_of = partial(self.types.schema, self.connection)
        validate_document(draft.data, schema_of(draft.type_slug, draft.schema_version).schema, schema_of=schema_of)
        return self._write(draft, draft.data, current=current, chain=chain, restored_from=revision)

    def _refuse_older(self, draft: Draft, newest: AnyRow, place: Place) -> None:
        """Refuse `draft` where the document, or a block inside it, was saved with a newer schema."""
        schema_of = partial(self.types.schema, self.connection)
        refusals.check_version(draft, schema_of(newest.type_slug, newest.schema_version))
        if any(find_inline(draft.data)):
            stored = json.loads(open_payload(self.connection, self.keys, newest, workspace_id=place.id))
            for slug, inline, newer in find_newer_inline(stored, draft.data):
                refusals.check_version(draft, schema_of(slug, newer), inline=inline)

    def _write(
        self,
        draft: Draft,
        data: Mapping[str, Any],
        *,
        current: AnyRow | None,
        chain: list[Place],
        restored_from: int | None = None,
    ) -> Revision:
        connection, place, now = self.connection, chain[0], datetime.now(UTC)
        targets = resolve_references(connection, data, chain)
        document_id: str = uuid4().hex if current is None else current.id
        secret = (None if current is None else current.secret) or new_data_key()
        if current is not None:
            refuse_cycle(connection, document_id, draft.name, targets.values())
        number = 1 if current is None else current.revision + 1
        sealed = seal_payload(
            connection,
            self.keys,
            _encode(data, targets),
            workspace_id=place.id,
            document_id=document_id,
            number=number,
            document_secret=secret,
        )
        _write_document(connection, draft, current, document_id=document_id, place=place, number=number, secret=secret)
        connection.execute(
            insert(revisions).values(
                document_id=document_id,
                number=number,
                type_slug=draft.type_slug,
                schema_version=draft.schema_version,
                author=draft.author,
                restored_from=restored_from,
                created_at=now,
                **sealed,
            )
        )
        write_references(connection, document_id, number, targets)
        return Revision(
            document_id=document_id,
            workspace=place.name,
            name=draft.name,
            number=number,
            type_slug=draft.type_slug,
            schema_version=draft.schema_version,
            author=draft.author,
            restored_from=restored_from,
            created_at=now,
        )


def write_tags(connection: Connection, document_id: str, tags: tuple[str, ...]) -> None:
    """Replace a document's tags."""
    connection.execute(delete(document_tags).where(document_tags.c.document_id == document_id))
    if tags:
        connection.execute(
            insert(document_tags), [{"document_id": document_id, "tag": tag} for tag in dict.fromkeys(tags)]
        )


def _encode(data: Mapping[str, Any], targets: Mapping[str, str]) -> bytes:
    """Return what is encrypted: the document with its references by id."""
    document = replace_references(data, lambda path, _: {"id": targets[path]})
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        pass
    # Raised out here, as a context would carry the document.
    problem = ("", "json", "holds what JSON in UTF-8 cannot express")
    raise InvalidDocument(
        f"The document {problem[2]}.", hint="Use strings, numbers, lists and objects.", problems=(problem,)
    )


def _write_document(
    connection: Connection,
    draft: Draft,
    current: AnyRow | None,
    *,
    document_id: str,
    place: Place,
    number: int,
    secret: bytes,
) -> None:
    now = datetime.now(UTC)
    facts = {"description": draft.description, "owner": draft.owner, "expires_at": draft.expires_at}
    given: dict[str, Any] = {name: value for name, value in facts.items() if value is not UNSET}
    if current is None or current.secret is None:
        given["secret"] = secret
    if current is None:
        connection.execute(
            insert(documents).values(
                {
                    "id": document_id,
                    "workspace_id": place.id,
                    "name": draft.name,
                    "type_slug": draft.type_slug,
                    "revision": number,
                    "description": "",
                    "owner": "",
                    "created_at": now,
                    "updated_at": now,
                    **given,
                }
            )
        )
    else:
        connection.execute(
            update(documents)
            .where(documents.c.id == document_id)
            .values(type_slug=draft.type_slug, revision=number, updated_at=now, **given)
        )
    if draft.tags is not UNSET:
        write_tags(connection, document_id, draft.tags)
