"""New packages of blocks: names, templates, and a folder that is written whole or not at all."""

from typecase.registry.scaffold.names import PackageNames, name_package
from typecase.registry.scaffold.package import FolderNotEmpty, author_of, write_package

__all__ = ["FolderNotEmpty", "PackageNames", "author_of", "name_package", "write_package"]
