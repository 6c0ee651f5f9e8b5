"""Signing in at Azure: each method reaches the authority, and a refusal is no outage."""

import json
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from fakes.azure import CLIENT, TENANT, FakeIdentityEndpoint, Fault

from typecase.blocks.checks import Status
from typecase.blocks.errors import AuthenticationFailed, ConnectionFailed, InvalidBlock
from typecase.integrations.azure import AzureCredentials

SCOPE = "https://vault.azure.net/.default"
NO_SECRET = {"method": "default", "tenant_id": None, "client_id": None, "client_secret": None}


@pytest.fixture
def certificate(rsa_keys):
    """A self-signed certificate with its key, encrypted, and the passphrase."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "typecase")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_keys[0].public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(rsa_keys[0], SHA256())
    )
    protection = BestAvailableEncryption(b"passphrase")
    key = rsa_keys[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return signed, (key + signed.public_bytes(Encoding.PEM)).decode()


@pytest.fixture
def endpoint(azure, monkeypatch):
    """An App Service identity endpoint that this process finds in its environment."""
    fake = FakeIdentityEndpoint(azure)
    monkeypatch.setenv("IDENTITY_ENDPOINT", fake.url)
    monkeypatch.setenv("IDENTITY_HEADER", fake.header)
    yield fake
    fake.close()


def by_certificate(credentials, **options):
    return credentials(method="certificate", client_secret=None, **options)


def test_a_client_secret_signs_in(azure, credentials):
    assert credentials().client().get_token(SCOPE).token in azure.tokens


def test_a_certificate_as_text_signs_in(azure, credentials, certificate):
    azure.certificates.append(certificate[0])
    block = by_certificate(credentials, certificate=certificate[1], certificate_password="passphrase")
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_a_certificate_as_a_file_signs_in(azure, credentials, certificate, tmp_path):
    azure.certificates.append(certificate[0])
    path = tmp_path / "certificate.pem"
    path.write_text(certificate[1])
    block = by_certificate(credentials, certificate=str(path), certificate_password="passphrase")
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_a_certificate_that_the_authority_does_not_know_is_refused(credentials, certificate):
    block = by_certificate(credentials, certificate=certificate[1], certificate_password="passphrase")
    with pytest.raises(AuthenticationFailed, match="AADSTS7000215"):
        block.expires_at()


@pytest.mark.parametrize(
    ("text", "password"), [("absent.pem", None), ("-----BEGIN NONSENSE-----", None), ("", "wrong passphrase")]
)
def test_a_certificate_that_cannot_be_used_says_so(credentials, certificate, text, password, assert_no_canary):
    block = by_certificate(credentials, certificate=text or certificate[1], certificate_password=password)
    with pytest.raises(AuthenticationFailed, match="cannot be used") as raised:
        block.client()
    assert_no_canary(str(raised.value), secret=certificate[1].splitlines()[3])


def test_a_workload_signs_in_with_its_token(azure, credentials, tmp_path):
    azure.assertions.add("the token of the cluster")
    path = tmp_path / "token"
    path.write_text("the token of the cluster")
    block = credentials(method="workload-identity", client_secret=None, token_file=str(path))
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_a_workload_finds_its_token_in_the_environment(azure, credentials, tmp_path, monkeypatch):
    azure.assertions.add("the token of the cluster")
    path = tmp_path / "token"
    path.write_text("the token of the cluster")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(path))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    block = credentials(**{**NO_SECRET, "method": "workload-identity"})
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_a_workload_without_its_variables_says_which(credentials):
    with pytest.raises(AuthenticationFailed, match="token_file_path"):
        credentials(**{**NO_SECRET, "method": "workload-identity"}).client()


def test_a_managed_identity_signs_in(azure, credentials, endpoint):
    block = credentials(**{**NO_SECRET, "method": "managed-identity"})
    assert block.client().get_token(SCOPE).token in azure.tokens
    assert endpoint.asked == [{"api-version": ["2019-08-01"], "resource": ["https://vault.azure.net"]}]


def test_one_of_several_managed_identities_is_named_by_its_client(credentials, endpoint):
    block = credentials(**{**NO_SECRET, "method": "managed-identity", "client_id": CLIENT})
    block.client().get_token(SCOPE)
    assert endpoint.asked[0]["client_id"] == [CLIENT]


def test_the_default_takes_what_the_environment_holds(azure, credentials, monkeypatch):
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", azure.clients[CLIENT])
    assert credentials(**NO_SECRET).client().get_token(SCOPE).token in azure.tokens


def test_the_default_that_finds_nobody_says_where_it_looks(credentials, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(AuthenticationFailed, match="az login") as raised:
        credentials(**NO_SECRET).expires_at()
    assert "AZURE_CLIENT_ID" in raised.value.hint


def test_the_default_takes_a_managed_identity_where_there_is_one(azure, credentials, endpoint):
    assert credentials(**NO_SECRET).client().get_token(SCOPE).token in azure.tokens
    assert len(endpoint.asked) == 1


def test_the_default_does_not_take_an_outage_for_a_refusal(azure, credentials, monkeypatch):
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", azure.clients[CLIENT])
    azure.authority_fault = Fault(kind="reset")
    with pytest.raises(ConnectionFailed):
        credentials(**NO_SECRET).expires_at()


def test_equal_blocks_share_one_object_and_one_token(azure, credentials):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: credentials().client(), range(32)))
    assert len(set(map(id, found))) == 1
    assert {found[0].get_token(SCOPE).token, credentials().client().get_token(SCOPE).token} <= azure.tokens
    assert azure.sign_ins == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_signs_in_for_itself(azure, credentials):
    block = credentials()
    block.expires_at()
    pipe, other = get_context("fork").Pipe()
    child = get_context("fork").Process(target=lambda: other.send(block.client().get_token(SCOPE).token))
    child.start()
    assert pipe.recv() in azure.tokens
    child.join()
    assert azure.sign_ins == 2


def test_it_says_when_the_token_ends(azure, credentials):
    ends = credentials().expires_at()
    assert abs(ends - datetime.now(UTC) - timedelta(seconds=azure.token_seconds)) < timedelta(minutes=5)


def test_a_wrong_secret_is_refused_and_shown_nowhere(credentials, canary, assert_no_canary, caplog):
    caplog.set_level(logging.DEBUG)
    block = credentials(client_secret=canary)
    with pytest.raises(AuthenticationFailed, match="AADSTS7000215") as raised:
        block.expires_at()
    below = raised.value.__traceback__.tb_next
    shown = traceback.TracebackException(type(raised.value), raised.value, below, capture_locals=True)
    assert_no_canary("".join(shown.format()), caplog.text, repr(vars(raised.value)))


def test_a_token_is_shown_nowhere(azure, credentials, assert_no_canary, caplog):
    caplog.set_level(logging.DEBUG)
    block = credentials()
    assert block.expires_at() is not None
    assert_no_canary(f"{block!r} {vars(block)} {block.check()!r}", caplog.text, secret=next(iter(azure.tokens)))


def test_an_authority_that_does_not_answer_is_not_a_refusal(azure, credentials):
    azure.authority_fault = Fault(503, "busy")
    with pytest.raises(ConnectionFailed, match="failed"):
        credentials().expires_at()


def test_a_check_says_as_whom_and_until_when_and_not_the_token(azure, credentials):
    check = credentials().check()
    assert [stage.name for stage in check.stages] == ["dns", "tcp", "tls", "auth"]
    assert check.status is Status.READY
    assert f"as application {CLIENT} of tenant {TENANT} until 20" in check.stages[-1].reason
    assert not any(token in repr(check) for token in azure.tokens)


def test_a_check_with_a_wrong_secret_fails_at_auth(credentials):
    stage = credentials(client_secret="wrong").check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.ERROR)
    assert "secret" in stage.next_step


def test_a_check_while_the_authority_fails_is_unknown(azure, credentials):
    azure.authority_fault = Fault(500, "oops")
    stage = credentials().check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.UNKNOWN)


def test_a_check_names_an_authority_that_nobody_vouches_for(credentials):
    stage = credentials(ca_certificates=None).check().stages[-1]
    assert (stage.name, stage.status) == ("tls", Status.ERROR)


@pytest.mark.parametrize("certificates", ["/absent.pem", "-----BEGIN NONSENSE-----"])
def test_a_check_with_unfit_certificate_authorities_says_so(credentials, certificates):
    stage = credentials(ca_certificates=certificates).check().stages[-1]
    assert (stage.name, stage.status) == ("tls", Status.ERROR)
    assert "ca_certificates" in stage.next_step


def test_the_authority_can_come_from_the_environment(azure, credentials, monkeypatch):
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", azure.url)
    block = credentials(authority=None)
    assert block.place == azure.host
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_a_check_of_an_unfit_certificate_fails_at_auth(credentials):
    stage = by_certificate(credentials, certificate="absent.pem").check().stages[-1]
    assert (stage.name, stage.status) == ("auth", Status.ERROR)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"method": "client-secret"}, "needs client_id, client_secret, tenant_id"),
        ({"client_secret": "x"}, "does not use client_secret"),
        ({"method": "managed-identity", "tenant_id": "x"}, "does not use tenant_id"),
        ({"method": "certificate", "tenant_id": "x", "client_id": "y"}, "needs certificate"),
        ({"authority": "http://login.example.com"}, "authority"),
        ({"authority": "login.example.com/tenant"}, "authority"),
    ],
    ids=json.dumps,
)
def test_fields_that_do_not_fit_the_method_are_refused(fields, problem):
    with pytest.raises(InvalidBlock, match=problem):
        AzureCredentials(**fields)


@pytest.mark.parametrize(
    ("authority", "scope"),
    [
        (None, "https://management.azure.com/.default"),
        ("https://login.microsoftonline.us/", "https://management.usgovcloudapi.net/.default"),
        ("login.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default"),
    ],
)
def test_each_cloud_has_a_management_api_of_its_own(authority, scope):
    from typecase.integrations.azure.tokens import scope_at

    assert scope_at(AzureCredentials(authority=authority).place) == scope


def test_certificate_authorities_can_be_given_as_text(azure, credentials, ca_file):
    block = credentials(ca_certificates=Path(ca_file).read_text())
    assert block.client().get_token(SCOPE).token in azure.tokens


def test_an_opaque_token_names_nobody():
    from azure.core.credentials import AccessToken

    from typecase.integrations.azure.tokens import holder_of

    for text in ("opaque", "a.b.c", "a.W10.c", ""):
        assert holder_of(AccessToken(text, 0)).name == "with a token that names nobody"
