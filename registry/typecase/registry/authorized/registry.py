"""A registry as one caller has it: nothing without a permission, no secret without an event."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from typecase.blocks import refusals
from typecase.blocks.errors import DocumentNotFound, NotSupported, PermissionDenied
from typecase.blocks.records import KeyStatus
from typecase.blocks.registry import Registry
from typecase.blocks.stored import StoredBlock, Tree
from typecase.registry.access.callers import Subject, denied
from typecase.registry.access.permissions import Permission
from typecase.registry.authorized.asking import About, Asking
from typecase.registry.authorized.editing import EditableDocuments
from typecase.registry.authorized.keys import AuthorizedKeys
from typecase.registry.authorized.types import AuthorizedTypes
from typecase.registry.authorized.workspaces import AuthorizedWorkspaces

if TYPE_CHECKING:
    from typecase.registry.sql import SqlRegistry

LOAD = Permission.DOCUMENTS_LOAD


class AuthorizedRegistry(Registry):
    """A registry for one request. Made anew for each: it is cheap."""

    def __init__(self, inner: "SqlRegistry", asking: Asking) -> None:
        """Ask `inner`, for the caller of `asking`."""
        self._inner = inner
        self._asking = asking
        self._caller = asking.caller
        self.url = inner.url
        self.types = AuthorizedTypes(inner.types, asking)
        self.workspaces = AuthorizedWorkspaces(inner.workspaces, asking)
        self.documents = self.editable = EditableDocuments(inner, asking)
        self.keys = self._own_keys = AuthorizedKeys(inner, asking)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Refuse: a URL names no caller."""
        raise NotSupported(f"{url} names no caller.", hint="Build it from a registry and who asks.")

    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """See `Registry.load`. One event for each document of the tree is written before this returns."""
        about = About(action="document.load", workspace=workspace, document=name)
        if not self._caller.may_some(LOAD, workspace):
            self._asking.refuse(about)
            raise denied(self._caller, LOAD, workspace)
        try:
            tree = self._inner.load(name, workspace=workspace, revision=revision)
        except DocumentNotFound as error:
            searched = tuple(getattr(error, "searched", ()))
            if all(self._caller.may(Permission.DOCUMENTS_READ, item) for item in (workspace, *searched)):
                raise
            self._asking.refuse(about)
            raise refusals.document_not_found(name, [workspace], ()) from None
        return self._revealed(tree, about)

    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """See `Registry.load_id`. A document that the caller may not load is as absent."""
        about = About(action="document.load", document_id=document_id)
        self._asking.require_anywhere(LOAD, about)
        try:
            return self._revealed(self._inner.load_id(document_id, revision=revision), about)
        except (DocumentNotFound, PermissionDenied):
            pass
        raise refusals.document_not_found(document_id, [item.name for item in self.workspaces.list()], ())

    def key_status(self) -> KeyStatus:
        """See `Registry.key_status`."""
        return self._own_keys.status()

    def close(self) -> None:
        """Leave the registry open: others ask it too."""

    def _revealed(self, tree: Tree, about: About) -> Tree:
        """Return `tree` if the caller may load every document in it, once that is written down."""
        blocks = {tree.root.document_id: tree.root, **tree.referenced}
        unsure = {key: item for key, item in blocks.items() if not self._caller.may(LOAD, item.workspace)}
        subjects = self._subjects(unsure)
        if tree.root.document_id in unsure:
            self._asking.require_seen(LOAD, about, subjects[tree.root.document_id])
        for key, item in unsure.items():
            self._asking.require(LOAD, _loaded(item, tree.root), item.workspace, subjects[key])
        self._asking.note(*(_loaded(item, tree.root) for item in blocks.values()))
        return tree

    def _subjects(self, blocks: Mapping[str, StoredBlock]) -> Mapping[str, Subject]:
        if not blocks:
            return {}
        return self._inner.sql_documents.facts_of({key: item.workspace for key, item in blocks.items()})


def _loaded(item: StoredBlock, root: StoredBlock) -> About:
    through = {} if item is root else {"through": f"{root.workspace}/{root.name}"}
    return About(
        action="document.load",
        workspace=item.workspace,
        document_id=item.document_id,
        document=item.name,
        facts={"revision": item.revision, **through},
    )
