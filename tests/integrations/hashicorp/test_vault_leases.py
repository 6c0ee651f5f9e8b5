"""Database credentials: renewed while the process lives, replaced at their longest life, revoked at its end."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from fakes.vault import Role
from pydantic import SecretStr

from typecase.blocks.errors import InvalidSecretKey, NotSupported, SecretForbidden, SecretStoreUnreachable
from typecase.integrations.hashicorp import AppRoleSignIn, connection, lease_records
from typecase.integrations.hashicorp.leases import Leases
from typecase.integrations.hashicorp.processes import started

KEY = "database/creds/readonly"
RULES = (("database/*", {"read"}), ("sys/leases/*", {"update"}))


@pytest.fixture
def store(store_of, held):
    return store_of(database_mount="database")


def credential(store):
    """User name and end of what the store gives."""
    found = store.read(KEY)
    return json.loads(found.text().get_secret_value())["username"], found.expires_at


def users(vault):
    return set(vault.database.users)


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def test_without_a_database_mount_there_are_no_credentials(vault, store_of):
    with pytest.raises(LookupError):
        store_of().get(KEY)
    assert vault.database.leases == {}


def test_a_credential_is_user_name_and_password_as_json_with_its_end(vault, store):
    found = store.read(KEY)
    fields = json.loads(found.text().get_secret_value())
    assert fields.keys() == {"username", "password"}
    assert users(vault) == {fields["username"]}
    assert found.expires_at == at(vault.clock.now + 3600)
    assert found.version is None


def test_a_process_has_one_credential_at_a_time(vault, store):
    with ThreadPoolExecutor(8) as threads:
        names = {name for name, _ in threads.map(credential, [store] * 32)}
    assert len(names) == 1
    assert len(users(vault)) == 1


def test_a_static_credential_ends_with_its_rotation_and_has_no_lease(vault, store, held):
    found = store.read("database/static-creds/app")
    assert json.loads(found.text().get_secret_value()) == {"username": "app", "password": "rotated-password"}
    assert found.expires_at == at(vault.clock.now + 900)
    assert held.step() is None


@pytest.mark.parametrize(
    "key", ["database", "database/", "database/creds", "database/creds/", "database/creds/a/b", "database/config/x"]
)
def test_what_is_no_credential_below_the_mount_is_refused(vault, store, key):
    with pytest.raises(InvalidSecretKey, match="database/creds/ROLE"):
        store.get(key)


def test_a_credential_is_neither_written_nor_deleted_and_has_no_version(store):
    for use in (lambda: store.put(KEY, SecretStr("x")), lambda: store.delete(KEY), lambda: store.get(KEY, "1")):
        with pytest.raises(NotSupported):
            use()


def test_other_keys_are_still_those_of_the_key_value_engine(vault, store):
    vault.secret.put("k", {"value": "text"})
    assert store.get("k").get_secret_value() == "text"


def test_a_lease_is_renewed_at_two_thirds_of_its_life_and_not_before(vault, store, held):
    name, _ = credential(store)
    vault.clock.advance(2399)
    held.step()
    assert vault.count("leases/renew") == 0
    vault.clock.advance(1)
    held.step()
    assert vault.count("leases/renew") == 1
    vault.clock.advance(2399)
    assert users(vault) == {name}


def test_a_renewed_credential_is_the_same_with_a_later_end(vault, store, held):
    name, first = credential(store)
    vault.clock.advance(2400)
    held.step()
    assert credential(store) == (name, at(vault.clock.now + 3600))
    assert first < at(vault.clock.now + 3600)


def test_the_manager_says_when_it_is_needed_next(vault, store, held):
    credential(store)
    assert held.step() == pytest.approx(2400, abs=1e-3)
    vault.clock.advance(2400)
    assert held.step() == pytest.approx(2400, abs=1e-3)


def test_at_the_longest_life_the_next_reader_gets_a_new_credential(vault, store, held):
    vault.database.max_ttl = 3000
    old, _ = credential(store)
    vault.clock.advance(2400)
    held.step()
    assert credential(store) == (old, at(vault.clock.now + 600))
    vault.clock.advance(401)
    held.step()
    new, end = credential(store)
    assert new != old
    assert end == at(vault.clock.now + 3600)
    assert users(vault) == {old, new}


def test_the_end_of_the_old_credential_is_its_true_one(vault, store, held):
    vault.database.max_ttl = 3000
    begin = vault.clock.now
    credential(store)
    vault.clock.advance(2400)
    held.step()
    old, end = credential(store)
    assert end == at(begin + 3000)
    vault.clock.advance(599)
    assert old in users(vault)
    vault.clock.advance(1)
    assert old not in users(vault)


def test_a_lease_that_somebody_revoked_is_replaced(vault, store, held):
    old, _ = credential(store)
    vault.database.leases.clear()
    vault.clock.advance(2400)
    held.step()
    assert credential(store)[0] != old


def test_a_renewal_that_fails_is_tried_again_before_the_end(vault, store, held):
    name, _ = credential(store)
    vault.fail(path="leases/renew", status=503, times=3)
    vault.clock.advance(2400)
    wait = held.step()
    assert 0 < wait < 1200
    vault.clock.advance(wait)
    held.step()
    vault.clock.advance(1000)
    assert credential(store)[0] == name
    assert users(vault) == {name}


def test_a_lease_that_ended_in_an_outage_is_replaced_after_it(vault, store, held):
    old, _ = credential(store)
    vault.fail(path="leases/renew", kind="reset")
    vault.clock.advance(2400)
    for _ in range(20):
        vault.clock.advance(held.step() or 3600)
    assert held.step() is None
    assert credential(store)[0] != old


def test_the_token_that_leases_hang_on_is_kept_alive(vault, store_of, held, monkeypatch):
    build = connection.Connection.__init__
    monkeypatch.setattr(connection.Connection, "__init__", lambda it, who: build(it, who, clock=vault.clock))
    vault.roles["approle"] = {"flows": Role({"role_id": "r"}, RULES, ttl=900)}
    store = store_of(database_mount="database", sign_in=AppRoleSignIn(role_id="r"))
    name, _ = credential(store)
    end = vault.clock.now + 7200
    while vault.clock.now < end:
        wait = held.step()
        assert wait <= 600.1
        vault.clock.advance(max(wait, 60))
    held.step()
    assert vault.count("login") == 1
    assert users(vault) == {name}


def test_releasing_revokes_the_leases_of_a_block_and_of_no_other(vault, store, store_of, held):
    vault.spaces[""]["warehouse"] = vault.database
    other = store_of(database_mount="warehouse")
    ours, _ = credential(store)
    theirs = json.loads(other.get("warehouse/creds/readonly").get_secret_value())["username"]
    store.release_leases()
    assert users(vault) == {theirs}
    assert credential(store)[0] != ours


def test_a_flow_may_end_its_leases_with_a_block(vault, store):
    with store.leasing() as leasing:
        credential(leasing)
        assert len(users(vault)) == 1
    assert users(vault) == set()


def test_releasing_says_where_it_failed_and_can_be_repeated(vault, store):
    credential(store)
    vault.fail(path="leases/revoke", status=503, times=3)
    with pytest.raises(SecretStoreUnreachable):
        store.release_leases()
    store.release_leases()
    assert users(vault) == set()


def test_releasing_without_permission_says_so(vault, store_of, held):
    store = store_of(vault.token(RULES[:1]), database_mount="database")
    credential(store)
    with pytest.raises(SecretForbidden):
        store.release_leases()


def test_one_daemon_thread_renews_and_none_runs_before_the_first_lease(vault, store_of, monkeypatch):
    own = Leases(clock=vault.clock)
    monkeypatch.setattr("typecase.integrations.hashicorp.credentials.LEASES", own)
    monkeypatch.setattr("typecase.integrations.hashicorp.vault.LEASES", own)
    store = store_of(database_mount="database")
    vault.secret.put("k", {"value": "x"})
    store.get("k")
    assert own._thread is None
    credential(store)
    thread = own._thread
    assert thread.daemon
    vault.clock.advance(2400)
    with own._changed:
        own._watch()
    assert vault.wait_for("leases/renew")
    assert own._thread is thread
    store.release_leases()
    thread.join(10)
    assert not thread.is_alive()
    assert users(vault) == set()


def test_leases_are_written_down_privately_without_credentials(vault, store, assert_no_canary):
    found = json.loads(store.get(KEY).get_secret_value())
    (file,) = lease_records.folder().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    content = json.loads(file.read_text())
    (name,) = vault.database.leases
    assert content["leases"] == [{"id": name, "address": vault.address, "namespace": ""}]
    assert (content["pid"], content["started"]) == (os.getpid(), started(os.getpid()))
    for secret in (found["password"], vault.root):
        assert_no_canary(file, secret=secret)
    store.release_leases()
    assert list(lease_records.folder().iterdir()) == []


def test_the_records_are_below_the_home_of_typecase_where_one_is_set(home, monkeypatch):
    assert lease_records.folder() == home / ".local/state/typecase/vault-leases"
    monkeypatch.setenv("TYPECASE_HOME", str(home / "own"))
    assert lease_records.folder() == home / "own/state/vault-leases"


def test_a_folder_that_cannot_be_written_to_costs_a_warning_only(vault, store, home, monkeypatch, caplog):
    (home / "file").write_text("")
    monkeypatch.setenv("TYPECASE_HOME", str(home / "file"))
    assert credential(store)[0] in users(vault)
    assert "written down" in caplog.text


SCRIPT = """
import os, sys, time
from typecase.integrations.hashicorp import HashiCorpVault
store = HashiCorpVault(database_mount="database")
print(store.get("database/creds/readonly").get_secret_value(), flush=True)
{then}
"""


@pytest.fixture
def process(vault, monkeypatch):
    """Starts a process that takes a lease and then does `then`; gives it with its user's name."""
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    monkeypatch.setenv("VAULT_TOKEN", vault.root)
    running = []

    def start(then):
        script = SCRIPT.format(then=textwrap.dedent(then))
        made = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        running.append(made)
        return made, json.loads(made.stdout.readline())["username"]

    yield start
    for made in running:
        made.kill()
        made.communicate()


