"""PostgreSQL databases."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import JsonValue, Secret, SecretStr

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Stage, Status
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, OperationFailed
from typecase.blocks.fields import field
from typecase.blocks.kinds.private_files import private_file
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.kinds.sql import SqlDatabase
from typecase.blocks.kinds.sql_errors import told
from typecase.blocks.kinds.sql_sign_in import signed_in
from typecase.integrations.postgres.addresses import fields_of, probe_hosts
from typecase.integrations.postgres.sign_in import stage_of

if TYPE_CHECKING:
    from psycopg import Connection as DriverConnection
    from sqlalchemy import URL, Connection


class PostgresDatabase(SqlDatabase):
    """A PostgreSQL database, or one that speaks its protocol.

    Without a password, libpq looks where it always does: `PGPASSWORD`, `~/.pgpass`, peer and certificate sign-in.

    Tested against: PostgreSQL 15 through psycopg 3 with SCRAM, TLS with and without client certificates,
    Unix sockets and several hosts; not against poolers such as PgBouncer, which may refuse `options`.
    """

    __block__ = BlockType(slug="postgres-database", title="PostgreSQL", icon="postgresql")

    sdk_extra: ClassVar[str] = "postgres"

    host: str = field(
        "localhost",
        min_length=1,
        help="Host name or address, several separated by commas, or the folder of a Unix socket.",
        example="db.internal",
        order=1,
    )
    port: int = field(5432, ge=1, le=65535, help="TCP port, or the number in the Unix socket's name.", order=2)
    database: str = field(min_length=1, help="Name of the database.", example="orders", order=3)
    username: str = field(min_length=1, help="Role to sign in as.", example="app", group="Sign-in", order=4)
    password: SecretStr | None = field(None, help="Password of the role, if it has one.", group="Sign-in", order=5)
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = field(
        "prefer",
        help="`verify-full` encrypts and proves who the server is; `require` only encrypts.",
        group="TLS",
    )
    ssl_root_cert: str | None = field(
        None,
        help="Certificate authorities that may vouch for the server: PEM text, a path, or `system`.",
        group="TLS",
        multiline=True,
    )
    ssl_cert: str | None = field(
        None, help="Client certificate: PEM text or a path.", group="TLS", multiline=True, advanced=True
    )
    ssl_key: SecretStr | None = field(
        None, help="Key of the client certificate: PEM text or a path.", group="TLS", multiline=True, advanced=True
    )
    connect_timeout: int = field(10, ge=1, help="Seconds to wait for each host.", advanced=True)
    statement_timeout: float | None = field(
        None, gt=0, help="Seconds after which the server ends a statement. Empty = never.", advanced=True
    )
    application_name: str = field("typecase", help="The name shown in `pg_stat_activity`.", advanced=True)
    options: str = field(
        "", help="Command-line options for the server session.", example="-c search_path=app", advanced=True
    )
    driver_options: Secret[dict[str, JsonValue]] | None = field(
        None, help="Further arguments of `psycopg.connect`, kept secret.", advanced=True
    )

    @classmethod
    def from_url(cls, url: str, **fields: Any) -> Self:
        """Build a block from `postgresql://user:password@host:port/database?sslmode=...`; `fields` take precedence.

        Parameters without a field of their own go to `driver_options`. Raises `InvalidBlock`, which shows no part of
        the URL.
        """
        __tracebackhide__ = True
        given = {**fields_of(url), **fields}
        del url
        return cls(**given)

    @property
    def place(self) -> str:
        """Server and database, for messages."""
        return f"PostgreSQL database {self.database} at {self.host}:{self.port}"

    def url(self) -> "URL":
        """Return the SQLAlchemy URL, password included."""
        from sqlalchemy import URL

        return URL.create(
            "postgresql+psycopg",
            username=self.username,
            password=self.password.get_secret_value() if self.password is not None else None,
            host=self.host,
            port=self.port,
            database=self.database,
        )

    def connect_args(self) -> dict[str, Any]:
        """Return libpq's options beside the URL. Certificates given as text become private files of this process."""
        options = self.options
        if self.statement_timeout is not None:
            options += f" -c statement_timeout={round(self.statement_timeout * 1000)}"
        key = self.ssl_key.get_secret_value() if self.ssl_key is not None else None
        arguments = {
            "application_name": self.application_name,
            "connect_timeout": self.connect_timeout,
            "options": options.strip(),
            "sslmode": self.ssl_mode,
            "sslrootcert": _file(self.ssl_root_cert),
            "sslcert": _file(self.ssl_cert),
            "sslkey": _file(key),
        }
        further = self.driver_options.get_secret_value() if self.driver_options is not None else {}
        return {name: value for name, value in arguments.items() if value not in (None, "")} | further

    @told
    def client(self) -> "DriverConnection[Any]":
        """Return a new psycopg connection; the caller closes it."""
        with needs("postgres"):
            import psycopg

        def connect(block: Self) -> "DriverConnection[Any]":
            url = block.url().translate_connect_args(database="dbname", username="user")
            return psycopg.connect(**{**url, **block.connect_args()})

        return signed_in(self, connect)

    def classify(self, error: Exception) -> tuple[type[OperationFailed], str]:
        """Tell sign-in, TLS and network failures apart; before a session begins, libpq gives no SQLSTATE."""
        vendor = getattr(error, "orig", None) or error
        if type(vendor).__module__.startswith("psycopg") and getattr(vendor, "sqlstate", None) is None:
            stage = stage_of(vendor)
            if stage == "auth":
                return AuthenticationFailed, stage
            if stage:
                return ConnectionFailed, stage
        return super().classify(error)

    def probe(self) -> Iterator[Stage]:
        """Return the dns and tcp stages: ready if one of the hosts is."""
        return probe_hosts(self.host.split(","), self.port, timeout=float(self.connect_timeout))

    def describe_connection(self, connection: "Connection") -> Iterator[Stage]:
        """Say whether the connection is encrypted, and as whom it signed in."""
        driver: Any = connection.connection.driver_connection
        if driver.pgconn.ssl_in_use:
            verified = self.ssl_mode.startswith("verify")
            reason = f"encrypted, server {'verified' if verified else 'not verified'} (ssl_mode={self.ssl_mode})"
            yield Stage(name="tls", status=Status.READY, reason=reason)
        yield Stage(name="auth", status=Status.READY, reason=f"signed in as {driver.info.user}")


def _file(text: str | None) -> str | None:
    return private_file(text) if text is not None and "-----BEGIN" in text else text
