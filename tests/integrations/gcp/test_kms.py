"""GcpKmsKey against a gRPC server that encrypts as Google documents."""

import json
import logging
import sys

import pytest
from fakes.gcp import EMAIL, Refusal, RootKey, error_info
from hypothesis import given
from hypothesis import strategies as st

from typecase.blocks.errors import DecryptionFailed, KeyUnavailable, MissingPackage, NotSupported, SettingsError
from typecase.blocks.testing.keys import CONTEXT, DATA_KEY, KeyProviderContract
from typecase.integrations.gcp import GcpKmsKey
from typecase.integrations.gcp.kms import _joined
from typecase.registry.keys import open_key

NAME = "projects/acme-prod/locations/europe-west3/keyRings/typecase/cryptoKeys/root"
CONTEXTS = st.lists(st.binary(max_size=4), max_size=3).map(tuple)


@pytest.fixture
def url(google, key_text, authorities, tmp_path, monkeypatch):
    """The URL of a key that this process may use."""
    google.keys[NAME] = RootKey()
    adc = tmp_path / "adc.json"
    adc.write_text(key_text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(adc))
    (tmp_path / "ca.pem").write_text(authorities)
    return f"gcpkms://{NAME}?endpoint={google.endpoint}&ca_certificates={tmp_path / 'ca.pem'}"


@pytest.fixture
def key(url):
    return GcpKmsKey.from_url(url)


@pytest.fixture
def wrapped(google, key):
    """A wrapped data key, after which only what a test does is counted."""
    found = key.wrap(DATA_KEY, context=CONTEXT)
    google.calls.clear()
    return found


class TestContract(KeyProviderContract):
    @pytest.fixture
    def provider(self, key):
        return key

    @pytest.fixture
    def reopened(self, url):
        return GcpKmsKey.from_url(url)

    @pytest.fixture
    def other(self, google, url):
        google.keys[f"{NAME}2"] = RootKey()
        return GcpKmsKey.from_url(url.replace(NAME, f"{NAME}2"))


def test_it_is_opened_by_its_scheme(url):
    found = open_key(url)
    assert isinstance(found, GcpKmsKey)
    assert found.id == f"gcpkms:{NAME}"


def test_where_its_service_is_does_not_change_its_id(url):
    assert GcpKmsKey.from_url(f"{url}&timeout=2&attempts=1").id == f"gcpkms:{NAME}"


@pytest.mark.parametrize(
    "url",
    [
        "gcpkms:///",
        "gcpkms://projects/p",
        f"gcpkms://{NAME}/cryptoKeyVersions/1",
        f"gcpkms://{NAME}/x",
        f"gcpkms://{NAME}?colour=red",
        f"gcpkms://{NAME}?timeout=soon",
        f"gcpkms://{NAME}?timeout=-1",
        f"gcpkms://{NAME}?timeout=nan",
        f"gcpkms://{NAME}?attempts=1000",
        f"gcpkms://{NAME}?endpoint=a/b",
        f"gcpkms://{NAME}?impersonate=nobody",
        f"gcpkms://{NAME}#fragment",
        f"gcpkms://user:secret@{NAME}",
        f"gcpkms://{NAME}?endpoint",
        f"awskms://{NAME}",
        "gcpkms://[",
    ],
)
def test_a_url_that_names_no_key_is_refused_and_not_shown(url):
    with pytest.raises(SettingsError) as raised:
        GcpKmsKey.from_url(url)
    assert raised.value.hint
    assert url not in str(raised.value)


def test_the_context_travels_as_associated_data(google, key):
    key.wrap(DATA_KEY, context=CONTEXT)
    assert google.sent[-1].additional_authenticated_data == _joined(CONTEXT)


@given(CONTEXTS, CONTEXTS)
def test_distinct_contexts_are_distinct_texts(left, right):
    assert (_joined(left) == _joined(right)) is (left == right)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("DISABLED", "disabled"), ("DESTROYED", "destroyed"), ("DESTROY_SCHEDULED", "destroyed"), (None, "absent")],
)
def test_a_key_that_cannot_be_used_is_not_opened(google, url, state, reason):
    google.keys = {} if state is None else {NAME: RootKey(state=state)}
    with pytest.raises(KeyUnavailable) as raised:
        GcpKmsKey.from_url(url)
    assert raised.value.reason == reason
    assert raised.value.hint


def test_a_key_for_signatures_is_not_opened(google, url):
    google.keys[NAME].purpose = "ASYMMETRIC_SIGN"
    with pytest.raises(KeyUnavailable, match="ASYMMETRIC_SIGN") as raised:
        GcpKmsKey.from_url(url)
    assert raised.value.reason == "malformed"


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_key_whose_version_goes_later_is_unavailable_and_nothing_is_damaged(google, key, wrapped, state):
    google.keys[NAME].state = state
    for act in (lambda: key.unwrap(wrapped, context=CONTEXT), lambda: key.wrap(DATA_KEY, context=CONTEXT)):
        with pytest.raises(KeyUnavailable) as raised:
            act()
        assert raised.value.reason == state.lower()


def test_a_key_that_may_be_described_is_not_tried(google, key):
    assert key.tried is False
    assert dict(google.calls) == {"GetCryptoKey": 1}


def test_a_key_that_may_only_be_used_is_tried_and_says_so(google, url, caplog):
    google.denied.add((EMAIL, "GetCryptoKey"))
    with caplog.at_level(logging.INFO):
        found = GcpKmsKey.from_url(url)
    assert found.tried is True
    assert dict(google.calls) == {"GetCryptoKey": 1, "Encrypt": 1, "Decrypt": 1}
    assert "cloudkms.cryptoKeys.get" in caplog.text
    assert found.unwrap(found.wrap(DATA_KEY, context=CONTEXT), context=CONTEXT) == DATA_KEY


