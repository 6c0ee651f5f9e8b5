"""The connection to a registry server: pooled, with time limits, tried again where that is safe."""

from __future__ import annotations

import os
import random
import time
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from uuid import uuid4
from weakref import WeakSet

from pydantic import ValidationError

from typecase.blocks.errors import MissingPackage, RegistryUnreachable, TooManyRequests, TypecaseError
from typecase.blocks.remote.flows import flow_headers
from typecase.blocks.remote.problems import MEDIA_TYPE, error_of
from typecase.blocks.remote.wire import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx
    from pydantic import SecretStr

T = TypeVar("T")

#: Answers after which another attempt may succeed.
_PASSING: Final = frozenset({429, 502, 503, 504})
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0

_clients: WeakSet[Client] = WeakSet()
_abandoned: list[httpx.Client] = []


class Limits(NamedTuple):
    """Seconds for each answer and for all attempts together, and how many attempts there are."""

    timeout: float = 10.0
    deadline: float = 30.0
    attempts: int = 5


class Client:
    """One pool of connections to a server. Safe to share between threads; a forked child opens its own."""

    def __init__(
        self, url: str, *, token: SecretStr | None = None, ca: str | None = None, limits: Limits | None = None
    ) -> None:
        """Take the server's address without `/api`, and what to sign in with."""
        self.url = url
        self._token = token
        self._ca = ca
        self._limits = limits or Limits()
        self._http: httpx.Client | None = None
        self._lock = Lock()
        _clients.add(self)

    def get(self, kind: type[T], method: str, path: str, **more: Any) -> T:
        """As `ask`, for an answer of `kind`."""
        content = self.ask(method, path, **more)
        try:
            return decode(kind, content)
        except ValidationError:
            pass
        message = f"What {self.url} answers is not what a Typecase server of this release answers."
        raise RegistryUnreachable(message, hint="Check TYPECASE_URL, and that client and server are of one release.")

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and return the answer's content.

        What changes something carries an idempotency key, so that each request may be sent again when no answer came.
        Raises what the server refused with, `RegistryUnreachable`, `TooManyRequests`.
        """
        request = self._request(method, path, query=query, content=content, headers=headers)
        until = time.monotonic() + self._limits.deadline
        for attempt in range(1, self._limits.attempts + 1):
            outcome = self._send(request)
            if isinstance(outcome, bytes):
                return outcome
            error, wait = outcome
            pause = self._pause(attempt, wait, until)
            if pause is None:
                raise error
            time.sleep(pause)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def lines(self, method: str, path: str, *, content: bytes) -> Iterator[bytes]:
        """Send one request whose answer comes line by line, as work goes on. Not tried again once it began."""
        import httpx

        request = self._request(method, path, query=None, content=content, headers=None)
        request.extensions["timeout"]["read"] = None
        try:
            answer = self._client().send(request, stream=True)
            try:
                if answer.status_code >= 300:  # noqa: PLR2004 - the first status that is no success
                    answer.read()
                    raise self._refusal(answer)[0]
                yield from (line.encode() for line in answer.iter_lines() if line)
            finally:
                answer.close()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def close(self) -> None:
        """Close the connections. The client may be used again afterwards."""
        http, self._http = self._http, None
        if http is not None:
            http.close()

    def abandon(self) -> None:
        """Leave the parent's connections alone in a forked child: closing them would end the parent's TLS sessions."""
        if self._http is not None:
            _abandoned.append(self._http)
        self._http, self._lock = None, Lock()

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        sent = {**flow_headers(), **(headers or {})}
        if content is not None:
            sent["Content-Type"] = "application/json"
        if method != "GET":
            sent["Idempotency-Key"] = uuid4().hex
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self.url}/api/v1{path}"
        request = self._client().build_request(method, url, params=given or None, content=content, headers=sent)
        if self._token is not None:
            # In no variable: a traceback may show those, and httpx hides this header.
            request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request

    def _send(self, request: httpx.Request) -> bytes | tuple[TypecaseError, float | None]:
        """Return the content, or what went wrong with the seconds to wait: None where trying again is of no use."""
        import httpx

        try:
            answer = self._client().send(request)
        except httpx.HTTPError as error:
            return self._unreachable(error), 0.0
        if answer.status_code < 300:  # noqa: PLR2004 - the first status that is no success
            return answer.content
        return self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> tuple[TypecaseError, float | None]:
        wait = _seconds(answer.headers.get("retry-after")) if answer.status_code in _PASSING else None
        if answer.headers.get("content-type", "").partition(";")[0] == MEDIA_TYPE:
            try:
                problem = answer.json()
            except ValueError:
                problem = None
            if isinstance(problem, dict):
                error = error_of(problem)
                return error, wait if isinstance(error, RegistryUnreachable | TooManyRequests) else None
        message = f"What answers at {self.url} is not a Typecase server, or not now: status {answer.status_code}."
        return RegistryUnreachable(message, hint="Check TYPECASE_URL and what stands in front of the server."), wait

    def _unreachable(self, error: httpx.HTTPError) -> RegistryUnreachable:
        reason = str(error) or type(error).__name__
        return RegistryUnreachable(
            f"The registry at {self.url} did not answer: {reason}.",
            hint="Check TYPECASE_URL, the network, and that the server runs.",
        )

    def _pause(self, attempt: int, wait: float | None, until: float) -> float | None:
        if wait is None or attempt == self._limits.attempts:
            return None
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt)
        pause = max(wait, random.uniform(0, longest))  # noqa: S311 - spreads clients out, keeps nothing secret
        return pause if time.monotonic() + pause < until else None

    def _client(self) -> httpx.Client:
        if self._http is None:
            with self._lock:
                if self._http is None:
                    self._http = self._connect()
        return self._http

    def _connect(self) -> httpx.Client:
        try:
            import httpx
        except ImportError:
            pass
        else:
            import ssl

            context = ssl.create_default_context(cafile=self._ca) if self._ca else True
            limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
            return httpx.Client(verify=context, timeout=self._limits.timeout, limits=limits)
        raise MissingPackage(
            "A registry behind https:// needs the package httpx.",
            hint="Run: pip install 'typecase[remote]'",
            package="httpx",
            extra="remote",
        )


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _abandon_all() -> None:
    for client in list(_clients):
        client.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
