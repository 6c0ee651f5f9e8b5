"""What a memory registry holds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock

from typecase.blocks import refusals
from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.records import SchemaVersion, TypeRecord, Workspace


@dataclass(slots=True)
class StoredRevision:
    """One revision; `text` is JSON with secrets in clear, which is why it stays in memory and out of `repr`."""

    number: int
    type_slug: str
    schema_version: int
    author: str
    restored_from: int | None
    created_at: datetime
    text: bytes = field(repr=False)


@dataclass(slots=True)
class StoredDocument:
    """One document with all its revisions, the oldest first."""

    id: str
    workspace_id: str
    name: str
    type_slug: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    expires_at: datetime | None = None
    revisions: list[StoredRevision] = field(default_factory=list)

    def revision(self, number: int | None) -> StoredRevision:
        """Return a revision, None = the newest. Raises `RevisionNotFound`."""
        if number is None:
            return self.revisions[-1]
        if not 1 <= number <= len(self.revisions):
            raise refusals.revision_not_found(self.name, number, len(self.revisions))
        return self.revisions[number - 1]


@dataclass(slots=True)
class State:
    """All tables of a memory registry, behind one lock."""

    lock: RLock = field(default_factory=RLock)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    types: dict[str, TypeRecord] = field(default_factory=dict)
    versions: dict[str, list[SchemaVersion]] = field(default_factory=dict)
    documents: dict[str, StoredDocument] = field(default_factory=dict)
    #: The rule set for a slug, None = for all types: mode and policy, None = inherited.
    rules: dict[str | None, tuple[Mode | None, Policy | None]] = field(default_factory=dict)

    def workspace(self, name: str) -> Workspace:
        """Return a workspace by name. Raises `WorkspaceNotFound`."""
        found = self.workspaces.get(name)
        if found is None:
            raise refusals.workspace_not_found(name, self.workspaces)
        return found

    def workspace_by_id(self, workspace_id: str) -> Workspace:
        """Return a workspace by id."""
        return next(item for item in self.workspaces.values() if item.id == workspace_id)

    def chain(self, name: str) -> list[Workspace]:
        """Return a workspace and its parents, nearest first."""
        found = [self.workspace(name)]
        while (parent := found[-1].parent) is not None:
            found.append(self.workspaces[parent])
        return found

    def find(self, name: str, chain: list[Workspace]) -> StoredDocument:
        """Return the document of this name in the first workspace of `chain` that has it. Raises `DocumentNotFound`."""
        inside = [item.id for item in chain]
        by_place = {item.workspace_id: item for item in self.documents.values() if item.name == name}
        for workspace_id in inside:
            if workspace_id in by_place:
                return by_place[workspace_id]
        names = [item.name for item in self.documents.values() if item.workspace_id in inside]
        raise refusals.document_not_found(name, [item.name for item in chain], names)

    def own(self, name: str, workspace_id: str) -> StoredDocument | None:
        """Return the document of this name in exactly this workspace."""
        same = (item for item in self.documents.values() if item.name == name)
        return next((item for item in same if item.workspace_id == workspace_id), None)

    def version(self, slug: str, number: int | None) -> SchemaVersion:
        """Return a schema version, None = the newest. Raises `TypeNotRegistered`."""
        refusals.require_version(slug, number)
        versions = self.versions.get(slug, [])
        if not versions or (number is not None and not 1 <= number <= len(versions)):
            raise refusals.type_not_registered(slug, number if versions else None, self.types)
        return versions[(number or len(versions)) - 1]


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)
