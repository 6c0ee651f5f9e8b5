"""GcpSecretManager against a gRPC server that answers as Google documents."""

import io
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.gcp import EMAIL, Kept, Refusal, Relay, Trap, error_info, retry_info
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr
from rich.console import Console
from rich.traceback import Traceback

from typecase.blocks import Status
from typecase.blocks.errors import (
    AuthenticationFailed,
    InvalidBlock,
    InvalidSecretKey,
    MissingPackage,
    OperationFailed,
    SecretExpired,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
)
from typecase.blocks.testing import BlockContract, SecretStoreContract
from typecase.integrations.gcp import GcpCredentials, GcpSecretManager
from typecase.integrations.gcp.secret_names import key_of_parts

PARTS = st.lists(st.text(alphabet="ab-_x2d/é", max_size=4), min_size=1, max_size=4).map(tuple)


def with_facts(block, **changes):
    return block.model_copy(update=changes)


class TestContract(SecretStoreContract):
    @pytest.fixture
    def store(self, google, store):
        google.add("prod-db", "hunter2-and-more")
        return store

    @pytest.fixture
    def key(self):
        return "prod-db"

    @pytest.fixture
    def value(self):
        return "hunter2-and-more"

    supports = frozenset({"unicode", "large", "binary"})

    @pytest.fixture
    def forbidden(self, google, store):
        google.denied.add((EMAIL, "*"))
        return store

    @pytest.fixture
    def unauthenticated(self, google, store):
        google.always = Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return store

    @pytest.fixture
    def throttled(self, google, store):
        google.always = Refusal("RESOURCE_EXHAUSTED", "Quota exceeded.")
        return store

    @pytest.fixture
    def disabled(self, google):
        google.add("off", "value")
        google.secrets["projects/acme-prod/secrets/off"].versions[0].state = "DISABLED"
        return "off"

    @pytest.fixture
    def deleted(self, google):
        google.add("gone", "value")
        google.secrets["projects/acme-prod/secrets/gone"].versions[0].state = "DESTROYED"
        return "gone"

    @pytest.fixture
    def binary(self, google):
        google.add("keystore", b"\xff\x00\xfe")
        return "keystore", b"\xff\x00\xfe"

    @pytest.fixture
    def many(self, google):
        google.secrets |= {f"projects/acme-prod/secrets/many--{number}": Kept() for number in range(1000)}
        google.add("not-many--1", "value")
        return "many--", lambda: google.calls["ListSecrets"]


class TestBlock(BlockContract):
    @pytest.fixture
    def block(self, key_text):
        return GcpSecretManager(
            project="acme-prod", credentials=GcpCredentials(service_account_key=key_text), cache_seconds=60
        )


def test_a_version_is_read_by_its_number_and_by_an_alias(google, store):
    google.add("db", "first", "second", aliases={"blue": 1})
    assert store.get("db", "1").get_secret_value() == "first"
    assert store.get("db", "blue").get_secret_value() == "first"
    assert store.get("db", "latest").get_secret_value() == "second"


def test_a_value_says_which_version_it_is(google, store):
    google.add("db", "first", "second")
    assert store.read("db").version == "2"


def test_a_secret_without_versions_is_missing(google, store):
    google.add("db")
    with pytest.raises(SecretNotFound) as raised:
        store.get("db")
    assert raised.value.reason == "absent"


def test_an_error_names_the_store_and_the_key(google, store):
    with pytest.raises(SecretNotFound) as raised:
        store.get("db")
    assert (raised.value.store, raised.value.key) == ("projects/acme-prod", "db")


def test_an_earlier_version_is_read_while_the_newest_is_disabled(google, store):
    google.add("db", "first", "second")
    google.secrets["projects/acme-prod/secrets/db"].versions[1].state = "DISABLED"
    assert store.get("db", "1").get_secret_value() == "first"
    with pytest.raises(SecretExpired, match="disabled"):
        store.get("db")


def test_a_long_name_does_not_hide_that_a_version_was_destroyed(google, store):
    google.add("d" * 255, "value")
    google.secrets[f"projects/acme-prod/secrets/{'d' * 255}"].versions[0].state = "DESTROYED"
    with pytest.raises(SecretNotFound) as raised:
        store.get("d" * 255)
    assert raised.value.reason == "deleted"


