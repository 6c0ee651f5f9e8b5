"""The Azure blocks keep the promises of their kinds."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fakes.azure import Fault

from typecase.blocks.testing import BlockContract, KeyProviderContract, SecretStoreContract
from typecase.blocks.testing.secret_store import MANY
from typecase.integrations.azure import AzureCredentials, AzureKeyVault, AzureKeyVaultKey


class TestAzureCredentials(BlockContract):
    block = AzureCredentials(
        method="client-secret", tenant_id="tenant", client_id="client", client_secret="secret value 1"
    )


class TestAzureCredentialsWithACertificate(BlockContract):
    block = AzureCredentials(
        method="certificate",
        tenant_id="tenant",
        client_id="client",
        certificate="secret value 2",
        certificate_password="secret value 3",
    )


class TestAzureKeyVault(BlockContract):
    block = AzureKeyVault(
        vault_url="https://orders.vault.azure.net",
        credentials={
            "method": "client-secret",
            "tenant_id": "tenant",
            "client_id": "client",
            "client_secret": "secret value 4",
        },
    )


class TestAzureKeyVaultStore(SecretStoreContract):
    supports = frozenset({"unicode"})

    @pytest.fixture
    def store(self, vault, azure):
        azure.put("prod-db", "the password")
        return vault()

    @pytest.fixture
    def key(self):
        return "prod-db"

    @pytest.fixture
    def value(self):
        return "the password"

    @pytest.fixture
    def forbidden(self, store, azure):
        azure.denied["secrets/get"] = "ForbiddenByRbac"
        return store

    @pytest.fixture
    def unauthenticated(self, vault, credentials):
        return vault(credentials=credentials(client_secret="a wrong one"))

    @pytest.fixture
    def throttled(self, store, azure):
        azure.fail(Fault(429, '{"error": {"code": "Throttled", "message": "slow down"}}', {"Retry-After": "0"}))
        return store

    @pytest.fixture
    def disabled(self, azure):
        azure.put("switched-off", "unseen", enabled=False)
        return "switched-off"

    @pytest.fixture
    def deleted(self, azure):
        azure.put("thrown-away", "unseen")
        azure.deleted["thrown-away"] = azure.secrets.pop("thrown-away")
        return "thrown-away"

    @pytest.fixture
    def many(self, azure):
        for number in range(MANY):
            azure.put(f"many-{number:04}", "x")

        def pages():
            return sum(1 for verb, path in azure.requests if (verb, path) == ("GET", "/secrets"))

        return "many-", pages


class TestAzureKeyVaultKeyWithRsa(KeyProviderContract):
    @pytest.fixture
    def provider(self, azure, key_url, rsa_keys):
        azure.put_key("registry", rsa_keys[0])
        return AzureKeyVaultKey.from_url(key_url("registry"))

    @pytest.fixture
    def reopened(self, provider, key_url):
        return AzureKeyVaultKey.from_url(key_url("registry"))

    @pytest.fixture
    def other(self, azure, key_url, rsa_keys):
        azure.put_key("other", rsa_keys[1])
        return AzureKeyVaultKey.from_url(key_url("other"))


class TestAzureKeyVaultKeyWithAes(KeyProviderContract):
    @pytest.fixture
    def provider(self, azure, key_url):
        azure.put_key("registry", AESGCM.generate_key(256))
        return AzureKeyVaultKey.from_url(key_url("registry"))

    @pytest.fixture
    def reopened(self, provider, key_url):
        return AzureKeyVaultKey.from_url(key_url("registry"))

    @pytest.fixture
    def other(self, azure, key_url):
        azure.put_key("other", AESGCM.generate_key(256))
        return AzureKeyVaultKey.from_url(key_url("other"))
