"""AwsSecretsManager beyond the contract: versions, stages, ARNs, restorable deletion, what a check finds."""

from uuid import uuid4

import pytest
from fakes.aws import refuses, says
from pydantic import SecretBytes, SecretStr

from typecase.blocks.checks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    InvalidBlock,
    InvalidSecretKey,
    SecretError,
    SecretMalformed,
    SecretNotFound,
)
from typecase.integrations.aws import AwsCredentials, AwsSecretsManager


@pytest.fixture
def store(credentials):
    return AwsSecretsManager(credentials=credentials)


@pytest.fixture
def name():
    return f"prod/{uuid4()}"


@pytest.fixture
def rotated(store, name):
    """A secret with two versions."""
    store.put(name, SecretStr("first"))
    store.put(name, SecretStr("second"))
    return name


def test_a_stage_chooses_a_version(store, rotated):
    assert store.get(rotated, "AWSPREVIOUS").get_secret_value() == "first"
    assert store.get(rotated, "AWSCURRENT").get_secret_value() == "second"


def test_a_version_id_chooses_a_version(store, rotated):
    first = store.read(rotated, "AWSPREVIOUS").version
    assert len(first) >= 32
    assert store.get(rotated, first).get_secret_value() == "first"


@pytest.mark.parametrize("version", ["NOSUCHSTAGE", "0" * 32, "", "two words", "x" * 300])
def test_a_version_that_is_not_there_is_absent(store, rotated, version):
    with pytest.raises(SecretNotFound) as raised:
        store.get(rotated, version)
    assert raised.value.reason == "absent"


def test_an_arn_is_a_key(store, rotated):
    arn = store.client().describe_secret(SecretId=rotated)["ARN"]
    assert store.get(arn).get_secret_value() == "second"


@pytest.mark.parametrize("key", ["with space", "ünïcode", "a:b", "x" * 513, "arn:aws:s3:::bucket", "line\n"])
def test_a_key_that_aws_cannot_have_is_refused_without_asking(fake, key):
    server = fake(refuses("AccessDeniedException"))
    store = AwsSecretsManager(credentials=at(server.url))
    for call in (lambda: store.get(key), lambda: store.put(key, SecretStr("x")), lambda: store.delete(key)):
        with pytest.raises(InvalidSecretKey):
            call()
    assert server.requests == []


def test_bytes_are_kept_as_binary(store, name):
    store.put(name, SecretBytes(b"\x00\xff"))
    assert store.client().get_secret_value(SecretId=name)["SecretBinary"] == b"\x00\xff"


def test_bytes_that_are_text_are_read_as_text(store, name):
    store.put(name, SecretBytes(b"text"))
    assert store.get(name).get_secret_value() == "text"


@pytest.mark.parametrize("size", [0, 65537])
def test_a_size_that_aws_does_not_hold_is_refused_without_asking(fake, size, assert_no_canary):
    server = fake(refuses("AccessDeniedException"))
    with pytest.raises(SecretMalformed, match="65536"):
        AwsSecretsManager(credentials=at(server.url)).put("key", SecretStr("x" * size))
    assert server.requests == []


def test_a_new_secret_is_encrypted_with_the_key_of_the_block(store, name):
    store.model_copy(update={"kms_key_id": "alias/etl"}).put(name, SecretStr("x"))
    assert store.client().describe_secret(SecretId=name)["KmsKeyId"] == "alias/etl"


def test_putting_is_two_calls_for_a_new_secret_and_one_for_an_old_one(store, name):
    operations = []
    store.client().meta.events.register_last("before-send", lambda **_: operations.append(1))
    store.put(name, SecretStr("x"))
    store.put(name, SecretStr("y"))
    assert len(operations) == 3


def test_a_secret_that_somebody_else_makes_meanwhile_gets_a_version(fake):
    server = fake(refuses("ResourceNotFoundException"), refuses("ResourceExistsException"), says({"VersionId": "1"}))
    AwsSecretsManager(credentials=at(server.url)).put("key", SecretStr("x"))
    assert server.operations == ["PutSecretValue", "CreateSecret", "PutSecretValue"]


def test_what_is_deleted_can_be_restored_where_the_block_says_so(store, name):
    store.put(name, SecretStr("x"))
    store.model_copy(update={"recovery_days": 7}).delete(name)
    with pytest.raises(SecretNotFound) as raised:
        store.get(name)
    assert raised.value.reason == "deleted"
    store.client().restore_secret(SecretId=name)
    assert store.get(name).get_secret_value() == "x"


