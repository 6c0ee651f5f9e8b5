"""SQL databases through SQLAlchemy: everything but where they are and how to sign in."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, OperationFailed, TypecaseError
from typecase.blocks.fields import field
from typecase.blocks.kinds.database import Database, FrameLibrary, Params, Row
from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs, not_supported
from typecase.blocks.kinds.sql_errors import failure, raise_alone, sqlstate_of, told
from typecase.blocks.kinds.sql_sign_in import sign_in_afresh
from typecase.blocks.secrets.fresh import refers

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult, Engine, TextClause


def _dispose(engine: "Engine") -> None:
    engine.dispose()


def _abandon(engine: "Engine") -> object:
    pool = engine.pool
    engine.dispose(close=False)
    return pool


ENGINES: "Pool[Engine]" = Pool(close=_dispose, abandon=_abandon)


class SqlDatabase(Database):
    r"""A database that SQLAlchemy speaks to. A subclass gives `url()`, and `connect_args()` where it has any.

    Each block value has one pooled engine per process. Parameters are named: `:day` in the text; write `\:` for a
    colon that begins no parameter. Errors carry neither passwords nor parameters.
    """

    sdk_extra: ClassVar[str] = ""

    pool_size: int = field(5, ge=1, help="Connections kept open in each process.", group="Pool", advanced=True)
    max_overflow: int = field(
        10, ge=0, help="Further connections that a process may open for a while.", group="Pool", advanced=True
    )
    pool_timeout: float = field(30.0, gt=0, help="Seconds to wait for a free connection.", group="Pool", advanced=True)
    pool_recycle: int = field(
        1800, ge=-1, help="Seconds after which a connection is replaced; -1 = never.", group="Pool", advanced=True
    )

    @abstractmethod
    def url(self) -> "URL":
        """Return the SQLAlchemy URL, password included."""

    def connect_args(self) -> dict[str, Any]:
        """Return what the driver's `connect` takes beside the URL."""
        return {}

    def engine_options(self) -> dict[str, Any]:
        """Return what `sqlalchemy.create_engine` takes beside the URL."""
        return {
            "max_overflow": self.max_overflow,
            "pool_pre_ping": True,
            "pool_recycle": self.pool_recycle,
            "pool_size": self.pool_size,
            "pool_timeout": self.pool_timeout,
        }

    @property
    def place(self) -> str:
        """Where the database is, for messages."""
        declared = getattr(type(self), "__block__", None)
        return declared.title if declared is not None else type(self).__name__

    def classify(self, error: Exception) -> tuple[type[OperationFailed], str]:
        """Return the error class for what a driver raised, and the stage of a check that it belongs to."""
        state = sqlstate_of(error) or ""
        if state.startswith("28"):
            return AuthenticationFailed, "auth"
        if (
            state.startswith("08")
            or state in {"57P01", "57P02", "57P03"}
            or getattr(error, "connection_invalidated", False)
        ):
            return ConnectionFailed, "auth"
        return OperationFailed, "permission"

    @told
    def engine(self) -> "Engine":
        """Return the pooled engine of this block value in this process."""
        return ENGINES.get(self, self.build_engine)

    def build_engine(self, **options: Any) -> "Engine":
        """Make an engine; `options` take precedence over `engine_options()`."""
        from sqlalchemy import create_engine

        with needs(self.sdk_extra):
            used = options or self.engine_options()
            engine = create_engine(self.url(), connect_args=self.connect_args(), hide_parameters=True, **used)
        if refers(self):
            sign_in_afresh(self, engine)
        return engine

    def dispose(self) -> None:
        """Close the pooled connections of this block value in this process; the next use opens new ones."""
        ENGINES.drop(self)

    def connect(self, *, isolation_level: str | None = None) -> AbstractContextManager["Connection"]:
        """Open a SQLAlchemy connection for a `with` block: committed at its end, rolled back if it raises.

        `isolation_level` is SQLAlchemy's, such as `SERIALIZABLE` or `AUTOCOMMIT`.
        """
        return _Connecting(self, isolation_level)

    @told
    def execute(self, sql: str, params: Params | None = None) -> int:
        """Run one statement in a transaction of its own; return the number of rows that it changed."""
        with self.engine().begin() as connection:
            return max(connection.execute(_statement(sql), params or {}).rowcount, 0)

    @told
    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement for each of `rows` in one transaction; return the number of rows changed."""
        if not rows:
            return 0
        with self.engine().begin() as connection:
            return max(connection.execute(_statement(sql), list(rows)).rowcount, 0)

    @told
    def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        """Return every row as a dict by column name."""
        columns, rows = self._fetch(sql, params)
        return _dicts(columns, rows)

    @told
    def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        """Return the first row, None if there is none."""
        columns, rows = self._fetch(sql, params, size=1)
        return next(iter(_dicts(columns, rows)), None)

    @told
    def fetch_many(self, sql: str, params: Params | None = None, *, size: int) -> list[Row]:
        """Return the first `size` rows."""
        columns, rows = self._fetch(sql, params, size=size)
        return _dicts(columns, rows)

    def stream(self, sql: str, params: Params | None = None, *, size: int = 1000) -> Iterator[list[Row]]:
        """Iterate over the rows in batches of at most `size`, through a cursor on the server where it has them.

        A connection is in use until the iterator ends or is closed.
        """
        __tracebackhide__ = True
        try:
            yield from self._batches(sql, params, size)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises has frames that hold parameters
            problem = failure(self, error)
        else:
            return
        del params
        raise_alone(problem)

    @told
    def fetch_frame(self, sql: str, params: Params | None = None, *, library: FrameLibrary = "pandas") -> Any:
        """Return the rows as a data frame of `library`."""
        if library == "pandas":
            with needs("pandas"):
                import pandas as pd
            columns, rows = self._fetch(sql, params)
            return pd.DataFrame.from_records(rows, columns=columns)
        if library != "polars":
            raise not_supported(self, f"fetch_frame(library={library!r})", "Use 'pandas' or 'polars'.")
        with needs("polars"):
            import polars as pl
        columns, rows = self._fetch(sql, params)
        return pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)

    @told
    def fetch_arrow(self, sql: str, params: Params | None = None) -> Any:
        """Return the rows as a `pyarrow.Table`."""
        with needs("arrow"):
            import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
        columns, rows = self._fetch(sql, params)
        values = zip(*rows, strict=True) if rows else ((),) * len(columns)
        return pa.table([pa.array(list(column)) for column in values], names=columns)

    def check(self) -> Check:
        """Probe the network, sign in on a connection of its own and ask for one row."""
        stages = list(self.probe())
        if all(stage.status is not Status.ERROR for stage in stages):
            stages += self._sign_in()
        return Check(stages=tuple(stages))

    def probe(self) -> Iterable[Stage]:
        """Return the stages before signing in."""
        return ()

    def describe_connection(self, connection: "Connection") -> Iterator[Stage]:  # noqa: ARG002 - others ask it
        """Return the stages that a new connection proves before it is asked for a row."""
        yield Stage(name="auth", status=Status.READY, reason=f"signed in to {self.place}")

    def _sign_in(self) -> Iterator[Stage]:
        from sqlalchemy import NullPool, text

        engine = None
        proved: list[Stage] = []
        problem: TypecaseError | None = None
        try:
            engine = self.build_engine(poolclass=NullPool)
            with engine.connect() as connection:
                proved += self.describe_connection(connection)
                connection.execute(text("select 1"))
        except Exception as error:  # noqa: BLE001 - a check raises nothing
            problem = failure(self, error)
        finally:
            if engine is not None:
                engine.dispose()
        yield from proved
        if problem is None:
            yield Stage(name="permission", status=Status.READY, reason="a query was answered")
        else:
            name = getattr(problem, "stage", "auth")
            yield Stage(name=name, status=Status.ERROR, reason=problem.message, next_step=problem.hint)

    def _fetch(self, sql: str, params: Params | None, *, size: int | None = None) -> tuple[list[str], list[Any]]:
        with self.engine().begin() as connection:
            result = connection.execute(_statement(sql), params or {})
            columns = _columns(result)
            rows = result.all() if size is None else result.fetchmany(size)
            return columns, [tuple(row) for row in rows]

    def _batches(self, sql: str, params: Params | None, size: int) -> Iterator[list[Row]]:
        with self.engine().begin() as connection:
            streaming = connection.execution_options(stream_results=True, max_row_buffer=size)
            with closing(streaming.execute(_statement(sql), params or {})) as result:
                columns = _columns(result)
                for rows in result.partitions(size):
                    yield _dicts(columns, rows)


class _Connecting(AbstractContextManager["Connection"]):
    """A transaction on a pooled connection. Not a generator: contextlib's frame would show the driver's error."""

    def __init__(self, block: SqlDatabase, isolation_level: str | None) -> None:
        self._block = block
        self._options = {} if isolation_level is None else {"isolation_level": isolation_level}

    def __enter__(self) -> "Connection":
        __tracebackhide__ = True
        try:
            self._connection = self._block.engine().connect().execution_options(**self._options)
            self._transaction = self._connection.begin()
        except Exception as error:  # noqa: BLE001 - as in `told`
            problem = failure(self._block, error)
        else:
            return self._connection
        return raise_alone(problem)

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        __tracebackhide__ = True
        problem = failure(self._block, raised) if isinstance(raised, SQLAlchemyError) else None
        try:
            with self._connection:
                self._transaction.__exit__(kind, raised, trace)
        except Exception as error:  # noqa: BLE001 - as in `told`
            problem = problem or failure(self._block, error)
        del kind, raised, trace
        if problem is not None:
            raise_alone(problem)


def _statement(sql: str) -> "TextClause":
    from sqlalchemy import text

    # SQLAlchemy takes the `:a` of `:a::int` for no parameter unless the cast is escaped.
    return text(sql.replace("::", r"\:\:"))


def _columns(result: "CursorResult[Any]") -> list[str]:
    if not result.returns_rows:
        raise OperationFailed("This statement returns no rows; it was undone.", hint="Run it with `execute()`.")
    columns = list(result.keys())
    if len(set(columns)) != len(columns):
        twice = sorted({name for name in columns if columns.count(name) > 1})
        message = f"Several columns of this query are called {' and '.join(map(repr, twice))}."
        raise OperationFailed(message, hint="Give each a name of its own with `as`.", columns=tuple(twice))
    return columns


def _dicts(columns: list[str], rows: Iterable[Any]) -> list[Row]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
