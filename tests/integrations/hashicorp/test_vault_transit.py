"""A root key in Vault's transit engine."""

import re
from base64 import b64decode, b64encode

import pytest
import trustme
from fakes.vault import FakeVault, Role

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, RegistrySealed, SettingsError
from typecase.blocks.registries import close_registries
from typecase.blocks.testing import KeyProviderContract
from typecase.integrations.hashicorp import VaultTransitKey, connection
from typecase.integrations.hashicorp.transit import _sealed
from typecase.integrations.secret import Secret

CONTEXT = (b"data key", b"workspace", b"1")
DATA_KEY = bytes(range(32))
POLICY = (("transit/keys/typecase", {"read"}), ("transit/encrypt/*", {"update"}), ("transit/decrypt/*", {"update"}))


@pytest.fixture
def url(vault, monkeypatch):
    """The URL of a fit key, and a token in the environment that may use it and no more."""
    vault.transit.make("typecase")
    vault.transit.make("another")
    monkeypatch.setenv("VAULT_TOKEN", vault.token((*POLICY, ("transit/keys/another", {"read"}))))
    return f"vaulttransit://{vault.place}/transit/typecase?tls=false"


@pytest.fixture
def provider(url):
    return VaultTransitKey.from_url(url)


@pytest.fixture
def wrapped(provider):
    return provider.wrap(DATA_KEY, context=CONTEXT)


class TestVaultTransitKey(KeyProviderContract):
    @pytest.fixture
    def provider(self, url):
        return VaultTransitKey.from_url(url)

    @pytest.fixture
    def reopened(self, url):
        return VaultTransitKey.from_url(url.replace("tls=false", "tls=0"))

    @pytest.fixture
    def other(self, url):
        return VaultTransitKey.from_url(url.replace("typecase", "another"))


def reason_of(url):
    with pytest.raises(KeyUnavailable) as raised:
        VaultTransitKey.from_url(url)
    assert raised.value.hint
    return raised.value.reason


def reason_of_unwrapping(provider, wrapped):
    with pytest.raises(KeyUnavailable) as raised:
        provider.unwrap(wrapped, context=CONTEXT)
    assert raised.value.hint
    return raised.value.reason


def test_its_id_is_its_place(vault, provider):
    assert provider.id == f"vaulttransit:http://{vault.place}/transit/typecase"


def test_keys_in_two_namespaces_have_two_ids(vault, provider, url, monkeypatch):
    vault.spaces["admin"] = {"transit": vault.transit}
    named = VaultTransitKey.from_url(f"{url}&namespace=admin")
    assert named.id == f"vaulttransit:http://{vault.place}/admin/transit/typecase"
    monkeypatch.setenv("VAULT_NAMESPACE", "admin")
    assert VaultTransitKey.from_url(url).id == named.id
    assert named.unwrap(named.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY
    assert {namespace for _, path, namespace, _ in vault.requests if "crypt" in path} == {"admin"}


def test_a_mount_may_be_a_path(vault, url):
    vault.spaces[""]["teams/data/transit"] = vault.transit
    vault.tokens = dict.fromkeys(vault.tokens, vault.tokens[vault.root])
    key = VaultTransitKey.from_url(url.replace("/transit/", "/teams/data/transit/"))
    assert key.unwrap(key.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY


def test_a_wrapped_key_is_vaults_own_text_with_a_checksum(wrapped):
    assert re.fullmatch(rb"vault:v1:[A-Za-z0-9+/]+=*:[0-9a-f]{16}", wrapped)


def test_it_encrypts_with_the_newest_version_and_decrypts_older_ones(vault, provider, wrapped):
    vault.transit.rotate("typecase")
    newer = provider.wrap(DATA_KEY, context=CONTEXT)
    assert newer.startswith(b"vault:v2:")
    assert provider.unwrap(wrapped, context=CONTEXT) == provider.unwrap(newer, context=CONTEXT) == DATA_KEY


def test_a_changed_byte_is_noticed_without_asking_vault(vault, provider, wrapped):
    before = vault.count("decrypt")
    for place in range(len(wrapped)):
        with pytest.raises(DecryptionFailed):
            provider.unwrap(wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :], context=CONTEXT)
    assert vault.count("decrypt") == before


def forged(wrapped, change):
    """A wrapped key that was changed by somebody who knows about the checksum."""
    return _sealed(change(wrapped.rpartition(b":")[0]))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"vault:v1:", b"vault:v2:"),
        lambda text: text.replace(b"vault:v1:", b"vault:v0:"),
        lambda text: text.replace(b"vault:v1:", b"vault:v01:"),
        lambda text: text.replace(b"vault:v1:", b"wault:v1:"),
        lambda text: text.replace(b"vault:v1:", b""),
        lambda text: text[:9] + b64encode(b"\0" + b64decode(text[9:])[1:]),
        lambda text: text[:9] + b64encode(b64decode(text[9:])[:-1]),
        lambda text: text[:9] + b64encode(b"short"),
    ],
    ids=["newer", "zero", "padded", "prefix", "no prefix", "flipped", "cut", "short"],
)
def test_a_change_with_a_matching_checksum_is_refused_by_vault(provider, wrapped, change):
    with pytest.raises(DecryptionFailed):
        provider.unwrap(forged(wrapped, change), context=CONTEXT)


