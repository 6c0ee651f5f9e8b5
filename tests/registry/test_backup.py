"""Backups: from either database into either, whole or not at all, and closed without the root key."""

import json
import os
import signal
import stat
import sys
from dataclasses import replace

import pytest
from fakes.crowd import THING, expected, fill, read_all
from sqlalchemy import inspect, select, update

from typecase.blocks.compatibility import Mode
from typecase.blocks.errors import (
    BackupExists,
    BackupUnusable,
    RegistryNotEmpty,
    RegistryOutdated,
    RegistrySealed,
    WorkspaceNotFound,
)
from typecase.blocks.records import Draft
from typecase.registry import tables
from typecase.registry.data_keys import DataKeys
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.file_registry import FileRegistry
from typecase.registry.keys import create_key

ENGINES = ["sqlite", "postgresql"]


@pytest.fixture
def places(tmp_path, request):
    """Opens registries by engine: the source of a test and its target."""
    opened = []

    def place(engine, name, key="root.key"):
        url = (tmp_path / key).as_uri()
        if engine == "sqlite":
            registry = FileRegistry(tmp_path / f"{name}.db", DataKeys(url))
        else:
            registry = DirectRegistry(request.getfixturevalue("postgres_url"), key=url)
        opened.append(registry)
        return registry

    yield place
    for registry in opened:
        registry.close()


def save(registry, name, data, **options):
    draft = {"workspace": "default", "type_slug": THING.slug, "schema_version": 1, "overwrite": True} | options
    return registry.documents.save(Draft(name=name, data=data, **draft))


def populate(registry):
    """A bit of everything that a registry can hold."""
    registry.init(create_key_if_missing=True)
    registry.workspaces.create("z-parent", description="Grüße\n\ttab")
    registry.workspaces.create("a-child", parent="z-parent")
    fill(registry, 30)
    save(registry, "target", {"v": 1}, tags=("x", "y"))
    save(registry, "top", {"next": {"$block": "target"}}, author="ada", description="a 'quote' \u2028 \\")
    save(registry, "target", {"v": 2})
    registry.keys.rotate(retire=True, actor="ada")
    return registry


def everything(registry):
    found = {}
    with registry._store.engine().connect() as connection:
        for table in tables.metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            found[table.name] = sorted(map(repr, rows))
    return found


@pytest.fixture(params=ENGINES)
def source(request, places):
    return populate(places(request.param, "source"))


@pytest.fixture
def backup(source, tmp_path):
    path = tmp_path / "registry.backup"
    source.backup(path)
    return path


def test_a_restored_registry_is_the_same_row_by_row_on_the_other_database_too(source, backup, places):
    copy = places("sqlite", "copy")
    summary = copy.restore_backup(backup)
    assert everything(copy) == everything(source)
    assert read_all(copy) == read_all(source)
    assert summary.rows["documents"] == 32
    assert summary.root_keys == (source.key_status().root_key,)
    tree = copy.load("top", workspace="default")
    assert [json.loads(block.data) for block in tree.referenced.values()] == [{"v": 2}]


def test_a_file_registry_moves_to_postgresql(places, tmp_path):
    source, target = populate(places("sqlite", "source")), places("postgresql", "target")
    source.backup(tmp_path / "b")
    target.restore_backup(tmp_path / "b")
    assert everything(target) == everything(source)
    assert read_all(target) == read_all(source)
    save(target, "after", {"v": 3})
    assert json.loads(target.load("after", workspace="default").root.data) == {"v": 3}


def test_a_registry_that_was_only_set_up_is_replaced(places, tmp_path):
    for engine in ENGINES:
        source = populate(places("sqlite", f"source-{engine}"))
        target = places(engine, f"target-{engine}")
        target.init()
        source.backup(tmp_path / engine)
        target.restore_backup(tmp_path / engine)
        assert everything(target) == everything(source)


def test_the_embedded_registry_backs_up_and_restores(tmp_path):
    key = (tmp_path / "root.key").as_uri()
    one, two = (EmbeddedRegistry(tmp_path / f"{name}.db", key=key) for name in ("one", "two"))
    one.types.register(THING)
    save(one, "a", {"v": 1})
    one.backup(tmp_path / "b")
    two.restore_backup(tmp_path / "b")
    assert two.load("a", workspace="default").root.data == b'{"v":1}'
    one.close()
    two.close()


def test_without_the_root_key_nothing_of_it_opens(backup, places, tmp_path):
    create_key((tmp_path / "other.key").as_uri())
    stranger = places("sqlite", "copy", key="other.key")
    stranger.restore_backup(backup)
    with pytest.raises(RegistrySealed):
        stranger.load("target", workspace="default")


