"""What somebody who writes to the database, and has no root key, can do and cannot. The threat model lists it."""

import json
import sqlite3
from dataclasses import replace

import pytest
from fakes.crowd import THING

from typecase.blocks.errors import RegistrySealed
from typecase.blocks.records import Draft
from typecase.registry.embedded import EmbeddedRegistry

SCHEMA = {
    "type": "object",
    "properties": {"password": {"type": "string", "format": "password", "writeOnly": True}},
}
TYPE = replace(THING, schema=SCHEMA, secret_paths=("/password",))


@pytest.fixture
def path(tmp_path):
    """A registry's file with two documents, one of them with two revisions; closed."""
    registry = reopen(tmp_path / "registry.db")
    registry.types.register(TYPE)
    for name, password in (("prod-db", "revoked"), ("prod-db", "of-prod"), ("test-db", "of-test")):
        save(registry, name, password)
    registry.close()
    return tmp_path / "registry.db"


def reopen(path):
    return EmbeddedRegistry(path, key=path.with_name("root.key").as_uri())


def save(registry, name, password):
    draft = Draft(
        name=name, workspace="default", type_slug="thing", schema_version=1, data={"password": password},
        overwrite=True,
    )  # fmt: skip
    registry.documents.save(draft)


@pytest.fixture
def attack(path):
    """Runs statements as the attacker, then opens the registry as a flow does."""
    opened = []

    def attack(*statements):
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            connection.execute(*statement)
        connection.close()
        opened.append(reopen(path))
        return opened[-1]

    yield attack
    for registry in opened:
        registry.close()


def load(registry, name):
    return json.loads(registry.load(name, workspace="default").root.data)["password"]


def test_exchanged_names_load_each_others_values(attack):
    rename = "update documents set name = ? where name = ?"
    steps = (("x", "prod-db"), ("prod-db", "test-db"), ("test-db", "x"))
    registry = attack(*((rename, step) for step in steps))
    assert (load(registry, "prod-db"), load(registry, "test-db")) == ("of-test", "of-prod")


def test_an_earlier_revision_can_be_made_the_current_one(attack):
    registry = attack(("update documents set revision = 1 where name = 'prod-db'",))
    assert load(registry, "prod-db") == "revoked"


def test_a_changed_schema_unmasks_what_it_called_a_secret(attack):
    def shown(registry):
        return registry.documents.get("prod-db", workspace="default").data

    assert shown(attack()) == {"password": {"$secret": {"set": True, "source": "literal"}}}
    assert shown(attack(("update schema_versions set schema = '{}'",))) == {"password": "of-prod"}


def test_a_data_key_of_their_own_seals_the_workspace_and_is_not_used(attack):
    """Neither bytes of their own nor a copy of a genuine key opens under another generation."""
    insert = (
        "insert into data_keys (id, workspace_id, generation, root_key, wrapped, created_at, settled_at) "
        "select ?, workspace_id, generation + 1, root_key, {}, created_at, settled_at from data_keys limit 1"
    )
    for wrapped in ("randomblob(length(wrapped))", "wrapped"):
        registry = attack(("delete from data_keys where generation > 1",), (insert.format(wrapped), ("0" * 32,)))
        with pytest.raises(RegistrySealed, match="one of them is damaged"):
            save(registry, "new", "of-new")
        with pytest.raises(RegistrySealed, match="one of them is damaged"):
            registry.keys.rotate()
        assert load(registry, "prod-db") == "of-prod"
