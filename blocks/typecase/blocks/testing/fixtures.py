"""Pytest fixtures for users' own tests: `pytest_plugins = ["typecase.blocks.testing.fixtures"]`."""

from collections.abc import Iterator

import pytest

from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.registries import use_registry


@pytest.fixture
def memory_registry() -> Iterator[MemoryRegistry]:
    """An empty registry in memory, which `Block.load` and `save` use for the length of the test."""
    registry = MemoryRegistry()
    with use_registry(registry):
        yield registry
