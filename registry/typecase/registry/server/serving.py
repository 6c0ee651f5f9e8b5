"""Running the server: what it serves, where it listens, how it ends."""

import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from math import ceil
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine

from typecase.blocks.errors import NotSupported, SettingsError
from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.journal import Journal
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import path_of
from typecase.registry.faults import outdated
from typecase.registry.file_registry import FileRegistry
from typecase.registry.installation import check_tables
from typecase.registry.server.app import create_app
from typecase.registry.server.connections import connection_class
from typecase.registry.server.logs import access_line
from typecase.registry.server.metrics import Metrics
from typecase.registry.server.state import Server
from typecase.registry.store import Store

if TYPE_CHECKING:
    from typecase.registry.server.settings import ServerSettings
    from typecase.registry.server.telemetry import Telemetry
    from typecase.registry.sql import SqlRegistry

_LAST_SECOND: Final = 1.0
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_BACKLOG: Final = 2048

Watch = Callable[[], AbstractContextManager[None]]


class ServedFile(FileRegistry):
    """A registry in an SQLite file that is there and up to date: serving it changes no tables."""

    def _prepare(self, engine: Engine) -> None:
        check_tables(engine, self.url)


class WatchedJournal(Journal):
    """A journal whose writes are watched."""

    def __init__(self, store: Store, watches: Sequence[Watch]) -> None:
        super().__init__(store)
        self._watches = watches

    def record(self, events: Sequence[AuditEvent]) -> tuple[int, ...]:
        """See `Journal.record`."""
        with ExitStack() as watching:
            for watch in self._watches:
                watching.enter_context(watch())
            return super().record(events)

    def append(self, connection: Connection, events: Sequence[AuditEvent]) -> tuple[int, ...]:
        """See `append`."""
        with ExitStack() as watching:
            for watch in self._watches:
                watching.enter_context(watch())
            return Journal.append(connection, events)


class Running(uvicorn.Server):
    """Uvicorn, which is asked to end by a signal: first it says that it is not ready, then it takes nothing new."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._state = app.state
        self._drain_seconds = drain_seconds
        self._ends: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to end; a second signal skips the waiting, a third one what is under way."""
        if self._ends is None:
            self._state.ending = True
            self._ends = monotonic() + self._drain_seconds
        else:
            self.force_exit = self.should_exit
            self._ends = 0.0

    async def on_tick(self, counter: int) -> bool:
        """Look whether the time has come."""
        if self._ends is not None and monotonic() >= self._ends:
            self.should_exit = True
        return await super().on_tick(counter)


def open_served(url: str, *, key: str | None, settings: "ServerSettings") -> "SqlRegistry":
    """Return the registry to serve, once it is clear that its tables are current.

    Raises `NotSupported`, `RegistryOutdated`, `RegistryUnreachable`.
    """
    scheme = url.partition(":")[0]
    registry: SqlRegistry
    if scheme == "sqlite":
        path = path_of(url).absolute()
        registry = ServedFile(path, DataKeys(key))
        if not path.exists():
            raise outdated(registry.url)
    elif scheme.partition("+")[0] == "postgresql":
        registry = DirectRegistry(url, key=key, statement_seconds=settings.statement_seconds, pool=settings.pool)
    else:
        raise NotSupported(
            "A server serves an SQLite file or a PostgreSQL database.",
            hint="Set TYPECASE_URL to sqlite:///path or postgresql://user@host/database.",
        )
    registry.ensure()
    return registry


def listen(settings: "ServerSettings") -> socket.socket:
    """Return a socket on the address of `settings`. Raises `SettingsError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off; without, each answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
    else:
        return listener
    raise SettingsError(
        f"The server cannot listen on {settings.host}, port {settings.port}: {reason}.",
        hint="Choose another one with --host and --port.",
        settings=("host", "port"),
    )


def prepare(registry: "SqlRegistry", settings: "ServerSettings", telemetry: "Telemetry | None") -> Running:
    """Return the server for `registry`, not running yet. Raises `SettingsError` for a certificate that is none."""
    metrics = Metrics(registry)
    observers = [access_line, metrics.request]
    watches: list[Watch] = [metrics.append]
    served = registry
    if telemetry is not None:
        observers.insert(0, telemetry.request)
        watches.append(telemetry.append)
        served = telemetry.traced(registry)
    server = Server(served, registry.access, WatchedJournal(registry.store, watches), settings)
    app = create_app(server, observers=observers)
    app.include_router(metrics.router(settings))
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=connection_class(most=settings.max_connections, seconds=settings.header_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who stands before the server is said by `trusted_proxies`
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=ceil(settings.shutdown_seconds),
        h11_max_incomplete_event_size=settings.max_header,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    _load(config, settings.tls_cert)
    return Running(config, app, settings.drain_seconds)


def telemetry_of_environment() -> "Telemetry | None":
    """Return what exports traces, where the environment says to where."""
    if not os.environ.get(_ENDPOINT) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from typecase.registry.server.telemetry import Telemetry

    return Telemetry.from_environment()


def address_of(listener: socket.socket, settings: "ServerSettings") -> str:
    """Return the URL that a listening server has."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls_cert is not None else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _load(config: uvicorn.Config, certificate: Path | None) -> None:
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise SettingsError(
        f"The certificate {certificate} or its key cannot be used: {reason}.",
        hint="Both must be PEM files that belong together; the certificate comes first in its file.",
        settings=("tls_cert", "tls_key"),
    )


def run(running: Running, listener: socket.socket, telemetry: "Telemetry | None" = None) -> None:
    """Serve until a signal ends it. What is then still under way, beyond its time, ends with the process."""
    try:
        running.run(sockets=[listener])
    finally:
        if telemetry is not None:
            telemetry.close()
    if not _threads_end():
        # Requests that were cut off would keep the process for as long as they like. Their transactions are not
        # committed: the database undoes them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _threads_end() -> bool:
    until = monotonic() + _LAST_SECOND
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, until - monotonic()))
            if thread.is_alive():
                return False
    return True
