"""A Vault for the tests of this folder, and no trace of another one."""

import os

import pytest
from fakes.vault import FakeVault

from typecase.integrations.hashicorp import HashiCorpVault, TokenSignIn, connection, credentials, leases, transport


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No VAULT_* variable and no proxy, no wait between attempts, and nothing that another test left open."""
    for name in list(os.environ):
        if name.startswith("VAULT_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    waits = []
    monkeypatch.setattr(transport, "sleep", waits.append)
    yield waits
    connection._CONNECTIONS.close()


@pytest.fixture
def vault():
    """A server on loopback without TLS."""
    with FakeVault() as server:
        yield server


@pytest.fixture
def store_of(vault):
    """Builds a block for the server: as root, unless `token` or `sign_in` say otherwise."""

    def build(token=None, **fields):
        given = {"address": vault.address, "timeout": 5.0, **fields}
        given.setdefault("sign_in", TokenSignIn(value=token or vault.root))
        return HashiCorpVault(**given)

    return build


@pytest.fixture
def store(store_of):
    """A block for the server, as root."""
    return store_of()


@pytest.fixture
def held(vault, monkeypatch):
    """The leases of a process of its own, on the server's clock, without a thread."""
    own = leases.Leases(clock=vault.clock, threaded=False)
    monkeypatch.setattr(credentials, "LEASES", own)
    monkeypatch.setattr("typecase.integrations.hashicorp.vault.LEASES", own)
    yield own
    own.close()
