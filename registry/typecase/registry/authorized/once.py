"""Requests that are sent again because no answer came: done once, answered alike."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from typecase.blocks.errors import RequestConflict
from typecase.blocks.remote.wire import encode
from typecase.registry.tables import pending

if TYPE_CHECKING:
    from typecase.registry.access.server_key import ServerKey

_PURPOSE: Final = "request"
_KEPT: Final = timedelta(hours=24)


class Answered(Exception):
    """The request was done before. `content` is what was answered."""

    def __init__(self, content: bytes) -> None:
        """Keep the answer."""
        super().__init__("answered before")
        self.content = content


class Once:
    """One request by its idempotency key. The same key with another request is refused."""

    def __init__(self, key: str, *, principal: str, request: bytes, sealer: "ServerKey") -> None:
        """Take the key, who sent it, the whole request, and what encrypts the answer that is kept."""
        sealer.prepare()
        self._sealer = sealer
        self._id = sha256(f"{principal}\n{key}".encode()).hexdigest()
        self._request = sha256(request).hexdigest()

    def begin(self, connection: Connection) -> None:
        """Claim the key. Raises `Answered`, `RequestConflict`."""
        now = datetime.now(UTC)
        connection.execute(delete(pending).where(pending.c.purpose == _PURPOSE, pending.c.expires_at <= now))
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        claim = dialect.insert(pending).values(
            id=self._id,
            purpose=_PURPOSE,
            facts={"request": self._request},
            created_at=now,
            expires_at=now + _KEPT,
        )
        if connection.execute(claim.on_conflict_do_nothing()).rowcount:
            return
        row = connection.execute(select(pending).where(pending.c.id == self._id)).one()
        if row.facts["request"] != self._request:
            raise RequestConflict(
                "This idempotency key was used for another request.", hint="Use a new key for each request."
            )
        raise Answered(self._sealer.open(row.content, self._id))

    def end(self, connection: Connection, kind: Any, result: Any) -> None:
        """Keep the answer."""
        content = self._sealer.seal(encode(result, kind), self._id)
        connection.execute(update(pending).where(pending.c.id == self._id).values(content=content))
