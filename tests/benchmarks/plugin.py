"""Packages that declare block types, written into a folder as pip would install them."""

from __future__ import annotations

from pathlib import Path

_BLOCK = '''"""A block type for measuring."""

from pydantic import SecretStr

from typecase.blocks import Block, BlockType


class {name}(Block):
    """A database, as far as a load can tell."""

    __block__ = BlockType(slug="{slug}")

    host: str
    port: int = 5432
    user: str
    database: str
    password: SecretStr
'''

#: What a team's plain script has in place of a block.
BARE_MODEL = """
from pydantic import BaseModel, SecretStr
class Database(BaseModel):
    host: str
    port: int = 5432
    user: str
    database: str
    password: SecretStr
"""


def write_plugin(folder: Path, number: int = 0) -> str:
    """Add to `folder`, which belongs on the path, a package with one block type; return the type's slug."""
    module, slug = f"typecase_bench_{number}", f"bench-database-{number}"
    name = f"BenchDatabase{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(_BLOCK.format(name=name, slug=slug))
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[typecase.blocks]\n{slug} = {module}:{name}\n")
    (metadata / "RECORD").write_text("")
    return slug
