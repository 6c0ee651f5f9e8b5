"""The memory registry itself and its workspaces."""

from dataclasses import replace
from typing import Self
from uuid import uuid4

from typecase.blocks import refusals
from typecase.blocks.memory.documents import MemoryDocuments
from typecase.blocks.memory.keys import ROOT_KEY, MemoryKeys
from typecase.blocks.memory.references import references_of
from typecase.blocks.memory.state import State, StoredDocument, now
from typecase.blocks.memory.types import MemoryTypes
from typecase.blocks.names import validate_name
from typecase.blocks.records import KeyStatus, Workspace
from typecase.blocks.registry import Registry, Workspaces
from typecase.blocks.stored import UNSET, StoredBlock, Tree, Unset


class MemoryRegistry(Registry):
    """A registry that lives and dies with the process, or with the test that made it. Encrypts nothing."""

    def __init__(self) -> None:
        """Begin with the empty workspace `default`."""
        self._state = State()
        self.url = f"memory:{uuid4().hex}"
        self.documents = MemoryDocuments(self._state)
        self.types = MemoryTypes(self._state)
        self.workspaces = MemoryWorkspaces(self._state)
        self.keys = MemoryKeys(self._state)
        self.workspaces.create("default")

    @classmethod
    def from_url(cls, url: str) -> Self:  # noqa: ARG003  there is only one kind of memory
        """Make a new, empty registry."""
        return cls()

    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """See `Registry.load`."""
        with self._state.lock:
            return self._tree(self._state.find(name, self._state.chain(workspace)), revision)

    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """See `Registry.load_id`."""
        with self._state.lock:
            document = self._state.documents.get(document_id)
            if document is None:
                raise refusals.document_not_found(document_id, list(self._state.workspaces), ())
            return self._tree(document, revision)

    def key_status(self) -> KeyStatus:
        """See `Registry.key_status`."""
        return KeyStatus(sealed=False, reason="", root_key=ROOT_KEY, data_keys=())

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _tree(self, document: StoredDocument, revision: int | None) -> Tree:
        root = self._stored(document, revision)
        referenced: dict[str, StoredBlock] = {}
        pending = [root]
        while pending:
            for target_id in references_of(pending.pop().data):
                target = self._state.documents.get(target_id)
                if target is not None and target_id not in referenced:
                    referenced[target_id] = self._stored(target, None)
                    pending.append(referenced[target_id])
        return Tree(root, referenced)

    def _stored(self, document: StoredDocument, number: int | None) -> StoredBlock:
        revision = document.revision(number)
        return StoredBlock(
            document_id=document.id,
            workspace=self._state.workspace_by_id(document.workspace_id).name,
            name=document.name,
            type_slug=revision.type_slug,
            revision=revision.number,
            schema_version=revision.schema_version,
            package=self._state.types[revision.type_slug].package,
            data=revision.text,
        )


class MemoryWorkspaces(Workspaces):
    """Workspaces in memory."""

    def __init__(self, state: State) -> None:
        """Work on `state`."""
        self._state = state

    def create(self, name: str, *, parent: str | None = None, description: str = "") -> Workspace:
        """See `Workspaces.create`."""
        validate_name(name, "workspace")
        with self._state.lock:
            if name in self._state.workspaces:
                raise refusals.workspace_exists(name)
            if parent is not None:
                self._state.workspace(parent)
            made = Workspace(id=uuid4().hex, name=name, parent=parent, description=description, created_at=now())
            self._state.workspaces[name] = made
            return made

    def get(self, name: str) -> Workspace:
        """See `Workspaces.get`."""
        with self._state.lock:
            return self._state.workspace(name)

    def list(self) -> tuple[Workspace, ...]:
        """See `Workspaces.list`."""
        with self._state.lock:
            return tuple(self._state.workspaces[name] for name in sorted(self._state.workspaces))

    def update(self, name: str, *, parent: str | Unset | None = UNSET, description: str | Unset = UNSET) -> Workspace:
        """See `Workspaces.update`."""
        with self._state.lock:
            workspace = self._state.workspace(name)
            if not isinstance(parent, Unset):
                self._refuse_circle(name, parent)
                workspace = replace(workspace, parent=parent)
            if not isinstance(description, Unset):
                workspace = replace(workspace, description=description)
            self._state.workspaces[name] = workspace
            return workspace

    def delete(self, name: str) -> None:
        """See `Workspaces.delete`."""
        with self._state.lock:
            workspace = self._state.workspace(name)
            documents = sum(item.workspace_id == workspace.id for item in self._state.documents.values())
            children = [item.name for item in self._state.workspaces.values() if item.parent == name]
            if documents or children or name == "default":
                raise refusals.workspace_in_use(name, documents=documents, children=children)
            del self._state.workspaces[name]

    def _refuse_circle(self, name: str, parent: str | None) -> None:
        if parent is None:
            return
        ancestors = [item.name for item in self._state.chain(parent)]
        if name in ancestors:
            raise refusals.reference_cycle([name, *ancestors[: ancestors.index(name) + 1]])
