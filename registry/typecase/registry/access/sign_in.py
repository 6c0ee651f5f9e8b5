"""Signing in with a name and a password."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select, update

from typecase.registry.access.authority import acts_for_self
from typecase.registry.access.callers import Caller, denied
from typecase.registry.access.passwords import Passwords, check_password
from typecase.registry.access.permissions import Permission
from typecase.registry.access.principals import is_name
from typecase.registry.access.refusals import sign_in_refused
from typecase.registry.edge import guarded
from typecase.registry.store import write
from typecase.registry.tables import principals, sessions

if TYPE_CHECKING:
    from typecase.registry.access.limiting import SignInGuard
    from typecase.registry.store import Store


class PasswordSignIn:
    """Checks who knows the password of whom."""

    def __init__(self, store: "Store", passwords: Passwords, guard: "SignInGuard") -> None:
        self.url = store.url
        self._store = store
        self._passwords = passwords
        self._guard = guard

    @guarded
    def check(self, name: str, password: str, address: str) -> str:
        """Return the id of the person. Takes as long for a name that nobody has.

        Raises:
            SignInRequired: the name or the password is wrong, or the person is disabled.
            TooManyRequests: too many sign-ins failed for this name here, or from this network.

        """
        self._guard.attempt(name, address)
        query = select(principals.c.id, principals.c.password).where(
            principals.c.name == name, principals.c.kind == "person", principals.c.disabled_at.is_(None)
        )
        row = self._store.read_once(lambda connection: connection.execute(query).first()) if is_name(name) else None
        if not self._passwords.matches(None if row is None else row.password, password) or row is None:
            raise sign_in_refused()
        self._guard.succeeded(name, address)
        if self._passwords.is_outdated(row.password):
            self._renew(row.id, row.password, self._passwords.hash(password))
        person: str = row.id
        return person

    @guarded
    def change(self, actor: Caller, name: str, *, current: str, new: str) -> None:
        """Give oneself another password, knowing the present one. All sessions end."""
        person = self.check(name, current, actor.address)
        if not acts_for_self(actor, person):
            raise denied(actor, Permission.ACCESS_WRITE, None)
        check_password(new, name=name)
        kept = self._passwords.hash(new)

        def work(connection: Connection) -> None:
            connection.execute(update(principals).where(principals.c.id == person).values(password=kept))
            connection.execute(delete(sessions).where(sessions.c.principal_id == person))

        self._store.write(work)

    def _renew(self, person: str, before: str, kept: str) -> None:
        """Keep the same password by today's parameters, unless it was changed meanwhile."""
        same = principals.c.id == person, principals.c.password == before
        renewed = update(principals).where(*same).values(password=kept)
        write(self._store.engine(), lambda connection: connection.execute(renewed))
