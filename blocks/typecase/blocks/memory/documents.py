"""Documents in memory."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from typecase.blocks import refusals
from typecase.blocks.documents import (
    compare_documents,
    find_newer_inline,
    find_references,
    mask_document,
    pin_inline,
    replace_references,
    validate_document,
)
from typecase.blocks.documents.masking import Schema
from typecase.blocks.memory.references import find_dependents, refuse_cycle, resolve_reference, show_reference
from typecase.blocks.memory.state import State, StoredDocument, StoredRevision, now
from typecase.blocks.names import validate_name
from typecase.blocks.paging import limited, read_cursor, read_number_cursor, write_cursor
from typecase.blocks.records import Change, Dependent, Document, DocumentFilter, Draft, Page, Revision, SchemaVersion
from typecase.blocks.registry import Documents
from typecase.blocks.stored import UNSET, Unset


class MemoryDocuments(Documents):
    """Documents in memory, by the same rules as in a database."""

    def __init__(self, state: State) -> None:
        """Work on `state`."""
        self._state = state

    def save(self, draft: Draft) -> Revision:
        """See `Documents.save`."""
        validate_name(draft.name, "document")
        with self._state.lock:
            workspace = self._state.workspace(draft.workspace)
            version = self._state.version(draft.type_slug, draft.schema_version)
            document = self._state.own(draft.name, workspace.id)
            actual = len(document.revisions) if document else 0
            refusals.check_expectation(draft, actual, document.type_slug if document else draft.type_slug)
            if document is not None:
                newest = document.revisions[-1]
                refusals.check_version(draft, self._state.version(newest.type_slug, newest.schema_version))
                for slug, inline, newer in find_newer_inline(json.loads(newest.text), draft.data):
                    refusals.check_version(draft, self._state.version(slug, newer), inline=inline)
            data = pin_inline(draft.data, self._state.version)
            validate_document(data, version.schema, schema_of=self._state.version)
            document_id = document.id if document else uuid4().hex
            data = replace_references(
                data, lambda path, target: resolve_reference(self._state, path, target, draft.workspace)
            )
            refuse_cycle(self._state, document_id, draft.name, data)
            if document is None:
                document = StoredDocument(document_id, workspace.id, draft.name, draft.type_slug, now(), now())
                self._state.documents[document_id] = document
            self._describe(document, draft.description, draft.tags, draft.owner, draft.expires_at)
            return self._append(document, version, data, draft.author, None)

    def get(self, name: str, *, workspace: str, revision: int | None = None) -> Document:
        """See `Documents.get`."""
        with self._state.lock:
            document = self._state.find(name, self._state.chain(workspace))
            stored = document.revision(revision)
            schemas = [self._state.version(stored.type_slug, stored.schema_version).schema, *self._newest(document)]
            place = self._state.workspace_by_id(document.workspace_id).name
            data = replace_references(
                json.loads(stored.text), lambda _, target: show_reference(self._state, target, place)
            )
            return self._record(document, stored, mask_document(data, *schemas, schema_of=self._state.version))

    def list(
        self, *, workspace: str, where: DocumentFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Document]:
        """See `Documents.list`."""
        where = where or DocumentFilter()
        after = read_cursor(cursor)
        with self._state.lock:
            inside = self._state.workspace(workspace).id
            found = [item for item in self._state.documents.values() if item.workspace_id == inside]
            found = sorted((item for item in found if self._fits(item, where)), key=lambda item: item.name)
            found = [item for item in found if after is None or item.name > after]
            shown = found[: limited(limit)]
            more = write_cursor(shown[-1].name) if len(found) > len(shown) else None
            return Page(items=tuple(self._record(item, item.revision(None), {}) for item in shown), cursor=more)

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
        """See `Documents.describe`."""
        with self._state.lock:
            document = self._local(name, workspace)
            self._describe(document, description, tags, owner, expires_at)
            return self.get(name, workspace=workspace)

    def rename(self, name: str, new_name: str, *, workspace: str) -> Document:
        """See `Documents.rename`."""
        validate_name(new_name, "document")
        with self._state.lock:
            document = self._local(name, workspace)
            if self._state.own(new_name, document.workspace_id) is not None:
                raise refusals.document_exists(workspace, new_name)
            document.name = new_name
            document.updated_at = now()
            return self.get(new_name, workspace=workspace)

    def delete(
        self, name: str, *, workspace: str, force: bool = False, expected_revision: int | None = None
    ) -> tuple[Dependent, ...]:
        """See `Documents.delete`."""
        with self._state.lock:
            document = self._local(name, workspace)
            if expected_revision not in (None, len(document.revisions)):
                raise refusals.revision_conflict(workspace, name, expected_revision or 0, len(document.revisions))
            dependents = tuple(find_dependents(self._state, document.id))
            if dependents and not force:
                raise refusals.document_in_use(workspace, name, dependents)
            del self._state.documents[document.id]
            return dependents

    def dependents(self, name: str, *, workspace: str) -> tuple[Dependent, ...]:
        """See `Documents.dependents`."""
        with self._state.lock:
            return tuple(find_dependents(self._state, self._state.find(name, self._state.chain(workspace)).id))

    def history(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Revision]:
        """See `Documents.history`."""
        before = read_number_cursor(cursor)
        with self._state.lock:
            document = self._state.find(name, self._state.chain(workspace))
            newest = len(document.revisions) if before is None else min(before - 1, len(document.revisions))
            numbers = range(newest, max(newest - limited(limit), 0), -1)
            items = tuple(self._revision(document, document.revision(number)) for number in numbers)
            more = items and items[-1].number > 1
            return Page(items=items, cursor=write_cursor(str(items[-1].number)) if more else None)

    def diff(self, name: str, *, workspace: str, before: int, after: int) -> tuple[Change, ...]:
        """See `Documents.diff`."""
        with self._state.lock:
            document = self._state.find(name, self._state.chain(workspace))
            sides = [document.revision(number) for number in (before, after)]
            place = self._state.workspace_by_id(document.workspace_id).name
            shown = [
                replace_references(json.loads(side.text), lambda _, target: show_reference(self._state, target, place))
                for side in sides
            ]
            schemas = [self._state.version(side.type_slug, side.schema_version).schema for side in sides]
            return compare_documents(
                shown[0],
                shown[1],
                schema_before=schemas[0],
                schema_after=schemas[1],
                schema_of=self._state.version,
                newest=self._newest(document),
            )

    def restore(
        self, name: str, *, workspace: str, revision: int, expected_revision: int | None = None, author: str = ""
    ) -> Revision:
        """See `Documents.restore`."""
        with self._state.lock:
            document = self._local(name, workspace)
            if expected_revision not in (None, len(document.revisions)):
                raise refusals.revision_conflict(workspace, name, expected_revision or 0, len(document.revisions))
            old = document.revision(revision)
            data = json.loads(old.text)
            for path, target in find_references(data):
                if target["id"] not in self._state.documents:
                    raise refusals.reference_not_found(path, target["id"])
            version = self._state.version(old.type_slug, old.schema_version)
            validate_document(data, version.schema, schema_of=self._state.version)
            refuse_cycle(self._state, document.id, name, data)
            return self._append(document, version, data, author, revision)

    def _local(self, name: str, workspace: str) -> StoredDocument:
        return self._state.find(name, [self._state.workspace(workspace)])

    def _newest(self, document: StoredDocument) -> Sequence[Schema]:
        """Return the newest schema of each type that the document was saved as: what one calls a secret stays one."""
        slugs = {document.type_slug, *(item.type_slug for item in document.revisions)}
        return [self._state.version(slug, None).schema for slug in sorted(slugs)]

    def _append(
        self, document: StoredDocument, version: SchemaVersion, data: Any, author: str, restored_from: int | None
    ) -> Revision:
        number = len(document.revisions) + 1
        text = json.dumps(data).encode()
        document.type_slug = version.type_slug
        document.revisions.append(
            StoredRevision(number, version.type_slug, version.number, author, restored_from, now(), text)
        )
        document.updated_at = now()
        return self._revision(document, document.revisions[-1])

    def _describe(
        self,
        document: StoredDocument,
        description: str | Unset,
        tags: tuple[str, ...] | Unset,
        owner: str | Unset,
        expires_at: datetime | Unset | None,
    ) -> None:
        if not isinstance(description, Unset):
            document.description = description
        if not isinstance(tags, Unset):
            document.tags = tuple(sorted(set(tags)))
        if not isinstance(owner, Unset):
            document.owner = owner
        if not isinstance(expires_at, Unset):
            document.expires_at = expires_at
        document.updated_at = now()

    def _fits(self, document: StoredDocument, where: DocumentFilter) -> bool:
        kinds = self._state.types[document.type_slug].kinds
        expires = document.expires_at
        text = f"{document.name}\n{document.description}".lower()
        return all(
            (
                where.type_slug in (None, document.type_slug),
                where.kind is None or where.kind in kinds,
                where.tag is None or where.tag in document.tags,
                where.owner in (None, document.owner),
                where.search is None or where.search.lower() in text,
                where.expired_at is None or (expires is not None and expires <= where.expired_at),
            )
        )

    def _record(self, document: StoredDocument, revision: StoredRevision, data: Mapping[str, Any]) -> Document:
        return Document(
            id=document.id,
            workspace=self._state.workspace_by_id(document.workspace_id).name,
            name=document.name,
            type_slug=revision.type_slug,
            kinds=self._state.types[document.type_slug].kinds,
            revision=revision.number,
            schema_version=revision.schema_version,
            description=document.description,
            tags=document.tags,
            owner=document.owner,
            expires_at=document.expires_at,
            created_at=document.created_at,
            updated_at=document.updated_at,
            data=data,
        )

    def _revision(self, document: StoredDocument, revision: StoredRevision) -> Revision:
        return Revision(
            document_id=document.id,
            workspace=self._state.workspace_by_id(document.workspace_id).name,
            name=document.name,
            number=revision.number,
            type_slug=revision.type_slug,
            schema_version=revision.schema_version,
            author=revision.author,
            restored_from=revision.restored_from,
            created_at=revision.created_at,
        )
