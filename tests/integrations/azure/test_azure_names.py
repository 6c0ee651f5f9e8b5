"""Names and URLs of a Key Vault: the SDK checks none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks.errors import InvalidBlock, InvalidSecretKey
from typecase.integrations.azure import AzureKeyVault
from typecase.integrations.azure.names import LONGEST, is_name, name_of

VAULT = AzureKeyVault(vault_url="https://orders.vault.azure.net")
PARTS = st.lists(st.text(alphabet="abAB1-./_ \u00e9", max_size=6), max_size=4).map(tuple)


@given(PARTS)
def test_any_parts_make_a_name(parts):
    assert is_name(VAULT.key_of(*parts))


@given(PARTS, PARTS)
def test_other_parts_make_another_name_whatever_its_case(one, two):
    assert (VAULT.key_of(*one).lower() == VAULT.key_of(*two).lower()) == (one == two)


@given(st.lists(st.text(min_size=40, max_size=200), min_size=1, max_size=3).map(tuple))
def test_long_parts_make_a_name_too(parts):
    assert is_name(name_of(parts))


@pytest.mark.parametrize(
    ("parts", "beginning"),
    [
        (("prod", "db", "password"), "prod-db-password"),
        (("prod-db", "password"), "prod-db-password--"),
        (("Prod", "db"), "prod-db--"),
        (("a" * 300,), "a" * 50),
        (("\u00e9",), "typecase--"),
        ((), "typecase--"),
    ],
    ids=str,
)
def test_what_is_legal_in_the_parts_stays_readable(parts, beginning):
    assert name_of(parts).startswith(beginning)


def test_simple_parts_are_joined_and_nothing_else():
    assert VAULT.key_of("prod", "db", "password") == "prod-db-password"


@pytest.mark.parametrize("key", ["", "a b", "a/b", "a.b", "a_b", "\u00e9", "a" * (LONGEST + 1), "a\n", "\0"], ids=repr)
def test_an_impossible_name_is_refused_before_any_request(vault, azure, key):
    with pytest.raises(InvalidSecretKey, match="ASCII"):
        vault().get(key)
    assert azure.challenges == 0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://orders.vault.azure.net", "https only"),
        ("orders.vault.azure.net", "https only"),
        ("https://", "form"),
        ("https://user:pass@orders.vault.azure.net", "form"),
        ("https://orders.vault.azure.net/secrets/a", "leave out"),
        ("https://orders.vault.azure.net?x=1", "leave out"),
        ("https://orders.vault.azure.net:port", "form"),
        ("https://orders\\.vault.azure.net", "form"),
    ],
)
def test_a_url_that_is_no_vaults_is_refused(url, problem):
    with pytest.raises(InvalidBlock, match=problem):
        AzureKeyVault(vault_url=url)


@pytest.mark.parametrize("url", ["https://a.vault.azure.net", "https://a.vault.azure.net/", "https://localhost:8443"])
def test_the_url_of_a_vault_is_taken(url):
    assert AzureKeyVault(vault_url=url).vault_url == url
