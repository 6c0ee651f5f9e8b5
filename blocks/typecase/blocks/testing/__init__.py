"""The conformance kit: contracts for blocks, registries, key providers and secret stores, and a memory registry.

Needs pytest. A test is a subclass:

    class TestWeatherStation(BlockContract):
        block = WeatherStation(station="KSFO", api_key=SecretStr("a secret of some length"))
"""

from typecase.blocks.errors import MissingPackage

try:
    import pytest
except ImportError:
    pytest = None  # type: ignore[assignment] # told below, outside this handler
if pytest is None:
    raise MissingPackage(
        "typecase.blocks.testing needs pytest, which is not installed.", hint="Install it: pip install pytest"
    )

# Before the contracts are imported, so that a failing one shows both sides of its comparison.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "block",
            "documents",
            "evolution",
            "history",
            "keys",
            "migrations",
            "references",
            "registry",
            "secret_references",
            "secret_store",
        )
    )
)

from typecase.blocks.testing.block import BlockContract  # noqa: E402 - see above
from typecase.blocks.testing.fixtures import memory_registry  # noqa: E402 - see above
from typecase.blocks.testing.keys import KeyProviderContract  # noqa: E402 - see above
from typecase.blocks.testing.migrations import (  # noqa: E402 - see above
    MigrationContract,
    assert_migrations,
    load_versions,
    write_version,
)
from typecase.blocks.testing.registry import RegistryContract  # noqa: E402 - see above
from typecase.blocks.testing.secret_store import SecretStoreContract  # noqa: E402 - see above

__all__ = [
    "BlockContract",
    "KeyProviderContract",
    "MigrationContract",
    "RegistryContract",
    "SecretStoreContract",
    "assert_migrations",
    "load_versions",
    "memory_registry",
    "write_version",
]
