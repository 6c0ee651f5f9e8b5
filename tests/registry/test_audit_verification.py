"""Whatever is done to an audit log of 100,000 events is found; an anchor shows what the chain alone cannot."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes import audit_trials as trials
from sqlalchemy import delete, update

from typecase.blocks.errors import SettingsError
from typecase.registry.audit.events import AuditEvent
from typecase.registry.audit.verification import Anchor, Reason, verify_chain
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry
from typecase.registry.tables import audit_events, audit_head

MANY = 100_000


def new_registry(folder):
    registry = FileRegistry(folder / "registry.db", DataKeys((folder / "root.key").as_uri()))
    registry.init(create_key_if_missing=True)
    return registry


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A registry with a log of 100,000 events, which every test leaves as it was."""
    registry = new_registry(tmp_path_factory.mktemp("long"))
    trials.fill(registry, MANY)
    yield registry
    registry.close()


@pytest.fixture
def registry(tmp_path):
    registry = new_registry(tmp_path)
    yield registry
    registry.close()


def change(registry, statement):
    registry._store.write(lambda connection: connection.execute(statement))


@pytest.mark.slow
def test_a_log_that_nobody_touched_is_sound(long):
    found = long.audit.verify(long.audit.anchor())
    assert (found.sound, found.fault) == (MANY, None)


@pytest.mark.slow
@pytest.mark.parametrize("damage", trials.DAMAGES, ids=lambda damage: damage.name)
def test_what_was_changed_is_found(long, damage):
    assert trials.found_after(damage, long, MANY) == damage.expected(MANY)


@pytest.mark.slow
def test_progress_is_told(long):
    told = []
    long.audit.verify(watch=lambda done, total: told.append((done, total)))
    assert told[0] == (1000, MANY)
    assert told[-1] == (MANY, MANY)


@pytest.mark.slow
def test_without_an_anchor_a_cut_that_fixes_the_end_goes_unnoticed(long):
    cut = next(damage for damage in trials.DAMAGES if damage.name == "a cut tail and a head that fits")
    with long._store.engine().connect() as connection:
        cut.work(connection, MANY // 2, MANY)
        assert verify_chain(connection, anchor=None, watch=None).fault is None
        connection.rollback()


def test_what_was_changed_is_found_in_a_short_log_too(registry):
    trials.fill(registry, 2000)
    found = {damage.name: trials.found_after(damage, registry, 2000) for damage in trials.DAMAGES}
    assert found == {damage.name: damage.expected(2000) for damage in trials.DAMAGES}


def test_an_empty_log_is_sound(registry):
    found = registry.audit.verify(registry.audit.anchor())
    assert (found.sound, found.fault, found.end.number) == (0, None, 0)


def test_an_anchor_of_before_holds_while_the_log_grows(registry):
    trials.fill(registry, 10)
    anchor = registry.audit.anchor()
    trials.fill(registry, 10)
    found = registry.audit.verify(anchor)
    assert (found.sound, found.fault, found.anchor) == (20, None, anchor)


def test_an_anchor_shows_that_everything_is_gone(registry):
    trials.fill(registry, 10)
    anchor = registry.audit.anchor()
    change(registry, delete(audit_events))
    change(registry, delete(audit_head))
    fault = registry.audit.verify(anchor).fault
    assert (fault.reason, fault.number) == (Reason.CUT, 1)


def test_an_anchor_of_another_registry_does_not_hold(registry):
    fault = registry.audit.verify(replace(registry.audit.anchor(), registry="other")).fault
    assert fault.reason is Reason.ANCHOR


def test_the_log_of_another_registry_does_not_fit(registry, tmp_path):
    (tmp_path / "other").mkdir()
    other = new_registry(tmp_path / "other")
    for each in (registry, other):
        each.audit.record([AuditEvent(action="a", at=trials.START)])
    assert registry.audit.anchor().hash != other.audit.anchor().hash
    other.close()


def test_an_end_that_was_removed_is_noticed(registry):
    trials.fill(registry, 3)
    change(registry, delete(audit_head))
    fault = registry.audit.verify().fault
    assert (fault.reason, fault.number) == (Reason.HEAD, 1)


def test_an_end_whose_hash_was_edited_is_noticed(registry):
    trials.fill(registry, 3)
    change(registry, update(audit_head).values(hash=b"x" * 32))
    assert registry.audit.verify().fault.reason is Reason.HEAD


def test_several_missing_events_are_named(registry):
    trials.fill(registry, 9)
    change(registry, delete(audit_events).where(audit_events.c.number.between(4, 6)))
    assert registry.audit.verify().fault.message == "Events 4 to 6 are missing."


def test_an_anchor_is_read_from_what_was_written(registry):
    trials.fill(registry, 3)
    anchor = registry.audit.anchor()
    assert Anchor.from_text(anchor.to_json() + "\n") == anchor


def test_an_anchor_is_read_from_the_end_of_an_export(registry):
    trials.fill(registry, 3)
    anchor = Anchor.from_text("".join(registry.audit.export()))
    assert (anchor.number, anchor.hash) == (3, registry.audit.anchor().hash)


@pytest.mark.parametrize(
    "change",
    [{"number": -1}, {"number": "x"}, {"hash": "00"}, {"hash": None}, {"at": "whenever"}, {"registry": ...}],
    ids=str,
)
def test_what_is_no_anchor_is_refused(change):
    anchor = Anchor(registry="r", number=1, at=datetime.now(UTC), hash="0" * 64)
    facts = json.loads(anchor.to_json())["anchor"]
    assert Anchor.from_text(json.dumps({"anchor": facts})) == anchor
    changed = {name: value for name, value in {**facts, **change}.items() if value is not ...}
    with pytest.raises(SettingsError, match="no anchor"):
        Anchor.from_text(json.dumps({"anchor": changed}))


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"anchor": 1}', "1"])
def test_another_file_is_no_anchor(text):
    with pytest.raises(SettingsError, match="no anchor"):
        Anchor.from_text(text)


def test_a_time_is_compared_to_the_microsecond(registry):
    registry.audit.record([AuditEvent(action="a", at=trials.START)])
    change(registry, update(audit_events).values(at=trials.START + timedelta(microseconds=1)))
    assert registry.audit.verify().fault.number == 1
