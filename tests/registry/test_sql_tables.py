"""Tables and migrations say the same, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import LargeBinary, select
from sqlalchemy.exc import IntegrityError

from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.file_registry import FileRegistry
from typecase.registry.installation import migration_config
from typecase.registry.reading import HEAD, VERSION_TABLE
from typecase.registry.tables import (
    ENCRYPTED_COLUMNS,
    audit_events,
    audit_head,
    data_keys,
    documents,
    metadata,
    pending,
    server_keys,
    tokens,
    workspaces,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    key = (tmp_path / "root.key").as_uri()
    if request.param == "sqlite":
        registry = FileRegistry(tmp_path / "registry.db", DataKeys(key))
    else:
        registry = DirectRegistry(request.getfixturevalue("postgres_url"), key=key)
    registry.init(create_key_if_missing=True)
    yield registry._store.engine()
    registry.close()


def test_migrations_make_exactly_the_tables_that_the_code_knows(engine):
    with engine.connect() as connection:

        def is_meant(item, *_):
            return item.info.get("only", connection.dialect.name) == connection.dialect.name

        options = {"version_table": VERSION_TABLE, "compare_type": True, "include_object": is_meant}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_constraints_have_the_names_that_the_code_gives_them(engine):
    from sqlalchemy import inspect

    with engine.connect() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            names = {item["name"] for item in found.get_foreign_keys(table.name)}
            assert names == {constraint.name for constraint in table.foreign_key_constraints}
            assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name


def test_the_newest_migration_is_the_one_that_loads_expect():
    assert ScriptDirectory.from_config(migration_config()).get_current_head() == HEAD


def test_every_column_of_bytes_is_listed_as_encrypted_or_is_a_key_or_half_of_one_or_a_hash():
    binary = {column for table in metadata.sorted_tables for column in table.c if isinstance(column.type, LargeBinary)}
    keys = {data_keys.c.wrapped, documents.c.secret, server_keys.c.wrapped}
    sealed = {pending.c.content}
    hashes = {audit_events.c.hash, audit_head.c.hash, tokens.c.proof}
    assert binary == {column.payload for column in ENCRYPTED_COLUMNS} | keys | sealed | hashes


def test_foreign_keys_are_enforced(engine):
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(workspaces.delete())


def test_times_come_back_aware_and_in_utc(engine):
    with engine.connect() as connection:
        created = connection.scalar(select(workspaces.c.created_at))
    assert created.utcoffset().total_seconds() == 0


def test_setting_up_twice_changes_nothing(tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    assert registry.init(create_key_if_missing=True)
    before = registry.key_status()
    assert not registry.init(create_key_if_missing=True)
    assert registry.key_status() == before
    registry.close()
