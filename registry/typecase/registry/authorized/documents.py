"""Documents, as far as the caller may see and change them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from typecase.blocks import refusals
from typecase.blocks.errors import DocumentInUse, DocumentNotFound, ReferenceNotFound
from typecase.blocks.records import Change, Dependent, Document, DocumentFilter, Draft, Page, Revision
from typecase.blocks.registry import Documents
from typecase.blocks.stored import UNSET, Unset
from typecase.registry.access.callers import Subject, denied
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized.asking import About, Asking
from typecase.registry.listing import Visible, read_tags
from typecase.registry.tables import documents, revision_references, workspaces

if TYPE_CHECKING:
    from typecase.registry.documents import SqlDocuments

READ, WRITE = Permission.DOCUMENTS_READ, Permission.DOCUMENTS_WRITE


class AuthorizedDocuments(Documents):
    """The documents of a registry for one caller. What is changed is written down in the same transaction."""

    def __init__(self, inner: "SqlDocuments", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking
        self._caller = asking.caller

    def save(self, draft: Draft) -> Revision:
        """See `Documents.save`. The author is the caller."""
        about = About(action="document.save", workspace=draft.workspace, document=draft.name)
        self._require_own(WRITE, about, draft.workspace, draft.name, new_tags=draft.tags)
        draft = replace(draft, author=self._caller.name)
        with self._hiding(draft.workspace):
            return self._asking.change(lambda: self._inner.save(draft), self._saved, kind=Revision)

    def get(self, name: str, *, workspace: str, revision: int | None = None) -> Document:
        """See `Documents.get`."""
        about = About(action="document.read", workspace=workspace, document=name)
        self._require_some(READ, about, workspace)
        with self._hiding(workspace):
            document = self._inner.get(name, workspace=workspace, revision=revision)
        self._asking.require_seen(READ, about, subject_of(document))
        return document

    def list(
        self, *, workspace: str, where: DocumentFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Document]:
        """See `Documents.list`."""
        self._require_some(READ, About(action="document.list", workspace=workspace), workspace)
        visible = None if self._caller.may(READ, workspace) else Visible(*self._caller.narrowed(READ, workspace))
        return self._inner.list(workspace=workspace, where=where, cursor=cursor, limit=limit, visible=visible)

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
        about = About(action="document.describe", workspace=workspace, document=name)
        self._require_own(WRITE, about, workspace, name, new_tags=tags)
        facts = {"description": description, "tags": tags, "owner": owner, "expires_at": expires_at}
        fields = [key for key, value in facts.items() if value is not UNSET]
        with self._hiding(workspace):
            return self._asking.change(
                lambda: self._inner.describe(
                    name, workspace=workspace, description=description, tags=tags, owner=owner, expires_at=expires_at
                ),
                lambda _, document: _about("document.describe", document, fields=fields),
                kind=Document,
            )

    def rename(self, name: str, new_name: str, *, workspace: str) -> Document:
        """See `Documents.rename`."""
        about = About(action="document.rename", workspace=workspace, document=name)
        self._require_own(WRITE, about, workspace, name)
        with self._hiding(workspace):
            return self._asking.change(
                lambda: self._inner.rename(name, new_name, workspace=workspace),
                lambda _, document: _about("document.rename", document, before=name),
                kind=Document,
            )

    def delete(
        self, name: str, *, workspace: str, force: bool = False, expected_revision: int | None = None
    ) -> tuple[Dependent, ...]:
        """See `Documents.delete`. Dependents that the caller may not see are counted, not named."""
        about = About(action="document.delete", workspace=workspace, document=name)
        self._require_own(WRITE, about, workspace, name)
        found: list[str] = []

        def before(connection: Connection) -> None:
            query = select(documents.c.id).join(workspaces, workspaces.c.id == documents.c.workspace_id)
            found[:] = connection.scalars(query.where(workspaces.c.name == workspace, documents.c.name == name))

        def told(_: Connection, broken: tuple[Dependent, ...]) -> About:
            identity = found[0] if found else ""
            return About(
                action="document.delete",
                workspace=workspace,
                document_id=identity,
                document=name,
                facts={"broken": len(broken)},
            )

        try:
            with self._hiding(workspace):
                broken = self._asking.change(
                    lambda: self._inner.delete(
                        name, workspace=workspace, force=force, expected_revision=expected_revision
                    ),
                    told,
                    before=before,
                    kind=tuple[Dependent, ...],
                )
        except DocumentInUse as error:
            raise self._in_use(error, workspace, name) from None
        return self._seen(broken)

    def dependents(self, name: str, *, workspace: str) -> tuple[Dependent, ...]:
        """See `Documents.dependents`; those that the caller may see."""
        self._require_read(name, workspace)
        return self._seen(self._inner.dependents(name, workspace=workspace))

    def history(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Revision]:
        """See `Documents.history`."""
        self._require_read(name, workspace)
        return self._inner.history(name, workspace=workspace, cursor=cursor, limit=limit)

    def diff(self, name: str, *, workspace: str, before: int, after: int) -> tuple[Change, ...]:
        """See `Documents.diff`."""
        self._require_read(name, workspace)
        return self._inner.diff(name, workspace=workspace, before=before, after=after)

    def restore(
        self,
        name: str,
        *,
        workspace: str,
        revision: int,
        expected_revision: int | None = None,
        author: str = "",  # noqa: ARG002 - the author is the caller
    ) -> Revision:
        """See `Documents.restore`. The author is the caller."""
        about = About(action="document.restore", workspace=workspace, document=name)
        self._require_own(WRITE, about, workspace, name)

        def told(connection: Connection, restored: Revision) -> About:
            self._refuse_targets(connection, restored)
            return _about("document.restore", restored, revision=restored.number, restored_from=revision)

        with self._hiding(workspace):
            return self._asking.change(
                lambda: self._inner.restore(
                    name,
                    workspace=workspace,
                    revision=revision,
                    expected_revision=expected_revision,
                    author=self._caller.name,
                ),
                told,
                kind=Revision,
            )

    def _saved(self, connection: Connection, revision: Revision) -> About:
        """Tell of a revision that was written, unless it refers to what the caller may not see."""
        self._refuse_targets(connection, revision)
        changes = self._inner.changes(connection, revision) if revision.number > 1 else ()
        facts = {"revision": revision.number, "fields": sorted({change.path for change in changes})}
        return _about("document.save", revision, **facts)

    def _require_read(self, name: str, workspace: str) -> None:
        about = About(action="document.read", workspace=workspace, document=name)
        self._require_some(READ, about, workspace)
        with self._hiding(workspace):
            found = self._inner.facts(name, workspace=workspace)
        self._asking.require_seen(READ, about, found)

    def _require_some(self, permission: Permission, about: About, workspace: str) -> None:
        if not self._caller.may_some(permission, workspace):
            self._asking.refuse(about)
            raise denied(self._caller, permission, workspace)

    def _require_own(
        self,
        permission: Permission,
        about: About,
        workspace: str,
        name: str,
        *,
        new_tags: tuple[str, ...] | Unset = UNSET,
    ) -> None:
        """Require a permission for a document of this very workspace; a new one is decided by the tags it gets."""
        if self._caller.may(permission, workspace):
            return
        self._require_some(permission, about, workspace)
        try:
            found = self._inner.facts(name, workspace=workspace, inherited=False)
        except DocumentNotFound:
            tags = () if new_tags is UNSET else new_tags
            self._asking.require(permission, about, workspace, Subject(workspace=workspace, tags=tags))
            return
        self._asking.require(permission, about, workspace, found)

    def _refuse_targets(self, connection: Connection, revision: Revision) -> None:
        """Refuse a reference to what the caller may not see, as if it were not there."""
        query = (
            select(documents.c.id, documents.c.name, workspaces.c.name.label("workspace"), revision_references.c.path)
            .join(revision_references, revision_references.c.target_id == documents.c.id)
            .join(workspaces, workspaces.c.id == documents.c.workspace_id)
            .where(
                revision_references.c.document_id == revision.document_id,
                revision_references.c.number == revision.number,
            )
        )
        rows = connection.execute(query).all()
        tags = read_tags(connection, [row.id for row in rows])
        for row in rows:
            subject = Subject(workspace=row.workspace, document_id=row.id, tags=tags.get(row.id, ()))
            if not self._caller.may(READ, row.workspace, subject):
                raise refusals.reference_not_found(row.path, row.name)

    @contextmanager
    def _hiding(self, workspace: str) -> Iterator[None]:
        """Leave out of refusals the names of documents that the caller may not see."""
        try:
            yield
        except DocumentNotFound as error:
            searched = tuple(getattr(error, "searched", ()))
            if all(self._caller.may(READ, item) for item in (workspace, *searched)):
                raise
            raise refusals.document_not_found(str(getattr(error, "name", "")), [workspace], ()) from None
        except ReferenceNotFound as error:
            if self._caller.may(READ):
                raise
            raise refusals.reference_not_found(error.path, error.target) from None

    def _in_use(self, error: DocumentInUse, workspace: str, name: str) -> DocumentInUse:
        dependents: tuple[Dependent, ...] = error.dependents
        seen = self._seen(dependents)
        if len(seen) == len(dependents):
            return error
        found = refusals.document_in_use(workspace, name, seen)
        unseen = len(dependents) - len(seen)
        users = f"{found.message[:-1]} and " if seen else f"{workspace}/{name} is used by "
        message = f"{users}{unseen} that you may not see."
        return DocumentInUse(message, hint=found.hint, name=name, dependents=seen)

    def _seen(self, dependents: tuple[Dependent, ...]) -> tuple[Dependent, ...]:
        return tuple(
            item
            for item in dependents
            if self._caller.may(READ, item.workspace, Subject(workspace=item.workspace, document_id=item.document_id))
        )


def subject_of(document: Document) -> Subject:
    """Return what is decided about."""
    return Subject(workspace=document.workspace, document_id=document.id, tags=document.tags)


def _about(action: str, found: Document | Revision, **facts: object) -> About:
    identity = found.id if isinstance(found, Document) else found.document_id
    return About(action=action, workspace=found.workspace, document_id=identity, document=found.name, facts=facts)
