"""Secrets in an Azure Key Vault."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from pydantic import SecretBytes, SecretStr, field_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check
from typecase.blocks.errors import InvalidSecretKey
from typecase.blocks.fields import field
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.integrations.azure.attempts import Patience
from typecase.integrations.azure.clients import Access, secret_client
from typecase.integrations.azure.credentials import AzureCredentials
from typecase.integrations.azure.failures import Failure
from typecase.integrations.azure.names import LONGEST, is_name, is_version, name_of, vault_problem
from typecase.integrations.azure.secret_contents import text_of, value_of
from typecase.integrations.azure.secret_errors import absent
from typecase.integrations.azure.secret_requests import ask, missing, purge, told
from typecase.integrations.azure.vault_check import stages_of

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient


class AzureKeyVault(SecretStore):
    """Secrets in an Azure Key Vault.

    Key Vault holds text of up to 25 KiB under names of letters, digits and `-` that ignore case. A secret outside its
    dates is refused here: the service itself still gives it out.

    Tested against: a server of our own, over TLS, written from the published REST reference, with a token authority
    of our own; not against the service itself, its roles and firewalls.
    """

    __block__ = BlockType(slug="azure-key-vault", title="Azure Key Vault", icon="azure")

    versioned: ClassVar[bool] = True

    vault_url: str = field(help="URL of the vault.", example="https://orders-prod.vault.azure.net", order=1)
    credentials: AzureCredentials | None = field(
        None, help="Who asks. Empty = the identity of the place where the code runs.", order=2
    )
    content_type: str | None = field(
        None, max_length=255, help="Content type that `put` gives to a secret.", example="text/plain", advanced=True
    )
    purge: bool = field(
        default=False, help="`delete` also purges: nobody can recover the secret, and its name is free.", advanced=True
    )
    timeout: float = field(10.0, gt=0, help="Seconds to wait for each answer.", group="Limits", advanced=True)
    attempts: int = field(
        3, ge=1, le=10, help="Tries when the vault does not answer, throttles or fails.", group="Limits", advanced=True
    )
    deadline: float = field(
        30.0, gt=0, help="Seconds after which no further try begins.", group="Limits", advanced=True
    )
    ca_certificates: str | None = field(
        None,
        help="Certificate authorities that may vouch for the vault, PEM text or a path. Empty = the public ones.",
        group="TLS",
        multiline=True,
        advanced=True,
    )
    verify_challenge_resource: bool = field(
        default=True,
        help="Give tokens only to a host below the domain that it asks them for. Off only for a private endpoint "
        "under a name of its own.",
        group="TLS",
        advanced=True,
    )

    @field_validator("vault_url")
    @classmethod
    def _a_vault(cls, url: str) -> str:
        if problem := vault_problem(url):
            raise ValueError(problem)
        return url

    @property
    def place(self) -> str:
        """The vault, for messages."""
        return f"Azure Key Vault {self.access.host}"

    @property
    def access(self) -> Access:
        """How this process reaches the vault's secrets."""
        return Access(
            service="secrets",
            vault_url=self.vault_url.rstrip("/"),
            credentials=self.credentials or AzureCredentials(),
            ca_certificates=self.ca_certificates,
            verify_challenge_resource=self.verify_challenge_resource,
            patience=Patience(timeout=self.timeout, attempts=self.attempts, deadline=self.deadline),
        )

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key`; `version` None = the newest. Raises as the kind says."""
        __tracebackhide__ = True
        return self.read(key, version).text()

    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret with its version and the date after which it is refused."""
        __tracebackhide__ = True
        name, place, now = self._named(key), self.place, datetime.now(UTC)
        if version is not None and not is_version(version):
            raise absent(place=place, key=key, version=version)
        outcome = ask(
            self.access, lambda client: value_of(client.get_secret(name, version, retry_total=0), place=place, now=now)
        )
        if isinstance(outcome, Failure) and outcome.kind == "absent":
            raise missing(self.access, place=place, key=key, version=version)
        return told(outcome, place=place, key=key)

    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Store `value` as the newest version of `key`. Raises `SecretMalformed` for what is no text or over 25 KiB."""
        __tracebackhide__ = True
        name, text, kind = self._named(key), text_of(value, place=self.place, key=key), self.content_type

        def store(client: "SecretClient") -> None:
            client.set_secret(name, text.get_secret_value(), content_type=kind, retry_total=0)

        told(ask(self.access, store, hidden=text), place=self.place, key=key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the names that start with `prefix`, page after page. The vault itself knows no prefixes."""
        pages = None

        def next_page(client: "SecretClient") -> tuple[str, ...] | None:
            nonlocal pages
            if pages is None:
                pages = client.list_properties_of_secrets(retry_total=0).by_page()
            page = next(pages, None)
            return None if page is None else tuple(str(item.name) for item in page)

        while (names := told(ask(self.access, next_page), place=self.place)) is not None:
            yield from (name for name in names if name.startswith(prefix))

    def delete(self, key: str) -> None:  # type: ignore[override] # on a store, it deletes a secret
        """Delete `key` with all its versions: it can be recovered for the days that the vault says, unless `purge`."""
        name = self._named(key)
        deleted = ask(
            self.access,
            lambda client: client.begin_delete_secret(name, retry_total=0),
            # A try that may have been heard is not repeated: the second would find nothing.
            again=lambda failure: failure.unsent,
        )
        if isinstance(deleted, Failure) and deleted.kind == "absent":
            raise missing(self.access, place=self.place, key=key, version=None)
        told(deleted, place=self.place, key=key)
        if self.purge:
            told(purge(self.access, name), place=self.place, key=key)

    def key_of(self, *parts: str) -> str:
        """Return a name for `parts` that no other parts have: joined by `-`, with a digest where that is not enough."""
        return name_of(parts)

    def client(self) -> "SecretClient":
        """Return the `azure.keyvault.secrets.SecretClient`, one per block value and process."""
        return secret_client(self.access)

    def check(self) -> Check:
        """Reach the vault, sign in and ask for the name of one secret; reads no value."""
        return Check(stages=tuple(stages_of(self.access, place=self.place)))

    def _named(self, key: str) -> str:
        if is_name(key):
            return key
        message = f"{self.place} cannot have a secret under {key[:LONGEST]!r}."
        hint = f"A name is 1 to {LONGEST} letters of ASCII, digits and `-`; `key_of()` makes one."
        raise InvalidSecretKey(message, hint=hint, store=self.place, key=key)
