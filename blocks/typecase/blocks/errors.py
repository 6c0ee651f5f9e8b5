"""Every error that Typecase raises, one class per meaning."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from typecase.blocks.compatibility import Difference
    from typecase.blocks.verdicts import Verdict


class TypecaseError(Exception):
    """The root of all Typecase errors.

    `message` says what happened, `hint` what to do next; both are part of `str(error)`.
    Further facts are attributes. No error carries a secret value.
    """

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        """Keep `message`, `hint` and each fact as an attribute."""
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.hint = hint
        for name, value in facts.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, so that errors cross process borders whole."""
        return _rebuild, (type(self), self.args), dict(vars(self))


def _rebuild(cls: type[TypecaseError], args: tuple[Any, ...]) -> TypecaseError:
    error = cls.__new__(cls)
    error.args = args
    return error


class InvalidName(TypecaseError, ValueError):
    """A document, workspace or type name breaks the naming rule."""


class SettingsError(TypecaseError, ValueError):
    """A setting is missing, unknown or malformed."""


class InvalidBlock(TypecaseError, ValueError):
    """Values do not fit the fields of a block. `problems` holds (path, rule, sentence), never input."""

    problems: tuple[tuple[str, str, str], ...]

    @classmethod
    def build(cls, title: str, problems: Iterable[tuple[str, str, str]], *, hint: str = "") -> Self:
        """Describe `problems` of the block type `title`, one line each."""
        problems = tuple(problems)
        lines = "".join(f"\n  {path or '(block)'}: {text}" for path, _, text in problems)
        return cls(f"{title} does not accept these values:{lines}", hint=f"\n{hint}" if hint else "", problems=problems)


class MigrationFailed(InvalidBlock):
    """A migration of a block class failed on a document. `migration` names the function, never the values."""

    migration: str
    from_version: int


class InvalidBlockType(TypecaseError, TypeError):
    """A block class is declared in a way that cannot work."""


class KindMismatch(TypecaseError, TypeError):
    """A document exists, but its block is not of the type or kind that was asked for."""


class UnsavedSecrets(TypecaseError, TypeError):
    """A block with literal secrets was pickled before it was saved."""


class InvalidSecretReference(TypecaseError, ValueError):
    """A reference to a secret is malformed, or leads to a store that is not saved."""


class UnresolvedReference(TypecaseError, RuntimeError):
    """A field refers to a secret in a store, and its block was built, not loaded: there is no value yet."""


class MissingPackage(TypecaseError, ImportError):
    """A Python package that this operation needs is not installed. `extra` names what brings it."""


class NotSupported(TypecaseError, NotImplementedError):
    """This block cannot do that, and says so instead of pretending."""


class CatalogError(TypecaseError):
    """The root of errors about the installed block types."""


class BlockTypeNotFound(CatalogError, LookupError):
    """No installed package provides this block type."""


class BrokenPlugin(CatalogError, ImportError):
    """A package declares a block type that cannot be used: import failed, not a Block, wrong slug."""


class DuplicateBlockType(CatalogError):
    """Two packages declare the same block type, or it belongs to another one in a registry. `owners` names both."""

    slug: str
    owners: tuple[str, ...]
    verdict: "Verdict | None" = None


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


class PermissionDenied(RegistryError, PermissionError):
    """The principal may not do this."""


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


class ReferenceCycle(RegistryError, ValueError):
    """Saving would make a document refer to itself, directly or through others."""


class ReferenceNotFound(RegistryError, LookupError):
    """A block reference points at no document."""


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


class OperationFailed(TypecaseError):
    """A system that a block stands for refused or failed. The root of errors raised by block methods."""


class ConnectionFailed(OperationFailed, ConnectionError):
    """The system could not be reached."""


class AuthenticationFailed(OperationFailed, PermissionError):
    """The system refused the credentials."""


class ObjectNotFound(OperationFailed, FileNotFoundError):
    """The object store holds nothing under this path."""


class ObjectConflict(OperationFailed, FileExistsError):
    """A conditional write found another state than it expected."""


class InvalidPath(OperationFailed, ValueError):
    """A path is malformed or leads outside the block's root."""


class DeliveryFailed(OperationFailed):
    """A notification was not accepted by the receiver."""


class SecretError(OperationFailed):
    """The root of errors about secrets in a store. `store` and `key` say which; no error carries a value."""


class SecretNotFound(SecretError, LookupError):
    """The store holds nothing under this key, or not in this version. `reason` is `absent` or `deleted`."""


class SecretForbidden(SecretError, PermissionError):
    """The store knows who asks and does not let them see this secret."""


class SecretStoreUnreachable(SecretError, ConnectionError):
    """The store did not answer in time, is sealed, throttles, or fails. `reason` says which."""


class SecretExpired(SecretError):
    """The secret exists and is disabled, past its end, or its lease ran out."""


class SecretMalformed(SecretError, ValueError):
    """The secret is there and is not what was asked for: not text, not JSON, without that field, unfit for it."""


class InvalidSecretKey(SecretError, ValueError):
    """The store cannot have a secret under this key."""


def describe_near(near: Iterable[str]) -> str:
    """Turn similar names into the sentence that ends a not-found error."""
    names = sorted(near)
    return f"Did you mean {' or '.join(map(repr, names))}?" if names else ""
