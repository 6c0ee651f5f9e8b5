"""AwsCredentials: the ways to sign in, what contradicts, what renews itself, what a check says."""

import logging
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from fakes.aws import gives_role, names_caller, raw, refuses

from typecase.blocks import secret
from typecase.blocks.checks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidBlock,
    MissingPackage,
    NotSupported,
    OperationFailed,
)
from typecase.blocks.memory import MemoryRegistry
from typecase.blocks.registries import use_registry
from typecase.integrations.aws import AwsCredentials

ROLE = "arn:aws:iam::123456789012:role/etl"
KEYS = {"access_key_id": "AKIATESTING", "secret_access_key": "a secret access key"}

pytestmark = pytest.mark.usefixtures("waits")


def later(**span):
    return (datetime.now(UTC) + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def signed_with(server):
    """The access keys with which requests were signed."""
    authorizations = [headers.get("Authorization", "") for _, _, headers in server.requests]
    return [text.partition("Credential=")[2].partition("/")[0] for text in authorizations]


@pytest.fixture
def profile(home, monkeypatch):
    """A profile in the shared files of an empty home."""
    folder = home / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[etl]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = p\n")
    (folder / "config").write_text("[profile etl]\nregion = eu-north-1\n")
    return folder


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"access_key_id": "AKIATESTING"}, "come together"),
        ({"secret_access_key": "a key"}, "come together"),
        ({"session_token": "a token"}, "session_token needs"),
        ({"profile": "etl", **KEYS}, "give one"),
        ({"web_identity_token_file": "/token"}, "web_identity_token_file needs role_arn"),
        ({"web_identity_token_file": "/token", "role_arn": ROLE, "profile": "etl"}, "replaces profile"),
        ({"web_identity_token_file": "/token", "role_arn": ROLE, **KEYS}, "replaces profile"),
        ({"external_id": "tenant 7"}, "external_id needs role_arn"),
        ({"external_id": "tenant 7", "role_arn": ROLE, "web_identity_token_file": "/token"}, "no external_id"),
        ({"ca_bundle": "/ca.pem", "verify_tls": False}, "ca_bundle"),
        ({"role_arn": "etl"}, "role_arn"),
        ({"role_duration": 60}, "role_duration"),
        ({"region": "Ireland"}, "region"),
        ({"endpoint_url": "localhost:4566"}, "https://host:port"),
        ({"endpoint_url": "http://localhost:many"}, "https://host:port"),
        ({"endpoint_url": "http://user:password@localhost"}, "fields of their own"),
    ],
)
def test_fields_that_contradict_are_refused_in_words(fields, sentence):
    with pytest.raises(InvalidBlock, match=sentence):
        AwsCredentials(**fields)


def test_a_refused_endpoint_is_not_shown(canary, assert_no_canary):
    with pytest.raises(InvalidBlock) as raised:
        AwsCredentials(endpoint_url=f"http://user:{canary}@localhost")
    assert_no_canary(f"{raised.value}{vars(raised.value)}")


def test_static_keys_sign(fake):
    server = fake(names_caller)
    AwsCredentials(**KEYS, endpoint_url=server.url).client().get_caller_identity()
    assert signed_with(server) == ["AKIATESTING"]


def test_a_session_token_is_sent(fake):
    server = fake(names_caller)
    AwsCredentials(**KEYS, session_token="a token", endpoint_url=server.url).client().get_caller_identity()
    assert server.requests[0][2]["X-Amz-Security-Token"] == "a token"


def test_the_environment_is_found_without_any_field(fake, monkeypatch):
    server = fake(names_caller)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert AwsCredentials().check().status is Status.READY
    assert signed_with(server) == ["AKIAENVIRONMENT"]


def test_a_profile_is_found_in_the_shared_files(fake, profile):
    server = fake(names_caller)
    block = AwsCredentials(profile="etl", endpoint_url=server.url)
    block.client().get_caller_identity()
    assert signed_with(server) == ["AKIAPROFILE"]
    assert block.session().region_name == "eu-north-1"


