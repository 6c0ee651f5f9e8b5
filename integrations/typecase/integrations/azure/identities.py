"""The objects of azure-identity that a block of credentials stands for."""

from typing import TYPE_CHECKING, Any, TypeAlias

from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.azure.transports import connection_options, transport_of

if TYPE_CHECKING:
    from azure.identity import (
        CertificateCredential,
        ClientSecretCredential,
        DefaultAzureCredential,
        ManagedIdentityCredential,
        WorkloadIdentityCredential,
    )

    from typecase.integrations.azure.credentials import AzureCredentials

    Identity: TypeAlias = (
        DefaultAzureCredential
        | ClientSecretCredential
        | CertificateCredential
        | ManagedIdentityCredential
        | WorkloadIdentityCredential
    )

# Clients of vaults hold these objects too: one that is no longer kept here stays open for them.
_IDENTITIES: "Pool[Identity]" = Pool(close=lambda _: None)


def identity_of(block: "AzureCredentials") -> "Identity":
    """Return the object of azure-identity for `block`, the same for equal blocks in this process."""
    return _IDENTITIES.get(block, lambda: _build(block))


def forget(block: "AzureCredentials") -> None:
    """Let the next use sign in anew, with what secrets and files hold then."""
    _IDENTITIES.drop(block)


def _build(block: "AzureCredentials") -> "Identity":
    with needs("azure"):
        from azure import identity
    if block.method == "default":
        return identity.DefaultAzureCredential(
            **_ambient(block),
            **_authority(block),
            **({"managed_identity_client_id": block.client_id} if block.client_id else {}),
            process_timeout=max(1, round(block.timeout)),
        )
    if block.method == "managed-identity":
        return identity.ManagedIdentityCredential(client_id=block.client_id, **_ambient(block))
    # Tries are counted outside: azure-core waits as long as a `Retry-After` says, also for hours.
    options = {
        **_authority(block),
        "additionally_allowed_tenants": block.additionally_allowed_tenants,
        "retry_total": 0,
        "transport": transport_of(timeout=block.timeout, ca_certificates=block.ca_certificates),
    }
    if block.method == "workload-identity":
        return identity.WorkloadIdentityCredential(
            tenant_id=block.tenant_id, client_id=block.client_id, token_file_path=block.token_file, **options
        )
    tenant, client = block.tenant_id or "", block.client_id or ""
    if block.method == "client-secret":
        secret = block.client_secret.get_secret_value() if block.client_secret is not None else ""
        return identity.ClientSecretCredential(tenant, client, secret, **options)
    return identity.CertificateCredential(tenant, client, **_certificate(block), **options)


def _authority(block: "AzureCredentials") -> dict[str, Any]:
    given: dict[str, Any] = {"disable_instance_discovery": block.disable_instance_discovery}
    return {**given, "authority": block.authority} if block.authority else given


def _ambient(block: "AzureCredentials") -> dict[str, Any]:
    retries = {"retry_total": block.attempts - 1, "retry_backoff_max": block.timeout}
    return {**connection_options(block.timeout, block.ca_certificates), **retries}


def _certificate(block: "AzureCredentials") -> dict[str, Any]:
    text = block.certificate.get_secret_value() if block.certificate is not None else ""
    password = block.certificate_password.get_secret_value() if block.certificate_password is not None else None
    source = {"certificate_data": text.encode()} if "-----BEGIN" in text else {"certificate_path": text}
    return {**source, "password": password, "send_certificate_chain": block.send_certificate_chain}
