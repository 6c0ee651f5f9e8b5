"""Documents in forms, as far as the caller may see and change them."""

from dataclasses import replace
from typing import TYPE_CHECKING

from typecase.blocks.records import Document, Revision
from typecase.registry.authorized.asking import About, Asking
from typecase.registry.authorized.documents import READ, WRITE, AuthorizedDocuments, subject_of
from typecase.registry.forms import Edit, SqlForms

if TYPE_CHECKING:
    from typecase.registry.sql import SqlRegistry


class EditableDocuments(AuthorizedDocuments):
    """The documents of a registry for one caller, with their forms. An editor changes secrets without seeing any."""

    def __init__(self, inner: "SqlRegistry", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        super().__init__(inner.sql_documents, asking)
        self._forms = SqlForms(inner)

    def form(self, name: str, *, workspace: str) -> Document:
        """Return a document of this very workspace as a form shows it. Raises `DocumentNotFound`."""
        about = About(action="document.read", workspace=workspace, document=name)
        self._require_some(READ, about, workspace)
        with self._hiding(workspace):
            document = self._forms.get(name, workspace=workspace)
        self._asking.require_seen(READ, about, subject_of(document))
        return document

    def edit(self, edit: Edit) -> Revision:
        """Write what a form sent, in one transaction with the event that names the changed fields.

        Raises as `save` does. The author is the caller.
        """
        about = About(action="document.save", workspace=edit.workspace, document=edit.name)
        self._require_own(WRITE, about, edit.workspace, edit.name, new_tags=edit.tags)
        edit = replace(edit, author=self._caller.name)
        with self._hiding(edit.workspace):
            return self._asking.change(lambda: self._forms.save(edit), self._saved, kind=Revision)