def test_the_file_holds_no_clear_value_and_no_key(places, tmp_path, canary, assert_no_canary):
    source = populate(places("sqlite", "source"))
    save(source, "a", {"password": canary})
    source.backup(tmp_path / "b")
    assert assert_no_canary(tmp_path / "b") > 5000
    assert not any(dek in (tmp_path / "b").read_bytes() for dek in source._keys.opened.values())


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_its_owner_can_read_the_file(places, tmp_path, umask):
    source = populate(places("sqlite", "source"))
    before = os.umask(umask)
    try:
        source.backup(tmp_path / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_replaced(source, backup):
    before = backup.read_bytes()
    with pytest.raises(BackupExists, match=r"registry\.backup"):
        source.backup(backup)
    assert backup.read_bytes() == before


def test_a_backup_that_fails_leaves_no_file(source, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.backup(folder / "b", watch=stop)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(source, tmp_path):
    with pytest.raises(BackupUnusable, match="cannot be written"):
        source.backup(tmp_path / "no" / "b")


def test_what_is_written_meanwhile_is_not_half_in_the_file(source, places, tmp_path):
    fill_more = [{"v": number} for number in range(3)]
    fresh = places("sqlite", "copy")

    class Slow:
        """Writes into the registry between the tables of the backup."""

        def __init__(self):
            self.lines = 0

        def __call__(self, original, backup, content):
            self.lines += 1
            if isinstance(content, dict) and content.get("table") == "documents":
                for data in fill_more:
                    save(source, "meanwhile", data)
                source.documents.delete("doc-0000000", workspace="a-child")
            original(backup, content)

    from typecase.registry import backups

    slow, original = Slow(), backups._Writing._line
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backups._Writing, "_line", lambda backup, content: slow(original, backup, content))
        source.backup(tmp_path / "b")
    fresh.restore_backup(tmp_path / "b")
    found, _ = read_all(fresh)
    assert expected(30).items() <= found.items()
    assert not any(name == "meanwhile" for name, _ in found)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_registry_that_holds_something_is_left_alone(engine, places, tmp_path):
    source, target = populate(places("sqlite", "source")), places(engine, "target")
    source.backup(tmp_path / "b")
    target.init()
    target.types.register(THING)
    before = everything(target)
    with pytest.raises(RegistryNotEmpty, match="holds something"):
        target.restore_backup(tmp_path / "b")
    assert everything(target) == before


def cut(text):
    return text[: len(text) // 2]


def drop_line(text):
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:20] + lines[21:])


def flip(text):
    middle = len(text) // 2
    return text[:middle] + bytes([text[middle] ^ 1]) + text[middle + 1 :]


def lose_last_line(text):
    return b"".join(text.splitlines(keepends=True)[:-1])


def lose_last_byte(text):
    return text[:-1]


@pytest.mark.parametrize("damage", [cut, drop_line, flip, lose_last_line, lose_last_byte])
def test_a_damaged_file_is_refused_and_nothing_is_left_behind(damage, places, tmp_path):
    source, target = populate(places("sqlite", "source")), places("sqlite", "target")
    source.backup(tmp_path / "b")
    (tmp_path / "b").write_bytes(damage((tmp_path / "b").read_bytes()))
    with pytest.raises(BackupUnusable) as caught:
        target.restore_backup(tmp_path / "b")
    assert caught.value.reason == "damaged"
    assert inspect(target._store.bare_engine()).get_table_names() == []


@pytest.mark.parametrize("text", [b"", b"\n", b"{}\n", b"[1]\n", b"PK\x03\x04", b"\xff\xfe", b'{"format":"other"}\n'])
def test_a_file_that_is_no_backup_is_refused(text, places, tmp_path):
    (tmp_path / "b").write_bytes(text)
    with pytest.raises(BackupUnusable, match="is no backup"):
        places("sqlite", "target").restore_backup(tmp_path / "b")


def test_a_file_that_does_not_tell_its_version_is_refused(places, tmp_path):
    (tmp_path / "b").write_bytes(b'{"format":"typecase-backup"}\n')
    with pytest.raises(BackupUnusable, match="has a newer format"):
        places("sqlite", "target").restore_backup(tmp_path / "b")


def test_a_file_that_is_not_there_is_said(places, tmp_path):
    with pytest.raises(BackupUnusable, match="cannot be read"):
        places("sqlite", "target").restore_backup(tmp_path / "b")


