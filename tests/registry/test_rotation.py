"""Rotation of data keys, on both databases: what moves, what may happen meanwhile, what is refused."""

import json
import threading

import pytest
from fakes.crowd import THING, content, expected, fill, newest_keys, read_all
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, event, insert, select, update

from typecase.blocks.errors import DecryptionFailed, KeyInUse, KeyUnavailable, RegistrySealed, WorkspaceNotFound
from typecase.blocks.records import Draft
from typecase.registry import tables
from typecase.registry.data_keys import DataKeys, RetiredKey
from typecase.registry.direct import DirectRegistry
from typecase.registry.embedded import EmbeddedRegistry
from typecase.registry.envelope import open_sealed, revision_context, seal
from typecase.registry.file_registry import FileRegistry
from typecase.registry.reading import WrappedKey
from typecase.registry.rotation import Rotating
from typecase.registry.stored_keys import lock_newest_key
from typecase.registry.tables import EncryptedColumn, data_keys, documents, revisions


@pytest.fixture(params=["sqlite", "postgresql"])
def reopen(request, tmp_path):
    """Opens the same registry again, as another process would."""
    key = (tmp_path / "root.key").as_uri()
    address = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = []

    def reopen():
        file = tmp_path / "registry.db"
        registry = FileRegistry(file, DataKeys(key)) if address is None else DirectRegistry(address, key=key)
        opened.append(registry)
        return registry

    yield reopen
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(reopen):
    registry = reopen()
    registry.init(create_key_if_missing=True)
    registry.types.register(THING)
    return registry


def save(registry, name, data, *, workspace="default"):
    return registry.documents.save(
        Draft(name=name, workspace=workspace, type_slug=THING.slug, schema_version=1, data=data, overwrite=True)
    )


def load(registry, name, **options):
    return json.loads(registry.load(name, workspace="default", **options).root.data)


def rows_of(registry, table):
    with registry._store.engine().connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def everything(registry):
    return {table.name: rows_of(registry, table) for table in tables.metadata.sorted_tables}


def rotate(registry, reached=lambda _: None, **options):
    return Rotating(registry._store, registry._keys, reached=reached, **options).run()


def at_the_first(step, work):
    """Do `work` when a run comes to `step` for the first time."""
    done = []

    def reached(name):
        if name == step and not done:
            done.append(name)
            work()

    return reached


def test_every_revision_of_every_document_is_encrypted_again(registry):
    for value in range(3):
        save(registry, "a", {"v": value})
    save(registry, "b", {"v": 9})
    before, old = read_all(registry)
    payloads = {row["payload"] for row in rows_of(registry, revisions)}
    (item,) = registry.keys.rotate(actor="ada")
    after, new = read_all(registry)
    assert (item.from_generation, item.to_generation, item.revisions, item.unfinished) == (1, 2, 4, False)
    assert after == before
    assert old.isdisjoint(new)
    assert payloads.isdisjoint(row["payload"] for row in rows_of(registry, revisions))


def test_more_than_one_batch_is_moved(registry):
    fill(registry, 2100)
    steps = []
    rotate(registry, steps.append)
    assert steps.count("batch committed") == 3
    assert read_all(registry) == (expected(2100), set(newest_keys(registry).values()))


def test_a_batch_of_large_documents_is_smaller(registry, monkeypatch):
    from typecase.registry import rotation_batches

    monkeypatch.setattr(rotation_batches, "BYTES", 10_000)
    for number in range(6):
        save(registry, f"large-{number}", {"v": "x" * 5_000})
    steps = []
    rotate(registry, steps.append)
    assert steps.count("batch committed") == 3
    assert read_all(registry)[1] == set(newest_keys(registry).values())


def test_how_far_it_is_can_be_watched(registry):
    fill(registry, 2100)
    told = []
    registry.keys.rotate(watch=lambda done, total: told.append((done, total)))
    assert told == [(0, 2100), (1000, 2100), (2000, 2100), (2100, 2100)]


