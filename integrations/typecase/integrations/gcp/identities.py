"""Identities as google-auth's objects: a key, a federated workload, the machine's own, and acting as another."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from typecase.integrations.gcp.exchange import Exchange
from typecase.integrations.gcp.faults import Fault, Meaning, unreadable
from typecase.integrations.gcp.key_files import read_federation, read_key

if TYPE_CHECKING:
    from typecase.integrations.gcp.credentials import GcpCredentials

SIGN_IN: Final = (
    "Run `gcloud auth application-default login` here, run as a service account there, or fill in one of the fields."
)

_AWS: Final = "urn:ietf:params:aws:token-type:aws4_request"


def exchange_of(block: "GcpCredentials", *, lenient: bool = False) -> Exchange:
    """Return what sends the requests of `block`. Raises `Fault`."""
    verify = block.authorities() or True
    if isinstance(verify, str) and not Path(verify).exists():
        raise unreadable()
    return Exchange(timeout=block.timeout, attempts=block.attempts, verify=verify, lenient=lenient)


def built(block: "GcpCredentials") -> tuple[Any, str | None]:
    """Return google-auth's object for `block`, and the project that it knows. Raises `Fault`, or as google-auth."""
    found, project = _source(block)
    if block.impersonate is not None:
        from google.auth import impersonated_credentials

        acting: Any = impersonated_credentials.Credentials
        path = f"/v1/projects/-/serviceAccounts/{block.impersonate}:generateAccessToken"
        found = acting(
            source_credentials=found,
            target_principal=block.impersonate,
            target_scopes=list(block.scopes),
            delegates=list(block.delegates),
            lifetime=block.lifetime,
            quota_project_id=block.quota_project,
            iam_endpoint_override=block.iam_endpoint.rstrip("/") + path,
        )
    elif block.quota_project is not None and hasattr(found, "with_quota_project"):
        found = found.with_quota_project(block.quota_project)
    return found, block.project or project


def _source(block: "GcpCredentials") -> tuple[Any, str | None]:
    scopes = list(block.scopes)
    if block.service_account_key is not None:
        from google.oauth2 import service_account

        signing: Any = service_account.Credentials
        info = _read(read_key, block.service_account_key, "service account key")
        try:
            return signing.from_service_account_info(info, scopes=scopes), info.get("project_id")
        except ValueError:
            fault = _unread("service account key")
        raise fault
    if block.federation is not None:
        from google.auth import aws, identity_pool

        info = _read(read_federation, block.federation, "federation configuration")
        federated: Any = aws if info["subject_token_type"] == _AWS else identity_pool
        return federated.Credentials.from_info(info, scopes=scopes), None
    import google.auth

    looking: Any = exchange_of(block, lenient=True)
    try:
        return google.auth.default(scopes=scopes, request=looking)
    finally:
        looking.close()


def advice(block: "GcpCredentials") -> str:
    """Say what to do when `block` is refused."""
    if block.impersonate is not None:
        return f"Grant who signs in the role roles/iam.serviceAccountTokenCreator on {block.impersonate}."
    if block.service_account_key is not None:
        return "The key may be deleted or disabled, or the clock of this machine be wrong: make a new key."
    if block.federation is not None:
        return "Check the pool, its provider and the attribute condition: `gcloud iam workload-identity-pools`."
    return SIGN_IN


def _read(read: Callable[[str], dict[str, Any]], given: SecretStr, what: str) -> dict[str, Any]:
    text = given.get_secret_value()
    try:
        return read(text)
    except ValueError:
        fault = _unread(what)
    raise fault


def _unread(what: str) -> Fault:
    return Fault(Meaning.REFUSED, f"the {what} cannot be read", hint="Download the file again and save all of it.")
