"""`typecase serve`: what it starts with, what it says, how it ends."""

import os
import signal
import sqlite3
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic

import httpx
import pytest
import trustme
from fakes.served import Place, served, until
from sqlalchemy import text
from typer.testing import CliRunner

from typecase.blocks.errors import NotSupported, SettingsError
from typecase.registry.cli import app
from typecase.registry.cli.exit_codes import ExitCode
from typecase.registry.server.serving import listen, open_served
from typecase.registry.server.settings import PREFIX, ServerSettings, read_server_settings
from typecase.registry.store import PostgresStore

IN_FLIGHT = "typecase_requests_in_flight"


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.registry.close()


@pytest.fixture
def locked(place):
    """A registry that nobody can write to: requests that write are under way until the lock goes."""
    with closing(sqlite3.connect(place.path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def create_workspace(url, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/api/v1/workspaces", json={"name": "made"}, headers=headers, timeout=60)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(place, sign):
    with served(place.environment) as server:
        assert httpx.get(f"{server.url}/healthz").json() == {"status": "alive"}
        assert server.end(sign) == 0


def test_a_request_under_way_is_finished_after_the_signal(place, locked):
    token, _ = used_token(place, locked)
    with served(place.environment) as server, ThreadPoolExecutor() as pool:
        asked = pool.submit(create_workspace, server.url, token)
        until(server.url, IN_FLIGHT, 2)
        server.signal()
        refused_or_not_ready(server.url)
        locked.execute("ROLLBACK")
        assert asked.result().status_code == 201
        assert server.wait() == 0


def test_a_request_that_takes_longer_than_the_limit_is_cut_off(place, locked):
    token, _ = used_token(place, locked)
    environment = {**place.environment, "TYPECASE_SERVER_SHUTDOWN_SECONDS": "0"}
    with served(environment) as server, ThreadPoolExecutor() as pool:
        asked = pool.submit(create_workspace, server.url, token)
        until(server.url, IN_FLIGHT, 2)
        assert server.end() == 0
        assert isinstance(asked.exception(), httpx.TransportError) or asked.result().status_code == 500
    locked.execute("ROLLBACK")
    assert [item.name for item in place.registry.workspaces.list()] == ["default"]


def used_token(place, locked):
    """A token whose last use is written already: a use writes nothing for a minute."""
    locked.execute("ROLLBACK")
    token, principal = place.token()
    place.registry.access.identities.caller_of_token(token, "127.0.0.1")
    locked.execute("BEGIN IMMEDIATE")
    return token, principal


def refused_or_not_ready(url):
    """Wait until nothing new is taken."""
    deadline = monotonic() + 30
    while monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").status_code == 503:
                return
        except httpx.TransportError:
            return


def test_it_says_that_it_is_not_ready_before_it_stops(place):
    with served({**place.environment, "TYPECASE_SERVER_DRAIN_SECONDS": "3600"}) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        server.signal()
        refused_or_not_ready(server.url)
        answer = httpx.get(f"{server.url}/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "This server is about to end.")
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.end() == 0


def test_tables_are_not_made_by_surprise(tmp_path):
    path = tmp_path / "none.db"
    with served({"TYPECASE_URL": f"sqlite:///{path}"}) as server:
        assert (server.wait(), server.url) == (ExitCode.ENVIRONMENT, "")
        assert '"type": "RegistryOutdated"' in server.log
        assert "typecase init" in server.log
    assert not path.exists()


def test_old_tables_are_not_upgraded_by_surprise(place):
    place.registry.store.write(
        lambda connection: connection.execute(text("UPDATE typecase_version SET version_num = '0001'"))
    )
    with served(place.environment) as server:
        assert server.wait() == ExitCode.ENVIRONMENT
        assert "typecase init" in server.log
    with closing(sqlite3.connect(place.path)) as connection:
        assert connection.execute("SELECT version_num FROM typecase_version").fetchone() == ("0001",)


def test_it_says_how_to_make_the_first_admin(place):
    with served(place.environment) as server:
        server.end()
        assert "typecase access first-admin" in server.log


def test_it_does_not_say_so_once_there_is_one(place):
    place.token()
    with served(place.environment) as server:
        server.end()
        assert "first-admin" not in server.log


def test_a_remote_registry_is_not_served():
    with pytest.raises(NotSupported, match="SQLite file or a PostgreSQL"):
        open_served("https://typecase.example.com", key=None, settings=ServerSettings())


def test_a_port_in_use_is_an_error_that_names_the_options(place):
    with listen(ServerSettings(port=0)) as taken:
        done = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1])], env=place.environment)
    assert (done.exit_code, "--port" in done.stderr) == (ExitCode.USAGE, True)


def test_a_missing_package_names_the_extra(place):
    script = "import sys; sys.modules['uvicorn'] = None; from typecase.registry.cli import main; main()"
    run = [sys.executable, "-c", script, "serve", "--port", "0"]
    done = subprocess.run(run, env=os.environ | place.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'typecase[server]'" in done.stderr) == (ExitCode.ENVIRONMENT, True)


def test_it_serves_tls(place, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    with served(place.environment, *options) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        assert httpx.get(f"{server.url}/healthz", verify=context).status_code == 200


def test_a_certificate_that_is_none_is_an_error(place, tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nothing")
    options = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    done = CliRunner().invoke(app, ["serve", "--port", "0", *options], env=place.environment)
    assert (done.exit_code, "PEM" in done.stderr) == (ExitCode.USAGE, True)


def test_a_certificate_comes_with_its_key():
    with pytest.raises(SettingsError, match="come together"):
        read_server_settings(tls_cert="cert.pem")


@pytest.mark.parametrize(
    ("host", "options", "warned"),
    [
        ("0.0.0.0", {}, True),
        ("0.0.0.0", {"TYPECASE_SERVER_PUBLIC_URL": "https://typecase.example.com"}, False),
        ("127.0.0.1", {}, False),
    ],
)
def test_a_warning_says_that_secrets_would_travel_in_clear(place, host, options, warned):
    with served({**place.environment, **options}, "--host", host) as server:
        server.end()
        assert ("travel in clear" in server.log) is warned


def test_networks_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("TYPECASE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    assert [str(item) for item in read_server_settings().trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_a_malformed_setting_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("TYPECASE_SERVER_TRUSTED_PROXIES", "canary")
    with pytest.raises(SettingsError, match="TYPECASE_SERVER_TRUSTED_PROXIES") as refused:
        read_server_settings()
    assert "canary" not in str(refused.value)


def test_a_statement_on_postgresql_has_a_time_limit(postgres_url):
    from sqlalchemy import make_url

    store = PostgresStore(make_url(postgres_url), statement_seconds=1.5, pool=2)
    try:
        limit = store.read(lambda connection: connection.scalar(text("SHOW statement_timeout")))
    finally:
        store.close()
    assert limit == "1500ms"


@pytest.mark.parametrize("name", ServerSettings.model_fields)
def test_a_setting_is_in_the_reference(project, name):
    page = (project / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert f"`{PREFIX}{name.upper()}`" in page