def test_a_profile_counts_more_than_the_environment(fake, profile, monkeypatch):
    server = fake(names_caller)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    AwsCredentials(profile="etl", endpoint_url=server.url).client().get_caller_identity()
    assert signed_with(server) == ["AKIAPROFILE"]


def test_a_profile_that_is_not_there_is_named():
    with pytest.raises(AuthenticationFailed, match="no-such-profile"):
        AwsCredentials(profile="no-such-profile").client()


def test_without_any_credentials_the_error_says_where_it_looked():
    with pytest.raises(AuthenticationFailed, match="web identity") as raised:
        AwsCredentials(region="eu-west-1").expires_at()
    assert raised.value.hint


def test_a_role_is_taken_with_the_keys(fake):
    server = fake(gives_role(later(hours=1)), names_caller)
    block = AwsCredentials(**KEYS, role_arn=ROLE, external_id="tenant 7", endpoint_url=server.url)
    block.client().get_caller_identity()
    assert server.operations == ["AssumeRole", "GetCallerIdentity"]
    assert signed_with(server) == ["AKIATESTING", "ASIATEMPORARY0001"]
    assert b"ExternalId=tenant+7" in server.requests[0][1]
    assert b"DurationSeconds=3600" in server.requests[0][1]


def test_a_role_is_taken_with_a_profile(fake, profile):
    server = fake(gives_role(later(hours=1)), names_caller)
    AwsCredentials(profile="etl", role_arn=ROLE, endpoint_url=server.url).client().get_caller_identity()
    assert signed_with(server) == ["AKIAPROFILE", "ASIATEMPORARY0001"]


def test_a_role_is_taken_with_a_web_identity_and_nothing_else(fake, tmp_path):
    server = fake(gives_role(later(hours=1)), names_caller)
    token = tmp_path / "token"
    token.write_text("a.web.token\n")
    block = AwsCredentials(role_arn=ROLE, web_identity_token_file=str(token), endpoint_url=server.url)
    block.client().get_caller_identity()
    assert server.operations == ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]
    assert b"WebIdentityToken=a.web.token&" in server.requests[0][1] + b"&"
    assert "Authorization" not in server.requests[0][2]


def test_the_web_identity_of_the_platform_is_found_without_any_field(fake, tmp_path, monkeypatch):
    server = fake(gives_role(later(hours=1)), names_caller)
    token = tmp_path / "token"
    token.write_text("a.web.token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    AwsCredentials(region="eu-west-1").client().get_caller_identity()
    assert server.operations == ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]


def test_a_web_identity_token_that_is_missing_is_named(fake, tmp_path):
    server = fake(gives_role(later(hours=1)))
    path = tmp_path / "absent"
    block = AwsCredentials(role_arn=ROLE, web_identity_token_file=str(path), endpoint_url=server.url)
    with pytest.raises(AuthenticationFailed, match="absent cannot be read"):
        block.expires_at()


def test_making_a_session_asks_nobody(fake):
    server = fake(refuses("AccessDenied"))
    AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=server.url).session()
    assert server.requests == []


def test_sessions_and_clients_of_equal_blocks_share_one_role(fake):
    server = fake(gives_role(later(hours=1)), names_caller)
    for _ in range(2):
        block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=server.url)
        block.client().get_caller_identity()
        block.session().client("sts", endpoint_url=server.url, region_name="eu-west-1").get_caller_identity()
    assert server.operations.count("AssumeRole") == 1


def test_a_client_is_made_once_for_each_service(fake):
    server = fake(names_caller)
    block, equal = (AwsCredentials(**KEYS, region="eu-west-1", endpoint_url=server.url) for _ in range(2))
    assert block.client() is equal.client()
    assert block.client("kms") is not block.client()
    assert block.client("kms", region="eu-west-2").meta.region_name == "eu-west-2"


