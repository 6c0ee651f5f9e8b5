"""Where the demo takes place: a private folder, a registry, and the environment that leads processes to them."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from typecase.blocks.registries import current_registry
from typecase.blocks.settings import VARIABLES
from typecase.registry.demo.schema import Schema, open_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HOME: Final = "TYPECASE_HOME"


class Sandbox:
    """A folder that only its owner can read, and a registry in it or in `schema`."""

    def __init__(self, folder: Path, schema: Schema | None) -> None:
        self.folder = folder
        self.schema = schema
        self.key_file = folder / "root.key"
        self.database = folder / "registry.db"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process finds this registry and nothing of the user's own."""
        url = self.schema.url if self.schema else f"sqlite:///{self.database}"
        return {_HOME: str(self.folder), VARIABLES["url"]: url, VARIABLES["key"]: self.key_file.as_uri()}

    def describe(self) -> str:
        """Say where the registry is, without a password."""
        return (
            f"PostgreSQL, schema {self.schema.name}" if self.schema else f"SQLite, {self.database.name} in the folder"
        )

    def stored_bytes(self) -> Iterator[tuple[str, bytes]]:
        """Iterate over all that the registry keeps, as bytes: the database file and its WAL, or the tables."""
        if self.schema is not None:
            yield from self.schema.contents()
        else:
            for path in sorted(self.folder.glob("registry.db*")):
                yield path.name, path.read_bytes()


@contextmanager
def open_sandbox(server_url: str | None, *, keep: bool) -> Iterator[Sandbox]:
    """Make a sandbox and lead this process to it; remove it after the `with` block unless `keep`."""
    folder = Path(mkdtemp(prefix="typecase-demo-")).resolve()
    with ExitStack() as stack:
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        schema = stack.enter_context(open_schema(server_url, keep=keep)) if server_url else None
        sandbox = Sandbox(folder, schema)
        stack.enter_context(environment(sandbox.environment))
        _install(sandbox)
        stack.callback(current_registry().close)
        yield sandbox


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have exactly `values` of Typecase's variables in the environment inside the `with` block."""
    names = (*VARIABLES.values(), _HOME)
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def _install(sandbox: Sandbox) -> None:
    key = sandbox.key_file.as_uri()
    if sandbox.schema is None:
        from typecase.registry.embedded import EmbeddedRegistry

        file = EmbeddedRegistry(sandbox.database, key=key)
        file.init()
        file.close()
    else:
        from typecase.registry.direct import DirectRegistry

        direct = DirectRegistry(sandbox.schema.url, key=key)
        direct.init(create_key_if_missing=True)
        direct.close()
