"""The kind of blocks that answer SQL."""

# ruff: noqa: ARG002 - a kind names the arguments of what it cannot do

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, TypeAlias

from typecase.blocks.block import Block
from typecase.blocks.kinds.refusals import not_supported
from typecase.blocks.storing import in_thread

Params: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]
FrameLibrary: TypeAlias = Literal["pandas", "polars"]


class Database(Block):
    """A system that answers SQL. Parameters are named: `:day` in the text, `{"day": day}` beside it."""

    __kind__: ClassVar[str] = "Database"

    @abstractmethod
    def connect(self) -> AbstractContextManager[Any]:
        """Open a connection for a `with` block: committed at its end, rolled back if it raises."""

    @abstractmethod
    def execute(self, sql: str, params: Params | None = None) -> int:
        """Run one statement in a transaction of its own; return the number of rows that it changed."""

    @abstractmethod
    def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        """Return every row as a dict by column name."""

    def client(self) -> Any:
        """Return the driver's own connection; the caller closes it."""
        raise not_supported(self, "client", "Use `connect()`.")

    def engine(self) -> Any:
        """Return the pooled SQLAlchemy engine of this block."""
        raise not_supported(self, "engine", "Use `connect()`.")

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement for each of `rows` in one transaction; return the number of rows changed."""
        raise not_supported(self, "execute_many", "Call `execute()` for each row.")

    def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        """Return the first row, None if there is none."""
        rows = self.fetch_all(sql, params)
        return rows[0] if rows else None

    def fetch_many(self, sql: str, params: Params | None = None, *, size: int) -> list[Row]:
        """Return the first `size` rows."""
        return self.fetch_all(sql, params)[:size]

    def stream(self, sql: str, params: Params | None = None, *, size: int = 1000) -> Iterator[list[Row]]:
        """Iterate over the rows in batches of at most `size`, without holding all of them."""
        raise not_supported(self, "stream", "Use `fetch_all()`, with a `limit` in the SQL.")

    def fetch_frame(self, sql: str, params: Params | None = None, *, library: FrameLibrary = "pandas") -> Any:
        """Return the rows as a data frame of `library`."""
        raise not_supported(self, "fetch_frame", "Build a frame from `fetch_all()`.")

    def fetch_arrow(self, sql: str, params: Params | None = None) -> Any:
        """Return the rows as a `pyarrow.Table`."""
        raise not_supported(self, "fetch_arrow", "Build a table from `fetch_all()`.")

    async def aexecute(self, sql: str, params: Params | None = None) -> int:
        """`execute` in a worker thread."""
        return await in_thread(self.execute, sql, params)

    async def aexecute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """`execute_many` in a worker thread."""
        return await in_thread(self.execute_many, sql, rows)

    async def afetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        """`fetch_all` in a worker thread."""
        return await in_thread(self.fetch_all, sql, params)

    async def afetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        """`fetch_one` in a worker thread."""
        return await in_thread(self.fetch_one, sql, params)

    async def afetch_frame(self, sql: str, params: Params | None = None, *, library: FrameLibrary = "pandas") -> Any:
        """`fetch_frame` in a worker thread."""
        return await in_thread(self.fetch_frame, sql, params, library=library)
