"""The server's own key lives as data keys do."""

import pytest
from sqlalchemy import func, select

from typecase.blocks.errors import RegistrySealed
from typecase.registry.access.parts import Access
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.data_keys import DataKeys
from typecase.registry.keys import create_key
from typecase.registry.tables import data_keys, server_keys


def rows(registry):
    return registry._store.read(lambda connection: connection.execute(select(server_keys)).all())


def test_it_is_made_when_it_is_first_needed(registry, access):
    assert rows(registry) == []
    access.key.prove(Pepper.TOKENS, "text")
    assert len(rows(registry)) == 1


def test_two_processes_prove_alike(access, another):
    assert access.key.prove(Pepper.TOKENS, "text") == another().key.prove(Pepper.TOKENS, "text")


def test_the_second_who_makes_it_gets_that_of_the_first(registry, access, another):
    late = another().key
    first = registry._store.write(access.key._make)
    assert registry._store.write(late._make) == first
    assert len(rows(registry)) == 1


@pytest.mark.parametrize("pepper", [pepper for pepper in Pepper if pepper is not Pepper.TOKENS])
def test_a_proof_of_one_use_proves_nothing_of_another(access, pepper):
    assert access.key.prove(pepper, "text") != access.key.prove(Pepper.TOKENS, "text")


def test_the_database_holds_it_wrapped_only(registry, access):
    access.key.prove(Pepper.TOKENS, "text")
    (row,) = rows(registry)
    assert registry._keys.opened[row.id] not in row.wrapped


def test_a_wrapped_key_that_was_put_in_its_place_does_not_open(registry, access, another):
    access.key.prove(Pepper.TOKENS, "text")
    registry._store.write(
        lambda connection: connection.execute(
            server_keys.update().values(wrapped=select(data_keys.c.wrapped).limit(1).scalar_subquery())
        )
    )
    with pytest.raises(RegistrySealed):
        another().key.prove(Pepper.TOKENS, "text")


def test_a_sealed_registry_says_so(registry, access, tmp_path):
    access.key.prove(Pepper.TOKENS, "text")
    create_key((tmp_path / "other.key").as_uri())
    stranger = ServerKey(registry._store, DataKeys((tmp_path / "other.key").as_uri()))
    with pytest.raises(RegistrySealed):
        stranger.prove(Pepper.TOKENS, "text")


@pytest.mark.parametrize("exists", [True, False])
def test_a_sealed_registry_makes_none(registry, tmp_path, exists):
    other = (tmp_path / "other.key").as_uri()
    if exists:
        create_key(other)
    with pytest.raises(RegistrySealed):
        ServerKey(registry._store, DataKeys(other)).prove(Pepper.TOKENS, "text")
    assert rows(registry) == []


def test_a_new_root_key_wraps_it_anew(registry, access, tmp_path):
    before = access.key.prove(Pepper.TOKENS, "text")
    new = (tmp_path / "new.key").as_uri()
    done = registry.keys.rewrap(new, create=True)
    assert {row.root_key for row in rows(registry)} == {done.root_key}
    assert Access(registry._store, DataKeys(new)).key.prove(Pepper.TOKENS, "text") == before


def test_a_rewrap_counts_it(registry, access, tmp_path):
    access.key.prove(Pepper.TOKENS, "text")
    new = (tmp_path / "new.key").as_uri()
    create_key(new)
    count = registry._store.read(lambda connection: connection.scalar(select(func.count()).select_from(data_keys)))
    assert registry.keys.plan_rewrap(new).rewrapped == count + 1
    assert registry.keys.rewrap(new).rewrapped == count + 1
    assert registry.keys.rewrap(new).already == count + 1


def test_a_process_that_ran_while_the_root_key_changed_goes_on(registry, access, another, tmp_path):
    running = another()
    before = running.key.prove(Pepper.TOKENS, "text")
    registry.keys.rewrap((tmp_path / "new.key").as_uri(), create=True)
    assert running.key.prove(Pepper.TOKENS, "text") == before
