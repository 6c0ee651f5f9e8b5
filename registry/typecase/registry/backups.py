"""Backups: a whole registry in one file, which a registry on either database can be made from.

The file is JSON Lines. The first line says what it is: format and version, the migration that its tables stand at, the
root keys that its data keys are wrapped by. Then each table: a line with its name, its columns and their types, and a
line for each row. The last line counts the rows and holds the SHA-256 of every byte before it.

Rows keep their ids, so ciphertexts and wrapped data keys keep their places and are copied as they are.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from sqlalchemy import JSON, Connection, LargeBinary, Table, func, select

from typecase.blocks.errors import BackupExists, BackupUnusable
from typecase.blocks.records import BackupSummary
from typecase.registry.keys.file import sync_folder
from typecase.registry.reading import HEAD
from typecase.registry.tables import AnyRow, UtcDateTime, data_keys, metadata, workspaces

if TYPE_CHECKING:
    from typecase.registry.store import Store

FORMAT: Final = "typecase-backup"
VERSION: Final = 1

_CHUNK: Final = 1000

#: How the values of a type of columns are written, and read again. Others are JSON's own.
WRITERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bytes": lambda value: b64encode(value).decode(),
    "time": lambda value: value.isoformat(),
}
READERS: Final[dict[str, Callable[[Any], Any]]] = {"bytes": b64decode, "time": datetime.fromisoformat}


def write_backup(store: "Store", path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
    """Write all tables, as they are at one moment, to `path`. The file appears whole, with mode 0600, or not at all.

    Raises:
        BackupExists: there is a file at `path`.
        BackupUnusable: the file cannot be written.

    """
    with store.engine().connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            return _write_file(path, lambda file: _Writing(connection, file, watch or (lambda *_: None)).run())
        except FileExistsError:
            pass
        except OSError as error:
            raise BackupUnusable(
                f"{path} cannot be written: {error.strerror}.", hint="Choose another folder.", reason="unwritable"
            ) from None
    raise BackupExists(f"There is a file at {path} already.", hint="Choose another name, or remove it.", path=path)


def tag_of(column: Any) -> str:
    """Return how values of a column are written: `bytes`, `time`, `json` or `plain`."""
    tags = {LargeBinary: "bytes", UtcDateTime: "time", JSON: "json"}
    return next((tag for kind, tag in tags.items() if isinstance(column.type, kind)), "plain")


class _Writing:
    def __init__(self, connection: Connection, file: BinaryIO, watch: Callable[[int, int], None]) -> None:
        self._connection = connection
        self._file = file
        self._watch = watch
        self._hash = sha256()

    def run(self) -> BackupSummary:
        scalar = self._connection.scalar
        total = sum(scalar(select(func.count()).select_from(table)) or 0 for table in metadata.sorted_tables)
        unretired = data_keys.c.retired_at.is_(None)
        roots = tuple(sorted(self._connection.scalars(select(data_keys.c.root_key).where(unretired).distinct())))
        created = datetime.now(UTC)
        about = {"format": FORMAT, "version": VERSION, "tables": HEAD, "created_at": created.isoformat()}
        self._line({**about, "root_keys": roots})
        counts: dict[str, int] = {}
        done = 0
        for table in metadata.sorted_tables:
            self._line({"table": table.name, "columns": [(column.name, tag_of(column)) for column in table.c]})
            counts[table.name] = 0
            for row in self._rows(table):
                self._line(row)
                counts[table.name] += 1
                done += 1
                if done % _CHUNK == 0:
                    self._watch(done, total)
        self._line({"rows": counts, "sha256": self._hash.hexdigest()})
        self._watch(done, total)
        return BackupSummary(tables=HEAD, created_at=created, rows=counts, root_keys=roots)

    def _rows(self, table: Table) -> Iterator[list[Any]]:
        writers = [WRITERS.get(tag_of(column)) for column in table.c]
        rows = self._connection.execution_options(yield_per=_CHUNK).execute(select(table))
        for row in _parents_first(rows.all()) if table is workspaces else rows:
            pairs = zip(row, writers, strict=True)
            yield [value if write is None or value is None else write(value) for value, write in pairs]

    def _line(self, content: Any) -> None:
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        self._hash.update(line)
        self._file.write(line)


def _parents_first(rows: "list[AnyRow] | Any") -> Iterator[AnyRow]:
    waiting, placed = list(rows), {None}
    while waiting:
        # Parents in a circle cannot be restored; better that than a backup which lacks them and does not say so.
        ready = [row for row in waiting if row.parent_id in placed] or waiting
        yield from ready
        placed.update(row.id for row in ready)
        waiting = [row for row in waiting if row.id not in placed]


def _write_file(path: Path, write: Callable[[BinaryIO], BackupSummary]) -> BackupSummary:
    if os.path.lexists(path):
        raise FileExistsError
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - pathlib opens no descriptors
            summary = write(file)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, replaces nothing.
        os.link(draft, path)
        sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return summary
