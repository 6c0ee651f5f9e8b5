"""All of access on one registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from typecase.blocks.errors import MissingPackage
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.grants import Grants
from typecase.registry.access.identities import Identities
from typecase.registry.access.principals import Principals
from typecase.registry.access.server_key import ServerKey
from typecase.registry.access.sessions import Sessions
from typecase.registry.access.tokens import Tokens

if TYPE_CHECKING:
    import httpx

    from typecase.registry.access.limiting import RequestLimit, SignInGuard
    from typecase.registry.access.links import Links
    from typecase.registry.access.oidc import OidcSignIn
    from typecase.registry.access.oidc_provider import OidcSettings
    from typecase.registry.access.passwords import Passwords
    from typecase.registry.access.sign_in import PasswordSignIn
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store


class Access:
    """Principals, roles, and what they sign in with. What needs the server's packages is made when it is asked for."""

    def __init__(self, store: "Store", keys: "DataKeys", *, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock
        self.key = ServerKey(store, keys)
        self.principals = Principals(store, clock=clock)
        self.grants = Grants(store, clock=clock)
        self.tokens = Tokens(store, self.key, clock=clock)
        self.sessions = Sessions(store, self.key, clock=clock)
        self.identities = Identities(store, self.key, clock=clock)

    @cached_property
    def passwords(self) -> "Passwords":
        """What hashes passwords, a few at a time in this process."""
        with server_packages():
            from typecase.registry.access.passwords import Passwords
        return Passwords()

    @cached_property
    def links(self) -> "Links":
        """One-time links."""
        passwords = self.passwords
        from typecase.registry.access.links import Links

        return Links(self._store, self.key, passwords, clock=self._clock)

    @cached_property
    def guard(self) -> "SignInGuard":
        """What counts sign-ins."""
        with server_packages():
            from typecase.registry.access.limiting import SignInGuard
        return SignInGuard(self._store, self.key, clock=self._clock)

    @cached_property
    def sign_in(self) -> "PasswordSignIn":
        """Signing in with a name and a password."""
        passwords, guard = self.passwords, self.guard
        from typecase.registry.access.sign_in import PasswordSignIn

        return PasswordSignIn(self._store, passwords, guard)

    def oidc(self, settings: "OidcSettings", client: "httpx.Client") -> "OidcSignIn":
        """Return sign-ins by the provider of `settings`, which `client` reaches. The client follows no redirect."""
        with server_packages():
            from typecase.registry.access.oidc import OidcSignIn
            from typecase.registry.access.oidc_provider import OidcProvider
        provider = OidcProvider(settings, client, clock=self._clock)
        return OidcSignIn(self._store, self.key, provider, clock=self._clock)

    def request_limit(self, per_minute: int) -> "RequestLimit":
        """Return what counts requests."""
        with server_packages():
            from typecase.registry.access.limiting import RequestLimit
        return RequestLimit(self._store, self.key, per_minute=per_minute, clock=self._clock)


@contextmanager
def server_packages() -> Iterator[None]:
    """Let a package that is not installed be an error that names the extra which brings it."""
    try:
        yield
    except ImportError as error:
        missing = error.name or "argon2"
    else:
        return
    raise MissingPackage(
        f"This needs the package {missing}.",
        hint="Run: pip install 'typecase[server]'",
        package=missing,
        extra="server",
    )
