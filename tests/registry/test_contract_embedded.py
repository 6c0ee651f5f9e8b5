"""The embedded registry keeps the contract of registries."""

import pytest

from typecase.blocks.testing import RegistryContract
from typecase.registry.embedded import EmbeddedRegistry


class TestEmbeddedRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tmp_path):
        registry = EmbeddedRegistry(tmp_path / "registry.db", key=f"file://{tmp_path}/root.key")
        registry.init()
        yield registry
        registry.close()
