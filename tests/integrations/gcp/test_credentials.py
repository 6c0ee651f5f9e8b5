"""GcpCredentials against token endpoints of our own, which check what is sent to them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from fakes.gcp import EMAIL, MACHINE, SCOPE, TARGET, TokenServer, Trap
from google.auth.credentials import TokenState
from pydantic import SecretStr

from typecase.blocks import Status, secret
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, InvalidBlock, MissingPackage
from typecase.blocks.testing import BlockContract
from typecase.integrations.gcp import GcpCredentials
from typecase.integrations.gcp.tokens import headers_of, tokens_of


class TestContract(BlockContract):
    @pytest.fixture
    def block(self, key_text):
        return GcpCredentials(service_account_key=key_text, impersonate=TARGET, delegates=[EMAIL], lifetime=600)


@pytest.fixture
def acting(google, key_text):
    """Acts as another service account."""
    return GcpCredentials(
        service_account_key=key_text, impersonate=TARGET, lifetime=600, iam_endpoint=google.tokens.url, timeout=2
    )


@pytest.fixture
def federated(google, tmp_path):
    """Signs in with the token in a file."""
    path = tmp_path / "token"
    path.write_text("subject-token")
    return GcpCredentials(federation=google.tokens.federation(path), timeout=2)


def without(text, name):
    found = json.loads(text)
    del found[name]
    return found


def test_a_key_is_json_text_or_an_object(key_text):
    as_object = GcpCredentials(service_account_key=json.loads(key_text))
    assert as_object == GcpCredentials(service_account_key=json.dumps(json.loads(key_text)))


@pytest.mark.parametrize("name", ["type", "client_email", "private_key", "token_uri"])
def test_a_key_without_a_part_is_refused(key_text, name):
    with pytest.raises(InvalidBlock, match=name):
        GcpCredentials(service_account_key=without(key_text, name))


@pytest.mark.parametrize("name", ["type", "audience", "subject_token_type", "token_url", "credential_source"])
def test_a_federation_without_a_part_is_refused(google, name):
    with pytest.raises(InvalidBlock, match=name):
        GcpCredentials(federation=without(json.dumps(google.tokens.federation("/token")), name))


def test_a_file_of_another_kind_says_where_it_belongs(google, key_text):
    with pytest.raises(InvalidBlock, match="put it into `service_account_key`"):
        GcpCredentials(federation=key_text)
    with pytest.raises(InvalidBlock, match="put it into `federation`"):
        GcpCredentials(service_account_key=google.tokens.federation("/token"))
    with pytest.raises(InvalidBlock, match="a person's credentials"):
        GcpCredentials(service_account_key={"type": "authorized_user"})


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '"text"', "{"])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(InvalidBlock, match="not a JSON object"):
        GcpCredentials(service_account_key=text)


def test_a_refused_key_is_not_shown(google, canary, assert_no_canary):
    for given in (canary, f'{{"private_key": "{canary}', google.tokens.key_file(type=canary, private_key=canary)):
        with pytest.raises(InvalidBlock) as raised:
            GcpCredentials(service_account_key=given)
        assert_no_canary(f"{raised.value} {raised.value!r} {vars(raised.value)}")


@pytest.mark.parametrize("url", ["http://tokens.example/token", "ftp://oauth2.googleapis.com/token", "nonsense"])
def test_an_assertion_is_not_sent_in_clear(google, url):
    with pytest.raises(InvalidBlock, match="token_uri"):
        GcpCredentials(service_account_key=google.tokens.key_file(token_uri=url))


@pytest.mark.parametrize("name", ["token_url", "service_account_impersonation_url", "token_info_url"])
def test_a_federated_token_is_sent_to_google_only(google, name):
    with pytest.raises(InvalidBlock, match=name):
        GcpCredentials(federation=google.tokens.federation("/token", **{name: "https://googleapis.com.example/v1"}))


def test_a_block_runs_no_program(google):
    with pytest.raises(InvalidBlock, match="runs a program"):
        GcpCredentials(federation=google.tokens.federation("/x", credential_source={"executable": {"command": "id"}}))


def test_two_identities_are_refused(google, key_text):
    with pytest.raises(InvalidBlock, match="two identities"):
        GcpCredentials(service_account_key=key_text, federation=google.tokens.federation("/token"))


def test_delegates_that_lead_to_nobody_are_refused():
    with pytest.raises(InvalidBlock, match="impersonate"):
        GcpCredentials(delegates=[EMAIL])


@pytest.mark.parametrize("account", ["loader", "a@b/../../x", "a b@c", "a@b:generateAccessToken"])
def test_an_account_that_cannot_be_is_refused(account):
    with pytest.raises(InvalidBlock, match="impersonate"):
        GcpCredentials(impersonate=account)


def test_a_private_key_is_read_when_it_signs(google):
    block = GcpCredentials(service_account_key=google.tokens.key_file(private_key="no PEM"))
    with pytest.raises(AuthenticationFailed, match="cannot be read"):
        block.client()
    assert not google.tokens.got


def test_its_client_is_a_credentials_object_of_googles(credentials):
    found = credentials.client()
    assert found.service_account_email == EMAIL
    assert found.scopes == [SCOPE]


def test_equal_blocks_share_one_credentials_object(credentials):
    assert credentials.model_copy(deep=True).client() is credentials.client()


def test_a_token_is_fetched_once(google, credentials):
    signed = [headers_of(credentials) for _ in range(3)]
    assert len({found["authorization"] for found in signed}) == 1
    assert len(google.tokens.got) == 1


def test_a_signed_assertion_buys_a_token(google, credentials):
    token = headers_of(credentials)["authorization"].removeprefix("Bearer ")
    assert google.tokens.issued == {token: EMAIL}


def test_an_assertion_signed_with_another_key_is_refused(google, credentials, monkeypatch):
    from cryptography.hazmat.primitives.asymmetric import rsa

    monkeypatch.setattr("fakes.gcp.KEY", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(AuthenticationFailed, match="Invalid JWT Signature"):
        credentials.refresh()


def test_a_refresh_fetches_another_token(google, credentials):
    first = headers_of(credentials)
    credentials.refresh()
    assert headers_of(credentials) != first
    assert len(google.tokens.got) == 2


def test_its_end_is_that_of_the_token(google, credentials):
    google.tokens.lifetime = 1800
    end = credentials.expires_at()
    assert end.tzinfo is UTC
    assert abs(end - datetime.now(UTC) - timedelta(seconds=1800)) < timedelta(minutes=1)


def test_a_token_about_to_end_is_renewed(google, credentials):
    google.tokens.lifetime = 60
    first = headers_of(credentials)
    assert tokens_of(credentials).credentials().token_state is TokenState.STALE
    assert headers_of(credentials) != first


def test_a_token_about_to_end_is_used_while_there_is_no_other(google, credentials):
    google.tokens.lifetime = 60
    first = headers_of(credentials)
    google.tokens.always = 503
    assert [headers_of(credentials) for _ in range(5)] == [first] * 5
    assert len(google.tokens.got) == 1 + credentials.attempts


def test_a_refused_identity_is_read_anew(google, credentials):
    google.tokens.faults = [401]
    with pytest.raises(AuthenticationFailed):
        credentials.expires_at()
    assert credentials.expires_at() is not None


def test_it_acts_as_another_account(google, acting):
    token = headers_of(acting)["authorization"].removeprefix("Bearer ")
    assert google.tokens.issued[token] == TARGET
    body = json.loads(google.tokens.got[-1][2])
    assert body == {"delegates": [], "scope": [SCOPE], "lifetime": "600s"}


def test_it_acts_through_delegates(google, acting):
    middle = "middle@acme.iam.gserviceaccount.com"
    google.tokens.may_act |= {(EMAIL, middle), (middle, TARGET)}
    block = acting.model_copy(update={"delegates": (middle,)})
    token = headers_of(block)["authorization"].removeprefix("Bearer ")
    assert google.tokens.issued[token] == TARGET
    assert json.loads(google.tokens.got[-1][2])["delegates"] == [middle]


def test_who_may_not_act_as_another_hears_which_role_is_missing(acting):
    block = acting.model_copy(update={"impersonate": "other@acme.iam.gserviceaccount.com"})
    with pytest.raises(AuthenticationFailed, match=r"getAccessToken.*denied.*serviceAccountTokenCreator"):
        block.refresh()


def test_a_federated_workload_exchanges_its_token(google, federated):
    token = headers_of(federated)["authorization"].removeprefix("Bearer ")
    assert google.tokens.issued == {token: "federated"}
    form = parse_qs(google.tokens.got[-1][2].decode())
    assert form["scope"] == [SCOPE]
    assert form["subject_token"] == ["subject-token"]


def test_a_federated_workload_acts_as_the_account_of_its_configuration(google, tmp_path):
    google.tokens.may_act.add(("federated", TARGET))
    (tmp_path / "token").write_text("subject-token")
    acting = f"{google.tokens.url}/v1/projects/-/serviceAccounts/{TARGET}:generateAccessToken"
    configuration = google.tokens.federation(tmp_path / "token", service_account_impersonation_url=acting)
    block = GcpCredentials(federation=configuration)
    assert f"signed in as {TARGET}" in block.check().stages[-1].reason
    assert list(google.tokens.issued.values()) == ["federated", TARGET]


def test_a_missing_package_is_named_with_its_extra(credentials, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(MissingPackage, match=r"typecase\[gcp\]"):
        credentials.client()
    assert credentials.check().stages[-1].status is Status.ERROR


def test_a_key_may_be_kept_in_a_secret_store(google, key_text, monkeypatch):
    monkeypatch.setenv("GCP_KEY", key_text)
    block = GcpCredentials(service_account_key=secret("env", "GCP_KEY"))
    assert f"signed in as {EMAIL}" in block.check().stages[-1].reason


def test_a_federated_token_that_is_refused_says_so(google, federated, monkeypatch):
    monkeypatch.setattr(google.tokens, "subject", "another")
    with pytest.raises(AuthenticationFailed, match="subject token is not valid"):
        federated.refresh()


def test_the_machines_identity_is_the_default(google, key_text, tmp_path, monkeypatch):
    path = tmp_path / "adc.json"
    path.write_text(key_text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    block = GcpCredentials()
    block.refresh()
    assert list(google.tokens.issued.values()) == [EMAIL]
    assert tokens_of(block).project == "acme-prod"


def test_the_machines_identity_acts_as_another_account(google, key_text, tmp_path, monkeypatch):
    path = tmp_path / "adc.json"
    path.write_text(key_text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    GcpCredentials(impersonate=TARGET, iam_endpoint=google.tokens.url).refresh()
    assert list(google.tokens.issued.values()) == [EMAIL, TARGET]


def test_a_service_on_google_cloud_signs_in_with_its_own_account(google):
    script = (
        "from typecase.integrations.gcp import GcpCredentials\n"
        "check = GcpCredentials().check()\n"
        "print(check.status, check.stages[-1].reason)"
    )
    host = google.tokens.url.removeprefix("http://")
    # google-auth reads these when it is imported.
    machine = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "GCE_METADATA_ROOT": host, "NO_GCE_CHECK": "false"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={**os.environ, **machine}
    )
    assert f"ready signed in as {MACHINE}" in done.stdout, done.stderr
    assert MACHINE in google.tokens.issued.values()


def test_a_process_without_an_identity_hears_how_to_get_one(google):
    with pytest.raises(AuthenticationFailed, match="gcloud auth application-default login"):
        GcpCredentials().client()


def test_a_check_says_as_whom(credentials):
    found = credentials.check()
    assert [(stage.name, stage.status) for stage in found.stages] == [
        (name, Status.READY) for name in ("dns", "tcp", "auth")
    ]
    assert f"signed in as {EMAIL} until " in found.stages[-1].reason


def test_a_check_says_as_whom_it_acts(acting):
    assert f"signed in as {TARGET}" in acting.check().stages[-1].reason


def test_a_check_of_a_federated_workload_says_through_what(federated):
    assert "workloadIdentityPools/p/providers/q" in federated.check().stages[-1].reason


def test_a_check_that_is_refused_fails_at_auth(google, credentials):
    google.tokens.always = 400
    stage = credentials.check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.ERROR)
    assert stage.next_step


def test_a_check_without_an_answer_knows_nothing(google, credentials):
    google.tokens.always = 503
    stage = credentials.check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.UNKNOWN)


def test_a_check_without_an_identity_fails_at_auth(google):
    stage = GcpCredentials().check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.ERROR)


def test_a_check_of_an_endpoint_that_is_down_fails_at_tcp(google):
    block = GcpCredentials(service_account_key=google.tokens.key_file(token_uri="http://127.0.0.1:1/token"))
    stage = block.check().stages[-1]
    assert (stage.name, stage.status) == ("tcp", Status.ERROR)


def test_a_check_shows_no_token(google, credentials):
    found = repr(credentials.check())
    assert google.tokens.issued
    assert [token for token in google.tokens.issued if token in found] == []


def test_a_check_with_a_referenced_key_reads_it_when_it_runs(google, key_text):
    class Late(SecretStr):
        """Fetched when it is asked for."""

        def get_secret_value(self):
            asked.append(True)
            return key_text

    asked = []
    block = GcpCredentials(impersonate=TARGET, iam_endpoint=google.tokens.url)
    block = block.model_copy(update={"service_account_key": Late("")})
    assert asked == []
    assert f"signed in as {TARGET}" in block.check().stages[-1].reason


@pytest.mark.parametrize(
    ("fault", "error", "reason", "requests"),
    [
        (400, AuthenticationFailed, None, 1),
        (401, AuthenticationFailed, None, 1),
        (403, AuthenticationFailed, None, 1),
        (404, ConnectionFailed, "failed", 1),
        (302, ConnectionFailed, "failed", 1),
        (429, ConnectionFailed, "throttled", 3),
        (500, ConnectionFailed, "failed", 3),
        (503, ConnectionFailed, "failed", 3),
        ("reset", ConnectionFailed, "connection", 3),
        ("slow", ConnectionFailed, "timeout", 3),
        ("trickle", ConnectionFailed, "timeout", 3),
        ("short", ConnectionFailed, "connection", 3),
        ("truncated", ConnectionFailed, "malformed answer", 1),
        ("huge", ConnectionFailed, "malformed answer", 1),
        ("html", ConnectionFailed, "malformed answer", 1),
    ],
)
def test_an_outage_of_the_token_endpoint_has_its_error_and_ends(google, key_text, fault, error, reason, requests):
    google.tokens.always = fault
    with pytest.raises(error) as raised:
        GcpCredentials(service_account_key=key_text, timeout=0.2).refresh()
    assert getattr(raised.value, "reason", None) == reason
    assert raised.value.hint
    assert len(google.tokens.got) == requests


@pytest.mark.parametrize("fault", [429, 500, 503, "reset", "short"])
def test_a_passing_fault_of_the_token_endpoint_is_not_noticed(google, credentials, fault):
    google.tokens.faults = [fault, fault]
    credentials.refresh()
    assert list(google.tokens.issued.values()) == [EMAIL]


def test_a_token_endpoint_that_names_a_wait_is_left_alone_for_as_long(google, credentials, waits):
    google.tokens.faults, google.tokens.retry_after = [429], "2"
    credentials.refresh()
    assert waits == [2.0]


def test_a_token_endpoint_that_names_too_long_a_wait_is_not_waited_for(google, credentials, waits):
    google.tokens.always, google.tokens.retry_after = 429, "120"
    with pytest.raises(ConnectionFailed):
        credentials.refresh()
    assert (waits, len(google.tokens.got)) == ([], 1)


def test_a_token_endpoint_that_nobody_vouches_for_is_a_tls_fault(google, authority):
    with Trap("tls junk", authority) as trap:
        key = google.tokens.key_file(token_uri=f"https://{trap.endpoint}/token")
        with pytest.raises(ConnectionFailed) as raised:
            GcpCredentials(service_account_key=key, timeout=1).refresh()
    assert raised.value.reason == "tls"
    assert trap.met == 1


@pytest.mark.parametrize("form", ["text", "path"])
def test_a_token_endpoint_may_have_an_authority_of_its_own(google, authority, authorities, tmp_path, monkeypatch, form):
    (tmp_path / "ca.pem").write_text(authorities)
    given = authorities if form == "text" else str(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/absent.pem")
    server = TokenServer(authority)
    try:
        block = GcpCredentials(service_account_key=server.key_file(), ca_certificates=given)
        stages = [(stage.name, stage.status) for stage in block.check().stages]
    finally:
        server.close()
    assert stages == [(name, Status.READY) for name in ("dns", "tcp", "tls", "auth")]
    assert list(server.issued.values()) == [EMAIL]


def test_authorities_that_are_not_there_are_named(credentials):
    block = credentials.model_copy(update={"ca_certificates": "/absent.pem"})
    with pytest.raises(ConnectionFailed, match="`ca_certificates`"):
        block.refresh()


def test_a_list_of_authorities_that_the_machine_lacks_is_a_tls_fault(google, monkeypatch, authority):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/absent.pem")
    with Trap("tls junk", authority) as trap:
        block = GcpCredentials(service_account_key=google.tokens.key_file(token_uri=f"https://{trap.endpoint}/token"))
        with pytest.raises(ConnectionFailed) as raised:
            block.refresh()
    assert raised.value.reason == "tls"


def test_the_netrc_of_a_user_does_not_sign_requests(google, credentials, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    credentials.refresh()
    assert "Authorization" not in google.tokens.got[-1][3]
