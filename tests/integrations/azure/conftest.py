"""A vault and an authority on this machine, and blocks that speak to them."""

import os

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes.azure import CLIENT, TENANT, FakeAzure, pem_of, server_context

from typecase.integrations.azure import AzureCredentials, AzureKeyVault


@pytest.fixture(scope="session")
def authority():
    """A certificate authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority, tmp_path_factory):
    """Its certificate, as a file."""
    return str(pem_of(authority, tmp_path_factory.mktemp("ca")))


@pytest.fixture(scope="session")
def tls(authority):
    """TLS options of a server on this machine."""
    return server_context(authority)


@pytest.fixture(scope="session")
def rsa_keys():
    """Three RSA keys."""
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]


@pytest.fixture(autouse=True)
def no_ambient_identity(monkeypatch):
    """No variable of the developer's own, and no proxy."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_", "IMDS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    """Tries follow one another at once."""
    monkeypatch.setattr("typecase.integrations.azure.attempts._FIRST_WAIT", 0.0)


@pytest.fixture
def azure(tls):
    """The fake."""
    fake = FakeAzure(tls)
    yield fake
    fake.close()


@pytest.fixture
def credentials(azure, ca_file):
    """Builds credentials that the fake accepts; options replace fields."""

    def build(**options):
        fields = {
            "method": "client-secret",
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret": azure.clients[CLIENT],
            "authority": azure.url,
            "disable_instance_discovery": True,
            "ca_certificates": ca_file,
            "timeout": 5.0,
            "attempts": 2,
        }
        return AzureCredentials(**{**fields, **options})

    return build


@pytest.fixture
def vault(azure, credentials, ca_file):
    """Builds a block for the fake's vault; options replace fields."""

    def build(**options):
        fields = {
            "vault_url": azure.url,
            "credentials": credentials(),
            "verify_challenge_resource": False,
            "ca_certificates": ca_file,
            "timeout": 5.0,
            "attempts": 2,
        }
        return AzureKeyVault(**{**fields, **options})

    return build


@pytest.fixture
def key_url(azure, ca_file, monkeypatch):
    """The URL of a key in the fake, opened with what the environment holds."""
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", azure.clients[CLIENT])

    def build(name, options=""):
        return (
            f"azurekeyvault://{azure.host}/keys/{name}?authority={azure.url}&disable_instance_discovery=true"
            f"&ca_certificates={ca_file}&verify_challenge_resource=false&timeout=5&attempts=2{options}"
        )

    return build
