"""The registry protocol: where block types, schema versions and documents live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from typecase.blocks.stored import UNSET

if TYPE_CHECKING:
    from datetime import datetime

    from typecase.blocks.compatibility import Mode, Policy
    from typecase.blocks.records import (
        Change,
        Dependent,
        Document,
        DocumentFilter,
        Draft,
        KeyStatus,
        Page,
        Revision,
        SchemaVersion,
        TypeDefinition,
        TypeRecord,
        Workspace,
    )
    from typecase.blocks.stored import Tree, Unset
    from typecase.blocks.verdicts import CompatibilityRule, Verdict


class Documents(ABC):
    """Saved blocks: written, listed, compared. Reading here never shows a secret.

    Names are looked up in `workspace` and then in its parents when reading;
    writing touches only documents of `workspace` itself.
    """

    @abstractmethod
    def save(self, draft: Draft) -> Revision:
        """Write `draft` as a new document or a new revision, all or nothing.

        Raises `InvalidDocument`, `DocumentExists` (exists, and neither `overwrite` nor an expected revision),
        `RevisionConflict`, `ReferenceNotFound`, `ReferenceCycle`, `TypeNotRegistered`, `WorkspaceNotFound`,
        `RegistrySealed`.
        """

    @abstractmethod
    def get(self, name: str, *, workspace: str, revision: int | None = None) -> Document:
        """Return a document with masked secrets; `revision` None = current."""

    @abstractmethod
    def list(
        self, *, workspace: str, where: DocumentFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Document]:
        """Return documents of exactly this workspace by name, without `data`; `limit` 1 to 1000."""

    @abstractmethod
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

    @abstractmethod
    def rename(self, name: str, new_name: str, *, workspace: str) -> Document:
        """Give a document another name; references to it keep working."""

    @abstractmethod
    def delete(
        self, name: str, *, workspace: str, force: bool = False, expected_revision: int | None = None
    ) -> tuple[Dependent, ...]:
        """Destroy a document and all its revisions; return the dependents that `force` broke.

        Raises `DocumentInUse` when other documents refer to it and `force` is false.
        """

    @abstractmethod
    def dependents(self, name: str, *, workspace: str) -> tuple[Dependent, ...]:
        """Return the documents whose current revision refers to this one."""

    @abstractmethod
    def history(self, name: str, *, workspace: str, cursor: str | None = None, limit: int = 100) -> Page[Revision]:
        """Return the revisions of a document, newest first."""

    @abstractmethod
    def diff(self, name: str, *, workspace: str, before: int, after: int) -> tuple[Change, ...]:
        """Compare two revisions by field; secret values only as changed or not."""

    @abstractmethod
    def restore(
        self, name: str, *, workspace: str, revision: int, expected_revision: int | None = None, author: str = ""
    ) -> Revision:
        """Write an earlier revision again as the newest."""


class Types(ABC):
    """Block types and their schema versions."""

    @abstractmethod
    def register(self, definition: TypeDefinition, *, force: bool = False) -> SchemaVersion:
        """Store a block type if it is new and its schema if it is new. Idempotent, safe from many processes.

        A new schema is checked against earlier versions under the type's rule; `force` takes it all the same, and
        later versions are compared from there on.
        Raises `DuplicateBlockType` when another package registered the slug first, `IncompatibleSchema`.
        """

    @abstractmethod
    def check(self, definition: TypeDefinition) -> Verdict:
        """Say what `register` would do, and write nothing. Raises `DuplicateBlockType`."""

    @abstractmethod
    def list(self) -> tuple[TypeRecord, ...]:
        """Return all registered block types by slug."""

    @abstractmethod
    def get(self, slug: str) -> TypeRecord:
        """Return one block type. Raises `TypeNotRegistered`."""

    @abstractmethod
    def version(self, slug: str, number: int) -> SchemaVersion:
        """Return one schema version. Raises `TypeNotRegistered`."""

    @abstractmethod
    def versions(self, slug: str) -> tuple[SchemaVersion, ...]:
        """Return all schema versions of a type, oldest first. Raises `TypeNotRegistered`."""

    @abstractmethod
    def compatibility(self, slug: str | None = None) -> CompatibilityRule:
        """Return the rule that holds for a type; None = for types without one of their own.

        Raises `TypeNotRegistered`.
        """

    @abstractmethod
    def set_compatibility(
        self,
        mode: Mode | str | Unset | None = UNSET,
        policy: Policy | str | Unset | None = UNSET,
        *,
        slug: str | None = None,
    ) -> CompatibilityRule:
        """Change the rule of a type, or that of all types without one of their own; return what holds now.

        None = inherit again: a type from all types, these from `backward-transitive` and `lenient`.
        Raises `TypeNotRegistered`, `SettingsError` (no such mode or policy).
        """


class Workspaces(ABC):
    """Isolated sets of documents. `default` always exists."""

    @abstractmethod
    def create(self, name: str, *, parent: str | None = None, description: str = "") -> Workspace:
        """Make a workspace with a data key of its own. Raises `WorkspaceExists`, `WorkspaceNotFound` (parent)."""

    @abstractmethod
    def get(self, name: str) -> Workspace:
        """Return one workspace. Raises `WorkspaceNotFound`."""

    @abstractmethod
    def list(self) -> tuple[Workspace, ...]:
        """Return all workspaces by name."""

    @abstractmethod
    def update(self, name: str, *, parent: str | Unset | None = UNSET, description: str | Unset = UNSET) -> Workspace:
        """Change parent or description. Raises `ReferenceCycle` when a workspace would become its own ancestor."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an empty workspace and its data keys. Raises `WorkspaceInUse`; `default` is always in use."""


class Registry(ABC):
    """Where block types, schema versions and documents live. Safe to share between threads; survives a fork."""

    documents: Documents
    types: Types
    workspaces: Workspaces

    #: URL schemes that this class serves are declared in the entry-point group `typecase.registries`.
    url: str

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> Self:
        """Open the registry behind `url`. No I/O before the first call that needs it."""

    @abstractmethod
    def load(self, name: str, *, workspace: str, revision: int | None = None) -> Tree:
        """Return a decrypted document and all that it refers to, in one round trip.

        Falls back through the parents of `workspace`. Raises `DocumentNotFound`, `RevisionNotFound`,
        `WorkspaceNotFound`, `RegistrySealed`, `RegistryUnreachable`, `DecryptionFailed`.
        """

    @abstractmethod
    def load_id(self, document_id: str, *, revision: int | None = None) -> Tree:
        """As `load`, for a document id: what a pickled block carries."""

    @abstractmethod
    def key_status(self) -> KeyStatus:
        """Say what encrypts this registry and whether it is sealed."""

    @abstractmethod
    def close(self) -> None:
        """Release connections. The registry may be used again afterwards."""
