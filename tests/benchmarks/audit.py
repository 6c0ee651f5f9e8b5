"""Verifying a long audit log beside reading the same rows and hashing them in a bare loop; writing beside a commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from time import perf_counter

from measuring import Row, time_text

from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.writing import append
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry

_ROUNDS = 5
_THREADS = 16
_EVENT = AuditEvent(
    action="document.load",
    principal="ann",
    workspace="prod",
    document_id="0" * 32,
    document="prod-db",
    facts={"address": "10.0.0.1", "request_id": "0" * 32, "flow": "etl", "run": "2026-03-01"},
)


def rows(*, many: int, number: int) -> Iterator[Row]:
    """Measure a log of `many` events, and threads that write `number` each."""
    with TemporaryDirectory(prefix="typecase-bench-") as folder:
        registry = FileRegistry(Path(folder) / "registry.db", DataKeys((Path(folder) / "root.key").as_uri()))
        registry.init(create_key_if_missing=True)
        registry._store.write(lambda connection: append(connection, [_EVENT] * many))
        plain = sqlite3.connect(Path(folder) / "registry.db", isolation_level=None)
        yield _verifying(registry, plain, many)
        yield _writing(registry, plain, number)
        plain.close()
        registry.close()


def _verifying(registry: FileRegistry, plain: sqlite3.Connection, many: int) -> Row:
    ours, limit = [], []
    for _ in range(_ROUNDS):
        start = perf_counter()
        if registry.audit.verify().sound != many:
            raise RuntimeError("the log is not sound")
        ours.append(perf_counter() - start)
        start = perf_counter()
        digest = b""
        for row in plain.execute("select * from audit_events order by number"):
            digest = sha256(digest + repr(row).encode()).digest()
        limit.append(perf_counter() - start)
    return Row(
        promise="verification in seconds",
        measured=f"audit verify, {many:,} events vs SELECT and SHA-256 in a bare loop",
        ours=time_text(min(ours)),
        limit=time_text(min(limit)),
        ratio=min(ours) / min(limit),
        target=4,
    )


def _writing(registry: FileRegistry, plain: sqlite3.Connection, number: int) -> Row:
    begin = Barrier(_THREADS + 1)

    def write() -> None:
        begin.wait()
        for _ in range(number):
            registry.audit.record([_EVENT])

    threads = [Thread(target=write) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    ours = (perf_counter() - start) / (number * _THREADS)
    plain.execute("pragma synchronous=full")
    plain.execute("create table bare (text)")
    start = perf_counter()
    for _ in range(number):
        plain.execute("insert into bare values ('event')")
    limit = (perf_counter() - start) / number
    return Row(
        promise="an event for each load",
        measured=f"one of {_THREADS} threads' events vs one bare INSERT with its commit",
        ours=time_text(ours),
        limit=time_text(limit),
        ratio=ours / limit,
    )
