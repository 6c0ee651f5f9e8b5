"""Rotation in a PostgreSQL registry: killed, with readers and writers around, and against transactions under way."""

import threading

import psycopg
import pytest
from fakes import rotation_trials as trials
from fakes.crowd import THING, newest_keys, read_all
from sqlalchemy import text

from typecase.blocks.errors import KeyInUse, RegistryNotEmpty
from typecase.blocks.records import Draft
from typecase.registry.direct import DirectRegistry
from typecase.registry.rotation import Rotating
from typecase.registry.rotation_retirement import retire_keys
from typecase.registry.saving import Saving

DRAFT = Draft(name="late", workspace="default", type_slug=THING.slug, schema_version=1, data={}, overwrite=True)


@pytest.fixture
def registry(postgres_url, tmp_path):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        # Clients are killed here, not the server: waiting for the disk would be most of the time.
        admin.execute(f"alter database {admin.info.dbname} set synchronous_commit = off")
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    registry.init(create_key_if_missing=True)
    registry.types.register(THING)
    yield registry
    registry.close()


@pytest.mark.slow
def test_runs_that_are_killed_at_every_step_lose_nothing_and_the_next_ones_finish(registry, postgres_url, tmp_path):
    before = trials.survive_kills(registry, postgres_url, tmp_path)
    again = DirectRegistry(postgres_url, key=(tmp_path / "new.key").as_uri())
    trials.check_after_kills(again, before)
    again.close()


@pytest.mark.slow
def test_readers_and_writers_in_other_processes_notice_nothing(registry, postgres_url, tmp_path):
    trials.work_beside_readers_and_writers(registry, postgres_url, (tmp_path / "root.key").as_uri())


class Writer(threading.Thread):
    """Saves a document, and does not commit before it is told to."""

    def __init__(self, registry):
        super().__init__()
        self.registry = registry
        self.written, self.may_commit = threading.Event(), threading.Event()
        self.start()

    def run(self):
        self.registry._store.write(self.save)

    def save(self, connection):
        Saving(connection, self.registry._keys, self.registry.types).save(DRAFT)
        self.written.set()
        assert self.may_commit.wait(60)


class Call(threading.Thread):
    """Calls a function and keeps what comes of it."""

    def __init__(self, function):
        super().__init__()
        self.function, self.result, self.error = function, None, None
        self.start()

    def run(self):
        try:
            self.result = self.function()
        except Exception as error:
            self.error = error


def wait_for_a_lock(url):
    """Return once some transaction waits for another one."""
    query = "select count(*) from pg_locks where not granted"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(query).fetchone() == (0,):
            pass


def test_a_new_key_waits_for_writers_under_way_and_their_revisions_are_moved(registry, postgres_url):
    writer = Writer(registry)
    writer.written.wait(60)
    (old,) = newest_keys(registry).values()
    rotation = Call(lambda: registry.keys.rotate(retire=True))
    wait_for_a_lock(postgres_url)
    assert set(newest_keys(registry).values()) == {old}
    writer.may_commit.set()
    rotation.join()
    writer.join()
    assert [(item.revisions, item.retired) for item in rotation.result] == [(1, (1,))]
    assert read_all(registry) == ({("late", 1): b"{}"}, set(newest_keys(registry).values()))


def test_a_writer_who_comes_while_a_key_is_replaced_uses_the_new_one(registry, postgres_url):
    writers = []

    def reached(step):
        if step == "keys written":
            writers.append(Call(lambda: registry.documents.save(DRAFT)))
            wait_for_a_lock(postgres_url)

    (item,) = Rotating(registry._store, registry._keys, reached=reached).run()
    writers[0].join()
    assert writers[0].error is None
    assert item.revisions == 0
    assert read_all(registry) == ({("late", 1): b"{}"}, set(newest_keys(registry).values()))
    assert registry.keys.retire()[0].generation == 1


def test_retiring_waits_for_writers_under_way_and_is_refused_then(registry, postgres_url):
    registry.keys.rotate()
    older, newest = (key.id for key in registry.key_status().data_keys)
    with psycopg.connect(postgres_url) as stray:
        # What a process with older code would do: it does not ask which key is the newest.
        registry.documents.save(DRAFT)
        stray.execute("update revisions set key_id = %s where key_id = %s", (older, newest))
        retirement = Call(registry.keys.retire)
        wait_for_a_lock(postgres_url)
    retirement.join()
    assert isinstance(retirement.error, KeyInUse)
    assert (retirement.error.key, retirement.error.revisions) == (older, 1)


def test_of_two_who_retire_at_once_one_does_and_writers_do_not_wait(registry, postgres_url):
    registry.keys.rotate()
    registry.keys.rotate()
    callers = []

    def reached(step):
        if step == "retired in transaction":
            callers.append(Call(registry.keys.retire))
            wait_for_a_lock(postgres_url)
            callers.append(Call(lambda: registry.documents.save(DRAFT)))
            callers[1].join()

    retired = retire_keys(registry._store, registry._keys, (), actor="", reached=reached)
    callers[0].join()
    assert [key.generation for key in retired] == [1, 2]
    assert ([caller.error for caller in callers], callers[0].result) == ([None, None], ())
    assert read_all(registry)[1] == set(newest_keys(registry).values())
    assert sum(event.action == "key retired" for event in registry.keys.events()) == 2


def test_a_restore_waits_for_writers_under_way_and_then_finds_the_registry_in_use(registry, postgres_url, tmp_path):
    registry.backup(tmp_path / "b")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("delete from schema_versions")
        admin.execute("delete from block_types")
    with psycopg.connect(postgres_url) as writer:
        writer.execute("insert into workspaces values ('0', 'new', null, '', now())")
        restoring = Call(lambda: registry.restore_backup(tmp_path / "b"))
        wait_for_a_lock(postgres_url)
    restoring.join()
    assert isinstance(restoring.error, RegistryNotEmpty)
    assert [place.name for place in registry.workspaces.list()] == ["default", "new"]


def test_a_writer_who_began_before_the_new_key_uses_it_whatever_the_default_isolation(registry, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"alter database {admin.info.dbname} set default_transaction_isolation = 'repeatable read'")
    registry.close()
    may_write = threading.Event()

    class Early(Writer):
        def save(self, connection):
            connection.execute(text("select count(*) from data_keys"))
            self.written.set()
            assert may_write.wait(60)
            self.written.clear()
            super().save(connection)

    writer = Early(registry)
    writer.written.wait(60)

    def reached(step):
        if step == "keys committed":
            may_write.set()
            while not writer.written.is_set():
                pass

    rotation = Call(lambda: Rotating(registry._store, registry._keys, retire=True, reached=reached).run())
    wait_for_a_lock(postgres_url)
    writer.may_commit.set()
    writer.join()
    rotation.join()
    assert rotation.error is None
    assert read_all(registry) == ({("late", 1): b"{}"}, set(newest_keys(registry).values()))
