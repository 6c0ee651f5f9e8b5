"""Exit codes: one table from errors to numbers."""

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from typecase.blocks.errors import TypecaseError


class ExitCode(IntEnum):
    """How a command ended. `meaning` is what the documentation says of it."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        """Attach `meaning` to `number`."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        return code

    OK = 0, "Done."
    UNEXPECTED = 1, "A fault in Typecase or in a plugin. Please report it; `TYPECASE_DEBUG=1` adds a traceback."
    USAGE = 2, "The command line or a setting is wrong, or a question could not be asked."
    NOT_FOUND = 3, "No document, revision, workspace or block type has that name."
    INVALID = 4, "Values or names break a rule: of the block type, of naming, of references."
    CONFLICT = 5, "It exists already, is in use, or changed since it was read."
    SEALED = 6, "The root key is missing or wrong, or a ciphertext is damaged. Nothing was written."
    UNREACHABLE = 7, "The registry, or the system behind a block, did not answer or refused the operation."
    FORBIDDEN = 8, "The registry, or the system behind a block, refused the credentials."
    CHECK_FAILED = (
        9,
        "`blocks check`, `stubs --check` or `audit verify` failed, or a document expired or was not upgraded.",
    )
    ENVIRONMENT = 10, "A package is missing, broken, too old or too new, or cannot do that."
    INCOMPATIBLE = 11, "A schema breaks the compatibility rule of its type, or a registered type is declared no more."
    INTERRUPTED = 130, "Ctrl-C, or the end of the input at a question."
    BROKEN_PIPE = 141, "The reader of the output went away (`| head`). Nothing is printed."


#: The first line that names a class or a parent of an error's class decides.
_TABLE: Final[tuple[tuple[ExitCode, tuple[str, ...]], ...]] = (
    (ExitCode.USAGE, ("SettingsError", "UsageFault")),
    (
        ExitCode.NOT_FOUND,
        (
            "AccessNotFound",
            "BlockTypeNotFound",
            "DocumentNotFound",
            "ObjectNotFound",
            "PrincipalNotFound",
            "ReferenceNotFound",
            "RevisionNotFound",
            "SecretNotFound",
            "TypeNotRegistered",
            "WorkspaceNotFound",
        ),
    ),
    (
        ExitCode.INVALID,
        (
            "BackupUnusable",
            "InvalidAccess",
            "InvalidBlock",
            "InvalidBlockType",
            "InvalidCursor",
            "InvalidDocument",
            "InvalidName",
            "InvalidPath",
            "InvalidRequest",
            "InvalidSecretKey",
            "InvalidSecretReference",
            "KindMismatch",
            "PreconditionRequired",
            "ReferenceCycle",
            "RequestTooLarge",
            "SecretMalformed",
            "UnresolvedReference",
            "UnsavedSecrets",
            "WeakPassword",
        ),
    ),
    (
        ExitCode.CONFLICT,
        (
            "BackupExists",
            "DocumentExists",
            "DocumentInUse",
            "DocumentIsNewer",
            "DuplicateBlockType",
            "KeyInUse",
            "LastAdmin",
            "ObjectConflict",
            "PrincipalExists",
            "RegistryNotEmpty",
            "RequestConflict",
            "RevisionConflict",
            "WorkspaceExists",
            "WorkspaceInUse",
        ),
    ),
    (ExitCode.INCOMPATIBLE, ("IncompatibleSchema",)),
    (ExitCode.SEALED, ("DecryptionFailed", "KeyUnavailable", "RegistrySealed")),
    (
        ExitCode.FORBIDDEN,
        ("AuthenticationFailed", "LinkUnusable", "PermissionDenied", "SecretForbidden", "SignInRequired"),
    ),
    (
        ExitCode.UNREACHABLE,
        ("AuditUnavailable", "OperationFailed", "RegistryUnreachable", "RequestTimeout", "TooManyRequests"),
    ),
    (ExitCode.ENVIRONMENT, ("CatalogError", "MissingPackage", "NotSupported", "RegistryOutdated", "WrongRegistry")),
)


def code_of(error: "TypecaseError") -> ExitCode:
    """Return the exit code for `error`."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return next((code for code, classes in _TABLE if names.intersection(classes)), ExitCode.UNEXPECTED)