@pytest.mark.parametrize(
    ("ours", "theirs", "error"),
    [(b'"version":1', b'"version":2', BackupUnusable), (b'"tables":"', b'"tables":"9', RegistryOutdated)],
)
def test_a_file_of_a_newer_release_is_refused(places, tmp_path, ours, theirs, error):
    from hashlib import sha256

    source = populate(places("sqlite", "source"))
    source.backup(tmp_path / "b")
    first, *rows, end = (tmp_path / "b").read_bytes().splitlines(keepends=True)
    body = b"".join([first.replace(ours, theirs), *rows])
    end = json.dumps({**json.loads(end), "sha256": sha256(body).hexdigest()}).encode() + b"\n"
    (tmp_path / "b").write_bytes(body + end)
    with pytest.raises(error, match="pip install --upgrade typecase"):
        places("sqlite", "target").restore_backup(tmp_path / "b")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restore_that_is_killed_leaves_nothing_and_can_be_run_again(engine, places, tmp_path):
    source = places("sqlite", "source")
    source.init(create_key_if_missing=True)
    fill(source, 2500)
    source.backup(tmp_path / "b")
    target = places(engine, "target")

    def kill(done, _):
        if done > 2000:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            target.restore_backup(tmp_path / "b", watch=kill)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert inspect(target._store.bare_engine()).get_table_names() == []
    target.restore_backup(tmp_path / "b")
    assert read_all(target)[0] == expected(2500)


def test_a_backup_of_earlier_tables_is_brought_up_to_date(places, tmp_path):
    """As release 0002 would have written it, had it had backups."""
    from hashlib import sha256

    source = places("sqlite", "source")
    source.init(create_key_if_missing=True)
    source.types.register(THING)
    save(source, "a", {"v": 1})
    source.backup(tmp_path / "b")
    *lines, _ = [json.loads(line) for line in (tmp_path / "b").read_text().splitlines()]
    lines[0]["tables"] = "0002"
    gone = {("documents", "secret"), ("data_keys", "settled_at")}
    kept, names, table = [], [], ""
    for line in lines[1:]:
        if isinstance(line, dict):
            table, names = line["table"], [name for name, _ in line["columns"]]
            line["columns"] = [column for column in line["columns"] if (table, column[0]) not in gone]
        else:
            line[:] = [value for name, value in zip(names, line, strict=True) if (table, name) not in gone]
        if table != "key_events":
            kept.append(line)
    body = b"".join(json.dumps(line).encode() + b"\n" for line in [lines[0], *kept])
    end = {"rows": {"documents": 1}, "sha256": sha256(body).hexdigest()}
    (tmp_path / "b").write_bytes(body + json.dumps(end).encode() + b"\n")
    target = places("sqlite", "target")
    target.restore_backup(tmp_path / "b")
    assert [item.name for item in target.documents.list(workspace="default").items] == ["a"]
    with pytest.raises(WorkspaceNotFound):
        target.load("a", workspace="nowhere")


def test_the_file_and_its_name_are_on_the_disk_before_a_backup_is_told(source, tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "b").exists()))

    monkeypatch.setattr(os, "fsync", sync)
    source.backup(tmp_path / "b")
    assert synced == [(False, False), (True, True)]


def test_rules_of_compatibility_are_a_use_too(places, tmp_path):
    source, target = populate(places("sqlite", "source")), places("sqlite", "target")
    source.backup(tmp_path / "b")
    target.init()
    target.types.set_compatibility(mode=Mode.FULL)
    with pytest.raises(RegistryNotEmpty):
        target.restore_backup(tmp_path / "b")
    assert target.types.compatibility().mode is Mode.FULL


@pytest.mark.parametrize("engine", ENGINES)
def test_half_a_surrogate_pair_survives(engine, places, tmp_path):
    source, target = places("sqlite", "source"), places(engine, "target")
    source.init(create_key_if_missing=True)
    source.types.register(replace(THING, schema={"type": "object", "description": "\ud83d"}))
    source.backup(tmp_path / "b")
    target.restore_backup(tmp_path / "b")
    assert target.types.versions(THING.slug)[-1].schema["description"] == "\ud83d"


def test_workspaces_in_a_circle_are_in_the_file_and_not_left_out_in_silence(places, tmp_path):
    """Only somebody who writes to the database can make one."""
    source = populate(places("sqlite", "source"))
    with source._store.engine().begin() as connection:
        connection.execute(update(tables.workspaces).values(parent_id=tables.workspaces.c.id))
    assert source.backup(tmp_path / "b").rows["workspaces"] == 3
