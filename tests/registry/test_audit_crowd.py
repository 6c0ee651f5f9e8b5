"""Many threads of two processes write to the audit log of an SQLite file, and processes are killed meanwhile."""

import pytest
from fakes import audit_crowd as crowd

from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture
def place(tmp_path):
    return f"sqlite:///{tmp_path / 'registry.db'}", (tmp_path / "root.key").as_uri()


@pytest.fixture
def registry(place, tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys(place[1]))
    registry.init(create_key_if_missing=True)
    registry.close()
    yield registry
    registry.close()


def test_sixteen_threads_in_each_of_two_processes_write_one_event_each_time(registry, place):
    told = crowd.told_by("write", *place)
    assert crowd.written(registry) == told
    assert len(set(told.values())) == crowd.PROCESSES * crowd.THREADS * crowd.ROUNDS
    (use,) = registry.audit.usage_of("d" * 32).items
    assert use.count == len(told)


def test_processes_that_are_killed_leave_a_whole_log_with_all_that_was_acknowledged(registry, place):
    told = crowd.told_by("kill", *place)
    found = crowd.written(registry)
    assert told.items() <= found.items()
    assert len(set(found.values())) == len(found)
    (use,) = registry.audit.usage_of("d" * 32).items
    assert use.count == len(found)
