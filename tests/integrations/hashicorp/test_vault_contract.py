"""HashiCorpVault keeps the promises of a block and of a secret store, on both versions of the engine."""

import pytest

from typecase.blocks.errors import NotSupported
from typecase.blocks.testing import BlockContract, SecretStoreContract
from typecase.integrations.hashicorp import AppRoleSignIn, HashiCorpVault

EVERYTHING = frozenset({"unicode", "empty", "large", "slashes"})


class TestHashiCorpVault(BlockContract):
    block = HashiCorpVault(
        address="https://vault.example.com:8200",
        namespace="admin/data",
        database_mount="database",
        sign_in=AppRoleSignIn(role_id="role", secret_id="secret value 1"),
        client_cert="/absent/cert.pem",
        client_key="secret value 2",
    )


class TestVersion2(SecretStoreContract):
    supports = EVERYTHING

    @pytest.fixture
    def store(self, store_of):
        return store_of()

    @pytest.fixture
    def key(self, vault):
        vault.secret.put("prod/db", {"value": "s3cr3t"})
        return "prod/db"

    @pytest.fixture
    def value(self):
        return "s3cr3t"

    @pytest.fixture
    def forbidden(self, vault, store_of):
        return store_of(vault.token((("secret/data/other/*", {"read"}),)))

    @pytest.fixture
    def unauthenticated(self, store_of):
        return store_of("hvs.unknown")

    @pytest.fixture
    def throttled(self, vault, store_of):
        vault.fail(path="prod/db", status=429, body={"errors": ["request path quota exceeded"]})
        return store_of()

    @pytest.fixture
    def deleted(self, vault):
        vault.secret.put("gone", {"value": "old"}, deletion_time="2020-01-01T00:00:00Z")
        return "gone"

    @pytest.fixture
    def many(self, vault):
        for number in range(1000):
            vault.secret.put(f"many/{number:04}", {"value": "x"})
        return "many/", lambda: vault.count(method="LIST")


class TestVersion1(SecretStoreContract):
    supports = EVERYTHING

    @pytest.fixture
    def store(self, store_of):
        return store_of(mount="kv", kv_version=1)

    @pytest.fixture
    def key(self, vault):
        vault.kv.secrets["prod/db"] = {"value": "s3cr3t"}
        return "prod/db"

    @pytest.fixture
    def value(self):
        return "s3cr3t"

    @pytest.fixture
    def forbidden(self, vault, store_of):
        return store_of(vault.token((("kv/other/*", {"read"}),)), mount="kv", kv_version=1)

    @pytest.fixture
    def unauthenticated(self, store_of):
        return store_of("hvs.unknown", mount="kv", kv_version=1)

    @pytest.fixture
    def many(self, vault):
        for number in range(1000):
            vault.kv.secrets[f"many/{number:04}"] = {"value": "x"}
        return "many/", lambda: vault.count(method="LIST")

    def test_an_earlier_version_stays_readable(self, writable):
        with pytest.raises(NotSupported, match="keeps no versions"):
            writable.get("prod/db", "1")
