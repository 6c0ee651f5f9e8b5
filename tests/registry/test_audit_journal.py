"""The audit log of a registry: written with a change or before a secret leaves, read by page, exported."""

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from fakes import audit_trials as trials
from sqlalchemy import func, select, text, update

from typecase.blocks.errors import AuditUnavailable, InvalidCursor, RegistryUnreachable, WorkspaceNotFound
from typecase.blocks.records import Draft, TypeDefinition
from typecase.registry.audit import usage as uses
from typecase.registry.audit.events import AuditEvent, AuditFilter, ExportFormat
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.store import accompanied
from typecase.registry.tables import audit_events, documents, usage, workspaces

DAY = timedelta(days=1)
THING = TypeDefinition(
    slug="thing", title="", description="", icon="", docs="", kinds=(), package="tests", package_version="1",
    schema={"type": "object"}, form={"type": "object"}, secret_paths=(), digest="0" * 64,
)  # fmt: skip


@pytest.fixture
def registry(tmp_path):
    registry = FileRegistry(tmp_path / "registry.db", DataKeys((tmp_path / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    yield registry
    registry.close()


@pytest.fixture
def audit(registry):
    return registry.audit


def execute(registry, *statements):
    with sqlite3.connect(registry.url.removeprefix("sqlite:///"), isolation_level=None) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def load(document="d", *, principal="ann", at=trials.START, **facts):
    return AuditEvent(action="document.load", principal=principal, document_id=document, at=at, facts=facts)


def actions(audit, **where):
    return [event.action for event in audit.list(AuditFilter(**where)).items]


def save(registry, name, **options):
    registry.types.register(THING)
    draft = Draft(name=name, workspace="default", type_slug="thing", schema_version=1, data={}, **options)
    return registry.documents.save(draft).document_id


# Writing


def test_events_come_back_as_they_were_written(audit):
    event = AuditEvent(
        action="document.load",
        outcome="denied",
        principal="ann",
        workspace="prod",
        document_id="d" * 32,
        document="db",
        at=trials.START,
        facts={"flow": "etl", "fields": ["host", "password"], "count": 3, "forced": False, "run": None},
    )
    assert audit.record([event]) == (1,)
    (found,) = audit.list().items
    assert (found.number, found.facts, found.at) == (1, event.facts, event.at)
    assert [getattr(found, name) for name in ("action", "outcome", "principal", "workspace", "document")] == [
        "document.load", "denied", "ann", "prod", "db",
    ]  # fmt: skip


def test_nothing_to_record_is_nothing_written(audit):
    assert audit.record([]) == ()
    assert audit.list().items == ()


def test_a_change_and_its_event_are_one_transaction(registry, audit):
    def work(connection):
        connection.execute(update(workspaces).values(description="changed"))
        return audit.append(connection, [AuditEvent(action="workspace.update")])

    assert registry._store.write(work) == (1,)
    assert audit.verify().sound == 1


def test_a_change_that_fails_leaves_no_event(registry, audit):
    def work(connection):
        audit.append(connection, [AuditEvent(action="workspace.update")])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        registry._store.write(work)
    assert audit.list().items == ()
    assert audit.record([AuditEvent(action="next")]) == (1,)


def test_a_change_whose_event_cannot_be_written_does_not_happen(registry, audit):
    execute(registry, "create trigger full before insert on audit_events begin select raise(abort, 'full'); end")

    def work(connection):
        connection.execute(update(workspaces).values(description="changed"))
        audit.append(connection, [AuditEvent(action="workspace.update")])

    with pytest.raises(Exception, match="full"):
        registry._store.write(work)
    assert registry.workspaces.get("default").description == ""


@pytest.mark.parametrize(
    "obstacle",
    [
        "create trigger full before insert on audit_events begin select raise(abort, 'full'); end",
        "create trigger full before update on audit_head begin select raise(abort, 'full'); end",
        "create trigger full before insert on usage begin select raise(abort, 'full'); end",
        "drop table audit_events",
        "delete from audit_head",
    ],
)
def test_what_cannot_be_written_down_is_refused_and_leaves_nothing(registry, audit, obstacle):
    audit.record([AuditEvent(action="before")])
    execute(registry, obstacle)
    with pytest.raises(AuditUnavailable, match="so it did not happen"):
        audit.record([load()])
    assert audit.usage_of("d").items == ()
    assert audit.anchor().number == (0 if obstacle.startswith("delete") else 1)


def test_a_database_that_stays_locked_refuses(registry, audit, monkeypatch):
    monkeypatch.setattr("typecase.registry.sqlite.BUSY_SECONDS", 0)
    registry.close()
    other = sqlite3.connect(registry.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(AuditUnavailable, match="locked") as caught:
        audit.record([load()])
    other.close()
    assert caught.value.__cause__ is None
    assert audit.record([load()]) == (1,)


def test_a_lost_file_is_refused_with_its_reason(registry, audit):
    registry.close()
    execute(registry, "update registry set id = id")
    registry._store._path = registry._store._path.parent / "file" / "below"
    registry._store._path.parent.write_text("")
    with pytest.raises(AuditUnavailable) as caught:
        audit.record([load()])
    assert "did not answer" in caught.value.reason


def test_what_accompanies_a_change_does_not_accompany_an_event_of_its_own(audit):
    class Company:
        def before(self, _):
            raise AssertionError

        after = before

    with accompanied(Company()):
        assert audit.record([AuditEvent(action="a")]) == (1,)


# Usage


def test_loads_are_counted_by_document_principal_and_flow(audit):
    audit.record([load(flow="etl", run="1"), load(flow="etl", run="2", at=trials.START + DAY), load(flow="other")])
    audit.record([load(flow="etl", run="3", at=trials.START + 2 * DAY), load(principal="bob"), load("other")])
    found = audit.usage_of("d").items
    assert [(use.principal, use.flow, use.run, use.count) for use in found] == [
        ("ann", "etl", "3", 3), ("bob", "", "", 1), ("ann", "other", "", 1),
    ]  # fmt: skip
    assert (found[0].first_at, found[0].last_at) == (trials.START, trials.START + 2 * DAY)


@pytest.mark.parametrize("change", [{"outcome": "denied"}, {"outcome": "failed"}, {"action": "document.get"}], ids=str)
def test_only_loads_that_were_done_are_use(audit, change):
    audit.record([AuditEvent(**{"action": "document.load", "document_id": "d", **change})])
    assert audit.usage_of("d").items == ()


def test_use_is_counted_in_the_transaction_of_a_change_too(registry, audit):
    registry._store.write(lambda connection: audit.append(connection, [load()]))
    assert audit.usage_of("d").items[0].count == 1


def test_names_of_flows_are_cut(audit):
    audit.record([load(flow="f" * 900, run="r" * 900)])
    (use,) = audit.usage_of("d").items
    assert (use.flow, use.run) == ("f" * 200, "r" * 200)


def test_a_flow_that_is_no_text_is_none(audit):
    audit.record([load(flow=7, run=["x"])])
    assert (audit.usage_of("d").items[0].flow, audit.usage_of("d").items[0].run) == ("", "")


def test_of_too_many_flows_the_one_that_ran_longest_ago_makes_room(registry, audit, monkeypatch):
    monkeypatch.setattr(uses, "MOST_USES", 3)
    audit.record([load(flow=f"f{number}", at=trials.START + number * DAY) for number in (1, 0, 2, 3)])
    audit.record([load("other", flow="f0")])
    assert [use.flow for use in audit.usage_of("d").items] == ["f3", "f2", "f1"]
    assert registry._store.read(lambda connection: connection.scalar(select(func.count()).select_from(usage))) == 4


def test_uses_come_by_page(audit):
    audit.record([load(flow=f"f{number}", at=trials.START + (number // 2) * DAY) for number in range(7)])
    seen, cursor = [], None
    while True:
        page = audit.usage_of("d", cursor=cursor, limit=2)
        seen += [use.flow for use in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ["f6", "f5", "f4", "f3", "f2", "f1", "f0"]


def test_unused_documents_are_those_that_were_not_loaded_since(registry, audit):
    ids = {name: save(registry, name) for name in ("a", "b", "c")}
    now = datetime.now(UTC)
    audit.record([load(ids["b"], at=now), load(ids["c"], at=now - 9 * DAY)])
    found = audit.unused("default", since=now)
    assert [(item.name, item.last_at) for item in found.items] == [("a", None), ("c", now - 9 * DAY)]
    assert [item.name for item in audit.unused("default", since=now - DAY).items] == []


def test_unused_documents_come_by_page(registry, audit):
    for name in ("a", "b", "c"):
        save(registry, name)
    since = datetime.now(UTC)
    page = audit.unused("default", since=since, limit=2)
    assert [item.name for item in page.items] == ["a", "b"]
    assert [item.name for item in audit.unused("default", since=since, cursor=page.cursor).items] == ["c"]


def test_expiring_documents_are_those_that_end_before_a_time(registry, audit):
    save(registry, "soon", expires_at=trials.START, owner="ann")
    save(registry, "later", expires_at=trials.START + 9 * DAY)
    save(registry, "never")
    (item,) = audit.expiring("default", before=trials.START + DAY).items
    assert (item.name, item.owner, item.expires_at, item.last_at) == ("soon", "ann", trials.START, None)


def test_a_workspace_that_does_not_exist_is_an_error(audit):
    with pytest.raises(WorkspaceNotFound):
        audit.unused("nowhere", since=trials.START)


def test_what_is_known_of_the_use_of_a_document_goes_with_it(registry, audit):
    audit.record([load(save(registry, "a"))])
    registry.documents.delete("a", workspace="default")
    assert registry._store.read(lambda connection: connection.scalar(select(func.count()).select_from(usage))) == 0
    assert registry._store.read(lambda connection: connection.scalar(select(func.count()).select_from(documents))) == 0


# Reading


@pytest.fixture
def some(audit):
    for number, (who, action, place) in enumerate(
        [("ann", "save", "prod"), ("bob", "save", "prod"), ("ann", "load", "staging"), ("ann", "load", "prod")]
    ):
        audit.record([
            AuditEvent(
                action=f"{action}-{number}" if number == 1 else action,
                principal=who,
                workspace=place,
                document_id=f"id{number}",
                document=f"doc{number}",
                outcome="denied" if number == 2 else "done",
                at=trials.START + number * DAY,
            )
        ])  # fmt: skip
    return audit


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ({}, [4, 3, 2, 1]),
        ({"principal": "ann"}, [4, 3, 1]),
        ({"action": "load"}, [4, 3]),
        ({"outcome": "denied"}, [3]),
        ({"workspaces": ("prod",)}, [4, 2, 1]),
        ({"workspaces": ("prod", "staging")}, [4, 3, 2, 1]),
        ({"workspaces": ()}, []),
        ({"document": "id2"}, [3]),
        ({"document": "doc2"}, [3]),
        ({"since": trials.START + DAY}, [4, 3, 2]),
        ({"until": trials.START + DAY}, [1]),
        ({"since": trials.START + DAY, "principal": "ann", "workspaces": ("prod",)}, [4]),
        ({"principal": "nobody"}, []),
    ],
    ids=str,
)
def test_events_are_found(some, where, numbers):
    assert [event.number for event in some.list(AuditFilter(**where)).items] == numbers


def test_pages_follow_each_other_also_while_the_log_grows(some):
    first = some.list(AuditFilter(principal="ann"), limit=2)
    some.record([AuditEvent(action="new", principal="ann")])
    second = some.list(AuditFilter(principal="ann"), limit=2, cursor=first.cursor)
    assert [event.number for event in (*first.items, *second.items)] == [4, 3, 1]
    assert second.cursor is None


def test_a_cursor_of_another_list_is_refused(some, registry):
    save(registry, "a")
    save(registry, "b")
    cursor = registry.documents.list(workspace="default", limit=1).cursor
    for call in (lambda: some.list(cursor=cursor), lambda: some.usage_of("d", cursor=cursor)):
        with pytest.raises(InvalidCursor):
            call()


def test_a_registry_that_does_not_answer_says_so(registry, audit):
    registry.close()
    registry._store._path.write_bytes(b"not a database" * 99)
    with pytest.raises(RegistryUnreachable):
        audit.list()


@pytest.mark.parametrize("change", ["facts = 'not JSON'", "facts = '[1]'", "facts = '{\"a\":1.5}'", "outcome = 'odd'"])
def test_an_event_that_somebody_changed_is_still_shown(some, registry, change):
    execute(registry, f"update audit_events set {change} where number = 2")
    assert [(event.number, list(event.facts)) for event in some.list().items][1:3] == [(3, []), (2, ["unreadable"])]
    assert len(list(some.export())) == 5


# Exporting


def test_an_export_has_a_line_for_each_event_and_an_anchor(some):
    *events, anchor = map(json.loads, some.export())
    assert [event["number"] for event in events] == [1, 2, 3, 4]
    assert anchor["anchor"]["hash"] == events[-1]["hash"] == some.anchor().hash


def test_an_export_can_be_narrowed(some):
    *events, anchor = map(json.loads, some.export(where=AuditFilter(principal="bob")))
    assert [event["number"] for event in events] == [2]
    assert anchor["anchor"]["number"] == 4


def test_an_export_of_many_pages_is_whole_and_ends_where_the_log_did(registry, audit):
    trials.fill(registry, 2500)
    lines = audit.export()
    first = next(lines)
    audit.record([AuditEvent(action="later")])
    *events, anchor = map(json.loads, [first, *lines])
    assert [event["number"] for event in events] == list(range(1, 2501))
    assert anchor["anchor"]["number"] == 2500


def test_csv_holds_the_same(some):
    rows = list(csv.DictReader(io.StringIO("".join(some.export(ExportFormat.CSV)))))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "4"]
    assert (rows[-1]["action"], rows[-1]["hash"]) == ("anchor", some.anchor().hash)
    assert json.loads(rows[-1]["facts"]) == {"registry": some.anchor().registry}


@pytest.mark.parametrize("start", [*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"], ids=ascii)
def test_a_spreadsheet_takes_no_cell_for_a_formula(audit, start):
    bad = f'{start}HYPERLINK("http://evil","x"),"y'
    audit.record([AuditEvent(action=bad, principal=bad, workspace=bad, document=bad, document_id=start)])
    row = next(csv.DictReader(io.StringIO("".join(audit.export(ExportFormat.CSV)), newline="")))
    assert {row[name] for name in ("action", "principal", "workspace", "document")} == {"'" + bad}
    assert row["document_id"] == "'" + start


def test_no_index_is_missing_for_the_newest_events_of_a_document_or_a_person(registry):
    with registry._store.engine().connect() as connection:
        for column in ("document_id", "principal"):
            query = f"explain query plan select * from audit_events where {column} = 'x' order by number desc limit 10"
            (step,) = connection.execute(text(query)).all()
            assert f"ix_audit_events_{column}_number" in step.detail


def test_the_log_is_kept_by_a_backup(registry, audit, tmp_path):
    trials.fill(registry, 20)
    anchor = audit.anchor()
    registry.backup(tmp_path / "backup")
    other = FileRegistry(tmp_path / "other.db", DataKeys((tmp_path / "root.key").as_uri()))
    other.restore_backup(tmp_path / "backup")
    found = other.audit.verify(anchor)
    assert (found.sound, found.fault) == (20, None)
    assert other._store.read(lambda connection: connection.scalar(select(func.max(audit_events.c.number)))) == 20
    other.close()