def test_a_rotation_leaves_names_times_and_history_alone(registry):
    save(registry, "a", {"v": 1})
    save(registry, "a", {"v": 2})

    def look():
        return registry.documents.get("a", workspace="default"), registry.documents.history("a", workspace="default")

    seen = look()
    registry.keys.rotate(retire=True)
    assert look() == seen


def test_new_writes_use_the_new_key_at_once(registry, reopen):
    save(registry, "a", {"v": 1})
    other = reopen()
    save(other, "a", {"v": 2})
    rotate(registry, at_the_first("keys committed", lambda: save(other, "b", {"v": 3})))
    assert [event.facts["revisions"] for event in registry.keys.events()] == [2, 2]
    assert read_all(registry)[1] == set(newest_keys(registry).values())


def test_what_is_written_under_the_old_key_meanwhile_is_swept(registry):
    first = save(registry, "a", {"v": 1}).document_id

    def write_late():
        """As a process with older code would, which does not ask which key is the newest."""
        with registry._store.engine().begin() as connection:
            old = connection.scalar(select(data_keys.c.id).where(data_keys.c.generation == 1))
            row = connection.execute(select(revisions)).mappings().one()
            (secret, place) = connection.execute(select(documents.c.secret, documents.c.workspace_id)).one()
            payload = seal(
                registry._keys.opened[old],
                b'{"v":2}',
                key_id=bytes.fromhex(old),
                context=revision_context(place, first, 2),
                document_secret=secret,
            )
            connection.execute(insert(revisions).values({**row, "number": 2, "key_id": old, "payload": payload}))

    rotate(registry, at_the_first("batch committed", write_late), retire=True)
    assert read_all(registry) == ({("a", 1): b'{"v":1}', ("a", 2): b'{"v":2}'}, set(newest_keys(registry).values()))


def test_a_document_that_is_deleted_meanwhile_stays_deleted(registry, reopen):
    save(registry, "a", {"v": 1})
    save(registry, "b", {"v": 2})
    other = reopen()
    rotate(registry, at_the_first("batch sealed", lambda: other.documents.delete("a", workspace="default")))
    assert list(read_all(registry)[0]) == [("b", 1)]


def test_a_revision_that_is_added_meanwhile_is_not_lost(registry, reopen):
    save(registry, "a", {"v": 1})
    other = reopen()
    rotate(registry, at_the_first("batch sealed", lambda: save(other, "a", {"v": 2})), retire=True)
    assert (load(registry, "a"), load(registry, "a", revision=1)) == ({"v": 2}, {"v": 1})


def test_a_workspace_that_is_deleted_meanwhile_ends_its_rotation(registry, reopen):
    registry.workspaces.create("short-lived")
    other = reopen()
    done = rotate(registry, at_the_first("keys committed", lambda: other.workspaces.delete("short-lived")))
    assert [item.workspace for item in done] == ["default", "short-lived"]
    assert list(newest_keys(registry)) == ["default"]


def test_two_runs_at_once_do_one_rotation_together(registry, reopen):
    fill(registry, 50)
    other = reopen()
    rotate(registry, at_the_first("batch sealed", other.keys.rotate))
    assert read_all(registry) == (expected(50), set(newest_keys(registry).values()))
    assert [key.generation for key in registry.key_status().data_keys] == [1, 2]


def test_a_run_that_is_overtaken_by_later_rotations_writes_nothing_under_its_key(registry, reopen):
    fill(registry, 50)
    other = reopen()

    def overtake():
        for _ in range(3):
            other.keys.rotate(retire=True)

    rotate(registry, at_the_first("batch sealed", overtake))
    assert read_all(registry) == (expected(50), set(newest_keys(registry).values()))
    assert [key.revisions for key in registry.key_status().data_keys] == [0, 0, 0, 50]


def test_an_unfinished_rotation_is_finished_and_no_other_one_is_begun(registry, reopen):
    registry.workspaces.create("b")
    fill(registry, 2500)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(registry, at_the_first("batch committed", stop))
    again = reopen()
    assert [(item.workspace, item.revisions, item.unfinished) for item in again.keys.plan()] == [
        ("b", 250, True),
        ("default", 1250, True),
    ]
    assert [(item.revisions, item.to_generation) for item in again.keys.rotate()] == [(250, 2), (1250, 2)]
    assert read_all(again) == (expected(2500), set(newest_keys(again).values()))
    assert again.keys.plan()[0].to_generation == 3


