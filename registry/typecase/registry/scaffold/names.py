"""The names of a new package: distribution, import package, block class, slug."""

import keyword
import re
import sys
from dataclasses import dataclass
from typing import Final

from typecase.blocks.errors import DuplicateBlockType, InvalidName
from typecase.blocks.names import validate_name

_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_CLASS: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_LONGEST: Final = 64
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOISE: Final = frozenset({"block", "blocks", "typecase"})

#: Import packages that a new one would hide, or be hidden by.
_TAKEN: Final = sys.stdlib_module_names | {
    "docs",
    "hatchling",
    "httpx",
    "mypy",
    "pydantic",
    "pytest",
    "ruff",
    "site_packages",
    "src",
    "tests",
    "typecase",
}
#: What the written modules import.
_IMPORTED: Final = frozenset(
    {"Block", "BlockContract", "BlockType", "Check", "Client", "Credentials", "SecretStr", "Stage", "Status"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageNames:
    """What a package and its first block are called."""

    distribution: str
    package: str
    block: str
    module: str
    slug: str
    title: str


def name_package(name: str, *, block: str | None = None) -> PackageNames:
    """Derive every name from a distribution's, normalised as PEP 503 says; `block` names the class.

    Raises `InvalidName`, and `DuplicateBlockType` if another installed package declares the slug.
    """
    distribution = _distribution(name)
    package = distribution.replace("-", "_")
    if not package.isidentifier() or keyword.iskeyword(package):
        raise _refused(name, "package", f"it would be imported as {package!r}", "Start with a letter.")
    if package in _TAKEN:
        raise _refused(name, "package", f"a module {package!r} exists already", f"Try {distribution}-blocks.")
    cls = _class(block) if block is not None else _class(_default_class(distribution))
    slug = validate_name(_WORD.sub("-", cls).lower(), "slug")
    module = slug.replace("-", "_")
    if keyword.iskeyword(module):
        raise _refused(cls, "class", f"its module would be called {module!r}", "Use two words, such as AcmeAccount.")
    _refuse_taken(slug, distribution)
    title = slug.replace("-", " ").capitalize()
    return PackageNames(distribution=distribution, package=package, block=cls, module=module, slug=slug, title=title)


def _distribution(name: str) -> str:
    if len(name) > _LONGEST or not _DISTRIBUTION.fullmatch(name):
        rule = f"Use at most {_LONGEST} letters, digits, '.', '_' and '-', with a letter or digit at both ends."
        raise _refused(name[:_LONGEST], "package", "package indexes refuse it", rule)
    return re.sub(r"[-_.]+", "-", name).lower()


def _class(name: str) -> str:
    if not _CLASS.fullmatch(name) or keyword.iskeyword(name):
        raise _refused(name, "class", "classes are words in CamelCase", "Use --block AcmeAccount, for example.")
    if name in _IMPORTED:
        raise _refused(name, "class", "the module imports that name", "Use --block AcmeAccount, for example.")
    return name


def _default_class(distribution: str) -> str:
    words = distribution.split("-")
    telling = [word for word in words if word not in _NOISE] or words
    return "".join(word.capitalize() for word in telling) + "Account"


def _refuse_taken(slug: str, distribution: str) -> None:
    from typecase.blocks.catalog import CATALOG

    entry = CATALOG.entry(slug)
    if entry is not None and re.sub(r"[-_.]+", "-", entry.package).lower() != distribution:
        message = f"The installed package {entry.package} has a block type {slug!r} already."
        hint = "Choose another class name with --block."
        raise DuplicateBlockType(message, hint=hint, slug=slug, owners=(entry.package, distribution))


def _refused(name: str, what: str, why: str, hint: str) -> InvalidName:
    return InvalidName(f"{name!r} cannot be the name of a {what}: {why}.", hint=hint, name=name, what=what)
