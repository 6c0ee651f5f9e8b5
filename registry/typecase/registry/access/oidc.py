"""Signing people in by OpenID Connect: with a browser, or with a code on another device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import Connection

from typecase.blocks.errors import SignInRequired, TooManyRequests
from typecase.registry.access.clock import Clock, utc_now
from typecase.registry.access.oidc_people import admit
from typecase.registry.access.oidc_provider import OidcProvider, refused
from typecase.registry.access.pending import put_pending, take_pending
from typecase.registry.access.server_key import Pepper, ServerKey
from typecase.registry.edge import guarded
from typecase.registry.store import write

if TYPE_CHECKING:
    from typecase.registry.store import Store

_LASTS: Final = timedelta(minutes=10)
_PURPOSE: Final = "oidc"
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunSignIn:
    """Where to send the browser, and what it keeps in a cookie until it comes back."""

    url: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What a person types at `address`, and what the program asks with meanwhile, every `interval` seconds."""

    user_code: str
    address: str
    complete_address: str | None
    device_code: str = field(repr=False)
    interval: int
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who signed in, and where they wanted to go."""

    principal_id: str
    return_to: str = "/"


class OidcSignIn:
    """Sign-ins by one provider."""

    def __init__(self, store: "Store", key: ServerKey, provider: OidcProvider, *, clock: Clock = utc_now) -> None:
        self.url = store.url
        self._store = store
        self._key = key
        self._provider = provider
        self._clock = clock

    @guarded
    def begin(self, *, return_to: str = "/") -> BegunSignIn:
        """Begin with a browser. What is kept of it is a keyed hash."""
        state, now, settings = token_urlsafe(32), self._clock(), self._provider.settings
        facts = {"return_to": return_to if _is_local(return_to) else "/"}
        query = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": settings.redirect_uri,
            "scope": " ".join(settings.scopes),
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": create_s256_code_challenge(self._derived("verifier", state)),
            "code_challenge_method": "S256",
        }
        address = self._provider.endpoint("authorization_endpoint")
        proof = self._key.prove(Pepper.SIGN_INS, f"state\n{state}")

        def work(connection: Connection) -> None:
            put_pending(connection, proof, purpose=_PURPOSE, facts=facts, now=now, expires_at=now + _LASTS)

        write(self._store.engine(), work)
        return BegunSignIn(url=f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", state=state)

    @guarded
    def finish(self, *, code: str, state: str, begun: str, issuer: str | None = None) -> SignedIn:
        """Finish what `begin` began in the same browser, whose cookie is `begun`. Each state works once.

        `issuer` is what the provider calls itself in its answer, if it does (RFC 9207). Raises `SignInRequired`.
        """
        if not compare_digest(state.encode(), begun.encode()) or issuer not in {None, self._provider.settings.issuer}:
            raise refused()
        proof = self._key.prove(Pepper.SIGN_INS, f"state\n{state}")
        facts = write(
            self._store.engine(),
            lambda connection: take_pending(connection, proof, purpose=_PURPOSE, now=self._clock()),
        )
        if facts is None:
            raise refused()
        status, answer = self._provider.ask(
            "token_endpoint",
            grant_type="authorization_code",
            code=code,
            redirect_uri=self._provider.settings.redirect_uri,
            code_verifier=self._derived("verifier", state),
        )
        if status != _OK:
            raise refused()
        claims = self._provider.verify(answer, nonce=self._derived("nonce", state))
        return SignedIn(principal_id=self._admit(claims), return_to=facts["return_to"])

    @guarded
    def begin_device(self) -> DeviceCode:
        """Begin for a program without a browser (RFC 8628). Nothing is kept: the program has it all."""
        status, answer = self._provider.ask(
            "device_authorization_endpoint", scope=" ".join(self._provider.settings.scopes)
        )
        try:
            complete = answer.get("verification_uri_complete")
            begun = DeviceCode(
                user_code=str(answer["user_code"]),
                address=str(answer["verification_uri"]),
                complete_address=None if complete is None else str(complete),
                device_code=str(answer["device_code"]),
                interval=max(1, int(answer.get("interval", 5))),
                expires_in=int(answer["expires_in"]),
            )
        except (KeyError, ValueError, TypeError):
            begun = None
        if status != _OK or begun is None:
            raise refused()
        return begun

    @guarded
    def poll_device(self, device_code: str) -> SignedIn | None:
        """Ask whether the person has agreed; None while they have not.

        Raises:
            SignInRequired: they have refused, or the code is over.
            TooManyRequests: the program asks too often.

        """
        status, answer = self._provider.ask("token_endpoint", grant_type=_DEVICE, device_code=device_code)
        if status == _OK:
            return SignedIn(principal_id=self._admit(self._provider.verify(answer, nonce=None)))
        if answer.get("error") == "authorization_pending":
            return None
        if answer.get("error") == "slow_down":
            raise TooManyRequests("The sign-in provider asks for patience.", hint="Wait longer.", retry_after=5.0)
        raise SignInRequired("Nobody agreed to this sign-in in time.", hint="Run `typecase login` again.")

    def _admit(self, claims: Mapping[str, Any]) -> str:
        settings, now = self._provider.settings, self._clock()
        return self._store.write(lambda connection: admit(connection, settings, claims, now))

    def _derived(self, what: str, state: str) -> str:
        # Not kept anywhere: whoever has the database and not the server's key cannot finish a sign-in.
        return self._key.prove(Pepper.SIGN_INS, f"{what}\n{state}").hex()


_OK: Final = 200


def _is_local(path: str) -> bool:
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
