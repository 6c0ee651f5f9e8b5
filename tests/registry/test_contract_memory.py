"""The memory registry keeps the contract of registries."""

import pytest

from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.testing import RegistryContract


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self):
        return MemoryRegistry()
