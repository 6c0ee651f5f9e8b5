"""Errors about a registry and what is in it."""

from typing import TYPE_CHECKING

from typecase.blocks.errors.base import TypecaseError

if TYPE_CHECKING:
    from typecase.blocks.compatibility import Difference
    from typecase.blocks.records import Dependent
    from typecase.blocks.verdicts import Verdict


class RegistryError(TypecaseError):
    """The root of errors about a registry."""


class RegistryUnreachable(RegistryError, ConnectionError):
    """The registry did not answer."""


class RegistryOutdated(RegistryError):
    """The registry's tables are older or newer than this package."""


class RegistrySealed(RegistryError):
    """The registry holds encrypted data and its root key is missing or wrong. Nothing was written."""


class KeyUnavailable(RegistryError):
    """A root key cannot be used now. `reason` says why; "When the root key cannot be used" in the guide what to do."""


class DecryptionFailed(RegistryError):
    """A ciphertext is damaged, was moved, or belongs to another key."""


class KeyInUse(RegistryError):
    """Something is encrypted under a data key that was to be retired. `key` is its id, `revisions` counts what."""


class BackupUnusable(RegistryError, ValueError):
    """A backup file is damaged, cut, of a newer release, or none. Nothing was written. `reason` says which."""


class BackupExists(RegistryError, FileExistsError):
    """There is a file already where a backup was to be written."""


class RegistryNotEmpty(RegistryError):
    """A backup is restored into an empty registry only, and this one holds something."""


class WorkspaceNotFound(RegistryError, LookupError):
    """No workspace has this name."""


class WorkspaceExists(RegistryError):
    """A workspace has this name already."""


class WorkspaceInUse(RegistryError):
    """A workspace still holds documents, or is the parent of another."""


class DocumentNotFound(RegistryError, LookupError):
    """No document has this name in the workspace or its parents. `near` lists similar names."""


class RevisionNotFound(RegistryError, LookupError):
    """The document has no revision of this number."""


class DocumentExists(RegistryError):
    """A document has this name already."""


class RevisionConflict(RegistryError):
    """The document changed since it was read. `expected` and `actual` are revision numbers."""


class DocumentIsNewer(RegistryError):
    """The document was saved with a newer schema than the one at hand, whose save would lose fields."""


class DocumentInUse(RegistryError):
    """Other documents refer to this one. `dependents` lists them."""

    dependents: "tuple[Dependent, ...]"


class ReferenceCycle(RegistryError, ValueError):
    """Saving would make a document refer to itself, directly or through others."""


class ReferenceNotFound(RegistryError, LookupError):
    """A block reference points at no document. `path` is where it stands, `target` what it says."""

    path: str
    target: str


class InvalidCursor(RegistryError, ValueError):
    """A cursor does not continue any list."""


class InvalidDocument(RegistryError, ValueError):
    """A document does not fit the JSON Schema of its type. `problems` holds (path, rule, sentence)."""

    problems: tuple[tuple[str, str, str], ...]


class TypeNotRegistered(RegistryError, LookupError):
    """The registry knows no block type with this slug, or not this schema version."""


class IncompatibleSchema(RegistryError, ValueError):
    """A schema breaks the compatibility rule of its type. `differences` name path, rule, direction and sentence.

    `verdict` holds all that was compared.
    """

    slug: str
    differences: "tuple[Difference, ...]"
    verdict: "Verdict"


class WrongRegistry(RegistryError):
    """A block that travelled by reference names another document in the registry of this process."""
