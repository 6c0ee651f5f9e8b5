"""AwsParameterStore beyond the contract: types, decryption, labels, paths, tiers."""

import json
from uuid import uuid4

import pytest
from fakes.aws import refuses, says
from pydantic import SecretBytes, SecretStr

from typecase.blocks.checks import Status
from typecase.blocks.errors import InvalidSecretKey, SecretExpired, SecretForbidden, SecretMalformed, SecretNotFound
from typecase.integrations.aws import AwsCredentials, AwsParameterStore


@pytest.fixture
def store(credentials):
    return AwsParameterStore(credentials=credentials)


@pytest.fixture
def name():
    return f"/prod/{uuid4()}"


def at(url):
    return AwsCredentials(region="eu-west-1", access_key_id="AKIATESTING", secret_access_key="s", endpoint_url=url)


@pytest.mark.parametrize(("kind", "value"), [("String", "plain"), ("StringList", "a,b,c"), ("SecureString", "secret")])
def test_every_type_is_read(store, name, kind, value):
    store.client().put_parameter(Name=name, Value=value, Type=kind)
    assert store.get(name).get_secret_value() == value


def test_decryption_is_asked_for(fake):
    server = fake(says({"Parameter": {"Value": "x", "Version": 1}}))
    AwsParameterStore(credentials=at(server.url)).get("/key")
    assert json.loads(server.requests[0][1])["WithDecryption"] is True


def test_what_is_put_is_encrypted_with_the_key_of_the_block(store, name):
    store.model_copy(update={"kms_key_id": "alias/etl"}).put(name, SecretStr("x"))
    (found,) = store.client().describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    assert (found["Type"], found["KeyId"]) == ("SecureString", "alias/etl")


def test_a_version_is_a_number(store, name):
    store.put(name, SecretStr("first"))
    store.put(name, SecretStr("second"))
    assert store.get(name, "1").get_secret_value() == "first"
    assert store.read(name).version == "2"


def test_a_version_is_a_label(store, name):
    store.put(name, SecretStr("first"))
    store.put(name, SecretStr("second"))
    store.client().label_parameter_version(Name=name, ParameterVersion=1, Labels=["stable"])
    assert store.get(name, "stable").get_secret_value() == "first"


@pytest.mark.parametrize("version", ["77", "no-such-label", "", "1:2", "two words"])
def test_a_version_that_is_not_there_is_absent(store, name, version):
    store.put(name, SecretStr("x"))
    with pytest.raises(SecretNotFound) as raised:
        store.get(name, version)
    assert raised.value.reason == "absent"


def test_keys_are_made_as_paths(store):
    assert store.key_of("prod", "db") == "/prod/db"


def test_a_name_without_a_path_is_a_key(store):
    name = f"plain-{uuid4()}"
    store.put(name, SecretStr("x"))
    assert store.get(name).get_secret_value() == "x"


def test_an_arn_is_a_key(store, name):
    store.put(name, SecretStr("x"))
    arn = store.client().get_parameter(Name=name)["Parameter"]["ARN"]
    assert store.get(arn).get_secret_value() == "x"


@pytest.mark.parametrize("key", ["prod/db", "/prod//db", "/prod/", "/a b", "/ü", "a:b", "/a" * 16, "/" + "x" * 1011])
def test_a_key_that_aws_cannot_have_is_refused_without_asking(fake, key):
    server = fake(refuses("AccessDeniedException"))
    store = AwsParameterStore(credentials=at(server.url))
    for call in (lambda: store.get(key), lambda: store.put(key, SecretStr("x")), lambda: store.delete(key)):
        with pytest.raises(InvalidSecretKey) as raised:
            call()
        assert "begin with one" in raised.value.hint
    assert server.requests == []


@pytest.mark.parametrize(("tier", "size"), [("Standard", 4096), ("Advanced", 8192), (None, 4096)])
def test_a_value_as_large_as_its_tier_is_kept(store, name, tier, size):
    sized = store.model_copy(update={"tier": tier})
    sized.put(name, SecretStr("x" * size))
    assert len(sized.get(name).get_secret_value()) == size


@pytest.mark.parametrize(("tier", "size"), [("Standard", 4097), ("Advanced", 8193), (None, 8193), (None, 0)])
def test_a_value_that_does_not_fit_is_refused_without_asking(fake, tier, size):
    server = fake(refuses("AccessDeniedException"))
    with pytest.raises(SecretMalformed, match="bytes") as raised:
        AwsParameterStore(credentials=at(server.url), tier=tier).put("/key", SecretStr("x" * size))
    assert "AwsSecretsManager" in raised.value.hint
    assert server.requests == []


def test_bytes_that_are_text_are_kept_as_text(store, name):
    store.put(name, SecretBytes("ünïcode".encode()))
    assert store.get(name).get_secret_value() == "ünïcode"


def test_bytes_that_are_no_text_are_refused(store, name):
    with pytest.raises(SecretMalformed, match="binary"):
        store.put(name, SecretBytes(b"\xff"))


def test_a_list_asks_for_no_values(fake):
    server = fake(says({"Parameters": [{"Name": "/prod/db"}, {"Name": "/staging/db"}]}))
    assert list(AwsParameterStore(credentials=at(server.url)).list("/prod/")) == ["/prod/db"]
    assert server.operations == ["DescribeParameters"]


def test_a_list_gives_all_levels_below_a_path(store):
    root = f"/{uuid4()}"
    for name in ("a", "b/c", "b/d/e"):
        store.put(f"{root}/{name}", SecretStr("x"))
    assert sorted(store.list(f"{root}/")) == [f"{root}/a", f"{root}/b/c", f"{root}/b/d/e"]
    assert sorted(store.list(f"{root}/b")) == [f"{root}/b/c", f"{root}/b/d/e"]


def test_a_prefix_that_no_name_can_have_is_refused(store):
    with pytest.raises(InvalidSecretKey):
        list(store.list("/prod db"))


def test_a_kms_key_that_is_disabled_is_no_missing_parameter(fake):
    message = "arn:aws:kms:eu-west-1:123456789012:key/1 is disabled. (Service: AWSKMS)"
    store = AwsParameterStore(credentials=at(fake(refuses("InvalidKeyId", message)).url))
    with pytest.raises(SecretExpired, match="disabled"):
        store.get("/key")


def test_a_kms_key_that_may_not_be_used_is_forbidden(fake):
    store = AwsParameterStore(credentials=at(fake(refuses("InvalidKeyId", "The key cannot be used.")).url))
    with pytest.raises(SecretForbidden):
        store.get("/key")


def test_a_parameter_of_another_type_is_not_replaced_silently(fake):
    store = AwsParameterStore(credentials=at(fake(refuses("HierarchyTypeMismatchException", "change of type")).url))
    with pytest.raises(InvalidSecretKey, match="change of type"):
        store.put("/key", SecretStr("x"))


def test_a_check_of_a_good_store_is_ready(store):
    assert store.check().status is Status.READY


def test_a_check_reads_no_value(fake):
    server = fake(refuses("AccessDeniedException"))
    check = AwsParameterStore(credentials=at(server.url)).check()
    assert server.operations == ["DescribeParameters"]
    assert "ssm:DescribeParameters" in check.stages[-1].next_step