def test_every_bit_of_the_ciphertext_itself_is_authenticated(provider, wrapped):
    text = wrapped.rpartition(b":")[0]
    sealed = b64decode(text[9:])
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(DecryptionFailed):
            provider.unwrap(_sealed(text[:9] + b64encode(changed)), context=CONTEXT)


def test_base64_that_is_written_in_another_way_is_refused(provider):
    text = provider.wrap(DATA_KEY[:31], context=CONTEXT).rpartition(b":")[0]
    assert text.endswith(b"=")
    body = text.rstrip(b"=")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    sibling = letters[letters.index(body[-1]) + 1]
    respelt = body[:-1] + bytes([sibling]) + text[len(body) :]
    assert b64decode(respelt[9:]) == b64decode(text[9:])
    with pytest.raises(DecryptionFailed):
        provider.unwrap(_sealed(respelt), context=CONTEXT)


def test_a_version_below_the_minimum_is_a_key_that_is_no_longer_available(vault, provider, wrapped):
    vault.transit.rotate("typecase")
    vault.transit.keys["typecase"]["min_decryption_version"] = 2
    assert reason_of_unwrapping(provider, wrapped) == "disabled"


def test_a_key_that_was_deleted_is_absent(vault, provider, wrapped, url):
    del vault.transit.keys["typecase"]
    assert reason_of_unwrapping(provider, wrapped) == "absent"
    assert reason_of(url) == "absent"


