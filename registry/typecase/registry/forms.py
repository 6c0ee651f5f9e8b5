"""Documents in forms: shown with the places of their secrets, written with those that the form left alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from typecase.blocks import refusals
from typecase.blocks.documents import editable_document, merge_document
from typecase.blocks.errors import PreconditionRequired
from typecase.blocks.records import Document, Draft, Revision
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.edge import guarded
from typecase.registry.locks import lock_references
from typecase.registry.lookup import find_chain, find_document, find_revision

if TYPE_CHECKING:
    from typecase.registry.sql import SqlRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a form sends of a document.

    `data` is merged with the document at `expected_revision`; 0 = it is to be a new one, of type `type_slug`. None is
    refused: who does not know what they change would undo what another has written.
    `schema_version` None = that of the document, of a new one the newest of its type. `UNSET` keeps what there is.
    """

    name: str
    workspace: str
    data: Mapping[str, Any]
    expected_revision: int | None
    type_slug: str = ""
    schema_version: int | None = None
    description: str | Unset = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    owner: str | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    author: str = ""

    def __repr__(self) -> str:
        """Leave `data` out: it holds secrets."""
        return f"Edit({self.workspace}/{self.name})"


class SqlForms:
    """The documents of a SQL registry as forms read and write them: those of a workspace itself, not of its parents."""

    def __init__(self, registry: "SqlRegistry") -> None:
        self._store = registry.store
        self._types = registry.sql_types
        self._documents = registry.sql_documents

    @property
    def url(self) -> str:
        """The registry's URL, without a password."""
        return self._store.url

    @guarded
    def get(self, name: str, *, workspace: str) -> Document:
        """Return a document as `editable_document` shows it. Raises `DocumentNotFound`."""

        def work(connection: Connection) -> Document:
            document = find_document(connection, name, find_chain(connection, workspace)[:1])
            revision = find_revision(connection, document, None)
            return self._documents.record(connection, document, revision, mask=editable_document)

        return self._store.read(work)

    @guarded
    def save(self, edit: Edit) -> Revision:
        """Merge `edit` with its document and write that, in one transaction; see `Documents.save`.

        Raises `PreconditionRequired`.
        """
        expected = edit.expected_revision
        if expected is None:
            raise PreconditionRequired(
                "The change does not say which revision it was made from.",
                hint="Send the ETag of the form as If-Match.",
            )

        def work(connection: Connection) -> Revision:
            # Before the document is locked: in the order of every other writer.
            lock_references(connection)
            draft = self._changed(connection, edit, expected) if expected else self._made(connection, edit)
            return self._documents.saving(connection).save(draft)

        return self._store.write(work)

    def _changed(self, connection: Connection, edit: Edit, expected: int) -> Draft:
        document = find_document(connection, edit.name, find_chain(connection, edit.workspace)[:1], lock=True)
        if document.revision != expected:
            raise refusals.revision_conflict(edit.workspace, edit.name, expected, document.revision)
        revision = find_revision(connection, document, None)
        schema_of = partial(self._types.schema, connection)
        former = schema_of(revision.type_slug, revision.schema_version)
        number = former.number if edit.schema_version is None else edit.schema_version
        merged = merge_document(
            self._documents.read(connection, document, revision),
            edit.data,
            schema_of(revision.type_slug, number).schema,
            *self._documents.newest(connection, document),
            schema_of=schema_of,
            former=former.schema,
        )
        return _draft(edit, merged, type_slug=revision.type_slug, schema_version=number)

    def _made(self, connection: Connection, edit: Edit) -> Draft:
        schema_of = partial(self._types.schema, connection)
        version = schema_of(edit.type_slug, edit.schema_version)
        merged = merge_document({}, edit.data, version.schema, schema_of=schema_of)
        return _draft(edit, merged, type_slug=edit.type_slug, schema_version=version.number)


def _draft(edit: Edit, merged: Mapping[str, Any], *, type_slug: str, schema_version: int) -> Draft:
    return Draft(
        name=edit.name,
        workspace=edit.workspace,
        type_slug=type_slug,
        schema_version=schema_version,
        data=merged,
        overwrite=bool(edit.expected_revision),
        expected_revision=edit.expected_revision or None,
        description=edit.description,
        tags=edit.tags,
        owner=edit.owner,
        expires_at=edit.expires_at,
        author=edit.author,
    )
