"""What the shell completes: names, never values."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typecase.blocks.registry import Registry


def complete_types(incomplete: str) -> list[str]:
    """Return the installed block types; imports none of them."""
    from typecase.blocks.catalog import CATALOG

    return _quietly(lambda: (entry.slug for entry in CATALOG), incomplete)


def complete_names(incomplete: str) -> list[str]:
    """Return names of documents in the workspace of the settings."""

    def names() -> Iterable[str]:
        from typecase.blocks.records import DocumentFilter
        from typecase.blocks.settings import current_settings

        registry = _registry()
        if registry is None:
            return ()
        where = DocumentFilter(search=incomplete or None)
        page = registry.documents.list(workspace=current_settings().workspace, where=where)
        return (document.name for document in page.items)

    return _quietly(names, incomplete)


def complete_workspaces(incomplete: str) -> list[str]:
    """Return names of workspaces."""

    def names() -> Iterable[str]:
        registry = _registry()
        return () if registry is None else (workspace.name for workspace in registry.workspaces.list())

    return _quietly(names, incomplete)


def _registry() -> "Registry | None":
    """Return the registry, None where asking it would make it."""
    from typecase.blocks.registries import current_registry
    from typecase.blocks.settings import current_settings
    from typecase.registry.cli.addresses import is_absent

    return None if is_absent(current_settings()) else current_registry()


def _quietly(names: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    try:
        return [name for name in names() if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - a completion has no place to complain
        return []
