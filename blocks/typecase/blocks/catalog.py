"""The catalog: the block types installed in this Python environment, found through entry points."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from typecase.blocks.errors import (
    BlockTypeNotFound,
    BrokenPlugin,
    CatalogError,
    DuplicateBlockType,
    InvalidName,
    describe_near,
)
from typecase.blocks.names import validate_name
from typecase.blocks.plugins import declared, package_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from logging import Logger

    from typecase.blocks.block import Block

GROUP: Final = "typecase.blocks"
OWN_PACKAGE: Final = "typecase"
SLOW_IMPORT: Final = 5.0
#: The owner of block types whose class is in no installed package.
LOCAL: Final = "local code"


def is_same_package(first: str, second: str) -> bool:
    """Tell whether two names are spellings of one distribution."""
    return _plain(first) == _plain(second)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One declared block type, not imported."""

    slug: str
    point: "EntryPoint"

    @property
    def target(self) -> str:
        """Where the class is, as `module:Class`."""
        return self.point.value

    @property
    def package(self) -> str:
        """The distribution that declares the type."""
        return package_of(self.point)

    @property
    def package_version(self) -> str:
        """The version of that distribution."""
        return self.point.dist.version if self.point.dist is not None else ""


class Catalog:
    """Block types by slug. Listing reads package metadata only; `get` imports exactly one module.

    A plugin that is broken, double or badly named is reported once, by name, and stops nothing else.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self._entries: dict[str, CatalogEntry] | None = None
        self._refused: dict[str, CatalogError] = {}
        self._reported: set[str] = set()
        self._classes: dict[str, type[Block]] = {}

    def refresh(self) -> None:
        """Forget what was read, so that packages installed since are seen."""
        self._entries = None
        self._refused.clear()
        self._classes.clear()

    def __iter__(self) -> Iterator[CatalogEntry]:
        """Iterate over the declared block types by slug; imports nothing."""
        return iter(sorted(self._read().values(), key=lambda entry: entry.slug))

    def __contains__(self, slug: object) -> bool:
        """Tell whether a package declares `slug`; imports nothing."""
        return slug in self._read()

    def entry(self, slug: str) -> CatalogEntry | None:
        """Return the declaration of `slug`; imports nothing."""
        if self._entries is None:
            points = [point for point in declared(GROUP) if point.name == slug]
            if len(points) == 1:
                return CatalogEntry(slug, points[0])
        return self._read().get(slug)

    @property
    def problems(self) -> Mapping[str, CatalogError]:
        """The declarations that were refused so far, by slug."""
        self._read()
        return dict(self._refused)

    def get(self, slug: str, *, package: str = "") -> "type[Block]":
        """Import and return the block class of `slug`.

        A class also answers to its aliases, each under an entry point of its own, unless a package declares the slug
        itself. `package` names the package to install if none here declares the slug.
        Raises `BlockTypeNotFound`, `BrokenPlugin`, `DuplicateBlockType`.
        """
        known = self._classes.get(slug)
        if known is not None:
            return known
        entry = self.entry(slug)
        local = _defined_here(slug)
        if entry is None:
            if local is not None:
                return local
            raise (self._refused.get(slug) or self._not_found(slug, package)).with_traceback(None)
        if local is not None and f"{local.__module__}:{local.__qualname__}" == entry.target:
            self._classes[slug] = local
            return local
        try:
            found = self._import(entry)
        except BrokenPlugin as error:
            self._report(slug, error)
            raise
        self._classes[slug] = found
        return found

    def _read(self) -> dict[str, CatalogEntry]:
        if self._entries is None:
            self._entries = {}
            clashes: dict[str, list[CatalogEntry]] = {}
            for point in declared(GROUP, self._unreadable):
                self._add(CatalogEntry(point.name, point), clashes)
            for slug, entries in clashes.items():
                self._settle(slug, entries)
        return self._entries

    def _unreadable(self, package: str, error: Exception) -> None:
        message = f"Package {package} declares entry points that cannot be read ({type(error).__name__})."
        hint = f"Reinstall or uninstall {package}."
        self._report(package, BrokenPlugin(message, hint=hint, slug="", owners=(package,)))

    def _add(self, entry: CatalogEntry, clashes: dict[str, list[CatalogEntry]]) -> None:
        entries = self._entries if self._entries is not None else {}
        try:
            validate_name(entry.slug, "slug")
        except InvalidName as error:
            message = f"Package {entry.package} declares a block type under the bad slug {entry.slug!r}."
            self._report(
                entry.slug, BrokenPlugin(message, hint=error.message, slug=entry.slug, owners=(entry.package,))
            )
            return
        other = entries.get(entry.slug)
        if other is None and entry.slug not in clashes:
            entries[entry.slug] = entry
        elif other is None or other.target != entry.target or other.package != entry.package:
            clashes.setdefault(entry.slug, [other] if other else []).append(entry)

    def _settle(self, slug: str, entries: list[CatalogEntry]) -> None:
        """Let the only class that is declared under `slug` alone have it: the others claim it as an alias."""
        names = Counter(key[1:] for key in {(point.name, point.value, package_of(point)) for point in declared(GROUP)})
        own = [entry for entry in entries if names[entry.target, entry.package] == 1]
        if len(own) == 1 and self._entries is not None:
            self._entries[slug] = own[0]
        else:
            self._refuse(slug, entries)

    def _refuse(self, slug: str, entries: list[CatalogEntry]) -> None:
        owners = tuple(sorted({entry.package for entry in entries}))
        own = next((entry for entry in entries if entry.package == OWN_PACKAGE), None)
        verdict = f"{OWN_PACKAGE}'s own is used" if own else "neither is used"
        message = f"Block type {slug!r} is declared by {' and by '.join(owners)}; {verdict}."
        error = DuplicateBlockType(message, hint="Uninstall one of the packages.", slug=slug, owners=owners)
        self._report(slug, error)
        if self._entries is not None:
            if own:
                self._entries[slug] = own
            else:
                self._entries.pop(slug, None)

    def _report(self, slug: str, error: CatalogError) -> None:
        self._refused[slug] = error
        if slug not in self._reported:
            self._reported.add(slug)
            _logger().warning("%s", error)

    def _import(self, entry: CatalogEntry) -> "type[Block]":
        from typecase.blocks.block import Block
        from typecase.blocks.block_type import BlockType

        start = perf_counter()
        try:
            found: Any = entry.point.load()
        except (Exception, SystemExit) as error:
            message = f"Block type {entry.slug!r} of package {entry.package} ({entry.target}) cannot be imported"
            reason = f"{type(error).__name__}: {error}"
            raise BrokenPlugin(
                f"{message}: {reason}.",
                hint=f"Reinstall or update {entry.package}.",
                slug=entry.slug,
                owners=(entry.package,),
            ) from error
        if (seconds := perf_counter() - start) > SLOW_IMPORT:
            _logger().warning("Block type %r of package %s took %.0f s to import.", entry.slug, entry.package, seconds)
        cls: type[Block] = found
        problem = ""
        if not (isinstance(found, type) and issubclass(found, Block)):
            problem = "is not a Block"
        elif not isinstance(block_type := vars(found).get("__block__"), BlockType):
            problem = "declares no `__block__ = BlockType(...)`"
        elif entry.slug not in (block_type.slug, *block_type.aliases):
            problem = f"calls itself {block_type.slug!r}"
        if problem:
            message = f"Block type {entry.slug!r} of package {entry.package}: {entry.target} {problem}."
            raise BrokenPlugin(message, hint=f"Report it to {entry.package}.", slug=entry.slug, owners=(entry.package,))
        return cls

    def _not_found(self, slug: str, package: str) -> BlockTypeNotFound:
        message = f"No installed package provides the block type {slug!r}."
        if package == LOCAL:
            hint = "Its class is in no installed package: import the module that defines it first."
        elif package:
            hint = f"Install it: pip install {package}"
        else:
            hint = describe_near(difflib.get_close_matches(slug, self._read(), n=3))
            hint = hint or "`typecase types ls` shows what is installed."
        return BlockTypeNotFound(message, hint=hint, slug=slug, package=package)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _defined_here(slug: str) -> "type[Block] | None":
    from typecase.blocks.block import Block
    from typecase.blocks.block_type import BlockType

    heir: type[Block] | None = None
    pending: list[type[Block]] = list(Block.__subclasses__())
    while pending:
        cls = pending.pop()
        block_type = vars(cls).get("__block__")
        if isinstance(block_type, BlockType):
            if block_type.slug == slug:
                return cls
            if slug in block_type.aliases:
                heir = cls
        pending.extend(cls.__subclasses__())
    return heir


def _logger() -> "Logger":
    import logging

    return logging.getLogger(__name__)


CATALOG: Final = Catalog()