def test_what_is_deleted_is_gone_at_once_otherwise(store, name):
    store.put(name, SecretStr("x"))
    store.delete(name)
    with pytest.raises(SecretNotFound) as raised:
        store.get(name)
    assert raised.value.reason == "absent"


def test_a_secret_scheduled_for_deletion_is_not_deleted_again(store, name):
    store.put(name, SecretStr("x"))
    store.client().delete_secret(SecretId=name, RecoveryWindowInDays=7)
    with pytest.raises(SecretNotFound) as raised:
        store.delete(name)
    assert raised.value.reason == "deleted"


@pytest.mark.parametrize("call", ["get", "put"])
def test_the_words_of_aws_itself_for_a_scheduled_deletion_are_understood(fake, call):
    message = "You can't perform this operation on the secret because it was marked for deletion."
    server = fake(refuses("InvalidRequestException", message))
    store = AwsSecretsManager(credentials=at(server.url))
    with pytest.raises(SecretNotFound) as raised:
        store.get("key") if call == "get" else store.put("key", SecretStr("x"))
    assert raised.value.reason == "deleted"
    assert len(server.requests) == 1


def test_a_recovery_of_three_days_is_refused():
    with pytest.raises(InvalidBlock, match="recovery_days"):
        AwsSecretsManager(recovery_days=3)


def test_a_list_leaves_out_other_prefixes_and_what_is_scheduled_for_deletion(store):
    prefix = f"{uuid4()}/"
    for name in ("a", "b", "c"):
        store.put(f"{prefix}{name}", SecretStr("x"))
    store.client().delete_secret(SecretId=f"{prefix}b", RecoveryWindowInDays=7)
    assert sorted(store.list(prefix)) == [f"{prefix}a", f"{prefix}c"]


def test_a_prefix_that_no_name_can_have_is_refused(store):
    with pytest.raises(InvalidSecretKey):
        list(store.list("!not this"))


def test_the_region_of_the_store_counts_more_than_that_of_its_credentials(store, rotated):
    elsewhere = store.model_copy(update={"region": "us-east-2"})
    assert elsewhere.client().meta.region_name == "us-east-2"
    with pytest.raises(SecretNotFound):
        elsewhere.get(rotated)


def test_the_environment_signs_in_without_any_field(moto_url, rotated, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    assert AwsSecretsManager().get(rotated).get_secret_value() == "second"


def test_without_any_credentials_nobody_is_asked(fake):
    server = fake(refuses("AccessDeniedException"))
    store = AwsSecretsManager(credentials=AwsCredentials(region="eu-west-1", endpoint_url=server.url))
    with pytest.raises(AuthenticationFailed):
        store.get("key")
    assert server.requests == []


def test_without_a_region_the_error_says_what_to_set():
    with pytest.raises(SecretError, match="AWS_REGION"):
        AwsSecretsManager().get("key")


def test_a_check_of_a_good_store_is_ready(store):
    check = store.check()
    assert check.status is Status.READY
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "auth", "permission"]


def test_a_check_reads_no_value(fake):
    server = fake(refuses("AccessDeniedException"))
    AwsSecretsManager(credentials=at(server.url)).check()
    assert server.operations == ["ListSecrets"]


def test_a_check_that_may_not_list_leaves_open_whether_reading_is_allowed(fake):
    denied = refuses("AccessDeniedException", "User: arn:aws:iam::123456789012:user/etl is not authorized")
    check = AwsSecretsManager(credentials=at(fake(denied).url)).check()
    stages = {stage.name: stage for stage in check.stages}
    assert stages["auth"].status is Status.READY
    assert stages["permission"].status is Status.UNKNOWN
    assert "user/etl" in stages["permission"].reason
    assert "secretsmanager:ListSecrets" in stages["permission"].next_step


def test_a_check_with_wrong_keys_fails_at_auth(fake):
    check = AwsSecretsManager(credentials=at(fake(refuses("UnrecognizedClientException")).url)).check()
    assert (check.stages[-1].name, check.stages[-1].status) == ("auth", Status.ERROR)


def test_a_check_of_a_throttled_store_knows_nothing(fake):
    check = AwsSecretsManager(credentials=at(fake(refuses("ThrottlingException")).url), attempts=1).check()
    assert (check.stages[-1].name, check.stages[-1].status) == ("auth", Status.UNKNOWN)


def test_a_check_without_a_region_raises_nothing():
    check = AwsSecretsManager().check()
    assert check.status is Status.ERROR
    assert "AWS_REGION" in check.stages[-1].next_step


def at(url):
    return AwsCredentials(region="eu-west-1", access_key_id="AKIATESTING", secret_access_key="s", endpoint_url=url)
