"""AwsKmsKey beyond the contract: URLs, states of the key, outages, the encryption context."""

import base64
import copy
import json
import logging
import traceback
from uuid import uuid4

import pytest
from fakes.aws import drips, floods, hangs, raw, refuses, resets, says

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, SettingsError
from typecase.integrations.aws import AwsCredentials, AwsKmsKey
from typecase.integrations.aws.kms import _joined

CONTEXT = (b"data key", b"workspace", b"1")
ARN = "arn:aws:kms:eu-west-1:123456789012:key/00000000-1111-2222-3333-444444444444"
ENABLED = {"KeyMetadata": {"KeyId": "0", "Arn": ARN, "KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT"}}
HTML = raw(200, b"<html>hello</html>", "text/html")

pytestmark = pytest.mark.usefixtures("waits", "keys_in_the_environment")


@pytest.fixture
def keys_in_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret access key")


@pytest.fixture
def kms(credentials):
    return credentials.client("kms")


@pytest.fixture
def key(kms):
    return kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]


def opened(server):
    return AwsKmsKey.from_url(f"awskms:///{ARN}?endpoint={server.url}")


def impatient(server):
    """A key that waits for nobody."""
    credentials = AwsCredentials(region="eu-west-1", endpoint_url=server.url, timeout=0.2, attempts=2)
    return AwsKmsKey(ARN, credentials)


def shown(error):
    """All that a traceback with local variables shows of an error, below the test's own frame."""
    told = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    return "".join(told.format()) + repr(vars(error))


def wrapped_by(server, blob=b"ciphertext"):
    """What `opened(server)` would make of `blob` in CONTEXT."""
    return b"\x01" + impatient(server)._digest(blob, CONTEXT) + blob


def test_a_key_is_opened_by_id_alias_and_arn_and_is_the_same(kms, key, moto_url):
    alias = f"alias/typecase/{uuid4()}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    options = f"endpoint={moto_url}"
    urls = [
        f"awskms://{key['KeyId']}?region=eu-west-1&{options}",
        f"awskms://{alias}?region=eu-west-1&{options}",
        f"awskms:///{alias}?region=eu-west-1&{options}",
        f"awskms:///{key['Arn']}?{options}",
        f"AWSKMS:///{key['Arn'].replace(':', '%3A')}?{options}",
    ]
    assert {AwsKmsKey.from_url(url).id for url in urls} == {f"awskms:{key['Arn']}"}


def test_the_region_of_an_arn_is_where_it_is_looked_up(fake):
    server = fake(says(ENABLED))
    opened(server)
    assert "/eu-west-1/kms/" in server.requests[0][2]["Authorization"]


def test_a_role_of_the_url_is_taken(fake, moto_url, key):
    url = f"awskms://{key['KeyId']}?region=eu-west-1&role=arn:aws:iam::123456789012:role/keys&endpoint={moto_url}"
    provider = AwsKmsKey.from_url(url)
    assert provider.unwrap(provider.wrap(b"x" * 32, context=CONTEXT), context=CONTEXT) == b"x" * 32


@pytest.mark.parametrize(
    "url",
    [
        "awskms://",
        "awskms:///",
        "awskms://alias/",
        "awskms://alias/with space",
        "awskms:///arn:aws:s3:::bucket",
        "awskms://key?colour=blue",
        "awskms://key?region=eu-west-1&region=eu-west-2",
        "awskms://key?region=Ireland",
        "awskms://key?endpoint=localhost",
        "awskms://key?role=etl",
        "awskms://key?region",
        "awskms://[key",
        "awskms://key#fragment",
        "kms://key",
    ],
)
def test_a_url_that_names_no_key_is_refused(url):
    with pytest.raises(SettingsError) as raised:
        AwsKmsKey.from_url(url)
    assert "awskms://" in raised.value.hint


def test_a_refused_url_is_not_shown(canary, assert_no_canary):
    for url in (f"awskms://key {canary}", f"awskms://key?endpoint=http://user:{canary.split('/')[0]}@localhost"):
        with pytest.raises(SettingsError) as raised:
            AwsKmsKey.from_url(url)
        assert_no_canary(f"{raised.value}{vars(raised.value)}")


