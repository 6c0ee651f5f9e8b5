"""Saved blocks in a SQL registry: written, shown without secrets, renamed, deleted, compared."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update

from typecase.blocks import refusals
from typecase.blocks.documents import compare_documents, mask_document
from typecase.blocks.documents.masking import Schema
from typecase.blocks.names import validate_name
from typecase.blocks.records import Change, Dependent, Document, DocumentFilter, Draft, Page, Revision
from typecase.blocks.registry import Documents
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.access.callers import Subject
from typecase.registry.audit.usage import forget_uses
from typecase.registry.edge import guarded
from typecase.registry.listing import Visible, document_record, list_documents, list_revisions, read_tags
from typecase.registry.locks import lock_references
from typecase.registry.lookup import Place, find_chain, find_document, find_revision, seek_document
from typecase.registry.references import delete_references, find_dependents, name_references
from typecase.registry.saving import Saving, write_tags
from typecase.registry.stored_keys import open_payload, require_open
from typecase.registry.tables import AnyRow, document_tags, documents, revisions

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store
    from typecase.registry.types import SqlTypes


class SqlDocuments(Documents):
    """The documents of a SQL registry."""

    def __init__(self, store: "Store", keys: "DataKeys", types: "SqlTypes") -> None:
        self._store = store
        self._keys = keys
        self._types = types

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    @guarded
    def save(self, draft: Draft) -> Revision:
        """Write `draft` as a new document or a new revision, all or nothing."""
        return self._store.write(lambda connection: self.saving(connection).save(draft))

    @guarded
    def get(self, name: str, *, workspace: str, revision: int | None = None) -> Document:
        """Return a document with masked secrets; `revision` None = current."""
        return self._store.read(lambda connection: self._get(connection, name, workspace=workspace, revision=revision))

    @guarded
    def list(
        self,
        *,
        workspace: str,
        where: DocumentFilter | None = None,
        cursor: str | None = None,
        limit: int = 100,
        visible: Visible | None = None,
    ) -> Page[Document]:
        """Return documents of this very workspace by name, without `data`; `limit` 1 to 1000, `visible` None = all."""
        return self._store.read(
            lambda connection: list_documents(
                connection, workspace, where=where or DocumentFilter(), visible=visible, cursor=cursor, limit=limit
            )
        )

    @guarded
    def facts(self, name: str, *, workspace: str, inherited: bool = True) -> Subject:
        """Return what decides about access to a document; `inherited`: also one of a parent workspace."""

        def work(connection: Connection) -> Subject:
            chain = find_chain(connection, workspace)
            document = find_document(connection, name, chain if inherited else chain[:1])
            return _subject(connection, document.id, document.workspace)

        return self._store.read(work)

    @guarded
    def facts_of(self, places: Mapping[str, str]) -> dict[str, Subject]:
        """Return what decides about access to documents, given by the workspace of each id."""
        return self._store.read(
            lambda connection: {identity: _subject(connection, identity, place) for identity, place in places.items()}
        )

    @guarded
    def describe(
        self,
        name: str,
        *,
        workspace: str,
        description: str | Unset = UNSET,
        tags: tuple[str, ...] | Unset = UNSET,
        owner: str | Unset = UNSET,
        expires_at: datetime | Unset | None = UNSET,
    ) -> Document:
        """Change what is known about a document, not its revision."""
        facts = {"description": description, "owner": owner, "expires_at": expires_at}

        def work(connection: Connection) -> Document:
            require_open(connection, self._keys)
            _, document = _find_own(connection, name, workspace)
            given = {key: value for key, value in facts.items() if value is not UNSET}
            if tags is not UNSET:
                write_tags(connection, document.id, tags)
            _change(connection, document, given)
            return self._get(connection, name, workspace=workspace)

        return self._store.write(work)

    @guarded
    def rename(self, name: str, new_name: str, *, workspace: str) -> Document:
        """Give a document another name; references to it keep working."""
        validate_name(new_name, "document")

        def work(connection: Connection) -> Document:
            require_open(connection, self._keys)
            place, document = _find_own(connection, name, workspace)
            other = seek_document(connection, new_name, [place])
            if other is not None and other.id != document.id:
                raise refusals.document_exists(workspace, new_name)
            _change(connection, document, {"name": new_name})
            return self._get(connection, new_name, workspace=workspace)

        return self._store.write(work)

    @guarded
    def delete(
        self, name: str, *, workspace: str, force: bool = False, expected_revision: int | None = None
    ) -> tuple[Dependent, ...]:
        """Destroy a document and all its revisions; return the dependents that `force` broke."""

        def work(connection: Connection) -> tuple[Dependent, ...]:
            require_open(connection, self._keys)
            lock_references(connection)
            _, document = _find_own(connection, name, workspace)
            if expected_revision not in {None, document.revision}:
                raise refusals.revision_conflict(workspace, name, expected_revision or 0, document.revision)
            dependents = find_dependents(connection, document.id)
            if dependents and not force:
                raise refusals.document_in_use(workspace, name, dependents)
            delete_references(connection, document.id)
            connection.execute(delete(revisions).where(revisions.c.document_id == document.id))
            connection.execute(delete(document_tags).where(document_tags.c.document_id == document.id))
            connection.execute(delete(documents).where(documents.c.id == document.id))
            forget_uses(connection, document.id)
            return dependents

        broken = self._store.write(work)
        self._store.clean()
        return broken

    @guarded
    def dependents(self, name: str, *, workspace: str) -> tuple[Dependent, ...]:
        """Return the documents whose current revision refers to this one."""

        def work(connection: Connection) -> tuple[Dependent, ...]:
            return find_dependents(connection, find_document(connection, name, find_chain(connection, workspace)).id)

        return self._store.read(work)

    @guarded
    def history(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Revision]:
        """Return the revisions of a document, newest first."""

        def work(connection: Connection) -> Page[Revision]:
            document = find_document(connection, name, find_chain(connection, workspace))
            return list_revisions(connection, document, cursor=cursor, limit=limit)

        return self._store.read(work)

    @guarded
    def diff(self, name: str, *, workspace: str, before: int, after: int) -> tuple[Change, ...]:
        """Compare two revisions by field; secret values only as changed or not."""

        def work(connection: Connection) -> tuple[Change, ...]:
            document = find_document(connection, name, find_chain(connection, workspace))
            return self._diff(connection, document, before, after)

        return self._store.read(work)

    def changes(self, connection: Connection, revision: Revision) -> tuple[Change, ...]:
        """Compare a revision with the one before it, in the transaction that writes it."""
        document = find_document(connection, revision.name, find_chain(connection, revision.workspace)[:1])
        return self._diff(connection, document, revision.number - 1, revision.number)

    def record(
        self, connection: Connection, document: AnyRow, revision: AnyRow, *, mask: Callable[..., dict[str, Any]]
    ) -> Document:
        """Return a revision of a document as `mask` shows its data."""
        schema_of = partial(self._types.schema, connection)
        schemas = [schema_of(revision.type_slug, revision.schema_version).schema, *self.newest(connection, document)]
        return document_record(
            document,
            tags=read_tags(connection, [document.id]).get(document.id, ()),
            revision=revision,
            data=mask(self.read(connection, document, revision), *schemas, schema_of=schema_of),
        )

    @guarded
    def restore(
        self, name: str, *, workspace: str, revision: int, expected_revision: int | None = None, author: str = ""
    ) -> Revision:
        """Write an earlier revision again as the newest."""
        return self._store.write(
            lambda connection: self.saving(connection).restore(
                name, workspace=workspace, revision=revision, expected_revision=expected_revision, author=author
            )
        )

    def _get(self, connection: Connection, name: str, *, workspace: str, revision: int | None = None) -> Document:
        document = find_document(connection, name, find_chain(connection, workspace))
        return self.record(connection, document, find_revision(connection, document, revision), mask=mask_document)

    def _diff(self, connection: Connection, document: AnyRow, before: int, after: int) -> tuple[Change, ...]:
        sides = [find_revision(connection, document, number) for number in (before, after)]
        schema_of = partial(self._types.schema, connection)
        schemas = [schema_of(side.type_slug, side.schema_version).schema for side in sides]
        old, new = (self.read(connection, document, side) for side in sides)
        return compare_documents(
            old,
            new,
            schema_before=schemas[0],
            schema_after=schemas[1],
            schema_of=schema_of,
            newest=self.newest(connection, document),
        )

    def saving(self, connection: Connection) -> Saving:
        """Return what writes revisions in the transaction that `connection` is in."""
        return Saving(connection, self._keys, self._types)

    def newest(self, connection: Connection, document: AnyRow) -> Sequence[Schema]:
        """Return the newest schema of each type that the document was saved as: what one calls a secret stays one."""
        slugs = connection.scalars(
            select(revisions.c.type_slug).where(revisions.c.document_id == document.id).distinct()
        ).all()
        return [self._types.schema(connection, slug, None).schema for slug in slugs]

    def read(self, connection: Connection, document: AnyRow, revision: AnyRow) -> Any:
        """Decrypt a revision and show its references by name."""
        data = json.loads(open_payload(connection, self._keys, revision, workspace_id=document.workspace_id))
        return name_references(connection, data, find_chain(connection, document.workspace))


def _find_own(connection: Connection, name: str, workspace: str) -> tuple[Place, AnyRow]:
    """Return a workspace and its document, not a parent's, locked for this transaction."""
    place = find_chain(connection, workspace)[0]
    return place, find_document(connection, name, [place], lock=True)


def _subject(connection: Connection, document_id: str, workspace: str) -> Subject:
    tags = read_tags(connection, [document_id]).get(document_id, ())
    return Subject(workspace=workspace, document_id=document_id, tags=tags)


def _change(connection: Connection, document: AnyRow, changes: dict[str, Any]) -> None:
    connection.execute(
        update(documents).where(documents.c.id == document.id).values(updated_at=datetime.now(UTC), **changes)
    )