def test_a_mount_that_is_not_there_is_absent(vault, url, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", vault.root)
    assert reason_of(url.replace("/transit/", "/typo/")) == "absent"


USES = {
    "keys": lambda url, _: VaultTransitKey.from_url(url),
    "encrypt": lambda url, _: VaultTransitKey.from_url(url).wrap(DATA_KEY, context=CONTEXT),
    "decrypt": lambda url, wrapped: VaultTransitKey.from_url(url).unwrap(wrapped, context=CONTEXT),
}


@pytest.mark.parametrize(("path", "use"), USES.items(), ids=USES)
def test_what_the_policy_does_not_allow_is_forbidden_and_names_the_path(vault, url, wrapped, monkeypatch, path, use):
    connection._CONNECTIONS.close()
    monkeypatch.setenv("VAULT_TOKEN", vault.token(tuple(rule for rule in POLICY if path not in rule[0])))
    with pytest.raises(KeyUnavailable, match=f"rule for transit/{path}/typecase") as raised:
        use(url, wrapped)
    assert raised.value.reason == "forbidden"


def test_a_bad_token_and_no_token_are_forbidden(url, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "hvs.unknown")
    assert reason_of(url) == "forbidden"
    monkeypatch.delenv("VAULT_TOKEN")
    assert reason_of(url) == "forbidden"


def test_a_sealed_vault_says_so(vault, provider, wrapped, url):
    vault.sealed = True
    assert reason_of_unwrapping(provider, wrapped) == "sealed"
    assert reason_of(url) == "sealed"


OUTAGES = {
    "reset": ({"kind": "reset"}, "unreachable", 3),
    "429": ({"status": 429}, "unreachable", 3),
    "500": ({"status": 500, "body": {"errors": ["internal error"]}}, "unreachable", 3),
    "broken storage": (
        {"status": 500, "body": {"errors": ["decryption failed: cipher: message authentication failed"]}},
        "unreachable",
        3,
    ),
    "503": ({"status": 503, "body": b""}, "unreachable", 3),
    "HTML": ({"kind": "html"}, "malformed", 1),
    "broken JSON": ({"kind": "cut"}, "malformed", 1),
    "huge": ({"kind": "huge"}, "malformed", 1),
    "no plaintext": ({"status": 200, "body": {"data": {"plaintext": None}}}, "malformed", 1),
    "no base64": ({"status": 200, "body": {"data": {"plaintext": "?"}}}, "malformed", 1),
    "unknown 400": ({"status": 400, "body": {"errors": ["something else"]}}, "malformed", 1),
}


@pytest.mark.parametrize(("fault", "reason", "requests"), OUTAGES.values(), ids=OUTAGES)
def test_an_outage_is_a_key_that_is_not_available_and_never_a_damaged_one(
    vault, provider, wrapped, fault, reason, requests
):
    vault.fail(**fault, path="decrypt")
    assert reason_of_unwrapping(provider, wrapped) == reason
    assert vault.count("decrypt") == requests


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (500, "1 error occurred:\n\t* cipher: message authentication failed\n\n"),
        (500, "chacha20poly1305: message authentication failed"),
        (400, "invalid ciphertext: could not decrypt"),
        (400, "invalid ciphertext length"),
    ],
)
def test_what_other_versions_say_of_a_damaged_key_is_understood(vault, provider, wrapped, status, sentence):
    vault.fail(path="decrypt", status=status, body={"errors": [sentence]})
    with pytest.raises(DecryptionFailed):
        provider.unwrap(wrapped, context=CONTEXT)


@pytest.mark.parametrize("body", [{"data": {}}, {"data": {"ciphertext": "vault:v1:"}}, {"data": {"ciphertext": "x"}}])
def test_what_is_no_ciphertext_is_not_kept(vault, provider, body):
    vault.fail(path="encrypt", status=200, body=body)
    with pytest.raises(KeyUnavailable) as raised:
        provider.wrap(DATA_KEY, context=CONTEXT)
    assert raised.value.reason == "malformed"


def test_an_address_where_nothing_listens_is_unreachable():
    with FakeVault() as gone:
        place = gone.place
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAULT_TOKEN", "t")
        assert reason_of(f"vaulttransit://{place}/transit/typecase?tls=false") == "unreachable"


@pytest.mark.parametrize(
    "facts",
    [{"derived": False}, {"type": "rsa-4096"}, {"type": "ed25519"}, {"convergent_encryption": True}],
    ids=["not derived", "rsa", "signing", "convergent"],
)
def test_a_key_that_binds_nothing_to_its_place_is_refused(vault, url, facts):
    vault.transit.make("typecase", **facts)
    assert reason_of(url) == "malformed"


def test_the_hint_about_an_unfit_key_is_the_command_that_makes_a_fit_one(vault, url):
    vault.transit.make("typecase", derived=False)
    with pytest.raises(KeyUnavailable, match="`vault write -f transit/keys/typecase derived=true`"):
        VaultTransitKey.from_url(url)


