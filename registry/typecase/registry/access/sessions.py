"""Browsers that somebody signed in with."""

from datetime import timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, insert, update

from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.codes import Prefix, is_code, new_code
from typecase.registry.access.records import NewSession
from typecase.registry.access.refusals import session_refused
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.edge import guarded
from typecase.registry.tables import principals, sessions

if TYPE_CHECKING:
    from typecase.registry.store import Store

#: A session ends when nobody used it for that long, and after `LASTS` in any case.
IDLE: Final = timedelta(hours=8)
LASTS: Final = timedelta(days=7)


class Sessions:
    """The sessions of a registry's people. `Identities.caller_of_session` says whose one is."""

    def __init__(self, store: "Store", key: ServerKey, *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._key = key
        self._clock = clock

    @guarded
    def begin(self, principal_id: str, address: str, *, previous: str = "") -> NewSession:
        """Begin a session for somebody who has just proved who they are; the browser's `previous` one ends.

        Its id is always new: one that was put into the browser before leads nowhere.
        """
        cookie, now = new_code(Prefix.SESSION), self._clock()
        new, old = self._id(cookie), self._id(previous)
        row = {"id": new, "principal_id": principal_id, "created_at": now, "expires_at": now + LASTS, "seen_at": now}

        def work(connection: Connection) -> None:
            enabled = principals.c.id == principal_id, principals.c.disabled_at.is_(None)
            if not connection.execute(update(principals).where(*enabled).values(last_seen_at=now)).rowcount:
                raise session_refused()
            connection.execute(delete(sessions).where(sessions.c.id == old))
            connection.execute(insert(sessions).values(**row, address=address))

        self._store.write(work)
        return NewSession(cookie=cookie, csrf=self.csrf(cookie), expires_at=now + LASTS)

    @guarded
    def end(self, cookie: str) -> None:
        """Sign out. Whatever the cookie is, it leads nowhere afterwards."""
        ended = delete(sessions).where(sessions.c.id == self._id(cookie))
        self._store.write(lambda connection: connection.execute(ended))

    @guarded
    def end_all(self, principal_id: str) -> int:
        """Sign a person out everywhere; return from how many browsers."""
        ended = delete(sessions).where(sessions.c.principal_id == principal_id)
        return self._store.write(lambda connection: connection.execute(ended).rowcount)

    @guarded
    def csrf(self, cookie: str) -> str:
        """Return what forms of this session send along. It says nothing about the cookie."""
        return self._key.prove(Pepper.FORMS, cookie).hex()

    @guarded
    def is_from_form(self, cookie: str, value: str) -> bool:
        """Tell whether `value` is the one of this session: a form of another site does not know it."""
        if not is_code(Prefix.SESSION, cookie):
            return False
        return compare_digest(self._key.prove(Pepper.FORMS, cookie).hex().encode(), value.encode())

    def _id(self, cookie: str) -> str:
        return session_id(self._key.prove(Pepper.SESSIONS, cookie))


def session_id(proof: bytes) -> str:
    """Return the key under which a session is kept."""
    return proof.hex()
