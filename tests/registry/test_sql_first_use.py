"""The first use of the embedded registry makes everything, once, for its owner alone."""

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from typecase.blocks.errors import (
    DocumentNotFound,
    KeyUnavailable,
    RegistryOutdated,
    RegistryUnreachable,
    SettingsError,
)
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.sqlite import connect

RACE = """
import os, sys
from pathlib import Path
from typecase.registry.file_registry import FileRegistry
from typecase.registry.embedded import EmbeddedRegistry

path, key = Path(sys.argv[1]), sys.argv[2]
start, go = os.pipe()
children = []
for _ in range(8):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(start, 1)
        registry = EmbeddedRegistry(path, key=key)
        names = [workspace.name for workspace in registry.workspaces.list()]
        os._exit(0 if names == ["default"] and not registry.key_status().sealed else 1)
    children.append(child)
os.close(go)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.fixture
def registry(tmp_path):
    registry = EmbeddedRegistry(tmp_path / "a" / "b" / "registry.db", key=(tmp_path / "keys" / "root.key").as_uri())
    yield registry
    registry.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_made_before_the_first_call(registry, tmp_path):
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o177])
def test_files_and_folders_belong_to_their_owner_alone_whatever_the_umask(registry, tmp_path, mask):
    before = os.umask(mask)
    try:
        registry.workspaces.create("staging")
    finally:
        os.umask(before)
    database = tmp_path / "a" / "b" / "registry.db"
    files = [database, Path(f"{database}-wal"), Path(f"{database}-shm"), tmp_path / "keys" / "root.key"]
    assert [oct(mode(path)) for path in files] == ["0o600"] * 4
    assert [oct(mode(path)) for path in (tmp_path / "a", tmp_path / "a" / "b")] == ["0o700"] * 2


def test_a_folder_that_exists_keeps_its_mode(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    registry = EmbeddedRegistry(folder / "registry.db", key=(tmp_path / "root.key").as_uri())
    registry.workspaces.list()
    registry.close()
    assert oct(mode(folder)) == "0o755"


def test_a_load_may_be_the_first_use(registry):
    with pytest.raises(DocumentNotFound):
        registry.load("absent", workspace="default")
    assert [workspace.name for workspace in registry.workspaces.list()] == ["default"]


def test_the_notice_names_both_files_once(registry, tmp_path, capfd):
    registry.workspaces.list()
    registry.close()
    registry.workspaces.list()
    printed = capfd.readouterr()
    database, key = tmp_path / "a" / "b" / "registry.db", tmp_path / "keys" / "root.key"
    assert printed.err == f"typecase: created the registry {database} and its root key {key}: back up the key\n"
    assert printed.out == ""


def test_eight_processes_that_begin_at_once_share_one_registry_and_one_key(tmp_path):
    database, key = tmp_path / "deep" / "registry.db", tmp_path / "keys" / "root.key"
    done = subprocess.run(
        [sys.executable, "-c", RACE, str(database), key.as_uri()], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[0] * 8}\n"
    assert len(re.findall("created the registry", done.stderr)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["root.key"]
    connection = connect(database)
    counts = connection.execute("select (select count(*) from workspaces), (select count(*) from data_keys)").fetchone()
    connection.close()
    assert counts == (1, 1)


def test_a_root_key_that_cannot_be_made_leaves_no_tables(tmp_path):
    registry = EmbeddedRegistry(tmp_path / "registry.db", key="env://TYPECASE_NO_SUCH_KEY")
    with pytest.raises(KeyUnavailable):
        registry.workspaces.list()
    registry.close()
    connection = connect(tmp_path / "registry.db")
    tables = connection.execute("select count(*) from sqlite_master").fetchone()
    connection.close()
    assert tables == (0,)


def test_an_existing_root_key_is_used_and_not_replaced(tmp_path):
    url = (tmp_path / "root.key").as_uri()
    first, second = (EmbeddedRegistry(tmp_path / name, key=url) for name in ("one.db", "two.db"))
    roots = {registry.key_status().root_key for registry in (first, second)}
    first.close()
    second.close()
    assert len(roots) == 1


def test_tables_from_the_future_are_refused_with_the_upgrade_named(registry, tmp_path):
    registry.workspaces.list()
    registry.close()
    connection = connect(tmp_path / "a" / "b" / "registry.db")
    connection.execute("update typecase_version set version_num = '9999'")
    connection.close()
    with pytest.raises(RegistryOutdated, match="pip install --upgrade typecase"):
        registry.load("x", workspace="default")
    with pytest.raises(RegistryOutdated):
        registry.workspaces.list()


def test_a_file_that_is_no_database_is_not_touched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are my notes " * 100)
    registry = EmbeddedRegistry(path, key=(tmp_path / "root.key").as_uri())
    with pytest.raises(RegistryUnreachable, match="not a database"):
        registry.load("x", workspace="default")
    assert path.read_bytes() == b"these are my notes " * 100


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "sqlite:a"])
def test_a_url_without_a_file_is_refused(url):
    with pytest.raises(SettingsError, match="names no SQLite file"):
        EmbeddedRegistry.from_url(url)


def test_the_url_gives_a_relative_and_an_absolute_path(tmp_path):
    assert EmbeddedRegistry.from_url(f"sqlite:///{tmp_path}/r.db").url == f"sqlite:///{tmp_path}/r.db"
    assert EmbeddedRegistry.from_url("sqlite:///r.db").url == f"sqlite:///{Path.cwd()}/r.db"


def test_threads_may_begin_registries_of_their_own_at_once(tmp_path):
    registries = [
        EmbeddedRegistry(tmp_path / f"{number}.db", key=(tmp_path / "root.key").as_uri()) for number in range(6)
    ]
    barrier, found = threading.Barrier(len(registries)), []

    def begin(registry):
        barrier.wait()
        found.append([workspace.name for workspace in registry.workspaces.list()])

    threads = [threading.Thread(target=begin, args=(registry,)) for registry in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for registry in registries:
        registry.close()
    assert found == [["default"]] * 6