def test_a_name_that_says_destroyed_destroys_nothing(google, store):
    google.add("is-in-DESTROYED-state", "value")
    google.secrets["projects/acme-prod/secrets/is-in-DESTROYED-state"].versions[0].state = "DISABLED"
    with pytest.raises(SecretExpired):
        store.get("is-in-DESTROYED-state")


@pytest.mark.parametrize("key", ["a/b", "a b", "a.b", "ä", "x" * 256, "..", "projects/p/secrets/s"])
def test_a_name_that_cannot_be_is_refused_without_asking(google, store, key):
    for ask in (store.get, store.delete, lambda name: store.put(name, SecretStr("value"))):
        with pytest.raises(InvalidSecretKey):
            ask(key)
    assert not google.calls


@pytest.mark.parametrize("version", ["", "a/b", "1/../../other", "x" * 64])
def test_a_version_that_cannot_be_is_refused_without_asking(google, store, version):
    with pytest.raises(InvalidSecretKey):
        store.get("db", version)
    assert not google.calls


def test_a_key_is_made_of_parts(store):
    assert store.key_of("prod", "shop-db", "password") == "prod--shop-db--password"
    assert store.key_of("prod/eu", "user_name") == "prod_x2f_eu--user_name"


@given(PARTS, PARTS)
def test_distinct_parts_make_distinct_keys(left, right):
    try:
        made = key_of_parts(left), key_of_parts(right)
    except InvalidSecretKey:
        assert ("",) in (left, right)
    else:
        assert (made[0] == made[1]) is (left == right)


def test_a_key_of_too_many_parts_is_refused(store):
    with pytest.raises(InvalidSecretKey):
        store.key_of(*["part"] * 60)


def test_putting_creates_a_secret_that_google_replicates(google, store):
    store.put("db", SecretStr("value"))
    kept = google.secrets["projects/acme-prod/secrets/db"]
    assert "automatic" in kept.replication
    assert [version.data for version in kept.versions] == [b"value"]


def test_putting_creates_a_secret_in_the_locations_given(google, store):
    with_facts(store, replication_locations=("europe-west1", "europe-west3")).put("db", SecretStr("value"))
    replicas = google.secrets["projects/acme-prod/secrets/db"].replication.user_managed.replicas
    assert [replica.location for replica in replicas] == ["europe-west1", "europe-west3"]


def test_putting_into_a_secret_that_is_there_creates_none(google, store):
    google.add("db", "first")
    store.put("db", SecretStr("second"))
    assert dict(google.calls) == {"AddSecretVersion": 1}


def test_putting_needs_no_more_than_the_right_to_add_versions(google, store):
    google.add("db", "first")
    google.denied |= {(EMAIL, "CreateSecret"), (EMAIL, "AccessSecretVersion"), (EMAIL, "ListSecrets")}
    store.put("db", SecretBytes(b"\xff\x00"))
    assert google.secrets["projects/acme-prod/secrets/db"].versions[1].data == b"\xff\x00"


def test_a_secret_that_another_created_meanwhile_gets_the_version(google, store):
    google.add("db")
    google.faults = [Refusal("NOT_FOUND", "not yet")]
    store.put("db", SecretStr("value"))
    assert dict(google.calls) == {"AddSecretVersion": 2, "CreateSecret": 1}
    assert store.get("db").get_secret_value() == "value"


@pytest.mark.parametrize("value", ["", "x" * 65537], ids=["empty", "64 KiB and a byte"])
def test_what_google_does_not_keep_is_refused_without_asking(google, store, value):
    with pytest.raises(SecretMalformed):
        store.put("db", SecretStr(value))
    assert not google.calls


def test_a_lost_answer_to_a_write_is_not_asked_for_again(google, store):
    google.add("db", "first")
    google.faults = [Refusal("UNAVAILABLE", "The service is currently unavailable.")]
    with pytest.raises(SecretStoreUnreachable):
        store.put("db", SecretStr("second"))
    assert google.calls["AddSecretVersion"] == 1


