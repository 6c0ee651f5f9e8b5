"""What fails between a block and its Vault: the right error, a bounded number of requests, no secret shown."""

import io
import logging
import traceback

import pytest
import trustme
from fakes.vault import FakeVault, Role
from pydantic import SecretStr
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks.errors import (
    AuthenticationFailed,
    SecretError,
    SecretForbidden,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.integrations.hashicorp import AppRoleSignIn, HashiCorpVault, TokenSignIn

# What goes wrong, the error and its reason, and how often Vault is asked for the secret.
READING = {
    "silent": ({"kind": "silent"}, SecretStoreUnreachable, "timeout", 3),
    "slow body": ({"kind": "trickle"}, SecretStoreUnreachable, "timeout", 3),
    "reset": ({"kind": "reset"}, SecretStoreUnreachable, "connection", 3),
    "truncated": ({"kind": "truncated"}, SecretStoreUnreachable, "connection", 3),
    "broken JSON": ({"kind": "cut"}, SecretStoreUnreachable, "malformed answer", 1),
    "huge body": ({"kind": "huge"}, SecretStoreUnreachable, "malformed answer", 1),
    "HTML": ({"kind": "html"}, SecretStoreUnreachable, "malformed answer", 1),
    "401": ({"status": 401, "body": {"errors": ["unauthorized"]}}, AuthenticationFailed, None, 2),
    "403": ({"status": 403, "body": {"errors": ["permission denied"]}}, SecretForbidden, None, 1),
    "404": ({"status": 404, "body": {"errors": []}}, SecretNotFound, "absent", 1),
    "400": ({"status": 400, "body": {"errors": ["unsupported"]}}, SecretError, None, 1),
    "429": ({"status": 429, "headers": {"Retry-After": "2"}}, SecretStoreUnreachable, "throttled", 3),
    "429 for an hour": ({"status": 429, "headers": {"Retry-After": "3600"}}, SecretStoreUnreachable, "throttled", 1),
    "500": ({"status": 500}, SecretStoreUnreachable, "failed", 3),
    "500 in HTML": ({"status": 500, "body": b"<html>"}, SecretStoreUnreachable, "failed", 3),
    "501": ({"status": 501}, SecretStoreUnreachable, "failed", 1),
    "502": ({"status": 502, "body": b""}, SecretStoreUnreachable, "failed", 3),
    "503": ({"status": 503, "body": {"errors": []}}, SecretStoreUnreachable, "failed", 3),
    "sealed": ({"status": 503, "body": {"errors": ["Vault is sealed"]}}, SecretStoreUnreachable, "sealed", 3),
    "standby": ({"status": 473, "body": b""}, SecretStoreUnreachable, "failed", 1),
    "redirected in a circle": (
        {"status": 307, "headers": {"Location": "/v1/secret/data/x"}},
        SecretStoreUnreachable,
        "failed",
        2,
    ),
    "moved": ({"status": 302, "headers": {"Location": "/ui"}}, SecretStoreUnreachable, "failed", 1),
}


@pytest.fixture
def quick(store_of):
    """A block that does not wait long."""
    return store_of(timeout=0.2, deadline=20.0)


def shown(error):
    """Everything that a traceback, with local variables, shows of an error, below the test's own frame."""
    below = error.__traceback__.tb_next
    console = Console(file=io.StringIO(), width=200)
    console.print(Traceback.from_exception(type(error), error, below, show_locals=True))
    text = "".join(traceback.format_exception(type(error), error, below))
    return f"{text} {error!r} {vars(error)} {console.file.getvalue()}"


@pytest.mark.parametrize(("fault", "error", "reason", "requests"), READING.values(), ids=READING)
def test_a_read_that_fails_says_how(vault, quick, fault, error, reason, requests):
    vault.secret.put("k", {"value": "text"})
    vault.fail(**fault, path="secret/data")
    with pytest.raises(error) as raised:
        quick.get("k")
    assert getattr(raised.value, "reason", None) == reason
    assert type(raised.value) is error
    assert raised.value.hint
    assert vault.count("secret/data") == requests


@pytest.mark.parametrize("fault", [fault for fault, *_ in READING.values()], ids=READING)
def test_a_failed_read_shows_no_token_and_no_secret(
    vault, store_of, canary, assert_no_canary, caplog, monkeypatch, fault
):
    caplog.set_level(logging.DEBUG)
    secret = f"s-{canary}"
    vault.roles["approle"] = {"flows": Role({"secret_id": secret}, (("secret/*", {"read"}),))}
    monkeypatch.setattr("fakes.vault.token_hex", lambda _: canary.encode().hex())
    vault.secret.put("k", {"value": canary})
    body = {"errors": [f"echo {canary} {secret} {canary.encode().hex()}"]}
    vault.fail(**{"body": body, **fault}, path="secret/data")
    store = store_of(sign_in=AppRoleSignIn(role_id="r", secret_id=secret), timeout=0.2, attempts=1)
    with pytest.raises((SecretError, AuthenticationFailed)) as raised:
        store.get("k")
    assert vault.count("login") >= 1
    assert_no_canary(shown(raised.value), caplog.text)


def test_an_error_that_echoes_what_was_put_is_shown_without_it(vault, store, canary, assert_no_canary):
    vault.fail(path="secret/data", status=400, body={"errors": [f"cannot store {canary} there"]})
    with pytest.raises(SecretError, match="cannot store") as raised:
        store.put("k", SecretStr(canary))
    assert_no_canary(str(raised.value), repr(vars(raised.value)))


def test_an_error_that_echoes_a_sign_in_is_shown_without_it(vault, store_of, canary, assert_no_canary):
    vault.fail(path="login", status=400, body={"errors": [f"no secret id {canary}"]})
    with pytest.raises(AuthenticationFailed, match="no secret id") as raised:
        store_of(sign_in=AppRoleSignIn(role_id="r", secret_id=canary)).get("k")
    assert_no_canary(shown(raised.value))


def test_an_error_has_no_cause_and_no_context(vault, store):
    vault.fail(path="secret/data", status=500)
    with pytest.raises(SecretStoreUnreachable) as raised:
        store.get("k")
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_passing_fault_is_not_noticed(vault, store):
    vault.secret.put("k", {"value": "text"})
    for fault in ({"kind": "reset"}, {"status": 503}):
        vault.fail(**fault, path="secret/data", times=1)
    assert store.get("k").get_secret_value() == "text"


def test_vaults_wish_to_wait_is_honoured(vault, store, alone):
    vault.secret.put("k", {"value": "text"})
    vault.fail(path="secret/data", status=429, headers={"Retry-After": "7"}, times=1)
    store.get("k")
    assert alone == [7.0]


def test_waits_without_such_a_wish_grow_and_differ(vault, store_of, alone):
    vault.fail(path="secret/data", status=500)
    with pytest.raises(SecretStoreUnreachable):
        store_of(attempts=4).get("k")
    assert [0.1 <= alone[0] <= 0.2, 0.2 <= alone[1] <= 0.4, 0.4 <= alone[2] <= 0.8] == [True] * 3


def test_no_attempt_begins_after_the_deadline(vault, store_of, alone):
    vault.fail(path="secret/data", status=429, headers={"Retry-After": "3"})
    with pytest.raises(SecretStoreUnreachable):
        store_of(attempts=10, deadline=2.5).get("k")
    assert vault.count("secret/data") == 1
    assert alone == []


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_are_a_field(vault, store_of, attempts):
    vault.fail(path="secret/data", status=500)
    with pytest.raises(SecretStoreUnreachable):
        store_of(attempts=attempts).get("k")
    assert vault.count("secret/data") == attempts


@pytest.mark.parametrize("kind", ["silent", "reset"])
def test_a_put_that_may_have_been_done_is_not_repeated(vault, quick, kind):
    vault.fail(kind, path="secret/data", after=True)
    with pytest.raises(SecretStoreUnreachable):
        quick.put("k", SecretStr("text"))
    assert vault.count("secret/data", "POST") == 1
    assert len(vault.secret.secrets["k"]) == 1


def test_a_put_that_vault_did_not_take_on_is_repeated(vault, store):
    vault.fail(path="secret/data", status=429, times=2)
    store.put("k", SecretStr("text"))
    assert len(vault.secret.secrets["k"]) == 1


@pytest.mark.parametrize("use", ["list", "delete"])
def test_a_list_and_a_deletion_that_fail_say_how(vault, store, use):
    vault.sealed = True
    with pytest.raises(SecretStoreUnreachable) as raised:
        list(store.list("a/")) if use == "list" else store.delete("a/b")
    assert raised.value.reason == "sealed"


def test_an_address_where_nothing_listens_is_a_connection_that_failed():
    with FakeVault() as gone:
        address = gone.address
    with pytest.raises(SecretStoreUnreachable, match="refused") as raised:
        HashiCorpVault(address=address, sign_in=TokenSignIn(value="t")).get("k")
    assert raised.value.reason == "connection"


def test_the_proxy_of_the_environment_is_used(vault, monkeypatch):
    vault.secret.put("k", {"value": "text"})
    monkeypatch.setenv("HTTP_PROXY", vault.address)
    block = HashiCorpVault(address="http://vault.invalid:8200", sign_in=TokenSignIn(value=vault.root))
    assert block.get("k").get_secret_value() == "text"
    assert [stage.name for stage in block.check().stages] == ["seal", "auth", "permission"]


def test_a_proxy_is_passed_by_where_the_environment_says_so(vault, store, monkeypatch):
    vault.secret.put("k", {"value": "text"})
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert store.get("k").get_secret_value() == "text"


def test_a_standby_that_redirects_is_followed_with_the_method_and_the_token(vault, store_of):
    with FakeVault() as standby:
        standby.fail(path="secret/data", status=307, headers={"Location": f"{vault.address}/v1/secret/data/k"})
        standby.tokens = vault.tokens
        store = HashiCorpVault(address=standby.address, sign_in=TokenSignIn(value=vault.root))
        store.put("k", SecretStr("text"))
        assert store.get("k").get_secret_value() == "text"
    assert [method for method, *_ in vault.requests] == ["POST", "GET"]


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def secure(authority):
    """A server with TLS whose certificate is for 127.0.0.1."""
    with FakeVault(certificates=authority.issue_cert("127.0.0.1")) as server:
        server.secret.put("k", {"value": "text"})
        yield server


def reading(server, **fields):
    given = {"address": server.address, "sign_in": TokenSignIn(value=server.root), "attempts": 1, "timeout": 5.0}
    return HashiCorpVault(**{**given, **fields}).get("k").get_secret_value()


def pem(authority):
    return authority.cert_pem.bytes().decode()


def test_authorities_are_given_as_text_or_as_a_path_or_in_the_environment(secure, authority, tmp_path, monkeypatch):
    file = tmp_path / "ca.pem"
    file.write_text(pem(authority))
    assert reading(secure, ca_cert=pem(authority)) == "text"
    assert reading(secure, ca_cert=str(file)) == "text"
    monkeypatch.setenv("VAULT_CACERT", str(file))
    assert reading(secure, deadline=29.0) == "text"


def test_a_server_that_nobody_vouches_for_is_refused_before_a_token_is_sent(secure):
    with pytest.raises(SecretStoreUnreachable, match="ca_cert") as raised:
        reading(secure)
    assert raised.value.reason == "tls"
    assert secure.requests == []


def test_only_the_given_authorities_vouch(secure, authority):
    with pytest.raises(SecretStoreUnreachable) as raised:
        reading(secure, ca_cert=pem(trustme.CA()))
    assert raised.value.reason == "tls"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(secure):
    assert reading(secure, verify_tls=False) == "text"


def test_a_certificate_for_another_name_is_refused_unless_the_name_is_given(authority):
    with FakeVault(certificates=authority.issue_cert("vault.internal")) as server:
        server.secret.put("k", {"value": "text"})
        with pytest.raises(SecretStoreUnreachable) as raised:
            reading(server, ca_cert=pem(authority))
        assert raised.value.reason == "tls"
        assert reading(server, ca_cert=pem(authority), server_name="vault.internal") == "text"


def test_a_client_certificate_is_shown_where_it_is_asked_for(authority):
    client = authority.issue_cert("flows")
    files = {
        "client_cert": client.cert_chain_pems[0].bytes().decode(),
        "client_key": client.private_key_pem.bytes().decode(),
    }
    with FakeVault(certificates=authority.issue_cert("127.0.0.1"), client_ca=authority) as server:
        server.secret.put("k", {"value": "text"})
        assert reading(server, ca_cert=pem(authority), **files) == "text"
        with pytest.raises(SecretStoreUnreachable):
            reading(server, ca_cert=pem(authority))


def test_no_redirect_leads_from_tls_to_clear_text(secure, authority, vault):
    secure.fail(path="secret/data", status=307, headers={"Location": f"{vault.address}/v1/secret/data/k"})
    with pytest.raises(SecretStoreUnreachable, match="without TLS"):
        reading(secure, ca_cert=pem(authority))
    assert vault.requests == []
