"""One HTTP request: who asks, and the registry as they have it."""

from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer

from typecase.blocks.errors import RequestTooLarge, SignInRequired, TooManyRequests
from typecase.blocks.remote.flows import ENGINE, FLOW, RUN
from typecase.blocks.remote.wire import encode
from typecase.registry.access.callers import Caller
from typecase.registry.authorized import About, Answered, Asking, AuthorizedRegistry, Once
from typecase.registry.authorized.access import AuthorizedAccess
from typecase.registry.authorized.journal import AuthorizedJournal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typecase.registry.server.state import Server

_FLOW: Final = {FLOW: "flow", RUN: "run", ENGINE: "engine"}
_LONGEST_FACT: Final = 200
_LONGEST_KEY: Final = 200

bearer = HTTPBearer(auto_error=False, description="A token of `typecase access tokens create`.")


class Asks:
    """A request. Nothing is looked up before the endpoint asks for it, in its own thread."""

    def __init__(self, request: Request) -> None:
        """Take the request."""
        self._request = request
        self.server: Server = request.app.state.server

    @property
    def registry(self) -> AuthorizedRegistry:
        """The registry as the caller has it. Raises `SignInRequired`, `TooManyRequests`."""
        return AuthorizedRegistry(self.server.registry, self.asking)

    @property
    def access(self) -> AuthorizedAccess:
        """People, roles and tokens as the caller has them. Raises `SignInRequired`, `TooManyRequests`."""
        return AuthorizedAccess(self.server.access, self.asking)

    @property
    def journal(self) -> AuthorizedJournal:
        """The audit log as the caller has it. Raises `SignInRequired`, `TooManyRequests`."""
        return AuthorizedJournal(self.server.journal, self.server.registry.sql_documents, self.asking)

    @property
    def asking(self) -> Asking:
        """The caller with what makes this request happen once."""
        caller = self.caller()
        key = self._request.headers.get("Idempotency-Key")
        if key is None or self._request.method == "GET":
            return Asking(caller, self.server.journal)
        if len(key) > _LONGEST_KEY:
            raise RequestTooLarge("The idempotency key is too long.", hint=f"Use at most {_LONGEST_KEY} characters.")
        scope = self._request.scope
        target = f"{self._request.method} {scope['path']}?{scope['query_string'].decode('latin-1')}".encode()
        conditions = [self._request.headers.get(name, "") for name in ("If-Match", "If-None-Match")]
        whole = b"\n".join((target, "\n".join(conditions).encode(), scope.get("typecase_body", b"")))
        return Asking(
            caller,
            self.server.journal,
            once=Once(key, principal=caller.id, request=whole, sealer=self.server.access.key),
        )

    def caller(self) -> Caller:
        """Return who asks. Raises `SignInRequired`."""
        given = self._request.headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token:
            self.server.limit.count(self.address)
            raise SignInRequired(
                "Nobody is signed in.", hint="Set TYPECASE_API_KEY to a token, or run `typecase login`."
            )
        flow = {
            fact: unquote(value)[:_LONGEST_FACT]
            for header, fact in _FLOW.items()
            if (value := self._request.headers.get(header))
        }
        scope = self._request.scope
        caller = self.server.caller(
            token.strip(), address=self.address, request_id=scope["typecase_request_id"], flow=flow
        )
        scope["typecase_principal"] = caller.id
        return caller

    def asking_as(self, principal_id: str) -> Asking:
        """Ask for a person who has just proved who they are."""
        caller = self.server.access.identities.caller_of(principal_id, self.address)
        return Asking(replace(caller, request_id=self._request.scope["typecase_request_id"]), self.server.journal)

    def unknown(self, name: str) -> Asking:
        """Ask for nobody: what happens is written down under the name that was given. Raises `TooManyRequests`."""
        self.server.limit.count(self.address)
        request_id = self._request.scope["typecase_request_id"]
        caller = Caller(id="", name=name, kind="unknown", address=self.address, request_id=request_id)
        return Asking(caller, self.server.journal)

    @contextmanager
    def signing_in(self, name: str) -> "Iterator[None]":
        """Write down a sign-in that was refused."""
        try:
            yield
        except (SignInRequired, TooManyRequests):
            self.unknown(name).refuse(About(action="sign-in"))
            raise

    @property
    def address(self) -> str:
        """Where the request comes from: the nearest address that is no trusted proxy."""
        peer = self._request.client.host if self._request.client else ""
        networks = self.server.settings.trusted_proxies
        if not networks or not _inside(peer, networks):
            return peer
        # A proxy may add a header of its own below the one that its client made up.
        lines = ",".join(self._request.headers.getlist("X-Forwarded-For"))
        forwarded = [item.strip() for item in lines.split(",")]
        for item in reversed(forwarded):
            if not _is_address(item):
                break
            if not _inside(item, networks):
                return item
        return peer

    def answer(self, kind: Any, work: "Callable[[], Any]", *, status: int = 200, etag: bool = False) -> Response:
        """Return what `work` returns, which is of `kind`; of a request that was done before, its answer."""
        try:
            result = work()
        except Answered as before:
            return Response(before.content, status, media_type="application/json")
        headers = {"ETag": f'"{getattr(result, "revision", getattr(result, "number", 0))}"'} if etag else None
        return Response(encode(result, kind), status, headers, media_type="application/json")


def _inside(address: str, networks: Any) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def asks(request: Request) -> Asks:
    """Wrap a request for its endpoint."""
    return Asks(request)


AsksFor = Annotated[Asks, Depends(asks)]
SECURITY: Final = [Depends(bearer)]