def test_a_throttled_write_is_tried_again(google, store):
    google.add("db", "first")
    google.faults = [Refusal("RESOURCE_EXHAUSTED", "Quota exceeded.")]
    store.put("db", SecretStr("second"))
    assert len(google.secrets["projects/acme-prod/secrets/db"].versions) == 2


def test_a_prefix_is_where_a_name_starts(google, store):
    for name in ("prod-db", "not-prod-db", "prod-mail"):
        google.add(name, "value")
    assert list(store.list("prod-")) == ["prod-db", "prod-mail"]


def test_no_name_starts_with_what_no_name_can_hold(google, store):
    google.add("db", "value")
    assert list(store.list('d" OR name:"')) == []
    assert not google.calls


def test_a_page_without_a_match_does_not_end_the_list(google, store):
    google.secrets |= {f"projects/acme-prod/secrets/a--z-{number:03}": Kept() for number in range(300)}
    google.add("z-last", "value")
    assert list(store.list("z-")) == ["z-last"]
    assert google.calls["ListSecrets"] == 2


def test_a_regional_store_asks_its_region(google, store):
    regional = with_facts(store, location="europe-west3")
    regional.put("db", SecretStr("value"))
    assert "projects/acme-prod/locations/europe-west3/secrets/db" in google.secrets
    assert regional.get("db").get_secret_value() == "value"
    assert GcpSecretManager(project="acme", location="europe-west3").place.address == (
        "secretmanager.europe-west3.rep.googleapis.com"
    )


def test_a_regional_store_replicates_nowhere(store):
    with pytest.raises(InvalidBlock, match="replication_locations"):
        GcpSecretManager(project="acme", location="europe-west3", replication_locations=["europe-west1"])


def test_each_call_says_by_what_it_is_routed(google, store):
    google.add("db", "value")
    store.get("db")
    routed = google.metadata[-1]["x-goog-request-params"]
    assert routed == "name=projects%2Facme-prod%2Fsecrets%2Fdb%2Fversions%2Flatest"


def test_the_quota_project_is_named_in_each_call(google, store, credentials):
    google.add("db", "value")
    with_facts(store, credentials=with_facts(credentials, quota_project="acme-billing")).get("db")
    assert google.metadata[-1]["x-goog-user-project"] == "acme-billing"


def test_equal_stores_share_one_connection_and_one_token(google, store):
    google.add("db", "value")
    for block in (store, store.model_copy(deep=True), with_facts(store)):
        block.get("db")
    assert len(google.tokens.got) == 1


def test_many_threads_share_one_token_from_the_start(google, store):
    google.add("db", "value")
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: store.get("db").get_secret_value(), range(40)))
    assert found == ["value"] * 40
    assert len(google.tokens.got) == 1


@pytest.mark.parametrize("package", ["google.auth", "google.cloud", "grpc"])
def test_a_missing_package_is_named_with_its_extra(store, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=r"typecase\[gcp\]"):
        store.get("db")
    assert store.check().stages[-1].status is Status.ERROR


def test_a_token_that_the_service_refuses_is_not_used_again(google, store):
    google.add("db", "value")
    store.get("db")
    google.tokens.issued.clear()
    with pytest.raises(AuthenticationFailed):
        store.get("db")
    assert store.get("db").get_secret_value() == "value"
    assert len(google.tokens.got) == 2


@pytest.mark.parametrize("endpoint", ["", "a b", "a/b", "user@host", "host:port", "host:99999", "https://host", "[::1"])
def test_an_endpoint_that_cannot_be_is_refused(endpoint):
    with pytest.raises(InvalidBlock, match="endpoint"):
        GcpSecretManager(project="acme", endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [("vault.internal", "vault.internal", 443), ("vault.internal:8443", "vault.internal", 8443), ("[::1]:1", "::1", 1)],
)
def test_an_endpoint_is_a_host_and_a_port(endpoint, host, port):
    place = GcpSecretManager(project="acme", endpoint=endpoint).place
    assert (place.host, place.port) == (host, port)


