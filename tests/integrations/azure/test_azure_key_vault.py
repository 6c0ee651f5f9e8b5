"""Secrets in an Azure Key Vault: what the contract of all stores does not say."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from time import time

import pytest
from fakes.azure import LARGEST, Fault
from pydantic import SecretBytes, SecretStr

from typecase.blocks import Block, secret
from typecase.blocks.checks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    MissingPackage,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.registries import use_registry
from typecase.integrations.azure import AzureKeyVault
from typecase.integrations.secret import Secret

DAY = 86400


def test_the_first_request_carries_no_token_and_one_sign_in_serves_all(azure, vault):
    azure.put("a", "x")
    block = vault()
    for _ in range(3):
        block.get("a")
    assert (azure.challenges, azure.sign_ins, len(azure.requests)) == (1, 1, 3)


def test_a_version_is_the_services_own(azure, vault):
    versions = [azure.put("a", "one"), azure.put("a", "two")]
    found = vault().read("a")
    assert (found.version, found.get_secret_value()) == (versions[1], b"two")
    assert vault().get("a", versions[0]).get_secret_value() == "one"


@pytest.mark.parametrize("version", ["a/../../secrets/b", "x" * 65, "?", "a b"], ids=repr)
def test_a_version_that_cannot_be_makes_no_request(azure, vault, version):
    azure.put("a", "x")
    with pytest.raises(SecretNotFound, match="version"):
        vault().get("a", version)
    assert azure.requests == []


def test_a_name_ignores_case(azure, vault):
    azure.put("Prod-DB", "x")
    assert vault().get("prod-db").get_secret_value() == "x"


def test_a_value_has_the_end_of_its_secret(azure, vault):
    ends = int(time()) + DAY
    azure.put("a", "x", exp=ends)
    assert vault().read("a").expires_at == datetime.fromtimestamp(ends, UTC)


def test_a_secret_without_an_end_has_none(azure, vault):
    azure.put("a", "x")
    assert vault().read("a").expires_at is None


def test_a_secret_past_its_end_is_refused_although_the_service_gives_it(azure, vault, canary, assert_no_canary):
    azure.put("a", canary, exp=int(time()) - DAY)
    with pytest.raises(SecretExpired, match="expired on 20") as raised:
        vault().get("a")
    assert_no_canary(str(raised.value))


def test_a_secret_before_its_beginning_is_refused_in_words_of_its_own(azure, vault):
    azure.put("a", "x", nbf=int(time()) + DAY)
    with pytest.raises(SecretExpired, match="not valid yet, but from 20"):
        vault().get("a")


def test_a_disabled_secret_is_told_from_a_forbidden_one(azure, vault):
    azure.put("a", "x", enabled=False)
    with pytest.raises(SecretExpired, match="is disabled"):
        vault().get("a")


def test_an_earlier_version_of_a_disabled_one_is_readable(azure, vault):
    earlier = azure.put("a", "x")
    azure.put("a", "y", enabled=False)
    assert vault().get("a", earlier).get_secret_value() == "x"


def test_a_deleted_secret_says_until_when_it_can_be_recovered(azure, vault):
    azure.put("a", "x")
    vault().delete("a")
    with pytest.raises(SecretNotFound, match="recovered until 2100-01-01") as raised:
        vault().get("a")
    assert raised.value.reason == "deleted"


def test_a_deleted_secret_looks_absent_to_who_may_not_see_deleted_ones(azure, vault):
    azure.put("a", "x")
    vault().delete("a")
    azure.denied["deletedsecrets/get"] = "ForbiddenByRbac"
    with pytest.raises(SecretNotFound) as raised:
        vault().get("a")
    assert raised.value.reason == "absent"


def test_a_missing_version_of_a_secret_that_is_there_is_absent(azure, vault):
    azure.put("a", "x")
    with pytest.raises(SecretNotFound, match="no version '0'") as raised:
        vault().get("a", "0")
    assert raised.value.reason == "absent"


def test_the_name_of_a_deleted_secret_is_taken_and_the_error_says_how_to_free_it(azure, vault):
    azure.put("a", "x")
    vault().delete("a")
    with pytest.raises(SecretError, match="recover it") as raised:
        vault().put("a", SecretStr("y"))
    assert raised.value.reason == "deleted"


def test_deleting_leaves_a_secret_that_can_be_recovered(azure, vault):
    azure.put("a", "x")
    vault().delete("a")
    assert list(azure.deleted) == ["a"]


def test_a_deleted_secret_cannot_be_deleted_again(azure, vault):
    azure.put("a", "x")
    vault().delete("a")
    with pytest.raises(SecretNotFound) as raised:
        vault().delete("a")
    assert raised.value.reason == "deleted"


def test_purging_frees_the_name(azure, vault):
    azure.put("a", "x")
    azure.purge_after = 3
    block = vault(purge=True)
    block.delete("a")
    assert azure.deleted == {}
    block.put("a", SecretStr("y"))
    assert block.get("a").get_secret_value() == "y"


def test_purging_without_the_permission_is_forbidden_and_leaves_a_deleted_secret(azure, vault):
    azure.put("a", "x")
    azure.denied["deletedsecrets/purge"] = "ForbiddenByRbac"
    with pytest.raises(SecretForbidden):
        vault(purge=True).delete("a")
    assert list(azure.deleted) == ["a"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ForbiddenByRbac", "Key Vault Secrets User"),
        ("ForbiddenByPolicy", "access policy"),
        ("ForbiddenByFirewall", "firewall"),
        ("ForbiddenByConnection", "private endpoint"),
        ("SomethingNew", "Key Vault Secrets User"),
    ],
)
def test_a_refusal_says_which_door_is_shut(azure, vault, code, hint):
    azure.put("a", "x")
    azure.denied["secrets/get"] = code
    with pytest.raises(SecretForbidden) as raised:
        vault().get("a")
    assert hint in raised.value.hint
    assert raised.value.key == "a"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (SecretStr("x" * (LARGEST + 1)), "at most 25600"),
        (SecretStr("\u00e9" * (LARGEST // 2 + 1)), "at most 25600"),
        (SecretStr(""), "empty"),
        (SecretBytes(b"\xff\xfe"), "text only"),
        (SecretStr("\ud800"), "Unicode"),
    ],
    ids=["long", "long in UTF-8", "empty", "binary", "surrogate"],
)
def test_a_value_that_does_not_fit_is_refused_before_any_request(azure, vault, value, problem):
    with pytest.raises(SecretMalformed, match=problem):
        vault().put("a", value)
    assert azure.challenges == 0


def test_the_longest_value_is_kept_whole(vault):
    vault().put("a", SecretStr("x" * LARGEST))
    assert len(vault().get("a").get_secret_value()) == LARGEST


def test_bytes_that_are_text_are_kept_as_text(vault):
    vault().put("a", SecretBytes("\u00e9".encode()))
    assert vault().get("a").get_secret_value() == "\u00e9"


@pytest.mark.parametrize("content_type", [None, "text/plain"])
def test_what_is_put_has_the_content_type_of_the_block(azure, vault, content_type):
    vault(content_type=content_type).put("a", SecretStr("x"))
    assert azure.secrets["a"][-1]["contentType"] == content_type


def test_nobody_to_ask_as_is_a_refused_sign_in_with_a_next_step(vault, credentials, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    nobody = credentials(method="default", tenant_id=None, client_id=None, client_secret=None)
    with pytest.raises(AuthenticationFailed, match="az login"):
        vault(credentials=nobody).get("a")


def test_a_list_goes_from_page_to_page(azure, vault):
    for number in range(60):
        azure.put(f"a{number:02}", "x")
    azure.put("b", "x")
    assert list(vault().list("a")) == [f"a{number:02}" for number in range(60)]
    assert azure.requests == [("GET", "/secrets")] * 3


def test_a_page_without_names_does_not_end_a_list(azure, vault):
    azure.put("a", "x")
    page = f'{{"value": [], "nextLink": "{azure.url}/secrets?api-version=7.4&$skiptoken=0&maxresults=25"}}'
    azure.fail(Fault(body=page), times=1)
    assert list(vault().list()) == ["a"]


def test_equal_blocks_share_one_client_also_among_threads(vault):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: id(vault().client()), range(32)))) == 1


def test_threads_read_through_one_client(azure, vault):
    for number in range(40):
        azure.put(f"a{number}", f"value {number}")
    block = vault()
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda number: block.get(f"a{number}").get_secret_value(), range(40))
    assert list(found) == [f"value {number}" for number in range(40)]


def test_the_client_is_the_sdks_own(azure, vault):
    azure.put("a", "x")
    assert vault().client().get_secret("a").value == "x"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_reads_with_a_client_of_its_own(azure, vault):
    azure.put("a", "x")
    block = vault()
    block.get("a")
    pipe, other = get_context("fork").Pipe()
    child = get_context("fork").Process(target=lambda: other.send(block.get("a").get_secret_value()))
    child.start()
    assert pipe.recv() == "x"
    child.join()
    assert block.get("a").get_secret_value() == "x"


def test_credentials_can_be_a_document_of_their_own(azure, vault, credentials):
    azure.put("a", "x")
    with use_registry(MemoryRegistry()):
        credentials().save("azure-prod")
        vault(credentials=Block.load("azure-prod")).save("vault-prod")
        assert AzureKeyVault.load("vault-prod").get("a").get_secret_value() == "x"


def test_a_field_that_points_into_the_vault_has_its_value(azure, vault):
    azure.put("db", '{"password": "x"}')
    with use_registry(MemoryRegistry()):
        vault().save("azure-prod")
        Secret(value=secret("azure-prod", "db", field="password")).save("one")
        assert Block.load("one").value.get_secret_value() == "x"


def test_a_token_is_not_given_to_a_host_outside_the_domain_it_asks_for(azure, vault):
    azure.put("a", "x")
    with pytest.raises(SecretStoreUnreachable, match="does not match the requested domain") as raised:
        vault(verify_challenge_resource=True).get("a")
    assert "verify_challenge_resource" in raised.value.hint
    assert azure.requests == []


def test_a_token_of_another_tenant_is_not_asked_for(vault, credentials):
    other = credentials(tenant_id="99999999-0000-0000-0000-000000000000")
    with pytest.raises(AuthenticationFailed, match="tenant"):
        vault(credentials=other).get("a")


def test_a_token_that_is_refused_is_forgotten_and_the_next_call_signs_in_anew(azure, vault):
    azure.put("a", "x")
    block = vault()
    block.get("a")
    azure.tokens.clear()
    with pytest.raises(AuthenticationFailed):
        block.get("a")
    assert block.get("a").get_secret_value() == "x"


def test_a_check_of_a_good_vault_is_ready_at_every_stage(azure, vault):
    azure.put("a", "x")
    check = vault().check()
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "tls", "auth", "permission"]
    assert check.status is Status.READY


def test_a_check_reads_no_value(azure, vault):
    azure.put("a", "x")
    vault().check()
    assert azure.requests == [("GET", "/secrets")]


def test_a_check_that_may_not_list_cannot_tell_whether_it_may_read(azure, vault):
    azure.denied["secrets/list"] = "ForbiddenByPolicy"
    check = vault().check()
    assert [stage.status for stage in check.stages[-2:]] == [Status.READY, Status.UNKNOWN]


def test_a_check_names_a_firewall(azure, vault):
    azure.denied["secrets/list"] = "ForbiddenByFirewall"
    stage = vault().check().stages[-1]
    assert (stage.name, stage.status) == ("permission", Status.ERROR)
    assert "firewall" in stage.next_step


def test_a_check_with_a_wrong_secret_fails_at_auth(vault, credentials, canary, assert_no_canary):
    check = vault(credentials=credentials(client_secret=canary)).check()
    assert (check.stages[-1].name, check.status) == ("auth", Status.ERROR)
    assert_no_canary(repr(check))


def test_a_check_names_a_vault_that_nobody_vouches_for(vault):
    stage = vault(ca_certificates=None).check().stages[-1]
    assert (stage.name, stage.status) == ("tls", Status.ERROR)


def test_a_check_with_unfit_certificate_authorities_says_so(vault):
    stage = vault(ca_certificates="/absent.pem").check().stages[-1]
    assert (stage.name, stage.status) == ("tls", Status.ERROR)
    assert "ca_certificates" in stage.next_step


def test_a_check_behind_a_proxy_leaves_the_way_to_it(azure, vault, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    check = vault(timeout=0.2).check()
    assert [stage.name for stage in check.stages] == ["auth"]
    assert check.status is Status.UNKNOWN


def test_without_the_package_it_says_which_extra_to_install(vault, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(MissingPackage, match=r"typecase\[azure\]"):
        vault().get("a")
