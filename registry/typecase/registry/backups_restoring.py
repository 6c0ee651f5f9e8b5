"""Restoring a backup into an empty registry: all of it, in one transaction, or nothing."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, NoReturn

from sqlalchemy import JSON, Connection, LargeBinary, column, func, select, table, text

from typecase.blocks.errors import BackupUnusable, RegistryNotEmpty, TypecaseError
from typecase.blocks.records import BackupSummary
from typecase.registry.backups import FORMAT, READERS, VERSION
from typecase.registry.installation import installed_version, migrate, refuse_newer
from typecase.registry.locks import lock_installation
from typecase.registry.reading import HEAD
from typecase.registry.store import write
from typecase.registry.tables import (
    VERSION_TABLE,
    UtcDateTime,
    block_types,
    compatibility_rules,
    documents,
    metadata,
    principals,
    workspaces,
)

if TYPE_CHECKING:
    from typecase.registry.store import Store

_CHUNK: Final = 1000
#: A file without line ends would be read into memory whole.
_FIRST_LINE: Final = 1 << 20
_TYPES: Final[dict[str, Any]] = {"bytes": LargeBinary(), "time": UtcDateTime(), "json": JSON(none_as_null=True)}


class _Checked(NamedTuple):
    summary: BackupSummary
    total: int


def restore_backup(store: "Store", path: Path, *, watch: Callable[[int, int], None] | None = None) -> BackupSummary:
    """Make a registry of the backup at `path` in a database that holds none, or an unused one.

    Raises:
        BackupUnusable: the file is absent, damaged, cut, no backup, or of a newer format.
        RegistryOutdated: its tables are newer than this package knows.
        RegistryNotEmpty: the registry holds something.

    """
    try:
        with path.open("rb") as file:
            checked = _check(file, path)
            refuse_newer(checked.summary.tables, str(path))
            # A transaction that clashes with another one runs again from the beginning of the file.
            write(store.bare_engine(), lambda connection: _fill(connection, store.url, file, checked, watch))
    except TypecaseError:  # some are errors of the system too
        raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
    else:
        store.clean()
        return checked.summary
    raise BackupUnusable(f"{path} cannot be read: {problem}.", hint="Name the backup's file.", reason="unreadable")


def _check(file: BinaryIO, path: Path) -> _Checked:
    """Read the file once, from its first line to its checksum, before anything is written."""
    found, line, first = sha256(), b"", file.readline(_FIRST_LINE)
    try:
        about = json.loads(first)
        is_backup = about["format"] == FORMAT
    except (ValueError, TypeError, LookupError):
        about, is_backup = {}, False
    if not is_backup:
        _refuse(path, "is no backup of a registry", "no backup", "Name a file that `typecase backup` wrote.")
    if about.get("version") != VERSION:
        _refuse(path, "has a newer format", "newer", "Upgrade the package: pip install --upgrade typecase")
    rows: dict[str, int] = {}
    created, roots = datetime.now(UTC), ()
    found.update(first)
    for following in file:
        found.update(line)
        line = following
    try:
        end = json.loads(line)
        rows, digest = dict(end["rows"]), end["sha256"]
        created, roots = datetime.fromisoformat(about["created_at"]), tuple(about["root_keys"])
    except (ValueError, TypeError, LookupError):
        digest = ""
    if digest != found.hexdigest() or not line.endswith(b"\n"):
        _refuse(path, "is damaged, or was cut", "damaged", "Take another copy of the backup.")
    summary = BackupSummary(tables=about["tables"], created_at=created, rows=rows, root_keys=roots)
    return _Checked(summary, sum(rows.values()))


def _refuse(path: Path, problem: str, reason: str, hint: str) -> NoReturn:
    raise BackupUnusable(f"{path} {problem}. Nothing was written.", hint=hint, reason=reason)


def _fill(
    connection: Connection, url: str, file: BinaryIO, checked: _Checked, watch: Callable[[int, int], None] | None
) -> None:
    lock_installation(connection)
    _require_empty(connection, url)
    migrate(connection, checked.summary.tables)
    done = 0
    for statement, rows in _tables(file):
        connection.execute(statement, rows)
        done += len(rows)
        if watch is not None:
            watch(done, checked.total)
    migrate(connection, HEAD)


def _require_empty(connection: Connection, url: str) -> None:
    """Remove the tables of a registry that was set up and never used; refuse any other."""
    version = installed_version(connection)
    if version is None:
        return
    if version != HEAD or _is_used(connection):
        raise RegistryNotEmpty(
            f"The registry at {url} holds something already. Nothing was written.",
            hint="Restore into a new file or an empty database: --url names it.",
            url=url,
        )
    metadata.drop_all(connection)
    connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def _is_used(connection: Connection) -> bool:
    if connection.dialect.name == "postgresql":
        # What a writer under way commits is counted, and nobody begins to write between counting and dropping.
        names = ", ".join(counted.name for counted in metadata.sorted_tables)
        connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    return any(
        (connection.scalar(select(func.count()).select_from(counted)) or 0) > unused
        for counted, unused in (
            (documents, 0),
            (block_types, 0),
            (compatibility_rules, 0),
            (principals, 0),
            (workspaces, 1),
        )
    )


def _tables(file: BinaryIO) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Yield statements and the rows to run them with, a limited number at a time."""
    file.seek(0)
    file.readline()
    statement: Any = None
    names: list[str] = []
    readers: list[Callable[[Any], Any] | None] = []
    rows: list[dict[str, Any]] = []
    for line in file:
        content = json.loads(line)
        if isinstance(content, list):
            pairs = zip(content, readers, strict=True)
            values = [value if read is None or value is None else read(value) for value, read in pairs]
            rows.append(dict(zip(names, values, strict=True)))
            if len(rows) < _CHUNK:
                continue
        if rows:
            yield statement, rows
            rows = []
        if isinstance(content, dict) and "table" in content:
            names = [name for name, _ in content["columns"]]
            readers = [READERS.get(tag) for _, tag in content["columns"]]
            columns = [column(name, _TYPES.get(tag)) for name, tag in content["columns"]]
            statement = table(content["table"], *columns).insert()
