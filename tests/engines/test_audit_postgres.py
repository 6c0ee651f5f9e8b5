"""The audit log of a registry on PostgreSQL."""

import psycopg
import pytest
from fakes import audit_crowd as crowd
from fakes import audit_trials as trials
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select, text

from typecase.blocks.errors import AuditUnavailable
from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.usage import forget_uses
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.file_registry import FileRegistry
from typecase.registry.tables import audit_events


@pytest.fixture
def registry(postgres_url, tmp_path):
    registry = DirectRegistry(postgres_url, key=(tmp_path / "root.key").as_uri())
    registry.init(create_key_if_missing=True)
    yield registry
    registry.close()


def waits_for_a_lock(url):
    """Return the statement that waits for another transaction, once there is one."""
    query = "select query from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as connection:
        while not (found := connection.execute(query).fetchall()):
            pass
    return found[0][0]


def test_sixteen_threads_in_each_of_two_processes_write_one_event_each_time(registry, postgres_url, tmp_path):
    told = crowd.told_by("write", postgres_url, (tmp_path / "root.key").as_uri())
    assert crowd.written(registry) == told
    assert len(set(told.values())) == crowd.PROCESSES * crowd.THREADS * crowd.ROUNDS
    (use,) = registry.audit.usage_of("d" * 32).items
    assert use.count == len(told)


def test_processes_that_are_killed_leave_a_whole_log_with_all_that_was_acknowledged(registry, postgres_url, tmp_path):
    told = crowd.told_by("kill", postgres_url, (tmp_path / "root.key").as_uri())
    found = crowd.written(registry)
    assert told.items() <= found.items()
    assert len(set(found.values())) == len(found)


def test_the_same_events_have_the_same_hashes_on_both_databases(registry, tmp_path):
    other = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    other.init()
    identity = {"id": registry.audit.anchor().registry}
    other._store.write(lambda connection: connection.execute(text("update registry set id = :id"), identity))

    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(trials.EVENTS)
    def alike(events):
        assert registry.audit.record(events) == other.audit.record(events)
        assert registry.audit.anchor().hash == other.audit.anchor().hash

    alike()
    (ours, theirs) = (each.audit.list(limit=1000) for each in (registry, other))
    assert ours == theirs
    assert registry.audit.verify(other.audit.anchor()).fault is None
    other.close()


def test_what_was_changed_is_found(registry):
    trials.fill(registry, 2000)
    found = {damage.name: trials.found_after(damage, registry, 2000) for damage in trials.DAMAGES}
    assert found == {damage.name: damage.expected(2000) for damage in trials.DAMAGES}


def test_a_verification_sees_one_moment_while_others_write(registry):
    trials.fill(registry, 3000)
    seen = []

    def watch(done, _):
        if not seen:
            registry.audit.record([AuditEvent(action="late")])
        seen.append(done)

    found = registry.audit.verify(watch=watch)
    assert (found.fault, found.sound, registry.audit.anchor().number) == (None, 3000, 3001)


def test_two_first_events_do_not_meet(registry, postgres_url):
    """Of two who begin the log, one waits for the other."""
    with registry._store.engine().begin() as connection:
        registry.audit.append(connection, [AuditEvent(action="first")])
        second = trials.Call(lambda: registry.audit.record([AuditEvent(action="second")]))
        waits_for_a_lock(postgres_url)
    assert second.result() == (2,)
    assert registry.audit.verify().fault is None


def test_nobody_waits_for_ever_for_a_transaction_that_does_not_end(registry, monkeypatch):
    monkeypatch.setattr("typecase.registry.audit.writing.PATIENCE", "1ms")
    with registry._store.engine().begin() as connection:
        registry.audit.append(connection, [AuditEvent(action="long")])
        with pytest.raises(AuditUnavailable):
            registry.audit.record([AuditEvent(action="meanwhile")])
    assert registry.audit.record([AuditEvent(action="after")]) == (2,)


def test_a_load_and_the_removal_of_a_document_wait_for_the_same(registry, postgres_url):
    """Whoever comes second waits at the end of the chain, and holds nothing then that the other needs."""
    registry.audit.record([crowd.event("before")])
    with registry._store.engine().begin() as connection:
        forget_uses(connection, "d" * 32)
        load = trials.Call(lambda: registry.audit.record([crowd.event("meanwhile")]))
        waiting = waits_for_a_lock(postgres_url)
        registry.audit.append(connection, [AuditEvent(action="document.delete")])
    assert "FROM audit_head" in waiting
    assert load.result() == (3,)


def test_what_the_database_refuses_is_not_written_at_all(registry):
    registry.audit.record([AuditEvent(action="before")])
    with registry._store.engine().begin() as connection:
        connection.execute(text("alter table audit_events add constraint refused check (false) not valid"))
    with pytest.raises(AuditUnavailable):
        registry.audit.record([AuditEvent(action="document.load", document_id="d")])
    assert registry.audit.anchor().number == 1
    assert registry.audit.usage_of("d").items == ()


def test_a_server_that_went_away_and_came_back_takes_events_again(registry, postgres_url):
    registry.audit.record([AuditEvent(action="before")])
    ours = "datname = current_database() and application_name = 'typecase'"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}")
    assert registry.audit.record([AuditEvent(action="after")]) == (2,)


def test_the_database_keeps_what_the_hash_covers_byte_by_byte(registry):
    registry.audit.record([AuditEvent(action="a", facts={"z": 1, "a": "é\0"})])
    with registry._store.engine().connect() as connection:
        facts = connection.scalar(select(audit_events.c.facts))
    assert facts == '{"a":"\\u00e9\\ufffd","z":1}'
