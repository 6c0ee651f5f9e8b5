"""Names of documents and the classes that they load as."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typecase.blocks.catalog import CATALOG
from typecase.blocks.errors import CatalogError

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """What the names of documents stand for.

    `classes` gives for each name, plain and as `type-slug/name`, its classes as `module:Class`: more than one where
    the workspaces differ. `unknown` gives the slugs of the names whose class is not installed or cannot be imported.
    """

    workspaces: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    unknown: Mapping[str, tuple[str, ...]]

    @property
    def documents(self) -> int:
        """How many plain names have a class."""
        return sum("/" not in name for name in self.classes)


def read_names(registry: "Registry", workspaces: Sequence[str]) -> KnownNames:
    """Return what can be loaded in `workspaces`, names of their parents included; imports the classes.

    Raises `WorkspaceNotFound`.
    """
    slugs: dict[str, set[str]] = {}
    for workspace in workspaces:
        for name, slug in _visible(registry, workspace).items():
            slugs.setdefault(name, set()).add(slug)
            slugs.setdefault(f"{slug}/{name}", set()).add(slug)
    targets = {slug: _target(slug) for slug in sorted(set[str]().union(*slugs.values()))}
    classes: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    for name in sorted(slugs):
        if lost := sorted(slug for slug in slugs[name] if not targets[slug]):
            if "/" not in name:
                unknown[name] = tuple(lost)
        else:
            classes[name] = tuple(sorted({targets[slug] for slug in slugs[name]}))
    return KnownNames(workspaces=tuple(dict.fromkeys(workspaces)), classes=classes, unknown=unknown)


def _visible(registry: "Registry", workspace: str) -> dict[str, str]:
    """Return the type slug of each name that can be loaded in `workspace`: a name of its own hides a parent's."""
    found: dict[str, str] = {}
    met: set[str] = set()
    current: str | None = workspace
    while current is not None and current not in met:
        met.add(current)
        parent = registry.workspaces.get(current).parent
        for name, slug in _listed(registry, current):
            found.setdefault(name, slug)
        current = parent
    return found


def _listed(registry: "Registry", workspace: str) -> Iterator[tuple[str, str]]:
    cursor: str | None = None
    while True:
        page = registry.documents.list(workspace=workspace, cursor=cursor, limit=_PAGE)
        yield from ((document.name, document.type_slug) for document in page.items)
        cursor = page.cursor
        if cursor is None:
            return


def _target(slug: str) -> str:
    entry = CATALOG.entry(slug)
    if entry is None:
        return ""
    try:
        CATALOG.get(slug)
    except CatalogError:
        return ""
    return f"{entry.point.module}:{entry.point.attr}"
