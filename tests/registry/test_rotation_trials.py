"""Rotation in an SQLite registry: killed at every step, and with readers and writers in other processes."""

import pytest
from fakes import rotation_trials as trials

from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture
def registry(tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    yield registry
    registry.close()


@pytest.mark.slow
def test_runs_that_are_killed_at_every_step_lose_nothing_and_the_next_ones_finish(registry, tmp_path):
    before = trials.survive_kills(registry, registry.url, tmp_path)
    again = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "new.key").as_uri()))
    trials.check_after_kills(again, before)
    again.close()


@pytest.mark.slow
def test_readers_and_writers_in_other_processes_notice_nothing(registry, tmp_path):
    trials.work_beside_readers_and_writers(registry, registry.url, (tmp_path / "root.key").as_uri())
