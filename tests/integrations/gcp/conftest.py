"""A Google Cloud of our own, and blocks that speak with it."""

import json

import pytest
import trustme
from fakes.gcp import FakeGcp

from typecase.integrations.gcp import GcpCredentials, GcpSecretManager, channels, faults, tokens

KEY_NAME = "projects/acme-prod/locations/europe-west3/keyRings/typecase/cryptoKeys/root"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """No identity of the developer's own, and no machine of Google's."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which take no time."""
    found = []
    monkeypatch.setattr(faults, "sleep", found.append)
    return found


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def authorities(authority):
    """The authority's certificate as PEM text."""
    return authority.cert_pem.bytes().decode()


@pytest.fixture(scope="session")
def running(authority):
    fake = FakeGcp(authority)
    yield fake
    channels._CHANNELS.close()
    tokens._TOKENS.close()
    fake.close()


@pytest.fixture
def google(running, waits):
    """The services, empty and in order."""
    fake = running
    for held in (fake.secrets, fake.keys, fake.faults, fake.sent, fake.metadata, fake.denied, fake.calls):
        held.clear()
    fake.always = None
    server = fake.tokens
    for held in (server.issued, server.faults, server.got):
        held.clear()
    server.always = server.retry_after = None
    server.lifetime = 3600
    tokens._TOKENS.close()
    channels._CHANNELS.close()
    return fake


@pytest.fixture
def key_text(google):
    """The JSON of a service account key."""
    return json.dumps(google.tokens.key_file())


@pytest.fixture
def credentials(key_text):
    return GcpCredentials(service_account_key=key_text, timeout=2)


@pytest.fixture
def store(google, credentials, authorities):
    return GcpSecretManager(
        project="acme-prod", credentials=credentials, endpoint=google.endpoint, ca_certificates=authorities, timeout=5
    )