def test_a_client_of_a_service_that_streams_is_not_bounded(fake):
    server = fake(raw(200, b"x" * 9_000_000, "application/octet-stream"))
    client = AwsCredentials(**KEYS, region="eu-west-1", endpoint_url=server.url).client("s3")
    assert len(client.get_object(Bucket="bucket", Key="key")["Body"].read()) == 9_000_000


def test_a_role_is_taken_again_before_it_ends(fake):
    server = fake(gives_role(later(seconds=60)), names_caller, gives_role(later(hours=1)), names_caller)
    block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=server.url)
    for _ in range(3):
        block.client().get_caller_identity()
    assert server.operations == ["AssumeRole", "GetCallerIdentity"] * 2 + ["GetCallerIdentity"]
    assert signed_with(server)[-1] == "ASIATEMPORARY0003"


def test_a_role_of_fifteen_minutes_is_not_taken_at_every_call(fake):
    server = fake(gives_role(later(minutes=15)), names_caller)
    block = AwsCredentials(**KEYS, role_arn=ROLE, role_duration=900, endpoint_url=server.url)
    for _ in range(3):
        block.client().get_caller_identity()
    assert server.operations.count("AssumeRole") == 1


def test_threads_that_need_a_role_at_once_take_it_once(fake):
    server = fake(gives_role(later(hours=1)), names_caller)
    block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=server.url)
    together, callers = threading.Barrier(8), []

    def ask():
        together.wait()
        callers.append(block.client().get_caller_identity()["Arn"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(callers) == 8
    assert server.operations.count("AssumeRole") == 1


def test_equal_references_that_lead_to_other_secrets_sign_in_apart(fake, monkeypatch):
    server = fake(names_caller)
    for token in ("first", "second"):
        monkeypatch.setenv("SESSION", token)
        with use_registry(MemoryRegistry()):
            AwsCredentials(**KEYS, session_token=secret("env", "SESSION"), endpoint_url=server.url).save("aws")
            AwsCredentials.load("aws").client().get_caller_identity()
    assert [headers["X-Amz-Security-Token"] for _, _, headers in server.requests] == ["first", "second"]


def test_refreshing_takes_the_role_again(fake):
    server = fake(gives_role(later(hours=1)))
    block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=server.url)
    block.refresh()
    block.refresh()
    assert server.operations == ["AssumeRole", "AssumeRole"]


def test_static_keys_cannot_be_refreshed():
    with pytest.raises(NotSupported, match="refresh"):
        AwsCredentials(**KEYS).refresh()


def test_the_end_of_a_role_is_known(fake):
    end = later(hours=1)
    block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=fake(gives_role(end)).url)
    assert block.expires_at() == datetime.fromisoformat(end)


def test_static_keys_have_no_end():
    assert AwsCredentials(**KEYS).expires_at() is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refuses("AccessDenied", "not authorized to perform: sts:AssumeRole", 403), AuthenticationFailed),
        (refuses("InvalidClientTokenId", status=403), AuthenticationFailed),
        (refuses("Throttling"), ConnectionFailed),
        (refuses("ServiceUnavailable", status=503), ConnectionFailed),
        (raw(200, b"<html>hello</html>", "text/html"), ConnectionFailed),
        (raw(200, b"no XML", "text/html"), ConnectionFailed),
    ],
    ids=["denied", "unknown key", "throttled", "down", "HTML", "garbage"],
)
def test_a_role_that_is_not_given_has_its_error(fake, answer, expected):
    block = AwsCredentials(**KEYS, role_arn=ROLE, endpoint_url=fake(answer).url, attempts=1)
    with pytest.raises(expected) as raised:
        block.expires_at()
    assert type(raised.value) is expected


def test_a_service_without_a_region_says_what_to_set():
    with pytest.raises(OperationFailed, match="AWS_REGION"):
        AwsCredentials(**KEYS).client("kms")


