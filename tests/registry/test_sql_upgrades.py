"""A registry with the tables of an earlier release is brought up to date and keeps what it holds."""

import pytest
from alembic import command
from sqlalchemy import text

from typecase.blocks.testing.compatibility import FIRST, SLUG, WIDER
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.file_registry import FileRegistry
from typecase.registry.installation import migration_config

OLD_TYPE = (
    "insert into block_types (slug, title, description, icon, docs, kinds, package, form, created_at, updated_at) "
    "values (:slug, '', '', '', '', '[]', :package, '{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)
OLD_VERSION = (
    "insert into schema_versions "
    "(type_slug, number, digest, schema, secret_paths, kinds, package, package_version, created_at) "
    "values (:slug, 1, :digest, :schema, '[]', '[]', :package, '1', '2026-01-01 00:00:00')"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request, tmp_path):
    """A registry whose tables are those of the first release, with one type."""
    key = (tmp_path / "root.key").as_uri()
    if request.param == "sqlite":
        registry = FileRegistry(tmp_path / "registry.db", DataKeys(key))
    else:
        registry = DirectRegistry(request.getfixturevalue("postgres_url"), key=key)
    config = migration_config()
    with registry._store.bare_engine().connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text(OLD_TYPE), {"slug": SLUG, "package": FIRST.package})
        schema = '{"type": "object", "properties": {"host": {"type": "string"}}, "required": []}'
        facts = {"slug": SLUG, "digest": FIRST.digest, "schema": schema, "package": FIRST.package}
        connection.execute(text(OLD_VERSION), facts)
    yield registry
    registry.close()


def test_versions_of_before_are_kept_and_compared_with(old):
    old.init(create_key_if_missing=True)
    (version,) = old.types.versions(SLUG)
    assert (version.digest, version.forced) == (FIRST.digest, False)
    assert old.types.register(WIDER).number == 2


def test_the_rule_of_before_is_the_default(old):
    old.init(create_key_if_missing=True)
    assert old.types.compatibility(SLUG).inherited
