"""Migrations: functions of a block class that bring the data of its older schema versions up to date."""

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from typecase.blocks.block_type import BlockType
from typecase.blocks.errors import InvalidBlockType

if TYPE_CHECKING:
    from typecase.blocks.block import Block

_MARK: Final = "__typecase_migration__"

#: A plain function, or one under `@staticmethod` or `@classmethod`.
Declared: TypeAlias = "Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any]"


class Migration(NamedTuple):
    """One step: from the data of `from_version` of the type `slug` (empty = the class's own) to that of the next."""

    from_version: int
    slug: str
    name: str
    run: Callable[[dict[str, Any]], Any]


def migration(*, from_version: int, slug: str = "") -> Callable[[Declared], Any]:
    """Make a function of a block class the migration of documents that were saved with schema `from_version`.

    It takes the fields as they were saved, JSON values with secrets in clear, and returns those of the next version.
    It runs only for documents that do not validate as they are. `slug` names the alias whose versions are meant.
    Raises `InvalidBlockType` for what is no function and for a version below 1.
    """
    if type(from_version) is not int or from_version < 1:
        message = f"A migration cannot begin at schema version {from_version!r}."
        raise InvalidBlockType(message, hint="Versions are whole numbers from 1: `typecase types show SLUG`.")

    def mark(declared: Declared) -> Any:
        function = _function(declared)
        if function is None:
            message = f"A {type(declared).__name__} cannot be a migration."
            raise InvalidBlockType(message, hint="Put `@migration(from_version=...)` on a function of the class.")
        setattr(function, _MARK, (from_version, slug))
        return staticmethod(declared) if isinstance(declared, FunctionType) else declared

    return mark


def check_migrations(cls: "type[Block]") -> None:
    """Raise `InvalidBlockType` where two migrations of `cls` begin at one version, or one names no alias of `cls`."""
    met: dict[tuple[int, str], str] = {}
    declared = vars(cls).get("__block__")
    for name, (from_version, slug) in _declared_in(cls):
        other = met.setdefault((from_version, slug), name)
        if other != name:
            message = f"{cls.__qualname__}.{other} and .{name} both migrate from schema version {from_version}."
            raise InvalidBlockType(message, hint="Make one of them, or begin the other at another version.")
        if slug and isinstance(declared, BlockType) and slug not in declared.aliases:
            message = f"{cls.__qualname__}.{name} migrates {slug!r}, which is no alias of {declared.slug!r}."
            hint = f"Declare it: BlockType(slug={declared.slug!r}, aliases=({slug!r},))."
            raise InvalidBlockType(message, hint=hint)


def migrations_of(cls: "type[Block]", slug: str, version: int) -> tuple[Migration, ...]:
    """Return what brings a document saved as `slug` at schema `version` to `cls`, in the order in which it runs.

    A class has the migrations that it declares and those of parents that are no block types, its own first.
    A parent that is a block type keeps its own: they count that type's versions.
    """
    found: dict[tuple[str, int], Migration] = {}
    for base in cls.__mro__:
        if base is not cls and "__block__" in vars(base):
            continue
        for name, (from_version, of) in _declared_in(base):
            step = Migration(from_version, of, f"{cls.__qualname__}.{name}", getattr(cls, name))
            found.setdefault((of, from_version), step)
    own = "" if slug == _own_slug(cls) else slug
    steps = sorted(found.values(), key=lambda step: step.from_version)
    first = [step for step in steps if step.slug == own and step.from_version >= version]
    return (*first, *(step for step in steps if own and not step.slug))


def _own_slug(cls: "type[Block]") -> str:
    declared = vars(cls).get("__block__")
    return declared.slug if isinstance(declared, BlockType) else ""


def _declared_in(cls: type) -> Iterator[tuple[str, tuple[int, str]]]:
    members: Mapping[str, Any] = vars(cls)
    for name, member in members.items():
        if isinstance(member, staticmethod | classmethod):
            mark = getattr(_function(member), _MARK, None)
            if mark is not None:
                yield name, mark


def _function(declared: Any) -> Any:
    while isinstance(declared, staticmethod | classmethod):
        declared = declared.__func__
    return declared if isinstance(declared, FunctionType) else None
