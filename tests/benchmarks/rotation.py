"""Rotating a registry with very many documents beside one with a tenth of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from uuid import uuid4

from measuring import Row, time_text
from sqlalchemy import insert, select

from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry.data_keys import DataKeys
from typecase.registry.envelope import new_data_key, revision_context, seal
from typecase.registry.file_registry import FileRegistry
from typecase.registry.stored_keys import lock_newest_key
from typecase.registry.tables import documents, revisions, workspaces

_TEXT = b"x" * 200
_ROUNDS = 3
_TYPE = TypeDefinition(
    slug="thing", title="", description="", icon="", docs="", kinds=(), package="benchmark", package_version="1",
    schema={"type": "object"}, form={"type": "object"}, secret_paths=(), digest="0" * 64,
)  # fmt: skip


def rows(*, many: int) -> Iterator[Row]:
    """Measure rotations of `many` documents, and of a tenth."""
    few = max(many // 10, 1)
    with TemporaryDirectory(prefix="typecase-bench-") as folder:
        small, large = (_registry(Path(folder), count) for count in (few, many))
        times: dict[int, list[float]] = {few: [], many: []}
        # Taken in turns, and the fastest counts: whatever else runs on the machine only ever adds.
        for _ in range(_ROUNDS):
            for count, registry in ((few, small), (many, large)):
                start = perf_counter()
                (done,) = registry.keys.rotate(retire=True)
                times[count].append((perf_counter() - start) / count)
                if done.revisions != count:
                    raise RuntimeError(f"{done.revisions} of {count} documents were rotated")
        small.close()
        large.close()
    ours, limit = min(times[many]), min(times[few])
    yield Row(
        promise="re-encryption is linear",
        measured=f"keys rotate, {many:,} documents vs {few:,}: each document",
        ours=time_text(ours),
        limit=time_text(limit),
        ratio=ours / limit,
        target=1.2,
        note=f"{many:,} documents in {time_text(ours * many)}",
    )


def _registry(folder: Path, count: int) -> FileRegistry:
    registry = FileRegistry(folder / f"{count}.db", DataKeys((folder / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    registry.types.register(_TYPE)
    registry.documents.save(Draft(name="doc", workspace="default", type_slug="thing", schema_version=1, data={}))
    store = registry._store
    with store.engine().begin() as connection:
        document, revision = (
            dict(connection.execute(select(table)).mappings().one()) for table in (documents, revisions)
        )
        place = connection.scalar(select(workspaces.c.id)) or ""
        key = lock_newest_key(connection, place)
        dek, key_id = registry._keys.open(key), bytes.fromhex(key.id)
        copies = [(uuid4().hex, new_data_key()) for _ in range(count - 1)]
        if copies:
            connection.execute(
                insert(documents),
                [{**document, "id": one, "name": f"doc-{one}", "secret": secret} for one, secret in copies],
            )
            connection.execute(insert(revisions), [
                {**revision, "document_id": one, "payload": seal(
                    dek, _TEXT, key_id=key_id, context=revision_context(place, one, 1), document_secret=secret
                )}
                for one, secret in copies
            ])  # fmt: skip
    return registry