def test_only_the_workspaces_that_are_named_are_rotated(registry):
    for name in ("b", "c"):
        registry.workspaces.create(name)
    assert [item.workspace for item in registry.keys.rotate(["c", "b"])] == ["b", "c"]
    counts = [key.workspace for key in registry.key_status().data_keys]
    assert counts == ["b", "b", "c", "c", "default"]


def test_a_workspace_that_does_not_exist_is_refused_before_anything_is_done(registry):
    before = everything(registry)
    for call in (registry.keys.rotate, registry.keys.plan, registry.keys.retire):
        with pytest.raises(WorkspaceNotFound, match="nowhere"):
            call(["default", "nowhere"])
    assert everything(registry) == before


def test_a_plan_says_what_would_be_done_and_writes_nothing(registry):
    fill(registry, 3)
    before = everything(registry)
    (item,) = registry.keys.plan()
    assert (item.from_generation, item.to_generation, item.revisions, item.unfinished) == (1, 2, 3, False)
    assert everything(registry) == before


def test_the_earlier_key_stays_until_it_is_retired(registry):
    save(registry, "a", {})
    registry.keys.rotate()
    assert [key.retired_at for key in registry.key_status().data_keys] == [None, None]
    assert [key.generation for key in registry.keys.retire()] == [1]
    first, second = registry.key_status().data_keys
    assert (first.retired_at is None, second.retired_at) == (False, None)
    assert [row["wrapped"] == b"" for row in rows_of(registry, data_keys)].count(True) == 1


def test_a_key_in_use_is_not_retired_and_neither_are_the_others(registry):
    registry.workspaces.create("b")
    save(registry, "a", {})
    save(registry, "a", {})
    registry.keys.rotate()
    by_generation = {key.generation: key.id for key in registry.key_status().data_keys if key.workspace == "default"}
    with registry._store.engine().begin() as connection:
        connection.execute(update(revisions).values(key_id=by_generation[1]))
    before = everything(registry)
    problem = r"Generation 1 of workspace 'default' is in use: 2 revisions.*keys rotate"
    with pytest.raises(KeyInUse, match=problem) as caught:
        registry.keys.retire()
    assert (caught.value.key, caught.value.revisions) == (by_generation[1], 2)
    assert everything(registry) == before


def test_the_newest_key_is_never_retired(registry):
    assert registry.keys.retire() == ()
    save(registry, "a", {"v": 1})
    assert load(registry, "a") == {"v": 1}


def test_rotating_with_retire_destroys_the_earlier_keys_in_the_transaction_that_finds_them_empty(registry, reopen):
    save(registry, "a", {})

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(registry, at_the_first("settled in transaction", stop), retire=True)
    assert [key.retired_at for key in registry.key_status().data_keys] == [None, None]
    (item,) = reopen().keys.rotate(retire=True)
    assert (item.to_generation, item.retired) == (2, (1,))


def test_an_old_copy_of_a_row_does_not_open_once_its_key_is_retired(registry):
    save(registry, "a", {"v": 1})
    (copy,) = rows_of(registry, revisions)
    registry.keys.rotate(retire=True)
    registry._keys.forget()
    with registry._store.engine().begin() as connection:
        connection.execute(update(revisions).values(copy))
    with pytest.raises(RetiredKey):
        registry.load("a", workspace="default")


def test_a_process_that_holds_the_retired_key_reads_and_writes_under_the_new_one(registry, reopen):
    save(registry, "a", {"v": 1})
    other = reopen()
    assert load(other, "a") == {"v": 1}
    held = set(other._keys.opened)
    registry.keys.rotate(retire=True)
    assert load(other, "a") == {"v": 1}
    save(other, "a", {"v": 2})
    assert held < set(other._keys.opened)
    assert read_all(registry)[1] == set(newest_keys(registry).values())


