"""A registry with a thousand block types of ten schema versions each beside one with ten types."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import bare
from installation import NAME, installation
from measuring import Row, time_calls, time_text

from typecase.blocks import Block
from typecase.blocks.catalog import CATALOG
from typecase.blocks.records import DocumentFilter, TypeDefinition
from typecase.blocks.schema import definition_of, digest
from typecase.registry.embedded import EmbeddedRegistry

_FEW = 10
_VERSIONS = 10


def rows(*, types: int, number: int) -> Iterator[Row]:
    """Measure what must not depend on how many types are registered, and listing, per type."""
    with installation() as made, TemporaryDirectory(prefix="typecase-bench-") as folder:
        declared = definition_of(CATALOG.get(made.slug))
        few = _registry(Path(folder) / "few.db", made.key, declared, types=_FEW)
        many = _registry(Path(folder) / "many.db", made.key, declared, types=types)
        promise = f"{types:,} block types, {types * _VERSIONS:,} schema versions: load stays flat"
        times = time_calls(
            {"few": lambda: Block.load(NAME, registry=few), "many": lambda: Block.load(NAME, registry=many)},
            number=number,
        )
        yield _row(promise, "load of a document", times, 1.0)
        search, kind = DocumentFilter(search="d"), DocumentFilter(kind="Database")
        calls = {
            "a definition that is registered, new process": lambda registry: _register_again(registry, declared),
            "one type, its newest version": lambda registry: registry.types.get(declared.slug),
            "search of documents by name": lambda registry: registry.documents.list(workspace="default", where=search),
            "search of documents by kind": lambda registry: registry.documents.list(workspace="default", where=kind),
        }
        for what, call in calls.items():
            times = time_calls({"few": partial(call, few), "many": partial(call, many)}, number=5)
            yield _row("as above: search and look-up", what, times, 1.0)
        listed = {"few": lambda: list(few.types.all()), "many": lambda: list(many.types.all())}
        times = time_calls(listed, number=2, rounds=7)
        yield _row(
            "as above: listing, for each type", f"time for {_FEW} listed types of {types:,}", times, types / _FEW
        )
        few.close()
        many.close()


def _row(promise: str, measured: str, times: dict[str, float], share: float) -> Row:
    ours, limit = times["many"] / share, times["few"]
    return Row(
        promise=promise,
        measured=f"{measured}, vs {_FEW} types",
        ours=time_text(ours),
        limit=time_text(limit),
        ratio=ours / limit,
        target=1.2,
    )


def _register_again(registry: EmbeddedRegistry, definition: TypeDefinition) -> None:
    """Register as a process does that has not seen the type yet."""
    registry.types._registered.clear()  # type: ignore[attr-defined] # what a new process lacks
    registry.types.register(definition)


def _registry(path: Path, key: str, declared: TypeDefinition, *, types: int) -> EmbeddedRegistry:
    """Make a registry with one type registered as usual, version by version, and copies of its rows."""
    registry = EmbeddedRegistry(path, key=key)
    registry.init()
    CATALOG.get(declared.slug)(**bare.VALUES).save(NAME, registry=registry)
    for version in range(_VERSIONS):
        registry.types.register(_definition(declared, version))
    registry.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, name in (("block_types", "slug"), ("schema_versions", "type_slug")):
            rows = connection.execute(f"select * from {table} where {name} = ?", (_slug(0),))
            place = [column[0] for column in rows.description].index(name)
            marks = ", ".join("?" * len(rows.description))
            copies = [(*row[:place], _slug(number), *row[place + 1 :]) for row in rows for number in range(1, types)]
            connection.executemany(f"insert into {table} values ({marks})", copies)
    return registry


def _definition(declared: TypeDefinition, version: int) -> TypeDefinition:
    added = {f"field_{place}": {"type": "integer", "default": 0} for place in range(version)}
    schema = {**declared.schema, "properties": {**declared.schema["properties"], **added}}
    return replace(
        declared,
        slug=_slug(0),
        schema=schema,
        form=schema,
        digest=digest(schema, declared.secret_paths, declared.kinds),
    )


def _slug(number: int) -> str:
    return f"many-{number:04}"