def test_a_key_kept_elsewhere_that_is_out_of_reach_is_told_as_it_is(google, store, credentials):
    class Late(SecretStr):
        """Kept in another store."""

        def get_secret_value(self):
            raise SecretMalformed("no text", hint="look there", store="elsewhere", key="k")

    lost = with_facts(store, credentials=with_facts(credentials, service_account_key=Late("")))
    with pytest.raises(SecretMalformed) as raised:
        lost.get("db")
    assert raised.value.store == "elsewhere"
    assert lost.check().stages[-1].reason == "no text"


def test_its_client_is_googles_own_and_signed_in(google, store):
    google.add("db", "value")
    client = store.client()
    answer = client.access_secret_version(name="projects/acme-prod/secrets/db/versions/1", timeout=5)
    assert answer.payload.data == b"value"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # that it may is what is tested
def test_a_forked_child_reads_through_connections_of_its_own(google, store):
    google.add("db", "value")
    store.get("db")
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(theirs, store.get("db").get_secret_value().encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        assert answer.read() == b"value"
    os.waitpid(child, 0)
    assert store.get("db").get_secret_value() == "value"


def test_a_check_of_a_good_store_is_ready_at_every_stage(google, store):
    found = store.check()
    assert [(stage.name, stage.status) for stage in found.stages] == [
        (name, Status.READY) for name in ("dns", "tcp", "tls", "auth", "permission")
    ]
    assert f"signed in as {EMAIL}" in found.stages[3].reason


def test_a_check_reads_no_value(google, store):
    google.add("db", "value")
    store.check()
    assert dict(google.calls) == {"ListSecrets": 1}


def stages(block):
    return {stage.name: stage for stage in block.check().stages}


def test_a_check_that_may_not_list_says_that_nobody_knows(google, store):
    google.denied.add((EMAIL, "ListSecrets"))
    found = stages(store)
    assert found["auth"].status is Status.READY
    assert found["permission"].status is Status.UNKNOWN
    assert "secretAccessor" in found["permission"].next_step


def test_a_check_names_an_api_that_is_switched_off(google, store):
    detail = error_info("SERVICE_DISABLED", "secretmanager.googleapis.com")
    google.faults = [Refusal("PERMISSION_DENIED", "Secret Manager API has not been used", detail)]
    found = stages(store)["permission"]
    assert found.status is Status.ERROR
    assert "gcloud services enable secretmanager.googleapis.com" in found.next_step


def test_a_check_with_a_refused_identity_fails_at_auth(google, store):
    google.tokens.always = 401
    found = stages(store)
    assert found["auth"].status is Status.ERROR
    assert "permission" not in found


def test_a_check_with_a_token_that_is_refused_fails_at_auth(google, store):
    google.always = Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
    assert stages(store)["auth"].status is Status.ERROR


def test_a_check_without_an_answer_from_the_token_endpoint_knows_nothing(google, store):
    google.tokens.always = 503
    assert stages(store)["auth"].status is Status.UNKNOWN


def test_a_check_of_a_server_that_nobody_vouches_for_fails_at_tls(google, store):
    found = with_facts(store, ca_certificates=None).check()
    assert (found.stages[-1].name, found.stages[-1].status) == ("tls", Status.ERROR)
    assert not google.calls


def test_a_check_with_unreadable_authorities_fails_at_tls(google, store):
    found = with_facts(store, ca_certificates="/absent.pem").check()
    assert [(stage.name, stage.status) for stage in found.stages] == [("tls", Status.ERROR)]


# Outages


@pytest.mark.parametrize(
    ("fault", "error", "reason", "requests"),
    [
        (Refusal("UNAUTHENTICATED", "who?"), AuthenticationFailed, None, 1),
        (Refusal("PERMISSION_DENIED", "no"), SecretForbidden, None, 1),
        (Refusal("NOT_FOUND", "nothing"), SecretNotFound, "absent", 1),
        (Refusal("FAILED_PRECONDITION", "[x] is in DISABLED state."), SecretExpired, None, 1),
        (Refusal("FAILED_PRECONDITION", "[x] is in DESTROYED state."), SecretNotFound, "deleted", 1),
        (Refusal("RESOURCE_EXHAUSTED", "slow down"), SecretStoreUnreachable, "throttled", 3),
        (Refusal("INTERNAL", "oops"), SecretStoreUnreachable, "failed", 3),
        (Refusal("UNKNOWN", "oops"), SecretStoreUnreachable, "failed", 3),
        (Refusal("UNAVAILABLE", "The service is currently unavailable."), SecretStoreUnreachable, "failed", 3),
        (Refusal("UNAVAILABLE", "Connection reset by peer"), SecretStoreUnreachable, "connection", 3),
        (Refusal("DEADLINE_EXCEEDED", "late"), SecretStoreUnreachable, "timeout", 3),
        (Refusal("UNIMPLEMENTED", "what?"), SecretStoreUnreachable, "failed", 1),
        (Refusal("INVALID_ARGUMENT", "no such thing"), InvalidSecretKey, None, 1),
        ("garbage", SecretStoreUnreachable, "malformed answer", 1),
        ("damaged", SecretStoreUnreachable, "malformed answer", 3),
    ],
    ids=lambda item: getattr(item, "code", item) if isinstance(item, Refusal | str) else "",
)
def test_an_outage_has_its_error_and_ends(google, store, fault, error, reason, requests):
    google.add("db", "value")
    google.always = fault
    with pytest.raises(error) as raised:
        store.get("db")
    assert getattr(raised.value, "reason", None) == reason
    assert raised.value.hint
    assert google.calls["AccessSecretVersion"] == requests


def test_a_service_that_does_not_answer_is_left_after_the_timeout(google, store):
    google.always = "slow"
    with pytest.raises(SecretStoreUnreachable) as raised:
        with_facts(store, timeout=0.2, attempts=2).get("db")
    assert raised.value.reason == "timeout"
    assert google.calls["AccessSecretVersion"] == 2


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_a_passing_fault_is_not_noticed(google, store, code):
    google.add("db", "value")
    google.faults = [Refusal(code, "passing"), Refusal(code, "passing")]
    assert store.get("db").get_secret_value() == "value"


def test_damage_on_the_way_is_repaired_by_asking_again(google, store):
    google.add("db", "value")
    google.faults = ["damaged"]
    assert store.get("db").get_secret_value() == "value"


def test_a_service_that_names_a_wait_is_left_alone_for_as_long(google, store, waits):
    google.add("db", "value")
    google.faults = [Refusal("RESOURCE_EXHAUSTED", "slow down", retry_info(2))]
    store.get("db")
    assert waits == [2.0]


def test_a_service_that_names_too_long_a_wait_is_not_waited_for(google, store, waits):
    google.always = Refusal("RESOURCE_EXHAUSTED", "slow down", retry_info(600))
    with pytest.raises(SecretStoreUnreachable):
        store.get("db")
    assert (waits, google.calls["AccessSecretVersion"]) == ([], 1)


def test_waits_grow_and_are_short(google, store, waits):
    google.always = Refusal("INTERNAL", "oops")
    with pytest.raises(SecretStoreUnreachable):
        with_facts(store, attempts=10).get("db")
    assert len(waits) == 9
    assert all(0 <= wait <= min(0.1 * 2**number, 5) for number, wait in enumerate(waits, start=1))


def test_a_server_that_nobody_vouches_for_is_a_tls_fault(google, store):
    with pytest.raises(SecretStoreUnreachable) as raised:
        with_facts(store, ca_certificates=None).get("db")
    assert raised.value.reason == "tls"
    assert not google.calls


def test_a_port_where_nobody_listens_is_a_connection_fault(google, store):
    with pytest.raises(SecretStoreUnreachable) as raised:
        with_facts(store, endpoint="127.0.0.1:1").get("db")
    assert raised.value.reason == "connection"


def test_a_service_is_not_asked_without_a_token(google, store):
    google.tokens.always = 400
    with pytest.raises(AuthenticationFailed):
        store.get("db")
    assert not google.calls
    assert len(google.tokens.got) == 1


@pytest.mark.parametrize(("fault", "reason"), [(503, "failed"), (429, "throttled"), ("reset", "connection")])
def test_an_outage_of_the_token_endpoint_is_one_of_the_store(google, store, fault, reason):
    google.tokens.always = fault
    with pytest.raises(SecretStoreUnreachable) as raised:
        store.get("db")
    assert raised.value.reason == reason
    assert not google.calls
    assert len(google.tokens.got) == 3


@pytest.mark.parametrize(
    ("manner", "reasons"),
    [("reset", {"connection"}), ("junk", {"tls"}), ("tls junk", {"connection", "failed", "malformed answer"})],
)
def test_what_speaks_no_grpc_is_an_outage(google, store, authority, manner, reasons):
    with Trap(manner, authority) as trap, pytest.raises(SecretStoreUnreachable) as raised:
        with_facts(store, endpoint=trap.endpoint, timeout=1).get("db")
    assert raised.value.reason in reasons
    assert 0 < trap.met <= 6


def test_a_connection_that_breaks_during_a_call_is_made_anew(google, store, authority):
    google.add("db", "value")
    with Relay(google.port) as relay:
        through = with_facts(store, endpoint=relay.endpoint)
        assert through.get("db").get_secret_value() == "value"
        relay.cut()
        assert through.get("db").get_secret_value() == "value"
        assert relay.met == 2


def test_a_connection_that_breaks_before_an_answer_is_an_outage(google, store):
    google.always = "slow"
    cutting = Relay(google.port, cut_after=lambda: google.calls["AccessSecretVersion"])
    with cutting as relay, pytest.raises(SecretStoreUnreachable) as raised:
        with_facts(store, endpoint=relay.endpoint, timeout=3, attempts=2).get("db")
    assert raised.value.reason == "connection"
    assert google.calls["AccessSecretVersion"] in {1, 2}


def test_authorities_that_are_not_there_are_named(google, store):
    with pytest.raises(SecretStoreUnreachable, match="`ca_certificates`") as raised:
        with_facts(store, ca_certificates="/absent.pem").get("db")
    assert raised.value.reason == "tls"


# Secrets


def test_no_error_log_or_traceback_shows_a_secret(google, store, canary, assert_no_canary, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    google.add("db", canary)
    wrapped = SecretStr(canary)
    texts = []
    with caplog.at_level(logging.DEBUG):
        for fault in (None, "damaged", "garbage", Refusal("INTERNAL", "oops"), Refusal("NOT_FOUND", "gone")):
            google.always = fault
            texts += [told_by(store.get, "db"), told_by(store.put, "db", wrapped)]
    assert sum(bool(text) for text in texts) == 7
    assert "POST /token" in caplog.text
    assert_no_canary(caplog.text, *texts)


def test_a_service_that_repeats_what_it_got_shows_nothing(google, store, canary, assert_no_canary):
    google.add("db")
    store.check()
    (token,) = google.tokens.issued
    wrapped = SecretStr(canary)
    texts = []
    for said in (canary, token):
        google.always = Refusal("INTERNAL", f"cannot handle {said} now")
        texts.append(told_by(store.put, "db", wrapped))
    assert all("cannot handle" in text for text in texts)
    assert token not in "".join(texts)
    assert_no_canary(*texts)


def test_no_error_shows_the_key_or_a_token(google, store, key_text):
    texts = [repr(store), repr(store.check())]
    for fault in (Refusal("UNAUTHENTICATED", "who?"), "garbage", Refusal("UNAVAILABLE", "later")):
        google.always = fault
        texts.append(told_by(store.get, "db"))
    google.tokens.always = 400
    texts.append(told_by(store.credentials.refresh))
    assert all(texts)
    hidden = [*google.tokens.issued, json.loads(key_text)["private_key"].splitlines()[3]]
    assert len(hidden) > 1
    assert [secret for secret in hidden if any(secret in text for text in texts)] == []


def told_by(act, *arguments):
    """All that a traceback with local variables shows of the error that `act` ends with; empty if it has none."""
    try:
        act(*arguments)
    except OperationFailed as error:
        out = io.StringIO()
        trace = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=None
        )
        Console(file=out, width=400).print(trace)
        return f"{out.getvalue()} {error!r} {error} {vars(error)} {error.__cause__!r} {error.__context__!r}"
    return ""
