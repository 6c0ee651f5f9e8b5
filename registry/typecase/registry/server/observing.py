"""What is seen of a request by whoever watches: never a header, a query, a body."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

API: Final = "/api/v1"

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


@dataclass(slots=True)
class Seen:
    """A request. What is not known before its end is empty until then; `status` 0: nobody got an answer."""

    method: str
    traceparent: str = ""
    tracestate: str = ""
    request_id: str = ""
    route: str = ""
    operation: str = ""
    workspace: str = ""
    principal: str = ""
    status: int = 0
    seconds: float = 0.0
    size: int = 0


Observer: TypeAlias = Callable[[Seen], AbstractContextManager[None]]
"""Enters when a request begins; when it leaves, all of the request is known."""


class Observed:
    """Lets observers see each request."""

    def __init__(self, app: "ASGIApp", observers: Sequence[Observer]) -> None:
        """Stand before `app`."""
        self._app = app
        self._observers = observers

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = Seen(scope["method"] if scope["method"] in _METHODS else "other")
        for name, value in scope["headers"]:
            if name in {b"traceparent", b"tracestate"}:
                setattr(seen, name.decode(), value.decode("latin-1"))
        started = perf_counter()

        async def sending(message: "Message") -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            seen.size += len(message.get("body", b""))
            await send(message)

        with ExitStack() as watching:
            for observer in self._observers:
                watching.enter_context(observer(seen))
            try:
                await self._app(scope, receive, sending)
            finally:
                seen.seconds = perf_counter() - started
                _complete(seen, scope)


def _complete(seen: Seen, scope: MutableMapping[str, Any]) -> None:
    seen.request_id = scope.get("typecase_request_id", "")
    seen.principal = scope.get("typecase_principal", "")
    route = scope.get("route")
    path = getattr(route, "path", "")
    inside = scope["path"].startswith(f"{API}/") and not path.startswith(API)
    seen.route = f"{API}{path}" if inside and path else path or "none"
    seen.operation = getattr(route, "name", "")
    if seen.status < 400:  # noqa: PLR2004 - what failed may name anything, a mistyped secret too
        seen.workspace = scope.get("path_params", {}).get("workspace", "")
