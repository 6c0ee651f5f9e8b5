"""`typecase keys rotate | retire | rewrap | status`, `backup` and `restore`."""

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from typecase.blocks import registries
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.registries import use_registry
from typecase.blocks.settings import reload_settings
from typecase.integrations.secret import Secret
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode


@pytest.fixture(autouse=True)
def address(home, monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home / 'registry.db'}")
    reload_settings()
    yield home / "registry.db"
    registries.close_registries()


def run(*arguments):
    registries.close_registries()  # as a new process would begin
    return CliRunner().invoke(app, [*map(str, arguments)])


def answer(*arguments):
    result = run(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def states():
    return [(key["workspace"], key["generation"], key["state"], key["revisions"]) for key in _status()["data_keys"]]


def _status():
    return answer("keys", "status")


@pytest.fixture
def saved():
    Secret(value="hunter2-hunter2").save("a")


def test_rotating_and_retiring_are_seen_in_the_status(saved):
    assert states() == [("default", 1, "current", 1)]
    (item,) = answer("keys", "rotate")["items"]
    assert item == {
        "workspace": "default", "from": 1, "to": 2, "revisions": 1, "unfinished": False, "retired": [],
    }  # fmt: skip
    assert states() == [("default", 1, "replaced", 0), ("default", 2, "current", 1)]
    assert [key["generation"] for key in answer("keys", "retire")["items"]] == [1]
    assert states() == [("default", 1, "retired", 0), ("default", 2, "current", 1)]


def test_the_status_says_who_did_what(saved):
    answer("keys", "rotate", "--retire")
    events = _status()["events"]
    assert [event["action"] for event in events] == ["key retired", "rotation finished", "rotation started"]
    assert {event["actor"] for event in events} != {""}
    assert events[1]["about"] == "generation 2, revisions 1"


def test_a_plan_changes_nothing(saved):
    planned = answer("keys", "rotate", "--plan")
    assert (planned["plan"], planned["items"][0]["to"], planned["items"][0]["revisions"]) == (True, 2, 1)
    assert states() == [("default", 1, "current", 1)]


def test_workspaces_are_named_or_all(saved):
    run("workspaces", "create", "prod")
    assert [item["workspace"] for item in answer("keys", "rotate", "prod")["items"]] == ["prod"]
    assert [item["workspace"] for item in answer("keys", "rotate")["items"]] == ["default", "prod"]
    assert run("keys", "rotate", "nowhere").exit_code == ExitCode.NOT_FOUND


def test_a_person_is_told_that_the_earlier_key_is_still_there(saved):
    assert "typecase keys retire" in run("keys", "rotate").stderr
    assert run("keys", "rotate", "--retire").stderr == ""


def test_a_key_in_use_is_a_conflict(saved, address):
    import sqlite3

    answer("keys", "rotate")
    connection = sqlite3.connect(address, isolation_level=None)
    connection.execute("update revisions set key_id = (select id from data_keys where generation = 1)")
    connection.close()
    result = run("keys", "retire")
    assert result.exit_code == ExitCode.CONFLICT
    assert "is in use: 1 revision is encrypted under it" in result.stderr


def test_nothing_to_retire_is_no_fault(saved):
    assert answer("keys", "retire") == {"items": []}


def test_rewrapping_says_what_to_set_next(saved, home, monkeypatch):
    new = (home / "new.key").as_uri()
    assert run("keys", "rewrap", "--to", new).exit_code == ExitCode.SEALED
    result = run("keys", "rewrap", "--to", new, "--create-key", "-o", "table")
    assert result.exit_code == 0
    assert f"Set TYPECASE_KEY to {new}" in result.stdout
    assert run("keys", "status").exit_code == ExitCode.SEALED
    monkeypatch.setenv("TYPECASE_KEY", new)
    assert _status()["sealed"] is False


def test_a_plan_of_rewrapping_counts(saved, home):
    from typecase.registry.keys import create_key

    create_key((home / "new.key").as_uri())
    planned = answer("keys", "rewrap", "--to", (home / "new.key").as_uri(), "--plan")
    assert (planned["rewrapped"], planned["already"], planned["plan"]) == (1, 0, True)


def test_a_backup_is_restored_into_another_registry(saved, home, monkeypatch):
    told = answer("backup", home / "b")
    assert (told["documents"], told["revisions"]) == (1, 1)
    monkeypatch.setenv("TYPECASE_URL", f"sqlite:///{home / 'copy.db'}")
    assert answer("restore", home / "b") == told
    assert run("blocks", "show", "a", "--reveal").stdout.count("hunter2-hunter2") == 1


def test_backups_have_exit_codes_of_their_own(saved, home):
    answer("backup", home / "b")
    assert run("backup", home / "b").exit_code == ExitCode.CONFLICT
    assert run("restore", home / "b").exit_code == ExitCode.CONFLICT
    (home / "b").write_bytes((home / "b").read_bytes()[:-9])
    assert run("--url", f"sqlite:///{home / 'copy.db'}", "restore", home / "b").exit_code == ExitCode.INVALID


def test_no_command_shows_a_value_or_a_key(canary, assert_no_canary, home):
    Secret(value=canary).save("a")
    key = (home / ".config" / "typecase" / "root.key").read_text().strip().partition(":")[2]
    commands = (
        ("keys", "rotate", "--plan"),
        ("keys", "rotate"),
        ("keys", "retire"),
        ("keys", "status"),
        ("backup", home / "b"),
        ("backup", home / "b"), ("restore", home / "b"),
        ("keys", "rewrap", "--to", (home / "new.key").as_uri(), "--create-key"),
    )  # fmt: skip
    for command in commands:
        for mode in ("json", "table"):
            result = run(*command, "-o", mode)
            assert_no_canary(result.output + result.stderr)
            assert key not in result.output + result.stderr
    assert_no_canary(home / "b", home / "registry.db")


def test_a_registry_that_encrypts_nothing_has_nothing_to_rotate(monkeypatch):
    monkeypatch.setenv("TYPECASE_URL", "memory://")
    with use_registry(MemoryRegistry()):
        assert answer("keys", "rotate")["items"] == []
        assert answer("keys", "retire")["items"] == []
        assert run("backup", "b").exit_code == ExitCode.ENVIRONMENT


def test_a_terminal_shows_a_bar_with_rate_and_remaining_time(saved):
    """Everything that a real terminal would get on standard error."""
    ours, theirs = pty.openpty()
    script = (
        "from typecase.registry.cli.progress import bar\n"
        "with bar('Encrypting again') as watch:\n"
        "    [watch(done, 400000) for done in range(0, 400000, 10)]\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stderr=theirs, env={**os.environ, "COLUMNS": "120"}
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        process.wait()
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "Encrypting again" in text
    assert "/400000" in text
    assert "/s" in text
    assert "0:00:" in text
