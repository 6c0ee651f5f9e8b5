"""Every way in which AWS can fail gives its own error, after a bounded number of requests, and shows no secret."""

import json
import logging
import ssl
import traceback

import pytest
import trustme
from fakes.aws import breaks_off, drips, floods, hangs, raw, refuses, resets, says, stops
from pydantic import SecretStr

from typecase.blocks.checks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    SecretError,
    SecretExpired,
    SecretForbidden,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.integrations.aws import AwsCredentials, AwsParameterStore, AwsSecretsManager

STORES = [AwsSecretsManager, AwsParameterStore]
HTML = b"<html>Bad gateway</html>"

pytestmark = pytest.mark.usefixtures("waits")


def store_at(cls, server, **fields):
    credentials = AwsCredentials(
        region="eu-west-1",
        access_key_id="AKIATESTING",
        secret_access_key="a secret access key",
        endpoint_url=server.url,
        **fields,
    )
    return cls(credentials=credentials, timeout=0.2, attempts=2)


def failure(call, *arguments):
    """The error that a call raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any: which one it is, is what is asked
        call(*arguments)
    return raised.value


def shown(error):
    """All that a traceback with local variables shows of an error, below the test's own frames."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename == __file__:
        step = step.tb_next
    told = traceback.TracebackException(type(error), error, step, capture_locals=True)
    return "".join(told.format()) + repr(vars(error))


FAULTS = {
    "silence": (hangs, SecretStoreUnreachable, "timeout", 2),
    "a reset": (resets, SecretStoreUnreachable, "connection", 2),
    "401": (raw(401, HTML, "text/html"), AuthenticationFailed, None, 1),
    "an unknown key": (refuses("UnrecognizedClientException"), AuthenticationFailed, None, 1),
    "a wrong signature": (refuses("InvalidSignatureException"), AuthenticationFailed, None, 1),
    "keys that ended": (refuses("ExpiredTokenException"), AuthenticationFailed, None, 1),
    "403": (raw(403, HTML, "text/html"), SecretForbidden, None, 1),
    "access denied": (refuses("AccessDeniedException"), SecretForbidden, None, 1),
    "404 of AWS": (refuses("ResourceNotFoundException", status=404), SecretNotFound, "absent", 1),
    "404 of a stranger": (raw(404, HTML, "text/html"), SecretStoreUnreachable, "malformed answer", 1),
    "throttling": (refuses("ThrottlingException"), SecretStoreUnreachable, "throttled", 2),
    "429": (refuses("TooManyRequestsException", status=429, Retry_After="30"), SecretStoreUnreachable, "throttled", 2),
    "500": (refuses("InternalServiceError", status=500), SecretStoreUnreachable, "failed", 2),
    "502 of a stranger": (raw(502, HTML, "text/html"), SecretStoreUnreachable, "failed", 2),
    "503": (refuses("ServiceUnavailable", status=503), SecretStoreUnreachable, "failed", 2),
    "an answer that drips": (drips, SecretStoreUnreachable, "timeout", 2),
    "an answer that stops": (stops(b'{"Secret'), SecretStoreUnreachable, "timeout", 2),
    "an answer that breaks off": (breaks_off(b'{"Secret'), SecretStoreUnreachable, "connection", 2),
    "truncated JSON": (raw(200, b'{"SecretString": "hal'), SecretStoreUnreachable, "malformed answer", 1),
    "an answer without an end": (floods, SecretStoreUnreachable, "malformed answer", 1),
    "HTML": (raw(200, HTML, "text/html"), SecretStoreUnreachable, "malformed answer", 1),
    "another shape": (says({"Parameter": {}, "SecretString": None}), SecretStoreUnreachable, "malformed answer", 1),
    "a disabled KMS key": (refuses("DisabledException"), SecretExpired, None, 1),
}


