"""`typecase audit ls | verify | anchor | export`."""

import json
import stat

import pytest
from fakes import audit_trials as trials
from sqlalchemy import delete, text, update
from typer.testing import CliRunner

from typecase.blocks import registries
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.registries import current_registry, use_registry
from typecase.blocks.settings import reload_settings
from typecase.registry.audit.events import AuditEvent
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.tables import audit_events, audit_head


@pytest.fixture(autouse=True)
def registry(home, monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home / 'registry.db'}")
    reload_settings()
    registry = current_registry()
    registry.init()
    return registry


@pytest.fixture
def some(registry):
    registry.audit.record(
        [
            AuditEvent(action="document.save", principal="ann", workspace="prod", document="db", at=trials.START),
            AuditEvent(action="document.load", principal="bob", workspace="prod", facts={"flow": "etl"}),
            AuditEvent(action="document.load", principal="ann", workspace="staging", outcome="denied"),
        ]
    )


def run(*arguments):
    registries.close_registries()  # as a new process would begin
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def answer(*arguments):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def change(registry, statement):
    registry._full_registry()._store.write(lambda connection: connection.execute(statement))


def test_events_are_listed_newest_first(some):
    items = answer("ls")["items"]
    assert [item["number"] for item in items] == [3, 2, 1]
    assert items[2] == {
        "number": 1, "at": "2026-03-01T12:00:00+00:00", "principal": "ann", "action": "document.save",
        "outcome": "done", "workspace": "prod", "document": "db", "document_id": "", "facts": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--principal", "ann"], [3, 1]),
        (["--action", "document.load"], [3, 2]),
        (["--outcome", "denied"], [3]),
        (["--in", "prod"], [2, 1]),
        (["--document", "db"], [1]),
        (["--since", "2026-03-02T00:00:00Z"], [3, 2]),
        (["--until", "2026-03-02T00:00:00Z"], [1]),
        (["--limit", "1"], [3]),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)
def test_lists_and_exports_are_narrowed_alike(some, options, numbers):
    assert [item["number"] for item in answer("ls", *options)["items"]] == numbers
    if "--limit" not in options:
        exported = [json.loads(line) for line in run("export", *options).stdout.splitlines()][:-1]
        assert [event["number"] for event in exported] == numbers[::-1]


def test_a_list_goes_on(some):
    first = answer("ls", "--limit", 2)
    assert [item["number"] for item in answer("ls", "--cursor", first["cursor"])["items"]] == [1]


def test_a_time_that_is_none_is_a_fault_of_usage(some):
    assert run("ls", "--since", "yesterday").exit_code == ExitCode.USAGE


def test_a_whole_log_is_verified(some):
    result = run("verify", "-o", "table")
    assert result.exit_code == 0
    assert "All 3 events are what was written." in result.stdout
    assert "--anchor" in result.stderr
    assert answer("verify") == {
        "intact": True, "sound": 3, "number": None, "reason": None, "message": None, "anchor": None,
    }  # fmt: skip


def test_a_changed_log_is_said_to_be_and_ends_with_its_code(some, registry):
    change(registry, update(audit_events).where(audit_events.c.number == 2).values(principal="mallory"))
    result = run("verify", "-o", "json")
    assert result.exit_code == ExitCode.CHECK_FAILED
    told = json.loads(result.stdout)
    assert (told["intact"], told["sound"], told["number"], told["reason"]) == (False, 1, 2, "changed")
    assert "Event 2 was edited" in run("verify", "-o", "table").stdout


@pytest.mark.parametrize("command", ["anchor", "export"])
def test_an_anchor_that_was_kept_shows_what_the_chain_cannot(some, registry, home, command):
    (home / "kept").write_text(run(command).stdout)
    assert answer("verify", "--anchor", home / "kept")["anchor"] == 3
    assert "the anchor of event 3 holds" in run("verify", "--anchor", home / "kept", "-o", "table").stdout
    change(registry, delete(audit_events))
    change(registry, delete(audit_head))
    assert run("verify").exit_code == 0
    assert run("verify", "--anchor", home / "kept").exit_code == ExitCode.CHECK_FAILED


@pytest.mark.parametrize("content", [None, b"nonsense", b"\xff"])
def test_a_file_that_holds_no_anchor_is_a_fault_of_usage(some, home, content):
    if content is not None:
        (home / "kept").write_bytes(content)
    result = run("verify", "--anchor", home / "kept")
    assert result.exit_code == ExitCode.USAGE
    assert "typecase audit anchor" in result.stderr


@pytest.mark.parametrize("mode", ["json", "table", "plain"])
def test_an_anchor_is_one_line_of_json(some, registry, mode):
    (line,) = run("anchor", "-o", mode).stdout.splitlines()
    assert json.loads(line)["anchor"]["hash"] == registry.audit.anchor().hash


def test_an_export_goes_into_a_new_file_of_its_owner(some, home):
    assert run("export", "--format", "csv", "--to", home / "log.csv").stdout == ""
    assert (home / "log.csv").read_text().startswith('"number","at"')
    assert stat.S_IMODE((home / "log.csv").stat().st_mode) == 0o600


def test_an_export_replaces_no_file(some, home):
    (home / "log").write_text("mine")
    assert run("export", "--to", home / "log").exit_code == ExitCode.USAGE
    assert (home / "log").read_text() == "mine"


def test_an_export_that_fails_leaves_no_file(some, home, registry):
    change(registry, text("update audit_events set at = 'whenever' where number = 2"))
    assert run("export", "--to", home / "log").exit_code != 0
    assert not (home / "log").exists()


def test_a_registry_without_a_log_says_so(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://")
    with use_registry(MemoryRegistry()):
        for command in ("ls", "verify", "anchor", "export"):
            assert run(command).exit_code == ExitCode.ENVIRONMENT