def test_no_log_and_no_error_shows_the_keys_of_a_role(fake, canary, assert_no_canary, caplog):
    server = fake(gives_role(later(hours=1), canary.replace("&", "&amp;")), raw(200, b"no XML", "text/xml"))
    keys = {"access_key_id": "AKIATESTING", "secret_access_key": canary, "session_token": canary}
    block = AwsCredentials(**keys, role_arn=ROLE, external_id=canary, endpoint_url=server.url, attempts=1)
    with caplog.at_level(logging.DEBUG):
        block.expires_at()
        check = block.check()
    assert check.status is not Status.READY
    assert_no_canary(caplog.text, repr(check), repr(vars(block)))


def test_a_check_says_as_whom(fake):
    check = AwsCredentials(**KEYS, endpoint_url=fake(names_caller).url).check()
    assert [(stage.name, stage.status.value) for stage in check.stages] == [
        ("dns", "ready"),
        ("tcp", "ready"),
        ("auth", "ready"),
    ]
    assert "assumed-role/etl/typecase" in check.stages[-1].reason


def test_a_check_on_moto_says_as_whom(credentials):
    check = credentials.check()
    assert check.status is Status.READY
    assert "arn:aws:sts::123456789012:" in check.stages[-1].reason


def test_a_role_on_moto_signs_in(credentials):
    check = credentials.model_copy(update={"role_arn": ROLE}).check()
    assert "assumed-role/etl/typecase" in check.stages[-1].reason


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (refuses("InvalidClientTokenId", status=403), Status.ERROR),
        (refuses("Throttling"), Status.UNKNOWN),
        (refuses("ServiceUnavailable", status=503), Status.UNKNOWN),
    ],
    ids=["refused", "throttled", "down"],
)
def test_a_check_fails_at_auth_with_a_next_step(fake, answer, status):
    check = AwsCredentials(**KEYS, endpoint_url=fake(answer).url, attempts=1).check()
    assert (check.stages[-1].name, check.stages[-1].status) == ("auth", status)
    assert check.stages[-1].next_step


def test_a_check_without_any_credentials_fails_at_auth(fake):
    check = AwsCredentials(endpoint_url=fake(names_caller).url).check()
    assert (check.stages[-1].name, check.stages[-1].status) == ("auth", Status.ERROR)


def test_a_check_of_a_place_where_nobody_listens_fails_at_tcp(fake):
    server = fake(names_caller)
    server.shutdown()
    server.server_close()
    check = AwsCredentials(**KEYS, endpoint_url=server.url).check()
    assert (check.stages[-1].name, check.stages[-1].status) == ("tcp", Status.ERROR)


def test_a_check_raises_nothing_for_a_profile_that_is_not_there():
    check = AwsCredentials(profile="no-such-profile").check()
    assert [(stage.name, stage.status) for stage in check.stages] == [("auth", Status.ERROR)]


def test_a_check_without_the_sdk_raises_nothing(monkeypatch):
    for name in ("boto3", "botocore.session"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    (stage,) = AwsCredentials(**KEYS, region="eu-west-9").check().stages
    assert "typecase[aws]" in stage.next_step


def test_without_the_sdk_the_error_names_the_extra(monkeypatch):
    for name in ("boto3", "botocore.session"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingPackage, match=r"typecase\[aws\]"):
        AwsCredentials(**KEYS, region="eu-west-9").client()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_clients_of_its_own(fake):
    server = fake(names_caller)
    block = AwsCredentials(**KEYS, endpoint_url=server.url)
    parents = block.client()
    parents.get_caller_identity()
    child = os.fork()
    if child == 0:
        own = block.client()
        os._exit(0 if own is not parents and own.get_caller_identity()["Account"] == "123456789012" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert parents.get_caller_identity()["Account"] == "123456789012"
