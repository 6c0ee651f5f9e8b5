"""Signing in: each method, renewal in time, one sign-in for many threads, what a 403 means."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.vault import Role

from typecase.blocks.errors import AuthenticationFailed, InvalidBlock, SecretForbidden, SecretStoreUnreachable
from typecase.blocks.redaction import MASK
from typecase.integrations.hashicorp import (
    AppRoleSignIn,
    HashiCorpVault,
    JwtSignIn,
    KubernetesSignIn,
    TokenSignIn,
    connection,
)

READ = (("secret/data/*", {"read"}),)


@pytest.fixture
def secret(vault):
    vault.secret.put("k", {"value": "text"})
    return "k"


@pytest.fixture
def approle(vault):
    """An AppRole with a token of an hour that can be renewed for a day."""
    vault.roles["approle"] = {"flows": Role({"role_id": "r-1", "secret_id": "s-1"}, READ, ttl=3600, max_ttl=86400)}
    return AppRoleSignIn(role_id="r-1", secret_id="s-1")


@pytest.fixture
def signed_in(vault, store_of, approle, monkeypatch):
    """A block that signs in with the AppRole, on the server's clock."""
    build = connection.Connection.__init__
    monkeypatch.setattr(
        connection.Connection, "__init__", lambda self, principal: build(self, principal, clock=vault.clock)
    )
    return store_of(sign_in=approle)


def test_a_token_is_masked_in_logs_from_its_first_use(vault, store_of, approle, secret):
    store_of(sign_in=approle).get(secret)
    token = next(reversed(vault.tokens))
    assert token not in MASK.mask(f"sent {token}")


def test_a_token_signs_in(vault, store_of, secret):
    assert store_of(vault.token(READ)).get(secret).get_secret_value() == "text"


