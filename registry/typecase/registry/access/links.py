"""One-time links: for the first admin, and for setting a password."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, update

from typecase.blocks.errors import InvalidAccess
from typecase.registry.access.authority import has_admin
from typecase.registry.access.callers import Caller, denied
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.codes import Prefix, is_code, new_code
from typecase.registry.access.passwords import Passwords, check_password
from typecase.registry.access.pending import put_pending, see_pending, take_pending
from typecase.registry.access.permissions import Permission, Role
from typecase.registry.access.principals import find_principal, insert_principal, password_link_purpose
from typecase.registry.access.records import NewLink
from typecase.registry.access.refusals import link_unusable
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.edge import guarded
from typecase.registry.locks import lock_access
from typecase.registry.tables import grants, pending, principals, sessions

if TYPE_CHECKING:
    from typecase.registry.store import Store

FIRST_ADMIN_LASTS: Final = timedelta(hours=1)
PASSWORD_LASTS: Final = timedelta(days=1)

_FIRST_ADMIN: Final = "first-admin"


class Links:
    """The one-time links of a registry."""

    def __init__(self, store: "Store", key: ServerKey, passwords: Passwords, *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._key = key
        self._passwords = passwords
        self._clock = clock

    @guarded
    def for_first_admin(self, actor: Caller) -> NewLink:
        """Make a link that makes the first admin. Only at the database, and only while there is no admin."""
        if actor.kind != "operator":
            raise denied(actor, Permission.ACCESS_WRITE, None)
        return self._make(_FIRST_ADMIN, {}, FIRST_ADMIN_LASTS)

    @guarded
    def for_password(self, actor: Caller, name: str) -> NewLink:
        """Make a link that lets a person choose a password; an earlier one works no more."""
        actor.require(Permission.ACCESS_WRITE)
        person = self._store.read(lambda connection: find_principal(connection, name))
        if person.kind != "person":
            raise InvalidAccess(f"{name} is a service account.", hint="Service accounts have tokens, not passwords.")
        if person.disabled_at is not None:
            raise InvalidAccess(f"{name} is disabled.", hint=f"Run: typecase access people enable {name}")
        purpose = password_link_purpose(person.id)
        return self._make(purpose, {"principal": person.id, "name": name, "email": person.email}, PASSWORD_LASTS)

    @guarded
    def make_first_admin(self, code: str, name: str, password: str, *, title: str = "", email: str = "") -> str:
        """Use a link: make a person who is admin of the server; return the id. Raises `LinkUnusable`."""
        self._see(code, _FIRST_ADMIN)
        check_password(password, name=name, email=email)
        proof, kept = self._key.prove(Pepper.LINKS, code), self._passwords.hash(password)

        def work(connection: Connection) -> str:
            now = self._clock()
            lock_access(connection)
            if take_pending(connection, proof, purpose=_FIRST_ADMIN, now=now) is None or has_admin(connection):
                raise link_unusable()
            made = insert_principal(connection, name, kind="person", now=now, title=title, email=email, password=kept)
            role = {"id": uuid4().hex, "principal_id": made, "role": Role.ADMIN.value, "created_at": now}
            connection.execute(insert(grants).values(**role, created_by=name))
            connection.execute(delete(pending).where(pending.c.purpose == _FIRST_ADMIN))
            return made

        return self._store.write(work)

    @guarded
    def set_password(self, code: str, password: str) -> str:
        """Use a link: set a password, end all sessions, and return the person's id. Raises `LinkUnusable`."""
        purpose, facts = self._see(code, password_link_purpose(""))
        check_password(password, name=facts["name"], email=facts["email"])
        proof, kept = self._key.prove(Pepper.LINKS, code), self._passwords.hash(password)
        principal_id: str = facts["principal"]

        def work(connection: Connection) -> str:
            enabled = principals.c.id == principal_id, principals.c.disabled_at.is_(None)
            if take_pending(connection, proof, purpose=purpose, now=self._clock()) is None:
                raise link_unusable()
            if not connection.execute(update(principals).where(*enabled).values(password=kept)).rowcount:
                raise link_unusable()
            connection.execute(delete(sessions).where(sessions.c.principal_id == principal_id))
            return principal_id

        return self._store.write(work)

    def _make(self, purpose: str, facts: dict[str, Any], lasts: timedelta) -> NewLink:
        code, now = new_code(Prefix.LINK), self._clock()
        proof = self._key.prove(Pepper.LINKS, code)

        def work(connection: Connection) -> None:
            if purpose == _FIRST_ADMIN and has_admin(connection):
                raise InvalidAccess(
                    "There is an admin already.",
                    hint="They let others in. For a lost password: typecase access people reset NAME",
                )
            connection.execute(delete(pending).where(pending.c.purpose == purpose))
            put_pending(connection, proof, purpose=purpose, facts=facts, now=now, expires_at=now + lasts)

        self._store.write(work)
        return NewLink(code=code, expires_at=now + lasts)

    def _see(self, code: str, purpose: str) -> tuple[str, dict[str, Any]]:
        """Look before a password is hashed: that costs more than a guess should."""
        if not is_code(Prefix.LINK, code):
            raise link_unusable()
        proof = self._key.prove(Pepper.LINKS, code)
        found = self._store.read(lambda connection: see_pending(connection, proof, now=self._clock()))
        if found is None or not found[0].startswith(purpose):
            raise link_unusable()
        return found
