"""A registry behind a server keeps the contract of registries."""

import pytest
from fakes.serving import serving
from pydantic import SecretStr

from typecase.blocks.remote import RemoteRegistry
from typecase.blocks.testing import RegistryContract
from typecase.registry.data_keys import DataKeys
from typecase.registry.file_registry import FileRegistry


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


class TestRemoteRegistry(RegistryContract):
    author = "ada"

    @pytest.fixture
    def registry(self, tmp_path, server):
        behind = FileRegistry(tmp_path / "registry.db", DataKeys(f"file://{tmp_path}/root.key"))
        behind.init(create_key_if_missing=True)
        server.show(behind)
        registry = RemoteRegistry(server.url, token=SecretStr("admin"))
        yield registry
        registry.close()
        behind.close()
