"""No clear value reaches the database, its journals, temporary files, logs or errors."""

import logging
import sqlite3
import traceback

import pytest
from sqlalchemy.exc import OperationalError

from typecase.blocks.errors import InvalidDocument, ReferenceNotFound, RegistryUnreachable, RevisionConflict
from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import EmbeddedRegistry

SCHEMA = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "port": {"type": "integer"},
        "password": {"type": "string", "writeOnly": True},
        "next": {"type": "object"},
    },
}
VAULT = TypeDefinition(
    slug="vault",
    title="Vault",
    description="",
    icon="",
    docs="",
    kinds=(),
    package="tests",
    package_version="1",
    schema=SCHEMA,
    form=SCHEMA,
    secret_paths=("password",),
    digest="0" * 64,
)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    registry = EmbeddedRegistry(tmp_path / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.types.register(VAULT)
    yield registry
    registry.close()


@pytest.fixture
def postgres(postgres_url, tmp_path):
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    registry.init(create_key_if_missing=True)
    registry.types.register(VAULT)
    yield registry
    registry.close()


def save(registry, name, data, **options):
    draft = Draft(name=name, workspace="default", type_slug="vault", schema_version=1, data=data, **options)
    return registry.documents.save(draft)


def every_detail(error: BaseException) -> str:
    """The error as the most talkative traceback shows it: every chained error, every frame's variables."""
    lines = [repr(error), str(vars(error))]
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines += frames.format()
    seen = error.__context__ or error.__cause__
    return "\n".join(lines) + (every_detail(seen) if seen is not None else "")


def write_everything(registry, canary):
    save(registry, "a", {"host": canary, "password": canary})
    save(registry, "b", {"password": canary, "next": {"$block": "a"}})
    save(registry, "a", {"host": canary, "password": canary + canary}, overwrite=True)
    registry.documents.restore("a", workspace="default", revision=1)
    registry.documents.describe("a", workspace="default", description="known", tags=("t",))
    registry.documents.diff("a", workspace="default", before=1, after=2)
    registry.documents.rename("b", "c", workspace="default")
    registry.documents.delete("c", workspace="default")


def failed_writes(registry, canary):
    """The errors of writes that fail at every stage; each was given the canary."""
    failures = (
        (InvalidDocument, {"port": canary}, {}),
        (InvalidDocument, {"password": canary, "host": b"bytes"}, {}),
        (InvalidDocument, {"password": canary, "host": "\ud800"}, {}),
        (ReferenceNotFound, {"password": canary, "next": {"$block": "missing"}}, {}),
        (RevisionConflict, {"password": canary}, {"expected_revision": 7}),
    )
    for expected, data, options in failures:
        with pytest.raises(expected) as caught:
            save(registry, "failed", data, **options)
        yield caught.value


def test_files_hold_no_clear_value_after_writes_and_failed_writes(registry, tmp_path, canary, assert_no_canary):
    write_everything(registry, canary)
    for _ in failed_writes(registry, canary):
        pass
    assert (tmp_path / "registry.db-wal").exists()
    assert assert_no_canary(tmp_path) > 50_000
    registry.close()
    assert_no_canary(tmp_path)


def test_logs_hold_no_clear_value(registry, caplog, canary, assert_no_canary):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    try:
        write_everything(registry, canary)
        for _ in failed_writes(registry, canary):
            pass
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    assert_no_canary(caplog.text)
    assert "INSERT INTO revisions" in caplog.text


def drop_own_frames(error: BaseException) -> None:
    """Leave the registry's frames only: this test's own know the canary."""
    trace = error.__traceback__
    while trace is not None and "typecase/registry" not in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    assert trace is not None
    error.__traceback__ = trace


def test_errors_hold_no_clear_value_not_even_in_their_frames(registry, canary, assert_no_canary):
    for error in failed_writes(registry, canary):
        drop_own_frames(error)
        assert_no_canary(every_detail(error))


def test_a_failing_statement_shows_no_parameter(registry, monkeypatch, canary, assert_no_canary):
    def fail(*_, **__):
        raise OperationalError("INSERT", {"payload": canary}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr("typecase.registry.saving.write_references", fail)
    with pytest.raises(RegistryUnreachable) as caught:
        save(registry, "a", {"password": canary})
    drop_own_frames(caught.value)
    assert_no_canary(every_detail(caught.value))


def test_reading_shows_no_secret(registry, canary, assert_no_canary):
    save(registry, "a", {"password": canary})
    save(registry, "a", {"password": canary + "2"}, overwrite=True)
    shown = [
        registry.documents.get("a", workspace="default"),
        registry.documents.list(workspace="default"),
        registry.documents.diff("a", workspace="default", before=1, after=2),
        registry.documents.history("a", workspace="default"),
        registry.load("a", workspace="default"),
    ]
    assert_no_canary(repr(shown))


def test_what_a_deleted_document_held_is_gone_from_the_files(registry, tmp_path):
    save(registry, "a", {"password": "x" * 5000})
    connection = sqlite3.connect(tmp_path / "registry.db")
    (payload,) = connection.execute("select payload from revisions").fetchone()
    connection.close()
    part = payload[100:140]
    files = [path for path in tmp_path.iterdir() if path.name.startswith("registry")]
    assert any(part in path.read_bytes() for path in files)
    registry.documents.delete("a", workspace="default")
    assert not any(part in path.read_bytes() for path in files)


def test_postgres_receives_no_clear_value(postgres, canary, assert_no_canary):
    from sqlalchemy import event

    sent = []
    event.listen(
        postgres._store.engine(),
        "before_cursor_execute",
        lambda *arguments: sent.append(f"{arguments[2]} {arguments[3]!r}"),
    )
    write_everything(postgres, canary)
    for error in failed_writes(postgres, canary):
        drop_own_frames(error)
        assert_no_canary(every_detail(error))
    assert len(sent) > 20
    assert_no_canary("\n".join(sent))
