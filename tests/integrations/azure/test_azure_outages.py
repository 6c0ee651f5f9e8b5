"""What an outage of Azure looks like to a flow: the right error, a bounded number of requests, no secret shown."""

import logging
import socket
import traceback

import pytest
from fakes.azure import Fault
from pydantic import SecretStr

from typecase.blocks.checks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    OperationFailed,
    SecretError,
    SecretForbidden,
    SecretNotFound,
    SecretStoreUnreachable,
)

ERROR = '{"error": {"code": "%s", "message": "%s"}}'
BUNDLE = '{"id": "https://x/secrets/a/b", "attributes": {"enabled": true}}'

# What the vault does, the error and its reason, and how many requests two attempts make.
MATRIX = {
    "silence": (Fault(kind="silent"), SecretStoreUnreachable, "timeout", 2),
    "reset": (Fault(kind="reset"), SecretStoreUnreachable, "connection", 2),
    "401": (Fault(401, ERROR % ("Unauthorized", "no")), AuthenticationFailed, None, 1),
    "403": (Fault(403, ERROR % ("Forbidden", "no")), SecretForbidden, None, 1),
    "404": (Fault(404, ERROR % ("SecretNotFound", "none")), SecretNotFound, "absent", 2),
    "408": (Fault(408, ERROR % ("RequestTimeout", "late")), SecretStoreUnreachable, "timeout", 2),
    "429": (Fault(429, ERROR % ("Throttled", "wait"), {"Retry-After": "0"}), SecretStoreUnreachable, "throttled", 2),
    "429 for an hour": (Fault(429, "", {"Retry-After": "3600"}), SecretStoreUnreachable, "throttled", 1),
    "500": (Fault(500, ERROR % ("InternalServerError", "oops")), SecretStoreUnreachable, "failed", 2),
    "502 in HTML": (Fault(502, "<html>", {"Content-Type": "text/html"}), SecretStoreUnreachable, "failed", 2),
    "503": (Fault(503, "", {"Retry-After": "0"}), SecretStoreUnreachable, "failed", 2),
    "400": (Fault(400, ERROR % ("BadParameter", "bad")), SecretError, None, 1),
    "slow body": (Fault(kind="drip"), SecretStoreUnreachable, "timeout", 2),
    "huge body": (Fault(kind="endless"), SecretStoreUnreachable, "malformed answer", 1),
    "cut connection": (Fault(kind="truncated", body='{"value": "x'), SecretStoreUnreachable, "connection", 2),
    "cut JSON": (Fault(body='{"value": "x'), SecretStoreUnreachable, "malformed answer", 1),
    "HTML": (
        Fault(body="<html>", headers={"Content-Type": "text/html"}),
        SecretStoreUnreachable,
        "malformed answer",
        1,
    ),
    "list": (Fault(body="[]"), SecretStoreUnreachable, "malformed answer", 1),
    "null": (Fault(body="null"), SecretStoreUnreachable, "malformed answer", 1),
    "no value": (Fault(body=BUNDLE), SecretStoreUnreachable, "malformed answer", 1),
    "redirect": (
        Fault(302, "", {"Location": "https://elsewhere.example.com/"}),
        SecretStoreUnreachable,
        "malformed answer",
        1,
    ),
}


SLOW = {"silence", "slow body"}


@pytest.fixture
def signed_in(azure, vault):
    """Builds a vault that is signed in already; `timeout` is its own."""

    def build(timeout=5.0):
        azure.put("a", "x")
        vault().get("a")
        azure.requests.clear()
        return vault(timeout=timeout)

    return build


def shown_by(error):
    """A traceback with local variables, from below the test's own frame."""
    frames = error.__traceback__.tb_next
    assert frames is not None
    return "".join(traceback.TracebackException(type(error), error, frames, capture_locals=True).format())


@pytest.mark.parametrize("case", MATRIX)
def test_an_outage_has_its_own_error_and_bounded_requests(azure, signed_in, case):
    block = signed_in(timeout=0.3 if case in SLOW else 5.0)
    fault, error, reason, requests = MATRIX[case]
    azure.fail(fault)
    with pytest.raises(OperationFailed) as raised:
        block.get("a")
    assert type(raised.value) is error
    assert reason is None or raised.value.reason == reason
    assert len(azure.requests) == requests


