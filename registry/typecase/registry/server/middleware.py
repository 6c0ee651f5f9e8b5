"""What every request passes: an id, limits of size, depth and time, headers that keep answers out of caches."""

import asyncio
import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from anyio.to_thread import run_sync

from typecase.blocks.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from typecase.registry.server.problems import answer, fault, invalid_request

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from typecase.registry.server.settings import ServerSettings

_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,100}")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
#: From this size on the depth is measured beside the event loop.
_LONG: Final = 16 * 1024
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Gate:
    """The outermost layer of the app."""

    def __init__(self, app: "ASGIApp", settings: "ServerSettings") -> None:
        """Stand before `app`."""
        self._app = app
        self._settings = settings

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _ID.fullmatch(given) else uuid4().hex
        scope["typecase_request_id"] = request_id

        started = False

        async def sending(message: "Message") -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*_missing(message), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            body = await self._body(headers, receive)
        except (InvalidRequest, RequestTooLarge, RequestTimeout) as error:
            await answer(error, request_id)(scope, receive, sending)
            return
        if body is None:
            return
        scope["typecase_body"] = body
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> "Message":
            return pending.pop() if pending else await receive()

        try:
            await self._app(scope, replayed, sending)
        except Exception as error:  # noqa: BLE001 - a fault has an answer too
            # Answered here: what stands further out would forget the headers above, and write the error's own words.
            problem = fault(error, request_id)
            if started:
                raise RuntimeError(f"The answer to {request_id} broke off.") from None
            await problem(scope, receive, sending)

    async def _body(self, headers: "MutableMapping[bytes, bytes]", receive: "Receive") -> bytes | None:
        """Return the whole body; None where the client went away."""
        largest = self._settings.max_body
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > largest:
            raise _too_large(largest)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message: Any = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > largest:
                        raise _too_large(largest)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise RequestTimeout("The request did not arrive in time.", hint="Send it again.") from None
        body = b"".join(parts)
        try:
            body.decode()
        except UnicodeDecodeError:
            raise invalid_request((("/body", "encoding", "It is not UTF-8."),)) from None
        if _SURROGATE.search(body) and _holds_half_a_pair(body):
            raise invalid_request((("/body", "encoding", "It holds half a surrogate pair."),))
        if await self._depth(body) > self._settings.max_depth:
            raise RequestTooLarge(
                "The request's JSON is nested too deeply.", hint=f"At most {self._settings.max_depth} levels are read."
            )
        return body

    async def _depth(self, body: bytes) -> int:
        if body.count(b"[") + body.count(b"{") <= self._settings.max_depth:
            return 0
        return depth_of(body) if len(body) < _LONG else await run_sync(depth_of, body)


def _holds_half_a_pair(body: bytes) -> bool:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def depth_of(body: bytes) -> int:
    """Return how deeply JSON is nested, in steps that are linear whatever is sent."""
    outside = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    steps = b"".join(outside).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def _missing(message: "Message") -> list[tuple[bytes, bytes]]:
    headers = list(message.get("headers", ()))
    there = {name.lower() for name, _ in headers}
    return [*headers, *(item for item in _HEADERS if item[0] not in there)]


def _too_large(largest: int) -> RequestTooLarge:
    return RequestTooLarge("The request is too large.", hint=f"At most {largest} bytes are read.")
