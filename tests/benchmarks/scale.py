"""A registry with very many documents beside one with a thousand."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import bare
from installation import NAME, installation
from measuring import Row, time_calls, time_text

from typecase.blocks import Block
from typecase.blocks.catalog import CATALOG
from typecase.blocks.paging import write_cursor
from typecase.registry.data_keys import DataKeys
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.envelope import revision_context, seal
from typecase.registry.reading import KEY, WrappedKey

_FEW = 1000
_PAGE = 100
_SAMPLE = 1000


def rows(*, many: int, number: int) -> Iterator[Row]:
    """Measure loads and pages in a registry of `many` documents."""
    with installation() as made:
        start = perf_counter()
        few = _registry(made.folder / "few.db", made.key, made.slug, count=_FEW)
        crowd = _registry(made.folder / "many.db", made.key, made.slug, count=many)
        filled = f"{many:,} documents written in {perf_counter() - start:.0f} s"
        yield _loads(few, crowd, many=many, number=number, note=filled)
        yield from _pages(few, crowd, many=many)
        few.close()
        crowd.close()


def _loads(few: EmbeddedRegistry, crowd: EmbeddedRegistry, *, many: int, number: int, note: str) -> Row:
    seed = random.Random(7)
    names = {
        "few": cycle([_name(n) for n in seed.sample(range(_FEW), _SAMPLE)]),
        "many": cycle([_name(n) for n in seed.sample(range(many), _SAMPLE)]),
    }
    times = time_calls(
        {
            "few": lambda: Block.load(next(names["few"]), registry=few),
            "many": lambda: Block.load(next(names["many"]), registry=crowd),
        },
        number=number,
    )
    return Row(
        promise=f"{many:,} documents: load latency",
        measured=f"random names, vs {_FEW:,} documents",
        ours=time_text(times["many"]),
        limit=time_text(times["few"]),
        ratio=times["many"] / times["few"],
        target=1.2,
        note=note,
    )


def _pages(few: EmbeddedRegistry, crowd: EmbeddedRegistry, *, many: int) -> Iterator[Row]:
    late = write_cursor(_name(many - _PAGE - 1))
    times = time_calls(
        {
            "few": lambda: few.documents.list(workspace="default", limit=_PAGE),
            "first": lambda: crowd.documents.list(workspace="default", limit=_PAGE),
            "last": lambda: crowd.documents.list(workspace="default", limit=_PAGE, cursor=late),
        },
        number=5,
    )
    yield Row(
        promise=f"{many:,} documents: lists page by key",
        measured=f"the last page of {_PAGE} vs the first",
        ours=time_text(times["last"]),
        limit=time_text(times["first"]),
        ratio=times["last"] / times["first"],
        target=1.2,
    )
    yield Row(
        promise="as above",
        measured=f"the first page vs that of {_FEW:,} documents",
        ours=time_text(times["first"]),
        limit=time_text(times["few"]),
        ratio=times["first"] / times["few"],
        target=1.2,
    )


def _registry(path: Path, key: str, slug: str, *, count: int) -> EmbeddedRegistry:
    """Make a registry with one document saved as usual and copies of it, each encrypted for its own place."""
    registry = EmbeddedRegistry(path, key=key)
    registry.init()
    CATALOG.get(slug)(**bare.VALUES).save(NAME, registry=registry)
    registry.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        _multiply(connection, key, count)
    return registry


def _multiply(connection: sqlite3.Connection, key: str, count: int) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("pragma synchronous=off")
    document = dict(connection.execute("select * from documents").fetchone())
    revision = dict(connection.execute("select * from revisions").fetchone())
    wrapped = WrappedKey(*connection.execute(KEY, (revision["key_id"],)).fetchone())
    dek, key_id = DataKeys(key).open(wrapped), bytes.fromhex(wrapped.id)
    text = _plain_text()

    def copies() -> Iterator[tuple[dict[str, object], dict[str, object]]]:
        for number in range(1, count):
            identity = uuid4().hex
            context = revision_context(document["workspace_id"], identity, revision["number"])
            payload = seal(dek, text, key_id=key_id, context=context)
            yield (
                {**document, "id": identity, "name": _name(number)},
                {**revision, "document_id": identity, "payload": payload},
            )

    new_document, new_revision = _insert("documents", document), _insert("revisions", revision)
    for one, other in copies():
        connection.execute(new_document, one)
        connection.execute(new_revision, other)


def _insert(table: str, row: dict[str, object]) -> str:
    return f"insert into {table} ({', '.join(row)}) values ({', '.join(f':{name}' for name in row)})"


def _plain_text() -> bytes:
    return bare.text_of(bare.VALUES)


def _name(number: int) -> str:
    return f"doc-{number:07}"
