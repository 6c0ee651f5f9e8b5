"""The server's own key: wrapped by the root key like a data key, and what proves tokens, sessions and links."""

from datetime import UTC, datetime
from enum import StrEnum
from hmac import digest
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, insert, select

from typecase.registry.envelope import open_sealed, seal
from typecase.registry.locks import lock_workspaces
from typecase.registry.reading import WrappedKey
from typecase.registry.store import write
from typecase.registry.stored_keys import current_root_key, require_open
from typecase.registry.tables import server_keys

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

#: What stands for a workspace in the key's context. No workspace has this id.
SERVER: Final = "server"


class Pepper(StrEnum):
    """What a proof is for: one of another use proves nothing."""

    TOKENS = "typecase/tokens/1"
    SESSIONS = "typecase/sessions/1"
    FORMS = "typecase/forms/1"
    LINKS = "typecase/links/1"
    SIGN_INS = "typecase/sign-ins/1"
    COUNTERS = "typecase/counters/1"


class ServerKey:
    """The server's key, made when it is first needed."""

    def __init__(self, store: "Store", keys: "DataKeys") -> None:
        self._store = store
        self._keys = keys
        self._id = ""

    def prove(self, pepper: Pepper, text: str) -> bytes:
        """Return the keyed hash of `text`: what is kept of it. Raises `RegistrySealed`."""
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=pepper.encode()).derive(self._secret())
        # Whatever was typed or sent: a hash of it matches nothing.
        return digest(key, text.encode("utf-8", "surrogatepass"), "sha256")

    def prepare(self) -> None:
        """Open the key now: within a transaction there is no way to make it. Raises `RegistrySealed`."""
        self._secret()

    def seal(self, text: bytes, place: str) -> bytes:
        """Encrypt an answer that is kept for one `place`. Raises `RegistrySealed`."""
        secret = self._secret()
        return seal(secret, text, key_id=bytes.fromhex(self._id), context=_context(place))

    def open(self, sealed: bytes, place: str) -> bytes:
        """Return what was sealed for `place`. Raises `RegistrySealed`, `DecryptionFailed`."""
        return open_sealed(self._secret(), sealed, context=_context(place))

    def _secret(self) -> bytes:
        return self._keys.opened.get(self._id) or self._open()

    def _open(self) -> bytes:
        found = self._store.read(read_server_keys)
        # A change that runs beside this must not take it for the change.
        key = found[0] if found else write(self._store.engine(), self._make)
        secret = self._keys.open(key)
        self._id = key.id
        return secret

    def _make(self, connection: Connection) -> WrappedKey:
        # Whoever changes the root key takes the same turn: no key comes under one that was left behind.
        lock_workspaces(connection)
        found = read_server_keys(connection)
        if found:
            return found[0]
        require_open(connection, self._keys)
        key = self._keys.make(SERVER, current_root_key(connection, self._keys))
        row = {"id": key.id, "root_key": key.root_key, "wrapped": key.wrapped, "created_at": datetime.now(UTC)}
        connection.execute(insert(server_keys).values(row))
        return key


def _context(place: str) -> tuple[bytes, ...]:
    return b"typecase answer", place.encode()


def read_server_keys(connection: Connection) -> list[WrappedKey]:
    """Return the server's key, if it was made."""
    query = select(server_keys.c.id, server_keys.c.root_key, server_keys.c.wrapped).order_by(server_keys.c.created_at)
    return [WrappedKey(row.id, SERVER, 1, row.root_key, row.wrapped) for row in connection.execute(query)]
