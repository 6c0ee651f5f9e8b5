"""The audit log and usage, as far as the caller may see them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from typecase.blocks.records import Page
from typecase.registry.access.permissions import Permission
from typecase.registry.audit.events import AuditEvent, AuditFilter, ExportFormat
from typecase.registry.audit.usage import DocumentUse, Use
from typecase.registry.audit.verification import Anchor, Verification
from typecase.registry.authorized.asking import About, Asking

if TYPE_CHECKING:
    from typecase.registry.audit.journal import Journal
    from typecase.registry.documents import SqlDocuments

AUDIT, READ = Permission.AUDIT_READ, Permission.DOCUMENTS_READ


class AuthorizedJournal:
    """The log for one caller: an admin of the server sees all of it, an admin of workspaces what concerns these."""

    def __init__(self, inner: "Journal", documents: "SqlDocuments", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._documents = documents
        self._asking = asking
        self._caller = asking.caller

    def list(self, where: AuditFilter, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEvent]:
        """Return events, newest first."""
        return self._inner.list(self._narrowed(where), cursor=cursor, limit=limit)

    def anchor(self) -> Anchor:
        """Return where the chain ends."""
        self._asking.require(AUDIT, About(action="audit.anchor"))
        return self._inner.anchor()

    def verify(self, anchor: Anchor | None) -> Verification:
        """Compare every event with the chain, and the chain with an anchor."""
        self._asking.require(AUDIT, About(action="audit.verify"))
        return self._inner.verify(anchor)

    def export(self, form: ExportFormat, where: AuditFilter) -> Iterator[str]:
        """Return the lines of a file with all events until now. That is written down too."""
        self._asking.require(AUDIT, About(action="audit.export"))
        self._asking.note(About(action="audit.export", facts={"form": str(form)}))
        return self._inner.export(form, where)

    def usage_of(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Use]:
        """Return who loads a document, the last one first."""
        about = About(action="usage.read", workspace=workspace, document=name)
        if not self._caller.may_some(READ, workspace):
            self._asking.require(READ, about, workspace)
        found = self._documents.facts(name, workspace=workspace)
        self._asking.require_seen(READ, about, found)
        return self._inner.usage_of(found.document_id, cursor=cursor, limit=limit)

    def unused(
        self, workspace: str, *, since: datetime, cursor: str | None = None, limit: int = 100
    ) -> Page[DocumentUse]:
        """Return documents by name that were not loaded since a time."""
        self._asking.require(READ, About(action="usage.read", workspace=workspace), workspace)
        return self._inner.unused(workspace, since=since, cursor=cursor, limit=limit)

    def expiring(
        self, workspace: str, *, before: datetime, cursor: str | None = None, limit: int = 100
    ) -> Page[DocumentUse]:
        """Return documents by name that expire before a time, or have expired."""
        self._asking.require(READ, About(action="usage.read", workspace=workspace), workspace)
        return self._inner.expiring(workspace, before=before, cursor=cursor, limit=limit)

    def _narrowed(self, where: AuditFilter) -> AuditFilter:
        if self._caller.may(AUDIT):
            return where
        self._asking.require_anywhere(AUDIT, About(action="audit.read"))
        own = {grant.workspace for grant in self._caller.grants if grant.workspace is not None}
        seen = tuple(sorted(item for item in own if self._caller.may(AUDIT, item)))
        if where.workspaces is not None:
            seen = tuple(item for item in where.workspaces if item in seen)
        return replace(where, workspaces=seen)
