"""SQLite databases."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import field_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import ConnectionFailed, OperationFailed
from typecase.blocks.fields import field
from typecase.blocks.kinds.sql import SqlDatabase
from typecase.blocks.kinds.sql_errors import told
from typecase.integrations.sqlite.memory import forget_memory, memory_of

if TYPE_CHECKING:
    from sqlite3 import Connection as DriverConnection

    from sqlalchemy import URL, Engine

MEMORY: Final = ":memory:"

_PRAGMA = re.compile(r"[a-z_]+")
_PRAGMA_VALUE = re.compile(r"-?[A-Za-z0-9_.]+")


class SqliteDatabase(SqlDatabase):
    """A SQLite file, or a database in memory.

    A database in memory belongs to one block object: its threads share it, it ends with the object, and a forked
    child begins with an empty one.

    Tested against: SQLite of this Python, on local files, with many threads and forked processes; not on network
    file systems, where SQLite's locks may not hold.
    """

    __block__ = BlockType(slug="sqlite-database", title="SQLite", icon="sqlite")

    path: str = field(
        MEMORY,
        min_length=1,
        help="Path of the file, `~` for the home folder; `:memory:` keeps the database in memory.",
        example="~/data/orders.db",
    )
    read_only: bool = field(default=False, help="Refuse every change, also of the file's journal mode.")
    create: bool = field(default=True, help="Make the file if it does not exist.")
    timeout: float = field(5.0, ge=0, help="Seconds to wait for a lock that another process holds.", advanced=True)
    foreign_keys: bool = field(default=True, help="Enforce foreign keys.", advanced=True)
    journal_mode: Literal["wal", "delete", "truncate", "persist", "memory", "off"] | None = field(
        None, help="How changes are journaled; `wal` lets readers go on during a write. Empty: as the file has it."
    )
    pragmas: dict[str, str | int] = field(
        default_factory=dict, help="Further pragmas for each connection.", example={"cache_size": -64000}, advanced=True
    )

    @field_validator("path")
    @classmethod
    def _plain(cls, path: str) -> str:
        if "\0" in path:
            message = "a path has no NUL character"
            raise ValueError(message)
        return path

    @field_validator("pragmas")
    @classmethod
    def _words(cls, pragmas: dict[str, str | int]) -> dict[str, str | int]:
        for name, value in pragmas.items():
            if not _PRAGMA.fullmatch(name) or not _PRAGMA_VALUE.fullmatch(str(value)):
                message = "a pragma is a lower-case word, its value a word or a number"
                raise ValueError(message)
        return pragmas

    @property
    def place(self) -> str:
        """The file, for messages."""
        return f"SQLite database {self.path}"

    def url(self) -> "URL":
        """Return the SQLAlchemy URL; the engine itself opens the file with more options than a URL has."""
        from sqlalchemy import URL

        return URL.create("sqlite", database=self.path if self.path == MEMORY else str(self._file))

    def client(self) -> "DriverConnection":
        """Return a new `sqlite3.Connection`; the caller closes it."""
        return self.open_uri(memory_of(self).uri if self.path == MEMORY else self._uri)

    @told
    def engine(self) -> "Engine":
        """Return the pooled engine of this block value in this process; in memory, of this object."""
        return super().engine() if self.path != MEMORY else memory_of(self).engine

    def dispose(self) -> None:
        """Close the pooled connections; a database in memory is gone then."""
        if self.path == MEMORY:
            forget_memory(self)
        else:
            super().dispose()

    def build_engine(self, *, uri: str = "", **options: Any) -> "Engine":
        """Make an engine whose transactions begin where SQLAlchemy says, not where `sqlite3` guesses."""
        from sqlalchemy import QueuePool, create_engine, event

        engine = create_engine(
            self.url(),
            creator=partial(self.open_uri, uri or self._uri),
            hide_parameters=True,
            **{"poolclass": QueuePool, **(options or self.engine_options())},
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                connection.exec_driver_sql("begin")

        return engine

    def open_uri(self, uri: str) -> "DriverConnection":
        """Open a SQLite URI with this block's pragmas."""
        import sqlite3

        connection = sqlite3.connect(uri, uri=True, timeout=self.timeout, isolation_level=None, check_same_thread=False)
        settings: dict[str, str | int] = {"foreign_keys": int(self.foreign_keys), "query_only": int(self.read_only)}
        if self.journal_mode is not None and not self.read_only:
            settings["journal_mode"] = self.journal_mode
        try:
            for name, value in {**settings, **self.pragmas}.items():
                connection.execute(f"pragma {name} = {value}")
        except BaseException:
            connection.close()
            raise
        return connection

    def classify(self, error: Exception) -> tuple[type[OperationFailed], str]:
        """Tell a file that cannot be opened from a statement that fails."""
        code = getattr(getattr(error, "orig", None) or error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR")):
            return ConnectionFailed, "permission"
        return super().classify(error)

    def check(self) -> Check:
        """Open the file and read its schema. A file that does not exist yet is not made."""
        file = self._file
        if self.path != MEMORY and not file.exists():
            if self.create and not self.read_only and file.parent.is_dir():
                return _stage(Status.READY, f"{file} does not exist yet; the first use makes it")
            step = "Correct the path" + ("." if self.create else ", or allow the block to create it.")
            return _stage(Status.ERROR, f"{file} does not exist", step)
        try:
            self.fetch_one("select count(*) as n from sqlite_master")
        except OperationFailed as error:
            return _stage(Status.ERROR, error.message, error.hint)
        return _stage(Status.READY, "the schema was read")

    @property
    def _file(self) -> Path:
        return Path(self.path).expanduser().absolute()

    @property
    def _uri(self) -> str:
        mode = "ro" if self.read_only else "rwc" if self.create else "rw"
        return f"{self._file.as_uri()}?mode={mode}"


def _stage(status: Status, reason: str, next_step: str = "") -> Check:
    return Check(stages=(Stage(name="permission", status=status, reason=reason, next_step=next_step),))
