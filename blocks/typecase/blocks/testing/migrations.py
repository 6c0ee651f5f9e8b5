"""Stored versions of a block type, kept as JSON beside its tests, read by the class of today."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

import json
import re
from pathlib import Path
from typing import ClassVar, Final

from pydantic import ValidationError

from typecase.blocks.block import Block
from typecase.blocks.block_type import type_of
from typecase.blocks.dumping import Dump
from typecase.blocks.errors import InvalidBlock, InvalidBlockType
from typecase.blocks.loading import Loading
from typecase.blocks.markers import BLOCK
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.migrations import migrations_of
from typecase.blocks.schema import definition_of
from typecase.blocks.stored import StoredBlock, Tree

_FILE: Final = re.compile(r"version-([1-9][0-9]*)\.json")


def write_version(block: Block, folder: Path, *, version: int) -> Path:
    """Write what a registry would store of `block` as `folder/version-N.json`, an example for all time.

    Secrets are written in clear: use made-up ones. `version` is the number of the schema version of today.
    Raises `InvalidBlock` for a block that refers to a saved one, `FileExistsError` for a version that differs.
    """
    data = Dump(block, lambda _: 1).document()
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if f'"{BLOCK}"' in text:
        problem = ("", "reference", "refers to a saved block, which is only in one registry")
        raise InvalidBlock.build(type(block).__name__, [problem], hint="Put an unsaved block in that field.")
    path = folder / f"version-{version}.json"
    if path.exists() and path.read_text("utf-8") != text:
        message = f"{path} holds another example: what was saved once stays as it is. Take the next version."
        raise FileExistsError(message)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def load_versions(cls: type[Block], folder: Path) -> dict[str, Block]:
    """Return each stored version in `folder`, by its path there, as a block of `cls`.

    `version-N.json` holds the data of version N; those of an alias are in a folder of its name.
    Raises `InvalidBlock`, `MigrationFailed`, and `FileNotFoundError` when there is no version at all.
    """
    slugs = {"": type_of(cls).slug, **{alias: alias for alias in type_of(cls).aliases}}
    found: dict[str, Block] = {}
    for place, slug in slugs.items():
        files = [path for path in (folder / place).glob("version-*.json") if _FILE.fullmatch(path.name)]
        for path in sorted(files, key=_number):
            found[str(path.relative_to(folder))] = _load(cls, slug, path, _number(path))
    if not found:
        message = f"{folder} holds no version-N.json of {cls.__name__}: write one with write_version."
        raise FileNotFoundError(message)
    return found


def assert_migrations(cls: type[Block], folder: Path) -> None:
    """Assert that `cls` reads every stored version in `folder`, and that no migration of `cls` goes untested.

    A version is read too where a registry counts it lower, because it did not see all earlier ones: migrations leave
    newer data alone.
    """
    loaded = load_versions(cls, folder)
    for place, block in loaded.items():
        data = Dump(block, lambda _: 1).document()
        again = cls.__pydantic_validator__.validate_json(json.dumps(data), by_name=True)
        assert again == block, f"{place} does not come back from being saved again"
        slug = Path(place).parent.name or type_of(cls).slug
        for number in range(1, _number(folder / place)):
            problem = f"{place} is not read where a registry calls it version {number}: leave newer data alone"
            assert _read_as(cls, slug, folder / place, number) == block, problem
    for slug in (type_of(cls).slug, *type_of(cls).aliases):
        prefix = "" if slug == type_of(cls).slug else f"{slug}/"
        for step in migrations_of(cls, slug, 1):
            if step.slug == prefix.rstrip("/"):
                needed = f"{prefix}version-{step.from_version}.json"
                assert needed in loaded, f"{step.name} has no example: {folder / needed} is missing"


class MigrationContract:
    """What a block class promises of documents that were saved with its earlier versions."""

    block: ClassVar[type[Block]]
    #: The folder with `version-1.json`, `version-2.json` and so on.
    versions: ClassVar[Path]

    def test_every_stored_version_is_read(self) -> None:
        assert_migrations(self.block, self.versions)

    def test_the_newest_version_needs_no_migration(self) -> None:
        files = [path for path in self.versions.glob("version-*.json") if _FILE.fullmatch(path.name)]
        assert files, f"{self.versions} holds no version-N.json: write one with write_version"
        newest = max(files, key=_number)
        given = set(json.loads(newest.read_text("utf-8")))
        known = set(definition_of(self.block).schema.get("properties", {}))
        assert given == known, f"{newest} is not what the class saves today: write_version the next version"


def _read_as(cls: type[Block], slug: str, path: Path, number: int) -> Block | None:
    try:
        return _load(cls, slug, path, number)
    except InvalidBlock:
        return None


def _load(cls: type[Block], slug: str, path: Path, number: int) -> Block:
    data = json.dumps(json.loads(path.read_text("utf-8"))).encode()
    stored = StoredBlock(path.name, "versions", path.stem, slug, 1, number, "these tests", data)
    loading = Loading(Tree(stored, {}), MemoryRegistry())
    try:
        block: Block = cls.__pydantic_validator__.validate_json(data, extra="ignore", by_name=True, context=loading)
    except ValidationError:
        pass
    else:
        return block
    return loading.rebuild(cls, stored, json.loads(data))


def _number(path: Path) -> int:
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise InvalidBlockType(f"{path} is no version of a block.", hint="Call it version-N.json.")
    return int(match[1])