def test_a_new_column_of_ciphertexts_is_rotated_too_once_it_is_in_the_list(registry, monkeypatch):
    place = save(registry, "a", {"v": 1}).document_id
    notes = Table(
        "notes", MetaData(), Column("of", String(32), primary_key=True), Column("at", Integer, primary_key=True),
        Column("key", String(32)), Column("text", LargeBinary),
    )  # fmt: skip
    listed = EncryptedColumn(
        table=notes, payload=notes.c.text, key_id=notes.c.key, document_id=notes.c.of, number=notes.c.at,
        context=lambda *names: (b"typecase/note/1", *(str(name).encode() for name in names)),
    )  # fmt: skip

    def note(connection):
        key = lock_newest_key(connection, connection.scalar(select(documents.c.workspace_id)))
        secret = connection.scalar(select(documents.c.secret))
        context = listed.context(key.workspace_id, place, 7)
        text = seal(
            registry._keys.open(key), b"kept", key_id=bytes.fromhex(key.id), context=context, document_secret=secret
        )
        notes.create(connection)
        connection.execute(insert(notes).values(of=place, at=7, key=key.id, text=text))
        return context, secret

    context, secret = registry._store.write(note)
    monkeypatch.setattr(tables, "ENCRYPTED_COLUMNS", (*tables.ENCRYPTED_COLUMNS, listed))
    (item,) = registry.keys.rotate(retire=True)
    assert item.revisions == 2
    (row,) = rows_of(registry, notes)
    assert row["key"] == newest_keys(registry)["default"]
    opened = open_sealed(registry._keys.opened[row["key"]], row["text"], context=context, document_secret=secret)
    assert opened == b"kept"


def test_a_document_of_before_there_were_secrets_gets_one(registry):
    save(registry, "a", {"v": 1})
    with registry._store.engine().begin() as connection:
        row = connection.execute(select(documents)).one()
        key = lock_newest_key(connection, row.workspace_id)
        old = seal(
            registry._keys.open(key), b'{"v":1}', key_id=bytes.fromhex(key.id),
            context=revision_context(row.workspace_id, row.id, 1),
        )  # fmt: skip
        connection.execute(update(documents).values(secret=None))
        connection.execute(update(revisions).values(payload=old))
    assert load(registry, "a") == {"v": 1}
    registry.keys.rotate(retire=True)
    assert [row["payload"][0] for row in rows_of(registry, revisions)] == [2]
    assert [len(row["secret"]) for row in rows_of(registry, documents)] == [32]
    assert load(registry, "a") == {"v": 1}


def test_a_document_of_before_there_were_secrets_gets_one_when_it_is_saved(registry):
    save(registry, "a", {"v": 1})
    with registry._store.engine().begin() as connection:
        connection.execute(update(documents).values(secret=None))
    save(registry, "a", {"v": 2})
    assert [len(row["secret"]) for row in rows_of(registry, documents)] == [32]
    assert load(registry, "a") == {"v": 2}


def test_what_does_not_open_is_named_and_everything_else_is_rotated(registry):
    fill(registry, 5)
    with registry._store.engine().begin() as connection:
        place = connection.scalar(select(documents.c.id).where(documents.c.name == "doc-0000002"))
        broken = update(revisions).where(revisions.c.document_id == place)
        connection.execute(broken.values(payload=b"\2" + bytes(120)))
    with pytest.raises(DecryptionFailed, match=r"does not open: default/doc-0000002 \(revision 1\)") as caught:
        registry.keys.rotate(retire=True)
    assert caught.value.documents == (("default/doc-0000002", 1),)
    assert [key.revisions for key in registry.key_status().data_keys] == [1, 4]
    registry.documents.delete("doc-0000002", workspace="default")
    (item,) = registry.keys.rotate(retire=True)
    assert (item.unfinished, item.retired) == (True, (1,))


