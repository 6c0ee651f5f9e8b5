"""A secret store in memory keeps the contract of secret stores, whether or not it can be written to."""

import pytest
from pydantic import PrivateAttr

from typecase.blocks import BlockType
from typecase.blocks.errors import SecretNotFound
from typecase.blocks.kinds import SecretStore, SecretValue
from typecase.blocks.testing import SecretStoreContract


class ReadableVault(SecretStore):
    """A vault in memory that cannot be written to."""

    __block__ = BlockType(slug="contract-readable-vault", icon="vault")
    read_only = True

    _secrets: dict[str, SecretValue] = PrivateAttr(default_factory=lambda: {"prod/db": SecretValue("kept-secret")})

    def get(self, key, version=None):
        return self.read(key, version).text()

    def read(self, key, version=None):
        if version is not None or key not in self._secrets:
            raise SecretNotFound(f"There is no secret {key!r} in version {version}.", hint="Name another.")
        return self._secrets[key]


class WritableVault(ReadableVault):
    """A vault in memory."""

    __block__ = BlockType(slug="contract-writable-vault", icon="vault")
    read_only = False

    def put(self, key, value):
        self._secrets[key] = SecretValue(value.get_secret_value())

    def list(self, prefix=""):
        return iter([key for key in self._secrets if key.startswith(prefix)])

    def delete(self, key):
        self.read(key)
        del self._secrets[key]


class VaultContract(SecretStoreContract):
    supports = SecretStoreContract.supports | {"empty"}

    @pytest.fixture
    def key(self):
        return "prod/db"

    @pytest.fixture
    def value(self):
        return "kept-secret"


class TestReadableVault(VaultContract):
    @pytest.fixture
    def store(self):
        return ReadableVault()


class TestWritableVault(VaultContract):
    @pytest.fixture
    def store(self):
        return WritableVault()
