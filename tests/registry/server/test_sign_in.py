"""Signing in to a server: over HTTP, and with `typecase login`."""

import io
import logging
import traceback

import httpx
import keyring
import pytest
from fakes.serving import KnownAccess, serving
from keyring.backend import KeyringBackend
from pydantic import SecretStr
from typer.testing import CliRunner

from typecase.blocks.errors import SignInRequired
from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.remote.identity import sign_in as remote_sign_in
from typecase.blocks.remote.registry import token_at
from typecase.registry.access.authority import operator
from typecase.registry.access.parts import Access
from typecase.registry.cli import app
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry

PASSWORD = "canary-7d1e0f52 battery staple"


class Shelf(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        self.held[service, username] = password

    def delete_password(self, service, username):
        del self.held[service, username]


@pytest.fixture
def shelf():
    before, found = keyring.get_keyring(), Shelf()
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


@pytest.fixture
def registry(tmp_path):
    found = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
    found.init(create_key_if_missing=True)
    yield found
    found.close()


@pytest.fixture
def url(registry):
    with serving() as server:
        server.show(registry)
        access = server.app.state.server.access
        assert isinstance(access, KnownAccess)
        access.identities = Access(registry.store, registry.data_keys).identities
        yield server.url


@pytest.fixture
def code(registry):
    return Access(registry.store, registry.data_keys).links.for_first_admin(operator("setup")).code


def sign_in(url, path, **body):
    return httpx.post(f"{url}/api/v1/sign-in/{path}", json=body)


def made_admin(url, code):
    return sign_in(url, "first-admin", code=code, name="ada", password=PASSWORD)


def run(*arguments, text=""):
    return CliRunner().invoke(app, list(arguments), input=text, catch_exceptions=False)


def test_the_first_admin_is_made_once(url, code):
    assert made_admin(url, code).status_code == 204
    again = sign_in(url, "first-admin", code=code, name="eve", password=PASSWORD)
    assert (again.status_code, again.json()["type"]) == (422, "urn:typecase:error:link-unusable")


def test_a_password_gives_a_token_of_ones_own(url, code):
    made_admin(url, code)
    answer = sign_in(url, "password", name="ada", password=PASSWORD)
    assert answer.status_code == 201
    headers = {"Authorization": f"Bearer {answer.json()['text']}"}
    assert httpx.get(f"{url}/api/v1/me", headers=headers).json()["name"] == "ada"


def test_a_wrong_password_is_refused_and_written_down_without_it(url, code, registry, caplog):
    made_admin(url, code)
    with caplog.at_level(logging.DEBUG):
        answer = sign_in(url, "password", name="ada", password=f"{PASSWORD}-wrong")
    assert answer.status_code == 401
    assert [(item.action, item.outcome) for item in registry.audit.list(limit=1).items] == [("sign-in", "denied")]
    assert "canary" not in answer.text + caplog.text + repr(registry.audit.list().items)


def test_a_refusal_holds_the_password_in_no_frame(url, code):
    made_admin(url, code)
    with pytest.raises(SignInRequired) as raised:
        remote_sign_in(url, "ada", SecretStr(f"{PASSWORD}-wrong"), client="test")
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    own = [line for line in shown.format() if "test_sign_in.py" not in line]
    assert own
    assert "canary" not in "".join(own)


def test_login_keeps_the_token_in_the_keyring_and_nowhere_else(url, code, shelf, home):
    made_admin(url, code)
    done = run("login", url, "--name", "ada", text=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    token = shelf.held["typecase", url]
    assert token_at(url).get_secret_value() == token
    assert PASSWORD not in done.output
    written = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert [item for item in written if token.encode() in item or PASSWORD.encode() in item] == []
    asking = RemoteRegistry.from_url(url)
    assert [item.name for item in asking.workspaces.list()] == ["default"]
    asking.close()


def test_whoami_and_logout_end_what_login_began(url, code, shelf, home):
    made_admin(url, code)
    run("login", url, "--name", "ada", text=f"{PASSWORD}\n")
    assert "ada" in run("whoami", url).output
    assert run("logout", url).exit_code == 0
    assert shelf.held == {}
    assert token_at(url) is None
    asking = RemoteRegistry.from_url(url)
    with pytest.raises(SignInRequired):
        asking.workspaces.list()
    asking.close()


def test_a_refused_login_says_so_without_a_traceback_and_keeps_nothing(url, code, shelf, home, monkeypatch):
    made_admin(url, code)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = run("login", url, "--name", "ada", text="not the password at all\n")
    assert done.exit_code != 0
    assert "not the password" not in done.output
    assert "Traceback" not in done.output
    assert shelf.held == {}
