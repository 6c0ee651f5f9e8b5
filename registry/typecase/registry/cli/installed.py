"""The installed block types as definitions; what cannot be imported is kept beside them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typecase.blocks.catalog import CatalogEntry
    from typecase.blocks.errors import TypecaseError
    from typecase.blocks.records import TypeDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One block type that an installed package declares: its definition, or the problem with it."""

    slug: str
    package: str
    package_version: str
    definition: "TypeDefinition | None" = None
    aliases: tuple[str, ...] = ()
    problem: "TypecaseError | None" = None


def find_installed(package: str | None) -> list[Installed]:
    """Import and return the declared block types of `package`, None = of all. Raises `UsageFault`."""
    from typecase.blocks.catalog import CATALOG
    from typecase.registry.cli.errors import UsageFault

    entries = [entry for entry in CATALOG if is_package(entry.package, package)]
    examined = [_examine(entry) for entry in entries]
    # An alias is an entry point of its own; its class is examined under the slug that it has now.
    found = [item for item in examined if item.definition is None or item.definition.slug == item.slug]
    broken = {item.slug for item in found if item.problem is not None}
    for slug, problem in sorted(CATALOG.problems.items()):
        owners: tuple[str, ...] = getattr(problem, "owners", ())
        if slug not in broken and any(is_package(owner, package) for owner in owners):
            found.append(Installed(slug=slug, package=" and ".join(owners), package_version="", problem=problem))
    if package is not None and not found:
        known = sorted({entry.package for entry in CATALOG})
        raise UsageFault(
            f"No installed package {package!r} declares block types.", hint=f"There are: {', '.join(known)}."
        )
    return found


def is_package(name: str, wanted: str | None) -> bool:
    """Tell whether the distribution `name` is `wanted`, however that is spelled; None = any."""
    from typecase.blocks.catalog import is_same_package

    return wanted is None or is_same_package(name, wanted)


def _examine(entry: "CatalogEntry") -> Installed:
    from typecase.blocks.block_type import type_of
    from typecase.blocks.catalog import CATALOG
    from typecase.blocks.errors import BrokenPlugin, TypecaseError
    from typecase.blocks.schema import definition_of

    definition: TypeDefinition | None = None
    problem: TypecaseError | None = None
    aliases: tuple[str, ...] = ()
    try:
        found = CATALOG.get(entry.slug)
        definition, aliases = definition_of(found), type_of(found).aliases
    except TypecaseError as error:
        problem = error
    except Exception as error:  # noqa: BLE001 - a package may fail in any way, and must not stop the others
        # Not its text: an exception from a class body may quote a default.
        problem = BrokenPlugin(
            f"Block type {entry.slug!r} of package {entry.package} has no schema ({type(error).__name__}).",
            hint=f"Report it to {entry.package}.",
            slug=entry.slug,
            owners=(entry.package,),
        )
    return Installed(
        slug=entry.slug,
        package=entry.package,
        package_version=entry.package_version,
        definition=definition,
        aliases=aliases,
        problem=problem,
    )
