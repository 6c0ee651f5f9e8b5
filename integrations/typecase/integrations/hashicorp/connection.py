"""A signed-in connection to one Vault, shared by all blocks of a process that mean the same."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from typecase.blocks.kinds.pools import Pool
from typecase.blocks.kinds.refusals import needs
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused, leaves, refusal
from typecase.integrations.hashicorp.places import Place
from typecase.integrations.hashicorp.sign_in import SignIn
from typecase.integrations.hashicorp.tokens import Tokens
from typecase.integrations.hashicorp.transport import Transport

if TYPE_CHECKING:
    from hvac import Client

_OK: Final = 200
_EMPTY: Final = frozenset({202, 204})
_FORBIDDEN: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and where: what makes two connections the same."""

    place: Place
    sign_in: SignIn


class Connection:
    """Sends requests to Vault in the name of a principal."""

    def __init__(self, principal: Principal, *, clock: Callable[[], float] = time.monotonic) -> None:
        with needs("hashicorp"):
            self._transport = Transport(principal.place)
            self._client = _client(principal.place, "", self._transport)
        self.principal = principal
        self.place = principal.place
        self.issuing = Lock()
        self.tokens = Tokens(principal.sign_in, self.ask, clock)

    def send(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Send a request with a token; sign in again, once, where Vault no longer knows the token.

        Raises `Refused`, `NoAnswer`, and `SignInRefused` where the new token is not known either.
        """
        token = self.tokens.current()
        try:
            return self.ask(method, path, token=token, **content)
        except Refused as refused:
            if refused.status not in _FORBIDDEN or self.tokens.accepts(token, refused):
                raise
        token = self.tokens.replacement(token)
        try:
            return self.ask(method, path, token=token, **content)
        except Refused as refused:
            if refused.status not in _FORBIDDEN or self.tokens.accepts(token, refused):
                raise
        raise SignInRefused("it does not accept the token", "Give another token, or check the sign-in.")

    def ask(self, method: str, path: str, *, token: str = "", **content: Any) -> dict[str, Any]:
        """Send a request with `token` or none. Raises `Refused`, `NoAnswer`."""
        headers = {"X-Vault-Token": token} if token else {}
        answer = self._client.adapter.request(method, f"/v1/{path}", headers=headers, raise_exception=False, **content)
        if isinstance(answer, dict):
            return answer
        status = getattr(answer, "status_code", _OK)
        if status in _EMPTY:
            return {}
        if status == _OK:
            raise NoAnswer("malformed answer", "its answer is not a JSON object")
        raise refusal(status, answer.text, [token, *leaves(content.get("json"))])

    def client(self) -> "Client":
        """Return an hvac client of its own, with the token of now."""
        return _client(self.place, self.tokens.current(), Transport(self.place))

    @property
    def proxied(self) -> bool:
        """Whether a proxy stands between, as the environment says."""
        return self.place.address.partition(":")[0] in self._transport.proxies or "all" in self._transport.proxies

    def hurry(self, seconds: float) -> None:
        """Give every later request at most these seconds: the process ends."""
        self._transport.deadline = min(self._transport.deadline, seconds)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def _client(place: Place, token: str, transport: Transport) -> "Client":
    import hvac

    session: Any = transport
    namespace = place.namespace or None
    # Strict: LIST goes as GET with `list=true`, as proxies before a Vault may know the methods of HTTP only.
    return hvac.Client(url=place.address, token=token, namespace=namespace, session=session, strict_http=True)


_CONNECTIONS: "Pool[Connection]" = Pool(close=Connection.close)


def connection_of(principal: Principal) -> Connection:
    """Return the connection of this process for `principal`."""
    return _CONNECTIONS.get(principal, lambda: Connection(principal))
