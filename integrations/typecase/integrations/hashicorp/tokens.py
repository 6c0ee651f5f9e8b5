"""The token of a signed-in process: renewed in time, replaced when it ends or is refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from typecase.blocks.redaction import MASK
from typecase.integrations.hashicorp.answers import NoAnswer, Refused

if TYPE_CHECKING:
    from typecase.integrations.hashicorp.sign_in import Ask, SignIn


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    """A token, and when it is to be renewed and ends: seconds on the process's clock. None = it has no end."""

    value: str
    ttl: float = 0.0
    renewable: bool = False
    due: float | None = None
    end: float | None = None

    @classmethod
    def of(cls, facts: Any, name: str, ttl: str, now: float) -> Self:
        """Read what Vault says of a token: its text stands under `name`, its seconds under `ttl`."""
        value = facts.get(name) if isinstance(facts, dict) else None
        if not isinstance(value, str) or not value:
            raise NoAnswer("malformed answer", "its answer to the sign-in holds no token")
        return cls(value=value, renewable=facts.get("renewable") is True).lasting(facts.get(ttl), now)

    def lasting(self, ttl: object, now: float) -> Self:
        """Return the token with a new end, `ttl` seconds from now. It is renewed at two thirds of them."""
        seconds = float(ttl) if isinstance(ttl, int | float) and ttl > 0 else 0.0
        if not seconds:
            return replace(self, ttl=0.0, due=None, end=None)
        return replace(self, ttl=seconds, due=now + seconds * 2 / 3, end=now + seconds)

    def __repr__(self) -> str:
        return f"<Token due={self.due} end={self.end}>"


class Tokens:
    """One token at a time, however many threads ask. Vault is asked once for all of them."""

    def __init__(self, sign_in: "SignIn", ask: "Ask", clock: Callable[[], float]) -> None:
        self._sign_in = sign_in
        self._ask = ask
        self._clock = clock
        self._lock = RLock()
        self._token: Token | None = None

    @property
    def rest(self) -> float | None:
        """Seconds until the token is to be renewed; None = never."""
        due = self._token.due if self._token is not None else None
        return None if due is None else due - self._clock()

    def current(self) -> str:
        """Return a token that lives. Raises `SignInRefused`, `Refused`, `NoAnswer`."""
        token = self._token
        if token is not None and (token.due is None or self._clock() < token.due):
            return token.value
        with self._lock:
            token = self._token
            now = self._clock()
            if token is None or (token.end is not None and now >= token.end):
                token = self._signed_in(now)
            elif token.due is not None and now >= token.due:
                token = self._renewed(token, now)
            self._token = token
            return token.value

    def replacement(self, refused: str) -> str:
        """Return another token than `refused`, by signing in unless another thread did."""
        with self._lock:
            if self._token is None or self._token.value == refused:
                self._token = None
                self._token = self._signed_in(self._clock())
            return self._token.value

    def accepts(self, token: str, refusal: Refused) -> bool:
        """Say whether Vault knows `token`: it answers 403 for a token that it does not know, too."""
        if refusal.unknown_token:
            return False
        try:
            self._ask("GET", "auth/token/lookup-self", token=token)
        except Refused as answer:
            if answer.outage:
                raise
            return False
        return True

    def _renewed(self, token: Token, now: float) -> Token:
        try:
            if token.renewable:
                answer = self._ask("POST", "auth/token/renew-self", token=token.value, json={})
                facts = answer.get("auth")
                ttl = facts.get("lease_duration") if isinstance(facts, dict) else None
                # At its maximal age Vault grants less and less: sign in anew while the old token still works.
                if isinstance(ttl, int | float) and ttl >= token.ttl / 3:
                    return token.lasting(ttl, now)
            return self._signed_in(now)
        except NoAnswer:
            return self._kept(token, now)
        except Refused as refusal:
            if refusal.outage:
                return self._kept(token, now)
        return self._signed_in(now)

    def _signed_in(self, now: float) -> Token:
        token = self._sign_in.token(self._ask, now)
        MASK.add(token.value)  # hvac and requests may log what they send
        return token

    def _kept(self, token: Token, now: float) -> Token:
        """Go on with a token that lives and could not be renewed; try again after a while."""
        return replace(token, due=min(now + max(token.ttl / 12, 1.0), token.end or now))