def test_the_approle_of_the_environment_signs_in_where_there_is_no_token(vault, url, monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN")
    vault.roles["approle"] = {"registry": Role({"role_id": "r", "secret_id": "s"}, POLICY)}
    monkeypatch.setenv("VAULT_ROLE_ID", "r")
    monkeypatch.setenv("VAULT_SECRET_ID", "s")
    assert VaultTransitKey.from_url(url).wrap(DATA_KEY, context=CONTEXT)


def test_a_token_of_the_environment_comes_before_its_approle_unless_the_url_says_otherwise(vault, url, monkeypatch):
    monkeypatch.setenv("VAULT_ROLE_ID", "r")
    assert VaultTransitKey.from_url(url)
    assert vault.count("login") == 0
    vault.roles["ops"] = {"registry": Role({"role_id": "r"}, POLICY)}
    assert VaultTransitKey.from_url(f"{url}&auth=approle&auth_mount=ops")
    assert vault.count("auth/ops/login") == 1


def test_a_pod_signs_in_with_its_service_account(vault, url):
    key = f"{url}&auth=kubernetes&role=registry"
    assert reason_of(key) == "forbidden"


@pytest.mark.parametrize(
    "url",
    [
        "vaulttransit://",
        "vaulttransit:///transit/key",
        "vaulttransit://host:8200",
        "vaulttransit://host:8200/key",
        "vaulttransit://host:x/transit/key",
        "vaulttransit://user:hidden@host/transit/key",
        "vaulttransit://host/transit/key#hidden",
        "vaulttransit://host/transit/..",
        "vaulttransit://host/transit//key",
        "vaulttransit://host/transit/a%2Fb",
        "vaulttransit://host/transit/key?token=hidden",
        "vaulttransit://host/transit/key?tls=maybe",
        "vaulttransit://host/transit/key?tls=true&tls=false",
        "vaulttransit://host/transit/key?auth=kubernetes",
        "vaulttransit://host/transit/key?auth=ldap",
        "vaulttransit://host/transit/key?role=hidden",
        "vaulttransit://host/transit/key?auth=approle&auth_mount=../x",
    ],
)
def test_a_url_that_names_no_key_is_refused_without_showing_it(url):
    with pytest.raises(SettingsError) as raised:
        VaultTransitKey.from_url(url)
    assert "hidden" not in str(raised.value)


def test_a_registry_is_opened_by_it_and_sealed_without_it(vault, url, monkeypatch):
    monkeypatch.setenv("TYPECASE_KEY", url)
    Secret(value="made up").save("token")
    close_registries()
    assert Secret.load("token").value.get_secret_value() == "made up"
    close_registries()
    vault.sealed = True
    with pytest.raises(RegistrySealed, match="sealed"):
        Secret.load("token")
    assert vault.count("encrypt/") == 1


def test_tls_is_the_default_and_its_authority_may_be_named(monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with FakeVault(certificates=authority.issue_cert("127.0.0.1")) as server:
        server.transit.make("typecase")
        monkeypatch.setenv("VAULT_TOKEN", server.root)
        url = f"vaulttransit://{server.place}/transit/typecase"
        key = VaultTransitKey.from_url(f"{url}?ca={tmp_path / 'ca.pem'}")
        assert key.unwrap(key.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY
        assert reason_of(url) == "unreachable"


def test_a_failure_shows_neither_token_nor_data_key(vault, provider, monkeypatch, canary, assert_no_canary, caplog):
    caplog.set_level("DEBUG")
    vault.fail(path="encrypt", status=400, body={"errors": [f"cannot encrypt {b64encode(canary.encode()).decode()}"]})
    with pytest.raises(KeyUnavailable, match="cannot encrypt") as raised:
        provider.wrap(canary.encode(), context=CONTEXT)
    assert_no_canary(f"{raised.value} {vars(raised.value)} {caplog.text}")
    assert raised.value.__cause__ is raised.value.__context__ is None