def test_a_process_revokes_its_leases_when_it_ends(vault, process):
    made, name = process("sys.stdin.readline()")
    assert users(vault) == {name}
    made.communicate("\n", timeout=30)
    assert (made.returncode, users(vault)) == (0, set())
    assert list(lease_records.folder().iterdir()) == []


def test_a_process_that_fails_revokes_its_leases_too(vault, process):
    made, _ = process("sys.stderr = open(os.devnull, 'w'); raise RuntimeError")
    made.communicate(timeout=30)
    assert (made.returncode, users(vault)) == (1, set())


def test_an_absent_vault_holds_up_the_end_of_a_process_for_a_while_only(vault, store, held, alone):
    credential(store)
    vault.fail(path="leases/revoke", status=429, headers={"Retry-After": "6"}, times=3)
    held.close()
    assert vault.count("leases/revoke") == 1
    assert alone == []
    assert len(list(lease_records.folder().iterdir())) == 1
    vault.faults.clear()


def test_the_leases_of_a_killed_process_are_revoked_by_the_next_one(vault, process, store):
    made, killed = process("time.sleep(60)")
    living, other = process("time.sleep(60)")
    os.kill(made.pid, signal.SIGKILL)
    made.wait(30)
    assert users(vault) == {killed, other}
    name, _ = credential(store)
    assert users(vault) == {other, name}
    files = {file.name for file in lease_records.folder().iterdir()}
    assert files == {f"{living.pid}.json", f"{os.getpid()}.json"}


