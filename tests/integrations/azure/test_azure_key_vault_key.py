"""A Key Vault key as root key: bound to its place, rotated by Azure, and every failure with a reason of its own."""

import logging
import traceback

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fakes.azure import OAEP, Fault

from typecase.blocks import Block
from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, SettingsError
from typecase.integrations.azure import AzureKeyVaultKey
from typecase.integrations.azure.key_url import place_of
from typecase.integrations.azure.wrapping import How, Wrapped, bound, digest_of
from typecase.integrations.secret import Secret
from typecase.registry.keys import open_key

CONTEXT = (b"data key", b"workspace", b"1")
DATA_KEY = bytes(range(32))
BUSY = Fault(503, "", {"Retry-After": "0"})


@pytest.fixture(params=["rsa", "aes"])
def material(request, rsa_keys):
    """Key material for two versions of one key."""
    return rsa_keys if request.param == "rsa" else [AESGCM.generate_key(256) for _ in range(2)]


@pytest.fixture
def registry_key(azure, key_url, material):
    """The key, open."""
    azure.put_key("registry", material[0])
    return AzureKeyVaultKey.from_url(key_url("registry"))


def test_its_id_names_vault_and_key_and_no_version(azure, registry_key):
    assert registry_key.id == f"azurekeyvault:{azure.host}/keys/registry"


def test_its_scheme_opens_it(azure, key_url, registry_key):
    assert open_key(key_url("registry")).id == registry_key.id


def test_a_registry_can_be_locked_with_it(azure, key_url, rsa_keys, monkeypatch):
    azure.put_key("registry", rsa_keys[0])
    monkeypatch.setenv("TYPECASE_KEY", key_url("registry"))
    Secret(value="locked away").save("one")
    assert Block.load("one").value.get_secret_value() == "locked away"
    assert ("POST", "wrapkey") in {(verb, path.rpartition("/")[2]) for verb, path in azure.requests}


def test_a_rotated_key_wraps_anew_and_unwraps_what_its_earlier_version_wrapped(azure, registry_key, material):
    earlier = registry_key.wrap(DATA_KEY, context=CONTEXT)
    version = azure.put_key("registry", material[1])
    later = registry_key.wrap(DATA_KEY, context=CONTEXT)
    assert Wrapped.parse(later).key_id == f"{azure.url}/keys/registry/{version}"
    assert Wrapped.parse(earlier).key_id != Wrapped.parse(later).key_id
    assert [registry_key.unwrap(wrapped, context=CONTEXT) for wrapped in (earlier, later)] == [DATA_KEY] * 2


def test_a_pinned_version_goes_on_wrapping_after_a_rotation(azure, key_url, material):
    version = azure.put_key("registry", material[0])
    azure.put_key("registry", material[1])
    key = AzureKeyVaultKey.from_url(key_url(f"registry/{version}"))
    assert Wrapped.parse(key.wrap(DATA_KEY, context=CONTEXT)).key_id.endswith(version)


