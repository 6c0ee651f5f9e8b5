"""A block type: a block class seen from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typecase.blocks.errors import InvalidBlockType
from typecase.blocks.names import validate_name

if TYPE_CHECKING:
    from typecase.blocks.block import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockType:
    """What a block class says of itself in `__block__`.

    `slug` is kebab-case and unique among all packages; `icon` names a file or a simple-icons slug; `docs` is a URL.
    `aliases` are slugs that the type had before: documents saved under them are read as this type. `example` is a
    whole document with made-up secrets; without it, pages put together what the fields show as their examples.
    """

    slug: str
    title: str = ""
    icon: str = ""
    docs: str = ""
    aliases: tuple[str, ...] = ()
    example: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Refuse a slug that breaks the rule, where it is written."""
        for slug in (self.slug, *self.aliases):
            validate_name(slug, "slug")
        if self.slug in self.aliases:
            message = f"Block type {self.slug!r} is an alias of itself."
            raise InvalidBlockType(message, hint="`aliases` holds slugs that the type had before.")
        if not self.title:
            object.__setattr__(self, "title", self.slug.replace("-", " ").capitalize())


def type_of(cls: "type[Block]") -> BlockType:
    """Return the block type that `cls` itself declares; a parent's does not count.

    Raises `InvalidBlockType` for kinds and other classes that declare none.
    """
    declared = vars(cls).get("__block__")
    if isinstance(declared, BlockType):
        return declared
    message = f"{cls.__module__}.{cls.__qualname__} is not a block type."
    raise InvalidBlockType(message, hint='Give the class `__block__ = BlockType(slug="...")` to save or load it.')


def kinds_of(cls: type) -> tuple[str, ...]:
    """Return the names of the kinds that `cls` has, the nearest first."""
    return tuple(str(vars(base)["__kind__"]) for base in cls.__mro__ if "__kind__" in vars(base))


def asked_for(cls: "type[Block]") -> str:
    """Say in words what a caller wants who loads through `cls`."""
    if "__kind__" in vars(cls):
        return f"a block of kind {vars(cls)['__kind__']}"
    declared = vars(cls).get("__block__")
    return f"a {declared.slug} block" if isinstance(declared, BlockType) else f"a {cls.__name__}"


def check_fields(cls: "type[Block]", root: "type[Block]") -> None:
    """Raise `InvalidBlockType` if a field of `cls` has the name of a method of its parents, up to `root`."""
    parents = [base for base in cls.__mro__[1:] if issubclass(base, root)]
    for name in cls.__pydantic_fields__:
        owner = next((base for base in parents if callable(getattr(base, name, None)) and name in vars(base)), None)
        if owner is not None:
            message = f"{cls.__qualname__}: the field {name!r} hides the method {owner.__name__}.{name}."
            raise InvalidBlockType(message, hint=f"Call it {name}_, or give it an alias.", field=name)