def test_a_key_that_is_not_there_is_absent(moto_url):
    with pytest.raises(KeyUnavailable) as raised:
        AwsKmsKey.from_url(f"awskms://{uuid4()}?region=eu-west-1&endpoint={moto_url}")
    assert raised.value.reason == "absent"


def test_a_disabled_key_is_disabled(kms, key, moto_url):
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(KeyUnavailable, match="Disabled") as raised:
        AwsKmsKey.from_url(f"awskms:///{key['Arn']}?endpoint={moto_url}")
    assert (raised.value.reason, raised.value.state) == ("disabled", "Disabled")


def test_a_key_on_its_way_out_says_so(kms, key, moto_url):
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    with pytest.raises(KeyUnavailable, match="scheduled for deletion") as raised:
        AwsKmsKey.from_url(f"awskms:///{key['Arn']}?endpoint={moto_url}")
    assert (raised.value.reason, raised.value.state) == ("disabled", "PendingDeletion")
    assert "Cancel" in raised.value.hint


def test_a_key_that_only_signs_is_malformed(kms, moto_url):
    arn = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    with pytest.raises(KeyUnavailable, match="SIGN_VERIFY") as raised:
        AwsKmsKey.from_url(f"awskms:///{arn}?endpoint={moto_url}")
    assert raised.value.reason == "malformed"


def test_without_a_region_the_error_says_what_to_add():
    with pytest.raises(SettingsError, match="region"):
        AwsKmsKey.from_url("awskms://alias/typecase")