def test_a_pinned_version_unwraps_what_another_wrapped(azure, key_url, registry_key, material):
    version = azure.put_key("registry", material[1])
    key = AzureKeyVaultKey.from_url(key_url(f"registry/{version}"))
    assert key.unwrap(registry_key.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY


def test_the_service_itself_does_the_wrapping(azure, registry_key):
    azure.requests.clear()
    registry_key.unwrap(registry_key.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT)
    operations = [path.rpartition("/")[2] for verb, path in azure.requests if verb == "POST"]
    assert operations in (["wrapkey", "unwrapkey"], ["encrypt", "decrypt"])


def test_a_disabled_key_wraps_nothing_more(azure, registry_key):
    next(iter(azure.keys["registry"].values())).attributes["enabled"] = False
    with pytest.raises(KeyUnavailable) as raised:
        registry_key.wrap(DATA_KEY, context=CONTEXT)
    assert raised.value.reason == "disabled"


def test_a_disabled_key_unwraps_nothing_more(azure, registry_key):
    wrapped = registry_key.wrap(DATA_KEY, context=CONTEXT)
    next(iter(azure.keys["registry"].values())).attributes["enabled"] = False
    with pytest.raises(KeyUnavailable) as raised:
        registry_key.unwrap(wrapped, context=CONTEXT)
    assert raised.value.reason == "disabled"


def test_a_key_that_is_gone_is_absent_and_no_damage(azure, registry_key):
    wrapped = registry_key.wrap(DATA_KEY, context=CONTEXT)
    del azure.keys["registry"]
    with pytest.raises(KeyUnavailable) as raised:
        registry_key.unwrap(wrapped, context=CONTEXT)
    assert raised.value.reason == "absent"


def test_a_version_that_the_key_does_not_have_is_no_outage(azure, registry_key):
    wrapped = Wrapped.parse(registry_key.wrap(DATA_KEY, context=CONTEXT))
    other = Wrapped(wrapped.how, f"{azure.url}/keys/registry/{'0' * 32}", wrapped.content)
    with pytest.raises(DecryptionFailed):
        registry_key.unwrap(bytes(other), context=CONTEXT)


@pytest.mark.parametrize("operation", ["get", "wrapkey", "encrypt"])
def test_a_forbidden_key_names_the_role(azure, registry_key, operation):
    azure.denied = dict.fromkeys([f"keys/{operation}", "keys/wrapkey", "keys/encrypt"], "ForbiddenByRbac")
    with pytest.raises(KeyUnavailable, match="Crypto") as raised:
        registry_key.wrap(DATA_KEY, context=CONTEXT)
    assert raised.value.reason == "forbidden"


@pytest.mark.parametrize("kind", ["silent", "reset", "drip", "endless", "truncated", "answer"])
def test_an_outage_is_never_a_damaged_key(azure, key_url, material, kind):
    azure.put_key("registry", material[0])
    wrapped = AzureKeyVaultKey.from_url(key_url("registry")).wrap(DATA_KEY, context=CONTEXT)
    hasty = AzureKeyVaultKey(place_of(key_url("registry").replace("timeout=5", "timeout=0.3")))
    azure.fail(Fault(kind=kind, body="{"))
    with pytest.raises(KeyUnavailable) as raised:
        hasty.unwrap(wrapped, context=CONTEXT)
    assert raised.value.reason == "unreachable"


def test_an_outage_is_tried_as_often_as_the_url_says(azure, registry_key):
    wrapped = registry_key.wrap(DATA_KEY, context=CONTEXT)
    azure.requests.clear()
    azure.fail(BUSY)
    with pytest.raises(KeyUnavailable):
        registry_key.unwrap(wrapped, context=CONTEXT)
    assert len(azure.requests) == 2


def test_a_wrong_identity_is_forbidden(azure, key_url, material, monkeypatch):
    azure.put_key("registry", material[0])
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "a wrong one")
    with pytest.raises(KeyUnavailable) as raised:
        AzureKeyVaultKey.from_url(key_url("registry"))
    assert raised.value.reason == "forbidden"


def test_a_key_that_is_not_there_is_absent(key_url):
    with pytest.raises(KeyUnavailable) as raised:
        AzureKeyVaultKey.from_url(key_url("nothing"))
    assert raised.value.reason == "absent"


def test_a_key_that_may_only_sign_is_not_fit(azure, key_url, material):
    azure.put_key("signer", material[0], "sign", "verify")
    with pytest.raises(KeyUnavailable, match="sign, verify") as raised:
        AzureKeyVaultKey.from_url(key_url("signer"))
    assert raised.value.reason == "malformed"


def test_a_wrapped_key_cannot_send_the_process_to_another_host_or_key(azure, registry_key):
    wrapped = Wrapped.parse(registry_key.wrap(DATA_KEY, context=CONTEXT))
    version = wrapped.key_id.rpartition("/")[2]
    azure.requests.clear()
    for key_id in (
        f"https://elsewhere.example.com/keys/registry/{version}",
        f"{azure.url}/keys/other/{version}",
        f"{azure.url}/keys/registry/{version}/../../secrets",
        f"{azure.url}/secrets/registry/{version}",
    ):
        with pytest.raises(DecryptionFailed):
            registry_key.unwrap(bytes(Wrapped(wrapped.how, key_id, wrapped.content)), context=CONTEXT)
    assert azure.requests == []


