"""Clients of one vault: one per service, settings and process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.redaction import secret_values
from typecase.integrations.azure.attempts import Patience, attempt
from typecase.integrations.azure.credentials import AzureCredentials
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.identities import forget
from typecase.integrations.azure.transports import transport_of

if TYPE_CHECKING:
    from azure.keyvault.keys import KeyClient
    from azure.keyvault.secrets import SecretClient

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a process reaches a service of one vault."""

    service: Literal["secrets", "keys"]
    vault_url: str
    credentials: AzureCredentials
    ca_certificates: str | None
    verify_challenge_resource: bool
    patience: Patience

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.vault_url).netloc


# Another thread may be using one that is no longer kept here: its connections end with it.
_CLIENTS: Pool[Any] = Pool(close=lambda _: None)


def request(
    access: Access,
    action: Callable[[], R],
    *,
    secrets: Iterable[str | bytes] = (),
    again: Callable[[Failure], bool] = lambda failure: failure.again,
) -> R | Failure:
    """Return what `action` returns, or the failure of the last try. After a refused sign-in the next begins anew."""
    outcome = attempt(action, access.patience, secrets=[*secret_values(access.credentials), *secrets], again=again)
    if isinstance(outcome, Failure) and outcome.kind == "sign-in":
        _CLIENTS.drop(access)
        forget(access.credentials)
    return outcome


def secret_client(access: Access) -> "SecretClient":
    """Return the client for secrets, built on first use."""
    with needs("azure"):
        from azure.keyvault.secrets import SecretClient

    def build() -> "SecretClient":
        return SecretClient(access.vault_url, access.credentials.client(), **_options(access))

    client: SecretClient = _CLIENTS.get(access, build)
    return client


def key_client(access: Access) -> "KeyClient":
    """Return the client for keys, built on first use."""
    with needs("azure"):
        from azure.keyvault.keys import KeyClient

    def build() -> "KeyClient":
        return KeyClient(access.vault_url, access.credentials.client(), **_options(access))

    client: KeyClient = _CLIENTS.get(access, build)
    return client


def _options(access: Access) -> dict[str, Any]:
    return {
        "transport": transport_of(timeout=access.patience.timeout, ca_certificates=access.ca_certificates),
        "verify_challenge_resource": access.verify_challenge_resource,
        "permit_redirects": False,
        # For whoever uses the client itself; our own calls turn it off and count their tries.
        "retry_total": access.patience.attempts - 1,
        "retry_backoff_max": access.patience.timeout,
    }
