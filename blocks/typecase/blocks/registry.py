"""The registry protocol: where block types, schema versions and documents live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from typecase.blocks.stored import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from typecase.blocks.compatibility import Mode, Policy
    from typecase.blocks.records import (
        Change,
        DataKey,
        Dependent,
        Document,
        DocumentFilter,
        Draft,
        KeyEvent,
        KeyStatus,
        Page,
        Revision,
        Rewrapping,
        Rotation,
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
        later versions are compared from there on. The slug belongs to the package that registers it first; `force`
        hands it over.
        Raises `DuplicateBlockType` when it is another package's, `IncompatibleSchema`.
        """

    @abstractmethod
    def check(self, definition: TypeDefinition) -> Verdict:
        """Say what `register` would do, and write nothing."""

    @abstractmethod
    def list(self, *, search: str = "", cursor: str | None = None, limit: int = 100) -> Page[TypeRecord]:
        """Return registered block types by slug, those with `search` in slug or title; `limit` 1 to 1000."""

    def all(self) -> Iterator[TypeRecord]:
        """Yield all registered block types by slug, page by page."""
        from typecase.blocks.paging import LONGEST

        cursor: str | None = None
        while True:
            page = self.list(cursor=cursor, limit=LONGEST)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

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


class Keys(ABC):
    """The data keys of a registry: replaced, retired, wrapped by another root key. All of it while others work.

    What was stopped in the middle goes on where it was when it is called again. No `workspaces` means all of them.
    `watch` is told how many are done, of how many.
    """

    @abstractmethod
    def plan(self, workspaces: Sequence[str] = ()) -> tuple[Rotation, ...]:
        """Say what `rotate` would do, and write nothing. Raises `WorkspaceNotFound`."""

    @abstractmethod
    def rotate(
        self,
        workspaces: Sequence[str] = (),
        *,
        retire: bool = False,
        actor: str = "",
        watch: Callable[[int, int], None] | None = None,
    ) -> tuple[Rotation, ...]:
        """Give workspaces a new data key and encrypt every revision again; `retire` destroys the earlier keys then.

        New writes use the new key at once. Where an earlier rotation is unfinished, that one is finished instead.
        Raises `WorkspaceNotFound`, `RegistrySealed`, `KeyUnavailable`, `DecryptionFailed`.
        """

    @abstractmethod
    def retire(self, workspaces: Sequence[str] = (), *, actor: str = "") -> tuple[DataKey, ...]:
        """Destroy every data key but the newest of each workspace, and return what was destroyed.

        Raises `KeyInUse` when something is encrypted under one of them; then all of them stay.
        """

    @abstractmethod
    def plan_rewrap(self, url: str | None = None) -> Rewrapping:
        """Say what `rewrap` would do, and write nothing."""

    @abstractmethod
    def rewrap(
        self,
        url: str | None = None,
        *,
        create: bool = False,
        actor: str = "",
        watch: Callable[[int, int], None] | None = None,
    ) -> Rewrapping:
        """Wrap every data key with the root key at `url`, None = the first of the settings; `create` makes it first.

        Raises `RegistrySealed`, `KeyUnavailable`.
        """

    @abstractmethod
    def events(self, *, limit: int = 20) -> tuple[KeyEvent, ...]:
        """Return what was done to keys, newest first."""


class Registry(ABC):
    """Where block types, schema versions and documents live. Safe to share between threads; survives a fork."""

    documents: Documents
    types: Types
    workspaces: Workspaces
    keys: Keys

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
