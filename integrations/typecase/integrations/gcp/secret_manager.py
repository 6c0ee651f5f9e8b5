"""Secrets in Google Secret Manager."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import SecretBytes, SecretStr, field_validator, model_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check
from typecase.blocks.fields import field
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.integrations.gcp.channels import Place, address_of, channel_of
from typecase.integrations.gcp.credentials import GcpCredentials
from typecase.integrations.gcp.faults import Fault, Meaning
from typecase.integrations.gcp.secret_calls import add_version, create, list_page, remove, value_of
from typecase.integrations.gcp.secret_errors import told
from typecase.integrations.gcp.secret_names import can_start_a_key, checked_key, checked_version, key_of_parts
from typecase.integrations.gcp.secret_stages import stages_of
from typecase.integrations.gcp.secret_values import content_of

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

_REGION = r"^[a-z]+(-[a-z0-9]+)+$"


class GcpSecretManager(SecretStore):
    """Secrets in Google Secret Manager.

    A key is the name of a secret in `project`; a version is a number, an alias or `latest`. A secret disabled there is
    `SecretExpired`, a destroyed version is missing. Checksums of Google are verified.

    Tested against: a gRPC server of our own with TLS and Google's message types, which answers as Google documents;
    not against Google.
    """

    __block__ = BlockType(
        slug="gcp-secret-manager", title="Google Secret Manager", icon="googlecloud", example={"project": "acme-prod"}
    )

    versioned: ClassVar[bool] = True

    project: str = field(
        pattern=r"^[a-z0-9][a-z0-9.:-]{2,99}$", help="Id or number of the project.", example="acme-prod", order=1
    )
    credentials: GcpCredentials | None = field(
        None, help="Who reads. Empty = the identity of the machine.", group="Sign-in", order=2
    )
    location: str | None = field(
        None, pattern=_REGION, help="Region of regional secrets. Empty = global secrets.", example="europe-west3"
    )
    replication_locations: tuple[str, ...] = field(
        (),
        help="Regions that keep a global secret which `put` creates. Empty = Google chooses.",
        example=["europe-west1", "europe-west3"],
        advanced=True,
    )
    timeout: float = field(5.0, gt=0, help="Seconds to wait for one answer.", advanced=True)
    attempts: int = field(
        3, ge=1, le=10, help="Attempts while the service fails or throttles; writes only when throttled.", advanced=True
    )
    endpoint: str | None = field(
        None,
        help="Another address of the service, such as a private one. Always TLS.",
        example="secretmanager-acme.p.googleapis.com",
        advanced=True,
    )
    ca_certificates: str | None = field(
        None,
        help="Authorities that may vouch for the service: PEM text or a path. Empty: the public ones.",
        advanced=True,
        multiline=True,
    )

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return address_of(value) if value is not None else None

    @model_validator(mode="after")
    def _one_place(self) -> "GcpSecretManager":
        if self.location is not None and self.replication_locations:
            message = "a regional secret stays in `location`: leave `replication_locations` empty"
            raise ValueError(message)
        return self

    @told
    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret under `key` as it is, with its version's number. Raises as `get`."""
        name = f"{self.parent}/secrets/{checked_key(key)}/versions/{checked_version(version, key)}"
        return value_of(self.place, name)

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key` as text; `version` is a number or an alias, None = `latest`.

        Raises `SecretNotFound` (absent, or that version destroyed), `SecretExpired` (disabled), `SecretForbidden`,
        `SecretMalformed`, `InvalidSecretKey`, `SecretStoreUnreachable`, `AuthenticationFailed`.
        """
        return self.read(key, version).text()

    @told
    def put(self, key: str, value: SecretStr | SecretBytes) -> None:
        """Add a version to `key`, which is created if it is absent. At most 64 KiB, at least a byte.

        Raises as `get`; where an answer was lost, the version may have been added all the same.
        """
        name = f"{self.parent}/secrets/{checked_key(key)}"
        content = content_of(value, key)
        try:
            add_version(self.place, name, content)
        except Fault as fault:
            if fault.meaning is not Meaning.ABSENT:
                raise
        else:
            return
        create(self.place, self.parent, key, locations=self.replication_locations, regional=self.location is not None)
        add_version(self.place, name, content)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the names that start with `prefix`, 250 at a time. Raises as `get`."""
        if not can_start_a_key(prefix):
            return
        page = ""
        while True:
            names, page = self._page(prefix, page)
            yield from names
            if not page:
                return

    @told
    def delete(self, key: str) -> None:  # type: ignore[override] # on a store, it deletes a secret
        """Delete `key` with all its versions, at once and for good. Raises as `get`."""
        remove(self.place, f"{self.parent}/secrets/{checked_key(key)}")

    def key_of(self, *parts: str) -> str:
        """Return the name made of `parts`, joined by `--`: Secret Manager has no paths. Distinct parts stay distinct.

        Raises `InvalidSecretKey` for more than 255 characters.
        """
        return key_of_parts(parts)

    def client(self) -> "SecretManagerServiceClient":
        """Return Google's own client, signed in. At level DEBUG it logs what it sends and gets, values included."""
        with needs("gcp"):
            from google.cloud.secretmanager_v1 import SecretManagerServiceClient
            from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
                SecretManagerServiceGrpcTransport,
            )
        transport = SecretManagerServiceGrpcTransport(host=self.place.address, channel=channel_of(self.place))
        return SecretManagerServiceClient(transport=transport)

    def check(self) -> Check:
        """Reach the service, sign in, and ask for one name of a secret; no secret is read."""
        return Check(stages=tuple(stages_of(self)))

    @property
    def parent(self) -> str:
        """The resource name above the secrets."""
        return f"projects/{self.project}" + (f"/locations/{self.location}" if self.location else "")

    @property
    def place(self) -> Place:
        """Where the service is, and who signs in."""
        regional = f"secretmanager.{self.location}.rep.googleapis.com" if self.location else None
        address = self.endpoint or regional or "secretmanager.googleapis.com"
        credentials = self.credentials or GcpCredentials()
        return Place(credentials, address, self.ca_certificates, self.timeout, self.attempts)

    @told
    def _page(self, prefix: str, page: str) -> "tuple[Iterable[str], str]":
        return list_page(self.place, self.parent, prefix, page)
