"""Another root key: data keys are wrapped anew, and nobody is locked out on the way."""

import pytest
from fakes.crowd import THING, expected, fill, read_all
from sqlalchemy import select, update

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, RegistrySealed
from typecase.blocks.records import Draft
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.file_registry import FileRegistry
from typecase.registry.keys import create_key, open_key
from typecase.registry.rotation import Rotating
from typecase.registry.rotation_rewrap import Rewrap
from typecase.registry.tables import data_keys, revisions


@pytest.fixture
def old(tmp_path):
    return (tmp_path / "old.key").as_uri()


@pytest.fixture
def new(tmp_path):
    url = (tmp_path / "new.key").as_uri()
    create_key(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def reopen(request, tmp_path):
    """Opens the registry with the root keys given, as another process would."""
    address = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = []

    def reopen(keys):
        file = tmp_path / "registry.db"
        registry = FileRegistry(file, DataKeys(keys)) if address is None else DirectRegistry(address, key=keys)
        opened.append(registry)
        return registry

    yield reopen
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(reopen, old):
    """Twenty documents in two workspaces, under the old root key."""
    registry = reopen(old)
    registry.init(create_key_if_missing=True)
    registry.workspaces.create("b")
    fill(registry, 20)
    return registry


def values(registry, *columns):
    with registry._store.engine().connect() as connection:
        return sorted(map(tuple, connection.execute(select(*columns))))


def roots(registry):
    return {root for (root,) in values(registry, data_keys.c.root_key)}


def stop_after_one(registry, url):
    def reached(step):
        if step == "key committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Rewrap(registry._store, registry._keys, reached=reached).run(url)


def test_every_data_key_comes_under_the_new_root_key_and_no_revision_is_touched(registry, reopen, new):
    before = values(registry, revisions)
    done = registry.keys.rewrap(new, actor="ada")
    assert (done.rewrapped, done.already, done.url) == (2, 0, new)
    assert values(registry, revisions) == before
    fresh = reopen(new)
    assert roots(fresh) == {done.root_key} == {fresh.key_status().root_key}
    assert read_all(fresh)[0] == expected(20)


def test_what_was_done_is_on_record(registry, new):
    facts = {"root_key": registry.keys.rewrap(new, actor="ada").root_key, "data_keys": 2}
    assert [(event.action, event.actor, event.facts) for event in registry.keys.events()] == [
        ("root key changed", "ada", facts),
        ("rewrap started", "ada", facts),
    ]


def test_the_old_root_key_alone_finds_the_registry_sealed_and_learns_which_key_it_needs(registry, reopen, old, new):
    done = registry.keys.rewrap(new)
    sealed = reopen(old)
    with pytest.raises(RegistrySealed, match=f"under root key {done.root_key}. The root key here is local:"):
        sealed.load("doc-0000000", workspace="b")
    assert sealed.key_status().sealed


@pytest.mark.parametrize("new_first", [True, False])
def test_with_both_root_keys_the_registry_is_open_before_meanwhile_and_after(registry, reopen, old, new, new_first):
    both = f"{new} {old}" if new_first else f"{old} {new}"
    assert read_all(reopen(both))[0] == expected(20)
    stop_after_one(registry, new)
    assert len(roots(registry)) == 2
    assert read_all(reopen(both))[0] == expected(20)
    registry.keys.rewrap(new)
    assert read_all(reopen(both))[0] == expected(20)


def test_a_run_that_was_stopped_goes_on_with_what_is_left(registry, reopen, old, new):
    stop_after_one(registry, new)
    again = reopen(old)
    plan = again.keys.plan_rewrap(new)
    assert (plan.rewrapped, plan.already) == (1, 1)
    done = again.keys.rewrap(new)
    assert (done.rewrapped, done.already) == (1, 1)
    assert roots(again) == {done.root_key}


def test_without_a_url_the_first_root_key_of_the_setting_is_meant(registry, reopen, old, new):
    assert registry.keys.rewrap().rewrapped == 0
    both = reopen(f"{new} {old}")
    assert both.keys.rewrap().rewrapped == 2
    assert read_all(reopen(new))[0] == expected(20)


def test_a_plan_writes_nothing(registry, new):
    before = values(registry, data_keys.c.id, data_keys.c.root_key, data_keys.c.wrapped)
    assert registry.keys.plan_rewrap(new).rewrapped == 2
    assert values(registry, data_keys.c.id, data_keys.c.root_key, data_keys.c.wrapped) == before
    assert registry.keys.events() == ()


def test_a_root_key_that_is_not_there_is_made_only_on_demand(registry, reopen, tmp_path):
    url = (tmp_path / "fresh.key").as_uri()
    with pytest.raises(KeyUnavailable):
        registry.keys.rewrap(url)
    assert not (tmp_path / "fresh.key").exists()
    assert registry.keys.rewrap(url, create=True).rewrapped == 2
    assert read_all(reopen(url))[0] == expected(20)


def test_without_the_old_root_key_nothing_is_changed_and_it_is_named(registry, reopen, new, tmp_path):
    (root,) = roots(registry)
    (tmp_path / "old.key").unlink()
    with pytest.raises(RegistrySealed, match=root):
        reopen(new).keys.rewrap()
    assert roots(registry) == {root}


def test_a_root_key_that_wraps_and_does_not_unwrap_is_refused(registry, new, monkeypatch):
    provider = registry._keys.root_key_at(new)
    monkeypatch.setattr(type(provider), "unwrap", lambda self, wrapped, *, context: bytes(32))
    before = roots(registry)
    registry.load("doc-0000000", workspace="b")
    registry.load("doc-0000001", workspace="default")
    with pytest.raises(KeyUnavailable, match="does not open what it wraps"):
        registry.keys.rewrap(new)
    assert roots(registry) == before


def test_a_running_process_with_the_old_root_key_goes_on_but_makes_no_key_under_it(registry, reopen, old, new):
    running = reopen(old)
    assert read_all(running)[0] == expected(20)
    done = registry.keys.rewrap(new)
    assert read_all(running)[0] == expected(20)
    running.documents.save(Draft(name="x", workspace="b", type_slug=THING.slug, schema_version=1, data={}))
    for call in (lambda: running.workspaces.create("late"), running.keys.rotate):
        with pytest.raises(RegistrySealed, match=done.root_key):
            call()
    assert roots(registry) == {done.root_key}


def test_a_workspace_that_is_made_meanwhile_comes_under_the_new_root_key(registry, reopen, old, new):
    other = reopen(old)
    made = []

    def reached(step):
        if step == "key committed" and not made:
            made.append(step)
            other.workspaces.create("a-late")

    done = Rewrap(registry._store, registry._keys, reached=reached).run(new)
    assert done.rewrapped == 3
    assert roots(registry) == {done.root_key}


def test_retired_keys_stay_as_they_are(registry, new):
    registry.keys.rotate(retire=True)
    done = registry.keys.rewrap(new)
    assert done.rewrapped == 2
    with registry._store.engine().connect() as connection:
        retired = data_keys.c.retired_at.is_not(None)
        assert connection.scalars(select(data_keys.c.wrapped).where(retired)).all() == [b"", b""]


def test_a_data_key_under_a_third_root_key_is_named(registry, new):
    with registry._store.engine().begin() as connection:
        last = connection.scalars(select(data_keys.c.id).order_by(data_keys.c.created_at.desc())).first()
        connection.execute(update(data_keys).where(data_keys.c.id == last).values(root_key="local:third"))
    registry._keys.forget()
    with pytest.raises(RegistrySealed, match="under root key local:third"):
        registry.keys.rewrap(new)


def test_several_urls_stand_in_one_setting_and_a_path_may_hold_spaces():
    keys = DataKeys("file:///my keys/new key  env://OLD\nkeyring://a/b")
    assert keys.urls == ("file:///my keys/new key", "env://OLD", "keyring://a/b")
    assert keys.url == "file:///my keys/new key"


def test_a_rotation_that_began_before_the_rewrap_ended_leaves_no_key_under_the_old_root_key(registry, reopen, old, new):
    for keys, outcome in ((old, RegistrySealed), (f"{old} {new}", None)):
        other, done = reopen(keys), []

        def reached(step, done=done):
            if step == "keys wrapped" and not done:
                done.append(registry.keys.rewrap(new))

        rotation = Rotating(other._store, other._keys, reached=reached)
        if outcome is None:
            assert {item.to_generation for item in rotation.run()} == {2}
        else:
            with pytest.raises(outcome, match=open_key(new).id):
                rotation.run()
        assert roots(registry) == {done[0].root_key}
        if outcome is not None:
            registry.keys.rewrap(old)


@pytest.mark.parametrize("order", ["{old} {new}", "{new} {old}"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_new_data_key_comes_under_the_root_key_that_the_registry_is_under(registry, reopen, old, new, order, moved):
    if moved:
        registry.keys.rewrap(new)
    before = roots(registry)
    both = reopen(order.format(old=old, new=new))
    both.workspaces.create("late")
    both.keys.rotate()
    assert roots(registry) == before


def test_a_run_that_is_killed_after_the_last_key_is_on_record_all_the_same(registry, reopen, new):
    def stop(step):
        if step == "done in transaction":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Rewrap(registry._store, registry._keys, actor="ada", reached=stop).run(new)
    done = reopen(new).keys.rewrap(actor="bob")
    assert (done.rewrapped, done.already) == (0, 2)
    facts = {"root_key": done.root_key, "data_keys": 2}
    assert [(event.action, event.actor, event.facts) for event in registry.keys.events()] == [
        ("root key changed", "bob", facts),
        ("rewrap started", "ada", facts),
    ]
    reopen(new).keys.rewrap()
    assert len(registry.keys.events()) == 2


def test_a_root_key_that_refuses_what_it_wraps_is_refused(registry, new, monkeypatch):
    provider = registry._keys.root_key_at(new)

    def refuse(self, wrapped, *, context):
        raise DecryptionFailed("damaged")

    read_all(registry)
    monkeypatch.setattr(type(provider), "unwrap", refuse)
    before = roots(registry)
    with pytest.raises(KeyUnavailable, match="does not open what it wraps"):
        registry.keys.rewrap(new)
    assert roots(registry) == before


def test_a_registry_whose_first_root_key_is_away_is_open_as_long_as_another_one_opens_it(registry, reopen, old):
    both = reopen(f"env://NO_SUCH_VARIABLE {old}")
    status = both.key_status()
    assert (status.sealed, status.root_key) == (False, "")
    assert "NO_SUCH_VARIABLE" in status.reason
    assert read_all(both)[0] == expected(20)


def test_a_sealed_registry_says_what_to_do_about_each_of_its_root_keys(registry, reopen, new, tmp_path):
    (tmp_path / "old.key").chmod(0o644)
    sealed = reopen(f"{new} {(tmp_path / 'old.key').as_uri()}")
    with pytest.raises(RegistrySealed, match=r"chmod 600 .*old\.key.* point TYPECASE_KEY at it"):
        sealed.load("doc-0000000", workspace="b")
    assert f"chmod 600 {tmp_path / 'old.key'}" in sealed.key_status().reason
