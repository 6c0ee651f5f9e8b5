"""A registry for measuring: a folder of its own, one block type, one document."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import bare
from measuring import clean_environment, temporary_environment
from plugin import write_plugin

from typecase.blocks import Block
from typecase.blocks.catalog import CATALOG
from typecase.registry.embedded import EmbeddedRegistry

NAME = "doc-0000000"


@dataclass(frozen=True)
class Installation:
    """A folder with a registry, a key and a plugin, and the environment that leads a process to them."""

    folder: Path
    slug: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """The registry's URL."""
        return self.environment["TYPECASE_URL"]

    @property
    def key(self) -> str:
        """The root key's URL."""
        return self.environment["TYPECASE_KEY"]


@contextmanager
def installation() -> Iterator[Installation]:
    """Make one, lead this process to it, and remove it in the end."""
    with TemporaryDirectory(prefix="typecase-bench-") as name:
        folder = Path(name).resolve()
        slug = write_plugin(folder / "site")
        values = {
            "TYPECASE_HOME": str(folder),
            "TYPECASE_URL": f"sqlite:///{folder / 'registry.db'}",
            "TYPECASE_KEY": (folder / "root.key").as_uri(),
            "PYTHONPATH": str(folder / "site"),
        }
        sys.path.insert(0, str(folder / "site"))
        CATALOG.refresh()
        try:
            with temporary_environment(values):
                bare.write(folder)
                registry = EmbeddedRegistry(folder / "registry.db", key=values["TYPECASE_KEY"])
                registry.init()
                registry.close()
                CATALOG.get(slug)(**bare.VALUES).save(NAME)
                yield Installation(folder, slug, clean_environment(**values))
        finally:
            sys.path.remove(str(folder / "site"))
            CATALOG.refresh()


def load() -> Block:
    """Load the document, as a flow would."""
    return Block.load(NAME)