def test_without_a_sign_in_it_is_the_token_in_the_environment(vault, secret, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", vault.token(READ))
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    assert HashiCorpVault().get(secret).get_secret_value() == "text"


def test_without_either_it_is_the_file_that_vault_login_writes(vault, store_of, secret, home):
    (home / ".vault-token").write_text(vault.token(READ) + "\n")
    assert store_of(sign_in=TokenSignIn()).get(secret).get_secret_value() == "text"


def test_without_any_token_the_error_says_where_it_was_looked_for(store_of):
    with pytest.raises(AuthenticationFailed, match=r"VAULT_TOKEN is not set and ~/\.vault-token holds none"):
        store_of(sign_in=TokenSignIn()).get("k")


def test_a_token_that_changed_in_the_environment_is_taken_up(vault, store_of, secret, monkeypatch):
    first, second = vault.token(READ), vault.token(READ)
    store = store_of(sign_in=TokenSignIn())
    monkeypatch.setenv("VAULT_TOKEN", first)
    store.get(secret)
    vault.forget(first)
    monkeypatch.setenv("VAULT_TOKEN", second)
    assert store.get(secret).get_secret_value() == "text"


def test_an_approle_signs_in(store_of, approle, secret):
    assert store_of(sign_in=approle).get(secret).get_secret_value() == "text"


def test_an_approle_without_secret_id_signs_in_where_none_is_asked_for(vault, store_of, secret):
    vault.roles["machines"] = {"m": Role({"role_id": "r-2"}, READ)}
    store = store_of(sign_in=AppRoleSignIn(role_id="r-2", mount="machines"))
    assert store.get(secret).get_secret_value() == "text"


def test_a_pod_signs_in_with_the_token_that_its_file_holds_now(vault, store_of, secret, tmp_path):
    file = tmp_path / "token"
    file.write_text("old")
    store = store_of(sign_in=KubernetesSignIn(role="flows", jwt_path=str(file)))
    vault.roles["kubernetes"] = {"flows": Role({"jwt": "new"}, READ)}
    with pytest.raises(AuthenticationFailed, match="auth/kubernetes"):
        store.get(secret)
    file.write_text("new\n")
    assert store.get(secret).get_secret_value() == "text"


def test_a_pods_token_lies_where_kubernetes_puts_it():
    assert KubernetesSignIn(role="flows").jwt_path == "/var/run/secrets/kubernetes.io/serviceaccount/token"


def test_a_missing_file_with_a_token_is_a_failed_sign_in_that_names_it(store_of):
    with pytest.raises(AuthenticationFailed, match=r"/absent/token with the token cannot be read"):
        store_of(sign_in=KubernetesSignIn(role="flows", jwt_path="/absent/token")).get("k")


@pytest.mark.parametrize("given", ["text", "path"])
def test_a_json_web_token_signs_in(vault, store_of, secret, tmp_path, given):
    vault.roles["gitlab"] = {"ci": Role({"jwt": "ey.j.wt"}, READ)}
    (tmp_path / "jwt").write_text("ey.j.wt")
    token = {"jwt": "ey.j.wt"} if given == "text" else {"jwt_path": str(tmp_path / "jwt")}
    assert store_of(sign_in=JwtSignIn(role="ci", mount="gitlab", **token)).get(secret).get_secret_value() == "text"


@pytest.mark.parametrize("given", [{}, {"jwt": "a.b.c.d", "jwt_path": "/absent/file"}], ids=["neither", "both"])
def test_a_json_web_token_is_a_text_or_a_path(given):
    with pytest.raises(InvalidBlock, match="one of the two"):
        HashiCorpVault(sign_in={"method": "jwt", **given})


def test_a_sign_in_is_chosen_by_its_method():
    block = HashiCorpVault(sign_in={"method": "approle", "role_id": "r"})
    assert block.sign_in == AppRoleSignIn(role_id="r")


@pytest.mark.parametrize("mount", ["", "/a", "a/", "a//b", "a?b", "a b", "a%b"])
def test_a_mount_is_a_path(mount):
    with pytest.raises(InvalidBlock, match="mount"):
        HashiCorpVault(mount=mount)


def test_a_wrong_secret_id_is_a_failed_sign_in(vault, store_of, approle, canary, assert_no_canary):
    store = store_of(sign_in=approle.model_copy(update={"secret_id": type(approle.secret_id)(canary)}))
    with pytest.raises(AuthenticationFailed, match="invalid role or secret ID") as raised:
        store.get("k")
    assert_no_canary(f"{raised.value!r} {vars(raised.value)}")


def test_a_method_that_is_not_mounted_is_a_failed_sign_in(store_of):
    with pytest.raises(AuthenticationFailed, match="mounted at auth/approle"):
        store_of(sign_in=AppRoleSignIn(role_id="r")).get("k")


def test_a_sign_in_that_fails_for_vaults_own_reasons_is_an_outage(vault, store_of, approle):
    vault.fail(path="auth/approle/login", status=500)
    with pytest.raises(SecretStoreUnreachable) as raised:
        store_of(sign_in=approle).get("k")
    assert raised.value.reason == "failed"


def test_equal_blocks_sign_in_once(vault, store_of, approle, secret):
    for _ in range(3):
        store_of(sign_in=approle).get(secret)
    assert vault.count("login") == 1


def test_many_threads_sign_in_once(vault, store_of, approle, secret):
    store = store_of(sign_in=approle)
    with ThreadPoolExecutor(16) as threads:
        found = {value.get_secret_value() for value in threads.map(store.get, [secret] * 64)}
    assert found == {"text"}
    assert vault.count("login") == 1


def test_a_token_is_not_renewed_before_two_thirds_of_its_life(vault, signed_in, secret):
    signed_in.get(secret)
    vault.clock.advance(2399)
    signed_in.get(secret)
    assert vault.count("renew-self") == 0


def test_a_token_is_renewed_at_two_thirds_of_its_life(vault, signed_in, secret):
    signed_in.get(secret)
    vault.clock.advance(2401)
    signed_in.get(secret)
    assert (vault.count("renew-self"), vault.count("login")) == (1, 1)
    vault.clock.advance(2399)
    signed_in.get(secret)
    assert vault.count("renew-self") == 1


def test_a_token_near_its_longest_life_is_replaced(vault, signed_in, secret):
    vault.roles["approle"]["flows"].max_ttl = 3000
    signed_in.get(secret)
    vault.clock.advance(2401)
    signed_in.get(secret)
    assert (vault.count("renew-self"), vault.count("login")) == (1, 2)


def test_a_token_that_cannot_be_renewed_is_replaced(vault, signed_in, secret):
    vault.roles["approle"]["flows"].renewable = False
    signed_in.get(secret)
    vault.clock.advance(2401)
    signed_in.get(secret)
    assert (vault.count("renew-self"), vault.count("login")) == (0, 2)


def test_a_token_that_ended_is_replaced(vault, signed_in, secret):
    signed_in.get(secret)
    vault.clock.advance(3601)
    assert signed_in.get(secret).get_secret_value() == "text"
    assert (vault.count("renew-self"), vault.count("login")) == (0, 2)


def test_a_token_that_lives_serves_on_while_it_cannot_be_renewed(vault, signed_in, secret):
    signed_in.get(secret)
    vault.fail(path="renew-self", status=503, body={"errors": ["upstream"]})
    vault.clock.advance(2401)
    assert signed_in.get(secret).get_secret_value() == "text"
    assert vault.count("login") == 1


def test_a_renewal_that_failed_is_tried_again_later(vault, signed_in, secret):
    signed_in.get(secret)
    vault.fail(path="renew-self", status=400, times=0)
    vault.fail(path="renew-self", kind="reset", times=3)
    vault.clock.advance(2401)
    signed_in.get(secret)
    vault.clock.advance(301)
    signed_in.get(secret)
    assert vault.count("renew-self") == 4
    vault.clock.advance(2000)
    assert signed_in.get(secret).get_secret_value() == "text"
    assert vault.count("login") == 1


def test_a_token_that_is_refused_is_replaced_once(vault, store_of, approle, secret):
    store = store_of(sign_in=approle)
    store.get(secret)
    for value in list(vault.tokens):
        vault.forget(value)
    assert store.get(secret).get_secret_value() == "text"
    assert vault.count("login") == 2


def test_many_threads_replace_a_refused_token_once(vault, store_of, approle, secret):
    store = store_of(sign_in=approle)
    store.get(secret)
    for value in list(vault.tokens):
        vault.forget(value)
    with ThreadPoolExecutor(16) as threads:
        found = {value.get_secret_value() for value in threads.map(store.get, [secret] * 64)}
    assert found == {"text"}
    assert vault.count("login") == 2


def test_a_403_with_a_good_token_is_a_missing_permission_and_no_new_sign_in(vault, store_of, approle):
    vault.roles["approle"]["flows"].rules = (("secret/data/other", {"read"}),)
    store = store_of(sign_in=approle)
    with pytest.raises(SecretForbidden, match="policy"):
        store.get("k")
    assert vault.count("login") == 1


def test_a_403_of_an_older_vault_for_a_bad_token_is_a_failed_sign_in(vault, store_of, secret):
    vault.fail(status=403, body={"errors": ["permission denied"]})
    with pytest.raises(AuthenticationFailed):
        store_of().get(secret)


def test_a_token_that_ends_under_a_block_is_a_failed_sign_in(vault, store_of, secret):
    token = vault.token(READ)
    store = store_of(token)
    store.get(secret)
    vault.forget(token)
    with pytest.raises(AuthenticationFailed):
        store.get(secret)


def test_a_token_without_the_default_policy_reads_what_it_may(vault, store_of, secret):
    token = vault.token(READ, default=False)
    assert store_of(token).get(secret).get_secret_value() == "text"


@pytest.mark.parametrize("token", ["two words", "línea", "new\nline", "  "])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(vault, store_of, token):
    with pytest.raises(AuthenticationFailed, match="printable ASCII") as raised:
        store_of(token).get("k")
    assert token.strip() == "" or token not in str(raised.value)
    assert vault.requests == []


FORKING = """
import os, sys
from typecase.integrations.hashicorp import AppRoleSignIn, HashiCorpVault
store = HashiCorpVault(sign_in=AppRoleSignIn(role_id="r-1", secret_id="s-1"))
print(store.get("k").get_secret_value(), flush=True)
child = os.fork()
print(store.get("k").get_secret_value(), flush=True)
if child:
    os.waitpid(child, 0)
    print(store.get("k").get_secret_value(), flush=True)
"""


@pytest.mark.usefixtures("approle", "secret")
def test_a_forked_child_signs_in_for_itself_and_leaves_its_parent_alone(vault, monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "text\n" * 4
    assert vault.count("login") == 2
