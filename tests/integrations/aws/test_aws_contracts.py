"""The blocks, stores and the key provider of AWS keep what the contracts promise, against moto."""

from uuid import uuid4

import pytest
from fakes.aws import refuses

from typecase.blocks.testing import BlockContract, KeyProviderContract, SecretStoreContract
from typecase.blocks.testing.secret_store import MANY
from typecase.integrations.aws import AwsCredentials, AwsKmsKey, AwsParameterStore, AwsSecretsManager


def keys_for(url):
    return AwsCredentials(
        region="eu-west-1", access_key_id="AKIATESTING", secret_access_key="a secret key", endpoint_url=url, attempts=1
    )


class TestAwsCredentials(BlockContract):
    block = AwsCredentials(
        region="eu-west-1",
        access_key_id="AKIATESTING",
        secret_access_key="secret value 1",
        session_token="secret value 2",
        role_arn="arn:aws:iam::123456789012:role/etl",
        external_id="secret value 3",
    )


class TestAwsSecretsManager(BlockContract):
    block = AwsSecretsManager(credentials=TestAwsCredentials.block, region="eu-west-2", recovery_days=7)


class TestAwsParameterStore(BlockContract):
    block = AwsParameterStore(credentials=TestAwsCredentials.block, kms_key_id="alias/etl", tier="Advanced")


class OnMoto(SecretStoreContract):
    """The contract, with the states that both stores can have."""

    cls: type

    @pytest.fixture
    def client(self, store):
        return store.client()

    @pytest.fixture
    def store(self, moto_url):
        return self.cls(credentials=keys_for(moto_url), attempts=1)

    @pytest.fixture
    def value(self):
        return "hunter2 of the contract"

    def refusing(self, fake, code):
        return self.cls(credentials=keys_for(fake(refuses(code)).url), attempts=1)

    @pytest.fixture
    def forbidden(self, fake):
        return self.refusing(fake, "AccessDeniedException")

    @pytest.fixture
    def unauthenticated(self, fake):
        return self.refusing(fake, "UnrecognizedClientException")

    @pytest.fixture
    def throttled(self, fake):
        return self.refusing(fake, "ThrottlingException")


class TestSecretsManagerOnMoto(OnMoto):
    cls = AwsSecretsManager

    @pytest.fixture
    def key(self, client, value):
        name = f"contract/{uuid4()}"
        client.create_secret(Name=name, SecretString=value)
        yield name
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    @pytest.fixture
    def deleted(self, client):
        name = f"scheduled/{uuid4()}"
        client.create_secret(Name=name, SecretString="gone")
        client.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        return name

    @pytest.fixture
    def binary(self, client):
        name = f"binary/{uuid4()}"
        client.create_secret(Name=name, SecretBinary=b"\xff\x00\xfe")
        return name, b"\xff\x00\xfe"

    @pytest.fixture
    def many(self, client):
        from moto.secretsmanager.models import secretsmanager_backends

        backend = secretsmanager_backends["123456789012"]["eu-west-1"]
        prefix = f"many-{uuid4()}/"
        for number in range(MANY):
            arguments = dict.fromkeys(("secret_binary", "description", "kms_key_id", "client_request_token"))
            backend.create_secret(
                name=f"{prefix}{number:04}",
                secret_string="x",
                tags=[],
                replica_regions=[],
                force_overwrite=False,
                **arguments,
            )
        yield prefix, counter(client)
        for name in [name for name in backend.secrets if name.startswith(prefix)]:
            backend.secrets.pop(name)


class TestParameterStoreOnMoto(OnMoto):
    cls = AwsParameterStore
    supports = frozenset({"unicode"})

    @pytest.fixture
    def key(self, client, value):
        name = f"/contract/{uuid4()}"
        client.put_parameter(Name=name, Value=value, Type="SecureString")
        yield name
        client.delete_parameter(Name=name)

    @pytest.fixture
    def many(self, client):
        from moto.ssm.models import ssm_backends

        backend = ssm_backends["123456789012"]["eu-west-1"]
        prefix = f"/many-{uuid4()}/"
        for number in range(MANY):
            backend.put_parameter(f"{prefix}{number:04}", "", "x", "String", "", "", False, [], "text", None, None)
        yield prefix, counter(client)
        for name in [name for name in backend._parameters if name.startswith(prefix)]:
            backend.delete_parameter(name)


class TestKmsOnMoto(KeyProviderContract):
    @pytest.fixture
    def kms(self, moto_url):
        return keys_for(moto_url).client("kms")

    @pytest.fixture
    def url(self, kms, moto_url, monkeypatch):
        return url_of(kms, moto_url, monkeypatch)

    @pytest.fixture
    def provider(self, url):
        return AwsKmsKey.from_url(url)

    @pytest.fixture
    def reopened(self, url):
        return AwsKmsKey.from_url(url)

    @pytest.fixture
    def other(self, kms, moto_url, monkeypatch):
        return AwsKmsKey.from_url(url_of(kms, moto_url, monkeypatch))


def url_of(kms, moto_url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret access key")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    return f"awskms://{key}?region=eu-west-1&endpoint={moto_url}"


def counter(client):
    """Count the requests that `client` makes from now on."""
    sent = []
    client.meta.events.register("before-send", lambda **_: sent.append(1))
    return lambda: len(sent)
