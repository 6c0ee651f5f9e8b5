"""Errors about names, settings, blocks and the installed block types."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from typecase.blocks.errors.base import TypecaseError

if TYPE_CHECKING:
    from typecase.blocks.verdicts import Verdict


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