def test_a_process_number_that_passed_to_another_process_does_not_hide_a_crash(vault, process, store):
    made, killed = process("time.sleep(60)")
    made.kill()
    made.wait(30)
    (file,) = lease_records.folder().iterdir()
    content = json.loads(file.read_text())
    (file.parent / f"{os.getppid()}.json").write_text(json.dumps({**content, "pid": os.getppid()}))
    file.unlink()
    credential(store)
    assert killed not in users(vault)


@pytest.mark.parametrize(
    "change",
    [{"machine": "another"}, {"format": 99}, {"leases": [{"id": 7}]}, {"pid": "x"}],
    ids=lambda it: next(iter(it)),
)
def test_records_of_another_machine_or_form_are_left_alone(vault, process, store, change):
    made, killed = process("time.sleep(60)")
    made.kill()
    made.wait(30)
    (file,) = lease_records.folder().iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    credential(store)
    assert killed in users(vault)
    assert file.exists()


def test_records_of_another_vault_stay_until_a_process_uses_it(vault, process, store):
    made, killed = process("time.sleep(60)")
    made.kill()
    made.wait(30)
    (file,) = lease_records.folder().iterdir()
    content = json.loads(file.read_text())
    elsewhere = {"id": "database/creds/x/1", "address": "https://elsewhere:8200", "namespace": ""}
    file.write_text(json.dumps({**content, "leases": [*content["leases"], elsewhere]}))
    credential(store)
    assert killed not in users(vault)
    assert json.loads(file.read_text())["leases"] == [elsewhere]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_crash_that_cannot_be_cleared_up_is_logged_and_hinders_nobody(vault, process, store_of, held, caplog):
    made, killed = process("time.sleep(60)")
    made.kill()
    made.wait(30)
    store = store_of(vault.token(RULES[:1]), database_mount="database")
    assert credential(store)[0] in users(vault)
    assert killed in users(vault)
    assert "could not be revoked" in caplog.text
    vault.database.leases.clear()
    held._leases.clear()


def test_a_forked_child_neither_renews_nor_revokes_the_leases_of_its_parent(vault, process):
    made, name = process("""
        child = os.fork()
        if child == 0:
            from typecase.integrations.hashicorp.leases import LEASES
            print(LEASES.step(), LEASES._thread, flush=True)
            sys.exit()
        os.waitpid(child, 0)
        print("waited", flush=True)
        sys.stdin.readline()
    """)
    assert made.stdout.readline() == "None None\n"
    assert made.stdout.readline() == "waited\n"
    assert users(vault) == {name}
    assert vault.count("leases/") == 0
    made.communicate("\n", timeout=30)
    assert users(vault) == set()


def test_a_forked_child_takes_leases_of_its_own(vault, process):
    made, name = process("""
        child = os.fork()
        if child == 0:
            print(store.get("database/creds/readonly").get_secret_value(), flush=True)
            sys.exit()
        os.waitpid(child, 0)
        print("waited", flush=True)
        sys.stdin.readline()
    """)
    other = json.loads(made.stdout.readline())["username"]
    assert other != name
    assert made.stdout.readline() == "waited\n"
    assert users(vault) == {name}


def test_a_credential_shows_nowhere_but_in_its_value(store, held, assert_no_canary):
    found = store.read(KEY)
    password = json.loads(found.text().get_secret_value())["password"]
    assert_no_canary(repr(found), repr(held), repr(held._leases), repr(store), secret=password)
