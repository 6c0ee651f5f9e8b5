"""Without its root key a registry is sealed: it writes nothing and makes no new key. Moved rows do not open."""

import itertools
import sqlite3

import pytest

from typecase.blocks.errors import DecryptionFailed, RegistrySealed
from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.keys import create_key

SCHEMA = {"type": "object"}
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
    secret_paths=(),
    digest="0" * 64,
)


def draft(name, data, *, workspace="default", **options):
    return Draft(name=name, workspace=workspace, type_slug="vault", schema_version=1, data=data, **options)


@pytest.fixture
def database(tmp_path):
    """A registry's file with one document of two revisions, closed."""
    registry = EmbeddedRegistry(tmp_path / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.types.register(VAULT)
    registry.documents.save(draft("a", {"v": 1}))
    registry.documents.save(draft("a", {"v": 2}, overwrite=True))
    registry.close()
    return tmp_path / "registry.db"


def lose(tmp_path):
    (tmp_path / "root.key").unlink()


def replace(tmp_path):
    (tmp_path / "root.key").unlink()
    create_key((tmp_path / "root.key").as_uri())


def damage(tmp_path):
    (tmp_path / "root.key").write_text("typecase-root-key-1:no")


def expose(tmp_path):
    (tmp_path / "root.key").chmod(0o644)


@pytest.fixture(params=[lose, replace, damage, expose])
def sealed(request, database, tmp_path):
    request.param(tmp_path)
    registry = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    yield registry
    registry.close()


def dump(path):
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


WRITES = {
    "save": lambda registry: registry.documents.save(draft("b", {})),
    "overwrite": lambda registry: registry.documents.save(draft("a", {}, overwrite=True)),
    "describe": lambda registry: registry.documents.describe("a", workspace="default", owner="me"),
    "rename": lambda registry: registry.documents.rename("a", "b", workspace="default"),
    "delete": lambda registry: registry.documents.delete("a", workspace="default"),
    "restore": lambda registry: registry.documents.restore("a", workspace="default", revision=1),
    "create workspace": lambda registry: registry.workspaces.create("staging"),
    "update workspace": lambda registry: registry.workspaces.update("default", description="x"),
    "register": lambda registry: registry.types.register(
        TypeDefinition(**{name: getattr(VAULT, name) for name in VAULT.__slots__} | {"digest": "9" * 64})
    ),
}
READS = {
    "load": lambda registry: registry.load("a", workspace="default"),
    "get": lambda registry: registry.documents.get("a", workspace="default"),
    "diff": lambda registry: registry.documents.diff("a", workspace="default", before=1, after=2),
}


def test_nothing_can_be_decrypted_or_written_and_nothing_is(sealed, database, tmp_path):
    before, keys = dump(database), sorted(tmp_path.glob("*key*"))
    for call in (WRITES | READS).values():
        with pytest.raises(RegistrySealed, match="TYPECASE_KEY"):
            call(sealed)
    assert dump(database) == before
    assert sorted(tmp_path.glob("*key*")) == keys


def test_metadata_stays_readable(sealed):
    assert [item.name for item in sealed.documents.list(workspace="default").items] == ["a"]
    assert [item.number for item in sealed.documents.history("a", workspace="default").items] == [2, 1]
    assert [item.slug for item in sealed.types.all()] == ["vault"]
    assert [item.name for item in sealed.workspaces.list()] == ["default"]
    assert sealed.documents.dependents("a", workspace="default") == ()


def test_the_key_status_says_sealed_and_why(sealed):
    status = sealed.key_status()
    assert status.sealed
    assert status.reason
    assert [key.workspace for key in status.data_keys] == ["default"]


def test_a_registry_opens_again_once_its_key_is_back(database, tmp_path):
    kept = (tmp_path / "root.key").read_bytes()
    lose(tmp_path)
    registry = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistrySealed):
        registry.load("a", workspace="default")
    (tmp_path / "root.key").write_bytes(kept)
    (tmp_path / "root.key").chmod(0o600)
    assert registry.load("a", workspace="default").root.data == b'{"v":2}'
    assert not registry.key_status().sealed
    registry.close()


def test_of_twenty_ciphertexts_each_opens_in_its_own_row_only(database, tmp_path):
    registry = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    registry.workspaces.create("other")
    for workspace, name in itertools.product(("default", "other"), ("b", "c", "d")):
        for value in range(3):
            registry.documents.save(draft(name, {"v": value}, workspace=workspace, overwrite=True))
    connection = sqlite3.connect(database, isolation_level=None)
    rows = connection.execute("select document_id, number, payload, key_id from revisions").fetchall()
    opened = 0
    for (target, number, payload, key_id), (source, other, moved, moved_key) in itertools.product(rows, rows):
        connection.execute(
            "update revisions set payload = ?, key_id = ? where document_id = ? and number = ?",
            (moved, moved_key, target, number),
        )
        try:
            registry.load_id(target, revision=number)
            opened += 1
            assert (target, number) == (source, other)
        except DecryptionFailed:
            assert (target, number) != (source, other)
        connection.execute(
            "update revisions set payload = ?, key_id = ? where document_id = ? and number = ?",
            (payload, key_id, target, number),
        )
    connection.close()
    registry.close()
    assert (len(rows), opened) == (20, 20)


def test_a_data_key_moved_to_another_workspace_does_not_open(database, tmp_path):
    registry = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    registry.workspaces.create("other")
    registry.close()
    connection = sqlite3.connect(database, isolation_level=None)
    (wrapped,) = connection.execute(
        "select wrapped from data_keys k join workspaces w on w.id = k.workspace_id where w.name = 'other'"
    ).fetchone()
    connection.execute(
        "update data_keys set wrapped = ? where workspace_id = (select id from workspaces where name = 'default')",
        (wrapped,),
    )
    connection.close()
    again = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistrySealed, match="damaged"):
        again.load("a", workspace="default")
    again.close()


def test_the_root_key_and_data_keys_are_not_in_the_database(database, tmp_path):
    root = (tmp_path / "root.key").read_bytes().strip().partition(b":")[2]
    registry = EmbeddedRegistry(database, key=(tmp_path / "root.key").as_uri())
    registry.load("a", workspace="default")
    opened = list(registry._keys.opened.values())
    registry.close()
    assert len(opened) == 1
    assert not any(secret in database.read_bytes() for secret in (root, *opened))