def test_what_is_wrapped_fits_the_smallest_rsa_key(azure, key_url, rsa_keys):
    azure.put_key("registry", rsa_keys[0])
    wrapped = Wrapped.parse(AzureKeyVaultKey.from_url(key_url("registry")).wrap(DATA_KEY, context=CONTEXT))
    assert rsa_keys[0].key_size == 2048
    assert rsa_keys[0].decrypt(wrapped.content, OAEP) == DATA_KEY + digest_of(wrapped.header, CONTEXT)


def test_aes_authenticates_header_and_context(azure, key_url):
    material = AESGCM.generate_key(256)
    azure.put_key("registry", material)
    wrapped = Wrapped.parse(AzureKeyVaultKey.from_url(key_url("registry")).wrap(DATA_KEY, context=CONTEXT))
    iv, tag, content = wrapped.content[:12], wrapped.content[12:28], wrapped.content[28:]
    assert AESGCM(material).decrypt(iv, content + tag, bound(wrapped.header, CONTEXT)) == DATA_KEY


def test_a_data_key_wrapped_by_hand_without_its_context_is_refused(azure, key_url, rsa_keys):
    version = azure.put_key("registry", rsa_keys[0])
    key = AzureKeyVaultKey.from_url(key_url("registry"))
    for content in (DATA_KEY, DATA_KEY * 2, b"x"):
        sealed = rsa_keys[0].public_key().encrypt(content, OAEP)
        forged = Wrapped(How.RSA_OAEP_256, f"{azure.url}/keys/registry/{version}", sealed)
        with pytest.raises(DecryptionFailed):
            key.unwrap(bytes(forged), context=CONTEXT)


def test_no_two_headers_and_contexts_are_the_same_bytes():
    contexts = [(), (b"",), (b"", b""), (b"a", b"b"), (b"ab",), (b"a", b"b", b"")]
    found = {bound(header, context) for header in (b"", b"a", b"ab") for context in contexts}
    assert len(found) == 3 * len(contexts)


def test_a_failure_shows_neither_data_key_nor_token(azure, registry_key, caplog, assert_no_canary):
    caplog.set_level(logging.DEBUG)
    data_key = "the-data-key-of-this-test-in-txt"
    azure.fail(BUSY)
    with pytest.raises(KeyUnavailable) as raised:
        registry_key.wrap(data_key.encode(), context=CONTEXT)
    azure.faults = []
    azure.denied = dict.fromkeys(["keys/wrapkey", "keys/encrypt"], "ForbiddenByRbac")
    with pytest.raises(KeyUnavailable) as refused:
        registry_key.wrap(data_key.encode(), context=CONTEXT)
    for error in (raised.value, refused.value):
        below = error.__traceback__.tb_next
        shown = "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())
        assert_no_canary(shown, caplog.text, secret=data_key)
        assert_no_canary(shown, caplog.text, secret=next(iter(azure.tokens)))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("azurekeyvault://", "no key"),
        ("azurekeyvault://a.vault.azure.net", "no key"),
        ("azurekeyvault://a.vault.azure.net/secrets/b", "no key"),
        ("azurekeyvault://a.vault.azure.net/keys/b/c/d", "no key"),
        ("azurekeyvault://a.vault.azure.net/keys/b_c", "no key"),
        ("azurekeyvault://a.vault.azure.net/keys/b/v-1", "no key"),
        ("azurekeyvault://a.vault.azure.net/keys/b#c", "no key"),
        ("azurekeyvault://user:pass@a.vault.azure.net/keys/b", "not valid"),
        ("azurekeyvault://a.vault.azure.net/keys/b?timeout=soon", "timeout"),
        ("azurekeyvault://a.vault.azure.net/keys/b?method=client-secret", "needs client_id"),
        ("azurekeyvault://a.vault.azure.net/keys/b?&&", "no key"),
    ],
)
def test_a_url_that_names_no_key_is_refused(url, problem):
    with pytest.raises(SettingsError, match=problem):
        AzureKeyVaultKey.from_url(url)


def test_a_secret_in_the_url_is_refused_and_not_shown(canary, assert_no_canary):
    with pytest.raises(SettingsError, match="client_secret") as raised:
        AzureKeyVaultKey.from_url(f"azurekeyvault://a.vault.azure.net/keys/b?client_secret={canary[:20]}")
    assert_no_canary(f"{raised.value} {raised.value!r}", secret=canary[:20])


def test_the_key_client_is_the_sdks_own(registry_key):
    assert registry_key.client().get_key("registry").name == "registry"