def test_what_was_done_is_on_record_without_any_value(registry, canary, assert_no_canary):
    save(registry, "a", {"password": canary})
    registry.keys.rotate(retire=True, actor="ada")
    events = registry.keys.events()
    assert [(item.action, item.actor, item.workspace) for item in events] == [
        ("key retired", "ada", "default"),
        ("rotation finished", "ada", "default"),
        ("rotation started", "ada", "default"),
    ]
    assert [item.facts.get("revisions") for item in events] == [None, 1, 1]
    assert_no_canary(repr(events))


def test_without_the_root_key_nothing_is_rotated_or_retired(registry, reopen, tmp_path):
    save(registry, "a", {})
    registry.keys.rotate()
    before = everything(registry)
    (tmp_path / "root.key").unlink()
    sealed = reopen()
    for call in (sealed.keys.rotate, sealed.keys.retire):
        with pytest.raises(RegistrySealed):
            call()
    assert everything(registry) == before


class Counting:
    """A root key that counts how often it is asked."""

    def __init__(self, provider):
        self.provider, self.id, self.unwrapped, self.wrap = provider, provider.id, [], provider.wrap

    def unwrap(self, wrapped, *, context):
        self.unwrapped.append(context)
        return self.provider.unwrap(wrapped, context=context)


@pytest.fixture
def counted(monkeypatch):
    from typecase.registry import data_keys as module

    made = []
    opened = module._open_provider

    def count(url, *, create):
        made.append(Counting(opened(url, create=create)))
        return made[-1]

    monkeypatch.setattr(module, "_open_provider", count)
    return made


