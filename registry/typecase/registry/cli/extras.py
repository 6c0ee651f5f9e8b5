"""Which extra of a package brings what a block type needs, and whether it is there."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from typecase.blocks.catalog import CatalogEntry


def extra_hint(entry: "CatalogEntry") -> str:
    """Return the command that installs what `entry` lacks, empty if it lacks nothing.

    By convention an extra bears the name of the block type or of its module.
    """
    package = entry.point.dist
    if package is None:
        return ""
    extras = package.metadata.get_all("Provides-Extra") or []
    module = entry.point.module.rpartition(".")[2].replace("_", "-")
    extra = next((name for name in (entry.slug, module) if name in extras), None)
    if extra is None or all(_installed(name) for name in _requirements(package, extra)):
        return ""
    return f"pip install '{package.name}[{extra}]'"


def _requirements(package: "Distribution", extra: str) -> list[str]:
    marked = [text for text in package.requires or () if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", text)]
    return [match[0] for text in marked if (match := re.match(r"[A-Za-z0-9._-]+", text))]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