def test_without_any_credentials_the_key_is_forbidden(fake, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(KeyUnavailable) as raised:
        opened(fake(says(ENABLED)))
    assert raised.value.reason == "forbidden"


UNAVAILABLE = {
    "access denied": (refuses("AccessDeniedException"), "forbidden", 1),
    "an unknown key": (refuses("UnrecognizedClientException"), "forbidden", 1),
    "keys that ended": (refuses("ExpiredTokenException"), "forbidden", 1),
    "401": (raw(401, b"", "text/html"), "forbidden", 1),
    "absent": (refuses("NotFoundException"), "absent", 1),
    "disabled": (refuses("DisabledException"), "disabled", 1),
    "pending deletion": (refuses("KMSInvalidStateException", "is pending deletion"), "disabled", 1),
    "its hardware is away": (refuses("KeyUnavailableException", status=500), "unreachable", 2),
    "throttling": (refuses("ThrottlingException"), "unreachable", 2),
    "500": (refuses("KMSInternalException", status=500), "unreachable", 2),
    "503": (refuses("ServiceUnavailable", status=503), "unreachable", 2),
    "silence": (hangs, "unreachable", 2),
    "a reset": (resets, "unreachable", 2),
    "an answer that drips": (drips, "unreachable", 2),
    "an answer without an end": (floods, "unreachable", 1),
    "truncated JSON": (raw(200, b'{"Plaintext": "hal'), "unreachable", 1),
    "HTML": (HTML, "unreachable", 1),
    "404 of a stranger": (raw(404, b"<html>", "text/html"), "unreachable", 1),
    "something new": (refuses("SomethingNewException"), "malformed", 1),
}


@pytest.mark.parametrize("operation", ["wrap", "unwrap"])
@pytest.mark.parametrize(("answer", "reason", "requests"), UNAVAILABLE.values(), ids=UNAVAILABLE.keys())
def test_an_outage_is_never_taken_for_damage(fake, answer, reason, requests, operation):
    server = fake(answer)
    text = b"x" * 32 if operation == "wrap" else wrapped_by(server)
    with pytest.raises(KeyUnavailable) as raised:
        getattr(impatient(server), operation)(text, context=CONTEXT)
    assert raised.value.reason == reason
    assert raised.value.hint
    assert len(server.requests) == requests


@pytest.mark.parametrize(("answer", "reason"), [(item[0], item[1]) for item in list(UNAVAILABLE.values())[:9]])
def test_opening_tells_the_same_apart(fake, answer, reason):
    with pytest.raises(KeyUnavailable) as raised:
        opened(fake(answer))
    assert raised.value.reason == reason


@pytest.mark.parametrize("code", ["InvalidCiphertextException", "IncorrectKeyException"])
def test_what_kms_finds_damaged_is_damage(fake, code):
    server = fake(refuses(code))
    with pytest.raises(DecryptionFailed):
        impatient(server).unwrap(wrapped_by(server), context=CONTEXT)


def test_an_answer_of_another_key_is_refused(fake):
    other = ARN.replace("0000", "9999")
    server = fake(says({"Plaintext": base64.b64encode(b"x" * 32).decode(), "KeyId": other}))
    with pytest.raises(DecryptionFailed):
        impatient(server).unwrap(wrapped_by(server), context=CONTEXT)


def test_damage_is_told_without_asking_kms(fake):
    server = fake(refuses("ServiceUnavailable", status=503))
    with pytest.raises(DecryptionFailed):
        impatient(server).unwrap(wrapped_by(server)[:-1], context=CONTEXT)
    assert server.requests == []


def test_kms_itself_refuses_another_context(key, moto_url):
    provider = AwsKmsKey.from_url(f"awskms:///{key['Arn']}?endpoint={moto_url}")
    blob = provider.wrap(b"x" * 32, context=CONTEXT)[33:]
    forged = b"\x01" + provider._digest(blob, (b"elsewhere",)) + blob
    with pytest.raises(DecryptionFailed):
        provider.unwrap(forged, context=(b"elsewhere",))


def test_the_context_is_sent_as_one_name_and_is_told_apart_by_its_parts(fake):
    server = fake(refuses("DisabledException"))
    for context in ((b"a", b"bc"), (b"ab", b"c"), ()):
        with pytest.raises(KeyUnavailable):
            impatient(server).wrap(b"x" * 32, context=context)
    sent = [json.loads(body)["EncryptionContext"] for _, body, _ in server.requests]
    assert [set(pairs) for pairs in sent] == [{"typecase"}] * 3
    assert len({pairs["typecase"] for pairs in sent}) == 3
    assert base64.b64decode(sent[0]["typecase"]) == _joined((b"a", b"bc"))


def test_the_key_is_always_named(fake):
    server = fake(refuses("DisabledException"))
    with pytest.raises(KeyUnavailable):
        impatient(server).unwrap(wrapped_by(server), context=CONTEXT)
    assert json.loads(server.requests[0][1])["KeyId"] == ARN


def test_a_text_longer_than_kms_takes_is_damage(fake):
    server = fake(refuses("DisabledException"))
    with pytest.raises(DecryptionFailed):
        impatient(server).unwrap(wrapped_by(server, b"x" * 7000), context=CONTEXT)
    assert server.requests == []


def test_wrapping_logs_no_data_key_at_any_level(key, moto_url, canary, assert_no_canary, caplog):
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="werkzeug"):
        provider = AwsKmsKey.from_url(f"awskms:///{key['Arn']}?endpoint={moto_url}")
        wrapped = provider.wrap(canary.encode(), context=CONTEXT)
        assert provider.unwrap(wrapped, context=CONTEXT) == canary.encode()
    assert "POST / HTTP/1.1" in caplog.text
    assert_no_canary(caplog.text)


def test_a_failed_wrap_shows_no_data_key(fake, canary, assert_no_canary, caplog):
    server = fake(refuses("ValidationException", f"Value {canary} at 'plaintext' failed"))
    with caplog.at_level(logging.DEBUG), pytest.raises(KeyUnavailable) as raised:
        impatient(server).wrap(canary.encode(), context=CONTEXT)
    assert "at 'plaintext' failed" in str(raised.value)
    assert_no_canary(caplog.text, shown(raised.value))


def test_its_repr_shows_no_credentials(fake):
    provider = impatient(fake(says(ENABLED)))
    assert repr(provider) == f"<AwsKmsKey awskms:{ARN}>"
    with pytest.raises(NotImplementedError):
        copy.copy(provider)