@pytest.mark.parametrize("case", sorted(MATRIX.keys() - {"no value"}))
def test_an_outage_says_what_to_do_and_shows_no_secret(azure, signed_in, case, canary, assert_no_canary, caplog):
    block = signed_in(timeout=0.3 if case in SLOW else 5.0)
    caplog.set_level(logging.DEBUG)
    azure.fail(MATRIX[case][0])
    with pytest.raises(OperationFailed) as raised:
        block.put("a", SecretStr(canary))
    assert raised.value.hint
    assert raised.value.store == block.place
    shown = shown_by(raised.value)
    assert_no_canary(shown, caplog.text, repr(vars(raised.value)))
    assert_no_canary(shown, caplog.text, secret=next(iter(azure.tokens)))


@pytest.mark.parametrize("verb", ["get", "put", "list", "delete"])
def test_every_method_tells_an_outage(azure, signed_in, verb):
    block = signed_in()
    azure.fail(Fault(503, "", {"Retry-After": "0"}))
    acts = {
        "get": lambda: block.get("a"),
        "put": lambda: block.put("a", SecretStr("b")),
        "list": lambda: next(block.list()),
        "delete": lambda: block.delete("a"),
    }
    with pytest.raises(SecretStoreUnreachable, match="failed"):
        acts[verb]()


def test_a_fault_that_passes_is_not_noticed(azure, signed_in):
    block = signed_in()
    azure.fail(Fault(503, "", {"Retry-After": "0"}), times=1)
    assert block.get("a").get_secret_value() == "x"
    assert len(azure.requests) == 2


def test_a_list_goes_on_after_a_page_that_failed_once(azure, signed_in):
    block = signed_in()
    for number in range(30):
        azure.put(f"b{number:02}", "x")
    names = block.list("b")
    first = next(names)
    azure.fail(Fault(503, "", {"Retry-After": "0"}), times=1)
    assert [first, *names] == [f"b{number:02}" for number in range(30)]


def test_a_deletion_that_may_have_been_heard_is_not_repeated(azure, signed_in):
    block = signed_in(timeout=0.3)
    azure.fail(Fault(kind="silent"))
    with pytest.raises(SecretStoreUnreachable):
        block.delete("a")
    assert len(azure.requests) == 1


def test_an_outage_of_the_authority_is_no_refused_sign_in(azure, vault):
    azure.authority_fault = Fault(503, "busy")
    with pytest.raises(SecretStoreUnreachable) as raised:
        vault().get("a")
    assert raised.value.reason == "failed"


@pytest.mark.parametrize("kind", ["reset", "silent", "drip", "endless"])
def test_an_authority_that_does_not_answer_is_no_refused_sign_in(azure, vault, credentials, kind):
    azure.authority_fault = Fault(kind=kind)
    with pytest.raises(SecretStoreUnreachable):
        vault(credentials=credentials(timeout=0.15)).get("a")


def test_an_authority_that_asks_for_an_hour_is_not_waited_for(azure, vault):
    azure.authority_fault = Fault(429, "", {"Retry-After": "3600"})
    with pytest.raises(SecretStoreUnreachable):
        vault().get("a")


def test_a_vault_that_nobody_vouches_for_is_not_asked(azure, vault):
    block = vault(ca_certificates=None)
    with pytest.raises(SecretStoreUnreachable) as raised:
        block.get("a")
    assert raised.value.reason == "tls"
    assert "ca_certificates" in str(raised.value)
    assert azure.challenges == 0


@pytest.mark.parametrize("certificates", ["/absent.pem", "-----BEGIN NONSENSE-----"])
def test_certificate_authorities_that_cannot_be_read_are_no_wrong_answer(vault, certificates):
    with pytest.raises(SecretStoreUnreachable) as raised:
        vault(ca_certificates=certificates).get("a")
    assert raised.value.reason == "tls"


def test_a_port_where_nobody_listens_is_a_failed_connection(vault):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        block = vault(vault_url=f"https://localhost:{unused.getsockname()[1]}")
        with pytest.raises(SecretStoreUnreachable) as raised:
            block.get("a")
    assert raised.value.reason == "connection"
    assert block.check().stages[-1].name == "tcp"


def test_a_check_of_a_vault_that_fails_is_unknown(azure, signed_in):
    block = signed_in()
    azure.fail(Fault(500, "oops"))
    check = block.check()
    assert (check.stages[-1].name, check.status) == ("auth", Status.UNKNOWN)
