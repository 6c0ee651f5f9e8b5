"""HashiCorp Vault as a secret store."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import SecretBytes, SecretStr, field_validator, model_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check
from typecase.blocks.errors import NotSupported
from typecase.blocks.fields import field
from typecase.blocks.kinds.secret_store import SecretStore, SecretValue
from typecase.integrations.hashicorp.checking import stages
from typecase.integrations.hashicorp.connection import Connection, Principal, connection_of
from typecase.integrations.hashicorp.credentials import is_credential, read_credential
from typecase.integrations.hashicorp.errors import told
from typecase.integrations.hashicorp.key_value import KeyValue
from typecase.integrations.hashicorp.leases import LEASES
from typecase.integrations.hashicorp.places import Place, address_of, ambient_address, ambient_namespace
from typecase.integrations.hashicorp.sign_in import MOUNT, AnySignIn, TokenSignIn

if TYPE_CHECKING:
    from hvac import Client


class HashiCorpVault(SecretStore):
    """Secrets in HashiCorp Vault: the key/value engine, versions 1 and 2, and credentials of the database engine.

    Without a sign-in it is `VAULT_TOKEN` or `~/.vault-token`; address and namespace are those of `VAULT_ADDR` and
    `VAULT_NAMESPACE`. Tokens and leases are renewed; leases are revoked when the process ends.

    Tested against: a server of our own, written from Vault's API documentation, through hvac, with and without TLS;
    not against Vault, OpenBao or HCP Vault.
    """

    __block__ = BlockType(
        slug="hashicorp-vault",
        title="HashiCorp Vault",
        icon="vault",
        docs="https://developer.hashicorp.com/vault/docs",
        example={"address": "https://vault.example.com:8200", "sign_in": {"method": "kubernetes", "role": "flows"}},
    )

    versioned: ClassVar[bool] = True

    address: str | None = field(
        None, help="Address of the server. Empty: `VAULT_ADDR`.", example="https://vault.example.com:8200", order=1
    )
    namespace: str | None = field(
        None, help="Namespace (Enterprise, HCP). Empty: `VAULT_NAMESPACE`.", example="admin/data", order=2
    )
    mount: str = field("secret", pattern=MOUNT, help="Where the key/value engine is mounted.", order=3)
    kv_version: Literal[1, 2] = field(2, help="Version of the key/value engine at the mount.", order=4)
    check_and_set: bool = field(
        default=False,
        help="Overwrite only what nobody changed meanwhile. Mounts with `cas_required` need it.",
        advanced=True,
    )
    database_mount: str | None = field(
        None,
        pattern=MOUNT,
        help="Where the database engine is mounted. Keys `MOUNT/creds/ROLE` and `MOUNT/static-creds/ROLE` are then "
        "credentials. Empty: none.",
        example="database",
        order=5,
    )
    sign_in: AnySignIn = field(default_factory=TokenSignIn, help="How to sign in.", group="Sign-in", order=6)
    ca_cert: str | None = field(
        None,
        help="Certificate authorities that may vouch for the server: PEM text or a path. Empty: `VAULT_CACERT`, else "
        "the system's.",
        group="TLS",
        multiline=True,
    )
    client_cert: str | None = field(
        None, help="Client certificate: PEM text or a path.", group="TLS", multiline=True, advanced=True
    )
    client_key: SecretStr | None = field(
        None, help="Key of the client certificate: PEM text or a path.", group="TLS", multiline=True, advanced=True
    )
    server_name: str | None = field(
        None, min_length=1, help="Name in the server's certificate, if not the address's.", group="TLS", advanced=True
    )
    verify_tls: bool = field(default=True, help="Prove who the server is.", group="TLS", advanced=True)
    timeout: float = field(10.0, gt=0, help="Seconds to wait for the server, in each attempt.", advanced=True)
    attempts: int = field(3, ge=1, le=10, help="Tries where Vault throttles, is busy or not reached.", advanced=True)
    deadline: float = field(
        30.0,
        gt=0,
        help="Seconds for all attempts of a request and the waits between them, `Retry-After` included.",
        advanced=True,
    )

    @field_validator("address")
    @classmethod
    def _one_spelling(cls, address: str | None) -> str | None:
        found = address_of(address) if address is not None else None
        if address is not None and found is None:
            message = "it is not an address of the form https://vault.example.com:8200"
            raise ValueError(message)
        return found

    @model_validator(mode="after")
    def _key_with_certificate(self) -> Self:
        if self.client_key is not None and self.client_cert is None:
            message = "client_key needs client_cert"
            raise ValueError(message)
        return self

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the secret under `key`: its fields as one JSON object, or the text that `put` stored."""
        return self.read(key, version).text()

    @told
    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the secret under `key` with its version, or a database credential with its end."""
        connection = self._connection()
        if self.database_mount is not None:
            LEASES.sweep(connection)
            if is_credential(key, self.database_mount):
                return read_credential(connection, self.database_mount, key, version)
        return self._key_value(connection).read(key, version)

    @told
    def put(self, key: str, value: SecretStr | SecretBytes, *, cas: int | None = None) -> None:
        """Store the fields of a JSON object, or any other text as the field `value`.

        `cas` is the version that this may replace, 0 for none. Raises `SecretError` (`reason` is `conflict`) where
        another version is there, and `SecretMalformed` for bytes that are no text.
        """
        self._refuse_credential(key, "put")
        self._key_value(self._connection()).put(key, value, cas=cas, check_and_set=self.check_and_set)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`, asking folder by folder. Vault lists deleted ones too."""
        keys = self._key_value(self._connection()).keys(prefix)
        yield from iter(partial(self._next, prefix, keys), None)

    @told
    def delete(self, key: str) -> None:  # type: ignore[override] # as on the kind
        """Delete `key` with all its versions and metadata; it cannot be restored."""
        self._refuse_credential(key, "delete")
        self._key_value(self._connection()).delete(key)

    @told
    def release_leases(self) -> None:
        """Revoke now the database credentials that this process has from here, rather than at its end."""
        if self.database_mount is not None:
            LEASES.release(self._connection(), f"{self.database_mount}/")

    @contextmanager
    def leasing(self) -> Iterator[Self]:
        """Revoke the database credentials that this process has from here at the end of the `with` block."""
        try:
            yield self
        finally:
            self.release_leases()

    @told
    def client(self) -> "Client":
        """Return a new `hvac.Client`, signed in; its token is the one of now and is not renewed."""
        return self._connection().client()

    def check(self) -> Check:
        """Look the server up, connect, shake hands, sign in and look the mounts up; reads no secret."""
        return Check(stages=tuple(stages(self)))

    def principal(self) -> Principal:
        """Return who asks, and where, with the environment as it is now. Raises `SettingsError`."""
        place = Place(
            address=self.address or ambient_address(),
            namespace=(self.namespace or "").strip("/") or ambient_namespace(),
            ca_cert=self.ca_cert,
            client_cert=self.client_cert,
            client_key=self.client_key,
            verify=self.verify_tls,
            server_name=self.server_name,
            timeout=self.timeout,
            attempts=self.attempts,
            deadline=self.deadline,
        )
        return Principal(place, self.sign_in)

    @told
    def _next(self, _: str, keys: Iterator[str]) -> str | None:
        return next(keys, None)

    def _connection(self) -> Connection:
        return connection_of(self.principal())

    def _key_value(self, connection: Connection) -> KeyValue:
        return KeyValue(connection, self.mount, self.kv_version)

    def _refuse_credential(self, key: str, operation: str) -> None:
        if is_credential(key, self.database_mount):
            message = f"{key!r} is a database credential, which Vault makes."
            raise NotSupported(message, hint="Roles are managed with `vault write`.", operation=operation)