@pytest.mark.parametrize("missing", ["Encrypt", "Decrypt"])
def test_a_key_that_may_not_be_used_either_is_forbidden(google, url, missing):
    google.denied |= {(EMAIL, "GetCryptoKey"), (EMAIL, missing)}
    with pytest.raises(KeyUnavailable, match="cryptoKeyEncrypterDecrypter") as raised:
        GcpKmsKey.from_url(url)
    assert raised.value.reason == "forbidden"


def test_an_api_that_is_switched_off_is_named(google, url):
    detail = error_info("SERVICE_DISABLED", "cloudkms.googleapis.com")
    google.faults = [Refusal("PERMISSION_DENIED", "Cloud KMS API has not been used", detail)]
    with pytest.raises(KeyUnavailable, match=r"gcloud services enable cloudkms\.googleapis\.com"):
        GcpKmsKey.from_url(url)


def test_a_process_without_an_identity_may_not_use_a_key(google, url, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(KeyUnavailable) as raised:
        GcpKmsKey.from_url(url)
    assert raised.value.reason == "forbidden"
    assert not google.calls


OUTAGES = [
    (Refusal("UNAVAILABLE", "The service is currently unavailable."), "unreachable", 3),
    (Refusal("DEADLINE_EXCEEDED", "late"), "unreachable", 3),
    (Refusal("RESOURCE_EXHAUSTED", "Quota exceeded."), "unreachable", 3),
    (Refusal("INTERNAL", "oops"), "unreachable", 3),
    (Refusal("INVALID_ARGUMENT", "The checksum did not match the data."), "unreachable", 3),
    (Refusal("UNAUTHENTICATED", "who?"), "forbidden", 1),
    (Refusal("PERMISSION_DENIED", "no"), "forbidden", 1),
    (Refusal("NOT_FOUND", "gone"), "absent", 1),
    ("garbage", "unreachable", 1),
    ("damaged", "unreachable", 3),
]


@pytest.mark.parametrize(
    ("fault", "reason", "requests"), OUTAGES, ids=lambda item: item.code if isinstance(item, Refusal) else ""
)
@pytest.mark.parametrize("method", ["Encrypt", "Decrypt"])
def test_an_outage_is_no_damage_and_ends(google, key, wrapped, method, fault, reason, requests):
    google.always = fault
    act, given = (key.wrap, DATA_KEY) if method == "Encrypt" else (key.unwrap, wrapped)
    with pytest.raises(KeyUnavailable) as raised:
        act(given, context=CONTEXT)
    assert raised.value.reason == reason
    assert dict(google.calls) == {method: requests}


def test_a_service_that_does_not_answer_is_left_after_the_timeout(google, url):
    google.always = "slow"
    with pytest.raises(KeyUnavailable) as raised:
        GcpKmsKey.from_url(f"{url}&timeout=0.2&attempts=2")
    assert raised.value.reason == "unreachable"
    assert google.calls["GetCryptoKey"] == 2


def test_damage_on_the_way_is_repaired_by_asking_again(google, key, wrapped):
    google.faults = ["damaged"]
    assert key.unwrap(wrapped, context=CONTEXT) == DATA_KEY


def test_an_answer_that_does_not_confirm_the_checksums_is_not_believed(google, key, monkeypatch):
    whole = google.on_Encrypt

    def unconfirmed(request):
        answer = whole(request)
        answer.verified_additional_authenticated_data_crc32c = False
        return answer

    monkeypatch.setattr(google, "on_Encrypt", unconfirmed)
    with pytest.raises(KeyUnavailable):
        key.wrap(DATA_KEY, context=CONTEXT)


def test_a_service_that_nobody_vouches_for_is_unreachable(google, url):
    with pytest.raises(KeyUnavailable) as raised:
        GcpKmsKey.from_url(url.partition("&")[0])
    assert raised.value.reason == "unreachable"
    assert not google.calls


def test_authorities_that_are_not_there_are_named(google, url):
    with pytest.raises(KeyUnavailable, match="`ca_certificates`") as raised:
        GcpKmsKey.from_url(f"{url}-absent")
    assert raised.value.reason == "unreachable"


def test_a_missing_package_is_named_with_its_extra(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud", None)
    with pytest.raises(MissingPackage, match=r"typecase\[gcp\]"):
        GcpKmsKey.from_url(url)


def test_what_is_too_long_to_be_a_wrapped_key_is_refused_without_asking(google, key):
    google.calls.clear()
    with pytest.raises(DecryptionFailed):
        key.unwrap(b"x" * 65537, context=CONTEXT)
    assert not google.calls


def test_it_is_not_pickled_and_says_what_to_do(key):
    with pytest.raises(NotSupported, match="open_key"):
        key.__reduce__()


def test_no_error_or_log_shows_the_data_key(google, key, wrapped, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    secret = b"data-key-canary-0123456789abcdef"
    seen = []
    with caplog.at_level(logging.DEBUG):
        for fault in ("garbage", "damaged", Refusal("INTERNAL", "oops")):
            google.always = fault
            with pytest.raises(KeyUnavailable) as raised:
                key.wrap(secret, context=CONTEXT)
            seen += locals_of(raised.value)
    assert seen
    assert "canary" not in caplog.text + json.dumps(seen)


def locals_of(error):
    """The local variables of the frames below this module that a traceback of `error` reaches."""
    step, found = error.__traceback__, []
    while step is not None:
        if step.tb_frame.f_code.co_filename != __file__:
            found.append(repr(step.tb_frame.f_locals))
        step = step.tb_next
    return found
