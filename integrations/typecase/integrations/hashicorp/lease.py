"""One credential that Vault made and will end."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretBytes

from typecase.blocks.kinds import SecretValue
from typecase.integrations.hashicorp import lease_records
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused
from typecase.integrations.hashicorp.connection import Connection
from typecase.integrations.hashicorp.lease_records import Record

_LOG: Final = logging.getLogger("typecase.hashicorp")
_GONE: Final = frozenset({400, 404})


@dataclass(slots=True, kw_only=True, eq=False)
class Lease:
    """A credential of this process: seconds are those of the clock of `Leases`. `due`: to be renewed, or replaced."""

    connection: Connection
    path: str
    id: str
    content: SecretBytes
    ttl: float
    due: float
    end: float
    renewable: bool

    @property
    def record(self) -> Record:
        """What is written down of it."""
        return Record(self.id, self.connection.place.address, self.connection.place.namespace)

    def usable(self, now: float) -> bool:
        """Whether a reader still gets it: it is not about to end for good."""
        return now < (self.end if self.renewable else self.due)

    def value(self) -> SecretValue:
        """Return the credential with the end that Vault has promised so far."""
        return SecretValue(self.content.get_secret_value(), expires_at=datetime.fromtimestamp(self.end, UTC))


def revoke(connection: Connection, record: Record) -> None:
    """End a lease now. One that is gone already is no failure. Raises `NoAnswer`, `Refused`, `SignInRefused`."""
    try:
        connection.send("POST", "sys/leases/revoke", json={"lease_id": record.id})
    except Refused as refused:
        if refused.status not in _GONE:
            raise


def revoke_left_behind(connection: Connection) -> None:
    """Revoke what processes that died left behind in this Vault. A failure is logged, never raised."""
    for path, records in lease_records.left_behind():
        settled = []
        for record in records:
            if (record.address, record.namespace) != (connection.place.address, connection.place.namespace):
                continue
            try:
                revoke(connection, record)
            except (NoAnswer, Refused, SignInRefused):
                _LOG.warning("leases of an ended process could not be revoked: %s", path.name)
                break
            settled.append(record)
        lease_records.settle(path, settled)
