"""The stages of a check: each failure at its stage, with the next step, and no secret read."""

import pytest
import trustme
from fakes.vault import FakeVault

from typecase.blocks import Status
from typecase.integrations.hashicorp import HashiCorpVault, TokenSignIn


def failed(block):
    """The last stage, which failed."""
    check = block.check()
    assert check.status is Status.ERROR
    stage = check.stages[-1]
    assert stage.status is Status.ERROR
    assert stage.reason
    assert stage.next_step
    assert [other.status for other in check.stages[:-1]] == [Status.READY] * (len(check.stages) - 1)
    return stage


def test_a_good_vault_is_ready_at_every_stage(vault, store):
    check = store.check()
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "seal", "auth", "permission"]
    assert check.status is Status.READY


def test_with_tls_there_is_one_stage_more():
    authority = trustme.CA()
    with FakeVault(certificates=authority.issue_cert("127.0.0.1")) as server:
        block = HashiCorpVault(
            address=server.address,
            sign_in=TokenSignIn(value=server.root),
            ca_cert=authority.cert_pem.bytes().decode(),
        )
        check = block.check()
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "tls", "seal", "auth", "permission"]
    assert check.status is Status.READY


def test_an_unknown_authority_fails_at_tls():
    with FakeVault(certificates=trustme.CA().issue_cert("127.0.0.1")) as server:
        assert failed(HashiCorpVault(address=server.address)).name == "tls"


def test_another_name_in_the_certificate_fails_at_tls_when_it_is_the_wrong_one():
    authority = trustme.CA()
    with FakeVault(certificates=authority.issue_cert("vault.internal")) as server:
        fields = {"address": server.address, "ca_cert": authority.cert_pem.bytes().decode()}
        sign_in = TokenSignIn(value=server.root)
        assert HashiCorpVault(**fields, server_name="vault.internal", sign_in=sign_in).check()
        assert failed(HashiCorpVault(**fields, server_name="other.internal", attempts=1)).name == "tls"


def test_a_check_reads_no_secret_and_writes_nothing(vault, store_of):
    vault.secret.put("k", {"value": "text"})
    assert store_of(database_mount="database").check()
    asked = {(method, path) for method, path, _, _ in vault.requests}
    assert asked == {
        ("GET", "sys/seal-status"),
        ("GET", "auth/token/lookup-self"),
        ("GET", "sys/internal/ui/mounts/secret"),
        ("GET", "sys/internal/ui/mounts/database"),
    }


def test_without_an_address_it_fails_at_the_settings():
    stage = failed(HashiCorpVault())
    assert (stage.name, "VAULT_ADDR" in stage.reason) == ("settings", True)


def test_a_certificate_that_is_none_fails_at_the_settings():
    stage = failed(HashiCorpVault(address="https://127.0.0.1:1", ca_cert="/absent.pem"))
    assert (stage.name, "cannot be read" in stage.reason) == ("settings", True)


def test_an_address_where_nothing_listens_fails_at_tcp():
    with FakeVault() as gone:
        address = gone.address
    assert failed(HashiCorpVault(address=address)).name == "tcp"


def test_a_sealed_vault_fails_at_its_seal(vault, store):
    vault.sealed = True
    stage = failed(store)
    assert (stage.name, stage.next_step) == ("seal", "`vault operator unseal`")


def test_what_is_no_vault_fails_at_the_seal(vault, store):
    vault.fail("html")
    stage = failed(store)
    assert (stage.name, "that of a Vault" in stage.next_step) == ("seal", True)


def test_a_bad_token_fails_at_auth(store_of):
    assert failed(store_of("hvs.unknown")).name == "auth"


def test_no_token_fails_at_auth(store_of):
    stage = failed(store_of(sign_in=TokenSignIn()))
    assert (stage.name, "VAULT_TOKEN" in stage.next_step) == ("auth", True)


def test_a_token_for_other_mounts_fails_at_permission(vault, store_of):
    stage = failed(store_of(vault.token((("kv/*", {"read"}),))))
    assert (stage.name, "policy" in stage.next_step) == ("permission", True)


def test_the_wrong_version_of_the_engine_fails_at_permission(store_of):
    stage = failed(store_of(mount="kv"))
    assert (stage.name, stage.next_step) == ("permission", "Set the block's kv_version to 1.")


def test_a_mount_of_another_engine_fails_at_permission(store_of):
    assert failed(store_of(mount="transit")).name == "permission"
    assert failed(store_of(database_mount="kv")).next_step == "Set the block's database_mount."


def test_a_throttled_vault_is_unknown(vault, store):
    vault.fail(status=429, path="lookup-self")
    check = store.check()
    assert (check.status, check.stages[-1].name) == (Status.UNKNOWN, "auth")


@pytest.mark.parametrize("kind", ["reset", "trickle", "truncated", "huge", "cut"])
def test_a_check_raises_nothing(vault, store_of, kind):
    vault.fail(kind)
    assert failed(store_of(timeout=0.2, attempts=1)).name == "seal"


def test_a_check_shows_no_secret(vault, store_of, canary, assert_no_canary):
    vault.fail(status=400, path="lookup-self", body={"errors": [f"bad {canary[:20]}"]})
    stage = failed(store_of(canary[:20]))
    assert stage.name == "auth"
    assert_no_canary(repr(stage), secret=canary[:20])