@pytest.mark.parametrize("cls", STORES)
@pytest.mark.parametrize(("answer", "expected", "reason", "requests"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_has_its_error_and_a_bounded_number_of_requests(fake, cls, answer, expected, reason, requests):
    server = fake(answer)
    error = failure(store_at(cls, server).get, "/key")
    assert type(error) is expected
    assert getattr(error, "reason", None) == reason
    assert len(server.requests) == requests
    assert (error.store, error.key) == (cls.__block__.slug, "/key")
    assert error.hint


@pytest.mark.parametrize("cls", STORES)
def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(fake, cls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = fake(says({}), context=context)
    error = failure(store_at(cls, server).get, "/key")
    assert isinstance(error, SecretStoreUnreachable)
    assert error.reason == "tls"
    assert server.requests == []


def test_a_certificate_of_the_named_authority_is_accepted(fake):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = fake(says({"SecretString": "s", "VersionId": "1"}), context=context)
    bundle = authority.cert_pem.bytes().decode()
    store = store_at(AwsSecretsManager, server, ca_bundle=bundle)
    assert store.get("key").get_secret_value() == "s"
    stages = {stage.name: stage.status for stage in store.check().stages}
    assert stages["tls"] is Status.READY


def test_an_unproven_certificate_is_accepted_where_that_is_asked_for(fake):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = fake(says({"SecretString": "s", "VersionId": "1"}), context=context)
    with pytest.warns(match="Unverified HTTPS request"):
        assert store_at(AwsSecretsManager, server, verify_tls=False).get("key").get_secret_value() == "s"


def test_nobody_listening_is_a_connection_failure(fake):
    server = fake(says({}))
    server.server_close()
    server.shutdown()
    error = failure(store_at(AwsSecretsManager, server).get, "key")
    assert error.reason == "connection"


@pytest.mark.parametrize("cls", STORES)
def test_a_passing_fault_is_tried_again(fake, cls):
    good = says({"SecretString": "s", "VersionId": "1", "Parameter": {"Value": "s", "Version": 1}})
    server = fake(refuses("ThrottlingException"), good)
    assert store_at(cls, server).get("/key").get_secret_value() == "s"
    assert len(server.requests) == 2


def test_a_server_that_asks_for_a_long_wait_is_not_obeyed(fake, waits):
    server = fake(refuses("ThrottlingException", x_amz_retry_after="600000"))
    failure(store_at(AwsSecretsManager, server).get, "key")
    assert len(waits) == 1
    assert waits[0] <= 6


@pytest.mark.parametrize("cls", STORES)
def test_the_number_of_attempts_is_that_of_the_block(fake, cls):
    server = fake(refuses("InternalServiceError", status=500))
    failure(store_at(cls, server).model_copy(update={"attempts": 4}).get, "/key")
    assert len(server.requests) == 4


def test_a_disabled_kms_key_is_no_missing_secret(fake):
    server = fake(refuses("DecryptionFailure", "The KMS key is disabled."))
    assert isinstance(failure(store_at(AwsSecretsManager, server).get, "key"), SecretExpired)


def test_a_kms_key_that_is_not_allowed_is_forbidden(fake):
    server = fake(refuses("AccessDeniedException", "Access to KMS is not allowed"))
    error = failure(store_at(AwsSecretsManager, server).get, "key")
    assert isinstance(error, SecretForbidden)
    assert "kms:Decrypt" in error.hint


def test_an_error_that_nobody_foresaw_is_still_typed(fake):
    server = fake(refuses("SomethingNewException", "we invented this"))
    error = failure(store_at(AwsSecretsManager, server).get, "key")
    assert type(error) is SecretError
    assert "we invented this" in str(error)
    assert error.code == "SomethingNewException"


@pytest.mark.parametrize("cls", STORES)
@pytest.mark.parametrize("operation", ["get", "put", "list", "delete"])
def test_every_operation_tells_an_outage(fake, cls, operation):
    store = store_at(cls, fake(refuses("ServiceUnavailable", status=503)))
    calls = {
        "get": lambda: store.get("/key"),
        "put": lambda: store.put("/key", store.credentials.secret_access_key),
        "list": lambda: list(store.list("/")),
        "delete": lambda: store.delete("/key"),
    }
    error = failure(calls[operation])
    assert isinstance(error, SecretStoreUnreachable)
    assert error.reason == "failed"


@pytest.mark.parametrize("cls", STORES)
@pytest.mark.parametrize("operation", ["list", "delete", "put"])
def test_a_stranger_that_answers_is_never_taken_for_success(fake, cls, operation):
    store = store_at(cls, fake(raw(200, HTML, "text/html")))
    calls = {
        "put": lambda: store.put("/key", store.credentials.secret_access_key),
        "list": lambda: list(store.list("/")),
        "delete": lambda: store.delete("/key"),
    }
    error = failure(calls[operation])
    assert isinstance(error, SecretStoreUnreachable)
    assert error.reason == "malformed answer"


@pytest.mark.parametrize("cls", STORES)
@pytest.mark.parametrize(
    "answer",
    [
        lambda secret: raw(200, f'{{"SecretString": "{secret}'.encode()),
        lambda secret: raw(200, f"<html>{secret}".encode(), "text/html"),
        lambda secret: raw(404, f"<html>{secret}".encode(), "text/html"),
        lambda secret: raw(502, f"<html>{secret}".encode(), "text/html"),
        lambda secret: says({"SecretString": secret, "Parameter": {"Value": secret}}),
        lambda secret: breaks_off(f'{{"SecretString": "{secret}'.encode()),
        lambda secret: stops(f'{{"SecretString": "{secret}'.encode()),
    ],
    ids=["truncated", "HTML", "404", "502", "another shape", "breaks off", "stops"],
)
def test_no_error_and_no_log_shows_what_the_server_sent(fake, cls, answer, canary, assert_no_canary, caplog):
    server = fake(answer(canary))
    with caplog.at_level(logging.DEBUG):
        error = failure(store_at(cls, server).get, "/key")
    assert len(server.requests) > 0
    assert_no_canary(shown(error), caplog.text)


@pytest.mark.parametrize("name", ["silence", "an unknown key", "access denied", "500", "HTML"])
def test_no_error_and_no_log_shows_a_key(fake, name, canary, assert_no_canary, caplog):
    server = fake(FAULTS[name][0])
    store = store_at(AwsSecretsManager, server)
    keys = store.credentials.model_copy(update={"secret_access_key": canary, "session_token": canary})
    with caplog.at_level(logging.DEBUG):
        error = failure(store.model_copy(update={"credentials": keys}).get, "key")
    assert server.requests[0][2]["X-Amz-Security-Token"].startswith("canary-")
    assert_no_canary(shown(error), caplog.text)


@pytest.mark.parametrize("cls", STORES)
def test_no_error_and_no_log_shows_what_is_put(fake, cls, canary, assert_no_canary, caplog):
    server = fake(refuses("ValidationException", f"Value '{canary}' at 'secretString' failed"))
    with caplog.at_level(logging.DEBUG):
        error = failure(store_at(cls, server).put, "/key", SecretStr(canary))
    assert canary in json.loads(server.requests[0][1]).values()
    assert_no_canary(shown(error), caplog.text)


@pytest.mark.parametrize("cls", STORES)
def test_reading_logs_no_value_at_any_level(fake, cls, canary, assert_no_canary, caplog):
    server = fake(says({"SecretString": canary, "VersionId": "1", "Parameter": {"Value": canary, "Version": 1}}))
    with caplog.at_level(logging.DEBUG):
        assert store_at(cls, server).get("/key").get_secret_value() == canary
    assert_no_canary(caplog.text)


def test_a_refused_sign_in_is_not_remembered(fake, monkeypatch):
    server = fake(refuses("ExpiredTokenException"), says({"SecretString": "s", "VersionId": "1"}))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "old")
    store = AwsSecretsManager(credentials=AwsCredentials(region="eu-west-1", endpoint_url=server.url))
    failure(store.get, "key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    assert store.get("key").get_secret_value() == "s"
    signed = [headers["Authorization"] for _, _, headers in server.requests]
    assert ["AKIAOLD" in signed[0], "AKIANEW" in signed[1]] == [True, True]