def test_a_data_key_is_unwrapped_once_per_process_and_generation(registry, reopen, counted):
    fill(registry, 20)
    fresh = reopen()

    def load_all():
        for number in range(20):
            assert fresh.load(f"doc-{number:07}", workspace="default").root.data == content(number)

    threads = [threading.Thread(target=load_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(provider.unwrapped) for provider in counted] == [1]
    registry.keys.rotate(retire=True)
    load_all()
    assert len(fresh._keys.opened) == 2
    assert len(counted[0].unwrapped) == 2


def test_the_embedded_registry_unwraps_once_too(tmp_path, counted):
    key = (tmp_path / "root.key").as_uri()
    registry = FileRegistry(tmp_path / "registry.db", DataKeys(key))
    registry.init(create_key_if_missing=True)
    fill(registry, 20)
    registry.close()
    counted.clear()
    embedded = EmbeddedRegistry(tmp_path / "registry.db", key=key)
    for number in range(20):
        embedded.load(f"doc-{number:07}", workspace="default")
    embedded.close()
    assert [len(provider.unwrapped) for provider in counted] == [1]


def test_a_load_whose_key_is_retired_between_its_statements_succeeds(tmp_path):
    key = (tmp_path / "root.key").as_uri()
    writer = EmbeddedRegistry(tmp_path / "registry.db", key=key)
    writer.types.register(THING)
    saved = save(writer, "a", {"v": 1})

    class Overtaken(EmbeddedRegistry):
        def _tree(self, connection, row):
            writer.keys.rotate(retire=True)
            return super()._tree(connection, row)

    for number in range(2):
        reader = Overtaken(tmp_path / "registry.db", key=key)
        tree = reader.load_id(saved.document_id) if number else reader.load("a", workspace="default")
        assert tree.root.data == b'{"v":1}'
        reader.close()
    writer.close()


def test_a_batch_costs_as_many_statements_however_many_revisions_are_left(registry):
    fill(registry, 3000)
    statements = []
    event.listen(registry._store.engine(), "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    counts = []
    rotate(registry, lambda step: counts.append(len(statements)) if step == "batch committed" else None)
    assert counts[2] - counts[1] == counts[1] - counts[0]


def test_a_retired_key_says_so(registry):
    with pytest.raises(RetiredKey, match="retired and destroyed"):
        registry._keys.open(WrappedKey("0" * 32, "w", 1, "local:0", b""))


def test_damage_in_one_workspace_does_not_keep_the_others_from_being_rotated(registry):
    for name in ("b", "c"):
        registry.workspaces.create(name)
    fill(registry, 9)
    with registry._store.engine().begin() as connection:
        chosen = documents.c.name.in_(["doc-0000000", "doc-0000001"])  # one in b, one in c
        places = connection.scalars(select(documents.c.id).where(chosen)).all()
        broken = update(revisions).where(revisions.c.document_id.in_(places))
        connection.execute(broken.values(payload=b"\2" + bytes(120)))
    for _ in range(2):
        with pytest.raises(DecryptionFailed, match=r"b/doc-0000000 .*, c/doc-0000001 ") as caught:
            registry.keys.rotate()
        assert caught.value.documents == (("b/doc-0000000", 1), ("c/doc-0000001", 1))
        assert [item.workspace for item in registry.keys.plan()] == ["b", "c"]
    assert [key.revisions for key in registry.key_status().data_keys] == [1, 2, 1, 2, 0, 3]


def test_a_workspace_that_is_emptied_and_deleted_between_read_and_write_ends_its_rotation(registry, reopen):
    registry.workspaces.create("short-lived")
    save(registry, "a", {}, workspace="short-lived")
    other = reopen()

    def remove():
        other.documents.delete("a", workspace="short-lived")
        other.workspaces.delete("short-lived")

    done = rotate(registry, at_the_first("batch sealed", remove))
    assert [(item.workspace, item.revisions) for item in done] == [("default", 0), ("short-lived", 0)]


@pytest.mark.parametrize("change", ["delete", "create"])
def test_workspaces_that_come_or_go_while_the_keys_are_made_do_not_stop_a_rotation(registry, reopen, change):
    registry.workspaces.create("b")
    other = reopen()
    name = {"delete": "b", "create": "c"}[change]
    done = rotate(registry, at_the_first("keys wrapped", lambda: getattr(other.workspaces, change)(name)))
    left = {place.name for place in registry.workspaces.list()}
    assert {(item.workspace, item.to_generation) for item in done} == {(name, 2) for name in left}


def test_what_slides_into_a_batch_as_others_are_deleted_gets_a_secret_too(registry, reopen, monkeypatch):
    from typecase.registry import rotation_batches

    monkeypatch.setattr(rotation_batches, "BATCH", 2)
    names = ("a", "b", "c", "d")
    for name in names:
        save(registry, name, {"v": name})
    with registry._store.engine().begin() as connection:
        for row in connection.execute(select(documents)).all():
            key = lock_newest_key(connection, row.workspace_id)
            context = revision_context(row.workspace_id, row.id, 1)
            old = seal(registry._keys.open(key), b"{}", key_id=bytes.fromhex(key.id), context=context)
            connection.execute(update(revisions).where(revisions.c.document_id == row.id).values(payload=old))
        connection.execute(update(documents).values(secret=None))
    other = reopen()
    with registry._store.engine().connect() as connection:
        order = revisions.c.document_id if connection.dialect.name == "postgresql" else revisions.c.created_at
        query = select(documents.c.name).join(revisions, revisions.c.document_id == documents.c.id).order_by(order)
        first = connection.scalars(query).first()
    rotate(registry, at_the_first("secrets committed", lambda: other.documents.delete(first, workspace="default")))
    assert [row["payload"][0] for row in rows_of(registry, revisions)] == [2, 2, 2]


def test_rotating_with_retire_drops_the_earlier_keys_from_memory(registry):
    save(registry, "a", {})
    registry.keys.rotate(retire=True)
    assert set(registry._keys.opened) == set(newest_keys(registry).values())


def test_asking_for_the_status_while_the_root_key_is_away_does_not_stop_a_running_process(registry, tmp_path):
    save(registry, "a", {"v": 1})
    (tmp_path / "root.key").rename(tmp_path / "away")
    assert registry.key_status().sealed
    assert load(registry, "a") == {"v": 1}
    save(registry, "a", {"v": 2})
    assert load(registry, "a") == {"v": 2}


def test_a_registry_that_met_another_root_key_opens_when_the_right_one_is_put_back(registry, reopen, tmp_path):
    from typecase.registry.keys import create_key

    save(registry, "a", {"v": 1})
    (tmp_path / "root.key").rename(tmp_path / "away")
    create_key((tmp_path / "root.key").as_uri())
    running = reopen()
    with pytest.raises(RegistrySealed):
        load(running, "a")
    (tmp_path / "away").rename(tmp_path / "root.key")
    assert load(running, "a") == {"v": 1}


def test_a_backup_of_an_unfinished_rotation_is_whole_and_its_rotation_can_be_finished(registry, reopen, tmp_path):
    fill(registry, 2500)
    rotate(registry, at_the_first("batch committed", lambda: reopen().backup(tmp_path / "b")), retire=True)
    copy = FileRegistry(tmp_path / "copy.db", DataKeys((tmp_path / "root.key").as_uri()))
    copy.restore_backup(tmp_path / "b")
    assert read_all(copy)[0] == expected(2500)
    assert [(item.unfinished, item.revisions) for item in copy.keys.rotate(retire=True)] == [(True, 1500)]
    assert read_all(copy) == (expected(2500), set(newest_keys(copy).values()))
    copy.close()


def test_threads_that_wait_for_a_root_key_that_does_not_answer_share_its_one_answer(registry, counted, monkeypatch):
    """Or the last of them would wait as many times as long as there are."""
    fill(registry, 1)
    registry._keys.forget()
    waiting = threading.Semaphore(0)

    class Announcing:
        def __init__(self):
            self.lock = threading.Lock()

        def __enter__(self):
            waiting.release()
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()

    def fail(provider, wrapped, *, context):
        provider.unwrapped.append(context)
        for _ in range(8):
            assert waiting.acquire(timeout=60)
        raise KeyUnavailable("It does not answer.", reason="unreachable")

    registry._keys._lock = Announcing()
    monkeypatch.setattr(Counting, "unwrap", fail)
    errors = []

    def load_one():
        with pytest.raises(RegistrySealed, match="does not answer") as caught:
            registry.load("doc-0000000", workspace="default")
        errors.append(caught.value)

    threads = [threading.Thread(target=load_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, errors))) == 8
    assert [len(provider.unwrapped) for provider in counted] == [1]
    monkeypatch.undo()
    registry._keys._providers.clear()
    assert registry.load("doc-0000000", workspace="default").root.data == content(0)


@pytest.mark.parametrize("step", ["secrets written", "secrets committed"])
def test_a_run_that_stops_while_documents_get_their_secrets_is_finished_by_the_next(registry, reopen, step):
    save(registry, "a", {"v": 1})
    with registry._store.engine().begin() as connection:
        row = connection.execute(select(documents)).one()
        key = lock_newest_key(connection, row.workspace_id)
        context = revision_context(row.workspace_id, row.id, 1)
        old = seal(registry._keys.open(key), b'{"v":1}', key_id=bytes.fromhex(key.id), context=context)
        connection.execute(update(documents).values(secret=None))
        connection.execute(update(revisions).values(payload=old))

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(registry, at_the_first(step, stop))
    again = reopen()
    assert load(again, "a") == {"v": 1}
    again.keys.rotate(retire=True)
    assert [row["payload"][0] for row in rows_of(again, revisions)] == [2]
    assert load(again, "a") == {"v": 1}


def test_a_workspace_that_is_made_between_two_statements_of_the_plan_does_not_stop_a_rotation(registry, reopen):
    other, made = reopen(), []

    def make(*arguments):
        if "JOIN workspaces" in arguments[2] and not made:
            made.append(other.workspaces.create("late"))

    event.listen(registry._store.engine(), "after_cursor_execute", make)
    assert {item.workspace for item in registry.keys.rotate()} == {"default", "late"}


def test_a_workspace_that_is_deleted_just_after_it_was_found_ends_its_rotation(registry, reopen):
    registry.workspaces.create("short-lived")
    other, begun = reopen(), []

    def delete(*arguments):
        if begun and "short-lived" in str(arguments[3]) and "workspaces.name = " in arguments[2]:
            begun.clear()
            other.workspaces.delete("short-lived")

    event.listen(registry._store.engine(), "after_cursor_execute", delete)
    done = rotate(registry, at_the_first("keys committed", lambda: begun.append(True)))
    assert [item.workspace for item in done] == ["default", "short-lived"]
